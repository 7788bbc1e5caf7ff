r"""Arithmetic: sum, difference, product, quotient, negative, power.

Operands broadcast against each other; an operand that was repeated receives the sum of the gradients of its copies.
Either may be a number, which has no gradient. Dtypes may differ: the result has the promoted one, and every gradient
comes back in the dtype of its operand.
Source: any calculus book; the conventions at 0 are torch's.
"""

import cmath
import math
from typing import Any

import torch
from torch import Tensor

from manualgrad.formula import Formula, call, save, unbroadcast
from manualgrad.public import public

Operand = Tensor | float


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
        _remember(ctx, output, x, other)
        ctx.shape, ctx.dtype = output.shape, output.dtype

    @staticmethod
    def backward(ctx: Any, dy: Tensor) -> tuple[Tensor | None, Tensor | None, None]:
        needs_x, needs_other, _ = ctx.needs_input_grad
        dx = _back_to(ctx, 0, dy) if needs_x else None
        dother = _times(_back_to(ctx, 1, dy), ctx.alpha) if needs_other else None
        return dx, dother, None

    @staticmethod
    def jvp(ctx: Any, x_t: Tensor | None, other_t: Tensor | None, _: None) -> Tensor:
        return _joined(ctx, x_t, None if other_t is None else _times(other_t, ctx.alpha))


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
        _remember(ctx, output, x, other)
        ctx.shape, ctx.dtype = output.shape, output.dtype

    @staticmethod
    def backward(ctx: Any, dy: Tensor) -> tuple[Tensor | None, Tensor | None, None]:
        needs_x, needs_other, _ = ctx.needs_input_grad
        dx = _back_to(ctx, 0, dy) if needs_x else None
        dother = _times(_back_to(ctx, 1, dy), -ctx.alpha) if needs_other else None
        return dx, dother, None

    @staticmethod
    def jvp(ctx: Any, x_t: Tensor | None, other_t: Tensor | None, _: None) -> Tensor:
        return _joined(ctx, x_t, None if other_t is None else _times(other_t, -ctx.alpha))


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
        _remember(ctx, output, x, other)
        _keep(ctx, x if isinstance(other, Tensor) else 0, other if isinstance(x, Tensor) else 0)

    @staticmethod
    def backward(ctx: Any, dy: Tensor) -> tuple[Tensor | None, Tensor | None]:
        x, other = _kept(ctx)
        needs_x, needs_other = ctx.needs_input_grad
        dx = _back_to(ctx, 0, dy * other) if needs_x else None
        dother = _back_to(ctx, 1, dy * x) if needs_other else None
        return dx, dother

    @staticmethod
    def jvp(ctx: Any, x_t: Tensor | None, other_t: Tensor | None) -> Tensor:
        x, other = _kept(ctx)
        y_t = None if x_t is None else x_t * other
        if other_t is None:
            return y_t  # type: ignore[return-value]
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
        _remember(ctx, output, x, other)
        ctx.shape, ctx.dtype = output.shape, output.dtype
        if not ctx.flat:
            _keep(ctx, x if isinstance(other, Tensor) else 0, other)

    @staticmethod
    def backward(ctx: Any, dy: Tensor) -> tuple[Tensor | None, Tensor | None, None]:
        needs_x, needs_other, _ = ctx.needs_input_grad
        x_shape, other_shape = ctx.shapes
        if ctx.flat:
            return dy.new_zeros(x_shape) if needs_x else None, dy.new_zeros(other_shape) if needs_other else None, None
        x, other = _kept(ctx)
        dx = _back_to(ctx, 0, dy / other) if needs_x else None
        dother = _back_to(ctx, 1, -dy * ((x / other) / other)) if needs_other else None
        return dx, dother, None

    @staticmethod
    def jvp(ctx: Any, x_t: Tensor | None, other_t: Tensor | None, _: None) -> Tensor:
        if ctx.flat:
            return (x_t if other_t is None else other_t).new_zeros(ctx.shape, dtype=ctx.dtype)  # type: ignore[union-attr]
        x, other = _kept(ctx)
        y_t = None if x_t is None else x_t / other
        if other_t is None:
            return y_t  # type: ignore[return-value]
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


class ConjFunction(Formula):
    r"""Complex conjugate.

        forward    y  = conj x
        backward   dx = conj dy
        tangent    y' = conj x'

    Shapes: x, y (*) any shape. Saves nothing.
    """

    opmath = False

    @staticmethod
    def forward(x: Tensor) -> Tensor:
        return x.conj().resolve_conj() if x.is_complex() else x.clone()

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Tensor], output: Tensor) -> None:
        pass

    @staticmethod
    def backward(ctx: Any, dy: Tensor) -> Tensor:
        return dy.conj()

    @staticmethod
    def jvp(ctx: Any, x_t: Tensor) -> Tensor:
        return x_t.conj()


