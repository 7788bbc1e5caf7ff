r"""Sine, cosine, tangent and their inverses, applied to every element.

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


class TanFunction(Pointwise):
    r"""Tangent.

        forward    y  = tan x
        backward   dx = dy (1 + y^2)

    Saves y.
    """

    autocast = "float32 on cuda"
    saves = "output"

    @staticmethod
    def forward(x: Tensor) -> Tensor:
        return torch.tan(x)

    @staticmethod
    def slope(d: Tensor, y: Tensor) -> Tensor:
        return d * (1 + y * y)


class AsinFunction(Pointwise):
    r"""Inverse of the sine, of x in [-1, 1].

        forward    y  = arcsin x
        backward   dx = dy / (1 - x^2)^(1/2)

    Saves x.
    """

    autocast = "float32 on cuda"

    @staticmethod
    def forward(x: Tensor) -> Tensor:
        return torch.asin(x)

    @staticmethod
    def slope(d: Tensor, x: Tensor) -> Tensor:
        return d * (1 - x * x).rsqrt()


class AcosFunction(Pointwise):
    r"""Inverse of the cosine, of x in [-1, 1].

        forward    y  = arccos x
        backward   dx = -dy / (1 - x^2)^(1/2)

    Saves x.
    """

    autocast = "float32 on cuda"

    @staticmethod
    def forward(x: Tensor) -> Tensor:
        return torch.acos(x)

    @staticmethod
    def slope(d: Tensor, x: Tensor) -> Tensor:
        return -d * (1 - x * x).rsqrt()


class AtanFunction(Pointwise):
    r"""Inverse of the tangent.

        forward    y  = arctan x
        backward   dx = dy / (1 + x^2)

    Saves x.
    """

    @staticmethod
    def forward(x: Tensor) -> Tensor:
        return torch.atan(x)

    @staticmethod
    def slope(d: Tensor, x: Tensor) -> Tensor:
        return d / (x * x + 1)


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


def tan(input: Tensor) -> Tensor:
    """Tangent, elementwise. Same values and gradients as `torch.tan`.

    >>> import torch
    >>> x = torch.tensor(0.0, requires_grad=True)
    >>> tan(x).backward()
    >>> x.grad
    tensor(1.)
    """
    return call(TanFunction, input)


def asin(input: Tensor) -> Tensor:
    """The inverse of `sin`, elementwise, of numbers in [-1, 1]. Same values and gradients as `torch.asin`.

    >>> import torch
    >>> x = torch.tensor(0.6, requires_grad=True)
    >>> asin(x).backward()
    >>> x.grad
    tensor(1.2500)
    """
    return call(AsinFunction, input)


def acos(input: Tensor) -> Tensor:
    """The inverse of `cos`, elementwise, of numbers in [-1, 1]. Same values and gradients as `torch.acos`.

    >>> import torch
    >>> x = torch.tensor(0.6, requires_grad=True)
    >>> acos(x).backward()
    >>> x.grad
    tensor(-1.2500)
    """
    return call(AcosFunction, input)


def atan(input: Tensor) -> Tensor:
    """The inverse of `tan`, elementwise. Same values and gradients as `torch.atan`.

    >>> import torch
    >>> x = torch.tensor(1.0, requires_grad=True)
    >>> atan(x).backward()
    >>> x.grad
    tensor(0.5000)
    """
    return call(AtanFunction, input)
