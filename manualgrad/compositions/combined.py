"""Short functions of torch that are two or three elementary formulas in a row.

Source: what torch's documentation says of each.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from manualgrad.formulas.arithmetic import mul
from manualgrad.formulas.choice import masked_fill
from manualgrad.formulas.gathering import index_select
from manualgrad.formulas.indexing import getitem, setitem
from manualgrad.formulas.reductions import mean, std, var
from manualgrad.formulas.repeating import broadcast_tensors
from manualgrad.formulas.reshaping import reshape, unsqueeze
from manualgrad.parts.dims import Dim
from manualgrad.public import public


@public
def outer(input: Tensor, vec2: Tensor) -> Tensor:
    """The products of each element of one vector with each of another. Same gradients as `torch.outer`.

    Raises RuntimeError for what is not a vector.

    >>> import torch
    >>> outer(torch.tensor([1.0, 2.0]), torch.tensor([3.0, 4.0]))
    tensor([[3., 4.],
            [6., 8.]])
    """
    if input.dim() != 1 or vec2.dim() != 1:
        raise RuntimeError(f"outer: input and vec2 must be vectors, got {tuple(input.shape)} and {tuple(vec2.shape)}")
    return mul(unsqueeze(input, 1), vec2)


@public
def var_mean(
    input: Tensor, dim: Dim = None, *, correction: float | None = 1, keepdim: bool = False
) -> tuple[Tensor, Tensor]:
    """The variance and the mean, of all elements or of those along `dim`. Same gradients as `torch.var_mean`.

    >>> import torch
    >>> var_mean(torch.tensor([1.0, 2.0, 3.0]))
    (tensor(1.), tensor(2.))
    """
    return var(input, dim, correction=correction, keepdim=keepdim), mean(input, dim, keepdim)


@public
def std_mean(
    input: Tensor, dim: Dim = None, *, correction: float | None = 1, keepdim: bool = False
) -> tuple[Tensor, Tensor]:
    """The standard deviation and the mean, of all elements or of those along `dim`. Same as `torch.std_mean`.

    >>> import torch
    >>> std_mean(torch.tensor([1.0, 2.0, 3.0]))
    (tensor(1.), tensor(2.))
    """
    return std(input, dim, correction=correction, keepdim=keepdim), mean(input, dim, keepdim)


@public
def repeat_interleave(
    input: Tensor, repeats: int | Tensor, dim: int | None = None, *, output_size: int | None = None
) -> Tensor:
    """Every element repeated on the spot, or every slice along `dim`. Same gradients as `torch.repeat_interleave`.

    `repeats` is a number, or a tensor of one number for all or one for each. RuntimeError where they are too few.

    >>> import torch
    >>> repeat_interleave(torch.tensor([1.0, 2.0]), torch.tensor([1, 2]))
    tensor([1., 2., 2.])
    """
    if dim is None:
        input, dim = reshape(input, (-1,)), 0
    n = input.shape[dim] if input.dim() else 1
    numbers = torch.arange(n, device=input.device)
    return index_select(input, dim, torch.repeat_interleave(numbers, repeats, output_size=output_size))


@public
def meshgrid(*tensors: Tensor | Sequence[Tensor], indexing: str | None = None) -> tuple[Tensor, ...]:
    """The coordinates of the points of a grid, given those along each of its axes. Same as `torch.meshgrid`.

    `indexing` is "ij", the default, or "xy", which swaps the first two dimensions; RuntimeError for another word, and
    for coordinates of more than one dimension.

    >>> import torch
    >>> meshgrid(torch.tensor([1.0, 2.0]), torch.tensor([3.0]), indexing="ij")
    (tensor([[1.],
            [2.]]), tensor([[3.],
            [3.]]))
    """
    axes: Any = tensors[0] if len(tensors) == 1 and not isinstance(tensors[0], Tensor) else tensors
    if indexing not in (None, "ij", "xy"):
        raise RuntimeError(f"meshgrid: indexing must be 'ij' or 'xy', got {indexing!r}")
    places = list(range(len(axes)))
    if indexing == "xy" and len(axes) > 1:
        places[:2] = 1, 0
    grid = []
    for axis, place in zip(axes, places, strict=True):
        if axis.dim() > 1:
            raise RuntimeError(f"meshgrid: coordinates must have at most one dimension, got shape {tuple(axis.shape)}")
        grid.append(reshape(axis, [-1 if k == place else 1 for k in range(len(axes))]))
    return tuple(broadcast_tensors(*grid))


@public
def index_fill(input: Tensor, dim: int, index: Tensor, value: Tensor | float) -> Tensor:
    """`input` with `value` in the slices of number `index` along `dim`. Same gradients as `torch.index_fill`.

    >>> import torch
    >>> index_fill(torch.zeros(3), 0, torch.tensor([0, 2]), 5.0)
    tensor([5., 0., 5.])
    """
    mask = torch.zeros(input.shape[dim] if input.dim() else 1, dtype=torch.bool, device=input.device)
    mask = mask.index_fill(0, index, True)
    return masked_fill(input, mask.view([-1 if d == dim % input.dim() else 1 for d in range(input.dim())]), value)


@public
def index_copy(input: Tensor, dim: int, index: Tensor, source: Tensor) -> Tensor:
    """`input` with the slices of number `index` along `dim` replaced by those of `source`. Same as `torch.index_copy`.

    >>> import torch
    >>> index_copy(torch.zeros(3), 0, torch.tensor([2, 0]), torch.tensor([5.0, 7.0]))
    tensor([7., 0., 5.])
    """
    if not isinstance(source, Tensor) or not isinstance(index, Tensor):
        raise TypeError("index and source must be tensors")
    if not input.dim():
        return reshape(index_copy(reshape(input, (1,)), dim, index, reshape(source, (-1,))), ())
    if not -input.dim() <= dim < input.dim():
        raise IndexError(f"dim {dim} is out of range for a tensor of shape {tuple(input.shape)}")
    return setitem(input, (*[slice(None)] * (dim % input.dim()), index), source)


@public
def masked_select(input: Tensor, mask: Tensor) -> Tensor:
    """The elements where the mask (boolean) says so, in a row. Same values and gradients as `torch.masked_select`.

    >>> import torch
    >>> masked_select(torch.tensor([1.0, 2.0, 3.0]), torch.tensor([True, False, True]))
    tensor([1., 3.])
    """
    return getitem(*broadcast_tensors(input, mask))
