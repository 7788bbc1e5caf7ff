"""Operands that broadcast against each other, of which either may be a number: what is kept of them, what goes back."""

from typing import Any

from torch import Tensor

from manualgrad.formula import save, unbroadcast

Operand = Tensor | float


def remember(ctx: Any, output: Tensor, *operands: Operand) -> None:
    """Keep the shapes of the operands and, where the result is complex, which of them are real."""
    ctx.shapes = [v.shape if isinstance(v, Tensor) else None for v in operands]
    ctx.real = output.is_complex() and [isinstance(v, Tensor) and not v.is_complex() for v in operands]


def back_to(ctx: Any, k: int, gradient: Tensor) -> Tensor:
    """The gradient of operand k, given that of its copies."""
    dx = unbroadcast(gradient, ctx.shapes[k])
    return dx.real if ctx.real and ctx.real[k] else dx


def times(operand: Any, factor: float) -> Any:
    """`factor * operand`, for nothing where the factor is 1."""
    return operand if factor == 1 else operand * factor


def keep(ctx: Any, *operands: Operand) -> None:
    """Save the operands that are tensors; numbers are kept as they are."""
    save(ctx, *[v if isinstance(v, Tensor) else None for v in operands])
    ctx.numbers = [None if isinstance(v, Tensor) else v for v in operands]


def kept(ctx: Any) -> list[Any]:
    return [number if tensor is None else tensor for tensor, number in zip(ctx.saved_tensors, ctx.numbers, strict=True)]


def joined(ctx: Any, x_t: Tensor | None, other_t: Tensor | None) -> Tensor:
    """The sum of two tangents, either of which may be missing, in the result's shape and dtype."""
    if x_t is not None and other_t is not None:
        return x_t + other_t
    only: Any = other_t if x_t is None else x_t
    return only.to(ctx.dtype).expand(ctx.shape)
