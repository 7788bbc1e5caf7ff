r"""Tensors joined and taken apart: cat, stack; split, chunk, unbind.

    forward    y    = x_1, x_2, ... side by side
    backward   dx_k = the part of dy where x_k lies
    tangent    y'   = x'_1, x'_2, ... side by side

Taking apart is the same read from right to left. Shapes: alike but along `dim`. Saves nothing.
Source: the transpose of a matrix of zeros and ones, one in each row.
"""

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from manualgrad.formula import Formula, call
from manualgrad.public import public


class CatFunction(Formula):
    r"""Tensors side by side along a dimension that they have.

        forward    y    = x_1, x_2, ... side by side
        backward   dx_k = the part of dy where x_k lies
        tangent    y'   = x'_1, x'_2, ... side by side

    Shapes: alike but along `dim`; an empty vector (0) may stand among others and is passed over. Saves nothing.
    """

    autocast = "promote"
    opmath = False

    @staticmethod
    def forward(dim: int, *xs: Tensor) -> Tensor:
        return torch.cat(xs, dim)

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Any, ...], output: Tensor) -> None:
        ctx.dim, *xs = inputs
        ctx.shapes, ctx.dtype = [x.shape for x in xs], output.dtype
        ctx.real = {k for k, x in enumerate(xs, start=1) if not x.is_complex()} if output.is_complex() else ()

    @staticmethod
    def backward(ctx: Any, dy: Tensor) -> tuple[Tensor | None, ...]:
        dxs: list[Tensor | None] = [None]
        start = 0
        for needed, shape in zip(ctx.needs_input_grad[1:], ctx.shapes, strict=True):
            if len(shape) < dy.dim():  # an empty vector that was passed over
                dxs.append(dy.new_zeros(shape))
                continue
            dxs.append(dy.narrow(ctx.dim, start, shape[ctx.dim]) if needed else None)
            start += shape[ctx.dim]
        for k in ctx.real:  # among complex ones
            dxs[k] = dxs[k].real if dxs[k] is not None else None
        return tuple(dxs)

    @staticmethod
    def jvp(ctx: Any, _: None, *x_ts: Tensor | None) -> Tensor:
        return torch.cat(_zeros_for_none(ctx, x_ts), ctx.dim)


class StackFunction(Formula):
    r"""Tensors side by side along a new dimension.

        forward    y    = x_1, x_2, ... side by side
        backward   dx_k = dy at k
        tangent    y'   = x'_1, x'_2, ... side by side

    Shapes: all alike. Saves nothing.
    """

    autocast = "promote"
    opmath = False

    @staticmethod
    def forward(dim: int, *xs: Tensor) -> Tensor:
        return torch.stack(xs, dim)

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Any, ...], output: Tensor) -> None:
        ctx.dim, *xs = inputs
        ctx.shapes, ctx.dtype = [x.shape for x in xs], output.dtype

    @staticmethod
    def backward(ctx: Any, dy: Tensor) -> tuple[Tensor | None, ...]:
        parts = dy.unbind(ctx.dim)
        return None, *(d if needed else None for needed, d in zip(ctx.needs_input_grad[1:], parts, strict=True))

    @staticmethod
    def jvp(ctx: Any, _: None, *x_ts: Tensor | None) -> Tensor:
        return torch.stack(_zeros_for_none(ctx, x_ts), ctx.dim)


class SplitFunction(Formula):
    r"""Parts along one dimension: split, chunk, tensor_split.

        forward    y_1, y_2, ... = x, cut
        backward   dx = dy_1, dy_2, ... side by side
        tangent    y'_1, y'_2, ... = x', cut likewise

    Saves nothing.
    """

    opmath = False

    @staticmethod
    def forward(x: Tensor, method: str, sections: int | tuple[int, ...], dim: int) -> tuple[Tensor, ...]:
        return tuple(getattr(x, method)(sections, dim))

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Any, ...], output: tuple[Tensor, ...]) -> None:
        _, ctx.method, ctx.sections, ctx.dim = inputs

    @staticmethod
    def backward(ctx: Any, *dys: Tensor) -> tuple[Tensor, None, None, None]:
        return torch.cat(dys, ctx.dim), None, None, None

    @staticmethod
    def jvp(ctx: Any, x_t: Tensor, *_: None) -> tuple[Tensor, ...]:
        return tuple(getattr(x_t, ctx.method)(ctx.sections, ctx.dim))


