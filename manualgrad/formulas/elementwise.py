r"""Functions of several numbers, applied element by element: logaddexp, atan2, fmod, remainder, lerp, addcmul, addcdiv.

    forward    y   = f(a, b, ...)
    backward   da  = dy . df/da,  db = dy . df/db, ...
    tangent    y'  = a' df/da + b' df/db + ...

So each formula below is its `forward` and `slopes`, the derivative with respect to each operand. Operands broadcast
against each other; one that was repeated receives the sum of the gradients of its copies; a number has no gradient.
Shapes: the operands broadcast to y. Saves the operands that the slopes are made of, where they are tensors.
Source: any calculus book; the conventions where there is no derivative are torch's.
"""

from typing import Any

import torch
from torch import Tensor

from manualgrad.formula import call
from manualgrad.parts.elementwise import Elementwise
from manualgrad.parts.operands import Operand
from manualgrad.public import public


class LogaddexpFunction(Elementwise):
    r"""Logarithm of the sum of two exponentials.

        forward    y  = ln(e^x + e^other)
        backward   dx = dy / (1 + e^(other - x)),  dother = dy / (1 + e^(x - other))

    Saves x and other.
    """

    complex = "holomorphic"
    slopes = (lambda x, other: (x - other).sigmoid(), lambda x, other: (other - x).sigmoid())

    @staticmethod
    def forward(x: Tensor, other: Tensor) -> Tensor:
        return torch.logaddexp(x, other)


class Atan2Function(Elementwise):
    r"""Angle of the point (other, x) with the positive horizontal axis.

        forward    y  = the angle in [-pi, pi] whose tangent is x / other
        backward   dx = dy other / (x^2 + other^2),  dother = -dy x / (x^2 + other^2)        0 where both are 0

    Saves x and other.
    """

    autocast = "promote on cuda"
    slopes = (lambda x, other: other * _inverse(x, other), lambda x, other: -x * _inverse(x, other))

    @staticmethod
    def forward(x: Tensor, other: Tensor) -> Tensor:
        return torch.atan2(x, other)


def _inverse(x: Tensor, other: Tensor) -> Tensor:
    squares = x * x + other * other
    return squares.masked_fill(squares == 0, torch.inf).reciprocal()


class FmodFunction(Elementwise):
    r"""Remainder of a division, with the sign of the dividend.

        forward    y  = x - n other,  n = x / other, rounded towards 0
        backward   dx = dy,  dother = -n dy

    Saves x and other, where other is a tensor.
    """

    slopes = (lambda x, other: 1, lambda x, other: -torch.div(x, other, rounding_mode="trunc"))
    needed = staticmethod(lambda x, other: (x if isinstance(other, Tensor) else None, other))

    @staticmethod
    def forward(x: Tensor, other: Any) -> Tensor:
        return torch.fmod(x, other)


class RemainderFunction(Elementwise):
    r"""Remainder of a division, with the sign of the divisor.

        forward    y  = x - n other,  n = x / other, rounded down
        backward   dx = dy,  dother = -n dy

    Saves x and other, where other is a tensor.
    """

    slopes = (lambda x, other: 1, lambda x, other: -torch.div(x, other, rounding_mode="floor"))
    needed = staticmethod(lambda x, other: (x if isinstance(other, Tensor) else None, other))

    @staticmethod
    def forward(x: Tensor, other: Any) -> Tensor:
        return torch.remainder(x, other)


class LerpFunction(Elementwise):
    r"""The way from one to the other, as far as the weight says.

        forward    y  = x + w (end - x)
        backward   dx = dy (1 - w),  dend = dy w,  dw = dy (end - x)

    Saves w, x and end, where w is a tensor.
    """

    complex = "holomorphic"
    slopes = (lambda x, end, w: 1 - w, lambda x, end, w: w, lambda x, end, w: end - x)
    needed = staticmethod(lambda x, end, w: (x, end, w) if isinstance(w, Tensor) else (None, None, w))

    @staticmethod
    def forward(x: Tensor, end: Tensor, weight: Any) -> Tensor:
        return torch.lerp(x, end, weight)


