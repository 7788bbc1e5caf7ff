"""Rows of the surrogates: their twins are torch expressions to which autograd gives the gradient that is declared."""

import math

import torch
from torch import Tensor
from torch.nn import functional as torch_F

from manualgrad import functional as F
from manualgrad.catalogue.row import Row, Sample, away_from, fixed, normal, sample
from manualgrad.formulas import categorical
from manualgrad.formulas import surrogates as s


def straight_through_round(input: Tensor) -> Tensor:
    return input + (torch.round(input) - input).detach()


def straight_through_sign(input: Tensor, limit: float = 1.0) -> Tensor:
    passing = torch.where(input.abs() <= limit, input, input.detach())
    return passing + (torch.where(input >= 0, 1.0, -1.0) - input).detach()


def straight_through_one_hot(input: Tensor, dim: int = -1) -> Tensor:
    largest = input.argmax(dim, keepdim=True)
    return input + (torch.zeros_like(input).scatter(dim, largest, 1.0) - input).detach()


def reverse_gradient(input: Tensor, scale: float = 1.0) -> Tensor:
    return -scale * input + ((1 + scale) * input).detach()


def scale_gradient(input: Tensor, scale: float) -> Tensor:
    return scale * input + ((1 - scale) * input).detach()


def clip_gradient(input: Tensor, limit: float) -> Tensor:
    class Clip(torch.autograd.Function):
        """No expression has a gradient that is not linear in the upstream one."""

        generate_vmap_rule = True

        @staticmethod
        def forward(input: Tensor) -> Tensor:
            return input.clone()

        @staticmethod
        def setup_context(ctx: object, inputs: tuple[Tensor], output: Tensor) -> None:
            pass

        @staticmethod
        def backward(ctx: object, grad: Tensor) -> Tensor:
            return torch.maximum(torch.minimum(grad, torch.full_like(grad, limit)), torch.full_like(grad, -limit))

        @staticmethod
        def jvp(ctx: object, tangent: Tensor) -> Tensor:
            return tangent.clone()

    return Clip.apply(input)


def _with(*arguments: float) -> tuple[Sample, ...]:
    return tuple(sample(normal(*shape), *arguments) for shape in ((3, 4), (), (2, 0), (2, 3, 2)))


_LARGE = normal(256, 1024)

ROWS = (
    Row(
        F.straight_through_round,
        straight_through_round,
        s.StraightThroughRoundFunction,
        samples=_with(),
        kinks=(sample(fixed(0.5, 1.5, -0.5, 0.0)),),
        surrogate=True,
        realistic=sample(_LARGE),
    ),
    Row(
        F.straight_through_sign,
        straight_through_sign,
        s.StraightThroughSignFunction,
        samples=(
            *(sample(away_from(*shape, kinks=(-1.0, 1.0))) for shape in ((3, 4), (), (2, 0))),
            sample(away_from(2, 3, 2, kinks=(-0.5, 0.5)), 0.5),
            sample(away_from(3, 4, kinks=(0.0,)), limit=math.inf),
            sample(normal(3, 4), limit=0.0),
        ),
        kinks=(sample(fixed(-1.0, -0.0, 0.0, 1.0)), sample(fixed(-0.5, 0.5), 0.5), sample(fixed(0.0, 1.0), 0.0)),
        surrogate=True,
        realistic=sample(_LARGE),
    ),
    Row(
        F.straight_through_one_hot,
        straight_through_one_hot,
        categorical.StraightThroughOneHotFunction,
        samples=(
            sample(normal(3, 4)),
            sample(normal(3, 4), 0),
            sample(normal(2, 4, 3), dim=-2),
            sample(normal(5)),
            sample(normal()),
            sample(normal(0, 3)),
        ),
        kinks=(sample(fixed([1.0, 1.0, 0.0], [0.0, 2.0, 2.0])),),
        surrogate=True,
        realistic=sample(_LARGE),
    ),
    Row(
        F.reverse_gradient,
        reverse_gradient,
        s.ReverseGradientFunction,
        samples=(*_with(), sample(normal(3, 4), 0.3), sample(normal(3, 4), scale=-2.0)),
        surrogate=True,
        realistic=sample(_LARGE),
    ),
    Row(
        F.scale_gradient,
        scale_gradient,
        s.ScaleGradientFunction,
        samples=(*_with(0.3), sample(normal(3, 4), scale=0.0), sample(normal(3, 4), scale=-2.0)),
        surrogate=True,
        realistic=sample(_LARGE, 0.1),
    ),
    Row(
        F.clip_gradient,
        clip_gradient,
        s.ClipGradientFunction,
        samples=(*_with(0.3), sample(normal(3, 4), limit=0.0), sample(normal(3, 4), limit=math.inf)),
        surrogate=True,
        realistic=sample(_LARGE, 0.1),
    ),
    Row(
        F.gumbel_softmax,
        torch_F.gumbel_softmax,
        categorical.GumbelSoftmaxFunction,
        samples=(
            sample(normal(3, 4)),
            sample(normal(4, 3), tau=0.5, dim=0),
            sample(normal(2, 4, 3), 2.0, False, 1e-10, -2),
            sample(normal(5)),
            sample(normal(), dim=0),
            sample(normal(0, 3)),
            sample(normal(3, 4), hard=True),
            sample(normal(4, 3), 0.3, True, dim=0),
        ),
        extremes=(sample(fixed([1e4, 0.0, -1e4], [300.0, 299.0, -300.0])),),
        realistic=sample(normal(1024, 1000)),
    ),
)
