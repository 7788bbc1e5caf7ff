r"""Size and sign, applied to every element.

    forward    y_i  = f(x_i)
    backward   dx_i = dy_i f'(x_i)
    tangent    y_i' = x_i' f'(x_i)

The Jacobian is diagonal, hence its own transpose: gradients going back and tangents going forward are multiplied by
the same slope. So each formula below is its `forward` and one rule, `slope`, that multiplies by f'(x).
At 0 there is no derivative; the convention is torch's: 0.
Shapes: x, y (*) any shape. Saves x, or nothing.
Source: any calculus book; the convention at 0 is torch's.
"""

import torch
from torch import Tensor

from manualgrad.formula import Pointwise, call


class AbsFunction(Pointwise):
    r"""Absolute value.

        forward    y  = |x|
        backward   dx = dy sign(x)         0 at x = 0; x / |x| is the sign of a complex x

    Saves x.
    """

    complex = None  # y is real, and the tangent of a complex x counts as far as it goes along x

    @staticmethod
    def forward(x: Tensor) -> Tensor:
        return torch.abs(x)

    @staticmethod
    def slope(d: Tensor, x: Tensor) -> Tensor:
        return (d * torch.sgn(x).conj()).real if d.is_complex() else d * torch.sgn(x)


class SignFunction(Pointwise):
    r"""Sign: -1, 0 or 1.

        forward    y  = sign(x)
        backward   dx = 0                  flat on either side of 0; torch says 0 there too

    Saves nothing.
    """

    saves = "nothing"

    @staticmethod
    def forward(x: Tensor) -> Tensor:
        return torch.sign(x)

    @staticmethod
    def slope(d: Tensor) -> Tensor:
        return torch.zeros_like(d)


def abs(input: Tensor) -> Tensor:
    """`|input|`, elementwise; the gradient at 0 is 0. Same values and gradients as `torch.abs`.

    >>> import torch
    >>> x = torch.tensor([-2.0, 0.0, 3.0], requires_grad=True)
    >>> abs(x).sum().backward()
    >>> x.grad
    tensor([-1.,  0.,  1.])
    """
    return call(AbsFunction, input)


def sign(input: Tensor) -> Tensor:
    """-1, 0 or 1, elementwise; its gradient is 0. As `torch.sign`.

    >>> import torch
    >>> sign(torch.tensor([-2.0, 0.0, 3.0]))
    tensor([-1.,  0.,  1.])
    """
    return call(SignFunction, input)
