"""Formulas of several numbers that are applied element by element: one slope for each operand.

Operands broadcast against each other; one that was repeated receives the sum of the gradients of its copies; a number
has no gradient.
"""

from collections.abc import Callable
from typing import Any, ClassVar

import torch
from torch import Tensor

from manualgrad.formula import Formula, gated, unbroadcast
from manualgrad.parts.operands import keep, kept


class Elementwise(Formula):
    """`slopes` has a function of all operands for each of them; `needed` leaves out operands that no slope uses.

    Where `slopes` choose, a slope of 0 stops what is infinite too.
    """

    choose: ClassVar[bool] = False
    slopes: ClassVar[tuple[Callable[..., Any], ...]]
    needed: ClassVar[Callable[..., tuple[Any, ...]]] = staticmethod(lambda *operands: operands)

    def __init_subclass__(cls) -> None:
        slopes, needed = getattr(cls, "slopes", ()), cls.needed
        times = _chosen if cls.choose else _times

        def setup_context(ctx: Any, inputs: tuple[Any, ...], output: Tensor) -> None:
            keep(ctx, *needed(*inputs))
            ctx.operands = [(v.shape, v.is_complex()) if isinstance(v, Tensor) else None for v in inputs]
            ctx.shape, ctx.dtype = output.shape, output.dtype

        def backward(ctx: Any, dy: Tensor) -> tuple[Tensor | None, ...]:
            operands = kept(ctx)
            needs, more = ctx.needs_input_grad[: len(slopes)], ctx.needs_input_grad[len(slopes) :]
            wanted = zip(slopes, ctx.operands, needs, strict=False)
            gradients = [_back_to(x, times(dy, f(*operands))) if need else None for f, x, need in wanted]
            return *gradients, *(None for _ in more)

        def jvp(ctx: Any, *tangents: Tensor | None) -> Tensor:
            operands = kept(ctx)
            y_t: Any = None
            for f, t in zip(slopes, tangents, strict=False):
                if t is not None:
                    moved = times(t, f(*operands))
                    y_t = moved if y_t is None else y_t + moved
            return y_t.to(ctx.dtype).expand(ctx.shape)

        for rule in (setup_context, backward, jvp):
            setattr(cls, rule.__name__, staticmethod(rule))
        super().__init_subclass__()


def _back_to(x: tuple[torch.Size, bool], gradient: Tensor) -> Tensor:
    """`gradient` in the shape of an operand, and its real part for a real operand beside a complex one."""
    shape, is_complex = x
    return unbroadcast(gradient if is_complex or not gradient.is_complex() else gradient.real, shape)


def _chosen(d: Tensor, slope: Tensor) -> Tensor:
    product = d * slope
    return gated(product, slope.abs().expand(product.shape))


def _times(d: Tensor, slope: Any) -> Tensor:
    return d if isinstance(slope, int) and slope == 1 else d * slope
