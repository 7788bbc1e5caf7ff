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

import torch
from torch import Tensor, nn
from torch.nn import _reduction
from torch.nn import functional as F

from manualgrad.formula import (
    MINUS_ONE,
    ZERO,
    Formula,
    call,
    check_class_numbers,
    moving,
    save,
    values_are_visible,
)


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
            return _onehot_backward(ctx, dy, z, t, w), None, None, None, None, None
        dim, hot, u, q, n = _distributions(ctx, z, t, w)
        log_p = z.log_softmax(dim)
        dl = dy.unsqueeze(dim) if ctx.reduction == "none" else dy / n
        dz = dt = dw = None
        if needs_z:
            dz = dl * (log_p.exp() * q.sum(dim, keepdim=True) - q)
        if needs_t:
            dt = (ctx.s - 1) * dl * log_p if w is None else (ctx.s - 1) * dl * log_p * _along(w, z, dim)
        if needs_w:
            dq = u * log_p
            if ctx.reduction == "mean" and t.shape != z.shape:
                dq = dq - hot * ((q * log_p).sum() / n)
            others = [d for d in range(z.dim()) if d != dim]
            dw = -(dl * dq).sum(others) if others else -dl * dq
        return dz, dt, dw, None, None, None

    @staticmethod
    def jvp(
        ctx: Any, z_t: Tensor | None, t_t: Tensor | None, w_t: Tensor | None, _: None, __: None, ___: None
    ) -> Tensor:
        z, t, w = ctx.saved_tensors
        dim, hot, u, q, n = _distributions(ctx, z, t, w)
        z_t, t_t = moving(z_t, t_t)
        q_t = (1 - ctx.s) * t_t if w is None else (1 - ctx.s) * t_t * _along(w, z, dim)
        if w_t is not None:
            q_t = q_t + u * _along(w_t, z, dim)
        log_p = z.log_softmax(dim)
        l_t = q_t * log_p + q * (z_t - (log_p.exp() * z_t).sum(dim, keepdim=True))
        if ctx.reduction == "none":
            return -l_t.sum(dim)
        if w_t is not None and ctx.reduction == "mean" and t.shape != z.shape:
            l_t = l_t - hot * _along(w_t, z, dim) * ((q * log_p).sum() / n)
        return -l_t.sum() / n

    @staticmethod
    def check(z: Tensor, t: Tensor, weight: Tensor | None, ignore_index: int, reduction: str, s: float) -> None:
        if t.shape != z.shape:
            check_class_numbers(z, t, ignore_index, otherwise=f" (class numbers) or {tuple(z.shape)} (probabilities)")
        elif not t.is_floating_point():
            raise RuntimeError(
                f"target has the shape of input, {tuple(z.shape)}, so it must hold probabilities, of a floating-point "
                f"dtype, got {t.dtype}"
            )


def _onehot_backward(ctx: Any, dy: Tensor, z: Tensor, t: Tensor, w: Tensor | None) -> Tensor:
    """dz for class numbers, without writing the onehot rows out: all but one entry of p - onehot is that of p."""
    dim = 1 if z.dim() > 1 else 0
    t = t if t.dtype is torch.int64 else t.long()
    t = t.unsqueeze(1) if dim else t.reshape(1)
    if w is None and not ctx.s and _is_plain(z, t, ctx.ignore_index):  # the same in half as many kernels
        e = z.softmax(dim).scatter_add(dim, t, MINUS_ONE[z.dtype].expand_as(t))
        if ctx.reduction == "mean":
            return torch.addcmul(ZERO[z.dtype], e, dy, value=1 / t.numel())
        return e * (dy.reshape(t.shape) if ctx.reduction == "none" else dy)
    kept = t != ctx.ignore_index
    index = t.clamp(0, z.shape[dim] - 1)  # an ignored number may lie anywhere; its row gets no gradient
    dl = dy.reshape(t.shape) if ctx.reduction == "none" else dy
    if w is None:
        dl = dl / torch.count_nonzero(kept) if ctx.reduction == "mean" else dl
        g = dl.where(kept, 0.0)
    else:
        weights = torch.where(kept, w[index], 0.0)
        dl = dl / weights.sum() if ctx.reduction == "mean" else dl
        g = torch.where(kept, dl * weights, 0.0)
    p = z.softmax(dim)
    if not ctx.s:
        return (p * g).scatter_add_(dim, index, -g)
    spread = torch.where(kept, dl * (ctx.s / z.shape[dim]), 0.0)  # what smoothing gives to every class
    dz = p * g - spread if w is None else p * ((1 - ctx.s) * g + spread * w.sum()) - spread * _along(w, z, dim)
    return dz.scatter_add_(dim, index, (ctx.s - 1) * g)


def _is_plain(z: Tensor, t: Tensor, ignore_index: int) -> bool:
    """Whether no class is ignored, if a look at the numbers may tell: on a CPU, where looking costs no waiting."""
    may_look = type(t) is Tensor and t.is_cpu and t.numel() > 0 and z.dtype in ZERO and values_are_visible()
    return may_look and ignore_index < 0 and t.min().item() >= 0


def _distributions(ctx: Any, z: Tensor, t: Tensor, w: Tensor | None) -> tuple[int, Tensor, Tensor, Tensor, Any]:
    """The dimension of the classes; t, u and q written out for every class; and n."""
    dim = 1 if z.dim() > 1 else 0
    kept: Any = 1
    if t.shape != z.shape:
        t = t.unsqueeze(1) if dim else t.reshape(1)
        kept = (t != ctx.ignore_index).to(z.dtype)
        t = (t == _along(torch.arange(z.shape[dim], device=z.device), z, dim)) * kept
    u = (1 - ctx.s) * t + ctx.s / z.shape[dim] * kept if ctx.s else t
    if w is not None:
        w = _along(w, z, dim)
    n: Any = 1
    if ctx.reduction == "mean":
        n = z.numel() // z.shape[dim] if isinstance(kept, int) else (t if w is None else w * t).sum()
    return dim, t, u, u if w is None else w * u, n


def _along(values: Tensor, z: Tensor, dim: int) -> Tensor:
    """One value per class, shaped to meet z."""
    return values.view(-1, *[1] * (z.dim() - 1 - dim))


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
        return cross_entropy(
            input,
            target,
            weight=self.weight,
            ignore_index=self.ignore_index,
            reduction=self.reduction,
            label_smoothing=self.label_smoothing,
        )
