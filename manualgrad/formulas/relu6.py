r"""Rectified linear unit, capped at 6.

    forward    y  = min(max(0, x), 6)
    backward   dx = dy  where 0 < y < 6,  else 0
    tangent    y' = x'  where 0 < y < 6,  else 0

At x = 0 and x = 6 there is no derivative; like torch, 0 is taken.
Shapes: x, y (*) any shape. Saves y only: it is inside (0, 6) where x is.
Source: Krizhevsky (2010), Convolutional deep belief networks on CIFAR-10, section 2.
"""

from torch import Tensor, nn
from torch.nn import functional as F

from manualgrad.formula import Pointwise, call, call_in_place, gated


class Relu6Function(Pointwise):
    saves = "output"

    @staticmethod
    def forward(x: Tensor) -> Tensor:
        return F.relu6(x)

    @staticmethod
    def slope(d: Tensor, y: Tensor) -> Tensor:
        return gated(d, (6 - y).mul_(y))


def relu6(input: Tensor, inplace: bool = False) -> Tensor:
    """`min(max(0, input), 6)`, elementwise; any shape. Same values and gradients as `torch.nn.functional.relu6`.

    With `inplace` the result is written over `input`, which is returned.

    >>> import torch
    >>> x = torch.tensor([-1.0, 2.0, 7.0], requires_grad=True)
    >>> relu6(x).sum().backward()
    >>> x.grad
    tensor([0., 1., 0.])
    """
    return (call_in_place if inplace else call)(Relu6Function, input)


class ReLU6(nn.ReLU6):
    """Drop-in `torch.nn.ReLU6` computed by `manualgrad.functional.relu6`."""

    def forward(self, input: Tensor) -> Tensor:
        return relu6(input, self.inplace)
