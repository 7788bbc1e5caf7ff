"""How a function of ours is given the arguments of a spelling that torch has for it."""

from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor


def getter(name: str) -> Callable[..., Any]:
    """What reading the attribute `x.name` of a tensor calls."""
    return getattr(Tensor, name).__get__


def swapped(function: Callable[..., Any]) -> Callable[..., Any]:
    """`function` with its two operands swapped: what `1 - x` calls on x."""

    def exchanged(input: Any, other: Any, **keywords: Any) -> Any:
        return function(other, input, **keywords)

    return exchanged


def with_sizes(function: Callable[..., Any]) -> Callable[..., Any]:
    """`function(input, sizes)` as a tensor's methods spell it: `x.view(2, 3)` or `x.view((2, 3))`, by any keyword."""

    def spelled(input: Tensor, *sizes: Any, **named: Any) -> Any:
        given = sizes or tuple(named.values())
        return function(input, given[0] if isinstance(given[0], (Sequence, torch.dtype)) else given)

    return spelled


def like(function: Callable[..., Any]) -> Callable[..., Any]:
    """`function(input, shape)` as `x.view_as(other)` spells it."""

    def spelled(input: Tensor, other: Tensor) -> Any:
        return function(input, other.shape)

    return spelled


def torch_names(keywords: dict[str, Any]) -> dict[str, Any]:
    """The arguments by torch's names, where they were given by numpy's, which torch takes too; without `out=None`."""
    return {_NUMPY_NAMES.get(k, k): value for k, value in keywords.items() if k != "out" or value is not None}


_NUMPY_NAMES = {
    "axis": "dim",
    "keepdims": "keepdim",
    "a": "input",
    "A": "input",
    "x": "input",
    "x1": "input",
    "x2": "other",
}
