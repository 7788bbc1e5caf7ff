"""Rows of the layers: linear, bilinear."""

import torch

from manualgrad import functional as F
from manualgrad import nn
from manualgrad.catalogue.row import Row, drop, normal, sample
from manualgrad.formulas.linear import LinearFunction

ROWS = (
    Row(
        F.linear,
        torch.nn.functional.linear,
        LinearFunction,
        samples=(
            sample(normal(5, 3), normal(4, 3), normal(4)),
            sample(normal(5, 3), normal(4, 3)),
            sample(normal(3), normal(4, 3), normal(4)),
            sample(normal(2, 5, 3), normal(4, 3), normal(4)),
            sample(normal(5, 3), normal(3)),
            sample(normal(2, 5, 3), normal(3), normal()),
            sample(normal(5, 3), normal(4, 3), normal(5, 4)),
            sample(normal(3), normal(3)),
            sample(normal(0, 3), normal(4, 3), normal(4)),
            sample(normal(2, 3), normal(1, 3), normal(1)),
        ),
        modules=(
            drop(nn.Linear, 3, 4, on=(normal(5, 3),)),
            drop(nn.Linear, 3, 4, bias=False, on=(normal(2, 5, 3),)),
        ),
    ),
)
