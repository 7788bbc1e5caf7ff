"""Rows of the elementary operations."""

from typing import Any

import torch

from manualgrad import functional as F
from manualgrad.catalogue.row import Row, away_from, constant, fixed, normal, sample, uniform
from manualgrad.formula import Formula
from manualgrad.formulas import arithmetic as a
from manualgrad.formulas import pointwise as p

ARITHMETIC = (
    Row(
        F.add,
        torch.add,
        a.AddFunction,
        samples=(
            sample(normal(3, 4), normal(3, 4)),
            sample(normal(3, 4), normal(4), alpha=0.3),
            sample(normal(3, 1), normal(2, 1, 4)),
            sample(normal(), normal(2, 3), alpha=-2),
            sample(normal(2, 0), normal(1)),
            sample(normal(3), 2.5, alpha=3),
            sample(1, normal(3)),
            sample(normal(3), constant(normal(3))),
        ),
    ),
    Row(
        F.sub,
        torch.sub,
        a.SubFunction,
        samples=(
            sample(normal(3, 4), normal(3, 4)),
            sample(normal(3, 4), normal(4), alpha=0.3),
            sample(normal(3, 1), normal(2, 1, 4)),
            sample(normal(), normal(2, 3), alpha=-2),
            sample(normal(2, 0), normal(1)),
            sample(normal(3), 2.5, alpha=3),
            sample(1, normal(3), alpha=2),
            sample(constant(normal(3)), normal(3)),
        ),
    ),
    Row(
        F.mul,
        torch.mul,
        a.MulFunction,
        samples=(
            sample(normal(3, 4), normal(3, 4)),
            sample(normal(3, 4), normal(4)),
            sample(normal(3, 1), normal(2, 1, 4)),
            sample(normal(), normal(2, 3)),
            sample(normal(2, 0), normal(1)),
            sample(normal(3), 2.5),
            sample(-2, normal(3)),
        ),
    ),
    Row(
        F.div,
        torch.div,
        a.DivFunction,
        samples=(
            sample(normal(3, 4), away_from(3, 4, kinks=(0,), gap=0.3)),
            sample(normal(3, 4), away_from(4, kinks=(0,), gap=0.3)),
            sample(normal(3, 1), uniform(2, 1, 4, low=0.5, high=2)),
            sample(normal(), uniform(2, 3, low=-2, high=-0.5)),
            sample(normal(2, 0), uniform(1, low=1, high=2)),
            sample(normal(3), 2.5),
            sample(-2, uniform(3, low=0.5, high=2)),
            sample(fixed(3.5, -3.5, 0.3), fixed(1.2), rounding_mode="floor"),
            sample(fixed(3.5, -3.5, 0.3), fixed(1.2, 2.2, 0.8), rounding_mode="trunc"),
            sample(fixed(3.5, -3.5, 0.3), 2, rounding_mode="floor"),
        ),
        kinks=(sample(fixed(2.0, -4.0), fixed(1.0, 2.0), rounding_mode="floor"),),
        extremes=(sample(fixed(1e-30, 1e30, 0.0, 1.0), fixed(1e-20, 1e20, 1e-5, -1e-30)),),
    ),
    Row(F.neg, torch.neg, a.NegFunction, samples=(sample(normal(3, 4)), sample(normal()), sample(normal(2, 0)))),
    Row(
        F.pow,
        torch.pow,
        a.PowFunction,
        samples=(
            sample(normal(3, 4), 2),
            sample(uniform(3, 4, low=0.3, high=2), normal(3, 4)),
            sample(uniform(4, low=0.3, high=2), normal(3, 1)),
            sample(2.5, normal(3, 4)),
            sample(away_from(3, kinks=(0,), gap=0.3), -3),
            sample(normal(3), 0),
            sample(normal(3), 1),
            sample(normal(2, 0), 3.0),
            sample(uniform(low=0.3, high=2), uniform(2, low=1, high=2)),
            sample(uniform(3, low=0.3, high=2), 0.5),
            sample(normal(3), constant(fixed(3.0))),
        ),
        kinks=(
            sample(fixed(0.0, -2.0), 0),
            sample(fixed(0.0, -2.0), 2),
            sample(fixed(0.0, 0.0, 0.0), fixed(0.0, 1.0, 2.0)),
            sample(0, fixed(0.0, 1.0, 2.0)),
            sample(0.0, fixed(-1.0, 1.0)),
        ),
        extremes=(
            sample(fixed(1e-10, 1e10, 1.0, 0.0), 3),
            sample(fixed(1e-10, 1e10, 1.0, 2.0), fixed(2.0, -2.0, 99.0, 40.0)),
        ),
    ),
)


