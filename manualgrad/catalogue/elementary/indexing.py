"""Rows of what takes a part, and of what puts one in."""

from typing import Any

import torch
from torch import Tensor

from manualgrad import functional as F
from manualgrad.catalogue.elementary.choice import MASK
from manualgrad.catalogue.row import Row, constant, integers, normal, sample, signed_as
from manualgrad.formulas.gathering import GatherFunction, IndexSelectFunction
from manualgrad.formulas.indexing import GetitemFunction, SetitemFunction
from manualgrad.formulas.scatter import IndexAddFunction, ScatterAddFunction, ScatterFunction


def _set(input: Tensor, index: Any, value: Any) -> Tensor:
    """What `input[index] = value` leaves."""
    y = input.clone()
    y[index] = value
    return y


_EVERY_FOURTH = integers([list(range(0, 1024, 4))] * 512)

ROWS: tuple[Row, ...] = (
    Row(
        F.getitem,
        signed_as(F.getitem, Tensor.__getitem__),
        GetitemFunction,
        samples=(
            sample(normal(3, 4), (slice(None), 1)),
            sample(normal(3, 4), 0),
            sample(normal(3, 4), (..., None, slice(1, None, 2))),
            sample(normal(3, 4), integers([2, 0, 2])),
            sample(normal(3, 4), (slice(None), [0, 0])),
            sample(normal(3, 4, 2), (integers([0, 2]), slice(None), integers([[1], [0]]))),
            sample(normal(2, 3), MASK),
            sample(normal(2, 3), (integers([True, False]), None)),
            sample(normal(3), True),
            sample(normal(), ()),
            sample(normal(), None),
            sample(normal(2, 0), 0),
            sample(normal(3, 4), (integers([0, 2]), slice(1, 3))),
        ),
        realistic=sample(normal(512, 1024), (slice(None), slice(0, 512))),
    ),
    Row(
        F.setitem,
        signed_as(F.setitem, _set),
        SetitemFunction,
        samples=(
            sample(normal(3, 4), (slice(None), 1), normal(3)),
            sample(normal(3, 4), 0, 1.5),
            sample(normal(3, 4), (..., slice(1, None, 2)), normal(2)),
            sample(normal(3, 4), integers([2, 0]), normal(2, 4)),
            sample(normal(2, 3), MASK, normal()),
            sample(normal(3, 4), 0, normal(1, 4)),
            sample(constant(normal(3, 4)), 0, normal(4)),
            sample(normal(), integers(True), normal()),
            sample(normal(2, 0), 0, 1),
        ),
        realistic=sample(normal(512, 1024), (slice(None), slice(0, 512)), normal(512, 512)),
    ),
    Row(
        F.select,
        torch.select,
        GetitemFunction,
        samples=(sample(normal(3, 4), 1, 0), sample(normal(2, 3, 4), -2, -1), sample(normal(2, 0), 0, 1)),
        realistic=sample(normal(512, 1024), 1, 0),
    ),
    Row(
        F.narrow,
        torch.narrow,
        GetitemFunction,
        samples=(sample(normal(3, 4), 1, 1, 2), sample(normal(3, 4), 0, -2, 2), sample(normal(3), 0, 3, 0)),
        realistic=sample(normal(512, 1024), 1, 0, 512),
    ),
    Row(
        F.index_select,
        torch.index_select,
        IndexSelectFunction,
        samples=(
            sample(normal(3, 4), 0, integers([2, 0, 2])),
            sample(normal(3, 4), -1, integers([1])),
            sample(normal(3), 0, integers(1)),
            sample(normal(), 0, integers([0])),
            sample(normal(2, 0), 0, integers([1])),
        ),
        realistic=sample(normal(512, 1024), 0, integers(list(range(0, 512, 2)))),
    ),
    Row(
        F.gather,
        torch.gather,
        GatherFunction,
        samples=(
            sample(normal(3, 4), 1, integers([[1, 1], [0, 3], [2, 0]])),
            sample(normal(3, 4), 0, integers([[1, 1, 2]])),
            sample(normal(), 0, integers(0)),
        ),
        realistic=sample(normal(512, 1024), 1, _EVERY_FOURTH),
    ),
    Row(
        F.scatter,
        signed_as(F.scatter, torch.scatter),
        ScatterFunction,
        samples=(
            sample(normal(3, 4), 1, integers([[0, 2], [1, 3], [2, 0]]), normal(3, 2)),
            sample(normal(3, 4), 0, integers([[0, 2, 1]]), 1.5),
            sample(constant(normal(3, 4)), -1, integers([[0], [2]]), normal(2, 1)),
            sample(normal(), 0, integers(0), normal()),
        ),
        realistic=sample(normal(512, 1024), 1, _EVERY_FOURTH, normal(512, 256)),
    ),
    Row(
        F.scatter_add,
        torch.scatter_add,
        ScatterAddFunction,
        samples=(
            sample(normal(3, 4), 1, integers([[0, 2], [1, 1], [2, 2]]), normal(3, 2)),
            sample(constant(normal(3, 4)), 0, integers([[0, 2, 0]]), normal(1, 3)),
            sample(normal(), 0, integers(0), normal()),
        ),
        realistic=sample(normal(512, 1024), 1, _EVERY_FOURTH, normal(512, 256)),
    ),
    Row(
        F.index_add,
        torch.index_add,
        IndexAddFunction,
        samples=(
            sample(normal(3, 4), 0, integers([2, 0, 2]), normal(3, 4)),
            sample(normal(3, 4), -1, integers([1]), normal(3, 1), alpha=-0.3),
            sample(constant(normal(3)), 0, integers([1, 1]), normal(2)),
        ),
        realistic=sample(normal(512, 1024), 0, integers(list(range(0, 512, 2))), normal(256, 1024)),
    ),
)
