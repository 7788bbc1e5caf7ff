r"""Arithmetic: sum, difference, product, quotient, negative.

Operands broadcast against each other; an operand that was repeated receives the sum of the gradients of its copies.
Either may be a number, which has no gradient. Dtypes may differ: the result has the promoted one, and every gradient
comes back in the dtype of its operand.
Source: any calculus book.
"""

from typing import Any

import torch
from torch import Tensor

from manualgrad.formula import Formula, call
from manualgrad.parts.operands import Operand, back_to, joined, keep, kept, remember, times
from manualgrad.public import public


class AddFunction(Formula):
    r"""Sum.

        forward    y  = x + alpha other
        backward   dx = dy,  dother = alpha dy
        tangent    y' = x' + alpha other'

    Shapes: x and other broadcast to y. Saves nothing.
    """

    complex = "holomorphic"
    opmath = False

    @staticmethod
    def forward(x: Any, other: Any, alpha: float) -> Tensor:
        return torch.add(x, other, alpha=alpha)

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Operand, Operand, float], output: Tensor) -> None:
        x, other, ctx.alpha = inputs
        remember(ctx, output, x, other)
        ctx.shape, ctx.dtype = output.shape, output.dtype

    @staticmethod
    def backward(ctx: Any, dy: Tensor) -> tuple[Tensor | None, Tensor | None, None]:
        needs_x, needs_other, _ = ctx.needs_input_grad
        dx = back_to(ctx, 0, dy) if needs_x else None
        dother = times(back_to(ctx, 1, dy), ctx.alpha) if needs_other else None
        return dx, dother, None

    @staticmethod
    def jvp(ctx: Any, x_t: Tensor | None, other_t: Tensor | None, _: None) -> Tensor:
        return joined(ctx, x_t, None if other_t is None else times(other_t, ctx.alpha))


class SubFunction(Formula):
    r"""Difference.

        forward    y  = x - alpha other
        backward   dx = dy,  dother = -alpha dy
        tangent    y' = x' - alpha other'

    Shapes: x and other broadcast to y. Saves nothing.
    """

    complex = "holomorphic"
    opmath = False

    @staticmethod
    def forward(x: Any, other: Any, alpha: float) -> Tensor:
        return torch.sub(x, other, alpha=alpha)

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Operand, Operand, float], output: Tensor) -> None:
        x, other, ctx.alpha = inputs
        remember(ctx, output, x, other)
        ctx.shape, ctx.dtype = output.shape, output.dtype

    @staticmethod
    def backward(ctx: Any, dy: Tensor) -> tuple[Tensor | None, Tensor | None, None]:
        needs_x, needs_other, _ = ctx.needs_input_grad
        dx = back_to(ctx, 0, dy) if needs_x else None
        dother = times(back_to(ctx, 1, dy), -ctx.alpha) if needs_other else None
        return dx, dother, None

    @staticmethod
    def jvp(ctx: Any, x_t: Tensor | None, other_t: Tensor | None, _: None) -> Tensor:
        return joined(ctx, x_t, None if other_t is None else times(other_t, -ctx.alpha))


class MulFunction(Formula):
    r"""Product, elementwise.

        forward    y  = x other
        backward   dx = dy other,  dother = dy x
        tangent    y' = x' other + x other'

    Shapes: x and other broadcast to y. Saves each as the slope of the other, where that is a tensor.
    """

    complex = "holomorphic"
    opmath = False

    @staticmethod
    def forward(x: Any, other: Any) -> Tensor:
        return torch.mul(x, other)

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Operand, Operand], output: Tensor) -> None:
        x, other = inputs
        remember(ctx, output, x, other)
        keep(ctx, x if isinstance(other, Tensor) else 0, other if isinstance(x, Tensor) else 0)

    @staticmethod
    def backward(ctx: Any, dy: Tensor) -> tuple[Tensor | None, Tensor | None]:
        x, other = kept(ctx)
        needs_x, needs_other = ctx.needs_input_grad
        dx = back_to(ctx, 0, dy * other) if needs_x else None
        dother = back_to(ctx, 1, dy * x) if needs_other else None
        return dx, dother

    @staticmethod
    def jvp(ctx: Any, x_t: Tensor | None, other_t: Tensor | None) -> Tensor:
        x, other = kept(ctx)
        y_t: Any = None if x_t is None else x_t * other
        if other_t is None:
            return y_t
        return x * other_t if y_t is None else y_t + x * other_t


