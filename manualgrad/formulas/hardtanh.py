r"""Hard hyperbolic tangent: the identity, clipped to an interval.

    forward    y  = min(max(x, a), b)         a = min_val, b = max_val
    backward   dx = dy  where a < y < b,  else 0
    tangent    y' = x'  where a < y < b,  else 0

At x = a and x = b there is no derivative; like torch, 0 is taken.
Shapes: x, y (*) any shape. Saves y only: it is inside (a, b) where x is.
Source: Collobert (2004), Large scale machine learning, section 5.
"""

from torch import Tensor, nn
from torch.nn import functional as F

from manualgrad.formula import Pointwise, call, call_in_place, gated
from manualgrad.public import public


class HardtanhFunction(Pointwise):
    saves = "output"

    @staticmethod
    def forward(x: Tensor, min_val: float, max_val: float) -> Tensor:
        return F.hardtanh(x, min_val, max_val)

    @staticmethod
    def slope(d: Tensor, y: Tensor, min_val: float, max_val: float) -> Tensor:
        return gated(d, (y - min_val).mul_(max_val - y))


def hardtanh(input: Tensor, min_val: float = -1.0, max_val: float = 1.0, inplace: bool = False) -> Tensor:
    """`input` clipped to [min_val, max_val], elementwise. Same values and gradients as torch's `hardtanh`.

    With `inplace` the result is written over `input`, which is returned. Raises ValueError if min_val > max_val.

    >>> import torch
    >>> x = torch.tensor([-2.0, 0.5, 2.0], requires_grad=True)
    >>> hardtanh(x).sum().backward()
    >>> x.grad
    tensor([0., 1., 0.])
    """
    return (call_in_place if inplace else call)(HardtanhFunction, input, min_val, max_val)


@public
def hardtanh_(input: Tensor, min_val: float = -1.0, max_val: float = 1.0) -> Tensor:
    """`hardtanh` in place."""
    return hardtanh(input, min_val, max_val, inplace=True)


class Hardtanh(nn.Hardtanh):
    """Drop-in `torch.nn.Hardtanh` computed by `manualgrad.functional.hardtanh`."""

    def forward(self, input: Tensor) -> Tensor:
        return hardtanh(input, self.min_val, self.max_val, self.inplace)
