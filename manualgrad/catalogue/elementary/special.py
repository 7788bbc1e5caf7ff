"""Rows of special functions, and of functions of two numbers."""

import torch

from manualgrad import functional as F
from manualgrad.catalogue.row import Row, away_from, fixed, normal, sample, uniform
from manualgrad.formulas.special import (
    ErfinvFunction,
    I0Function,
    LgammaFunction,
    LogitFunction,
    PolygammaFunction,
    SincFunction,
)
from manualgrad.formulas.two_numbers import (
    CopysignFunction,
    FmaxFunction,
    FminFunction,
    HypotFunction,
    Logaddexp2Function,
    XlogyFunction,
)

_POSITIVE = uniform(3, 4, low=0.3, high=3)
_OFF_ZERO = away_from(3, 4, kinks=(0,), gap=0.3)

ROWS: tuple[Row, ...] = (
    Row(
        F.erfinv,
        torch.erfinv,
        ErfinvFunction,
        samples=(sample(uniform(3, 4, low=-0.9, high=0.9)), sample(uniform(low=-0.9, high=0.9)), sample(normal(0, 2))),
        extremes=(sample(fixed(0.999999, -0.999999)),),
        realistic=sample(uniform(512, 1024, low=-0.99, high=0.99)),
    ),
    Row(
        F.lgamma,
        torch.lgamma,
        LgammaFunction,
        samples=(sample(_POSITIVE), sample(fixed(-0.7, -1.3)), sample(uniform(low=1, high=2)), sample(normal(0, 2))),
        extremes=(sample(fixed(1e-10, 1e10)),),
        realistic=sample(uniform(512, 1024, low=0.3, high=3)),
    ),
    Row(
        F.digamma,
        torch.digamma,
        PolygammaFunction,
        samples=(sample(_POSITIVE), sample(uniform(low=1, high=2)), sample(normal(0, 2))),
        realistic=sample(uniform(512, 512, low=0.3, high=3)),
    ),
    Row(
        F.polygamma,
        torch.polygamma,
        PolygammaFunction,
        samples=(sample(1, _POSITIVE), sample(2, _POSITIVE), sample(0, _POSITIVE)),
        realistic=sample(1, uniform(256, 256, low=0.3, high=3)),
    ),
    Row(
        F.i0,
        torch.i0,
        I0Function,
        samples=(sample(normal(3, 4)), sample(normal()), sample(normal(0, 2))),
        realistic=sample(normal(512, 1024)),
    ),
    Row(
        F.sinc,
        torch.sinc,
        SincFunction,
        samples=(sample(_OFF_ZERO), sample(fixed(1.0, 0.5)), sample(uniform(low=1, high=2)), sample(normal(0, 2))),
        kinks=(sample(fixed(0.0)),),
        realistic=sample(normal(512, 1024)),
    ),
    Row(
        F.logit,
        torch.logit,
        LogitFunction,
        samples=(
            sample(uniform(3, 4, low=0.05, high=0.95)),
            sample(uniform(3, 4, low=0.05, high=0.95), 0.2),
            sample(uniform(low=0.1, high=0.9), eps=1e-6),
            sample(normal(0, 2)),
        ),
        kinks=(sample(fixed(0.2, 0.8, 0.0, 1.0, 1.5), 0.2), sample(fixed(1.5, -1.0))),
        extremes=(sample(fixed(1e-10, 0.5)),),
        realistic=sample(uniform(512, 1024, low=0.05, high=0.95)),
    ),
    Row(
        F.logaddexp2,
        torch.logaddexp2,
        Logaddexp2Function,
        samples=(
            sample(normal(3, 4), normal(3, 4)),
            sample(normal(3, 1), normal(2, 1, 4)),
            sample(normal(), normal(2, 0)),
        ),
        extremes=(sample(fixed(-1e4, 1e4, 1e4), fixed(1e4, 1e4, 0.0)),),
        realistic=sample(normal(512, 1024), normal(512, 1024)),
    ),
    Row(
        F.xlogy,
        torch.xlogy,
        XlogyFunction,
        samples=(
            sample(normal(3, 4), _POSITIVE),
            sample(normal(2, 1, 4), uniform(3, 1, low=0.3, high=3)),
            sample(normal(3, 4), 2.5),
            sample(0.7, _POSITIVE),
            sample(normal(2, 0), normal()),
        ),
        kinks=(sample(fixed(0.0, 0.0), fixed(1.0, 2.0)),),
        realistic=sample(normal(512, 1024), uniform(512, 1024, low=0.3, high=3)),
    ),
    Row(
        F.hypot,
        torch.hypot,
        HypotFunction,
        samples=(
            sample(_OFF_ZERO, _OFF_ZERO),
            sample(normal(3, 1), away_from(2, 1, 4, kinks=(0,), gap=0.3)),
            sample(normal(), normal(2, 0)),
        ),
        realistic=sample(normal(512, 1024), normal(512, 1024)),
    ),
    Row(
        F.copysign,
        torch.copysign,
        CopysignFunction,
        samples=(
            sample(_OFF_ZERO, _OFF_ZERO),
            sample(away_from(3, 1, kinks=(0,)), away_from(2, 1, 4, kinks=(0,))),
            sample(_OFF_ZERO, -2.0),
            sample(normal(), normal(2, 0)),
        ),
        kinks=(sample(fixed(0.0, 2.0), fixed(1.0, 0.0)),),
        realistic=sample(normal(512, 1024), normal(512, 1024)),
    ),
    *(
        Row(
            function,
            twin,
            formula,
            samples=(
                sample(normal(3, 4), normal(3, 4)),
                sample(normal(3, 1), normal(2, 1, 4)),
                sample(normal(), normal(2, 0)),
            ),
            kinks=(sample(fixed(1.0, torch.nan, 2.0), fixed(1.0, 2.0, torch.nan)),),
            realistic=sample(normal(512, 1024), normal(512, 1024)),
        )
        for function, twin, formula in ((F.fmax, torch.fmax, FmaxFunction), (F.fmin, torch.fmin, FminFunction))
    ),
)
