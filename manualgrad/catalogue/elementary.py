"""Rows of the elementary operations."""

import functools
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from manualgrad import functional as F
from manualgrad.catalogue.row import Draw, Row, away_from, constant, fixed, integers, normal, sample, uniform
from manualgrad.formula import CloneFunction, Formula
from manualgrad.formulas import arithmetic as a
from manualgrad.formulas import choice as c
from manualgrad.formulas import extremes as e
from manualgrad.formulas import indexing as i
from manualgrad.formulas import joining as j
from manualgrad.formulas import matmul as m
from manualgrad.formulas import pointwise as p
from manualgrad.formulas import reductions as r
from manualgrad.formulas import shape as s

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

_MASK = integers([[True, False, True], [False, False, True]])


def _transposed(*shape: int) -> Draw:
    """Standard normal, its dimensions in memory in reverse order."""
    return Draw(
        lambda g, d: torch.randn(shape[::-1], generator=g, dtype=torch.float64).to(d).permute(*range(len(shape))[::-1])
    )


def _set(input: Tensor, index: Any, value: Any) -> Tensor:
    """What `input[index] = value` leaves."""
    y = input.clone()
    y[index] = value
    return y


def _as(function: Callable[..., Any], twin: Callable[..., Any]) -> Callable[..., Any]:
    """`twin` with the signature of `function`, which torch documents as a method only, or with several signatures."""

    @functools.wraps(function)
    def torchs(*args: Any, **keywords: Any) -> Any:
        return twin(*args, **keywords)

    return torchs


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

MATMUL = (
    Row(
        F.matmul,
        torch.matmul,
        m.MatmulFunction,
        samples=(
            sample(normal(3, 4), normal(4, 2)),
            sample(normal(4), normal(4)),
            sample(normal(4), normal(4, 2)),
            sample(normal(3, 4), normal(4)),
            sample(normal(2, 3, 4), normal(4, 2)),
            sample(normal(2, 3, 4), normal(2, 4, 2)),
            sample(normal(5, 1, 3, 4), normal(2, 4, 2)),
            sample(normal(3, 4), normal(2, 4, 2)),
            sample(normal(2, 3, 4), normal(4)),
            sample(normal(4), normal(2, 4, 3)),
            sample(normal(0, 4), normal(4, 2)),
            sample(normal(3, 0), normal(0, 2)),
        ),
    ),
    Row(
        F.mm,
        torch.mm,
        m.MatmulFunction,
        samples=(sample(normal(3, 4), normal(4, 2)), sample(normal(3, 0), normal(0, 2))),
    ),
    Row(
        F.bmm,
        torch.bmm,
        m.MatmulFunction,
        samples=(sample(normal(5, 3, 4), normal(5, 4, 2)), sample(normal(0, 3, 4), normal(0, 4, 2))),
    ),
    Row(F.mv, torch.mv, m.MvFunction, samples=(sample(normal(3, 4), normal(4)), sample(normal(0, 4), normal(4)))),
    Row(F.dot, torch.dot, m.DotFunction, samples=(sample(normal(4), normal(4)), sample(normal(0), normal(0)))),
    Row(
        F.addmm,
        torch.addmm,
        m.AddmmFunction,
        samples=(
            sample(normal(3, 2), normal(3, 4), normal(4, 2)),
            sample(normal(2), normal(3, 4), normal(4, 2), beta=0.3, alpha=-2),
            sample(normal(3, 1), normal(3, 4), normal(4, 2), beta=2),
            sample(normal(), normal(0, 4), normal(4, 2)),
            sample(normal(2), normal(3, 0), normal(0, 2)),
        ),
    ),
    Row(
        F.baddbmm,
        torch.baddbmm,
        m.AddmmFunction,
        samples=(
            sample(normal(5, 3, 2), normal(5, 3, 4), normal(5, 4, 2)),
            sample(normal(3, 1), normal(5, 3, 4), normal(5, 4, 2), beta=0.3, alpha=-2),
        ),
    ),
)

