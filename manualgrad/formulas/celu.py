r"""Continuously differentiable exponential linear unit.

    forward    y  = max(0, x) + min(0, a (e^(x/a) - 1))         a = alpha
    backward   dx = dy  where x > 0,  else dy . e^(x/a)
    tangent    y' = x'  where x > 0,  else x' . e^(x/a)

The slope at 0 is 1 from both sides, for every a; the second derivative there is 1/a, as in torch.
Shapes: x, y (*) any shape. Saves x only: y/a + 1, which is e^(x/a) too, loses the digits of a small one.
Source: Barron (2017), Continuously differentiable exponential linear units, eqs. 2 and 3.
"""

from torch import Tensor, nn
from torch.nn import functional as F

from manualgrad.formula import Pointwise, call, call_in_place
from manualgrad.parts.nan import nan_as
from manualgrad.public import public


class CeluFunction(Pointwise):
    @staticmethod
    def forward(x: Tensor, alpha: float) -> Tensor:
        return F.celu(x, alpha)

    @staticmethod
    def slope(d: Tensor, x: Tensor, alpha: float) -> Tensor:
        x = nan_as(x, 1.0)  # torch passes dy on there
        return d * x.clamp_max_(0).div_(alpha).exp_()  # e^0 = 1 where x > 0


def celu(input: Tensor, alpha: float = 1.0, inplace: bool = False) -> Tensor:
    """`max(0, input) + min(0, alpha * (exp(input / alpha) - 1))`, elementwise. As `torch.nn.functional.celu`.

    With `inplace` the result is written over `input`, which is returned. Raises RuntimeError for alpha 0.

    >>> import torch
    >>> x = torch.tensor([-2.0, 3.0], requires_grad=True)
    >>> celu(x, alpha=2.0).sum().backward()
    >>> x.grad
    tensor([0.3679, 1.0000])
    """
    return (call_in_place if inplace else call)(CeluFunction, input, alpha)


@public
def celu_(input: Tensor, alpha: float = 1.0) -> Tensor:
    """`celu` in place."""
    return celu(input, alpha, inplace=True)


class CELU(nn.CELU):
    """Drop-in `torch.nn.CELU` computed by `manualgrad.functional.celu`."""

    def forward(self, input: Tensor) -> Tensor:
        return celu(input, self.alpha, self.inplace)
