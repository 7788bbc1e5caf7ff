"""Rows of what is done to images: taken apart, shuffled, resampled."""

import itertools
from typing import Any

import torch
from torch import Tensor

from manualgrad import functional as F
from manualgrad import nn
from manualgrad.catalogue.row import Row, drop, normal, sample, uniform
from manualgrad.formulas.affine_grid import AffineGridFunction
from manualgrad.formulas.fold import FoldFunction
from manualgrad.formulas.grid_sample import GridSampleFunction
from manualgrad.formulas.interpolate import InterpolateFunction
from manualgrad.formulas.shuffles import ChannelShuffleFunction, PixelShuffleFunction, PixelUnshuffleFunction
from manualgrad.formulas.unfold import UnfoldFunction


def _grid_sample(
    input: Tensor,
    grid: Tensor,
    mode: str = "bilinear",
    padding_mode: str = "zeros",
    align_corners: bool | None = None,
) -> Tensor:
    """Grid sampling by indexing: torch's own has neither second nor forward-mode derivatives."""
    sizes = input.shape[2:]
    axes = []
    for n, g in zip(sizes, reversed(grid.unbind(-1)), strict=True):
        p = (g + 1) / 2 * (n - 1) if align_corners else ((g + 1) * n - 1) / 2
        p = p if mode == "bicubic" else _inside(p, n, padding_mode, bool(align_corners))
        if mode == "nearest":
            taps = [(p.round(), torch.ones_like(p))]
        elif mode == "bilinear":
            taps = [(j, 1 - (p - j).abs()) for j in (p.floor(), p.floor() + 1)]
        else:
            taps = []
            for j in (p.floor() + k for k in (-1, 0, 1, 2)):
                u = (p - j).abs()
                w = torch.where(u < 1, 1.25 * u**3 - 2.25 * u**2 + 1, -0.75 * (u**3 - 5 * u**2 + 8 * u - 4))
                taps.append((_inside(j, n, padding_mode, bool(align_corners)), w))
        axes.append([(j, w * ((j >= 0) & (j < n)), n) for j, w in taps])
    y: Any = 0
    of_sample = torch.arange(input.shape[0]).reshape(-1, *[1] * len(sizes))
    for taps_of_each in itertools.product(*axes):
        weight: Any = 1
        for _, w, _ in taps_of_each:
            weight = weight * w
        places = (of_sample, *[j.clamp(0, n - 1).long() for j, _, n in taps_of_each])
        y = y + weight.unsqueeze(-1) * input.movedim(1, -1)[places]
    return y.movedim(-1, 1)


def _inside(p: Tensor, n: int, padding_mode: str, corners: bool) -> Tensor:
    """p moved into the image as `padding_mode` says."""
    if padding_mode == "zeros":
        return p
    if padding_mode == "reflection":
        low, span = (0, n - 1) if corners else (-0.5, n)
        p = low + span - ((p - low) % (2 * span) - span).abs()
    return p.clamp(0, n - 1)


