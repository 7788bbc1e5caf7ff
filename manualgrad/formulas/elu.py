r"""Exponential linear unit.

    forward    y  = x   where x > 0,  else a (e^x - 1)         a = alpha
    backward   dx = dy  where x > 0,  else dy . a e^x
    tangent    y' = x'  where x > 0,  else x' . a e^x

At x = 0 there is no derivative unless a = 1; like torch, a is taken.
Shapes: x, y (*) any shape. Saves x only: y + a, which is a e^x too, loses the digits of a small e^x.
Source: Clevert, Unterthiner & Hochreiter (2016), Fast and accurate deep network learning by exponential linear units,
eq. 15.
"""

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from manualgrad.formula import Pointwise, call, call_in_place
from manualgrad.parts.nan import nan_as
from manualgrad.public import public


class EluFunction(Pointwise):
    @staticmethod
    def forward(x: Tensor, alpha: float) -> Tensor:
        return F.elu(x, alpha)

    @staticmethod
    def slope(d: Tensor, x: Tensor, alpha: float) -> Tensor:
        x = nan_as(x, 1.0)  # torch passes dy on there
        one_or_alpha = torch.threshold_(torch.sign(x), 0.0, alpha)
        return d * one_or_alpha.mul_(x.clamp_max_(0).exp_())  # e^0 = 1 where x > 0


def elu(input: Tensor, alpha: float = 1.0, inplace: bool = False) -> Tensor:
    """`input` where it is positive, else `alpha * (exp(input) - 1)`; elementwise. As `torch.nn.functional.elu`.

    With `inplace` the result is written over `input`, which is returned.

    >>> import torch
    >>> x = torch.tensor([-1.0, 3.0], requires_grad=True)
    >>> elu(x).sum().backward()
    >>> x.grad
    tensor([0.3679, 1.0000])
    """
    return (call_in_place if inplace else call)(EluFunction, input, alpha)


@public
def elu_(input: Tensor, alpha: float = 1.0) -> Tensor:
    """`elu` in place."""
    return elu(input, alpha, inplace=True)


class ELU(nn.ELU):
    """Drop-in `torch.nn.ELU` computed by `manualgrad.functional.elu`."""

    def forward(self, input: Tensor) -> Tensor:
        return elu(input, self.alpha, self.inplace)
