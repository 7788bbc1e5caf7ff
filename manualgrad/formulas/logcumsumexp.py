r"""Logarithm of the running sum of exponentials.

    forward    y_k  = ln(e^(x_1) + ... + e^(x_k))
    backward   dx_i = sum of dy_k e^(x_i - y_k) over k >= i
    tangent    y'_k = sum of x'_i e^(x_i - y_k) over i <= k

No exponential overflows: the sums are of logarithms, those of the positive terms apart from those of the negative ones.
Shapes: x, y (*) any shape, summed along `dim`. Saves x and y.
Source: any calculus book; Blanchard, Higham & Higham (2021), Accurately computing the log-sum-exp function.
"""

from typing import Any

import torch
from torch import Tensor

from manualgrad.formula import Formula, call, save


class LogcumsumexpFunction(Formula):
    complex = "refused"

    @staticmethod
    def forward(x: Tensor, dim: int) -> Tensor:
        return torch.logcumsumexp(x, dim)

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Tensor, int], output: Tensor) -> None:
        x, ctx.dim = inputs
        save(ctx, x, output)

    @staticmethod
    def backward(ctx: Any, dy: Tensor) -> tuple[Tensor, None]:
        x, y = ctx.saved_tensors

        def summed(log_dy: Tensor) -> Tensor:
            return ((log_dy - y).flip(ctx.dim).logcumsumexp(ctx.dim).flip(ctx.dim) + x).exp()

        return _by_sign(dy, summed), None

    @staticmethod
    def jvp(ctx: Any, x_t: Tensor, _: None) -> Tensor:
        x, y = ctx.saved_tensors
        return _by_sign(x_t, lambda log_t: ((log_t + x).logcumsumexp(ctx.dim) - y).exp())


def _by_sign(d: Tensor, summed: Any) -> Tensor:
    """What `summed` makes of the logarithms of the positive elements, less what it makes of the negative ones."""
    positive, negative = (d * sign > 0 for sign in (1, -1))
    return summed(_log(d, positive)) - summed(_log(-d, negative))


def _log(d: Tensor, mask: Tensor) -> Tensor:
    """The logarithms of the masked elements. The others are next to nothing, which unlike 0 has a logarithm."""
    return d.masked_fill(~mask, 1).log().masked_fill(~mask, torch.finfo(d.dtype).min / 4)


def logcumsumexp(input: Tensor, dim: int) -> Tensor:
    """The logarithm of the running sum of exponentials along `dim`. Same values and gradients as `torch.logcumsumexp`.

    >>> import torch
    >>> x = torch.tensor([0.0, 0.0], requires_grad=True)
    >>> y = logcumsumexp(x, 0)
    >>> y.sum().backward()
    >>> y.detach(), x.grad
    (tensor([0.0000, 0.6931]), tensor([1.5000, 0.5000]))
    """
    return call(LogcumsumexpFunction, input, dim)
