r"""Cross-entropy of logits: softmax and log-likelihood in one, whose slope is prediction minus target.

    forward    y  = -sum_i sum_c q_ic log p_ic / n,  p_i = softmax(z_i)
    backward   dz_i = dy . (p_i sum_c q_ic - q_i) / n        p - onehot in the plain case
    tangent    y' = -sum_i sum_c q_ic (z'_ic - p_i z'_i) / n

q_ic = w_c u_ic with class weights w (1 if none), and u the target t smoothed by s over the C classes, u = (1 - s) t +
s / C. Targets are probabilities t_ic, or class numbers, which stand for onehot rows; the row of an ignored one is 0.
The mean divides by n, the number of samples; for class numbers that is the sum of w_ti over those not ignored. 'sum'
leaves out 1/n, and 'none' the sum over i as well. Gradients of the other inputs, with y as the mean has it:

    dt_ic = -dy . (1 - s) w_c log p_ic / n
    dw_c  = -dy . sum_i (u_ic log p_ic + y [c = ti]) / n     y only where n depends on w: in the mean over class numbers

Shapes: z (C), (N, C) or (N, C, ...), t as z (probabilities) or without C (class numbers), w (C); y () or, with
'none', as z without C. Saves z, t and w: p is computed again, which costs less than keeping it.
Source: Bridle (1990), Probabilistic interpretation of feedforward classification network outputs; Bishop (2006),
Pattern Recognition and Machine Learning, eqs. 4.108-4.109; for s, Szegedy et al. (2016), Rethinking the Inception
architecture.
"""

from typing import Any

from torch import Tensor, nn
from torch.nn import _reduction
from torch.nn import functional as F

from manualgrad.formula import Formula, call, moving, save, unbroadcast
from manualgrad.parts.distributions import along, distributions, onehot_gradient
from manualgrad.parts.targets import check_class_targets


class CrossEntropyFunction(Formula):
    autocast = "float32"

    @staticmethod
    def forward(z: Tensor, t: Tensor, weight: Tensor | None, ignore_index: int, reduction: str, s: float) -> Tensor:
        return F.cross_entropy(z, t, weight, ignore_index=ignore_index, reduction=reduction, label_smoothing=s)

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Tensor, Tensor, Tensor | None, int, str, float], output: Tensor) -> None:
        z, t, weight, ctx.ignore_index, ctx.reduction, ctx.s = inputs
        save(ctx, z, t, weight)

    @staticmethod
    def backward(ctx: Any, dy: Tensor) -> tuple[Tensor | None, Tensor | None, Tensor | None, None, None, None]:
        z, t, w = ctx.saved_tensors
        needs_z, needs_t, needs_w, _, _, _ = ctx.needs_input_grad
        if not needs_w and t.shape != z.shape:
            return onehot_gradient(ctx, dy, z, t, w), None, None, None, None, None
        dim, hot, u, q, n = distributions(ctx, z, t, w)
        log_p = z.log_softmax(dim)
        dl = dy.unsqueeze(dim) if ctx.reduction == "none" else dy / n
        dz = dt = dw = None
        if needs_z:
            dz = dl * (log_p.exp() * q.sum(dim, keepdim=True) - q)
        if needs_t:
            dt = (ctx.s - 1) * dl * log_p if w is None else (ctx.s - 1) * dl * log_p * along(w, z, dim)
        if needs_w:
            dq = u * log_p
            if ctx.reduction == "mean" and t.shape != z.shape:
                dq = dq - hot * ((q * log_p).sum() / n)
            dw = unbroadcast(-dl * dq, along(w, z, dim).shape).reshape(w.shape)
        return dz, dt, dw, None, None, None

    @staticmethod
    def jvp(ctx: Any, z_t: Tensor | None, t_t: Tensor | None, w_t: Tensor | None, *_: None) -> Tensor:
        z, t, w = ctx.saved_tensors
        dim, hot, u, q, n = distributions(ctx, z, t, w)
        z_t, t_t = moving(z_t, t_t)
        q_t = (1 - ctx.s) * t_t if w is None else (1 - ctx.s) * t_t * along(w, z, dim)
        if w_t is not None:
            q_t = q_t + u * along(w_t, z, dim)
        log_p = z.log_softmax(dim)
        l_t = q_t * log_p + q * (z_t - (log_p.exp() * z_t).sum(dim, keepdim=True))
        if w_t is not None and ctx.reduction == "mean" and t.shape != z.shape:
            l_t = l_t - hot * along(w_t, z, dim) * ((q * log_p).sum() / n)
        return -l_t.sum(dim) if ctx.reduction == "none" else -l_t.sum() / n

    @staticmethod
    def check(z: Tensor, t: Tensor, weight: Tensor | None, ignore_index: int, reduction: str, s: float) -> None:
        check_class_targets(z, t, ignore_index)


def cross_entropy(
    input: Tensor,
    target: Tensor,
    weight: Tensor | None = None,
    size_average: bool | None = None,
    ignore_index: int = -100,
    reduce: bool | None = None,
    reduction: str = "mean",
    label_smoothing: float = 0.0,
) -> Tensor:
    """Cross-entropy of logits. Same values and gradients as `torch.nn.functional.cross_entropy`.

    input (C), (N, C) or (N, C, ...) holds logits; target class numbers, int64, of that shape without C, or
    probabilities of that shape; weight (C). Gradients flow to input, to probabilities and to weight (torch has none
    for the weight of class numbers). Raises IndexError for a class number out of range, RuntimeError or ValueError
    for shapes and dtypes that do not fit, RuntimeError for a label_smoothing outside [0, 1], ValueError for an
    unknown reduction.

    >>> import torch
    >>> z = torch.zeros(1, 4, requires_grad=True)
    >>> cross_entropy(z, torch.tensor([2])).backward()
    >>> z.grad
    tensor([[ 0.2500,  0.2500, -0.7500,  0.2500]])
    """
    if size_average is not None or reduce is not None:
        reduction = _reduction.legacy_get_string(size_average, reduce)
    return call(CrossEntropyFunction, input, target, weight, ignore_index, reduction, label_smoothing)


class CrossEntropyLoss(nn.CrossEntropyLoss):
    """Drop-in `torch.nn.CrossEntropyLoss` computed by `manualgrad.functional.cross_entropy`."""

    def forward(self, input: Tensor, target: Tensor) -> Tensor:
        settings = self.weight, None, self.ignore_index, None, self.reduction, self.label_smoothing
        return cross_entropy(input, target, *settings)
