r"""Soft shrinkage: every value moves towards 0, small ones reach it.

    forward    y  = x - l where x > l,  x + l where x < -l,  else 0         l = lambd >= 0
    backward   dx = dy    where |x| > l,  else 0
    tangent    y' = x'    where |x| > l,  else 0

At |x| = l there is no derivative; like torch, 0 is taken.
Shapes: x, y (*) any shape. Saves y only: it is 0 where |x| <= l.
Source: Donoho (1995), De-noising by soft-thresholding, eq. 5.
"""

from torch import Tensor, nn
from torch.nn import functional as F

from manualgrad.formula import Pointwise, call, gated


class SoftshrinkFunction(Pointwise):
    saves = "output"

    @staticmethod
    def forward(x: Tensor, lambd: float) -> Tensor:
        return F.softshrink(x, lambd)

    @staticmethod
    def slope(d: Tensor, y: Tensor, lambd: float) -> Tensor:
        return gated(d, y.abs())


def softshrink(input: Tensor, lambd: float = 0.5) -> Tensor:
    """`input` moved towards 0 by `lambd`, at most to 0; elementwise. Same values and gradients as torch's `softshrink`.

    Raises RuntimeError for a negative lambd.

    >>> import torch
    >>> x = torch.tensor([-1.0, 0.2], requires_grad=True)
    >>> softshrink(x).sum().backward()
    >>> x.grad
    tensor([1., 0.])
    """
    return call(SoftshrinkFunction, input, lambd)


class Softshrink(nn.Softshrink):
    """Drop-in `torch.nn.Softshrink` computed by `manualgrad.functional.softshrink`."""

    def forward(self, input: Tensor) -> Tensor:
        return softshrink(input, self.lambd)
