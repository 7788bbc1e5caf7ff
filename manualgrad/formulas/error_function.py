r"""The error function and what it leaves to 1, applied to every element.

    forward    y_i  = f(x_i)
    backward   dx_i = dy_i f'(x_i)
    tangent    y_i' = x_i' f'(x_i)

The Jacobian is diagonal, hence its own transpose: gradients going back and tangents going forward are multiplied by
the same slope. So each formula below is its `forward` and one rule, `slope`, that multiplies by f'(x).
Shapes: x, y (*) any shape. Saves x.
Source: Abramowitz & Stegun (1964), Handbook of mathematical functions, 7.1.1 and 7.1.19.
"""

import math

import torch
from torch import Tensor

from manualgrad.formula import Pointwise, call


class ErfFunction(Pointwise):
    r"""Error function.

        forward    y  = 2 / pi^(1/2) . the integral of e^(-t^2) from 0 to x
        backward   dx = dy 2 / pi^(1/2) e^(-x^2)

    Saves x.
    """

    @staticmethod
    def forward(x: Tensor) -> Tensor:
        return torch.erf(x)

    @staticmethod
    def slope(d: Tensor, x: Tensor) -> Tensor:
        return d * (2 / math.sqrt(math.pi) * (-x * x).exp())


class ErfcFunction(Pointwise):
    r"""Complementary error function, accurate for large x.

        forward    y  = 1 - erf(x)
        backward   dx = -dy 2 / pi^(1/2) e^(-x^2)

    Saves x.
    """

    @staticmethod
    def forward(x: Tensor) -> Tensor:
        return torch.erfc(x)

    @staticmethod
    def slope(d: Tensor, x: Tensor) -> Tensor:
        return d * (-2 / math.sqrt(math.pi) * (-x * x).exp())


def erf(input: Tensor) -> Tensor:
    """The error function, elementwise. Same values and gradients as `torch.erf`.

    >>> import torch
    >>> x = torch.tensor(0.0, requires_grad=True)
    >>> erf(x).backward()
    >>> x.grad
    tensor(1.1284)
    """
    return call(ErfFunction, input)


def erfc(input: Tensor) -> Tensor:
    """`1 - erf(input)`, elementwise, accurate where that is small. Same values and gradients as `torch.erfc`.

    >>> import torch
    >>> x = torch.tensor(0.0, requires_grad=True)
    >>> erfc(x).backward()
    >>> x.grad
    tensor(-1.1284)
    """
    return call(ErfcFunction, input)
