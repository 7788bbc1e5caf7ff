"""Rows of the kinds of dropout."""

import torch

from manualgrad import functional as F
from manualgrad import nn
from manualgrad.catalogue.row import Row, drop, normal, sample
from manualgrad.formulas.dropout import DropoutFunction

ROWS: tuple[Row, ...] = (
    Row(
        F.dropout,
        torch.nn.functional.dropout,
        DropoutFunction,
        samples=(sample(normal(3, 4)), sample(normal(2, 3), p=0.2), sample(normal(), p=0.9), sample(normal(3), p=1.0)),
        modules=(drop(nn.Dropout, on=(normal(3, 4),)), drop(nn.Dropout, 0.2, on=(normal(2, 3, 4),))),
        realistic=sample(normal(256, 1024)),
    ),
)
