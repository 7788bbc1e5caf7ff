r"""Sigmoid linear unit, or swish.

    forward    y  = x s(x)                          s(x) = 1 / (1 + e^-x)
    backward   dx = dy . s (1 + x (1 - s))
    tangent    y' = x' . s (1 + x (1 - s))

Shapes: x, y (*) any shape. Saves x only: the sigmoid is computed again.
Source: Elfwing, Uchibe & Doya (2018), Sigmoid-weighted linear units for neural network function approximation in
reinforcement learning, eqs. 6 and 7.
"""

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from manualgrad.formula import Pointwise, call, call_in_place


class SiluFunction(Pointwise):
    @staticmethod
    def forward(x: Tensor) -> Tensor:
        return F.silu(x)

    @staticmethod
    def slope(d: Tensor, x: Tensor) -> Tensor:
        s = torch.sigmoid(x)
        return d * torch.addcmul(s, s, torch.addcmul(x, x, s, value=-1))


def silu(input: Tensor, inplace: bool = False) -> Tensor:
    """`input * sigmoid(input)`, elementwise; any shape. Same values and gradients as `torch.nn.functional.silu`.

    With `inplace` the result is written over `input`, which is returned.

    >>> import torch
    >>> x = torch.tensor([0.0, 2.0], requires_grad=True)
    >>> silu(x).sum().backward()
    >>> x.grad
    tensor([0.5000, 1.0908])
    """
    return (call_in_place if inplace else call)(SiluFunction, input)


class SiLU(nn.SiLU):
    """Drop-in `torch.nn.SiLU` computed by `manualgrad.functional.silu`."""

    def forward(self, input: Tensor) -> Tensor:
        return silu(input, self.inplace)
