r"""Functions of one number, applied to every element: exp, log, sqrt, square, abs, sin, cos; floor, round, sign.

    forward    y_i  = f(x_i)
    backward   dx_i = dy_i f'(x_i)
    tangent    y_i' = x_i' f'(x_i)

The Jacobian is diagonal, hence its own transpose: gradients going back and tangents going forward are multiplied by
the same slope. So each formula below is its `forward` and one rule, `slope`, that multiplies by f'(x).
Where f has no derivative the convention is torch's: 0 for abs and sign at 0, and at the steps of floor, ceil, trunc
and round. Shapes: x, y (*) any shape. Saves x, or y alone where the slope is cheaper to write with it, or nothing.
Source: any calculus book; the conventions where there is no derivative are torch's.
"""

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


class AbsFunction(Pointwise):
    r"""Absolute value.

        forward    y  = |x|
        backward   dx = dy sign(x)         0 at x = 0

    Saves x.
    """

    @staticmethod
    def forward(x: Tensor) -> Tensor:
        return torch.abs(x)

    @staticmethod
    def slope(d: Tensor, x: Tensor) -> Tensor:
        return d * torch.sign(x)


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


class FloorFunction(Pointwise):
    r"""Largest whole number not above x.

        forward    y  = floor(x)
        backward   dx = 0                  flat between its steps; torch says 0 at them too

    Saves nothing.
    """

    saves = "nothing"

    @staticmethod
    def forward(x: Tensor) -> Tensor:
        return torch.floor(x)

    @staticmethod
    def slope(d: Tensor) -> Tensor:
        return torch.zeros_like(d)


class CeilFunction(Pointwise):
    r"""Smallest whole number not below x.

        forward    y  = ceil(x)
        backward   dx = 0                  flat between its steps; torch says 0 at them too

    Saves nothing.
    """

    saves = "nothing"

    @staticmethod
    def forward(x: Tensor) -> Tensor:
        return torch.ceil(x)

    @staticmethod
    def slope(d: Tensor) -> Tensor:
        return torch.zeros_like(d)


class TruncFunction(Pointwise):
    r"""Whole part of x, rounded towards 0.

        forward    y  = trunc(x)
        backward   dx = 0                  flat between its steps; torch says 0 at them too

    Saves nothing.
    """

    saves = "nothing"

    @staticmethod
    def forward(x: Tensor) -> Tensor:
        return torch.trunc(x)

    @staticmethod
    def slope(d: Tensor) -> Tensor:
        return torch.zeros_like(d)


class RoundFunction(Pointwise):
    r"""Nearest number of so many decimals, the even one of two that are as near.

        forward    y  = round(x)
        backward   dx = 0                  flat between its steps; torch says 0 at them too

    Saves nothing.
    """

    saves = "nothing"

    @staticmethod
    def forward(x: Tensor, decimals: int) -> Tensor:
        return torch.round(x, decimals=decimals)

    @staticmethod
    def slope(d: Tensor, decimals: int) -> Tensor:
        return torch.zeros_like(d)


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


def square(input: Tensor) -> Tensor:
    """`input * input`, elementwise. Same values and gradients as `torch.square`.

    >>> import torch
    >>> x = torch.tensor(3.0, requires_grad=True)
    >>> square(x).backward()
    >>> x.grad
    tensor(6.)
    """
    return call(SquareFunction, input)


def reciprocal(input: Tensor) -> Tensor:
    """`1 / input`, elementwise. Same values and gradients as `torch.reciprocal`.

    >>> import torch
    >>> x = torch.tensor(2.0, requires_grad=True)
    >>> reciprocal(x).backward()
    >>> x.grad
    tensor(-0.2500)
    """
    return call(ReciprocalFunction, input)


def abs(input: Tensor) -> Tensor:
    """`|input|`, elementwise; the gradient at 0 is 0. Same values and gradients as `torch.abs`.

    >>> import torch
    >>> x = torch.tensor([-2.0, 0.0, 3.0], requires_grad=True)
    >>> abs(x).sum().backward()
    >>> x.grad
    tensor([-1.,  0.,  1.])
    """
    return call(AbsFunction, input)


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


def floor(input: Tensor) -> Tensor:
    """Largest whole number not above `input`, elementwise; its gradient is 0. As `torch.floor`.

    >>> import torch
    >>> x = torch.tensor(1.5, requires_grad=True)
    >>> floor(x).backward()
    >>> x.grad
    tensor(0.)
    """
    return call(FloorFunction, input)


def ceil(input: Tensor) -> Tensor:
    """Smallest whole number not below `input`, elementwise; its gradient is 0. As `torch.ceil`.

    >>> import torch
    >>> ceil(torch.tensor(1.5))
    tensor(2.)
    """
    return call(CeilFunction, input)


def trunc(input: Tensor) -> Tensor:
    """Whole part of `input`, elementwise; its gradient is 0. As `torch.trunc`.

    >>> import torch
    >>> trunc(torch.tensor(-1.5))
    tensor(-1.)
    """
    return call(TruncFunction, input)


def round(input: Tensor, *, decimals: int = 0) -> Tensor:
    """`input` rounded to `decimals` places, halves to even, elementwise; its gradient is 0. As `torch.round`.

    >>> import torch
    >>> round(torch.tensor([0.5, 1.5]))
    tensor([0., 2.])
    """
    return call(RoundFunction, input, decimals)


def sign(input: Tensor) -> Tensor:
    """-1, 0 or 1, elementwise; its gradient is 0. As `torch.sign`.

    >>> import torch
    >>> sign(torch.tensor([-2.0, 0.0, 3.0]))
    tensor([-1.,  0.,  1.])
    """
    return call(SignFunction, input)
