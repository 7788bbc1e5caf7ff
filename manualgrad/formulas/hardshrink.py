r"""Hard shrinkage: small values become 0.

    forward    y  = x   where |x| > l,  else 0         l = lambd
    backward   dx = dy  where |x| > l,  else 0
    tangent    y' = x'  where |x| > l,  else 0

At |x| = l there is no derivative; like torch, 0 is taken. A negative l shrinks nothing.
Shapes: x, y (*) any shape. Saves y only: it is 0 where |x| <= l.
Source: Donoho & Johnstone (1994), Ideal spatial adaptation by wavelet shrinkage, section 1.3.
"""

from torch import Tensor, nn
from torch.nn import functional as F

from manualgrad.formula import Pointwise, call, gated


class HardshrinkFunction(Pointwise):
    saves = "output"

    @staticmethod
    def forward(x: Tensor, lambd: float) -> Tensor:
        return F.hardshrink(x, lambd)

    @staticmethod
    def slope(d: Tensor, y: Tensor, lambd: float) -> Tensor:
        return gated(d, y.abs()) if lambd >= 0 else d.clone()


def hardshrink(input: Tensor, lambd: float = 0.5) -> Tensor:
    """`input` where `|input| > lambd`, else 0; elementwise. Same values and gradients as torch's `hardshrink`.

    >>> import torch
    >>> x = torch.tensor([-1.0, 0.2], requires_grad=True)
    >>> hardshrink(x).sum().backward()
    >>> x.grad
    tensor([1., 0.])
    """
    return call(HardshrinkFunction, input, lambd)


class Hardshrink(nn.Hardshrink):
    """Drop-in `torch.nn.Hardshrink` computed by `manualgrad.functional.hardshrink`."""

    def forward(self, input: Tensor) -> Tensor:
        return hardshrink(input, self.lambd)
