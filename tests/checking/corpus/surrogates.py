"""Gradients that are not the derivative, on purpose or by accident."""
# mypy: ignore-errors

import math

import torch
from torch.autograd import Function

from tests.checking.corpus import normal, right, wrong


@right(normal(4, 3), surrogate=lambda x: x)
class RoundSTE(Function):
    @staticmethod
    def forward(ctx, x):
        return x.round()

    @staticmethod
    def backward(ctx, dy):
        return dy


@wrong("surrogate", normal(4, 3))
class RoundUndeclared(RoundSTE):
    """The same, without saying so."""


@wrong("scale", normal(4, 3), surrogate=lambda x: x)
class RoundHalf(Function):
    @staticmethod
    def forward(ctx, x):
        return x.round()

    @staticmethod
    def backward(ctx, dy):
        return 0.5 * dy


@right(normal(9, scale=2.0), surrogate=lambda x: x.clamp(-1, 1))
class SignSTE(Function):
    @staticmethod
    def forward(ctx, x):
        ctx.save_for_backward(x)
        return torch.sign(x)

    @staticmethod
    def backward(ctx, dy):
        (x,) = ctx.saved_tensors
        return dy * (x.abs() < 1)


@wrong("partial", normal(9, scale=2.0), surrogate=lambda x: x.clamp(-1, 1))
class SignSTEUnclipped(SignSTE):
    @staticmethod
    def backward(ctx, dy):
        return dy


@wrong("surrogate", normal(9, scale=2.0))
class Heaviside(Function):
    @staticmethod
    def forward(ctx, x):
        ctx.save_for_backward(x)
        return (x > 0).to(x.dtype)

    @staticmethod
    def backward(ctx, dy):
        (x,) = ctx.saved_tensors
        s = torch.sigmoid(4 * x)
        return dy * 4 * s * (1 - s)


@right(normal(9), surrogate=lambda v: torch.atan(math.pi * v) / math.pi + 0.5)
class SpikeArctan(Function):
    """A spiking neuron with the slope of an arctangent."""

    @staticmethod
    def forward(ctx, v):
        ctx.save_for_backward(v)
        return torch.heaviside(v, torch.ones_like(v))

    @staticmethod
    def backward(ctx, dy):
        (v,) = ctx.saved_tensors
        return dy / (1 + (math.pi * v) ** 2)


@wrong("missing-factor", normal(9), surrogate=lambda v: torch.sigmoid(v))
class SpikeSigmoidHalf(SpikeArctan):
    @staticmethod
    def backward(ctx, dy):
        (v,) = ctx.saved_tensors
        return dy * torch.sigmoid(v)


@right(normal(3, 4), 0.3, surrogate=lambda x, lam: -lam * x)
class GradientReversal(Function):
    @staticmethod
    def forward(ctx, x, lam):
        ctx.lam = lam
        return x.clone()

    @staticmethod
    def backward(ctx, dy):
        return -ctx.lam * dy, None


@wrong("sign", normal(3, 4), 0.3, surrogate=lambda x, lam: -lam * x)
class GradientReversalForgotten(GradientReversal):
    @staticmethod
    def backward(ctx, dy):
        return ctx.lam * dy, None


@wrong("sign", normal(3, 4))
class GradientReversalUndeclared(Function):
    @staticmethod
    def forward(ctx, x):
        return x.view_as(x)

    @staticmethod
    def backward(ctx, dy):
        return dy.neg()


@wrong("nonlinear-upstream", normal(5, scale=2.0))
class GradientClipping(Function):
    @staticmethod
    def forward(ctx, x):
        return x.clone()

    @staticmethod
    def backward(ctx, dy):
        return dy.clamp(-0.5, 0.5)


@wrong("nonlinear-upstream", normal(5))
class AddsWeightDecay(Function):
    """A regulariser hidden in backward."""

    @staticmethod
    def forward(ctx, w):
        ctx.save_for_backward(w)
        return w.clone()

    @staticmethod
    def backward(ctx, dy):
        (w,) = ctx.saved_tensors
        return dy + 0.01 * w


@wrong("nonlinear-upstream", normal(6))
class NormalisesUpstream(Function):
    @staticmethod
    def forward(ctx, x):
        return x * 1.0

    @staticmethod
    def backward(ctx, dy):
        return dy / dy.norm()


@right(normal(6, scale=3.0), surrogate=lambda x: x.clamp(-2, 2))
class FakeQuantise(Function):
    @staticmethod
    def forward(x):
        return (x.clamp(-2, 2) * 8).round() / 8

    @staticmethod
    def setup_context(ctx, inputs, output):
        ctx.save_for_backward(*inputs)

    @staticmethod
    def backward(ctx, dy):
        (x,) = ctx.saved_tensors
        return dy * ((x >= -2) & (x <= 2))


@wrong("spurious surrogate", normal(5))
class ArgmaxGradient(Function):
    """A constant output with a gradient."""

    @staticmethod
    def forward(ctx, x):
        return (x == x.max()).to(x.dtype)

    @staticmethod
    def backward(ctx, dy):
        return dy
