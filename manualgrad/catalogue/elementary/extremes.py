"""Rows of the largest and the smallest."""

import torch

from manualgrad import functional as F
from manualgrad.catalogue.elementary.reductions import EMPTY, REDUCED
from manualgrad.catalogue.row import Row, fixed, normal, sample, signed_as
from manualgrad.formulas.extremes import (
    AmaxFunction,
    AminFunction,
    MaxFunction,
    MaximumFunction,
    MinFunction,
    MinimumFunction,
)

_TIES = fixed([[1.0, 3.0, 3.0], [2.0, 2.0, 2.0]])

_PAIRS = (
    sample(normal(3, 4), normal(3, 4)),
    sample(normal(3, 4), normal(4)),
    sample(normal(), normal(2, 3)),
    sample(normal(2, 0), normal(1)),
)

ROWS: tuple[Row, ...] = (
    *(
        Row(
            function,
            signed_as(function, twin),
            formula,
            samples=(
                sample(normal(3, 4), 1),
                sample(normal(3, 4, 2), 0, keepdim=True),
                sample(normal(), 0),
                sample(normal(0, 3), 1),
            ),
            kinks=(sample(_TIES, 1), sample(_TIES, 0)),
            realistic=sample(normal(512, 1024), 1),
        )
        for function, twin, formula in ((F.max, torch.max, MaxFunction), (F.min, torch.min, MinFunction))
    ),
    *(
        Row(
            function,
            twin,
            formula,
            samples=(*REDUCED[:6], EMPTY[0]),
            kinks=(sample(_TIES, 1), sample(_TIES)),
            realistic=sample(normal(512, 1024), 1),
        )
        for function, twin, formula in ((F.amax, torch.amax, AmaxFunction), (F.amin, torch.amin, AminFunction))
    ),
    *(
        Row(
            function,
            twin,
            formula,
            samples=_PAIRS,
            kinks=(sample(_TIES, fixed(2.0)),),
            realistic=sample(normal(512, 1024), normal(512, 1024)),
        )
        for function, twin, formula in (
            (F.maximum, torch.maximum, MaximumFunction),
            (F.minimum, torch.minimum, MinimumFunction),
        )
    ),
)
