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
)
