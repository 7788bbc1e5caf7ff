r"""Smooth L1 loss: the absolute error, rounded off near 0.

    forward    y  = mean s(x - t),  s(e) = e^2 / (2 b)     if |e| < b
                                           |e| - b / 2     otherwise
    backward   dx = dy . s'(x - t) / n,  s'(e) = e / b clipped to [-1, 1]
               dt = -dx
    tangent    y' = mean s'(x - t) (x' - t')

Reduction 'sum' leaves out 1/n, and 'none' the sum as well. b = 0 is the absolute error itself, of slope 0 at 0. It is
Huber's loss divided by b.

Shapes: x, t (*) any that broadcast together; y () or, with 'none', the broadcast shape. Saves x and t; for
b = 0 the signs, in one byte each: being piecewise constant, they lose nothing when they are differentiated again.
Source: Girshick (2015), Fast R-CNN, eq. 3.
"""

from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import _reduction
from torch.nn import functional as F

from manualgrad.formula import Formula, call, moving, reduce, save, spread, unbroadcast
from manualgrad.parts.differences import difference


class SmoothL1LossFunction(Formula):
    autocast = "float32"
    complex = "refused"

    @staticmethod
    def forward(x: Tensor, t: Tensor, reduction: str, beta: float) -> Tensor:
        return F.smooth_l1_loss(x, t, reduction=reduction, beta=beta)

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Tensor, Tensor, str, float], output: Tensor) -> None:
        x, t, ctx.reduction, ctx.beta = inputs
        ctx.shapes = x.shape, t.shape
        if ctx.beta:
            save(ctx, x, t)
        else:
            save(ctx, difference(x, t).sign().to(torch.int8))

    @staticmethod
    def backward(ctx: Any, dy: Tensor) -> tuple[Tensor | None, Tensor | None, None, None]:
        needs_x, needs_t, _, _ = ctx.needs_input_grad
        x_shape, t_shape = ctx.shapes
        clipped = _clipped(ctx)
        de = clipped * spread(dy / (ctx.beta or 1), clipped.shape, ctx.reduction)
        dx = unbroadcast(de, x_shape) if needs_x else None
        return dx, -unbroadcast(de, t_shape) if needs_t else None, None, None

    @staticmethod
    def jvp(ctx: Any, x_t: Tensor | None, t_t: Tensor | None, _: None, __: None) -> Tensor:
        x_t, t_t = moving(x_t, t_t)
        return reduce(_clipped(ctx) * (x_t - t_t), ctx.reduction) / (ctx.beta or 1)

    @staticmethod
    def check(x: Tensor, t: Tensor, reduction: str, beta: float) -> None:
        if beta < 0:
            raise RuntimeError(f"beta must not be negative, got {beta}")


def _clipped(ctx: Any) -> Tensor:
    """b s'(e), or s'(e) itself if b = 0."""
    if not ctx.beta:
        (sign,) = ctx.saved_tensors
        return sign
    x, t = ctx.saved_tensors
    return difference(x, t).clamp(-ctx.beta, ctx.beta)


def smooth_l1_loss(
    input: Tensor,
    target: Tensor,
    size_average: bool | None = None,
    reduce: bool | None = None,
    reduction: str = "mean",
    beta: float = 1.0,
) -> Tensor:
    """Absolute error, squared below `beta`. Same values and gradients as `torch.nn.functional.smooth_l1_loss`.

    input and target of one shape, or broadcast together with a warning; gradients flow to both. Raises RuntimeError
    for a negative beta or shapes that do not broadcast, ValueError for an unknown reduction.

    >>> import torch
    >>> x = torch.tensor([0.5, -4.0], requires_grad=True)
    >>> loss = smooth_l1_loss(x, torch.zeros(2), reduction="sum", beta=2.0)
    >>> loss.backward()
    >>> loss.item(), x.grad
    (3.0625, tensor([ 0.2500, -1.0000]))
    """
    if size_average is not None or reduce is not None:
        reduction = _reduction.legacy_get_string(size_average, reduce)
    return call(SmoothL1LossFunction, input, target, reduction, beta)


class SmoothL1Loss(nn.SmoothL1Loss):
    """Drop-in `torch.nn.SmoothL1Loss` computed by `manualgrad.functional.smooth_l1_loss`."""

    def forward(self, input: Tensor, target: Tensor) -> Tensor:
        return smooth_l1_loss(input, target, reduction=self.reduction, beta=self.beta)
