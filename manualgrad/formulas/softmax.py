r"""Softmax: scores to probabilities along one dimension.

    forward    p_i  = e^z_i / sum_j e^z_j
    backward   dz_i = p_i (dp_i - sum_j dp_j p_j)          from dp_i/dz_j = p_i ([i = j] - p_j)
    tangent    p'_i = p_i (z'_i - sum_j z'_j p_j)          the same: the Jacobian is symmetric

Shapes: z, p (*) any shape; the sums run over `dim`. Saves p only.
Source: Bridle (1990), Probabilistic interpretation of feedforward classification network outputs, section 3.
"""

from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from manualgrad.formula import CastFunction, Formula, call, save
from manualgrad.public import public


class SoftmaxFunction(Formula):
    autocast = "float32 on cuda"

    @staticmethod
    def forward(z: Tensor, dim: int) -> Tensor:
        return torch.softmax(z, dim)

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Tensor, int], output: Tensor) -> None:
        save(ctx, output)
        ctx.dim = inputs[1]

    @staticmethod
    def backward(ctx: Any, dp: Tensor) -> tuple[Tensor, None]:
        (p,) = ctx.saved_tensors
        u = dp * p
        return torch.addcmul(u, p, u.sum(ctx.dim, keepdim=True), value=-1), None

    @staticmethod
    def jvp(ctx: Any, z_t: Tensor, _: None) -> Tensor:
        (p,) = ctx.saved_tensors
        u = z_t * p
        return torch.addcmul(u, p, u.sum(ctx.dim, keepdim=True), value=-1)


@public
def softmax(input: Tensor, dim: int | None = None, _stacklevel: int = 3, dtype: torch.dtype | None = None) -> Tensor:
    """Probabilities `exp(input) / sum(exp(input))`, the sum over `dim`. Same values and gradients as torch's `softmax`.

    input (*) of any shape; with `dtype` it is cast first. Without `dim`, torch's old choice is made and warned about:
    0 for 0-d, 1-d and 3-d input, else 1. Raises IndexError for a dim out of range.

    >>> import torch
    >>> z = torch.tensor([[0.0, 1.0]], requires_grad=True)
    >>> softmax(z, dim=1)[0, 0].backward()
    >>> z.grad
    tensor([[ 0.1966, -0.1966]])
    """
    if dim is None:
        dim = F._get_softmax_dim("softmax", input.dim(), _stacklevel + 1)  # type: ignore[attr-defined]
    if dtype is not None and dtype != input.dtype:
        input = call(CastFunction, input, dtype)
    return call(SoftmaxFunction, input, dim)


class Softmax(nn.Softmax):
    """Drop-in `torch.nn.Softmax` computed by `manualgrad.functional.softmax`."""

    def forward(self, input: Tensor) -> Tensor:
        return softmax(input, self.dim, _stacklevel=5)


class Softmax2d(nn.Softmax2d):
    """Drop-in `torch.nn.Softmax2d`: the softmax over the channels of an image, by `manualgrad.functional.softmax`."""

    def forward(self, input: Tensor) -> Tensor:
        if input.dim() not in (3, 4):
            raise ValueError(f"softmax2d: input must be (c, h, w) or (n, c, h, w), got {tuple(input.shape)}")
        return softmax(input, -3)