_REDUCED = (
    sample(normal(3, 4)),
    sample(normal(3, 4), 1),
    sample(normal(3, 4, 2), (0, -1)),
    sample(normal(3, 4), 0, keepdim=True),
    sample(normal(3, 4), None, True),
    sample(normal()),
    sample(normal(), 0),
)
_SINGLE = Draw(lambda g, _: torch.randn(3, 4, generator=g))  # float32 always
_TYPED = sample(_SINGLE, 0, dtype=torch.float64)
_EMPTY = sample(normal(0, 3), 1), sample(normal(2, 0), 1)

_SPREAD = (
    sample(normal(3, 4)),
    sample(normal(3, 4), 1, correction=0),
    sample(normal(3, 4, 2), (0, -1), keepdim=True),
    sample(normal(3, 4), correction=2, keepdim=True),
)

REDUCTIONS = (
    Row(F.sum, _as(F.sum, torch.sum), r.SumFunction, samples=(*_REDUCED, _TYPED, *_EMPTY, sample(normal(0)))),
    Row(F.mean, _as(F.mean, torch.mean), r.MeanFunction, samples=(*_REDUCED, _TYPED, *_EMPTY)),
    Row(
        F.var,
        torch.var,
        r.VarFunction,
        samples=_SPREAD,
    ),
    Row(
        F.std,
        torch.std,
        r.StdFunction,
        samples=_SPREAD,
        kinks=(sample(fixed([2.0, 2.0, 2.0])),),
    ),
    Row(
        F.logsumexp,
        torch.logsumexp,
        r.LogsumexpFunction,
        samples=(
            sample(normal(3, 4), 1),
            sample(normal(3, 4, 2), (0, -1)),
            sample(normal(3, 4), 0, keepdim=True),
            sample(normal(), 0),
            sample(normal(0, 3), 1),
        ),
        extremes=(sample(fixed(-1e4, 0.0, 1e4), 0), sample(fixed([-1e9, -1e9 + 1]), 0)),
    ),
    Row(
        F.cumsum,
        torch.cumsum,
        r.CumsumFunction,
        samples=(
            sample(normal(3, 4), 1),
            sample(normal(3, 4, 2), 0),
            sample(normal(), 0),
            sample(normal(0, 3), 0),
            sample(_SINGLE, -1, dtype=torch.float64),
        ),
    ),
)

_TIES = fixed([[1.0, 3.0, 3.0], [2.0, 2.0, 2.0]])
_PAIRS = (
    sample(normal(3, 4), normal(3, 4)),
    sample(normal(3, 4), normal(4)),
    sample(normal(), normal(2, 3)),
    sample(normal(2, 0), normal(1)),
)

EXTREMES = (
    *(
        Row(
            function,
            _as(function, twin),
            formula,
            samples=(
                sample(normal(3, 4), 1),
                sample(normal(3, 4, 2), 0, keepdim=True),
                sample(normal(), 0),
                sample(normal(0, 3), 1),
            ),
            kinks=(sample(_TIES, 1), sample(_TIES, 0)),
        )
        for function, twin, formula in ((F.max, torch.max, e.MaxFunction), (F.min, torch.min, e.MinFunction))
    ),
    *(
        Row(function, twin, formula, samples=(*_REDUCED[:6], _EMPTY[0]), kinks=(sample(_TIES, 1), sample(_TIES)))
        for function, twin, formula in ((F.amax, torch.amax, e.AmaxFunction), (F.amin, torch.amin, e.AminFunction))
    ),
    *(
        Row(function, twin, formula, samples=_PAIRS, kinks=(sample(_TIES, fixed(2.0)),))
        for function, twin, formula in (
            (F.maximum, torch.maximum, e.MaximumFunction),
            (F.minimum, torch.minimum, e.MinimumFunction),
        )
    ),
)

