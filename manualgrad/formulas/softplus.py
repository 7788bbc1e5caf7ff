r"""Softplus: a smooth rectified linear unit.

    forward    y  = log(1 + e^(b x)) / b         or x where b x > threshold; b = beta
    backward   dx = dy . s(b x)                  s the sigmoid; or dy where b x > threshold
    tangent    y' = x' . s(b x)                  or x' where b x > threshold

Shapes: x, y (*) any shape. Saves x only.
Source: Dugas, Bengio, Belisle, Nadeau & Garcia (2001), Incorporating second-order functional knowledge for better
option pricing, eq. 5.
"""

import math

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from manualgrad.formula import Pointwise, call


class SoftplusFunction(Pointwise):
    autocast = "float32 on cuda"

    @staticmethod
    def forward(x: Tensor, beta: float, threshold: float) -> Tensor:
        return F.softplus(x, beta, threshold)

    @staticmethod
    def slope(d: Tensor, x: Tensor, beta: float, threshold: float) -> Tensor:
        # Beyond the threshold s is 1: -b x, unless it is at least -threshold, becomes minus infinity.
        z = F.threshold(x * -beta, math.nextafter(-threshold, -math.inf), -math.inf)
        return d * torch.sigmoid(-z)


def softplus(input: Tensor, beta: float = 1.0, threshold: float = 20.0) -> Tensor:
    """`log(1 + exp(beta * input)) / beta`, elementwise; `input` itself where `beta * input > threshold`.

    Any shape. Same values and gradients as `torch.nn.functional.softplus`.

    >>> import torch
    >>> x = torch.tensor([0.0, 100.0], requires_grad=True)
    >>> softplus(x).sum().backward()
    >>> x.grad
    tensor([0.5000, 1.0000])
    """
    return call(SoftplusFunction, input, beta, threshold)


class Softplus(nn.Softplus):
    """Drop-in `torch.nn.Softplus` computed by `manualgrad.functional.softplus`."""

    def forward(self, input: Tensor) -> Tensor:
        return softplus(input, self.beta, self.threshold)
