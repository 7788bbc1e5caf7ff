r"""Powers with a name of their own: square, square root, reciprocal; applied to every element.

    forward    y_i  = f(x_i)
    backward   dx_i = dy_i f'(x_i)
    tangent    y_i' = x_i' f'(x_i)

The Jacobian is diagonal, hence its own transpose: gradients going back and tangents going forward are multiplied by
the same slope. So each formula below is its `forward` and one rule, `slope`, that multiplies by f'(x).
Shapes: x, y (*) any shape. Saves x, or y alone where the slope is cheaper to write with it.
Source: any calculus book.
"""

import torch
from torch import Tensor

from manualgrad.formula import Pointwise, call


class SquareFunction(Pointwise):
    r"""Square.

        forward    y  = x^2
        backward   dx = dy 2 x

    Saves x.
    """

    @staticmethod
    def forward(x: Tensor) -> Tensor:
        return torch.square(x)

    @staticmethod
    def slope(d: Tensor, x: Tensor) -> Tensor:
        return d * (2 * x)


class SqrtFunction(Pointwise):
    r"""Square root.

        forward    y  = x^(1/2)
        backward   dx = dy / (2 y)

    Saves y.
    """

    saves = "output"

    @staticmethod
    def forward(x: Tensor) -> Tensor:
        return torch.sqrt(x)

    @staticmethod
    def slope(d: Tensor, y: Tensor) -> Tensor:
        return d / (2 * y)


class RsqrtFunction(Pointwise):
    r"""One over the square root.

        forward    y  = x^(-1/2)
        backward   dx = -dy y^3 / 2

    Saves y.
    """

    autocast = "float32 on cuda"
    saves = "output"

    @staticmethod
    def forward(x: Tensor) -> Tensor:
        return torch.rsqrt(x)

    @staticmethod
    def slope(d: Tensor, y: Tensor) -> Tensor:
        return -0.5 * d * y**3


class ReciprocalFunction(Pointwise):
    r"""Reciprocal.

        forward    y  = 1 / x
        backward   dx = -dy y^2

    Saves y.
    """

    autocast = "float32 on cuda"
    saves = "output"

    @staticmethod
    def forward(x: Tensor) -> Tensor:
        return torch.reciprocal(x)

    @staticmethod
    def slope(d: Tensor, y: Tensor) -> Tensor:
        return -d * (y * y)


def square(input: Tensor) -> Tensor:
    """`input * input`, elementwise. Same values and gradients as `torch.square`.

    >>> import torch
    >>> x = torch.tensor(3.0, requires_grad=True)
    >>> square(x).backward()
    >>> x.grad
    tensor(6.)
    """
    return call(SquareFunction, input)


def sqrt(input: Tensor) -> Tensor:
    """Square root, elementwise. Same values and gradients as `torch.sqrt`: infinite at 0.

    >>> import torch
    >>> x = torch.tensor(4.0, requires_grad=True)
    >>> sqrt(x).backward()
    >>> x.grad
    tensor(0.2500)
    """
    return call(SqrtFunction, input)


def rsqrt(input: Tensor) -> Tensor:
    """`1 / sqrt(input)`, elementwise. Same values and gradients as `torch.rsqrt`.

    >>> import torch
    >>> x = torch.tensor(4.0, requires_grad=True)
    >>> rsqrt(x).backward()
    >>> x.grad
    tensor(-0.0625)
    """
    return call(RsqrtFunction, input)


def reciprocal(input: Tensor) -> Tensor:
    """`1 / input`, elementwise. Same values and gradients as `torch.reciprocal`.

    >>> import torch
    >>> x = torch.tensor(2.0, requires_grad=True)
    >>> reciprocal(x).backward()
    >>> x.grad
    tensor(-0.2500)
    """
    return call(ReciprocalFunction, input)
