"""Rows of the poolings."""

import math
from typing import Any

import torch

from manualgrad import functional as F
from manualgrad import nn
from manualgrad.catalogue.row import Draw, Row, constant, drop, fixed, normal, sample, uniform
from manualgrad.formulas.adaptive_avg_pool import AdaptiveAvgPoolFunction
from manualgrad.formulas.adaptive_max_pool import AdaptiveMaxPoolFunction
from manualgrad.formulas.avg_pool import AvgPoolFunction
from manualgrad.formulas.fractional_max_pool import FractionalMaxPoolFunction
from manualgrad.formulas.lp_pool import LpPoolFunction
from manualgrad.formulas.max_pool import MaxPool3dFunction, MaxPoolFunction
from manualgrad.formulas.max_unpool import MaxUnpoolFunction

torch_F: Any = torch.nn.functional  # torch keeps the functions that do not return indices under private names


def distinct(*shape: int) -> Draw:
    """Normal, any two values at least 0.01 apart, so that the largest of several is not in doubt."""

    def make(g: torch.Generator, d: torch.dtype) -> torch.Tensor:
        x = torch.randn(shape, generator=g, dtype=torch.float64).flatten().sort().values
        apart = x + 0.01 * torch.arange(len(x))
        return apart[torch.randperm(len(x), generator=g)].reshape(shape).to(d)

    return Draw(make)


def places(dims: int, *shape: int, below: int) -> Draw:
    """Integers in [0, below), different ones within the last `dims` dimensions; no gradient."""

    def make(g: torch.Generator, _: torch.dtype) -> torch.Tensor:
        count = math.prod(shape[-dims:])
        return torch.rand(*shape[:-dims], below, generator=g).argsort(-1)[..., :count].reshape(shape)

    return Draw(make, differentiable=False)


_MAX_POOL_1D = (
    sample(distinct(2, 1, 6), 3, 2, padding=1),
    sample(distinct(1, 2, 7), (2,), (3,), (1,), (2,), True),
    sample(distinct(3, 6), 2),
    sample(distinct(0, 3, 6), 2),
)
_MAX_POOL_2D = (
    sample(distinct(2, 1, 3, 4), 3, 2, padding=1),
    sample(distinct(1, 1, 5, 5), (2, 3), (2, 1), (1, 1), (2, 1), True),
    sample(distinct(2, 4, 2), 2),
    sample(distinct(2, 2, 7, 8), (2, 3), (2, 1), (1, 1), (2, 1), True),
    sample(distinct(0, 3, 6, 4), 2),
)
_MAX_POOL_3D = (
    sample(distinct(1, 2, 2, 3, 2), 2, 1, padding=1),
    sample(distinct(1, 1, 3, 2, 4), (2, 1, 3), (2, 1, 2), (1, 0, 1), (2, 1, 1), True),
    sample(distinct(1, 4, 2, 2), 2),
    sample(distinct(1, 2, 5, 4, 5), (2, 1, 3), (2, 1, 2), (1, 0, 1), (2, 1, 1), True),
)
_ADAPTIVE_MAX_POOL_1D = (sample(distinct(2, 3, 7), 3), sample(distinct(2, 6), (2,)), sample(distinct(0, 3, 5), 2))
_ADAPTIVE_MAX_POOL_2D = (
    sample(distinct(2, 1, 4, 3), 2),
    sample(distinct(1, 1, 3, 4), (None, 3)),
    sample(distinct(2, 4, 2), (1, 2)),
    sample(distinct(2, 2, 5, 4), 3),
    sample(distinct(1, 2, 2, 3), (3, 4)),
)
_ADAPTIVE_MAX_POOL_3D = (
    sample(distinct(1, 2, 3, 2, 2), 2),
    sample(distinct(1, 1, 3, 4, 2), (2, None, 1)),
    sample(distinct(1, 2, 4, 2), 2),
)


