r"""Operations that choose between elements: where, masked_fill, clamp.

    forward    y  = one of the operands, element by element
    backward   the operand that was chosen receives dy, the others 0
    tangent    y' = the tangent of the operand that was chosen

Operands broadcast against each other; an operand that was repeated receives the sum of the gradients of its copies.
At a bound, clamp gives the gradient to its input: torch's convention.
Source: any calculus book; the subgradients at the bounds are torch's.
"""

from typing import Any

import torch
from torch import Tensor

from manualgrad.formula import Formula, call, save, unbroadcast
from manualgrad.parts.operands import Operand
from manualgrad.public import public


class WhereFunction(Formula):
    r"""One or the other.

        forward    y  = x where c, else other
        backward   dx = dy where c, else 0;  dother = 0 where c, else dy
        tangent    y' = x' where c, else other'

    Shapes: c (boolean), x and other broadcast to y. Saves c.
    """

    opmath = False

    @staticmethod
    def forward(condition: Tensor, x: Any, other: Any) -> Tensor:
        return torch.where(condition, x, other)

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Tensor, Operand, Operand], output: Tensor) -> None:
        condition, x, other = inputs
        save(ctx, condition)
        ctx.shapes = [v.shape if isinstance(v, Tensor) else None for v in (x, other)]
        ctx.dtype = output.dtype
        ctx.real = [output.is_complex() and isinstance(v, Tensor) and not v.is_complex() for v in (x, other)]

    @staticmethod
    def backward(ctx: Any, dy: Tensor) -> tuple[None, Tensor | None, Tensor | None]:
        (c,) = ctx.saved_tensors
        _, needs_x, needs_other = ctx.needs_input_grad
        x_shape, other_shape = ctx.shapes
        to_x, to_other = (dy.real if real else dy for real in ctx.real)
        dx = unbroadcast(torch.where(c, to_x, 0.0), x_shape) if needs_x else None
        dother = unbroadcast(torch.where(c, 0.0, to_other), other_shape) if needs_other else None
        return None, dx, dother

    @staticmethod
    def jvp(ctx: Any, _: None, x_t: Tensor | None, other_t: Tensor | None) -> Tensor:
        (c,) = ctx.saved_tensors
        x_shape, other_shape = (() if s is None else s for s in ctx.shapes)
        shape = torch.broadcast_shapes(c.shape, x_shape, other_shape)
        y_t = torch.where(c, 0.0 if x_t is None else x_t, 0.0 if other_t is None else other_t)
        return y_t.to(ctx.dtype).expand(shape)


class MaskedFillFunction(Formula):
    r"""One number wherever the mask says so.

        forward    y  = v where m, else x
        backward   dx = 0 where m, else dy;  dv = sum of dy where m
        tangent    y' = v' where m, else x'

    Shapes: x and m (boolean) broadcast to y; v is a number or a 0-d tensor. Saves m.
    """

    opmath = False

    @staticmethod
    def forward(x: Tensor, mask: Tensor, value: Operand) -> Tensor:
        if isinstance(value, Tensor) and value.requires_grad and not (x.is_floating_point() or x.is_complex()):
            raise RuntimeError(f"value has a gradient, but input cannot hold one, being {x.dtype}")
        return x.masked_fill(mask, value)

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Tensor, Tensor, Operand], output: Tensor) -> None:
        x, mask, _ = inputs
        save(ctx, mask)
        ctx.x_shape, ctx.shape, ctx.dtype = x.shape, output.shape, output.dtype

    @staticmethod
    def backward(ctx: Any, dy: Tensor) -> tuple[Tensor | None, None, Tensor | None]:
        (m,) = ctx.saved_tensors
        needs_x, _, needs_value = ctx.needs_input_grad
        dx = unbroadcast(dy.masked_fill(m, 0), ctx.x_shape) if needs_x else None
        return dx, None, torch.where(m, dy, 0.0).sum() if needs_value else None

    @staticmethod
    def jvp(ctx: Any, x_t: Tensor | None, _: None, value_t: Tensor | None) -> Tensor:
        (m,) = ctx.saved_tensors
        y_t = torch.where(m, 0.0 if value_t is None else value_t, 0.0 if x_t is None else x_t)
        return y_t.to(ctx.dtype).expand(ctx.shape)


