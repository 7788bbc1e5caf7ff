"""Rows of sorting and of triangles."""

from typing import Any

import torch
from torch import Tensor

from manualgrad import functional as F
from manualgrad.catalogue.row import Row, fixed, normal, sample, signed_as
from manualgrad.formulas.ordering import SortFunction, TriangleFunction

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
)
