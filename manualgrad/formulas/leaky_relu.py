r"""Leaky rectified linear unit.

    forward    y  = x   where x > 0,  else s x         s = negative_slope
    backward   dx = dy  where x > 0,  else s dy
    tangent    y' = x'  where x > 0,  else s x'

At x = 0 there is no derivative unless s = 1; like torch, s is taken.
Shapes: x, y (*) any shape. Saves x only: y does not tell the sign of x when s is negative.
Source: Maas, Hannun & Ng (2013), Rectifier nonlinearities improve neural network acoustic models, eq. 3.
"""

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from manualgrad.formula import Pointwise, call, call_in_place
from manualgrad.public import public


class LeakyReluFunction(Pointwise):
    @staticmethod
    def forward(x: Tensor, negative_slope: float) -> Tensor:
        return F.leaky_relu(x, negative_slope)

    @staticmethod
    def slope(d: Tensor, x: Tensor, negative_slope: float) -> Tensor:
        return d * F.threshold(torch.sign(x), 0.0, negative_slope)  # 1 where the sign is 1, else s


def leaky_relu(input: Tensor, negative_slope: float = 0.01, inplace: bool = False) -> Tensor:
    """`input` where it is positive, else `negative_slope * input`; elementwise. As torch's `leaky_relu`.

    With `inplace` the result is written over `input`, which is returned.

    >>> import torch
    >>> x = torch.tensor([-2.0, 3.0], requires_grad=True)
    >>> leaky_relu(x, 0.1).sum().backward()
    >>> x.grad
    tensor([0.1000, 1.0000])
    """
    return (call_in_place if inplace else call)(LeakyReluFunction, input, negative_slope)


@public
def leaky_relu_(input: Tensor, negative_slope: float = 0.01) -> Tensor:
    """`leaky_relu` in place."""
    return leaky_relu(input, negative_slope, inplace=True)


class LeakyReLU(nn.LeakyReLU):
    """Drop-in `torch.nn.LeakyReLU` computed by `manualgrad.functional.leaky_relu`."""

    def forward(self, input: Tensor) -> Tensor:
        return leaky_relu(input, self.negative_slope, self.inplace)
