"""Rows of sums, means, spreads and what is like them."""

import torch

from manualgrad import functional as F
from manualgrad.catalogue.row import Draw, Row, away_from, fixed, normal, sample, signed_as
from manualgrad.formulas.logcumsumexp import LogcumsumexpFunction
from manualgrad.formulas.products import CumprodFunction, ProdFunction
from manualgrad.formulas.reductions import (
    CumsumFunction,
    LogsumexpFunction,
    MeanFunction,
    StdFunction,
    SumFunction,
    VarFunction,
)
from manualgrad.formulas.vector_norm import VectorNormFunction

REDUCED = (
    sample(normal(3, 4)),
    sample(normal(3, 4), 1),
    sample(normal(3, 4, 2), (0, -1)),
    sample(normal(3, 4), 0, keepdim=True),
    sample(normal(3, 4), None, True),
    sample(normal()),
    sample(normal(), 0),
)

SINGLE = Draw(lambda g, _: torch.randn(3, 4, generator=g))  # float32 always

_TYPED = sample(SINGLE, 0, dtype=torch.float64)

EMPTY = sample(normal(0, 3), 1), sample(normal(2, 0), 1)

_SPREAD = (
    sample(normal(3, 4)),
    sample(normal(3, 4), 1, correction=0),
    sample(normal(3, 4, 2), (0, -1), keepdim=True),
    sample(normal(3, 4), correction=2, keepdim=True),
)

ROWS: tuple[Row, ...] = (
    Row(
        F.sum,
        signed_as(F.sum, torch.sum),
        SumFunction,
        samples=(*REDUCED, _TYPED, *EMPTY, sample(normal(0))),
        realistic=sample(normal(512, 1024)),
    ),
    Row(
        F.mean,
        signed_as(F.mean, torch.mean),
        MeanFunction,
        samples=(*REDUCED, _TYPED, *EMPTY),
        realistic=sample(normal(512, 1024)),
    ),
    Row(F.var, torch.var, VarFunction, samples=_SPREAD, realistic=sample(normal(512, 1024))),
    Row(
        F.std,
        torch.std,
        StdFunction,
        samples=_SPREAD,
        kinks=(sample(fixed([2.0, 2.0, 2.0])),),
        realistic=sample(normal(512, 1024)),
    ),
    Row(
        F.logsumexp,
        torch.logsumexp,
        LogsumexpFunction,
        samples=(
            sample(normal(3, 4), 1),
            sample(normal(3, 4, 2), (0, -1)),
            sample(normal(3, 4), 0, keepdim=True),
            sample(normal(), 0),
            sample(normal(0, 3), 1),
        ),
        extremes=(sample(fixed(-1e4, 0.0, 1e4), 0), sample(fixed([-1e9, -1e9 + 1]), 0)),
        realistic=sample(normal(512, 1024), 1),
    ),
    Row(
        F.cumsum,
        torch.cumsum,
        CumsumFunction,
        samples=(
            sample(normal(3, 4), 1),
            sample(normal(3, 4, 2), 0),
            sample(normal(), 0),
            sample(normal(0, 3), 0),
            sample(SINGLE, -1, dtype=torch.float64),
        ),
        realistic=sample(normal(512, 1024), 1),
    ),
    Row(
        F.prod,
        signed_as(F.prod, torch.prod),
        ProdFunction,
        samples=(
            sample(normal(3, 4), 1),
            sample(normal(2, 3)),
            sample(normal(2, 3, 2), -2, keepdim=True),
            sample(normal(), 0),
            sample(normal(0, 3), 0),
            sample(fixed(2.0, 0.0, 3.0)),
            sample(fixed([[2.0, 0.0, 3.0, 0.0], [0.0, 1.0, -1.0, 2.0]]), 1),
        ),
        realistic=sample(normal(512, 1024), 1),
    ),
    Row(
        F.cumprod,
        torch.cumprod,
        CumprodFunction,
        samples=(
            sample(normal(3, 4), 1),
            sample(normal(3, 5, 2), -2),
            sample(normal(), 0),
            sample(normal(0, 3), 0),
            sample(fixed(2.0, 0.0, 3.0, 0.0), 0),
        ),
        realistic=sample(normal(512, 1024), 1),
    ),
    Row(
        F.vector_norm,
        torch.linalg.vector_norm,
        VectorNormFunction,
        samples=(
            sample(normal(3, 4)),
            sample(normal(3, 4, 2), 3, (0, -1)),
            sample(normal(3, 4), 1, 1, True),
            sample(normal(3, 4), 0.5, 0),
            sample(normal(3, 4), float("inf"), 1),
            sample(normal(3, 4), -float("inf"), [0]),
            sample(away_from(3, 4, kinks=(0,)), -1.5, -1),
            sample(normal(3, 4), 0, 1),
            sample(normal()),
            sample(normal(0, 3), 2, 0),
        ),
        kinks=(
            sample(fixed([[0.0, 0.0], [0.0, 2.0]]), 2, 1),
            sample(fixed([[0.0, 0.0], [0.0, 2.0]]), 3, 1),
            sample(fixed([[0.0, 0.0], [0.0, 2.0]]), 1, 1),
            sample(fixed([[2.0, -2.0], [0.0, 2.0]]), float("inf"), 1),
        ),
        extremes=(sample(fixed([1e-30, 1e-30]), 2), sample(fixed([1e30, 1.0]), 1)),
        realistic=sample(normal(512, 1024), 2, 1),
    ),
    Row(
        F.logcumsumexp,
        torch.logcumsumexp,
        LogcumsumexpFunction,
        samples=(
            sample(normal(3, 4), 1),
            sample(normal(3, 4, 2), -2),
            sample(normal(0, 3), 1),
        ),
        extremes=(sample(fixed(-1e4, 0.0, 1e4), 0), sample(fixed([1e9, 1e9 + 1]), 0)),
        realistic=sample(normal(512, 1024), 1),
    ),
)
