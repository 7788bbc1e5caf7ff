"""Rows of what is done to images: taken apart, shuffled, resampled."""

import torch

from manualgrad import functional as F
from manualgrad import nn
from manualgrad.catalogue.row import Row, drop, normal, sample
from manualgrad.formulas.fold import FoldFunction
from manualgrad.formulas.shuffles import ChannelShuffleFunction, PixelShuffleFunction, PixelUnshuffleFunction
from manualgrad.formulas.unfold import UnfoldFunction

ROWS: tuple[Row, ...] = (
    Row(
        F.unfold,
        torch.nn.functional.unfold,
        UnfoldFunction,
        samples=(
            sample(normal(2, 2, 3, 4), 2),
            sample(normal(1, 2, 5, 5), (2, 3), (2, 1), (1, 2), (2, 1)),
            sample(normal(2, 4, 3), 2, padding=1),
            sample(normal(0, 2, 3, 4), 2),
        ),
        modules=(
            drop(nn.Unfold, 2, on=(normal(2, 2, 3, 4),)),
            drop(nn.Unfold, (2, 3), (2, 1), (1, 2), 2, on=(normal(2, 5, 6),)),
        ),
        realistic=sample(normal(16, 32, 32, 32), 3, padding=1),
    ),
    Row(
        F.fold,
        torch.nn.functional.fold,
        FoldFunction,
        samples=(
            sample(normal(2, 8, 6), (3, 4), 2),
            sample(normal(1, 12, 21), (5, 5), (2, 3), (2, 1), (1, 2), (2, 1)),
            sample(normal(4, 20), (4, 3), 2, padding=1),
        ),
        modules=(
            drop(nn.Fold, (3, 4), 2, on=(normal(2, 8, 6),)),
            drop(nn.Fold, 5, (2, 3), (2, 1), (1, 2), (2, 1), on=(normal(12, 21),)),
        ),
        realistic=sample(normal(16, 288, 1024), (32, 32), 3, padding=1),
    ),
    Row(
        F.pixel_shuffle,
        torch.nn.functional.pixel_shuffle,
        PixelShuffleFunction,
        samples=(
            sample(normal(2, 4, 1, 2), 2),
            sample(normal(9, 2, 1), 3),
            sample(normal(2, 1, 8, 1, 2), 2),
        ),
        modules=(drop(nn.PixelShuffle, 2, on=(normal(2, 8, 1, 2),)),),
        realistic=sample(normal(16, 64, 32, 32), 2),
    ),
    Row(
        F.pixel_unshuffle,
        torch.nn.functional.pixel_unshuffle,
        PixelUnshuffleFunction,
        samples=(sample(normal(2, 1, 2, 4), 2), sample(normal(1, 3, 6), 3), sample(normal(2, 1, 2, 2, 4), 2)),
        modules=(drop(nn.PixelUnshuffle, 2, on=(normal(2, 1, 2, 4),)),),
        realistic=sample(normal(16, 16, 64, 64), 2),
    ),
    Row(
        F.channel_shuffle,
        torch.nn.functional.channel_shuffle,
        ChannelShuffleFunction,
        samples=(sample(normal(2, 6, 2), 3), sample(normal(1, 6, 2, 1), 2), sample(normal(1, 4, 1, 2, 1), 4)),
        modules=(drop(nn.ChannelShuffle, 3, on=(normal(2, 6, 1, 2),)),),
        realistic=sample(normal(16, 64, 32, 32), 8),
    ),
)
