"""Rows of the activation functions."""

import torch

from manualgrad import functional as F
from manualgrad import nn
from manualgrad.catalogue.row import Row, drop, fixed, normal, sample
from manualgrad.formulas.sigmoid import SigmoidFunction

ROWS = (
    Row(
        F.sigmoid,
        torch.sigmoid,
        SigmoidFunction,
        samples=(sample(normal(3, 4)), sample(normal()), sample(normal(2, 0)), sample(normal(2, 3, 2, scale=3))),
        modules=(drop(nn.Sigmoid, on=(normal(3, 4),)),),
        extremes=(sample(fixed(-1e4, -90.0, -20.0, 0.0, 20.0, 90.0, 1e4)),),
    ),
)
