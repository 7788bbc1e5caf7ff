r"""Hard sigmoid: the sigmoid in three straight pieces.

    forward    y  = min(max(0, x / 6 + 1/2), 1)
    backward   dx = dy / 6  where -3 < x < 3,  else 0
    tangent    y' = x' / 6  where -3 < x < 3,  else 0

At x = -3 and x = 3 there is no derivative; like torch, 0 is taken.
Shapes: x, y (*) any shape. Saves x only: in half precision y is rounded to 1 before x reaches 3.
Source: Courbariaux, Bengio & David (2015), BinaryConnect, eq. 3; Howard et al. (2019), Searching for MobileNetV3,
section 5.2.
"""

from torch import Tensor, nn
from torch.nn import functional as F

from manualgrad.formula import Pointwise, call, call_in_place, gated


class HardsigmoidFunction(Pointwise):
    @staticmethod
    def forward(x: Tensor) -> Tensor:
        return F.hardsigmoid(x)

    @staticmethod
    def slope(d: Tensor, x: Tensor) -> Tensor:
        return gated(d / 6, (3 - x.abs()).sign_().relu_())  # the sign of no number is 0


def hardsigmoid(input: Tensor, inplace: bool = False) -> Tensor:
    """`input / 6 + 1 / 2` clipped to [0, 1], elementwise. Same values and gradients as torch's `hardsigmoid`.

    With `inplace` the result is written over `input`, which is returned.

    >>> import torch
    >>> x = torch.tensor([-4.0, 1.0], requires_grad=True)
    >>> hardsigmoid(x).sum().backward()
    >>> x.grad
    tensor([0.0000, 0.1667])
    """
    return (call_in_place if inplace else call)(HardsigmoidFunction, input)


class Hardsigmoid(nn.Hardsigmoid):
    """Drop-in `torch.nn.Hardsigmoid` computed by `manualgrad.functional.hardsigmoid`."""

    def forward(self, input: Tensor) -> Tensor:
        return hardsigmoid(input, self.inplace)
