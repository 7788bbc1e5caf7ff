"""Rows of sorting and of triangles."""

from typing import Any

import torch
from torch import Tensor

from manualgrad import functional as F
from manualgrad.catalogue.row import Draw, Row, fixed, integers, normal, sample, signed_as
from manualgrad.formulas.ordering import SortFunction, TriangleFunction
from manualgrad.formulas.scatter_reduce import ScatterReduceFunction
from manualgrad.formulas.selection import CummaxFunction, MedianFunction, SelectionFunction

_PLACES = integers([[0, 2, 0], [1, 1, 1], [3, 0, 2]])
_MANY = Draw(lambda g, _: torch.randint(0, 4096, (16384, 1), generator=g).expand(16384, 64), differentiable=False)
_TIES = fixed([[1.0, 3.0, 3.0], [2.0, 2.0, 2.0]])


def _sort(x: Tensor, dim: int = -1, descending: bool = False, stable: bool = False) -> Any:
    return torch.sort(x, stable=stable, dim=dim, descending=descending)


ROWS: tuple[Row, ...] = (
    Row(
        F.sort,
        signed_as(F.sort, _sort),
        SortFunction,
        samples=(
            sample(normal(3, 4)),
            sample(normal(3, 4, 2), 1, True),
            sample(normal(5), dim=0, stable=True),
            sample(normal()),
            sample(normal(0, 3), 1),
        ),
        kinks=(sample(_TIES, stable=True),),
        realistic=sample(normal(256, 1024), 1),
    ),
    Row(
        F.topk,
        signed_as(F.topk, torch.topk),
        SortFunction,
        samples=(
            sample(normal(3, 4), 2),
            sample(normal(3, 4, 2), 3, 1, False),
            sample(normal(5), 2, sorted=False),
            sample(normal(), 1),
            sample(normal(3, 4), 0),
        ),
        realistic=sample(normal(256, 1024), 16),
    ),
    *(
        Row(
            function,
            twin,
            TriangleFunction,
            samples=(
                sample(normal(3, 4)),
                sample(normal(2, 4, 3), 1),
                sample(normal(4, 4), diagonal=-2),
                sample(normal(0, 3)),
            ),
            realistic=sample(normal(512, 1024)),
        )
        for function, twin in ((F.tril, torch.tril), (F.triu, torch.triu))
    ),
    *(
        Row(
            function,
            signed_as(function, twin),
            CummaxFunction,
            samples=(
                sample(normal(3, 4), 1),
                sample(normal(3, 4, 2), -3),
                sample(normal(), 0),
                sample(normal(0, 3), 1),
            ),
            kinks=(sample(_TIES, 1),),
            realistic=sample(normal(256, 1024), 1),
        )
        for function, twin in ((F.cummax, torch.cummax), (F.cummin, torch.cummin))
    ),
    Row(
        F.kthvalue,
        signed_as(F.kthvalue, torch.kthvalue),
        SelectionFunction,
        samples=(sample(normal(3, 4), 2), sample(normal(3, 4, 2), 1, 1, True), sample(normal(), 1)),
        realistic=sample(normal(256, 1024), 512),
    ),
    *(
        Row(
            function,
            signed_as(function, twin),
            SelectionFunction,
            samples=(sample(normal(3, 4), 1), sample(normal(3, 5, 2), -2, True), sample(normal(), 0)),
            realistic=sample(normal(256, 1024), 1),
        )
        for function, twin in ((F.nanmedian, torch.nanmedian), (F.mode, torch.mode))
    ),
    Row(
        F.median,
        signed_as(F.median, lambda x, *where, **named: torch.median(x, *where, **named)),
        MedianFunction,
        samples=(sample(normal(3, 4)), sample(normal()), sample(normal(5))),
        kinks=(sample(_TIES), sample(fixed(1.0, torch.nan))),
        realistic=sample(normal(512, 1024)),
    ),
    Row(
        F.scatter_reduce,
        torch.scatter_reduce,
        ScatterReduceFunction,
        samples=(
            sample(normal(3, 4), 1, _PLACES, normal(3, 3), "mean"),
            sample(normal(3, 4), 1, _PLACES, normal(3, 3), "prod", include_self=False),
            sample(normal(3, 4), 1, _PLACES, normal(3, 3), "amax"),
            sample(normal(3, 4), 1, _PLACES, normal(3, 3), "amin", include_self=False),
            sample(normal(3, 4), -1, _PLACES, normal(3, 3), "sum", include_self=False),
            sample(normal(3, 4), 0, integers([[0, 1, 2, 0]]), normal(1, 4), "prod"),
        ),
        kinks=(
            sample(fixed(1.0, 2.0), 0, integers([0, 0, 1]), fixed(1.0, 1.0, 0.0), "amax"),
            sample(fixed(0.0, 2.0), 0, integers([0, 0, 1]), fixed(3.0, 1.0, 0.0), "prod"),
            sample(fixed(5.0, 2.0), 0, integers([0, 0, 1]), fixed(0.0, 0.0, 0.0), "prod"),
        ),
        realistic=sample(normal(4096, 64), 0, _MANY, normal(16384, 64), "mean"),
    ),
)
