r"""Exponentials and logarithms, applied to every element.

    forward    y_i  = f(x_i)
    backward   dx_i = dy_i f'(x_i)
    tangent    y_i' = x_i' f'(x_i)

The Jacobian is diagonal, hence its own transpose: gradients going back and tangents going forward are multiplied by
the same slope. So each formula below is its `forward` and one rule, `slope`, that multiplies by f'(x).
Shapes: x, y (*) any shape. Saves x, or y alone where the slope is cheaper to write with it.
Source: any calculus book.
"""

import math

import torch
from torch import Tensor

from manualgrad.formula import Pointwise, call


class ExpFunction(Pointwise):
    r"""Exponential.

        forward    y  = e^x
        backward   dx = dy y

    Saves y.
    """

    autocast = "float32 on cuda"
    saves = "output"

    @staticmethod
    def forward(x: Tensor) -> Tensor:
        return torch.exp(x)

    @staticmethod
    def slope(d: Tensor, y: Tensor) -> Tensor:
        return d * y


class Expm1Function(Pointwise):
    r"""Exponential minus one, accurate near 0.

        forward    y  = e^x - 1
        backward   dx = dy (y + 1)

    Saves y.
    """

    autocast = "float32 on cuda"
    saves = "output"

    @staticmethod
    def forward(x: Tensor) -> Tensor:
        return torch.expm1(x)

    @staticmethod
    def slope(d: Tensor, y: Tensor) -> Tensor:
        return d * (y + 1)


class LogFunction(Pointwise):
    r"""Natural logarithm.

        forward    y  = ln x
        backward   dx = dy / x

    Saves x.
    """

    autocast = "float32 on cuda"

    @staticmethod
    def forward(x: Tensor) -> Tensor:
        return torch.log(x)

    @staticmethod
    def slope(d: Tensor, x: Tensor) -> Tensor:
        return d / x


class Log1pFunction(Pointwise):
    r"""Natural logarithm of one plus x, accurate near 0.

        forward    y  = ln(1 + x)
        backward   dx = dy / (1 + x)

    Saves x.
    """

    autocast = "float32 on cuda"

    @staticmethod
    def forward(x: Tensor) -> Tensor:
        return torch.log1p(x)

    @staticmethod
    def slope(d: Tensor, x: Tensor) -> Tensor:
        return d / (x + 1)


class Log2Function(Pointwise):
    r"""Logarithm to the base 2.

        forward    y  = ln x / ln 2
        backward   dx = dy / (x ln 2)

    Saves x.
    """

    autocast = "float32 on cuda"

    @staticmethod
    def forward(x: Tensor) -> Tensor:
        return torch.log2(x)

    @staticmethod
    def slope(d: Tensor, x: Tensor) -> Tensor:
        return d / (x * math.log(2))


class Log10Function(Pointwise):
    r"""Logarithm to the base 10.

        forward    y  = ln x / ln 10
        backward   dx = dy / (x ln 10)

    Saves x.
    """

    autocast = "float32 on cuda"

    @staticmethod
    def forward(x: Tensor) -> Tensor:
        return torch.log10(x)

    @staticmethod
    def slope(d: Tensor, x: Tensor) -> Tensor:
        return d / (x * math.log(10))


class Exp2Function(Pointwise):
    r"""Power of 2.

        forward    y  = 2^x
        backward   dx = dy y ln 2

    Saves y.
    """

    saves = "output"

    @staticmethod
    def forward(x: Tensor) -> Tensor:
        return torch.exp2(x)

    @staticmethod
    def slope(d: Tensor, y: Tensor) -> Tensor:
        return d * (y * math.log(2))


def exp(input: Tensor) -> Tensor:
    """`e ** input`, elementwise. Same values and gradients as `torch.exp`.

    >>> import torch
    >>> x = torch.tensor(0.0, requires_grad=True)
    >>> exp(x).backward()
    >>> x.grad
    tensor(1.)
    """
    return call(ExpFunction, input)


def expm1(input: Tensor) -> Tensor:
    """`e ** input - 1`, elementwise. Same values and gradients as `torch.expm1`.

    >>> import torch
    >>> x = torch.tensor(0.0, requires_grad=True)
    >>> expm1(x).backward()
    >>> x.grad
    tensor(1.)
    """
    return call(Expm1Function, input)


def log(input: Tensor) -> Tensor:
    """Natural logarithm, elementwise. Same values and gradients as `torch.log`.

    >>> import torch
    >>> x = torch.tensor(4.0, requires_grad=True)
    >>> log(x).backward()
    >>> x.grad
    tensor(0.2500)
    """
    return call(LogFunction, input)


def log1p(input: Tensor) -> Tensor:
    """`log(1 + input)`, elementwise. Same values and gradients as `torch.log1p`.

    >>> import torch
    >>> x = torch.tensor(3.0, requires_grad=True)
    >>> log1p(x).backward()
    >>> x.grad
    tensor(0.2500)
    """
    return call(Log1pFunction, input)


def log2(input: Tensor) -> Tensor:
    """Logarithm to the base 2, elementwise. Same values and gradients as `torch.log2`.

    >>> import torch
    >>> x = torch.tensor(1.0, requires_grad=True)
    >>> log2(x).backward()
    >>> x.grad
    tensor(1.4427)
    """
    return call(Log2Function, input)


def log10(input: Tensor) -> Tensor:
    """Logarithm to the base 10, elementwise. Same values and gradients as `torch.log10`.

    >>> import torch
    >>> x = torch.tensor(1.0, requires_grad=True)
    >>> log10(x).backward()
    >>> x.grad
    tensor(0.4343)
    """
    return call(Log10Function, input)


def exp2(input: Tensor) -> Tensor:
    """`2 ** input`, elementwise. Same values and gradients as `torch.exp2`.

    >>> import torch
    >>> x = torch.tensor(0.0, requires_grad=True)
    >>> exp2(x).backward()
    >>> x.grad
    tensor(0.6931)
    """
    return call(Exp2Function, input)
