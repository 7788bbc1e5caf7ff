"""Rows of what puts tensors together and cuts them up."""

import torch

from manualgrad import functional as F
from manualgrad.catalogue.row import Row, constant, normal, sample
from manualgrad.formulas.joining import CatFunction, SplitFunction, StackFunction, UnbindFunction

ROWS: tuple[Row, ...] = (
    Row(
        F.cat,
        torch.cat,
        CatFunction,
        samples=(
            sample([normal(2, 3), normal(4, 3)]),
            sample([normal(2, 3), normal(2, 1), normal(2, 2)], -1),
            sample((normal(3), constant(normal(2)))),
            sample([normal(2, 3), normal(0)]),
            sample([normal(0, 3), normal(2, 3)]),
            sample([normal(2)]),
        ),
        realistic=sample([normal(256, 1024), normal(256, 1024)]),
    ),
    Row(
        F.stack,
        torch.stack,
        StackFunction,
        samples=(
            sample([normal(2, 3), normal(2, 3)]),
            sample((normal(2, 3), normal(2, 3), constant(normal(2, 3))), -1),
            sample([normal(), normal()]),
            sample([normal(0, 3), normal(0, 3)], 1),
        ),
        realistic=sample([normal(256, 1024), normal(256, 1024)]),
    ),
    Row(
        F.split,
        torch.split,
        SplitFunction,
        samples=(
            sample(normal(5, 2), 2),
            sample(normal(2, 5), (1, 4), 1),
            sample(normal(2, 5), [5], dim=-1),
            sample(normal(0, 5), 2),
        ),
        realistic=sample(normal(512, 1024), 128),
    ),
    Row(
        F.chunk,
        torch.chunk,
        SplitFunction,
        samples=(sample(normal(5, 2), 2), sample(normal(2, 5), 3, 1), sample(normal(2), 4)),
        realistic=sample(normal(512, 1024), 4),
    ),
    Row(
        F.unbind,
        torch.unbind,
        UnbindFunction,
        samples=(sample(normal(2, 3)), sample(normal(2, 3), 1), sample(normal(2)), sample(normal(2, 0))),
        realistic=sample(normal(16, 32, 1024)),
    ),
)