CHOICE = (
    Row(
        F.where,
        torch.where,
        c.WhereFunction,
        samples=(
            sample(_MASK, normal(2, 3), normal(2, 3)),
            sample(_MASK, normal(3), normal(2, 1)),
            sample(_MASK, normal(), normal(4, 1, 1)),
            sample(_MASK, normal(2, 3), 1.5),
            sample(_MASK, 2, normal(3)),
            sample(integers([[True], [False]]), normal(2, 0), normal(1)),
        ),
    ),
    Row(
        F.masked_fill,
        _as(F.masked_fill, torch.masked_fill),
        c.MaskedFillFunction,
        samples=(
            sample(normal(2, 3), _MASK, 1.5),
            sample(normal(2, 3), _MASK, normal()),
            sample(normal(3), _MASK, -1),
            sample(normal(4, 2, 3), _MASK, 0.0),
            sample(normal(2, 0), integers([[True], [False]]), normal()),
        ),
    ),
    Row(
        F.clamp,
        torch.clamp,
        c.ClampFunction,
        samples=(
            sample(away_from(3, 4, kinks=(-0.5, 0.8)), -0.5, 0.8),
            sample(away_from(3, 4, kinks=(0.1,)), min=0.1),
            sample(away_from(3, 4, kinks=(0.1,)), max=0.1),
            sample(normal(3, 4), normal(4), normal(3, 1)),
            sample(normal(3, 4), min=normal()),
            sample(normal(4), max=normal(3, 1)),
            sample(away_from(kinks=(-0.5, 0.8)), -0.5, 0.8),
            sample(normal(2, 0), 0, 1),
        ),
        kinks=(sample(fixed(-1.0, 0.0, 2.0, 3.0), 0.0, 2.0), sample(fixed(1.0, 2.0), fixed(1.0, 2.0), fixed(1.0, 1.0))),
    ),
    *(
        Row(
            function,
            _as(function, twin),
            c.ClampFunction,
            samples=(
                sample(away_from(3, 4, kinks=(0.1,)), 0.1),
                sample(normal(3, 4), normal(4)),
                sample(away_from(2, 0, kinks=(0.1,)), 0.1),
            ),
            kinks=(sample(fixed(-1.0, 0.0), 0.0),),
        )
        for function, twin in ((F.clamp_min, torch.clamp_min), (F.clamp_max, torch.clamp_max))
    ),
)

