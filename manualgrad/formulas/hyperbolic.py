r"""Hyperbolic sine and cosine and the inverses of the three, applied to every element.

    forward    y_i  = f(x_i)
    backward   dx_i = dy_i f'(x_i)
    tangent    y_i' = x_i' f'(x_i)

The Jacobian is diagonal, hence its own transpose: gradients going back and tangents going forward are multiplied by
the same slope. So each formula below is its `forward` and one rule, `slope`, that multiplies by f'(x).
Shapes: x, y (*) any shape. Saves x. The hyperbolic tangent has a file of its own, `tanh.py`.
Source: any calculus book.
"""

import torch
from torch import Tensor

from manualgrad.formula import Pointwise, call


class SinhFunction(Pointwise):
    r"""Hyperbolic sine.

        forward    y  = sinh x
        backward   dx = dy cosh x

    Saves x.
    """

    autocast = "float32 on cuda"

    @staticmethod
    def forward(x: Tensor) -> Tensor:
        return torch.sinh(x)

    @staticmethod
    def slope(d: Tensor, x: Tensor) -> Tensor:
        return d * torch.cosh(x)


class CoshFunction(Pointwise):
    r"""Hyperbolic cosine.

        forward    y  = cosh x
        backward   dx = dy sinh x

    Saves x.
    """

    autocast = "float32 on cuda"

    @staticmethod
    def forward(x: Tensor) -> Tensor:
        return torch.cosh(x)

    @staticmethod
    def slope(d: Tensor, x: Tensor) -> Tensor:
        return d * torch.sinh(x)


class AsinhFunction(Pointwise):
    r"""Inverse of the hyperbolic sine.

        forward    y  = arsinh x
        backward   dx = dy / (x^2 + 1)^(1/2)

    Saves x.
    """

    @staticmethod
    def forward(x: Tensor) -> Tensor:
        return torch.asinh(x)

    @staticmethod
    def slope(d: Tensor, x: Tensor) -> Tensor:
        return d * (x * x + 1).rsqrt()


class AcoshFunction(Pointwise):
    r"""Inverse of the hyperbolic cosine, of x >= 1.

        forward    y  = arcosh x
        backward   dx = dy / ((x - 1)^(1/2) (x + 1)^(1/2))

    Saves x.
    """

    @staticmethod
    def forward(x: Tensor) -> Tensor:
        return torch.acosh(x)

    @staticmethod
    def slope(d: Tensor, x: Tensor) -> Tensor:
        return d * ((x - 1).rsqrt() * (x + 1).rsqrt())


class AtanhFunction(Pointwise):
    r"""Inverse of the hyperbolic tangent, of x in (-1, 1).

        forward    y  = artanh x
        backward   dx = dy / (1 - x^2)

    Saves x.
    """

    @staticmethod
    def forward(x: Tensor) -> Tensor:
        return torch.atanh(x)

    @staticmethod
    def slope(d: Tensor, x: Tensor) -> Tensor:
        return d / (1 - x * x)


def sinh(input: Tensor) -> Tensor:
    """Hyperbolic sine, elementwise. Same values and gradients as `torch.sinh`.

    >>> import torch
    >>> x = torch.tensor(0.0, requires_grad=True)
    >>> sinh(x).backward()
    >>> x.grad
    tensor(1.)
    """
    return call(SinhFunction, input)


def cosh(input: Tensor) -> Tensor:
    """Hyperbolic cosine, elementwise. Same values and gradients as `torch.cosh`.

    >>> import torch
    >>> x = torch.tensor(0.0, requires_grad=True)
    >>> cosh(x).backward()
    >>> x.grad
    tensor(0.)
    """
    return call(CoshFunction, input)


def asinh(input: Tensor) -> Tensor:
    """The inverse of `sinh`, elementwise. Same values and gradients as `torch.asinh`.

    >>> import torch
    >>> x = torch.tensor(0.0, requires_grad=True)
    >>> asinh(x).backward()
    >>> x.grad
    tensor(1.)
    """
    return call(AsinhFunction, input)


def acosh(input: Tensor) -> Tensor:
    """The inverse of `cosh` from 1 on, elementwise. Same values and gradients as `torch.acosh`.

    >>> import torch
    >>> x = torch.tensor(1.25, requires_grad=True)
    >>> acosh(x).backward()
    >>> x.grad
    tensor(1.3333)
    """
    return call(AcoshFunction, input)


def atanh(input: Tensor) -> Tensor:
    """The inverse of `tanh`, elementwise. Same values and gradients as `torch.atanh`.

    >>> import torch
    >>> x = torch.tensor(0.5, requires_grad=True)
    >>> atanh(x).backward()
    >>> x.grad
    tensor(1.3333)
    """
    return call(AtanhFunction, input)
