r"""Connectionist temporal classification: minus the log-probability of a sequence of labels, over all its alignments.

    forward    y        = -log sum over alignments of prod_t p_t(symbol at time t),  x = log p
    backward   dx_t(k)  = -dy . P(symbol k at time t | labels)
    tangent    y'       = -sum_t sum_k P(symbol k at time t | labels) x_t'(k)

An alignment walks through the labels with a blank before, between and after them, from one of the first two to one of
the last two places; it stays, moves on by one, or by two from a label to a different one. With a_t(s) the
log-probability of all walks that are at place s at time t, what is emitted then included,

    a_t(s) = x_t(symbol of s) + log (e^a_(t-1)(s) + e^a_(t-1)(s-1) + e^a_(t-1)(s-2) where that is allowed)

and b_t(s) the same from the end, P(place s at time t | labels) = e^(a_t(s) + b_t(s) - x_t(symbol of s) + y). Places of
one symbol add up. This is the derivative by x as it stands. torch's has p_t(k) added, which is right only where x is
the log_softmax of logits, whose backward pass takes it off again; with respect to the logits both are the same.

Reduction 'mean' divides each y by the number of labels, at least 1, and takes the mean of the batch. Where no alignment
is short enough, y is inf and dx NaN; with `zero_infinity` both are 0.

Shapes: x (T, N, C) or (T, C); labels (N, S); y () or, with 'none', (N). Saves x and the labels: a and b are computed
again, both in the same T steps, which costs less than keeping them.
Source: Graves, Fernandez, Gomez & Schmidhuber (2006), Connectionist temporal classification, section 4.1.
"""

from typing import Any

import torch
from torch import Tensor

from manualgrad.formula import HALF, Formula, gated, reduce, save
from manualgrad.parts.alignments import minus_log_likelihood, posterior


class CTCLossFunction(Formula):
    autocast = "float32"

    @staticmethod
    def forward(
        x: Tensor,
        labels: Tensor,
        times: tuple[int, ...],
        lengths: tuple[int, ...],
        blank: int,
        reduction: str,
        zero_infinity: bool,
    ) -> Tensor:
        batch = _batched(x.float() if x.dtype in HALF else x)
        losses = minus_log_likelihood(batch, labels, times, lengths, blank, zero_infinity)
        if reduction == "mean":
            losses = losses / torch.tensor(lengths, device=x.device).clamp(min=1)
        losses = losses.squeeze(0) if x.dim() == 2 else losses
        return reduce(losses, reduction).to(x.dtype)

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Any, ...], output: Tensor) -> None:
        x, labels, times, ctx.lengths, blank, ctx.reduction, zero_infinity = inputs
        ctx.settings = times, ctx.lengths, blank, zero_infinity
        save(ctx, x, labels)

    @staticmethod
    def backward(ctx: Any, dy: Tensor) -> tuple[Tensor | None, ...]:
        x, labels = ctx.saved_tensors
        p = posterior(_batched(x), labels, *ctx.settings)
        dl = dy.reshape(-1, 1) if ctx.reduction == "none" else dy * _shares(ctx, x)
        dx = -p * gated(dl, p)
        return dx.reshape(x.shape), None, None, None, None, None, None

    @staticmethod
    def jvp(ctx: Any, x_t: Tensor, *_: None) -> Tensor:
        x, labels = ctx.saved_tensors
        losses_t = -(posterior(_batched(x), labels, *ctx.settings) * _batched(x_t)).sum((0, 2))
        if ctx.reduction != "none":
            return (losses_t * _shares(ctx, x_t).squeeze(1)).sum()
        return losses_t.squeeze(0) if x_t.dim() == 2 else losses_t


def _batched(x: Tensor) -> Tensor:
    return x.unsqueeze(1) if x.dim() == 2 else x


def _shares(ctx: Any, x: Tensor) -> Tensor:
    """What each sample counts in the 'sum' or the 'mean': (N, 1)."""
    if ctx.reduction == "sum":
        return x.new_ones(len(ctx.lengths), 1)
    return 1 / (torch.tensor(ctx.lengths, dtype=x.dtype, device=x.device).clamp(min=1) * len(ctx.lengths)).unsqueeze(1)