def _fractions(*shape: int) -> Draw:
    return constant(uniform(*shape, low=0.0, high=0.9))


_FRACTIONAL_MAX_POOL_2D = (
    sample(distinct(2, 1, 4, 5), 2, 2, _random_samples=_fractions(2, 1, 2)),
    sample(distinct(1, 1, 5, 6), (2, 3), output_ratio=(0.5, 0.6), _random_samples=_fractions(1, 1, 2)),
    sample(distinct(2, 5, 4), (3, 1), (2, 3), _random_samples=_fractions(1, 2, 2)),
)
_FRACTIONAL_MAX_POOL_3D = (
    sample(distinct(1, 1, 4, 3, 3), 2, (2, 1, 1), _random_samples=_fractions(1, 1, 3)),
    sample(distinct(2, 3, 4, 3), 2, (1, 2, 1), _random_samples=_fractions(1, 2, 3)),
    sample(distinct(1, 1, 3, 2, 6), (2, 1, 3), output_ratio=0.5, _random_samples=_fractions(1, 1, 3)),
    sample(distinct(1, 2, 5, 4, 6), (2, 1, 3), output_ratio=0.5, _random_samples=_fractions(1, 2, 3)),
)

ROWS = (
    Row(
        F.max_pool1d,
        torch_F._max_pool1d,
        MaxPoolFunction,
        _MAX_POOL_1D,
        modules=(
            drop(nn.MaxPool1d, 3, on=(distinct(2, 3, 7),)),
            drop(nn.MaxPool1d, 2, 3, 1, 2, True, True, on=(distinct(3, 9),)),
        ),
        kinks=(sample(normal(2, 3, 8, scale=0), 3, 1, 1),),
        realistic=sample(normal(16, 64, 1024), 2),
    ),
    Row(
        F.max_pool2d,
        torch_F._max_pool2d,
        MaxPoolFunction,
        _MAX_POOL_2D,
        modules=(
            drop(nn.MaxPool2d, 2, on=(distinct(2, 2, 6, 4),)),
            drop(nn.MaxPool2d, (2, 3), (2, 1), (1, 1), (2, 1), True, True, on=(distinct(2, 7, 8),)),
        ),
        kinks=(sample(normal(1, 2, 4, 4, scale=0), 3, 1, 1),),
        realistic=sample(normal(16, 64, 32, 32), 3, 2, 1),
    ),
    Row(
        F.max_pool3d,
        torch_F._max_pool3d,
        MaxPool3dFunction,
        _MAX_POOL_3D,
        modules=(
            drop(nn.MaxPool3d, 2, on=(distinct(1, 2, 4, 2, 4),)),
            drop(nn.MaxPool3d, 2, (2, 1, 2), (1, 0, 1), (2, 1, 1), True, True, on=(distinct(2, 5, 4, 5),)),
        ),
        kinks=(sample(normal(1, 2, 3, 3, 3, scale=0), 2, 1, 1),),
        realistic=sample(normal(4, 16, 16, 16, 16), 2),
    ),
    Row(
        F.max_pool1d_with_indices,
        torch_F.max_pool1d_with_indices,
        MaxPoolFunction,
        _MAX_POOL_1D[:2],
        realistic=sample(normal(16, 32, 1024), 2),
    ),
    Row(
        F.max_pool2d_with_indices,
        torch_F.max_pool2d_with_indices,
        MaxPoolFunction,
        _MAX_POOL_2D[:2],
        realistic=sample(normal(8, 32, 28, 28), 2),
    ),
    Row(
        F.max_pool3d_with_indices,
        torch_F.max_pool3d_with_indices,
        MaxPool3dFunction,
        _MAX_POOL_3D[:2],
        realistic=sample(normal(2, 16, 16, 16, 16), 2),
    ),
    Row(
        F.adaptive_max_pool1d,
        torch_F._adaptive_max_pool1d,
        AdaptiveMaxPoolFunction,
        _ADAPTIVE_MAX_POOL_1D,
        modules=(drop(nn.AdaptiveMaxPool1d, 3, True, on=(distinct(2, 3, 7),)),),
        kinks=(sample(normal(2, 3, 8, scale=0), 3),),
        realistic=sample(normal(16, 64, 1024), 100),
    ),
    Row(
        F.adaptive_max_pool2d,
        torch_F._adaptive_max_pool2d,
        AdaptiveMaxPoolFunction,
        _ADAPTIVE_MAX_POOL_2D,
        modules=(drop(nn.AdaptiveMaxPool2d, (None, 3), True, on=(distinct(2, 2, 5, 4),)),),
        kinks=(sample(normal(1, 2, 4, 4, scale=0), 3),),
        realistic=sample(normal(16, 64, 32, 32), 7),
    ),
    Row(
        F.adaptive_max_pool3d,
        torch_F._adaptive_max_pool3d,
        AdaptiveMaxPoolFunction,
        _ADAPTIVE_MAX_POOL_3D,
        modules=(drop(nn.AdaptiveMaxPool3d, (2, None, 1), True, on=(distinct(2, 3, 4, 3),)),),
        kinks=(sample(normal(1, 2, 3, 3, 3, scale=0), 2),),
        realistic=sample(normal(4, 16, 16, 16, 16), 5),
    ),
    Row(
        F.adaptive_max_pool1d_with_indices,
        torch_F.adaptive_max_pool1d_with_indices,
        AdaptiveMaxPoolFunction,
        _ADAPTIVE_MAX_POOL_1D[:2],
        realistic=sample(normal(16, 32, 1024), 32),
    ),
    Row(
        F.adaptive_max_pool2d_with_indices,
        torch_F.adaptive_max_pool2d_with_indices,
        AdaptiveMaxPoolFunction,
        _ADAPTIVE_MAX_POOL_2D[:2],
        realistic=sample(normal(8, 32, 28, 28), 7),
    ),
    Row(
        F.adaptive_max_pool3d_with_indices,
        torch_F.adaptive_max_pool3d_with_indices,
        AdaptiveMaxPoolFunction,
        _ADAPTIVE_MAX_POOL_3D[:2],
        realistic=sample(normal(2, 16, 16, 16, 16), 4),
    ),
    Row(
        F.fractional_max_pool2d,
        torch_F._fractional_max_pool2d,
        FractionalMaxPoolFunction,
        _FRACTIONAL_MAX_POOL_2D,
        modules=(
            drop(nn.FractionalMaxPool2d, 2, 3, _random_samples=torch.full((1, 2, 2), 0.3), on=(distinct(2, 6, 7),)),
            drop(nn.FractionalMaxPool2d, (2, 3), output_ratio=0.5, return_indices=True, on=(distinct(2, 2, 6, 7),)),
        ),
        realistic=sample(normal(16, 64, 32, 32), 2, output_ratio=(0.7, 0.7), _random_samples=_fractions(16, 64, 2)),
    ),
    Row(
        F.fractional_max_pool3d,
        torch_F._fractional_max_pool3d,
        FractionalMaxPoolFunction,
        _FRACTIONAL_MAX_POOL_3D,
        modules=(
            drop(
                nn.FractionalMaxPool3d,
                2,
                2,
                return_indices=True,
                _random_samples=torch.full((1, 2, 3), 0.3),
                on=(distinct(2, 5, 4, 4),),
            ),
            drop(nn.FractionalMaxPool3d, (2, 1, 3), output_ratio=0.5, on=(distinct(1, 2, 4, 4, 6),)),
        ),
        realistic=sample(normal(4, 16, 16, 16, 16), 2, output_ratio=0.7, _random_samples=_fractions(4, 16, 3)),
    ),
    Row(
        F.fractional_max_pool2d_with_indices,
        torch_F.fractional_max_pool2d_with_indices,
        FractionalMaxPoolFunction,
        _FRACTIONAL_MAX_POOL_2D[:2],
        realistic=sample(normal(8, 32, 28, 28), 2, output_ratio=(0.5, 0.5)),
    ),
    Row(
        F.fractional_max_pool3d_with_indices,
        torch_F.fractional_max_pool3d_with_indices,
        FractionalMaxPoolFunction,
        _FRACTIONAL_MAX_POOL_3D[:2],
        realistic=sample(normal(2, 16, 16, 16, 16), 2, output_ratio=(0.5, 0.5, 0.5)),
    ),
    Row(
        F.max_unpool1d,
        torch_F.max_unpool1d,
        MaxUnpoolFunction,
        samples=(
            sample(normal(2, 3, 4), places(1, 2, 3, 4, below=8), 2),
            sample(normal(2, 3, 3), places(1, 2, 3, 3, below=9), 3, 3, 1, (9,)),
            sample(normal(3, 3), places(1, 3, 3, below=7), (3,), (2,)),
        ),
        modules=(
            drop(nn.MaxUnpool1d, 2, on=(normal(2, 3, 4), places(1, 2, 3, 4, below=8))),
            drop(nn.MaxUnpool1d, 3, 2, 1, on=(normal(3, 3), places(1, 3, 3, below=5))),
        ),
        realistic=sample(normal(16, 64, 512), places(1, 16, 64, 512, below=1024), 2),
    ),
    Row(
        F.max_unpool2d,
        torch_F.max_unpool2d,
        MaxUnpoolFunction,
        samples=(
            sample(normal(2, 2, 2, 3), places(2, 2, 2, 2, 3, below=24), 2),
            sample(normal(2, 2, 2, 3), places(2, 2, 2, 2, 3, below=35), 3, 2, 0, (2, 2, 5, 7)),
            sample(normal(2, 2, 3), places(2, 2, 2, 3, below=20), (2, 3), (2, 2), (0, 1)),
        ),
        modules=(
            drop(nn.MaxUnpool2d, 2, on=(normal(2, 2, 2, 3), places(2, 2, 2, 2, 3, below=24))),
            drop(nn.MaxUnpool2d, (2, 3), 2, (0, 1), on=(normal(2, 2, 3), places(2, 2, 2, 3, below=20))),
        ),
        realistic=sample(normal(16, 64, 16, 16), places(2, 16, 64, 16, 16, below=1024), 2),
    ),
    Row(
        F.max_unpool3d,
        torch_F.max_unpool3d,
        MaxUnpoolFunction,
        samples=(
            sample(normal(2, 2, 1, 2, 3), places(3, 2, 2, 1, 2, 3, below=48), 2),
            sample(normal(1, 2, 1, 2, 3), places(3, 1, 2, 1, 2, 3, below=84), 3, 2, 0, (3, 4, 7)),
            sample(normal(2, 2, 2, 2), places(3, 2, 2, 2, 2, below=24), (2, 1, 3), (2, 1, 3), (0, 0, 1)),
        ),
        modules=(
            drop(nn.MaxUnpool3d, 2, on=(normal(2, 2, 1, 2, 3), places(3, 2, 2, 1, 2, 3, below=48))),
            drop(
                nn.MaxUnpool3d,
                (2, 1, 3),
                (2, 1, 3),
                (0, 0, 1),
                on=(normal(2, 2, 2, 2), places(3, 2, 2, 2, 2, below=24)),
            ),
        ),
        realistic=sample(normal(4, 16, 8, 8, 8), places(3, 4, 16, 8, 8, 8, below=4096), 2),
    ),
    Row(
        F.avg_pool1d,
        torch.nn.functional.avg_pool1d,
        AvgPoolFunction,
        samples=(
            sample(normal(2, 3, 7), 3, 2, padding=1),
            sample(normal(2, 3, 8), (3,), (2,), (1,), True, False),
            sample(normal(3, 7), 2),
            sample(normal(0, 3, 6), 2),
            sample(normal(2, 3, 6), 2, 3, ceil_mode=True),
            sample(normal(2, 3, 6), 4, 4, 2, ceil_mode=True, count_include_pad=True),
        ),
        modules=(
            drop(nn.AvgPool1d, 3, on=(normal(2, 3, 7),)),
            drop(nn.AvgPool1d, 3, 2, 1, True, False, on=(normal(3, 8),)),
        ),
        realistic=sample(normal(16, 64, 1024), 2),
    ),
    Row(
        F.avg_pool2d,
        torch.nn.functional.avg_pool2d,
        AvgPoolFunction,
        samples=(
            sample(normal(2, 1, 3, 4), 3, 2, padding=1),
            sample(normal(1, 1, 4, 4), (3, 2), (2, 3), (1, 0), True, False),
            sample(normal(1, 2, 3, 3), 2, ceil_mode=True, divisor_override=3),
            sample(normal(2, 2, 7, 6), (3, 2), (2, 3), (1, 0), True, False),
            sample(normal(3, 5, 4), 2),
            sample(normal(0, 3, 6, 4), 2),
            sample(normal(1, 2, 5, 6), (2, 3), 2, 1, ceil_mode=True),
            sample(normal(1, 2, 5, 6), 2, 2, 1),
        ),
        modules=(
            drop(nn.AvgPool2d, 2, on=(normal(2, 2, 6, 4),)),
            drop(nn.AvgPool2d, (3, 2), (2, 3), (1, 0), True, False, 5, on=(normal(2, 7, 6),)),
        ),
        realistic=sample(normal(16, 64, 32, 32), 3, 2, 1),
    ),
    Row(
        F.avg_pool3d,
        torch.nn.functional.avg_pool3d,
        AvgPoolFunction,
        samples=(
            sample(normal(1, 1, 2, 3, 2), 2, 1, padding=1),
            sample(normal(1, 1, 4, 3, 2), (3, 2, 1), (2, 3, 1), (1, 0, 0), True, False),
            sample(normal(1, 3, 2, 3), 2, divisor_override=3),
            sample(normal(1, 2, 5, 4, 3), (3, 2, 1), (2, 3, 1), (1, 0, 0), True, False),
        ),
        modules=(
            drop(nn.AvgPool3d, 2, on=(normal(1, 2, 4, 2, 4),)),
            drop(nn.AvgPool3d, (3, 2, 1), (2, 3, 1), (1, 0, 0), True, False, 5, on=(normal(2, 5, 4, 3),)),
        ),
        realistic=sample(normal(4, 16, 16, 16, 16), 2),
    ),
    Row(
        F.adaptive_avg_pool1d,
        torch.nn.functional.adaptive_avg_pool1d,
        AdaptiveAvgPoolFunction,
        samples=(
            sample(normal(2, 3, 7), 3),
            sample(normal(2, 3), (5,)),
            sample(normal(2, 3, 6), 1),
            sample(normal(0, 3, 5), 2),
        ),
        modules=(drop(nn.AdaptiveAvgPool1d, 3, on=(normal(2, 3, 7),)),),
        realistic=sample(normal(16, 64, 1024), 100),
    ),
    Row(
        F.adaptive_avg_pool2d,
        torch.nn.functional.adaptive_avg_pool2d,
        AdaptiveAvgPoolFunction,
        samples=(
            sample(normal(2, 1, 4, 3), 2),
            sample(normal(1, 1, 3, 4), (None, 3)),
            sample(normal(2, 4, 3), (1, 1)),
            sample(normal(2, 2, 5, 4), 3),
            sample(normal(1, 2, 2, 3), (3, 7)),
            sample(normal(2, 2, 5, 4), 1),
        ),
        modules=(drop(nn.AdaptiveAvgPool2d, (None, 3), on=(normal(2, 2, 5, 4),)),),
        realistic=sample(normal(16, 64, 32, 32), 7),
    ),
    Row(
        F.adaptive_avg_pool3d,
        torch.nn.functional.adaptive_avg_pool3d,
        AdaptiveAvgPoolFunction,
        samples=(
            sample(normal(1, 2, 3, 2, 2), 2),
            sample(normal(1, 1, 3, 4, 2), (2, None, 1)),
            sample(normal(1, 2, 4, 2), 3),
            sample(normal(2, 2, 3, 4, 3), 2),
        ),
        modules=(drop(nn.AdaptiveAvgPool3d, (2, None, 1), on=(normal(2, 3, 4, 3),)),),
        realistic=sample(normal(4, 16, 16, 16, 16), 5),
    ),
    Row(
        F.lp_pool1d,
        torch.nn.functional.lp_pool1d,
        LpPoolFunction,
        samples=(
            sample(normal(2, 2, 5), 2, 3, 2),
            sample(uniform(1, 2, 5, low=0.5, high=2.0), 2.5, 2, None, True),
            sample(normal(2, 6), 4, 3, 2, True),
            sample(normal(2, 3, 6), 1, 2),
            sample(distinct(2, 3, 7), math.inf, 3, 2),
            sample(distinct(2, 3, 7), -math.inf, 3, 2, True),
            sample(uniform(2, 3, 7, low=0.5, high=2.0), -1.5, 2),
            sample(normal(0, 3, 6), 2, 2),
        ),
        modules=(
            drop(nn.LPPool1d, 2, 3, on=(normal(2, 3, 7),)),
            drop(nn.LPPool1d, 4, 3, 2, True, on=(normal(3, 8),)),
        ),
        kinks=(sample(fixed([[0.0, 0.0, 0.0, 1.0, 0.0, -2.0]]), 2, 2), sample(fixed([[0.0, 0.0, 2.0, -2.0]]), 1, 2)),
        extremes=(sample(fixed([[1e-20, 1e-20, 1e15, 1e15]]), 2, 2),),
        realistic=sample(normal(16, 64, 1024), 2, 2),
    ),
    Row(
        F.lp_pool2d,
        torch.nn.functional.lp_pool2d,
        LpPoolFunction,
        samples=(
            sample(normal(2, 1, 3, 4), 2, 3, 2),
            sample(uniform(1, 1, 4, 4, low=0.5, high=2.0), 1.5, (3, 2), (2, 3), True),
            sample(normal(2, 3, 4), 2, 2),
            sample(uniform(2, 2, 6, 7, low=0.5, high=2.0), 1.5, (3, 2), (2, 3), True),
            sample(distinct(2, 5, 4), math.inf, 2),
        ),
        modules=(
            drop(nn.LPPool2d, 2, 3, on=(normal(2, 2, 6, 7),)),
            drop(nn.LPPool2d, 4, (3, 2), (2, 3), True, on=(normal(3, 6, 7),)),
        ),
        realistic=sample(normal(16, 64, 32, 32), 2, 3, 2),
    ),
    Row(
        F.lp_pool3d,
        torch.nn.functional.lp_pool3d,
        LpPoolFunction,
        samples=(
            sample(normal(1, 1, 2, 3, 2), 2, 2, 1),
            sample(uniform(1, 1, 3, 2, 4, low=0.5, high=2.0), 1.5, (2, 1, 3), (2, 1, 2), True),
            sample(normal(1, 2, 4, 2), 2, 2),
            sample(uniform(1, 2, 4, 3, 5, low=0.5, high=2.0), 1.5, (2, 1, 3), (2, 1, 2), True),
        ),
        modules=(
            drop(nn.LPPool3d, 2, 2, on=(normal(1, 2, 4, 2, 4),)),
            drop(nn.LPPool3d, 4, (2, 1, 3), (2, 1, 2), True, on=(normal(2, 4, 3, 5),)),
        ),
        realistic=sample(normal(4, 16, 16, 16, 16), 2, 2),
    ),
)
