"""Rows of the functions of one number, applied to every element."""

import math
from typing import Any

import torch

from manualgrad import functional as F
from manualgrad.catalogue.row import Row, away_from, fixed, normal, sample, uniform
from manualgrad.formula import Formula
from manualgrad.formulas.error_function import ErfcFunction, ErfFunction
from manualgrad.formulas.exponentials import (
    Exp2Function,
    ExpFunction,
    Expm1Function,
    Log1pFunction,
    Log2Function,
    Log10Function,
    LogFunction,
)
from manualgrad.formulas.hyperbolic import (
    AcoshFunction,
    AsinhFunction,
    AtanhFunction,
    CoshFunction,
    SinhFunction,
)
from manualgrad.formulas.magnitude import AbsFunction, SignFunction
from manualgrad.formulas.nan_to_num import NanToNumFunction
from manualgrad.formulas.powers import ReciprocalFunction, RsqrtFunction, SqrtFunction, SquareFunction
from manualgrad.formulas.rounding import CeilFunction, FloorFunction, RoundFunction, TruncFunction
from manualgrad.formulas.trigonometry import (
    AcosFunction,
    AsinFunction,
    AtanFunction,
    CosFunction,
    SinFunction,
    TanFunction,
)


def _anywhere(function: Any, twin: Any, formula: type[Formula], *extremes: float) -> Row:
    """A smooth function of any number."""
    samples = sample(normal(3, 4)), sample(normal()), sample(normal(2, 0)), sample(normal(2, 1, 3, scale=2))
    shown = (sample(fixed(*extremes)),) if extremes else ()
    return Row(function, twin, formula, samples, extremes=shown, realistic=sample(normal(512, 1024)))


def _positive(function: Any, twin: Any, formula: type[Formula], *extremes: float) -> Row:
    """A smooth function of positive numbers."""
    shapes = (3, 4), (), (2, 0), (2, 1, 3)
    samples = tuple(sample(uniform(*shape, low=0.2, high=3)) for shape in shapes)
    many = sample(uniform(512, 1024, low=0.2, high=3))
    return Row(function, twin, formula, samples, extremes=(sample(fixed(*extremes)),), realistic=many)


def _between(function: Any, twin: Any, formula: type[Formula], low: float, high: float, *extremes: float) -> Row:
    """A smooth function of the numbers between two."""
    shapes = (3, 4), (), (2, 0)
    samples = tuple(sample(uniform(*shape, low=low, high=high)) for shape in shapes)
    many = sample(uniform(512, 1024, low=low, high=high))
    return Row(function, twin, formula, samples, extremes=(sample(fixed(*extremes)),), realistic=many)


def _staircase(function: Any, twin: Any, formula: type[Formula], **keywords: Any) -> Row:
    """A function that is flat but for its steps."""
    steps = [k / 2 for k in range(-8, 9)]
    shapes = (3, 4), (), (2, 0)
    samples = [sample(away_from(*shape, kinks=steps)) for shape in shapes]
    if keywords:
        samples.append(sample(normal(3), **keywords))
    kinks = (sample(fixed(-1.0, -0.5, 0.0, 0.5, 1.0, 1.5)),)
    return Row(function, twin, formula, tuple(samples), kinks=kinks, realistic=sample(normal(512, 1024)))


ROWS: tuple[Row, ...] = (
    _anywhere(F.exp, torch.exp, ExpFunction, -1e3, -90.0, 0.0, 80.0, 1e3),
    _anywhere(F.expm1, torch.expm1, Expm1Function, -1e3, -1e-9, 0.0, 1e-9, 1e3),
    _positive(F.log, torch.log, LogFunction, 0.0, 1e-30, 1e30),
    _positive(F.log1p, torch.log1p, Log1pFunction, -1.0, -1e-9, 1e-9, 1e30),
    _positive(F.sqrt, torch.sqrt, SqrtFunction, 0.0, 1e-30, 1e30),
    _positive(F.rsqrt, torch.rsqrt, RsqrtFunction, 0.0, 1e-8, 1e30),
    _anywhere(F.square, torch.square, SquareFunction, -1e10, 1e-30, 1e30),
    _positive(F.reciprocal, torch.reciprocal, ReciprocalFunction, 0.0, 1e-10, -1e30),
    Row(
        F.abs,
        torch.abs,
        AbsFunction,
        samples=(
            sample(away_from(3, 4, kinks=(0,))),
            sample(away_from(kinks=(0,))),
            sample(away_from(2, 0, kinks=(0,))),
        ),
        kinks=(sample(fixed(-0.0, 0.0)),),
        realistic=sample(normal(512, 1024)),
    ),
    _anywhere(F.sin, torch.sin, SinFunction, -1e6, 1e6),
    _anywhere(F.cos, torch.cos, CosFunction, -1e6, 1e6),
    _between(F.tan, torch.tan, TanFunction, -1.2, 1.2, -1e6, 0.0, 1e6),
    _between(F.asin, torch.asin, AsinFunction, -0.9, 0.9, -1.0, 0.0, 1.0, 1 - 1e-7),
    _between(F.acos, torch.acos, AcosFunction, -0.9, 0.9, -1.0, 0.0, 1.0, 1 - 1e-7),
    _anywhere(F.atan, torch.atan, AtanFunction, -1e30, 1e-30, 1e15),
    _anywhere(F.sinh, torch.sinh, SinhFunction, -80.0, 1e-9, 1e3),
    _anywhere(F.cosh, torch.cosh, CoshFunction, -80.0, 1e-9, 1e3),
    _anywhere(F.asinh, torch.asinh, AsinhFunction, -1e15, 1e-30, 1e15),
    _between(F.acosh, torch.acosh, AcoshFunction, 1.2, 4, 1.0, 1e15),
    _between(F.atanh, torch.atanh, AtanhFunction, -0.9, 0.9, -1.0, 1e-9, 1 - 1e-7),
    _anywhere(F.exp2, torch.exp2, Exp2Function, -1e3, 0.0, 100.0),
    _positive(F.log2, torch.log2, Log2Function, 0.0, 1e-30, 1e30),
    _positive(F.log10, torch.log10, Log10Function, 0.0, 1e-30, 1e30),
    _anywhere(F.erf, torch.erf, ErfFunction, -1e30, -5.0, 0.0, 1e30),
    _anywhere(F.erfc, torch.erfc, ErfcFunction, -1e30, 5.0, 0.0, 1e30),
    Row(
        F.nan_to_num,
        torch.nan_to_num,
        NanToNumFunction,
        samples=(sample(normal(3, 4)), sample(normal(3, 4), 2.0, 3.0, neginf=-1.0), sample(normal())),
        kinks=(sample(fixed(math.nan, math.inf, -math.inf, 1.0), 2.0, neginf=-3.0),),
        extremes=(sample(fixed(math.nan, math.inf, -math.inf, 1e30)),),
        realistic=sample(normal(512, 1024)),
    ),
    _staircase(F.floor, torch.floor, FloorFunction),
    _staircase(F.ceil, torch.ceil, CeilFunction),
    _staircase(F.trunc, torch.trunc, TruncFunction),
    _staircase(F.round, torch.round, RoundFunction, decimals=1),
    _staircase(F.sign, torch.sign, SignFunction),
)
