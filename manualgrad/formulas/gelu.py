r"""Gaussian error linear unit.

    forward    y  = x P(x)                          P(x) = (1 + erf(x / sqrt 2)) / 2, the normal distribution
    backward   dx = dy (P(x) + x p(x))              p(x) = e^(-x^2/2) / sqrt(2 pi), its density
    tangent    y' = x' (P(x) + x p(x))

With approximate="tanh", P is replaced by S(2 u), S the sigmoid, u = sqrt(2/pi) (x + 0.044715 x^3), which is
(1 + tanh u) / 2, and p by its derivative S (1 - S) 2 du/dx.
Shapes: x, y (*) any shape. Saves x only: P and p are computed again.
Source: Hendrycks & Gimpel (2016), Gaussian error linear units, section 2.
"""

import math

from torch import Tensor, nn
from torch.nn import functional as F

from manualgrad.formula import Pointwise, call

CUBIC = 0.044715


class GeluFunction(Pointwise):
    @staticmethod
    def forward(x: Tensor, approximate: str) -> Tensor:
        return F.gelu(x, approximate=approximate)

    @staticmethod
    def slope(d: Tensor, x: Tensor, approximate: str) -> Tensor:
        if approximate == "none":
            distribution = (x * math.sqrt(0.5)).erf_().mul_(0.5).add_(0.5)
            density = (x * x).mul_(-0.5).exp_()
            return d * distribution.addcmul_(x, density, value=1 / math.sqrt(2 * math.pi))
        square = x * x
        c = 2 * math.sqrt(2 / math.pi)
        s = (square * (c * CUBIC)).add_(c).mul_(x).sigmoid_()
        inner = square.mul_(3 * c * CUBIC).add_(c).mul_(x)  # x times the derivative of 2 u
        return d * (1 - s).mul_(inner).add_(1).mul_(s)


def gelu(input: Tensor, approximate: str = "none") -> Tensor:
    """`input` times the probability that a standard normal number is below it; elementwise. As torch's `gelu`.

    `approximate` is "none" or "tanh". Raises RuntimeError for another.

    >>> import torch
    >>> x = torch.tensor([0.0, 1.0], requires_grad=True)
    >>> gelu(x).sum().backward()
    >>> x.grad
    tensor([0.5000, 1.0833])
    """
    return call(GeluFunction, input, approximate)


class GELU(nn.GELU):
    """Drop-in `torch.nn.GELU` computed by `manualgrad.functional.gelu`."""

    def forward(self, input: Tensor) -> Tensor:
        return gelu(input, self.approximate)