ROWS: tuple[Row, ...] = (
    Row(
        F.unfold,
        torch.nn.functional.unfold,
        UnfoldFunction,
        samples=(
            sample(normal(2, 1, 3, 3), 2),
            sample(normal(1, 1, 4, 4), (2, 3), (2, 1), (1, 2), (2, 1)),
            sample(normal(1, 3, 2), 2, padding=1),
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
            sample(normal(2, 4, 4), (3, 3), 2),
            sample(normal(4, 12), (3, 2), 2, padding=1),
            sample(normal(1, 12, 21), (5, 5), (2, 3), (2, 1), (1, 2), (2, 1)),
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
    Row(
        F.interpolate,
        torch.nn.functional.interpolate,
        InterpolateFunction,
        samples=(
            sample(normal(1, 2, 3, 2), (4, 3), mode="bilinear"),
            sample(normal(1, 2, 5), 3, mode="linear", align_corners=True),
            sample(normal(1, 1, 4, 3), None, (1.6, 2.3), "bicubic"),
            sample(normal(2, 2, 3), scale_factor=2),
            sample(normal(1, 2, 3, 5), (7, 2), mode="nearest"),
            sample(normal(1, 2, 5, 3), scale_factor=(0.7, 2.6), mode="nearest-exact"),
            sample(normal(1, 2, 3, 2, 3), scale_factor=1.5, mode="nearest", recompute_scale_factor=True),
            sample(normal(1, 2, 3, 2, 3), (2, 3, 4), mode="nearest-exact"),
            sample(normal(1, 2, 5), scale_factor=1.7, mode="linear"),
            sample(normal(1, 2, 5, 4), (1, 9), mode="bilinear", align_corners=True),
            sample(normal(1, 2, 5, 4), scale_factor=2.3, mode="bilinear", recompute_scale_factor=True),
            sample(normal(1, 2, 3, 2, 3), scale_factor=(1.5, 2.0, 0.7), mode="trilinear"),
            sample(normal(1, 2, 3, 2, 3), (4, 2, 5), mode="trilinear", align_corners=True),
            sample(normal(1, 2, 5, 4), (3, 7), mode="bicubic", align_corners=True),
            sample(normal(1, 2, 7), 3, mode="area"),
            sample(normal(1, 2, 5, 4), scale_factor=(0.5, 1.6), mode="area"),
            sample(normal(1, 2, 3, 4, 3), (2, 8, 5), mode="area"),
            sample(normal(1, 2, 9, 4), (4, 7), mode="bilinear", antialias=True),
            sample(normal(1, 2, 9, 4), scale_factor=(0.4, 1.3), mode="bicubic", antialias=True),
            sample(normal(1, 2, 9, 4), (3, 5), mode="bicubic", antialias=True, align_corners=True),
            sample(normal(1, 2, 13, 4), (4, 6), mode="lanczos", antialias=True),
        ),
        modules=(
            drop(nn.Upsample, 5, mode="linear", align_corners=True, on=(normal(1, 2, 3),)),
            drop(nn.Upsample, scale_factor=(1.6, 2.0), mode="bicubic", on=(normal(1, 2, 3, 4),)),
            drop(nn.Upsample, scale_factor=1.6, mode="bilinear", recompute_scale_factor=True, on=(normal(1, 2, 3, 4),)),
            drop(nn.UpsamplingNearest2d, scale_factor=2, on=(normal(1, 2, 3, 4),)),
            drop(nn.UpsamplingNearest2d, (4, 3), on=(normal(1, 2, 3, 4),)),
            drop(nn.UpsamplingBilinear2d, (4, 3), on=(normal(1, 2, 3, 4),)),
            drop(nn.UpsamplingBilinear2d, scale_factor=2, on=(normal(1, 2, 3, 4),)),
        ),
        realistic=sample(normal(16, 32, 32, 32), scale_factor=2, mode="bilinear"),
    ),
    Row(
        F.upsample,
        torch.nn.functional.upsample,
        InterpolateFunction,
        samples=(sample(normal(1, 2, 3), 5, mode="linear", align_corners=True), sample(normal(1, 2, 3), None, 1.5)),
        realistic=sample(normal(8, 32, 28, 28), scale_factor=2),
    ),
    Row(
        F.upsample_nearest,
        torch.nn.functional.upsample_nearest,
        InterpolateFunction,
        samples=(sample(normal(1, 2, 3), 5), sample(normal(1, 2, 3, 2), scale_factor=(1.5, 2.0))),
        realistic=sample(normal(8, 32, 28, 28), scale_factor=2),
    ),
    Row(
        F.upsample_bilinear,
        torch.nn.functional.upsample_bilinear,
        InterpolateFunction,
        samples=(sample(normal(1, 1, 3, 2), (4, 3)), sample(normal(1, 1, 3, 2), scale_factor=2)),
        realistic=sample(normal(8, 32, 28, 28), scale_factor=2),
    ),
    Row(
        F.grid_sample,
        torch.nn.functional.grid_sample,
        GridSampleFunction,
        samples=(
            sample(normal(1, 2, 3, 2), normal(1, 2, 2, 2), align_corners=False),
            sample(normal(2, 1, 3, 4), normal(2, 1, 2, 2), "bicubic", "border", True),
            sample(normal(1, 1, 2, 3, 2), normal(1, 1, 2, 1, 3), "bilinear", "reflection", False),
            *(
                sample(normal(2, 2, 5, 4), normal(2, 4, 6, 2), mode, padding_mode, align_corners)
                for mode in ("bilinear", "nearest", "bicubic")
                for padding_mode in ("zeros", "border", "reflection")
                for align_corners in (True, False)
            ),
            *(
                sample(normal(2, 2, 3, 4, 2), normal(2, 2, 4, 3, 3), mode, padding_mode, True)
                for mode in ("bilinear", "nearest")
                for padding_mode in ("zeros", "border", "reflection")
            ),
            sample(normal(0, 2, 3, 2), normal(0, 4, 3, 2), align_corners=False),
        ),
        reference=_grid_sample,
        realistic=sample(normal(16, 32, 32, 32), uniform(16, 32, 32, 2, low=-1.0, high=1.0), align_corners=False),
    ),
    Row(
        F.affine_grid,
        torch.nn.functional.affine_grid,
        AffineGridFunction,
        samples=(
            sample(normal(2, 2, 3), (2, 1, 3, 2), align_corners=False),
            sample(normal(1, 3, 4), (1, 1, 2, 3, 2), align_corners=False),
            sample(normal(2, 2, 3), (2, 5, 1, 4), True),
            sample(normal(1, 3, 4), [1, 1, 2, 1, 2], align_corners=True),
        ),
        realistic=sample(normal(16, 2, 3), (16, 1, 64, 64), align_corners=False),
    ),
)
