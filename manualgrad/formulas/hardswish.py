r"""Hard swish: x times the hard sigmoid.

    forward    y  = x h(x)                       h(x) = min(max(0, x / 6 + 1/2), 1)
    backward   dx = dy (h + x h')                h' = 1/6 where -3 < x < 3,  else 0
    tangent    y' = x' (h + x h')

At x = -3 and x = 3 there is no derivative; like torch, 0 and 1 are taken, the slopes outside.
Shapes: x, y (*) any shape. Saves x only.
Source: Howard et al. (2019), Searching for MobileNetV3, section 5.2.
"""

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from manualgrad.formula import Pointwise, call, call_in_place, gated
from manualgrad.parts.nan import nan_as


class HardswishFunction(Pointwise):
    @staticmethod
    def forward(x: Tensor) -> Tensor:
        return F.hardswish(x)

    @staticmethod
    def slope(d: Tensor, x: Tensor) -> Tensor:
        x = nan_as(x, 3.0)  # torch passes dy on there
        above = F.threshold(x, -3.0, -1.5)  # at -1.5 and 1.5 the line x / 3 + 1/2 is 0 and 1
        inside = torch.threshold_(above.neg_(), -3.0, -1.5)  # -x, or where x is not inside, 1.5 or -1.5
        return gated(d * inside.mul_(-1 / 3).add_(0.5), (x + 3).relu_())


def hardswish(input: Tensor, inplace: bool = False) -> Tensor:
    """`input` times `input / 6 + 1 / 2` clipped to [0, 1], elementwise. As `torch.nn.functional.hardswish`.

    With `inplace` the result is written over `input`, which is returned.

    >>> import torch
    >>> x = torch.tensor([-4.0, 0.0, 4.0], requires_grad=True)
    >>> hardswish(x).sum().backward()
    >>> x.grad
    tensor([0.0000, 0.5000, 1.0000])
    """
    return (call_in_place if inplace else call)(HardswishFunction, input)


class Hardswish(nn.Hardswish):
    """Drop-in `torch.nn.Hardswish` computed by `manualgrad.functional.hardswish`."""

    def forward(self, input: Tensor) -> Tensor:
        return hardswish(input, self.inplace)
