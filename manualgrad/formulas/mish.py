r"""Mish.

    forward    y  = x t(x)                          t(x) = tanh(log(1 + e^x))
    backward   dx = dy (t + x s (1 - t^2))          s(x) = 1 / (1 + e^-x), the slope of log(1 + e^x)
    tangent    y' = x' (t + x s (1 - t^2))

With q = 1 - s, t = (1 - q^2) / (1 + q^2) and 1 - t^2 = 4 q^2 / (1 + q^2)^2: one exponential instead of three functions.
Shapes: x, y (*) any shape. Saves x only.
Source: Misra (2020), Mish: a self regularized non-monotonic activation function, eqs. 1 and 2.
"""

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from manualgrad.formula import Pointwise, call, call_in_place


class MishFunction(Pointwise):
    @staticmethod
    def forward(x: Tensor) -> Tensor:
        return F.mish(x)

    @staticmethod
    def slope(d: Tensor, x: Tensor) -> Tensor:
        s = torch.sigmoid(x)
        q = 1 - s
        square = q * q
        r = torch.reciprocal(square + 1)
        inner = torch.addcmul(1 + q, x * square, r, value=4)  # t = s (1 + q) r: no digits lost where t is small
        return d * (s * r * inner)


def mish(input: Tensor, inplace: bool = False) -> Tensor:
    """`input * tanh(softplus(input))`, elementwise; any shape. Same values and gradients as torch's `mish`.

    With `inplace` the result is written over `input`, which is returned.

    >>> import torch
    >>> x = torch.tensor([0.0, 2.0], requires_grad=True)
    >>> mish(x).sum().backward()
    >>> x.grad
    tensor([0.6000, 1.0693])
    """
    return (call_in_place if inplace else call)(MishFunction, input)


class Mish(nn.Mish):
    """Drop-in `torch.nn.Mish` computed by `manualgrad.functional.mish`."""

    def forward(self, input: Tensor) -> Tensor:
        return mish(input, self.inplace)
