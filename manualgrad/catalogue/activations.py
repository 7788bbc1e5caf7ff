"""Rows of the activation functions."""

import math
from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as torch_F

from manualgrad import functional as F
from manualgrad import nn
from manualgrad.catalogue.row import Drop, Row, Sample, away_from, drop, fixed, normal, sample
from manualgrad.formula import Formula
from manualgrad.formulas.celu import CeluFunction
from manualgrad.formulas.elu import EluFunction
from manualgrad.formulas.gelu import GeluFunction
from manualgrad.formulas.glu import GluFunction
from manualgrad.formulas.hardshrink import HardshrinkFunction
from manualgrad.formulas.hardsigmoid import HardsigmoidFunction
from manualgrad.formulas.hardswish import HardswishFunction
from manualgrad.formulas.hardtanh import HardtanhFunction
from manualgrad.formulas.leaky_relu import LeakyReluFunction
from manualgrad.formulas.log_softmax import LogSoftmaxFunction
from manualgrad.formulas.logsigmoid import LogsigmoidFunction
from manualgrad.formulas.mish import MishFunction
from manualgrad.formulas.prelu import PreluFunction
from manualgrad.formulas.relu import ReluFunction
from manualgrad.formulas.relu6 import Relu6Function
from manualgrad.formulas.rrelu import RreluFunction
from manualgrad.formulas.selu import SeluFunction
from manualgrad.formulas.sigmoid import SigmoidFunction
from manualgrad.formulas.silu import SiluFunction
from manualgrad.formulas.softmax import SoftmaxFunction
from manualgrad.formulas.softmin import SoftminFunction
from manualgrad.formulas.softplus import SoftplusFunction
from manualgrad.formulas.softshrink import SoftshrinkFunction
from manualgrad.formulas.softsign import SoftsignFunction
from manualgrad.formulas.tanh import TanhFunction
from manualgrad.formulas.tanhshrink import TanhshrinkFunction
from manualgrad.formulas.threshold import ThresholdFunction


def _rrelu(
    input: Tensor, lower: float = 1.0 / 8, upper: float = 1.0 / 3, training: bool = False, inplace: bool = False
) -> Tensor:
    """torch's kernel cannot be batched; out of training it is a leaky ReLU."""
    if training:
        return torch_F.rrelu(input, lower, upper, training, inplace)
    return torch_F.leaky_relu(input, (lower + upper) / 2, inplace)


def _celu(input: Tensor, alpha: float = 1.0, inplace: bool = False) -> Tensor:
    """torch rounds 1 / alpha to float32 in its derivative."""
    return torch.relu(input) + alpha * torch.expm1(input.clamp(max=0) / alpha)


def _hardsigmoid(input: Tensor, inplace: bool = False) -> Tensor:
    """torch rounds 1 / 6 to float32 in its derivative, and has no second one."""
    return torch_F.hardtanh(input, -3, 3) / 6 + 0.5


def _hardswish(input: Tensor, inplace: bool = False) -> Tensor:
    """torch rounds 1 / 3 to float32 in its second derivative."""
    return input * _hardsigmoid(input)


_FAR = sample(fixed(-math.inf, -1e4, -90.0, -20.0, 0.0, 20.0, 90.0, 1e4, math.inf))
_IMAGES = normal(32, 64, 28, 28)


def _pointwise(
    function: Callable[..., Any],
    twin: Callable[..., Any],
    formula: type[Formula],
    *modules: Drop,
    kinks: Sequence[float] = (),
    others: Sequence[Sample] = (),
    at_kinks: Sequence[Sample] = (),
    reference: Callable[..., Any] | None = None,
) -> Row:
    """A row of a function of one number whose derivative does not exist at `kinks`.

    Tried on a matrix, a number, nothing, and three dimensions of larger numbers, then on `others` with arguments of
    their own.
    """
    shapes = ((3, 4), (), (2, 0))
    return Row(
        function,
        twin,
        formula,
        samples=(
            *(sample(away_from(*shape, kinks=kinks)) for shape in shapes),
            sample(away_from(2, 3, 2, kinks=kinks, scale=3)),
            *others,
        ),
        modules=modules,
        kinks=(*((sample(fixed(*kinks, -0.0)),) if kinks else ()), *at_kinks),
        extremes=(_FAR,),
        realistic=sample(_IMAGES),
        reference=reference,
    )