class AddcmulFunction(Elementwise):
    r"""Something and a multiple of a product.

        forward    y  = x + value a b
        backward   dx = dy,  da = dy value b,  db = dy value a

    Saves a and b.
    """

    complex = "holomorphic"
    autocast = "promote on cuda"
    slopes = (lambda x, a, b, value: 1, lambda x, a, b, value: value * b, lambda x, a, b, value: value * a)
    needed = staticmethod(lambda x, a, b, value: (None, a, b, value))

    @staticmethod
    def forward(x: Tensor, a: Tensor, b: Tensor, value: float) -> Tensor:
        return torch.addcmul(x, a, b, value=value)


class AddcdivFunction(Elementwise):
    r"""Something and a multiple of a quotient.

        forward    y  = x + value a / b
        backward   dx = dy,  da = dy value / b,  db = -dy value a / b^2

    Saves a and b.
    """

    complex = "holomorphic"
    autocast = "promote on cuda"
    slopes = (
        lambda x, a, b, value: 1,
        lambda x, a, b, value: value / b,
        lambda x, a, b, value: -value * (a / b) / b,
    )
    needed = staticmethod(lambda x, a, b, value: (None, a, b, value))

    @staticmethod
    def forward(x: Tensor, a: Tensor, b: Tensor, value: float) -> Tensor:
        return torch.addcdiv(x, a, b, value=value)


def logaddexp(input: Tensor, other: Tensor) -> Tensor:
    """`log(exp(input) + exp(other))`, elementwise with broadcasting, without overflow. Same as `torch.logaddexp`.

    >>> import torch
    >>> x = torch.tensor(1000.0, requires_grad=True)
    >>> logaddexp(x, torch.tensor(1000.0)).backward()
    >>> x.grad
    tensor(0.5000)
    """
    return call(LogaddexpFunction, input, other)


def atan2(input: Tensor, other: Tensor) -> Tensor:
    """The angle of the points (other, input), elementwise with broadcasting. Same gradients as `torch.atan2`.

    >>> import torch
    >>> y = torch.tensor(0.0, requires_grad=True)
    >>> atan2(y, torch.tensor(2.0)).backward()
    >>> y.grad
    tensor(0.5000)
    """
    return call(Atan2Function, input, other)


@public
def fmod(input: Tensor, other: Operand) -> Tensor:
    """What division leaves, with the sign of `input`; elementwise with broadcasting. Same as `torch.fmod`.

    >>> import torch
    >>> fmod(torch.tensor([-3.5, 3.5]), 2)
    tensor([-1.5000,  1.5000])
    """
    return call(FmodFunction, input, other)


@public
def remainder(input: Operand, other: Operand) -> Tensor:
    """What division leaves, with the sign of `other`; elementwise with broadcasting. Same as `torch.remainder`.

    One of the two may be a number.

    >>> import torch
    >>> remainder(torch.tensor([-3.5, 3.5]), 2)
    tensor([0.5000, 1.5000])
    """
    if isinstance(other, Tensor) and not isinstance(input, Tensor):
        input = torch.scalar_tensor(input, dtype=other.dtype, device=other.device)
    return call(RemainderFunction, input, other)


@public
def lerp(input: Tensor, end: Tensor, weight: Operand) -> Tensor:
    """`input + weight * (end - input)`, elementwise with broadcasting. Same values and gradients as `torch.lerp`.

    >>> import torch
    >>> x = torch.tensor(1.0, requires_grad=True)
    >>> lerp(x, torch.tensor(5.0), 0.25).backward()
    >>> x.grad
    tensor(0.7500)
    """
    return call(LerpFunction, input, end, weight)


@public
def addcmul(input: Tensor, tensor1: Tensor, tensor2: Tensor, *, value: float = 1) -> Tensor:
    """`input + value * tensor1 * tensor2`, elementwise with broadcasting. Same gradients as `torch.addcmul`.

    >>> import torch
    >>> addcmul(torch.tensor(1.0), torch.tensor(2.0), torch.tensor(3.0), value=0.5)
    tensor(4.)
    """
    return call(AddcmulFunction, input, tensor1, tensor2, value)


@public
def addcdiv(input: Tensor, tensor1: Tensor, tensor2: Tensor, *, value: float = 1) -> Tensor:
    """`input + value * tensor1 / tensor2`, elementwise with broadcasting. Same gradients as `torch.addcdiv`.

    >>> import torch
    >>> addcdiv(torch.tensor(1.0), torch.tensor(3.0), torch.tensor(2.0), value=2)
    tensor(4.)
    """
    return call(AddcdivFunction, input, tensor1, tensor2, value)
