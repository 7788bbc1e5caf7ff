r"""Threshold: values up to it are replaced.

    forward    y  = x   where x > threshold,  else value
    backward   dx = dy  where x > threshold,  else 0
    tangent    y' = x'  where x > threshold,  else 0

At x = threshold there is no derivative; like torch, 0 is taken.
Shapes: x, y (*) any shape. Saves x only: y does not tell where it was replaced by a value above the threshold.
Source: the definition is torch's.
"""

from torch import Tensor, nn
from torch.nn import functional as F

from manualgrad.formula import Pointwise, call, call_in_place, gated
from manualgrad.public import public


class ThresholdFunction(Pointwise):
    @staticmethod
    def forward(x: Tensor, threshold: float, value: float) -> Tensor:
        return F.threshold(x, threshold, value)

    @staticmethod
    def slope(d: Tensor, x: Tensor, threshold: float, value: float) -> Tensor:
        return gated(d, (x - threshold).relu_())


def threshold(input: Tensor, threshold: float, value: float, inplace: bool = False) -> Tensor:
    """`input` where it is above `threshold`, else `value`; elementwise. As `torch.nn.functional.threshold`.

    With `inplace` the result is written over `input`, which is returned.

    >>> import torch
    >>> x = torch.tensor([-1.0, 2.0], requires_grad=True)
    >>> threshold(x, 0.5, 20.0).sum().backward()
    >>> x.grad
    tensor([0., 1.])
    """
    return (call_in_place if inplace else call)(ThresholdFunction, input, threshold, value)


@public
def threshold_(input: Tensor, threshold: float, value: float) -> Tensor:
    """`threshold` in place."""
    return call_in_place(ThresholdFunction, input, threshold, value)


class Threshold(nn.Threshold):
    """Drop-in `torch.nn.Threshold` computed by `manualgrad.functional.threshold`."""

    def forward(self, input: Tensor) -> Tensor:
        return threshold(input, self.threshold, self.value, self.inplace)
