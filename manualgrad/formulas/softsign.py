r"""Softsign.

    forward    y  = x / (1 + |x|)
    backward   dx = dy / (1 + |x|)^2
    tangent    y' = x' / (1 + |x|)^2

Shapes: x, y (*) any shape. Saves x only: 1 - |y|, which is 1 / (1 + |x|) too, loses the digits of a small one.
Source: Turian, Bergstra & Bengio (2009), Quadratic features and deep architectures for chunking, section 3.
"""

from torch import Tensor, nn
from torch.nn import functional as F

from manualgrad.formula import Pointwise, call


class SoftsignFunction(Pointwise):
    complex = "refused"

    @staticmethod
    def forward(x: Tensor) -> Tensor:
        return F.softsign(x)

    @staticmethod
    def slope(d: Tensor, x: Tensor) -> Tensor:
        scale = x.abs() + 1
        return d / (scale * scale)


def softsign(input: Tensor) -> Tensor:
    """`input / (1 + |input|)`, elementwise; any shape. Same values and gradients as `torch.nn.functional.softsign`.

    >>> import torch
    >>> x = torch.tensor([0.0, -1.0], requires_grad=True)
    >>> softsign(x).sum().backward()
    >>> x.grad
    tensor([1.0000, 0.2500])
    """
    return call(SoftsignFunction, input)


class Softsign(nn.Softsign):
    """Drop-in `torch.nn.Softsign` computed by `manualgrad.functional.softsign`."""

    def forward(self, input: Tensor) -> Tensor:
        return softsign(input)