class ClampFunction(Formula):
    r"""Kept within bounds.

        forward    y    = min(max(x, low), high)
        backward   dx   = dy where low <= x <= high, else 0
                   dlow = dy where x < low < high, else 0
                   dhigh = dy where x > high or high < low, else 0
        tangent    y'   = the sum of the tangents, masked likewise

    Shapes: x, low and high broadcast to y; the bounds are both numbers or both tensors, or one is None. Saves x and the
    bounds that are tensors.
    """

    opmath = False

    @staticmethod
    def forward(x: Tensor, low: Any, high: Any) -> Tensor:
        return torch.clamp(x, low, high)

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Tensor, Any, Any], output: Tensor) -> None:
        save(ctx, *[v if isinstance(v, Tensor) else None for v in inputs])
        ctx.numbers = [None if isinstance(v, Tensor) else v for v in inputs[1:]]
        ctx.shape, ctx.dtype = output.shape, output.dtype

    @staticmethod
    def backward(ctx: Any, dy: Tensor) -> tuple[Tensor | None, ...]:
        x, low, high = ctx.saved_tensors
        needed = zip(ctx.needs_input_grad, (x, low, high), ClampFunction.masks(ctx, x, low, high), strict=True)
        return tuple(unbroadcast(torch.where(mask, dy, 0.0), v.shape) if needs else None for needs, v, mask in needed)

    @staticmethod
    def jvp(ctx: Any, *tangents: Tensor | None) -> Tensor:
        moving = zip(tangents, ClampFunction.masks(ctx, *ctx.saved_tensors), strict=True)
        terms = [torch.where(mask, tangent, 0.0) for tangent, mask in moving if tangent is not None]
        return sum(terms[1:], terms[0]).to(ctx.dtype).expand(ctx.shape)

    @staticmethod
    def check(x: Tensor, low: Any, high: Any) -> None:
        if low is not None and high is not None and isinstance(low, Tensor) != isinstance(high, Tensor):
            raise TypeError("min and max must both be tensors, or both numbers")

    @staticmethod
    def masks(ctx: Any, x: Tensor, low: Any, high: Any) -> tuple[Any, Any, Any]:
        """Where y follows x, where it follows low, where it follows high."""
        low, high = (n if t is None else t for t, n in zip((low, high), ctx.numbers, strict=True))
        if high is None:
            return x >= low, x < low, None
        if low is None:
            return x <= high, None, x > high
        return (x >= low) & (x <= high), (x < low) & (low < high), (x > high) | (high < low)


@public
def where(condition: Tensor, input: Operand, other: Operand) -> Tensor:
    """`input` where `condition`, else `other`; either may be a number. Same values and gradients as `torch.where`.

    >>> import torch
    >>> x = torch.tensor([-1.0, 2.0], requires_grad=True)
    >>> where(x > 0, x, 0).sum().backward()
    >>> x.grad
    tensor([0., 1.])
    """
    return call(WhereFunction, condition, input, other)


@public
def masked_fill(input: Tensor, mask: Tensor, value: Operand) -> Tensor:
    """`value`, a number or a 0-d tensor, where `mask`, else `input`. Same as `torch.masked_fill`.

    >>> import torch
    >>> x = torch.tensor([-1.0, 2.0], requires_grad=True)
    >>> masked_fill(x, x < 0, 0.0).sum().backward()
    >>> x.grad
    tensor([0., 1.])
    """
    return call(MaskedFillFunction, input, mask, value)


@public
def clamp(input: Tensor, min: Operand | None = None, max: Operand | None = None) -> Tensor:
    """`input` kept between `min` and `max`: numbers, tensors that broadcast, or None. Same as `torch.clamp`.

    >>> import torch
    >>> x = torch.tensor([-2.0, 0.5, 1.0], requires_grad=True)
    >>> clamp(x, 0, 1).sum().backward()
    >>> x.grad
    tensor([0., 1., 1.])
    """
    return call(ClampFunction, input, min, max)


@public
def clamp_min(input: Tensor, min: Operand) -> Tensor:
    """`input`, but at least `min`. Same values and gradients as `torch.clamp_min`.

    >>> import torch
    >>> clamp_min(torch.tensor([-2.0, 0.5]), 0)
    tensor([0.0000, 0.5000])
    """
    return call(ClampFunction, input, min, None)


@public
def clamp_max(input: Tensor, max: Operand) -> Tensor:
    """`input`, but at most `max`. Same values and gradients as `torch.clamp_max`.

    >>> import torch
    >>> clamp_max(torch.tensor([-2.0, 0.5]), 0)
    tensor([-2.,  0.])
    """
    return call(ClampFunction, input, None, max)
