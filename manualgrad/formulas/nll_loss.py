r"""Negative log-likelihood of the right class, of log-probabilities x.

    forward    y  = sum_i w_ti (-x_i,ti) / W,  W = sum_i w_ti        i over the samples that are not ignored
    backward   dx_i,c = -dy . w_ti [c = ti] / W
               dw_c   = dy . sum_(i: ti = c) (-x_i,c - y) / W
    tangent    y' = sum_i (w_ti (-x'_i,ti) + w'_ti (-x_i,ti - y)) / W

Reduction 'sum' leaves out 1/W and the y beside it, and 'none' the sum as well. Without weights w = 1, and W counts
samples.

Shapes: x (C), (N, C) or (N, C, ...), class numbers t (), (N) or (N, ...), w (C); y () or, with 'none', as t.
Saves x, t and w.
Source: Bishop (2006), Pattern Recognition and Machine Learning, eq. 4.108.
"""

from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import _reduction
from torch.nn import functional as F

from manualgrad.formula import Formula, call, moving, save
from manualgrad.parts.targets import check_class_numbers


class NLLLossFunction(Formula):
    autocast = "float32"

    @staticmethod
    def forward(x: Tensor, t: Tensor, weight: Tensor | None, ignore_index: int, reduction: str) -> Tensor:
        return F.nll_loss(x, t, weight, ignore_index=ignore_index, reduction=reduction)

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Tensor, Tensor, Tensor | None, int, str], output: Tensor) -> None:
        x, t, weight, ctx.ignore_index, ctx.reduction = inputs
        save(ctx, x, t, weight)

    @staticmethod
    def backward(ctx: Any, dy: Tensor) -> tuple[Tensor | None, None, Tensor | None, None, None]:
        x, t, w = ctx.saved_tensors
        needs_x, _, needs_w, _, _ = ctx.needs_input_grad
        dim, kept, index = _indices(x, t, ctx.ignore_index)
        r = kept if w is None else torch.where(kept, w[index], 0.0)
        dl = dy.reshape(index.shape) if ctx.reduction == "none" else dy / r.sum() if ctx.reduction == "mean" else dy
        dx = dw = None
        if needs_x:
            g = torch.where(kept, dl if w is None else dl * r, 0.0)
            dx = g.new_zeros(x.shape).scatter_add_(dim, index, -g)
        if needs_w:
            losses = -x.gather(dim, index)
            if ctx.reduction == "mean":
                losses = losses - (r * losses).sum() / r.sum()
            dw = torch.where(kept, dl * losses, 0.0).reshape(-1)
            dw = torch.zeros_like(w).index_add(0, index.reshape(-1), dw)
        return dx, None, dw, None, None

    @staticmethod
    def jvp(ctx: Any, x_t: Tensor | None, _: None, w_t: Tensor | None, __: None, ___: None) -> Tensor:
        x, t, w = ctx.saved_tensors
        dim, kept, index = _indices(x, t, ctx.ignore_index)
        r = kept if w is None else torch.where(kept, w[index], 0.0)
        (r_t,) = moving(None if w_t is None else torch.where(kept, w_t[index], 0.0))
        (losses_t,) = moving(None if x_t is None else -x_t.gather(dim, index))
        losses = -x.gather(dim, index)
        if ctx.reduction == "none":
            return (r * losses_t + r_t * losses).squeeze(dim)
        if ctx.reduction == "sum":
            return (r * losses_t + r_t * losses).sum()
        y = (r * losses).sum() / r.sum()
        return (r * losses_t + r_t * (losses - y)).sum() / r.sum()

    @staticmethod
    def check(x: Tensor, t: Tensor, weight: Tensor | None, ignore_index: int, reduction: str) -> None:
        check_class_numbers(x, t, ignore_index)


def _indices(x: Tensor, t: Tensor, ignore_index: int) -> tuple[int, Tensor, Tensor]:
    """The dimension of the classes, which targets count, and their class numbers: any where ignored."""
    dim = 1 if x.dim() > 1 else 0
    t = t.long().unsqueeze(1) if dim else t.long().reshape(1)
    kept = t != ignore_index
    return dim, kept, t.clamp(0, x.shape[dim] - 1)


def nll_loss(
    input: Tensor,
    target: Tensor,
    weight: Tensor | None = None,
    size_average: bool | None = None,
    ignore_index: int = -100,
    reduce: bool | None = None,
    reduction: str = "mean",
) -> Tensor:
    """Minus the log-probability of the right class. Values and gradients of `torch.nn.functional.nll_loss`.

    input (C), (N, C) or (N, C, ...) holds log-probabilities, target (), (N) or (N, ...) class numbers, int64; weight
    (C). Gradients flow to input and weight (torch has none for weight). Raises IndexError for a class number out of
    range, RuntimeError or ValueError for shapes and dtypes that do not fit, ValueError for an unknown reduction.

    >>> import torch
    >>> x = torch.tensor([[0.5, 0.5], [0.25, 0.75]]).log().requires_grad_()
    >>> nll_loss(x, torch.tensor([0, 1])).backward()
    >>> x.grad
    tensor([[-0.5000,  0.0000],
            [ 0.0000, -0.5000]])
    """
    if size_average is not None or reduce is not None:
        reduction = _reduction.legacy_get_string(size_average, reduce)
    return call(NLLLossFunction, input, target, weight, ignore_index, reduction)


class NLLLoss(nn.NLLLoss):
    """Drop-in `torch.nn.NLLLoss` computed by `manualgrad.functional.nll_loss`."""

    def forward(self, input: Tensor, target: Tensor) -> Tensor:
        return nll_loss(input, target, weight=self.weight, ignore_index=self.ignore_index, reduction=self.reduction)