SHAPE = (
    Row(
        F.reshape,
        torch.reshape,
        s.ReshapeFunction,
        samples=(
            sample(normal(3, 4), (2, -1)),
            sample(normal(3, 4), (3, 4)),
            sample(normal(), (1, 1)),
            sample(normal(1), ()),
            sample(normal(2, 0), (0, 3)),
        ),
    ),
    Row(
        F.view,
        _as(F.view, Tensor.view),
        s.ReshapeFunction,
        samples=(sample(normal(3, 4), (3, 2, -1)), sample(normal(), (1, 1)), sample(normal(2, 0), (0, 3))),
    ),
    Row(
        F.flatten,
        torch.flatten,
        s.ReshapeFunction,
        samples=(sample(normal(3, 4)), sample(normal(2, 3, 4), 1), sample(normal(2, 3, 4), 0, -2), sample(normal())),
    ),
    Row(
        F.unflatten,
        torch.unflatten,
        s.ReshapeFunction,
        samples=(sample(normal(3, 4), 1, (2, 2)), sample(normal(6), 0, (-1, 3)), sample(normal(0, 4), -1, (2, 2))),
    ),
    Row(
        F.squeeze,
        _as(F.squeeze, torch.squeeze),
        s.ReshapeFunction,
        samples=(
            sample(normal(3, 1, 4, 1)),
            sample(normal(3, 1, 4, 1), 1),
            sample(normal(3, 1, 4, 1), (1, -1)),
            sample(normal(3, 4), 0),
            sample(normal()),
            sample(normal(1, 0)),
        ),
    ),
    Row(
        F.unsqueeze,
        torch.unsqueeze,
        s.ReshapeFunction,
        samples=(sample(normal(3, 4), 1), sample(normal(3, 4), -1), sample(normal(), 0), sample(normal(2, 0), 0)),
    ),
    Row(
        F.transpose,
        torch.transpose,
        s.TransposeFunction,
        samples=(
            sample(normal(3, 4), 0, 1),
            sample(normal(2, 3, 4), 0, -1),
            sample(normal(), 0, 0),
            sample(normal(2, 0), 0, 1),
        ),
    ),
    Row(F.t, torch.t, s.TransposeFunction, samples=(sample(normal(3, 4)), sample(normal(2, 0)))),
    Row(
        F.matrix_transpose,
        _as(F.matrix_transpose, torch.adjoint),
        s.TransposeFunction,
        samples=(sample(normal(3, 4)), sample(normal(2, 3, 4))),
    ),
    Row(
        F.permute,
        torch.permute,
        s.PermuteFunction,
        samples=(
            sample(normal(2, 3, 4), (2, 0, 1)),
            sample(normal(3, 4), (-1, 0)),
            sample(normal(), ()),
            sample(normal(2, 0), (1, 0)),
        ),
    ),
    Row(
        F.movedim,
        torch.movedim,
        s.MovedimFunction,
        samples=(sample(normal(2, 3, 4), 0, -1), sample(normal(2, 3, 4), (0, 1), (2, 0)), sample(normal(2, 0), 0, 1)),
    ),
    Row(
        F.expand,
        _as(F.expand, Tensor.expand),
        s.ExpandFunction,
        samples=(
            sample(normal(3, 1), (-1, 4)),
            sample(normal(3, 1), (2, 3, 4)),
            sample(normal(), (2, 3)),
            sample(normal(1), (0,)),
            sample(normal(3), (3,)),
        ),
    ),
    Row(
        F.broadcast_to,
        torch.broadcast_to,
        s.ExpandFunction,
        samples=(sample(normal(3, 1), (2, 3, 4)), sample(normal(), (2, 3))),
    ),
    Row(
        F.broadcast_tensors,
        torch.broadcast_tensors,
        s.ExpandFunction,
        samples=(sample(normal(3, 1), normal(4)), sample(normal(), normal(2, 1), normal(1, 3))),
    ),
    Row(
        F.repeat,
        _as(F.repeat, Tensor.repeat),
        s.RepeatFunction,
        samples=(
            sample(normal(2, 3), (2, 1)),
            sample(normal(3), (2, 4, 1)),
            sample(normal(), (3,)),
            sample(normal(), ()),
            sample(normal(2, 3), (0, 2)),
        ),
    ),
    Row(
        F.flip,
        torch.flip,
        s.FlipFunction,
        samples=(
            sample(normal(3, 4), (0,)),
            sample(normal(2, 3, 4), (0, -1)),
            sample(normal(), ()),
            sample(normal(2, 0), (0,)),
        ),
    ),
    Row(
        F.clone,
        torch.clone,
        CloneFunction,
        samples=(
            sample(normal(3, 4)),
            sample(normal()),
            sample(normal(2, 0)),
            sample(normal(3, 4), memory_format=torch.contiguous_format),
        ),
    ),
    Row(
        F.contiguous,
        _as(F.contiguous, Tensor.contiguous),
        CloneFunction,
        samples=(sample(_transposed(3, 4)), sample(_transposed(2, 3, 4))),
    ),
    Row(
        F.to,
        _as(F.to, Tensor.to),
        s.ToFunction,
        samples=(
            sample(normal(3, 4), copy=True),
            sample(normal(2, 3, 4, 5), memory_format=torch.channels_last),
            sample(normal(), torch.float64, copy=True),
            sample(_SINGLE, torch.float64),
            sample(_SINGLE, torch.zeros((), dtype=torch.float64)),
            sample(_SINGLE, "cpu", torch.float64),
        ),
    ),
)

