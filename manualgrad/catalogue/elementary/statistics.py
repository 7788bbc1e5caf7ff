"""Rows of statistics."""

import torch

from manualgrad import functional as F
from manualgrad.catalogue.row import Row, fixed, normal, sample, uniform
from manualgrad.formulas.elementwise import LerpFunction
from manualgrad.formulas.matmul import MatmulFunction

ROWS: tuple[Row, ...] = (
    Row(
        F.cov,
        torch.cov,
        MatmulFunction,
        samples=(
            sample(normal(3, 5)),
            sample(normal(5), correction=0),
        ),
        realistic=sample(normal(128, 4096)),
    ),
    Row(
        F.quantile,
        torch.quantile,
        LerpFunction,
        samples=(
            sample(normal(3, 5), 0.3),
            sample(normal(3, 5), uniform(2, low=0.1, high=0.9), 1),
            sample(normal(3, 5, 2), 0.5, -2, True, interpolation="midpoint"),
            sample(normal(5), fixed([0.2, 0.9], differentiable=False), keepdim=True),
        ),
        realistic=sample(normal(256, 1024), 0.9, 1),
    ),
)