class DivFunction(Formula):
    r"""Quotient, elementwise.

        forward    y  = x / other                                      or rounded, towards zero or down
        backward   dx = dy / other,  dother = -dy x / other^2          0 where rounded: a staircase is flat
        tangent    y' = x' / other - x other' / other^2

    Shapes: x and other broadcast to y. Saves other, and x where other is a tensor.
    """

    complex = "holomorphic"
    opmath = False

    @staticmethod
    def forward(x: Any, other: Any, rounding_mode: str | None) -> Tensor:
        return torch.div(x, other, rounding_mode=rounding_mode)

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Operand, Operand, str | None], output: Tensor) -> None:
        x, other, rounding_mode = inputs
        ctx.flat = rounding_mode is not None
        remember(ctx, output, x, other)
        ctx.shape, ctx.dtype = output.shape, output.dtype
        if not ctx.flat:
            keep(ctx, x if isinstance(other, Tensor) else 0, other)

    @staticmethod
    def backward(ctx: Any, dy: Tensor) -> tuple[Tensor | None, Tensor | None, None]:
        needs_x, needs_other, _ = ctx.needs_input_grad
        x_shape, other_shape = ctx.shapes
        if ctx.flat:
            return dy.new_zeros(x_shape) if needs_x else None, dy.new_zeros(other_shape) if needs_other else None, None
        x, other = kept(ctx)
        dx = back_to(ctx, 0, dy / other) if needs_x else None
        dother = back_to(ctx, 1, -dy * ((x / other) / other)) if needs_other else None
        return dx, dother, None

    @staticmethod
    def jvp(ctx: Any, x_t: Any, other_t: Tensor | None, _: None) -> Tensor:
        if ctx.flat:
            return (x_t if other_t is None else other_t).new_zeros(ctx.shape, dtype=ctx.dtype)
        x, other = kept(ctx)
        y_t: Any = None if x_t is None else x_t / other
        if other_t is None:
            return y_t
        term = other_t * ((x / other) / other)
        return -term if y_t is None else y_t - term


class NegFunction(Formula):
    r"""Negative.

        forward    y  = -x
        backward   dx = -dy
        tangent    y' = -x'

    Shapes: x, y (*) any shape. Saves nothing.
    """

    opmath = False

    @staticmethod
    def forward(x: Tensor) -> Tensor:
        return torch.neg(x)

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Tensor], output: Tensor) -> None:
        pass

    @staticmethod
    def backward(ctx: Any, dy: Tensor) -> Tensor:
        return -dy

    @staticmethod
    def jvp(ctx: Any, x_t: Tensor) -> Tensor:
        return -x_t


def add(input: Operand, other: Operand, *, alpha: float = 1) -> Tensor:
    """`input + alpha * other`, with broadcasting; either may be a number. Same values and gradients as `torch.add`.

    >>> import torch
    >>> x, b = torch.zeros(3, 2, requires_grad=True), torch.zeros(2, requires_grad=True)
    >>> add(x, b).sum().backward()
    >>> b.grad  # used three times
    tensor([3., 3.])
    """
    return call(AddFunction, input, other, alpha)


def sub(input: Operand, other: Operand, *, alpha: float = 1) -> Tensor:
    """`input - alpha * other`, with broadcasting; either may be a number. Same values and gradients as `torch.sub`.

    >>> import torch
    >>> x = torch.tensor(2.0, requires_grad=True)
    >>> sub(1, x).backward()
    >>> x.grad
    tensor(-1.)
    """
    return call(SubFunction, input, other, alpha)


def mul(input: Operand, other: Operand) -> Tensor:
    """`input * other`, elementwise with broadcasting; either may be a number. Same values and gradients as `torch.mul`.

    >>> import torch
    >>> x, w = torch.tensor(2.0, requires_grad=True), torch.tensor(3.0, requires_grad=True)
    >>> mul(x, w).backward()
    >>> x.grad, w.grad
    (tensor(3.), tensor(2.))
    """
    return call(MulFunction, input, other)


@public
def div(input: Operand, other: Operand, *, rounding_mode: str | None = None) -> Tensor:
    """`input / other`, elementwise with broadcasting; either may be a number. Same values and gradients as `torch.div`.

    `rounding_mode` is None, "trunc" (towards zero) or "floor" (down); a rounded quotient has gradient 0.

    >>> import torch
    >>> x = torch.tensor(2.0, requires_grad=True)
    >>> div(1, x).backward()
    >>> x.grad
    tensor(-0.2500)
    """
    return call(DivFunction, input, other, rounding_mode)


def neg(input: Tensor) -> Tensor:
    """`-input`. Same values and gradients as `torch.neg`.

    >>> import torch
    >>> x = torch.tensor(2.0, requires_grad=True)
    >>> neg(x).backward()
    >>> x.grad
    tensor(-1.)
    """
    return call(NegFunction, input)