INDEXING = (
    Row(
        F.getitem,
        _as(F.getitem, Tensor.__getitem__),
        i.GetitemFunction,
        samples=(
            sample(normal(3, 4), (slice(None), 1)),
            sample(normal(3, 4), 0),
            sample(normal(3, 4), (..., None, slice(1, None, 2))),
            sample(normal(3, 4), integers([2, 0, 2])),
            sample(normal(3, 4), (slice(None), [0, 0])),
            sample(normal(3, 4, 2), (integers([0, 2]), slice(None), integers([[1], [0]]))),
            sample(normal(2, 3), _MASK),
            sample(normal(2, 3), (integers([True, False]), None)),
            sample(normal(3), True),
            sample(normal(), ()),
            sample(normal(), None),
            sample(normal(2, 0), 0),
            sample(normal(3, 4), (integers([0, 2]), slice(1, 3))),
        ),
    ),
    Row(
        F.setitem,
        _as(F.setitem, _set),
        i.SetitemFunction,
        samples=(
            sample(normal(3, 4), (slice(None), 1), normal(3)),
            sample(normal(3, 4), 0, 1.5),
            sample(normal(3, 4), (..., slice(1, None, 2)), normal(2)),
            sample(normal(3, 4), integers([2, 0]), normal(2, 4)),
            sample(normal(2, 3), _MASK, normal()),
            sample(normal(3, 4), 0, normal(1, 4)),
            sample(constant(normal(3, 4)), 0, normal(4)),
            sample(normal(), integers(True), normal()),
            sample(normal(2, 0), 0, 1),
        ),
    ),
    Row(
        F.select,
        torch.select,
        i.GetitemFunction,
        samples=(sample(normal(3, 4), 1, 0), sample(normal(2, 3, 4), -2, -1), sample(normal(2, 0), 0, 1)),
    ),
    Row(
        F.narrow,
        torch.narrow,
        i.GetitemFunction,
        samples=(sample(normal(3, 4), 1, 1, 2), sample(normal(3, 4), 0, -2, 2), sample(normal(3), 0, 3, 0)),
    ),
    Row(
        F.index_select,
        torch.index_select,
        i.IndexSelectFunction,
        samples=(
            sample(normal(3, 4), 0, integers([2, 0, 2])),
            sample(normal(3, 4), -1, integers([1])),
            sample(normal(3), 0, integers(1)),
            sample(normal(), 0, integers([0])),
            sample(normal(2, 0), 0, integers([1])),
        ),
    ),
    Row(
        F.gather,
        torch.gather,
        i.GatherFunction,
        samples=(
            sample(normal(3, 4), 1, integers([[1, 1], [0, 3], [2, 0]])),
            sample(normal(3, 4), 0, integers([[1, 1, 2]])),
            sample(normal(), 0, integers(0)),
        ),
    ),
)

JOINING = (
    Row(
        F.cat,
        torch.cat,
        j.CatFunction,
        samples=(
            sample([normal(2, 3), normal(4, 3)]),
            sample([normal(2, 3), normal(2, 1), normal(2, 2)], -1),
            sample((normal(3), constant(normal(2)))),
            sample([normal(2, 3), normal(0)]),
            sample([normal(0, 3), normal(2, 3)]),
            sample([normal(2)]),
        ),
    ),
    Row(
        F.stack,
        torch.stack,
        j.StackFunction,
        samples=(
            sample([normal(2, 3), normal(2, 3)]),
            sample((normal(2, 3), normal(2, 3), constant(normal(2, 3))), -1),
            sample([normal(), normal()]),
            sample([normal(0, 3), normal(0, 3)], 1),
        ),
    ),
    Row(
        F.split,
        torch.split,
        j.SplitFunction,
        samples=(
            sample(normal(5, 2), 2),
            sample(normal(2, 5), (1, 4), 1),
            sample(normal(2, 5), [5], dim=-1),
            sample(normal(0, 5), 2),
        ),
    ),
    Row(
        F.chunk,
        torch.chunk,
        j.SplitFunction,
        samples=(sample(normal(5, 2), 2), sample(normal(2, 5), 3, 1), sample(normal(2), 4)),
    ),
    Row(
        F.unbind,
        torch.unbind,
        j.UnbindFunction,
        samples=(sample(normal(2, 3)), sample(normal(2, 3), 1), sample(normal(2)), sample(normal(2, 0))),
    ),
)

ROWS: tuple[Row, ...] = (
    *ARITHMETIC,
    *POINTWISE,
    *MATMUL,
    *REDUCTIONS,
    *EXTREMES,
    *CHOICE,
    *SHAPE,
    *INDEXING,
    *JOINING,
)
