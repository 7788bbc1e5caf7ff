"""Elements elsewhere: turned, picked by number, put by number, and the differences of neighbours.

Source: what torch's documentation says of each.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from manualgrad.formula import values_are_visible
from manualgrad.formulas.arithmetic import add, div, mul, sub
from manualgrad.formulas.choice import where
from manualgrad.formulas.diagonals import diag_embed, diagonal
from manualgrad.formulas.flipping import flip
from manualgrad.formulas.gathering import gather
from manualgrad.formulas.indexing import getitem, narrow, setitem
from manualgrad.formulas.joining import cat
from manualgrad.formulas.reductions import cumsum, sum
from manualgrad.formulas.repeating import broadcast_to
from manualgrad.formulas.reshaping import reshape
from manualgrad.formulas.scatter import index_add
from manualgrad.formulas.transposing import movedim, transpose
from manualgrad.public import public


@public
def fliplr(input: Tensor) -> Tensor:
    """The columns in reverse order. Same as `torch.fliplr`; RuntimeError for fewer than two dimensions.

    >>> import torch
    >>> fliplr(torch.tensor([[1.0, 2.0]]))
    tensor([[2., 1.]])
    """
    if input.dim() < 2:
        raise RuntimeError(f"fliplr: input must have at least two dimensions, got shape {tuple(input.shape)}")
    return flip(input, (1,))


@public
def flipud(input: Tensor) -> Tensor:
    """The rows in reverse order. Same as `torch.flipud`; RuntimeError for a number.

    >>> import torch
    >>> flipud(torch.tensor([[1.0], [2.0]]))
    tensor([[2.],
            [1.]])
    """
    if input.dim() < 1:
        raise RuntimeError("flipud: input must have at least one dimension, got a number")
    return flip(input, (0,))


@public
def rot90(input: Tensor, k: int = 1, dims: Sequence[int] = (0, 1)) -> Tensor:
    """Turned by `k` right angles from the first of `dims` to the second. Same as `torch.rot90`.

    >>> import torch
    >>> rot90(torch.tensor([[1.0, 2.0], [3.0, 4.0]]))
    tensor([[2., 4.],
            [1., 3.]])
    """
    first, second = dims
    if k % 2 == 0:
        return flip(input, (first, second) if k % 4 else ())
    return transpose(flip(input, (second if k % 4 == 1 else first,)), first, second)


@public
def diagflat(input: Tensor, offset: int = 0) -> Tensor:
    """The matrix that has all elements on a diagonal. Same as `torch.diagflat`.

    >>> import torch
    >>> diagflat(torch.tensor([1.0, 2.0]))
    tensor([[1., 0.],
            [0., 2.]])
    """
    return diag_embed(reshape(input, (-1,)), offset)


@public
def diff(
    input: Tensor, n: int = 1, dim: int = -1, prepend: Tensor | None = None, append: Tensor | None = None
) -> Tensor:
    """The differences of neighbours along `dim`, `n` times over. Same values and gradients as `torch.diff`.

    >>> import torch
    >>> diff(torch.tensor([1.0, 4.0, 9.0]))
    tensor([3., 5.])
    """
    if input.dim() == 0:
        raise RuntimeError("diff: input must have at least one dimension, got a number")
    if n < 0:
        raise RuntimeError(f"diff: n must not be negative, got {n}")
    parts = [x for x in (prepend, input, append) if x is not None]
    y = cat(parts, dim) if len(parts) > 1 else input
    for _ in range(n):
        size = max(y.shape[dim] - 1, 0)
        y = sub(narrow(y, dim, min(1, y.shape[dim]), size), narrow(y, dim, 0, size))
    return y


@public
def trapezoid(y: Tensor, x: Tensor | None = None, *, dx: float | None = None, dim: int = -1) -> Tensor:
    """The area under the points (x, y), or under y at distances `dx`, 1 by default. Same as `torch.trapezoid`.

    >>> import torch
    >>> trapezoid(torch.tensor([1.0, 3.0, 5.0]))
    tensor(6.)
    """
    return sum(_areas(y, x, dx, dim), dim)


@public
def cumulative_trapezoid(y: Tensor, x: Tensor | None = None, *, dx: float | None = None, dim: int = -1) -> Tensor:
    """The areas up to each point, in a row. Same values and gradients as `torch.cumulative_trapezoid`.

    >>> import torch
    >>> cumulative_trapezoid(torch.tensor([1.0, 3.0, 5.0]))
    tensor([2., 6.])
    """
    return cumsum(_areas(y, x, dx, dim), dim)


def _areas(y: Tensor, x: Tensor | None, dx: float | None, dim: int) -> Tensor:
    """The area between each two neighbours."""
    size = max(y.shape[dim] - 1, 0)
    areas = div(add(narrow(y, dim, 0, size), narrow(y, dim, min(1, y.shape[dim]), size)), 2)
    if x is None:
        return areas if dx in (None, 1) else mul(areas, dx)
    if x.dim() == 1:
        if len(x) != y.shape[dim]:
            raise RuntimeError(f"trapezoid: {len(x)} places x for the size {y.shape[dim]} of dimension {dim} of y")
        x = reshape(x, [-1 if d == dim % y.dim() else 1 for d in range(y.dim())])
    elif x.dim() < y.dim():
        x = reshape(x, (*[1] * (y.dim() - x.dim()), *x.shape))
    return mul(areas, diff(x, dim=dim))


@public
def trace(input: Tensor) -> Tensor:
    """The sum of the diagonal of a matrix. Same values and gradients as `torch.trace`; RuntimeError for no matrix.

    >>> import torch
    >>> x = torch.ones(2, 2, requires_grad=True)
    >>> trace(x).backward()
    >>> x.grad
    tensor([[1., 0.],
            [0., 1.]])
    """
    if input.dim() != 2:
        raise RuntimeError(f"trace: input must be a matrix, got shape {tuple(input.shape)}")
    return sum(diagonal(input))


@public
def take_along_dim(input: Tensor, indices: Tensor, dim: int | None = None) -> Tensor:
    """For each place of `indices`, the element of that number along `dim`; the others broadcast.

    Same values and gradients as `torch.take_along_dim`: without a dim, of all elements in a row.

    >>> import torch
    >>> x = torch.tensor([[3.0, 1.0], [2.0, 4.0]])
    >>> take_along_dim(x, x.argmax(1, keepdim=True), 1)
    tensor([[3.],
            [4.]])
    """
    if dim is None:
        return gather(reshape(input, (-1,)), 0, indices.reshape(-1))
    if input.dim() != indices.dim():
        raise RuntimeError(
            f"take_along_dim: input and indices must have as many dimensions, got {tuple(input.shape)} and "
            f"{tuple(indices.shape)}"
        )
    at = dim % input.dim()
    common = torch.broadcast_shapes((*input.shape[:at], 1, *input.shape[at + 1 :]), indices.shape)
    wide = torch.broadcast_shapes(input.shape, (*common[:at], 1, *common[at + 1 :]))
    number = torch.where(indices < 0, indices + input.shape[at], indices)
    return gather(broadcast_to(input, wide), at, number.expand(common))


@public
def take(input: Tensor, index: Tensor) -> Tensor:
    """The elements of these numbers, counted in a row. Same values and gradients as `torch.take`.

    >>> import torch
    >>> take(torch.tensor([[1.0, 2.0], [3.0, 4.0]]), torch.tensor([0, -1]))
    tensor([1., 4.])
    """
    if not isinstance(index, Tensor):
        raise TypeError("index must be a tensor")
    return getitem(reshape(input, (-1,)), index)


@public
def put(input: Tensor, index: Tensor, source: Tensor, accumulate: bool = False) -> Tensor:
    """`input` with the elements of these numbers, counted in a row, replaced or, with `accumulate`, added to.

    Same values and gradients as `torch.put`.

    >>> import torch
    >>> put(torch.zeros(2, 2), torch.tensor([3]), torch.tensor([5.0]))
    tensor([[0., 0.],
            [0., 5.]])
    """
    flat, numbers, values = reshape(input, (-1,)), index.reshape(-1), reshape(source, (-1,))
    if accumulate:
        return reshape(index_add(flat, 0, numbers % max(input.numel(), 1), values), input.shape)
    return reshape(setitem(flat, numbers, values), input.shape)


@public
def index_put(input: Tensor, indices: Sequence[Tensor], values: Tensor, accumulate: bool = False) -> Tensor:
    """`input` with `values` in, or with `accumulate` added to, the places that the index tensors tell.

    Same values and gradients as `torch.index_put`.

    >>> import torch
    >>> index_put(torch.zeros(3), [torch.tensor([0, 0])], torch.tensor([1.0, 2.0]), accumulate=True)
    tensor([3., 0., 0.])
    """
    index = tuple(indices)
    if not all(isinstance(i, Tensor) for i in (*index, values)):
        raise TypeError("indices and values must be tensors")
    if not accumulate:
        return setitem(input, index, values)
    numbers = torch.arange(input.numel(), device=input.device).reshape(input.shape)[index]
    values = reshape(broadcast_to(values, numbers.shape), (-1,))
    return reshape(index_add(reshape(input, (-1,)), 0, numbers.reshape(-1), values), input.shape)


@public
def select_scatter(input: Tensor, src: Tensor, dim: int, index: int) -> Tensor:
    """`input` with one slice of `dim` replaced. Same values and gradients as `torch.select_scatter`.

    >>> import torch
    >>> select_scatter(torch.zeros(2, 2), torch.ones(2), 1, 0)
    tensor([[1., 0.],
            [1., 0.]])
    """
    return _replaced(input, (*_before(input, dim), index), src, "select_scatter")


@public
def slice_scatter(
    input: Tensor, src: Tensor, dim: int = 0, start: int | None = None, end: int | None = None, step: int = 1
) -> Tensor:
    """`input` with the slices start:end:step of `dim` replaced. Same values and gradients as `torch.slice_scatter`.

    >>> import torch
    >>> slice_scatter(torch.zeros(4), torch.ones(2), 0, 0, 4, 2)
    tensor([1., 0., 1., 0.])
    """
    return _replaced(input, (*_before(input, dim), slice(start, end, step)), src, "slice_scatter")


@public
def diagonal_scatter(input: Tensor, src: Tensor, offset: int = 0, dim1: int = 0, dim2: int = 1) -> Tensor:
    """`input` with a diagonal replaced. Same values and gradients as `torch.diagonal_scatter`.

    >>> import torch
    >>> diagonal_scatter(torch.zeros(2, 2), torch.ones(2))
    tensor([[1., 0.],
            [0., 1.]])
    """
    last = movedim(input, (dim1, dim2), (-2, -1))
    numbers = torch.arange(last.diagonal(offset, -2, -1).shape[-1], device=input.device)
    index = (..., numbers + max(-offset, 0), numbers + max(offset, 0))
    return movedim(_replaced(last, index, src, "diagonal_scatter"), (-2, -1), (dim1, dim2))


def _before(input: Tensor, dim: int) -> tuple[slice, ...]:
    if not -input.dim() <= dim < input.dim():
        raise IndexError(f"dim {dim} is out of range for a tensor of shape {tuple(input.shape)}")
    return (slice(None),) * (dim % input.dim())


def _replaced(input: Tensor, index: tuple[Any, ...], src: Tensor, name: str) -> Tensor:
    place = input.detach()[index].shape
    if src.shape != place:
        raise RuntimeError(f"{name}: src must have the shape {tuple(place)} of its place, got {tuple(src.shape)}")
    return setitem(input, index, src)


@public
def masked_scatter(input: Tensor, mask: Tensor, source: Tensor) -> Tensor:
    """`input` with the elements where the mask (boolean) holds replaced by those of `source`, one after another.

    Same values and gradients as `torch.masked_scatter`. Raises RuntimeError where there are too few.

    >>> import torch
    >>> masked_scatter(torch.zeros(3), torch.tensor([True, False, True]), torch.tensor([1.0, 2.0, 3.0]))
    tensor([1., 0., 2.])
    """
    mask = mask.expand(torch.broadcast_shapes(input.shape, mask.shape))
    if values_are_visible() and mask.sum() > source.numel():
        raise RuntimeError(f"masked_scatter: the mask has {mask.sum()} places, source only {source.numel()} elements")
    if not source.numel():
        return broadcast_to(input, mask.shape)
    number = (mask.reshape(-1).cumsum(0) - 1).clamp(min=0).reshape(mask.shape)
    return where(mask, getitem(reshape(source, (-1,)), number), input)
