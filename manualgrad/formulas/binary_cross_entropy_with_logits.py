r"""Binary cross-entropy of logits: sigmoid and cross-entropy in one, whose slope is prediction minus target.

    forward    y  = mean w (-t log s(z) - (1 - t) log s(-z)),  s(z) = 1 / (1 + e^-z)
    backward   dz = dy . w (s(z) - t) / n
               dt = dy . w (-z) / n
               dw = dy . (-t log s(z) - (1 - t) log s(-z)) / n
    tangent    y' = mean of w ((s(z) - t) z' - z t') + w' (...)

Reduction 'sum' leaves out 1/n, and 'none' the sum as well. A weight q of the positive class (pos_weight) multiplies
t log s(z). Then dz = dy . w (a s(z) - q t) / n with a = q t + 1 - t, dt = dy . w (log s(-z) - q log s(z)) / n, and
dq = dy . w t (-log s(z)) / n.

Shapes: z, t (*) of one shape, w and q broadcast to it; y () or, with 'none', (*). Saves z, t, w and q: s(z) is computed
again, which costs less than keeping it.
Source: Bishop (2006), Pattern Recognition and Machine Learning, eq. 4.91.
"""

from typing import Any

from torch import Tensor, nn
from torch.nn import _reduction
from torch.nn import functional as F

from manualgrad.formula import Formula, call, moving, reduce, save, spread, unbroadcast


class BinaryCrossEntropyWithLogitsFunction(Formula):
    autocast = "float32"

    @staticmethod
    def forward(z: Tensor, t: Tensor, weight: Tensor | None, pos_weight: Tensor | None, reduction: str) -> Tensor:
        if t.is_complex():
            raise RuntimeError(f"target must hold real numbers, got {t.dtype}")
        return F.binary_cross_entropy_with_logits(z, t, weight, pos_weight=pos_weight, reduction=reduction)

    @staticmethod
    def setup_context(
        ctx: Any, inputs: tuple[Tensor, Tensor, Tensor | None, Tensor | None, str], output: Tensor
    ) -> None:
        z, t, weight, pos_weight, ctx.reduction = inputs
        save(ctx, z, t, weight, pos_weight)

    @staticmethod
    def backward(ctx: Any, dy: Tensor) -> tuple[Tensor | None, Tensor | None, Tensor | None, Tensor | None, None]:
        z, t, w, q = ctx.saved_tensors
        needs_z, needs_t, needs_w, needs_q, _ = ctx.needs_input_grad
        dl = spread(dy, z.shape, ctx.reduction)
        dz = dt = dw = dq = None
        if needs_w:
            dw = unbroadcast(dl * _loss(z, t, q), w.shape)
        if w is not None:
            dl = dl * w
        if needs_z:
            dz = dl * _slope(z, t, q)
        if needs_t:
            dt = dl * _slope_of_target(z, q)
        if needs_q:
            dq = unbroadcast(-dl * t * F.logsigmoid(z), q.shape)
        return dz, dt, dw, dq, None

    @staticmethod
    def jvp(
        ctx: Any, z_t: Tensor | None, t_t: Tensor | None, w_t: Tensor | None, q_t: Tensor | None, _: None
    ) -> Tensor:
        z, t, w, q = ctx.saved_tensors
        z_t, t_t, w_t, q_t = moving(z_t, t_t, w_t, q_t)
        l_t = _slope(z, t, q) * z_t + _slope_of_target(z, q) * t_t - t * F.logsigmoid(z) * q_t
        return reduce(l_t if w is None else w * l_t + w_t * _loss(z, t, q), ctx.reduction)

    @staticmethod
    def check(z: Tensor, t: Tensor, weight: Tensor | None, pos_weight: Tensor | None, reduction: str) -> None:
        if z.shape != t.shape:
            raise ValueError(f"target must have the shape of input, {tuple(z.shape)}, got {tuple(t.shape)}")


def _loss(z: Tensor, t: Tensor, q: Tensor | None) -> Tensor:
    positive = t * F.logsigmoid(z)
    return (t - 1) * F.logsigmoid(-z) - (positive if q is None else q * positive)


def _slope(z: Tensor, t: Tensor, q: Tensor | None) -> Tensor:
    return z.sigmoid() - t if q is None else (q * t + 1 - t) * z.sigmoid() - q * t


def _slope_of_target(z: Tensor, q: Tensor | None) -> Tensor:
    return -z if q is None else F.logsigmoid(-z) - q * F.logsigmoid(z)


def binary_cross_entropy_with_logits(
    input: Tensor,
    target: Tensor,
    weight: Tensor | None = None,
    size_average: bool | None = None,
    reduce: bool | None = None,
    reduction: str = "mean",
    pos_weight: Tensor | None = None,
) -> Tensor:
    """Cross-entropy of logits. Values and gradients of `torch.nn.functional.binary_cross_entropy_with_logits`.

    input and target of one shape; weight and pos_weight broadcast to it. Gradients flow to all four (torch has none for
    the weights). Raises ValueError for shapes that differ or an unknown reduction.

    >>> import torch
    >>> z = torch.zeros(2, requires_grad=True)
    >>> binary_cross_entropy_with_logits(z, torch.tensor([0.0, 1.0]), reduction="sum").backward()
    >>> z.grad
    tensor([ 0.5000, -0.5000])
    """
    if size_average is not None or reduce is not None:
        reduction = _reduction.legacy_get_string(size_average, reduce)
    return call(BinaryCrossEntropyWithLogitsFunction, input, target, weight, pos_weight, reduction)


class BCEWithLogitsLoss(nn.BCEWithLogitsLoss):
    """Drop-in `torch.nn.BCEWithLogitsLoss` computed by `manualgrad.functional.binary_cross_entropy_with_logits`."""

    def forward(self, input: Tensor, target: Tensor) -> Tensor:
        return binary_cross_entropy_with_logits(
            input, target, self.weight, pos_weight=self.pos_weight, reduction=self.reduction
        )