def _anywhere(function: Any, twin: Any, formula: type[Formula], *extremes: float) -> Row:
    """A smooth function of any number."""
    samples = sample(normal(3, 4)), sample(normal()), sample(normal(2, 0)), sample(normal(2, 1, 3, scale=2))
    return Row(function, twin, formula, samples, extremes=(sample(fixed(*extremes)),) if extremes else ())


def _positive(function: Any, twin: Any, formula: type[Formula], *extremes: float) -> Row:
    """A smooth function of positive numbers."""
    shapes = (3, 4), (), (2, 0), (2, 1, 3)
    samples = tuple(sample(uniform(*shape, low=0.2, high=3)) for shape in shapes)
    return Row(function, twin, formula, samples, extremes=(sample(fixed(*extremes)),))


def _staircase(function: Any, twin: Any, formula: type[Formula], **keywords: Any) -> Row:
    """A function that is flat but for its steps."""
    steps = [k / 2 for k in range(-8, 9)]
    shapes = (3, 4), (), (2, 0)
    samples = [sample(away_from(*shape, kinks=steps)) for shape in shapes]
    if keywords:
        samples.append(sample(normal(3), **keywords))
    return Row(function, twin, formula, tuple(samples), kinks=(sample(fixed(-1.0, -0.5, 0.0, 0.5, 1.0, 1.5)),))


POINTWISE = (
    _anywhere(F.exp, torch.exp, p.ExpFunction, -1e3, -90.0, 0.0, 80.0, 1e3),
    _anywhere(F.expm1, torch.expm1, p.Expm1Function, -1e3, -1e-9, 0.0, 1e-9, 1e3),
    _positive(F.log, torch.log, p.LogFunction, 0.0, 1e-30, 1e30),
    _positive(F.log1p, torch.log1p, p.Log1pFunction, -1.0, -1e-9, 1e-9, 1e30),
    _positive(F.sqrt, torch.sqrt, p.SqrtFunction, 0.0, 1e-30, 1e30),
    _positive(F.rsqrt, torch.rsqrt, p.RsqrtFunction, 0.0, 1e-8, 1e30),
    _anywhere(F.square, torch.square, p.SquareFunction, -1e10, 1e-30, 1e30),
    _positive(F.reciprocal, torch.reciprocal, p.ReciprocalFunction, 0.0, 1e-10, -1e30),
    Row(
        F.abs,
        torch.abs,
        p.AbsFunction,
        samples=(
            sample(away_from(3, 4, kinks=(0,))),
            sample(away_from(kinks=(0,))),
            sample(away_from(2, 0, kinks=(0,))),
        ),
        kinks=(sample(fixed(-0.0, 0.0)),),
    ),
    _anywhere(F.sin, torch.sin, p.SinFunction, -1e6, 1e6),
    _anywhere(F.cos, torch.cos, p.CosFunction, -1e6, 1e6),
    _staircase(F.floor, torch.floor, p.FloorFunction),
    _staircase(F.ceil, torch.ceil, p.CeilFunction),
    _staircase(F.trunc, torch.trunc, p.TruncFunction),
    _staircase(F.round, torch.round, p.RoundFunction, decimals=1),
    _staircase(F.sign, torch.sign, p.SignFunction),
)

ROWS: tuple[Row, ...] = (*ARITHMETIC, *POINTWISE)
