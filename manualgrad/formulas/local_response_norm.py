r"""Local response normalisation: each channel is damped by the squares of its neighbours.

    forward    s_c  = k + a sum over c' in W(c) of x_c'^2         W(c) the channels around c, a = alpha / size
               y_c  = x_c s_c^-beta
    backward   dx_c = dy_c s_c^-beta - 2 a beta x_c sum over c' with c in W(c') of dy_c' y_c' / s_c'
    tangent    y'_c = x'_c s_c^-beta - 2 a beta y_c / s_c sum over c' in W(c) of x_c' x'_c'

Each channel is damped by its neighbours, and damps them: the second sum runs over the windows that hold c.
Shapes: x, y (n, c, *) with at least one more dimension. Saves x only.
Source: Krizhevsky, Sutskever & Hinton (2012), ImageNet classification with deep convolutional neural networks,
section 3.3.
"""

from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from manualgrad.formula import Formula, call, save
from manualgrad.public import public


class LocalResponseNormFunction(Formula):
    @staticmethod
    def forward(x: Tensor, before: int, after: int, a: float, beta: float, k: float) -> Tensor:
        return x / _scale(x, before, after, a, k).pow(beta)

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Any, ...], output: Tensor) -> None:
        save(ctx, inputs[0])
        ctx.before, ctx.after, ctx.a, ctx.beta, ctx.k = inputs[1:]

    @staticmethod
    def backward(ctx: Any, dy: Tensor) -> tuple[Tensor | None, ...]:
        (x,) = ctx.saved_tensors
        s = _scale(x, ctx.before, ctx.after, ctx.a, ctx.k)
        direct = dy / s.pow(ctx.beta)
        felt = _window_sum(direct * x / s, ctx.after, ctx.before)  # before and after change places
        return direct - 2 * ctx.a * ctx.beta * x * felt, None, None, None, None, None

    @staticmethod
    def jvp(ctx: Any, x_t: Tensor, *_: None) -> Tensor:
        (x,) = ctx.saved_tensors
        s = _scale(x, ctx.before, ctx.after, ctx.a, ctx.k)
        s_t = 2 * ctx.a * _window_sum(x * x_t, ctx.before, ctx.after)
        return (x_t - ctx.beta * x * s_t / s) / s.pow(ctx.beta)


def _window_sum(x: Tensor, before: int, after: int) -> Tensor:
    """The sum of each channel with those up to `before` below it and `after` above it."""
    examples, channels, *positions = x.shape
    flat = F.pad(x.reshape(examples, 1, channels, torch.Size(positions).numel()), (0, 0, before, after))
    return F.avg_pool2d(flat, (before + 1 + after, 1), stride=1, divisor_override=1).reshape(x.shape)


def _scale(x: Tensor, before: int, after: int, a: float, k: float) -> Tensor:
    return _window_sum(x * x, before, after) * a + k


@public
def local_response_norm(input: Tensor, size: int, alpha: float = 1e-4, beta: float = 0.75, k: float = 1.0) -> Tensor:
    """Divide by `(k + alpha * mean of the squares of size channels) ** beta`; as torch's `local_response_norm`.

    input (n, c, *) of at least three dimensions. Raises ValueError for fewer.

    >>> import torch
    >>> x = torch.tensor([[[1.0], [2.0]]], requires_grad=True)
    >>> y = local_response_norm(x, size=2, alpha=1.0, beta=1.0)
    >>> y.detach().flatten()
    tensor([0.6667, 0.5714])
    """
    if input.dim() < 3:
        raise ValueError(
            f"local_response_norm: input must be (n, c, *) with 3 dimensions or more, got {tuple(input.shape)}"
        )
    return call(LocalResponseNormFunction, input, size // 2, (size - 1) // 2, alpha / size, beta, k)


class LocalResponseNorm(nn.LocalResponseNorm):
    """Drop-in `torch.nn.LocalResponseNorm` computed by `manualgrad.functional.local_response_norm`."""

    def forward(self, input: Tensor) -> Tensor:
        return local_response_norm(input, self.size, self.alpha, self.beta, self.k)
