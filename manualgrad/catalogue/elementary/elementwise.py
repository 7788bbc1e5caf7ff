"""Rows of the functions of several numbers, applied element by element."""

import torch

from manualgrad import functional as F
from manualgrad.catalogue.row import Row, away_from, constant, fixed, normal, sample, uniform
from manualgrad.formulas.elementwise import (
    AddcdivFunction,
    AddcmulFunction,
    Atan2Function,
    FmodFunction,
    LerpFunction,
    LogaddexpFunction,
    RemainderFunction,
)

_DIVISOR = away_from(3, 4, kinks=(0,), gap=0.3)

ROWS: tuple[Row, ...] = (
    Row(
        F.logaddexp,
        torch.logaddexp,
        LogaddexpFunction,
        samples=(
            sample(normal(3, 4), normal(3, 4)),
            sample(normal(3, 1), normal(2, 1, 4)),
            sample(normal(), normal(2, 0)),
        ),
        extremes=(sample(fixed(-1e4, 1e4, 1e4, 0.0), fixed(1e4, 1e4, 0.0, -1e4)),),
        realistic=sample(normal(512, 1024), normal(512, 1024)),
    ),
    Row(
        F.atan2,
        torch.atan2,
        Atan2Function,
        samples=(
            sample(normal(3, 4), _DIVISOR),
            sample(normal(3, 1), away_from(2, 1, 4, kinks=(0,), gap=0.3)),
            sample(normal(), normal(2, 0)),
        ),
        kinks=(sample(fixed(0.0, 0.0, 1.0), fixed(0.0, -1.0, 0.0)),),
        extremes=(sample(fixed(1e10, 1e-10), fixed(1e10, 1.0)),),
        realistic=sample(normal(512, 1024), normal(512, 1024)),
    ),
    Row(
        F.fmod,
        torch.fmod,
        FmodFunction,
        samples=(
            sample(fixed(3.5, -3.5, 0.3), fixed(1.2, 2.2, -0.8)),
            sample(fixed([[3.5], [-3.5]]), fixed(1.2, -0.8)),
            sample(fixed(3.5, -3.5, 0.3), 2),
            sample(normal(2, 0), normal(1)),
        ),
        kinks=(sample(fixed(2.0, -4.0), fixed(1.0, 2.0)),),
        realistic=sample(normal(512, 1024), uniform(512, 1024, low=0.3, high=2)),
    ),
    Row(
        F.remainder,
        torch.remainder,
        RemainderFunction,
        samples=(
            sample(fixed(3.5, -3.5, 0.3), fixed(1.2, 2.2, -0.8)),
            sample(fixed([[3.5], [-3.5]]), fixed(1.2, -0.8)),
            sample(fixed(3.5, -3.5, 0.3), 2),
            sample(normal(2, 0), normal(1)),
        ),
        kinks=(sample(fixed(2.0, -4.0), fixed(1.0, 2.0)),),
        realistic=sample(normal(512, 1024), uniform(512, 1024, low=0.3, high=2)),
    ),
    Row(
        F.lerp,
        torch.lerp,
        LerpFunction,
        samples=(
            sample(normal(3, 4), normal(3, 4), 0.3),
            sample(normal(3, 4), normal(4), normal(3, 1)),
            sample(normal(3, 4), constant(normal(3, 4)), -1.5),
            sample(normal(2, 0), normal(2, 0), normal()),
        ),
        realistic=sample(normal(512, 1024), normal(512, 1024), 0.9),
    ),
    Row(
        F.addcmul,
        torch.addcmul,
        AddcmulFunction,
        samples=(
            sample(normal(3, 4), normal(3, 4), normal(3, 4)),
            sample(normal(3, 1), normal(4), normal(2, 1, 1), value=-0.3),
            sample(normal(2, 0), normal(), normal(1)),
        ),
        realistic=sample(normal(512, 1024), normal(512, 1024), normal(512, 1024)),
    ),
    Row(
        F.addcdiv,
        torch.addcdiv,
        AddcdivFunction,
        samples=(
            sample(normal(3, 4), normal(3, 4), _DIVISOR),
            sample(normal(3, 1), normal(4), uniform(2, 1, 1, low=0.5, high=2), value=-0.3),
            sample(normal(2, 0), normal(), uniform(1, low=0.5, high=2)),
        ),
        realistic=sample(normal(512, 1024), normal(512, 1024), uniform(512, 1024, low=0.3, high=2)),
    ),
)
