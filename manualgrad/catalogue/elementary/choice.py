"""Rows of what chooses between values."""

import torch

from manualgrad import functional as F
from manualgrad.catalogue.row import Row, away_from, fixed, integers, normal, sample, signed_as
from manualgrad.formulas.choice import ClampFunction, MaskedFillFunction, WhereFunction

MASK = integers([[True, False, True], [False, False, True]])

ROWS: tuple[Row, ...] = (
    Row(
        F.where,
        torch.where,
        WhereFunction,
        samples=(
            sample(MASK, normal(2, 3), normal(2, 3)),
            sample(MASK, normal(3), normal(2, 1)),
            sample(MASK, normal(), normal(4, 1, 1)),
            sample(MASK, normal(2, 3), 1.5),
            sample(MASK, 2, normal(3)),
            sample(integers([[True], [False]]), normal(2, 0), normal(1)),
        ),
        realistic=sample(integers([[True, False] * 512] * 512), normal(512, 1024), normal(512, 1024)),
    ),
    Row(
        F.masked_fill,
        signed_as(F.masked_fill, torch.masked_fill),
        MaskedFillFunction,
        samples=(
            sample(normal(2, 3), MASK, 1.5),
            sample(normal(2, 3), MASK, normal()),
            sample(normal(3), MASK, -1),
            sample(normal(4, 2, 3), MASK, 0.0),
            sample(normal(2, 0), integers([[True], [False]]), normal()),
        ),
        realistic=sample(normal(512, 1024), integers([[True, False] * 512] * 512), 0.0),
    ),
    Row(
        F.clamp,
        torch.clamp,
        ClampFunction,
        samples=(
            sample(away_from(3, 4, kinks=(-0.5, 0.8)), -0.5, 0.8),
            sample(away_from(3, 4, kinks=(0.1,)), min=0.1),
            sample(away_from(3, 4, kinks=(0.1,)), max=0.1),
            sample(normal(3, 4), normal(4), normal(3, 1)),
            sample(normal(3, 4), min=normal()),
            sample(normal(4), max=normal(3, 1)),
            sample(away_from(kinks=(-0.5, 0.8)), -0.5, 0.8),
            sample(normal(2, 0), 0, 1),
        ),
        kinks=(sample(fixed(-1.0, 0.0, 2.0, 3.0), 0.0, 2.0), sample(fixed(1.0, 2.0), fixed(1.0, 2.0), fixed(1.0, 1.0))),
        realistic=sample(normal(512, 1024), -1.0, 1.0),
    ),
    *(
        Row(
            function,
            signed_as(function, twin),
            ClampFunction,
            samples=(
                sample(away_from(3, 4, kinks=(0.1,)), 0.1),
                sample(normal(3, 4), normal(4)),
                sample(away_from(2, 0, kinks=(0.1,)), 0.1),
            ),
            kinks=(sample(fixed(-1.0, 0.0), 0.0),),
            realistic=sample(normal(512, 1024), 0.1),
        )
        for function, twin in ((F.clamp_min, torch.clamp_min), (F.clamp_max, torch.clamp_max))
    ),
)
