"""Rows of the layers: linear, bilinear."""

import torch

from manualgrad import functional as F
from manualgrad import nn
from manualgrad.catalogue.row import Row, drop, normal, sample
from manualgrad.formulas.bilinear import BilinearFunction
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
        realistic=sample(normal(256, 512), normal(512, 512), normal(512)),
    ),
    Row(
        F.bilinear,
        torch.nn.functional.bilinear,
        BilinearFunction,
        samples=(
            sample(normal(5, 3), normal(5, 2), normal(4, 3, 2), normal(4)),
            sample(normal(5, 3), normal(5, 2), normal(4, 3, 2)),
            sample(normal(3), normal(2), normal(4, 3, 2), normal(4)),
            sample(normal(2, 5, 3), normal(2, 5, 2), normal(4, 3, 2), bias=normal(4)),
            sample(normal(0, 3), normal(0, 2), normal(4, 3, 2), normal(4)),
            sample(normal(2, 1), normal(2, 1), normal(1, 1, 1), normal(1)),
        ),
        modules=(
            drop(nn.Bilinear, 3, 2, 4, on=(normal(5, 3), normal(5, 2))),
            drop(nn.Bilinear, 3, 2, 4, bias=False, on=(normal(2, 5, 3), normal(2, 5, 2))),
        ),
        realistic=sample(normal(64, 64), normal(64, 64), normal(64, 64, 64), normal(64)),
    ),
)
