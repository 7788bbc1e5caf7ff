r"""Sine and cosine, applied to every element.

    forward    y_i  = f(x_i)
    backward   dx_i = dy_i f'(x_i)
    tangent    y_i' = x_i' f'(x_i)

The Jacobian is diagonal, hence its own transpose: gradients going back and tangents going forward are multiplied by
the same slope. So each formula below is its `forward` and one rule, `slope`, that multiplies by f'(x).
Shapes: x, y (*) any shape. Saves x.
Source: any calculus book.
"""

import torch
from torch import Tensor

from manualgrad.formula import Pointwise, call


class SinFunction(Pointwise):
    r"""Sine.

        forward    y  = sin x
        backward   dx = dy cos x

    Saves x.
    """

    @staticmethod
    def forward(x: Tensor) -> Tensor:
        return torch.sin(x)

    @staticmethod
    def slope(d: Tensor, x: Tensor) -> Tensor:
        return d * torch.cos(x)


class CosFunction(Pointwise):
    r"""Cosine.

        forward    y  = cos x
        backward   dx = -dy sin x

    Saves x.
    """

    @staticmethod
    def forward(x: Tensor) -> Tensor:
        return torch.cos(x)

    @staticmethod
    def slope(d: Tensor, x: Tensor) -> Tensor:
        return -d * torch.sin(x)


def sin(input: Tensor) -> Tensor:
    """Sine, elementwise. Same values and gradients as `torch.sin`.

    >>> import torch
    >>> x = torch.tensor(0.0, requires_grad=True)
    >>> sin(x).backward()
    >>> x.grad
    tensor(1.)
    """
    return call(SinFunction, input)


def cos(input: Tensor) -> Tensor:
    """Cosine, elementwise. Same values and gradients as `torch.cos`.

    >>> import torch
    >>> x = torch.tensor(0.5, requires_grad=True)
    >>> cos(x).backward()
    >>> x.grad
    tensor(-0.4794)
    """
    return call(CosFunction, input)