class UnbindFunction(Formula):
    r"""The slices of one dimension.

        forward    y_1, y_2, ... = x, its dimension `dim` taken away
        backward   dx = dy_1, dy_2, ... side by side
        tangent    y'_1, y'_2, ... = x', its dimension `dim` taken away

    Saves nothing.
    """

    opmath = False

    @staticmethod
    def forward(x: Tensor, dim: int) -> tuple[Tensor, ...]:
        return tuple(x.unbind(dim))

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Tensor, int], output: tuple[Tensor, ...]) -> None:
        ctx.dim = inputs[1]

    @staticmethod
    def backward(ctx: Any, *dys: Tensor) -> tuple[Tensor, None]:
        return torch.stack(dys, ctx.dim), None

    @staticmethod
    def jvp(ctx: Any, x_t: Tensor, _: None) -> tuple[Tensor, ...]:
        return tuple(x_t.unbind(ctx.dim))


def _zeros_for_none(ctx: Any, tangents: tuple[Tensor | None, ...]) -> list[Tensor]:
    like = next(tangent for tangent in tangents if tangent is not None)
    pairs = zip(tangents, ctx.shapes, strict=True)
    return [like.new_zeros(shape, dtype=ctx.dtype) if tangent is None else tangent for tangent, shape in pairs]


@public
def cat(tensors: Sequence[Tensor], dim: int = 0) -> Tensor:
    """The tensors side by side along dimension `dim`. Same values and gradients as `torch.cat`.

    >>> import torch
    >>> x = torch.zeros(2, requires_grad=True)
    >>> (cat([x, x]) * torch.tensor([1.0, 2.0, 3.0, 4.0])).sum().backward()
    >>> x.grad
    tensor([4., 6.])
    """
    return call(CatFunction, dim, *tensors)


@public
def stack(tensors: Sequence[Tensor], dim: int = 0) -> Tensor:
    """The tensors side by side along a new dimension `dim`. Same values and gradients as `torch.stack`.

    >>> import torch
    >>> stack([torch.zeros(3), torch.ones(3)], 1).shape
    torch.Size([3, 2])
    """
    return call(StackFunction, dim, *tensors)


def split(tensor: Tensor, split_size_or_sections: int | Sequence[int], dim: int = 0) -> tuple[Tensor, ...]:
    """`tensor` in parts of one size along `dim`, or of the sizes given. Same values and gradients as `torch.split`.

    >>> import torch
    >>> [len(part) for part in split(torch.zeros(5), 2)]
    [2, 2, 1]
    """
    sections = split_size_or_sections
    return call(SplitFunction, tensor, "split", sections if isinstance(sections, int) else tuple(sections), dim)


@public
def chunk(input: Tensor, chunks: int, dim: int = 0) -> tuple[Tensor, ...]:
    """`input` in at most so many parts along `dim`. Same values and gradients as `torch.chunk`.

    >>> import torch
    >>> [len(part) for part in chunk(torch.zeros(5), 2)]
    [3, 2]
    """
    return call(SplitFunction, input, "chunk", chunks, dim)


def unbind(input: Tensor, dim: int = 0) -> tuple[Tensor, ...]:
    """The slices of dimension `dim`, one by one. Same values and gradients as `torch.unbind`.

    >>> import torch
    >>> x = torch.zeros(2, 3, requires_grad=True)
    >>> a, b = unbind(x)
    >>> b.sum().backward()
    >>> x.grad
    tensor([[0., 0., 0.],
            [1., 1., 1.]])
    """
    return call(UnbindFunction, input, dim)
