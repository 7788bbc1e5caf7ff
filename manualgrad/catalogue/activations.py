"""Rows of the activation functions."""

import math

import torch

from manualgrad import functional as F
from manualgrad import nn
from manualgrad.catalogue.row import Draw, Row, Sample, away_from, drop, fixed, normal, sample
from manualgrad.formulas.log_softmax import LogSoftmaxFunction
from manualgrad.formulas.logsigmoid import LogsigmoidFunction
from manualgrad.formulas.relu import ReluFunction
from manualgrad.formulas.sigmoid import SigmoidFunction
from manualgrad.formulas.softmax import SoftmaxFunction
from manualgrad.formulas.tanh import TanhFunction

_FAR = fixed(-math.inf, -1e4, -90.0, -20.0, 0.0, 20.0, 90.0, 1e4, math.inf, math.nan)


def _elementwise(*kinks: float) -> tuple[Sample, ...]:
    """A matrix, a number, nothing, and three dimensions of larger numbers; all away from the kinks."""

    def draw(*shape: int, scale: float = 1.0) -> Draw:
        return away_from(*shape, kinks=kinks, scale=scale)

    return sample(draw(3, 4)), sample(draw()), sample(draw(2, 0)), sample(draw(2, 3, 2, scale=3))


ROWS = (
    Row(
        F.sigmoid,
        torch.sigmoid,
        SigmoidFunction,
        samples=_elementwise(),
        modules=(drop(nn.Sigmoid, on=(normal(3, 4),)),),
        extremes=(sample(_FAR),),
    ),
    Row(
        F.tanh,
        torch.tanh,
        TanhFunction,
        samples=_elementwise(),
        modules=(drop(nn.Tanh, on=(normal(3, 4),)),),
        extremes=(sample(_FAR),),
    ),
    Row(
        F.relu,
        torch.nn.functional.relu,
        ReluFunction,
        samples=_elementwise(0.0),
        modules=(drop(nn.ReLU, on=(normal(3, 4),)),),
        kinks=(sample(fixed(-1.0, -0.0, 0.0, 1.0, math.nan)),),
        extremes=(sample(_FAR),),
    ),
    Row(
        F.logsigmoid,
        torch.nn.functional.logsigmoid,
        LogsigmoidFunction,
        samples=_elementwise(),
        modules=(drop(nn.LogSigmoid, on=(normal(3, 4),)),),
        extremes=(sample(_FAR),),
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
            ),
            extremes=(
                sample(fixed([1e4, 0.0, -1e4], [-math.inf, 0.0, 1.0], [300.0, 299.0, -300.0]), dim=1),
                sample(fixed([-math.inf, -math.inf], [math.inf, 0.0], [math.nan, 0.0]), dim=1),
            ),
        )
        for function, twin, formula, module in (
            (F.softmax, torch.nn.functional.softmax, SoftmaxFunction, nn.Softmax),
            (F.log_softmax, torch.nn.functional.log_softmax, LogSoftmaxFunction, nn.LogSoftmax),
        )
    ),
)
