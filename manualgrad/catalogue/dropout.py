"""Rows of the kinds of dropout."""

import torch

from manualgrad import functional as F
from manualgrad import nn
from manualgrad.catalogue.row import Row, drop, normal, sample
from manualgrad.formulas.alpha_dropout import AlphaDropoutFunction
from manualgrad.formulas.dropout import DropoutFunction

ROWS: tuple[Row, ...] = (
    Row(
        F.dropout,
        torch.nn.functional.dropout,
        DropoutFunction,
        samples=(
            sample(normal(3, 4)),
            sample(normal(2, 3), p=0.2),
            sample(normal(), p=0.9),
            sample(normal(3), p=1.0),
        ),
        modules=(drop(nn.Dropout, on=(normal(3, 4),)), drop(nn.Dropout, 0.2, on=(normal(2, 3, 4),))),
        realistic=sample(normal(256, 1024)),
    ),
    Row(
        F.dropout1d,
        torch.nn.functional.dropout1d,
        DropoutFunction,
        samples=(sample(normal(3, 4, 2)), sample(normal(6, 3), p=0.2), sample(normal(2, 3, 2), p=1.0)),
        modules=(drop(nn.Dropout1d, on=(normal(3, 4, 2),)), drop(nn.Dropout1d, 0.2, on=(normal(6, 3),))),
        realistic=sample(normal(16, 64, 256)),
    ),
    Row(
        F.dropout2d,
        torch.nn.functional.dropout2d,
        DropoutFunction,
        samples=(sample(normal(2, 4, 2, 1)), sample(normal(2, 3, 2), p=0.2), sample(normal(2, 3), p=0.7)),
        modules=(drop(nn.Dropout2d, on=(normal(2, 4, 3, 2),)), drop(nn.Dropout2d, 0.2, on=(normal(2, 4, 1, 2),))),
        realistic=sample(normal(16, 64, 32, 32)),
    ),
    Row(
        F.dropout3d,
        torch.nn.functional.dropout3d,
        DropoutFunction,
        samples=(sample(normal(2, 4, 1, 2, 1)), sample(normal(6, 1, 2, 2), p=0.2), sample(normal(5, 2), p=0.7)),
        modules=(drop(nn.Dropout3d, on=(normal(2, 4, 1, 2, 2),)), drop(nn.Dropout3d, 0.2, on=(normal(6, 1, 2, 2),))),
        realistic=sample(normal(4, 16, 16, 16, 16)),
    ),
    Row(
        F.alpha_dropout,
        torch.nn.functional.alpha_dropout,
        AlphaDropoutFunction,
        samples=(
            sample(normal(3, 4), training=True),
            sample(normal(2, 3), p=0.2, training=True),
            sample(normal(), 0.9, True),
            sample(normal(3), 1.0, True),
        ),
        modules=(drop(nn.AlphaDropout, on=(normal(3, 4),)), drop(nn.AlphaDropout, 0.2, on=(normal(2, 3, 4),))),
        realistic=sample(normal(256, 1024), training=True),
    ),
    Row(
        F.feature_alpha_dropout,
        torch.nn.functional.feature_alpha_dropout,
        AlphaDropoutFunction,
        samples=(
            sample(normal(2, 4, 2), training=True),
            sample(normal(2, 3), p=0.2, training=True),
            sample(normal(2, 3, 1, 2), 1.0, True),
        ),
        modules=(
            drop(nn.FeatureAlphaDropout, on=(normal(2, 4, 2),)),
            drop(nn.FeatureAlphaDropout, 0.2, on=(normal(2, 3, 2, 2),)),
        ),
        realistic=sample(normal(16, 64, 32, 32), training=True),
    ),
)
