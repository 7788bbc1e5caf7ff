"""Rows of + - * / and powers."""

import torch

from manualgrad import functional as F
from manualgrad.catalogue.row import Row, away_from, constant, fixed, normal, sample, uniform
from manualgrad.formulas.arithmetic import AddFunction, DivFunction, MulFunction, NegFunction, SubFunction
from manualgrad.formulas.conj import ConjFunction
from manualgrad.formulas.pow import PowFunction

ROWS: tuple[Row, ...] = (
    Row(
        F.add,
        torch.add,
        AddFunction,
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
        realistic=sample(normal(512, 1024), normal(512, 1024)),
    ),
    Row(
        F.sub,
        torch.sub,
        SubFunction,
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
        realistic=sample(normal(512, 1024), normal(512, 1024)),
    ),
    Row(
        F.mul,
        torch.mul,
        MulFunction,
        samples=(
            sample(normal(3, 4), normal(3, 4)),
            sample(normal(3, 4), normal(4)),
            sample(normal(3, 1), normal(2, 1, 4)),
            sample(normal(), normal(2, 3)),
            sample(normal(2, 0), normal(1)),
            sample(normal(3), 2.5),
            sample(-2, normal(3)),
        ),
        realistic=sample(normal(512, 1024), normal(512, 1024)),
    ),
    Row(
        F.div,
        torch.div,
        DivFunction,
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
        realistic=sample(normal(512, 1024), uniform(512, 1024, low=0.3, high=2)),
    ),
    Row(
        F.neg,
        torch.neg,
        NegFunction,
        samples=(sample(normal(3, 4)), sample(normal()), sample(normal(2, 0))),
        realistic=sample(normal(512, 1024)),
    ),
    Row(
        F.conj,
        torch.conj,
        ConjFunction,
        samples=(sample(normal(3, 4)), sample(normal()), sample(normal(2, 0))),
        realistic=sample(normal(512, 1024)),
    ),
    Row(
        F.pow,
        torch.pow,
        PowFunction,
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
        realistic=sample(uniform(512, 1024, low=0.3, high=2), 3),
    ),
)
