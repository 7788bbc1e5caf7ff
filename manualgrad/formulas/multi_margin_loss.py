r"""Multi-class hinge loss: the score of the right class t is to exceed each other by a margin m.

    forward    y_i    = (1/C) sum_(c != ti) w_ti h_ic^p,  h_ic = max(0, m - x_i,ti + x_ic),  p = 1 or 2
    backward   dx_ic  = dy_i . w_ti p h_ic^(p-1) / C          c != ti
               dx_iti = -sum_(c != ti) dx_ic
               dw_c   = sum_(i: ti = c) dy_i . y_i / w_c
    tangent    y_i'   = (1/C) sum_(c != ti) (w_ti p h_ic^(p-1) (x_ic' - x_i,ti') + w_ti' h_ic^p)

h^0 is 1 where h > 0 and 0 elsewhere, the corner included. Then y is the 'mean' or the 'sum' over i, or with 'none' y_i.

Shapes: x (C) or (N, C), class numbers t () or (N), w (C); y () or, with 'none', as t. Saves x, t and w.
Source: Crammer & Singer (2001), On the algorithmic implementation of multiclass kernel-based vector machines; in the
form of Weston & Watkins (1999), Support vector machines for multi-class pattern recognition.
"""

from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import _reduction
from torch.nn import functional as F

from manualgrad.formula import Formula, call, gated, reduce, save, spread
from manualgrad.parts.targets import as_rows, check_one_each
from manualgrad.public import public


class MultiMarginLossFunction(Formula):
    autocast = "float32"

    @staticmethod
    def forward(x: Tensor, t: Tensor, p: int, margin: float, weight: Tensor | None, reduction: str) -> Tensor:
        if x.dim() == 2 and len(x) == 0 < x.shape[1] and t.shape == (0,):
            return reduce(x.sum(1), reduction)  # torch returns what happens to lie in memory
        return F.multi_margin_loss(x, t, p, margin, weight, reduction=reduction)

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Tensor, Tensor, int, float, Tensor | None, str], output: Tensor) -> None:
        x, t, ctx.p, ctx.margin, weight, ctx.reduction = inputs
        ctx.output_shape = output.shape
        save(ctx, x, t, weight)

    @staticmethod
    def backward(ctx: Any, dy: Tensor) -> tuple[Tensor | None, None, None, None, Tensor | None, None]:
        x, t, w = ctx.saved_tensors
        needs_x, _, _, _, needs_w, _ = ctx.needs_input_grad
        t, h, slope = _violations(x, t, w, ctx.p, ctx.margin)
        dl = (dy.reshape(-1, 1) if ctx.reduction == "none" else spread(dy, t.shape, ctx.reduction)) / h.shape[1]
        dx = dw = None
        if needs_x:
            dh = gated(dl, h) * slope
            dx = dh.scatter_add(1, t, -dh.sum(1, keepdim=True)).reshape(x.shape)
        if needs_w:
            losses = dl * (h**ctx.p).sum(1, keepdim=True)
            dw = torch.zeros_like(w).index_add(0, t.reshape(-1), losses.reshape(-1))
        return dx, None, None, None, dw, None

    @staticmethod
    def jvp(ctx: Any, x_t: Tensor | None, _: None, __: None, ___: None, w_t: Tensor | None, ____: None) -> Tensor:
        x, t, w = ctx.saved_tensors
        t, h, slope = _violations(x, t, w, ctx.p, ctx.margin)
        l_t = torch.zeros_like(t, dtype=x.dtype)
        if x_t is not None:
            x_t = as_rows(x_t)
            l_t = (slope * (x_t - x_t.gather(1, t))).sum(1, keepdim=True)
        if w_t is not None:
            l_t = l_t + w_t[t] * (h**ctx.p).sum(1, keepdim=True)
        return reduce(l_t / h.shape[1], ctx.reduction).reshape(ctx.output_shape)

    @staticmethod
    def check(x: Tensor, t: Tensor, p: int, margin: float, weight: Tensor | None, reduction: str) -> None:
        if p not in (1, 2):
            raise ValueError(f"p must be 1 or 2, got {p}")
        if weight is not None and weight.dim() != 1:
            raise ValueError(f"weight must have one dimension, got {tuple(weight.shape)}")
        check_one_each(x, t)


def _violations(x: Tensor, t: Tensor, w: Tensor | None, p: int, margin: float) -> tuple[Tensor, Tensor, Tensor]:
    """t as a column; h, in which the right class counts 0; and w_t p h^(p-1)."""
    x, t = as_rows(x), t.reshape(-1, 1)
    h = (margin - x.gather(1, t) + x).clamp(min=0).scatter(1, t, 0.0)
    slope = (h > 0).to(x.dtype) if p == 1 else 2 * h
    return t, h, slope if w is None else w[t] * slope


@public
def multi_margin_loss(
    input: Tensor,
    target: Tensor,
    p: int = 1,
    margin: float = 1.0,
    weight: Tensor | None = None,
    size_average: bool | None = None,
    reduce: bool | None = None,
    reduction: str = "mean",
) -> Tensor:
    """Hinge loss of several classes. Same values and gradients as `torch.nn.functional.multi_margin_loss`.

    input (C) or (N, C) holds scores, target () or (N) class numbers, int64; weight (C). Gradients flow to input and
    weight (torch has none for weight). Raises RuntimeError for shapes that do not fit or a class number out of range,
    ValueError for a p other than 1 and 2 and for an unknown reduction.

    >>> import torch
    >>> x = torch.tensor([[0.5, 0.25, -1.0]], requires_grad=True)
    >>> loss = multi_margin_loss(x, torch.tensor([0]))
    >>> loss.backward()
    >>> loss.item(), x.grad
    (0.25, tensor([[-0.3333,  0.3333,  0.0000]]))
    """
    if size_average is not None or reduce is not None:
        reduction = _reduction.legacy_get_string(size_average, reduce)
    return call(MultiMarginLossFunction, input, target, p, margin, weight, reduction)


class MultiMarginLoss(nn.MultiMarginLoss):
    """Drop-in `torch.nn.MultiMarginLoss` computed by `manualgrad.functional.multi_margin_loss`."""

    def forward(self, input: Tensor, target: Tensor) -> Tensor:
        return multi_margin_loss(input, target, self.p, self.margin, self.weight, reduction=self.reduction)
