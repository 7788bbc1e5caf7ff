r"""Logarithm of the softmax.

    forward    y_i  = z_i - log sum_j e^z_j
    backward   dz_i = dy_i - p_i sum_j dy_j          with p = e^y: dy_i/dz_j = [i = j] - p_j
    tangent    y'_i = z'_i - sum_j p_j z'_j

Shapes: z, y (*) any shape; the sums run over `dim`. Saves y only: the probabilities are e^y.
Source: Bishop (2006), Pattern Recognition and Machine Learning, eqs. 4.104 to 4.106.
"""

from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from manualgrad.formula import CastFunction, Formula, call, save
from manualgrad.public import public


class LogSoftmaxFunction(Formula):
    autocast = "float32 on cuda"

    @staticmethod
    def forward(z: Tensor, dim: int) -> Tensor:
        return torch.log_softmax(z, dim)

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Tensor, int], output: Tensor) -> None:
        save(ctx, output)
        ctx.dim = inputs[1]

    @staticmethod
    def backward(ctx: Any, dy: Tensor) -> tuple[Tensor, None]:
        (y,) = ctx.saved_tensors
        return torch.addcmul(dy, y.exp(), dy.sum(ctx.dim, keepdim=True), value=-1), None

    @staticmethod
    def jvp(ctx: Any, z_t: Tensor, _: None) -> Tensor:
        (y,) = ctx.saved_tensors
        return z_t - (y.exp() * z_t).sum(ctx.dim, keepdim=True)


@public
def log_softmax(
    input: Tensor, dim: int | None = None, _stacklevel: int = 3, dtype: torch.dtype | None = None
) -> Tensor:
    """`input - log(sum(exp(input)))`, the sum over `dim`. Same values and gradients as torch's `log_softmax`.

    input (*) of any shape; with `dtype` it is cast first. Without `dim`, torch's old choice is made and warned about:
    0 for 0-d, 1-d and 3-d input, else 1. Raises IndexError for a dim out of range.

    >>> import torch
    >>> z = torch.tensor([[0.0, 0.0]], requires_grad=True)
    >>> log_softmax(z, dim=1)[0, 0].backward()
    >>> z.grad
    tensor([[ 0.5000, -0.5000]])
    """
    if dim is None:
        dim = F._get_softmax_dim("log_softmax", input.dim(), _stacklevel + 1)  # type: ignore[attr-defined]
    if dtype is not None and dtype != input.dtype:
        input = call(CastFunction, input, dtype)
    return call(LogSoftmaxFunction, input, dim)


class LogSoftmax(nn.LogSoftmax):
    """Drop-in `torch.nn.LogSoftmax` computed by `manualgrad.functional.log_softmax`."""

    def forward(self, input: Tensor) -> Tensor:
        return log_softmax(input, self.dim, _stacklevel=5)
