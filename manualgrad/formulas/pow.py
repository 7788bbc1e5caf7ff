r"""Power, elementwise.

    forward    y  = x^n
    backward   dx = dy n x^(n-1)         0 where n = 0, even at x = 0
               dn = dy y ln x            0 where x = 0 and n >= 0
    tangent    y' = x' n x^(n-1) + n' y ln x

Operands broadcast against each other; one that was repeated receives the sum of the gradients of its copies. Dtypes may
differ: the result has the promoted one, and every gradient comes back in the dtype of its operand.
Shapes: x and n broadcast to y; one of them may be a number. Saves x, and where n is a tensor n and y.
Source: any calculus book; the conventions at 0 are torch's.
"""

import cmath
import math
from typing import Any

import torch
from torch import Tensor

from manualgrad.formula import Formula, call
from manualgrad.parts.operands import Operand, back_to, keep, kept, remember
from manualgrad.public import public


class PowFunction(Formula):
    complex = "holomorphic"
    opmath = False
    autocast = "float32 on cuda"

    @staticmethod
    def forward(x: Any, exponent: Any) -> Tensor:
        return torch.pow(x, exponent)

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Operand, Operand], output: Tensor) -> None:
        x, exponent = inputs
        remember(ctx, output, x, exponent)
        keep(ctx, x, exponent, output if isinstance(exponent, Tensor) else 0)

    @staticmethod
    def backward(ctx: Any, dy: Tensor) -> tuple[Tensor | None, Tensor | None]:
        x, n, y = kept(ctx)
        needs_x, needs_n = ctx.needs_input_grad
        dx = back_to(ctx, 0, PowFunction.from_x(dy, x, n)) if needs_x else None
        dn = back_to(ctx, 1, PowFunction.from_n(dy, x, n, y)) if needs_n else None
        return dx, dn

    @staticmethod
    def jvp(ctx: Any, x_t: Tensor | None, n_t: Tensor | None) -> Tensor:
        x, n, y = kept(ctx)
        y_t: Any = None if x_t is None else PowFunction.from_x(x_t, x, n)
        if n_t is None:
            return y_t
        # An exponent that does not move may arrive with a tangent of 0, where the slope is no number: x < 0.
        term = torch.where(n_t == 0, 0.0, PowFunction.from_n(n_t, x, n, y))
        return term if y_t is None else y_t + term

    @staticmethod
    def check(x: Any, exponent: Any) -> None:
        if not isinstance(x, Tensor) and not isinstance(exponent, Tensor):
            raise TypeError("input or exponent must be a tensor")

    @staticmethod
    def from_x(d: Tensor, x: Any, n: Any) -> Any:
        """d dy/dx, 0 where the slope is 0 whatever d is."""
        if isinstance(n, Tensor):
            return torch.where(n == 0, 0.0, d * (n * x ** (n - 1)))
        return d * (n * x ** (n - 1)) if n != 0 else torch.zeros_like(d)

    @staticmethod
    def from_n(d: Tensor, x: Any, n: Any, y: Any) -> Any:
        """d dy/dn, 0 where the slope is 0 whatever d is."""
        not_below = (n.real if n.is_complex() else n) >= 0
        if isinstance(x, Tensor):
            return torch.where((x == 0) & not_below, 0.0, d * (y * x.log()))
        if x == 0:
            return torch.where(not_below, 0.0, d * (y * -math.inf))
        if y.is_complex():
            return d * (y * cmath.log(x))
        return d * (y * (math.log(x) if x > 0 else math.nan))


@public
def pow(input: Operand, exponent: Operand) -> Tensor:
    """`input ** exponent`, elementwise with broadcasting; either may be a number. Same gradients as `torch.pow`.

    >>> import torch
    >>> x = torch.tensor(3.0, requires_grad=True)
    >>> pow(x, 2).backward()
    >>> x.grad
    tensor(6.)
    """
    return call(PowFunction, input, exponent)