class PowFunction(Formula):
    r"""Power, elementwise.

        forward    y  = x^n
        backward   dx = dy n x^(n-1)         0 where n = 0, even at x = 0
                   dn = dy y ln x            0 where x = 0 and n >= 0
        tangent    y' = x' n x^(n-1) + n' y ln x

    Shapes: x and n broadcast to y; one of them may be a number. Saves x, and where n is a tensor n and y.
    """

    complex = "holomorphic"
    opmath = False
    autocast = "float32 on cuda"

    @staticmethod
    def forward(x: Any, exponent: Any) -> Tensor:
        return torch.pow(x, exponent)

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Operand, Operand], output: Tensor) -> None:
        x, exponent = inputs
        _remember(ctx, output, x, exponent)
        _keep(ctx, x, exponent, output if isinstance(exponent, Tensor) else 0)

    @staticmethod
    def backward(ctx: Any, dy: Tensor) -> tuple[Tensor | None, Tensor | None]:
        x, n, y = _kept(ctx)
        needs_x, needs_n = ctx.needs_input_grad
        dx = _back_to(ctx, 0, dy * PowFunction.slope_in_x(x, n)) if needs_x else None
        dn = _back_to(ctx, 1, dy * PowFunction.slope_in_n(x, n, y)) if needs_n else None
        return dx, dn

    @staticmethod
    def jvp(ctx: Any, x_t: Tensor | None, n_t: Tensor | None) -> Tensor:
        x, n, y = _kept(ctx)
        y_t = None if x_t is None else x_t * PowFunction.slope_in_x(x, n)
        if n_t is None:
            return y_t  # type: ignore[return-value]
        # An exponent that does not move may arrive with a tangent of 0, where the slope is no number: x < 0.
        term = torch.where(n_t == 0, 0.0, n_t * PowFunction.slope_in_n(x, n, y))
        return term if y_t is None else y_t + term

    @staticmethod
    def check(x: Any, exponent: Any) -> None:
        if not isinstance(x, Tensor) and not isinstance(exponent, Tensor):
            raise TypeError("input or exponent must be a tensor")

    @staticmethod
    def slope_in_x(x: Any, n: Any) -> Any:
        if isinstance(n, Tensor):
            return torch.where(n == 0, 0.0, n * x ** (n - 1))
        return n * x ** (n - 1) if n != 0 else torch.zeros_like(x)

    @staticmethod
    def slope_in_n(x: Any, n: Any, y: Any) -> Any:
        not_below = (n.real if n.is_complex() else n) >= 0
        if isinstance(x, Tensor):
            return torch.where((x == 0) & not_below, 0.0, y * x.log())
        if x == 0:
            return torch.where(not_below, 0.0, y * -math.inf)
        if y.is_complex():
            return y * cmath.log(x)
        return y * (math.log(x) if x > 0 else math.nan)


def _remember(ctx: Any, output: Tensor, *operands: Operand) -> None:
    """Keep the shapes of the operands and, where the result is complex, which of them are real."""
    ctx.shapes = [v.shape if isinstance(v, Tensor) else None for v in operands]
    ctx.real = output.is_complex() and [isinstance(v, Tensor) and not v.is_complex() for v in operands]


def _back_to(ctx: Any, k: int, gradient: Tensor) -> Tensor:
    """The gradient of operand k, given that of its copies."""
    dx = unbroadcast(gradient, ctx.shapes[k])
    return dx.real if ctx.real and ctx.real[k] else dx


def _times(operand: Any, factor: float) -> Any:
    """`factor * operand`, for nothing where the factor is 1."""
    return operand if factor == 1 else operand * factor


def _keep(ctx: Any, *operands: Operand) -> None:
    """Save the operands that are tensors; numbers are kept as they are."""
    save(ctx, *[v if isinstance(v, Tensor) else None for v in operands])
    ctx.numbers = [None if isinstance(v, Tensor) else v for v in operands]


def _kept(ctx: Any) -> list[Any]:
    return [number if tensor is None else tensor for tensor, number in zip(ctx.saved_tensors, ctx.numbers, strict=True)]


def _joined(ctx: Any, x_t: Tensor | None, other_t: Tensor | None) -> Tensor:
    """The sum of two tangents, either of which may be missing, in the result's shape and dtype."""
    if x_t is not None and other_t is not None:
        return x_t + other_t
    only = other_t if x_t is None else x_t
    return only.to(ctx.dtype).expand(ctx.shape)  # type: ignore[union-attr]


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


def conj(input: Tensor) -> Tensor:
    """The complex conjugate; of a real tensor a copy. Same values and gradients as `torch.conj`.

    >>> import torch
    >>> conj(torch.tensor([1.0 + 2.0j]))
    tensor([1.-2.j])
    """
    return call(ConjFunction, input)


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
