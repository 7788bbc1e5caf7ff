"""Picking elements, putting them, and joining tensors."""

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from manualgrad import functional as F
from manualgrad.formula import FormulaError


def _scatter(
    input: Tensor, dim: int, index: Tensor, src: Any = None, *, value: Any = None, reduce: str | None = None
) -> Any:
    """`torch.scatter`, which calls a number `value`; with `reduce` torch has no derivative either."""
    if reduce is not None:
        raise FormulaError("torch.scatter: there is no formula for `reduce`; scatter_add adds")
    return F.scatter(input, dim, index, value if src is None else src)


def _iterated(input: Tensor) -> Any:
    """What `for row in x` and `a, b = x` ask of a tensor."""
    return iter(F.unbind(input)) if input.dim() else iter(input)


def _in_parts(function: Callable[..., Any]) -> Callable[..., Any]:
    """`tensor_split` and its kin, to which torch gives the number of parts, or the places of the cuts, by two names."""

    def spelled(input: Tensor, *places: Any, **named: Any) -> Any:
        given = [named.pop(name) for name in ("sections", "indices") if name in named]
        return function(input, *given, *places, **named)

    return spelled


def _with_sections(input: Tensor, split_sizes: Any, dim: int = 0) -> Any:
    """`torch.split_with_sizes`."""
    return F.split(input, split_sizes, dim)


def _index_reduce(
    input: Tensor, dim: int, index: Tensor, source: Tensor, reduce: str, *, include_self: bool = True
) -> Any:
    """`torch.index_reduce`, which brings whole slices together."""
    shape = [-1 if d == dim % max(input.dim(), 1) else 1 for d in range(input.dim())]
    places = index.view(shape).expand(source.shape) if input.dim() else index.view(())
    source = source if source.dim() == places.dim() else F.reshape(source, places.shape)
    return F.scatter_reduce(input, dim, places, source, reduce, include_self=include_self)


SPELLINGS: tuple[tuple[Callable[..., Any], ...], ...] = (
    (F.getitem, Tensor.__getitem__),
    (F.select, torch.select, Tensor.select),
    (F.narrow, torch.narrow, Tensor.narrow),
    (F.index_select, torch.index_select, Tensor.index_select),
    (F.gather, torch.gather, Tensor.gather),
    (F.masked_select, torch.masked_select, Tensor.masked_select),
    (_scatter, torch.scatter, Tensor.scatter),
    (F.scatter_add, torch.scatter_add, Tensor.scatter_add),
    (F.index_add, torch.index_add, Tensor.index_add),
    (F.index_fill, torch.index_fill, Tensor.index_fill),
    (F.index_copy, torch.index_copy, Tensor.index_copy),
    (F.meshgrid, torch.meshgrid),
    (F.cat, torch.cat, torch.concat, torch.concatenate),
    (F.stack, torch.stack),
    (F.split, torch.split, Tensor.split),
    (F.chunk, torch.chunk, Tensor.chunk),
    (F.unbind, torch.unbind, Tensor.unbind),
    (_iterated, Tensor.__iter__),
    (F.atleast_1d, torch.atleast_1d),
    (F.atleast_2d, torch.atleast_2d),
    (F.atleast_3d, torch.atleast_3d),
    (F.hstack, torch.hstack),
    (F.vstack, torch.vstack, torch.row_stack),
    (F.dstack, torch.dstack),
    (F.column_stack, torch.column_stack),
    (F.block_diag, torch.block_diag),
    (_in_parts(F.tensor_split), torch.tensor_split, Tensor.tensor_split),
    (_in_parts(F.hsplit), torch.hsplit, Tensor.hsplit),
    (_in_parts(F.vsplit), torch.vsplit, Tensor.vsplit),
    (_in_parts(F.dsplit), torch.dsplit, Tensor.dsplit),
    (_with_sections, torch.split_with_sizes, Tensor.split_with_sizes),
    (F.split, torch.unsafe_split, Tensor.unsafe_split),
    (F.chunk, torch.unsafe_chunk, Tensor.unsafe_chunk),
    (F.cartesian_prod, torch.cartesian_prod),
    (F.combinations, torch.combinations),
    (F.take_along_dim, torch.take_along_dim, Tensor.take_along_dim),
    (F.take, torch.take, Tensor.take),
    (F.put, torch.put, Tensor.put),
    (F.index_put, torch.index_put, Tensor.index_put),
    (F.select_scatter, torch.select_scatter, Tensor.select_scatter),
    (F.slice_scatter, torch.slice_scatter, Tensor.slice_scatter),
    (F.diagonal_scatter, torch.diagonal_scatter, Tensor.diagonal_scatter),
    (F.masked_scatter, torch.masked_scatter, Tensor.masked_scatter),
    (F.windows, Tensor.unfold),
    (F.scatter_reduce, torch.scatter_reduce, Tensor.scatter_reduce),
    (_index_reduce, torch.index_reduce, Tensor.index_reduce),
)
