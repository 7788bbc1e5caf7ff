"""Callables and modules, with Functions inside or without."""
# mypy: ignore-errors

import functools

import torch
import torch.nn.functional as F
from torch import nn
from torch.autograd import Function

from tests.checking.corpus import between, normal, right, wrong


class _Double(Function):
    @staticmethod
    def forward(ctx, x):
        return 2 * x

    @staticmethod
    def backward(ctx, dy):
        return 2 * dy


class _Triple(Function):
    """Wrong: 3 x, with the gradient of 2 x."""

    @staticmethod
    def forward(ctx, x):
        return 3 * x

    @staticmethod
    def backward(ctx, dy):
        return 2 * dy


@right(normal(3, 4))
def doubled(x):
    return _Double.apply(x).sin()


@wrong("scale", normal(3, 4))
def tripled(x):
    return _Triple.apply(x)


@wrong("detached", normal(3, 4), normal(4))
def detached_weight(x, w):
    return x * w.detach()


@wrong("detached", normal(3, 4))
def through_numpy(x):
    return torch.from_numpy(x.detach().numpy() ** 2)


@wrong("detached", normal(3, 4))
def under_no_grad(x):
    with torch.no_grad():
        return x.exp()


@wrong("scale", normal(5))
def new_tensor(x):
    """x^2, one of whose factors is a copy that autograd does not know."""
    return torch.tensor([float(v) for v in x], dtype=x.dtype) * x


@wrong("detached", normal(4), normal(4))
def item_scale(x, s):
    return x * s.sum().item()


class Scaled(nn.Module):
    """A module whose scale is cut off."""

    def __init__(self):
        super().__init__()
        self.scale = nn.Parameter(torch.tensor([0.5, 1.5, 2.0]))

    def forward(self, x):
        return x * self.scale.data


wrong("detached", normal(4, 3))(Scaled())


class HandLinear(nn.Module):
    """A module around a wrong Function: the parameters' gradients are checked too."""

    class Product(Function):
        @staticmethod
        def forward(ctx, x, w):
            ctx.save_for_backward(x, w)
            return x @ w.t()

        @staticmethod
        def backward(ctx, dy):
            x, w = ctx.saved_tensors
            return dy @ w, -(dy.t() @ x)

    def __init__(self):
        super().__init__()
        self.weight = nn.Parameter(normal(2, 3).float())

    def forward(self, x):
        return HandLinear.Product.apply(x, self.weight)


wrong("sign", normal(4, 3))(HandLinear())
right(normal(4, 3))(nn.Linear(3, 2))
right(normal(4, 3).float())(nn.Sequential(nn.Linear(3, 5), nn.Tanh(), nn.Linear(5, 1)))
right(normal(1, 2, 5, 5))(nn.Conv2d(2, 2, 3))
right(normal(3, 4))(nn.ReLU(inplace=True))
right(normal(6, 4))(nn.Dropout(0.5))
right(normal(3, 2, 4))(nn.GRU(4, 3))


@right(normal(3, 4))
def nested(x):
    """Outputs in a dictionary."""
    return {"a": x.sin(), "b": (x.cos(), x.argmax())}


@right([normal(2, 3), normal(1, 3)])
def stacked(tensors):
    """Inputs in a list."""
    return torch.cat(tensors).cumprod(0)


right(normal(5, 4), between(0.0, 1.0, 5, 4))(functools.partial(F.binary_cross_entropy_with_logits, reduction="none"))


@right(torch.complex(normal(3), normal(3)))
def complex_product(z):
    return z * z.conj().exp()


@wrong("sign", torch.complex(normal(4), normal(4)))
class ComplexUnconjugated(Function):
    """torch's convention asks for the conjugate of the slope."""

    @staticmethod
    def forward(ctx, z):
        ctx.save_for_backward(z)
        return z * z

    @staticmethod
    def backward(ctx, dy):
        (z,) = ctx.saved_tensors
        return dy * 2 * z


@right(torch.complex(normal(4), normal(4)))
class ComplexSquare(ComplexUnconjugated):
    @staticmethod
    def backward(ctx, dy):
        (z,) = ctx.saved_tensors
        return dy * 2 * z.conj()


@wrong("forward", normal(3, 4), reference=F.silu)
def silu_with_tanh(x):
    return x * torch.tanh(x)


@wrong("forward", normal(4, 5), normal(4, 5), reference=functools.partial(F.kl_div, reduction="sum"))
def kl_wrong_way_round(logq, p):
    return (logq.exp() * (logq - p)).sum()


@wrong("unstable", between(0.5, 2.0, 4, 3), reference=lambda x: torch.logsumexp(x, 1))
def log_of_sum_of_exp(x):
    """Overflows in float64 too, where the reference does not."""
    return torch.log(torch.exp(x).sum(1))
