"""Tensors side by side, and apart again: stacks, splits, blocks, products of sets.

Source: what torch's documentation says of each.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor

from manualgrad.compositions.combined import meshgrid
from manualgrad.formulas.indexing import getitem
from manualgrad.formulas.joining import cat, split, stack
from manualgrad.formulas.pad import pad
from manualgrad.formulas.reshaping import reshape
from manualgrad.public import described, public

Tensors = Sequence[Tensor]
Places = int | Sequence[int] | Tensor


@public
def atleast_1d(*tensors: Any) -> Any:
    """A number as a vector of one element; others as they are. Same as `torch.atleast_1d`, of one tensor or several.

    >>> import torch
    >>> atleast_1d(torch.tensor(2.0))
    tensor([2.])
    """
    return _each(tensors, lambda x: x if x.dim() else reshape(x, (1,)))


@public
def atleast_2d(*tensors: Any) -> Any:
    """A vector as a matrix of one row, a number as one of one element. Same as `torch.atleast_2d`.

    >>> import torch
    >>> atleast_2d(torch.tensor([1.0, 2.0]))
    tensor([[1., 2.]])
    """
    return _each(tensors, lambda x: x if x.dim() > 1 else reshape(x, (1, x.numel())))


@public
def atleast_3d(*tensors: Any) -> Any:
    """A matrix (n, m) as (n, m, 1), a vector (n) as (1, n, 1), a number as (1, 1, 1). Same as `torch.atleast_3d`.

    >>> import torch
    >>> atleast_3d(torch.ones(2, 3)).shape, atleast_3d(torch.ones(2)).shape
    (torch.Size([2, 3, 1]), torch.Size([1, 2, 1]))
    """
    return _each(tensors, _with_three_dimensions)


def _with_three_dimensions(x: Tensor) -> Tensor:
    if x.dim() > 2:
        return x
    return reshape(x, (*x.shape, 1) if x.dim() == 2 else (1, x.numel(), 1))


def _each(tensors: tuple[Any, ...], change: Callable[[Tensor], Tensor]) -> Any:
    """`change` of one tensor, or of each of several, which may come as one sequence."""
    if len(tensors) == 1 and isinstance(tensors[0], Tensor):
        return change(tensors[0])
    several = tensors[0] if len(tensors) == 1 else tensors
    for x in several if isinstance(several, (list, tuple)) else (several,):
        if not isinstance(x, Tensor):
            raise TypeError(f"tensors must be tensors, or a sequence of them, got {described(x)}")
    return tuple(change(x) for x in several)


@public
def hstack(tensors: Tensors) -> Tensor:
    """Vectors one after another, matrices side by side. Same values and gradients as `torch.hstack`.

    >>> import torch
    >>> hstack([torch.tensor([1.0]), torch.tensor([2.0, 3.0])])
    tensor([1., 2., 3.])
    """
    several = atleast_1d(tensors)
    return cat(several, 0 if several[0].dim() == 1 else 1)


@public
def vstack(tensors: Tensors) -> Tensor:
    """Vectors and matrices below one another. Same values and gradients as `torch.vstack`.

    >>> import torch
    >>> vstack([torch.tensor([1.0, 2.0]), torch.tensor([3.0, 4.0])])
    tensor([[1., 2.],
            [3., 4.]])
    """
    return cat(atleast_2d(tensors), 0)


@public
def dstack(tensors: Tensors) -> Tensor:
    """Vectors and matrices behind one another, in the third dimension. Same values and gradients as `torch.dstack`.

    >>> import torch
    >>> dstack([torch.tensor([1.0, 2.0]), torch.tensor([3.0, 4.0])])
    tensor([[[1., 3.],
             [2., 4.]]])
    """
    return cat(atleast_3d(tensors), 2)


@public
def column_stack(tensors: Tensors) -> Tensor:
    """Vectors as columns, and matrices, side by side. Same values and gradients as `torch.column_stack`.

    >>> import torch
    >>> column_stack([torch.tensor([1.0, 2.0]), torch.tensor([3.0, 4.0])])
    tensor([[1., 3.],
            [2., 4.]])
    """
    return cat([x if x.dim() > 1 else reshape(x, (x.numel(), 1)) for x in tensors], 1)


@public
def block_diag(*tensors: Tensor) -> Tensor:
    """Matrices along the diagonal of a larger one, 0 elsewhere. Same values and gradients as `torch.block_diag`.

    A vector is a matrix of one row. Raises RuntimeError for more than two dimensions.

    >>> import torch
    >>> block_diag(torch.tensor([[1.0, 2.0]]), torch.tensor(3.0))
    tensor([[1., 2., 0.],
            [0., 0., 3.]])
    """
    for k, x in enumerate(tensors):
        if x.dim() > 2:
            raise RuntimeError(f"block_diag: tensor {k} must have at most two dimensions, got shape {tuple(x.shape)}")
    if not tensors:
        return torch.empty(1, 0)
    blocks: tuple[Tensor, ...] = atleast_2d(tensors)
    ends = list(itertools.accumulate(x.shape[1] for x in blocks))
    return cat([pad(x, (end - x.shape[1], ends[-1] - end)) for x, end in zip(blocks, ends, strict=True)], 0)


@public
def tensor_split(input: Tensor, indices_or_sections: Places, dim: int = 0) -> tuple[Tensor, ...]:
    """So many parts of `dim`, as even as can be, or the parts between the indices. Same as `torch.tensor_split`.

    Raises RuntimeError for fewer than one part, IndexError for a dimension that is not there.

    >>> import torch
    >>> tensor_split(torch.arange(5.0), 2)
    (tensor([0., 1., 2.]), tensor([3., 4.]))
    >>> tensor_split(torch.arange(5.0), (1, 4))
    (tensor([0.]), tensor([1., 2., 3.]), tensor([4.]))
    """
    if not -input.dim() <= dim < input.dim():
        raise IndexError(f"tensor_split: dim {dim} is out of range for shape {tuple(input.shape)}")
    places = indices_or_sections.tolist() if isinstance(indices_or_sections, Tensor) else indices_or_sections
    size = input.shape[dim]
    if isinstance(places, int):
        if places < 1:
            raise RuntimeError(f"tensor_split: the number of sections must be at least 1, got {places}")
        return tuple(split(input, [size // places + (k < size % places) for k in range(places)], dim))
    parts = [slice(start, end).indices(size)[:2] for start, end in itertools.pairwise([0, *places, None])]
    sizes = [end - start for start, end in parts]
    if sum(sizes) == size and min(sizes) >= 0:
        return tuple(split(input, sizes, dim))
    before = (slice(None),) * (dim % input.dim())
    return tuple(getitem(input, (*before, slice(start, max(start, end)))) for start, end in parts)


@public
def hsplit(input: Tensor, indices_or_sections: Places) -> tuple[Tensor, ...]:
    """Parts of the columns of a matrix, or of a vector. Same as `torch.hsplit`.

    >>> import torch
    >>> hsplit(torch.arange(4.0), 2)
    (tensor([0., 1.]), tensor([2., 3.]))
    """
    return _split(input, indices_or_sections, 0 if input.dim() == 1 else 1, 1, "hsplit")


@public
def vsplit(input: Tensor, indices_or_sections: Places) -> tuple[Tensor, ...]:
    """Parts of the rows of a matrix. Same as `torch.vsplit`.

    >>> import torch
    >>> vsplit(torch.ones(3, 2), [1])[1].shape
    torch.Size([2, 2])
    """
    return _split(input, indices_or_sections, 0, 2, "vsplit")


@public
def dsplit(input: Tensor, indices_or_sections: Places) -> tuple[Tensor, ...]:
    """Parts of the third dimension. Same as `torch.dsplit`.

    >>> import torch
    >>> len(dsplit(torch.ones(2, 2, 4), 4))
    4
    """
    return _split(input, indices_or_sections, 2, 3, "dsplit")


def _split(input: Tensor, places: Places, dim: int, least: int, name: str) -> tuple[Tensor, ...]:
    if input.dim() < least:
        raise RuntimeError(f"{name}: input must have at least {least} dimensions, got shape {tuple(input.shape)}")
    if isinstance(places, int) and (places < 1 or input.shape[dim] % places):
        raise RuntimeError(f"{name}: {places} parts do not divide dimension {dim} of shape {tuple(input.shape)}")
    return tensor_split(input, places, dim)


@public
def cartesian_prod(*tensors: Tensor) -> Tensor:
    """Every choice of one element from each vector, in rows. Same values and gradients as `torch.cartesian_prod`.

    >>> import torch
    >>> cartesian_prod(torch.tensor([1.0, 2.0]), torch.tensor([3.0]))
    tensor([[1., 3.],
            [2., 3.]])
    """
    if any(x.dim() != 1 for x in tensors):
        raise RuntimeError(f"cartesian_prod: tensors must be vectors, got shapes {[tuple(x.shape) for x in tensors]}")
    if len(tensors) == 1:
        return tensors[0]
    return stack([reshape(axis, (-1,)) for axis in meshgrid(*tensors, indexing="ij")], 1)


@public
def combinations(input: Tensor, r: int = 2, with_replacement: bool = False) -> Tensor:
    """Every choice of `r` elements of a vector, in rows. Same values and gradients as `torch.combinations`.

    >>> import torch
    >>> combinations(torch.tensor([1.0, 2.0, 3.0]))
    tensor([[1., 2.],
            [1., 3.],
            [2., 3.]])
    """
    if input.dim() != 1:
        raise RuntimeError(f"combinations: input must be a vector, got shape {tuple(input.shape)}")
    return getitem(input, torch.combinations(torch.arange(len(input), device=input.device), r, with_replacement))