_X = (normal(3, 4),)

ROWS = (
    _pointwise(F.sigmoid, torch.sigmoid, SigmoidFunction, drop(nn.Sigmoid, on=_X)),
    _pointwise(F.tanh, torch.tanh, TanhFunction, drop(nn.Tanh, on=_X)),
    _pointwise(F.relu, torch_F.relu, ReluFunction, drop(nn.ReLU, on=_X), kinks=(0.0,)),
    _pointwise(F.relu6, torch_F.relu6, Relu6Function, drop(nn.ReLU6, on=_X), kinks=(0.0, 6.0)),
    _pointwise(
        F.leaky_relu,
        torch_F.leaky_relu,
        LeakyReluFunction,
        drop(nn.LeakyReLU, on=_X),
        drop(nn.LeakyReLU, -0.3, on=_X),
        kinks=(0.0,),
        others=(
            sample(away_from(3, 4, kinks=(0.0,)), 0.2),
            sample(away_from(3, 4, kinks=(0.0,)), negative_slope=-0.3),
            sample(away_from(3, 4, kinks=(0.0,)), 1.5),
        ),
        at_kinks=(sample(fixed(0.0, -0.0), -0.3), sample(fixed(0.0, -0.0), 1.5)),
    ),
    Row(
        F.prelu,
        torch_F.prelu,
        PreluFunction,
        samples=(
            sample(away_from(4, 3, kinks=(0.0,)), normal(3)),
            sample(away_from(4, 3, kinks=(0.0,)), normal(1)),
            sample(away_from(2, 3, 2, 4, kinks=(0.0,)), normal(3)),
            sample(away_from(5, kinks=(0.0,)), normal(1)),
            sample(away_from(5, kinks=(0.0,)), normal()),
            sample(away_from(kinks=(0.0,)), normal(1)),
            sample(away_from(kinks=(0.0,)), normal()),
            sample(normal(0, 3), normal(3)),
            sample(normal(2, 3, 0), normal(1)),
        ),
        modules=(drop(nn.PReLU, on=_X), drop(nn.PReLU, num_parameters=4, init=0.1, on=_X)),
        kinks=(sample(fixed(0.0, -0.0, 1.0), fixed([0.5])),),
        extremes=(sample(fixed(-1e4, -90.0, 0.0, 90.0, 1e4), fixed([0.5])),),
        realistic=sample(_IMAGES, normal(64)),
    ),
    _pointwise(
        F.rrelu,
        torch_F.rrelu,
        RreluFunction,
        drop(nn.RReLU, on=_X),
        drop(nn.RReLU, 0.1, upper=0.7, on=_X),
        kinks=(0.0,),
        others=(
            sample(away_from(3, 4, kinks=(0.0,)), 0.1, upper=0.5),
            sample(away_from(3, 4, kinks=(0.0,)), 0.1, 0.5, training=True),
            sample(away_from(2, 3, 4, kinks=(0.0,)), -0.1, 1.5, True),
        ),
        reference=_rrelu,
    ),
    _pointwise(
        F.elu,
        torch_F.elu,
        EluFunction,
        drop(nn.ELU, on=_X),
        drop(nn.ELU, alpha=2.0, on=_X),
        kinks=(0.0,),
        others=(sample(away_from(3, 4, kinks=(0.0,)), 0.7), sample(away_from(3, 4, kinks=(0.0,)), alpha=-2.0)),
        at_kinks=(sample(fixed(0.0, -0.0), 0.3),),
    ),
    _pointwise(F.selu, torch_F.selu, SeluFunction, drop(nn.SELU, on=_X), kinks=(0.0,)),
    _pointwise(
        F.celu,
        torch_F.celu,
        CeluFunction,
        drop(nn.CELU, on=_X),
        drop(nn.CELU, alpha=2.0, on=_X),
        kinks=(0.0,),
        reference=_celu,
        others=(sample(away_from(3, 4, kinks=(0.0,)), 0.7), sample(away_from(3, 4, kinks=(0.0,)), alpha=-2.0)),
    ),
    _pointwise(
        F.gelu,
        torch_F.gelu,
        GeluFunction,
        drop(nn.GELU, on=_X),
        drop(nn.GELU, approximate="tanh", on=_X),
        others=(sample(normal(3, 4), approximate="tanh"), sample(normal(2, 3, 2, scale=3), approximate="tanh")),
    ),
    _pointwise(F.logsigmoid, torch_F.logsigmoid, LogsigmoidFunction, drop(nn.LogSigmoid, on=_X)),
    _pointwise(F.silu, torch_F.silu, SiluFunction, drop(nn.SiLU, on=_X)),
    _pointwise(F.mish, torch_F.mish, MishFunction, drop(nn.Mish, on=_X)),
    _pointwise(
        F.hardsigmoid,
        torch_F.hardsigmoid,
        HardsigmoidFunction,
        drop(nn.Hardsigmoid, on=_X),
        kinks=(-3.0, 3.0),
        reference=_hardsigmoid,
    ),
    _pointwise(
        F.hardswish,
        torch_F.hardswish,
        HardswishFunction,
        drop(nn.Hardswish, on=_X),
        kinks=(-3.0, 3.0),
        reference=_hardswish,
    ),
    _pointwise(
        F.hardtanh,
        torch_F.hardtanh,
        HardtanhFunction,
        drop(nn.Hardtanh, on=_X),
        drop(nn.Hardtanh, -0.5, max_val=2.0, on=_X),
        kinks=(-1.0, 1.0),
        others=(
            sample(away_from(3, 4, kinks=(-0.5, 2.0)), -0.5, 2.0),
            sample(away_from(3, 4, kinks=(0.2, 0.8)), min_val=0.2, max_val=0.8),
        ),
        at_kinks=(sample(fixed(0.2, 0.5, 0.8), 0.2, 0.8), sample(fixed(0.2, 0.5, 0.8), 0.5, 0.5)),
    ),
    _pointwise(
        F.softplus,
        torch_F.softplus,
        SoftplusFunction,
        drop(nn.Softplus, on=_X),
        drop(nn.Softplus, beta=2.0, threshold=1.0, on=_X),
        others=(
            sample(normal(3, 4), 2.0),
            sample(away_from(3, 4, kinks=(0.5,)), beta=2.0, threshold=1.0),
            sample(away_from(3, 4, kinks=(1.0,)), -0.5, -0.5),
        ),
        at_kinks=(sample(fixed(0.5, 20.0)), sample(fixed(0.5, 0.25), 2.0, 1.0)),
    ),
    _pointwise(F.softsign, torch_F.softsign, SoftsignFunction, drop(nn.Softsign, on=_X), kinks=(0.0,)),
    _pointwise(F.tanhshrink, torch_F.tanhshrink, TanhshrinkFunction, drop(nn.Tanhshrink, on=_X)),
    _pointwise(
        F.hardshrink,
        torch_F.hardshrink,
        HardshrinkFunction,
        drop(nn.Hardshrink, on=_X),
        drop(nn.Hardshrink, lambd=0.2, on=_X),
        kinks=(-0.5, 0.5),
        others=(
            sample(away_from(3, 4, kinks=(-0.2, 0.2)), 0.2),
            sample(normal(3, 4), lambd=0.0),
            sample(normal(3, 4), lambd=-1.0),
        ),
        at_kinks=(sample(fixed(0.0, -0.0), 0.0), sample(fixed(0.0, 1.0), -1.0)),
    ),
    _pointwise(
        F.softshrink,
        torch_F.softshrink,
        SoftshrinkFunction,
        drop(nn.Softshrink, on=_X),
        drop(nn.Softshrink, lambd=0.2, on=_X),
        kinks=(-0.5, 0.5),
        others=(sample(away_from(3, 4, kinks=(-0.2, 0.2)), 0.2), sample(normal(3, 4), lambd=0.0)),
        at_kinks=(sample(fixed(0.0, -0.0), 0.0),),
    ),
    Row(
        F.threshold,
        torch_F.threshold,
        ThresholdFunction,
        samples=(
            sample(away_from(3, 4, kinks=(0.1,)), 0.1, 20.0),
            sample(away_from(kinks=(-0.5,)), threshold=-0.5, value=0.0),
            sample(normal(2, 0), 0.1, 20.0),
            sample(away_from(2, 3, 2, kinks=(0.5,), scale=3), 0.5, -1.0),
        ),
        modules=(drop(nn.Threshold, 0.1, 20.0, on=_X), drop(nn.Threshold, threshold=-0.5, value=0.0, on=_X)),
        kinks=(sample(fixed(0.0, 0.1, 0.2), 0.1, 20.0),),
        extremes=(Sample(_FAR.inputs, {"threshold": 0.1, "value": 20.0}),),
        realistic=sample(_IMAGES, 0.1, 20.0),
    ),
    Row(
        F.glu,
        torch_F.glu,
        GluFunction,
        samples=(
            sample(normal(3, 4)),
            sample(normal(4, 3), 0),
            sample(normal(2, 6, 3, scale=3), dim=-2),
            sample(normal(2)),
            sample(normal(0, 4)),
            sample(normal(3, 0)),
        ),
        modules=(drop(nn.GLU, on=_X), drop(nn.GLU, dim=0, on=(normal(4, 3),))),
        extremes=(sample(fixed(1e4, -1e4, 30.0, -30.0, 90.0, -90.0, 90.0, -90.0)),),
        realistic=sample(normal(512, 2048)),
    ),
    *(
        Row(
            function,
            twin,
            formula,
            samples=(
                sample(normal(3, 4), dim=1),
                sample(normal(2, 5, 3, scale=3), -2),
                sample(normal(3), 0),
                sample(normal(), dim=0),
                sample(normal(2, 0), dim=1),
                sample(normal(0, 3), dim=1),
                sample(normal(3, 4)),
                sample(normal(2, 4, 3)),
                sample(normal(3, 4), dim=1, dtype=torch.float64),
            ),
            modules=(
                drop(module, 1, on=(normal(3, 4),)),
                drop(module, dim=-1, on=(normal(2, 4, 3),)),
                drop(module, on=(normal(3, 4),)),
                *more,
            ),
            extremes=(
                sample(fixed([1e4, 0.0, -1e4], [-math.inf, 0.0, 1.0], [300.0, 299.0, -300.0]), dim=1),
                sample(fixed([-math.inf, -math.inf], [math.inf, 0.0], [math.nan, 0.0]), dim=1),
            ),
            realistic=sample(normal(1024, 1000), dim=1),
        )
        for function, twin, formula, module, more in (
            (
                F.softmax,
                torch_F.softmax,
                SoftmaxFunction,
                nn.Softmax,
                (drop(nn.Softmax2d, on=(normal(2, 3, 4, 5),)), drop(nn.Softmax2d, on=(normal(3, 4, 5),))),
            ),
            (F.softmin, torch_F.softmin, SoftminFunction, nn.Softmin, ()),
            (F.log_softmax, torch_F.log_softmax, LogSoftmaxFunction, nn.LogSoftmax, ()),
        )
    ),
)
