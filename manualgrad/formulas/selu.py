r"""Scaled exponential linear unit.

    forward    y  = l x   where x > 0,  else l a (e^x - 1)         l = 1.0507..., a = 1.6732...
    backward   dx = l dy  where x > 0,  else dy . l a e^x
    tangent    y' = l x'  where x > 0,  else x' . l a e^x

With these constants activations of mean 0 and variance 1 keep both from layer to layer. At x = 0 there is no
derivative; like torch, l a is taken.
Shapes: x, y (*) any shape. Saves x only: y + l a, which is l a e^x too, loses the digits of a small e^x.
Source: Klambauer, Unterthiner, Mayr & Hochreiter (2017), Self-normalizing neural networks, eqs. 2 and 14.
"""

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from manualgrad.formula import Pointwise, call, call_in_place
from manualgrad.parts.nan import nan_as
from manualgrad.public import public

ALPHA = 1.6732632423543772848170429916717
SCALE = 1.0507009873554804934193349852946


class SeluFunction(Pointwise):
    @staticmethod
    def forward(x: Tensor) -> Tensor:
        return F.selu(x)

    @staticmethod
    def slope(d: Tensor, x: Tensor) -> Tensor:
        x = nan_as(x, 1.0)  # torch passes dy on there
        one_or_alpha = torch.threshold_(torch.sign(x), 0.0, ALPHA)
        return d * one_or_alpha.mul_(SCALE).mul_(x.clamp_max_(0).exp_())  # e^0 = 1 where x > 0


def selu(input: Tensor, inplace: bool = False) -> Tensor:
    """Scaled exponential linear unit, elementwise. Same values and gradients as `torch.nn.functional.selu`.

    With `inplace` the result is written over `input`, which is returned.

    >>> import torch
    >>> x = torch.tensor([-1.0, 3.0], requires_grad=True)
    >>> selu(x).sum().backward()
    >>> x.grad
    tensor([0.6468, 1.0507])
    """
    return (call_in_place if inplace else call)(SeluFunction, input)


@public
def selu_(input: Tensor) -> Tensor:
    """`selu` in place."""
    return selu(input, inplace=True)


class SELU(nn.SELU):
    """Drop-in `torch.nn.SELU` computed by `manualgrad.functional.selu`."""

    def forward(self, input: Tensor) -> Tensor:
        return selu(input, self.inplace)
