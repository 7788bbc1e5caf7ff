r"""Functions of two numbers, applied element by element: logaddexp2, xlogy, hypot, copysign, fmax, fmin.

    forward    y   = f(a, b)
    backward   da  = dy . df/da,  db = dy . df/db
    tangent    y'  = a' df/da + b' df/db

So each formula below is its `forward` and `slopes`, the derivative with respect to each operand. Operands broadcast
against each other; one that was repeated receives the sum of the gradients of its copies; a number has no gradient.
Shapes: the operands broadcast to y. Saves the operands that are tensors.
Source: any calculus book; the conventions where there is no derivative are torch's.
"""

import math
from typing import Any

import torch
from torch import Tensor

from manualgrad.formula import call
from manualgrad.parts.elementwise import Elementwise
from manualgrad.parts.operands import Operand
from manualgrad.public import public


class Logaddexp2Function(Elementwise):
    r"""Logarithm, to the base 2, of the sum of two powers of 2.

        forward    y  = log2(2^x + 2^other)
        backward   dx = dy / (1 + 2^(other - x)),  dother = dy / (1 + 2^(x - other))

    Saves x and other.
    """

    complex = "refused"
    slopes = (
        lambda x, other: ((x - other) * math.log(2)).sigmoid(),
        lambda x, other: ((other - x) * math.log(2)).sigmoid(),
    )

    @staticmethod
    def forward(x: Tensor, other: Tensor) -> Tensor:
        return torch.logaddexp2(x, other)


class XlogyFunction(Elementwise):
    r"""Something times a logarithm.

        forward    y  = x ln other                      0 where x = 0
        backward   dx = dy ln other,  dother = dy x / other        dx = 0 where x = 0 and other <= 0

    Saves x and other.
    """

    complex = "refused"
    slopes = (lambda x, other: _log(x, other), lambda x, other: x / other)

    @staticmethod
    def forward(x: Any, other: Any) -> Tensor:
        return torch.xlogy(x, other)


def _log(x: Tensor, other: Any) -> Tensor:
    other = other if isinstance(other, Tensor) else torch.scalar_tensor(other, dtype=x.dtype, device=x.device)
    return other.log().masked_fill((x == 0) & (other <= 0), 0)


class HypotFunction(Elementwise):
    r"""Length of the hypotenuse of a right-angled triangle.

        forward    y  = (x^2 + other^2)^(1/2)
        backward   dx = dy x / y,  dother = dy other / y

    Saves x and other.
    """

    slopes = (lambda x, other: x / torch.hypot(x, other), lambda x, other: other / torch.hypot(x, other))

    @staticmethod
    def forward(x: Tensor, other: Tensor) -> Tensor:
        return torch.hypot(x, other)


class CopysignFunction(Elementwise):
    r"""Size of one with the sign of the other.

        forward    y  = |x|, or -|x| where other is negative, or -0
        backward   dx = dy, or -dy where the sign was changed,  0 where x = 0;  dother = 0

    Saves x and other.
    """

    choose = True
    slopes = (lambda x, other: torch.copysign(x.sign(), other) * x.sign(), lambda x, other: torch.zeros_like(other))

    @staticmethod
    def forward(x: Tensor, other: Any) -> Tensor:
        return torch.copysign(x, other)


class FmaxFunction(Elementwise):
    r"""Larger of two, or the one that is a number.

        forward    y  = max(x, other), or the other one where one is NaN
        backward   dx = dy where x >= other or other is NaN, else 0;  dother = dy - dx

    Saves x and other.
    """

    choose = True
    slopes = (lambda x, other: _where(x >= other, x, other), lambda x, other: 1 - _where(x >= other, x, other))

    @staticmethod
    def forward(x: Tensor, other: Tensor) -> Tensor:
        return torch.fmax(x, other)


class FminFunction(Elementwise):
    r"""Smaller of two, or the one that is a number.

        forward    y  = min(x, other), or the other one where one is NaN
        backward   dx = dy where x <= other or other is NaN, else 0;  dother = dy - dx

    Saves x and other.
    """

    choose = True
    slopes = (lambda x, other: _where(x <= other, x, other), lambda x, other: 1 - _where(x <= other, x, other))

    @staticmethod
    def forward(x: Tensor, other: Tensor) -> Tensor:
        return torch.fmin(x, other)


def _where(wins: Tensor, x: Tensor, other: Tensor) -> Tensor:
    """1 where x wins or the other is no number, else 0."""
    return (wins | other.isnan()).to(torch.promote_types(x.dtype, other.dtype))


def logaddexp2(input: Tensor, other: Tensor) -> Tensor:
    """`log2(2**input + 2**other)`, elementwise with broadcasting, without overflow. Same as `torch.logaddexp2`.

    >>> import torch
    >>> logaddexp2(torch.tensor(1000.0), torch.tensor(1000.0))
    tensor(1001.)
    """
    return call(Logaddexp2Function, input, other)


@public
def xlogy(input: Operand, other: Operand) -> Tensor:
    """`input * log(other)`, elementwise with broadcasting, and 0 where `input` is 0. Same as `torch.xlogy`.

    >>> import torch
    >>> x = torch.tensor([0.0, 2.0], requires_grad=True)
    >>> xlogy(x, torch.tensor([0.0, 1.0])).sum().backward()
    >>> x.grad
    tensor([0., 0.])
    """
    if not isinstance(input, Tensor) and not isinstance(other, Tensor):
        raise TypeError("xlogy: input or other must be a tensor")
    return call(XlogyFunction, input, other)


def hypot(input: Tensor, other: Tensor) -> Tensor:
    """`sqrt(input**2 + other**2)`, elementwise with broadcasting. Same values and gradients as `torch.hypot`.

    >>> import torch
    >>> hypot(torch.tensor(3.0), torch.tensor(4.0))
    tensor(5.)
    """
    return call(HypotFunction, input, other)


@public
def copysign(input: Tensor, other: Operand) -> Tensor:
    """The size of `input` with the sign of `other`, elementwise with broadcasting. Same as `torch.copysign`.

    >>> import torch
    >>> copysign(torch.tensor([1.0, -2.0]), -1)
    tensor([-1., -2.])
    """
    return call(CopysignFunction, input, other)


def fmax(input: Tensor, other: Tensor) -> Tensor:
    """The larger of the two, or the one that is a number, elementwise with broadcasting. Same as `torch.fmax`.

    >>> import torch
    >>> fmax(torch.tensor([1.0, torch.nan]), torch.tensor(2.0))
    tensor([2., 2.])
    """
    return call(FmaxFunction, input, other)


def fmin(input: Tensor, other: Tensor) -> Tensor:
    """The smaller of the two, or the one that is a number, elementwise with broadcasting. Same as `torch.fmin`.

    >>> import torch
    >>> fmin(torch.tensor([1.0, torch.nan]), torch.tensor(2.0))
    tensor([1., 2.])
    """
    return call(FminFunction, input, other)
