r"""Multi-label soft margin loss: binary cross-entropy of each of C labels, averaged over the labels of a sample.

    forward    y  = mean_i (1/C) sum_c w_c (-t_ic log s(z_ic) - (1 - t_ic) log s(-z_ic)),  s(z) = 1 / (1 + e^-z)
    backward   dz = dy . w (s(z) - t) / (C n)
               dt = dy . w (-z) / (C n)
               dw = dy . (-t log s(z) - (1 - t) log s(-z)) / (C n)
    tangent    y' = mean_i (1/C) sum_c of w ((s(z) - t) z' - z t') + w' (...)

Reduction 'sum' leaves out 1/n, and 'none' the sum over i as well.

Shapes: z (*, C), t and w broadcast with it; y () or, with 'none', (*). Saves z, t and w: s(z) is computed again, which
costs less than keeping it.
Source: Bishop (2006), Pattern Recognition and Machine Learning, eq. 4.91, for each label by itself.
"""

from typing import Any

from torch import Tensor, nn
from torch.nn import _reduction
from torch.nn import functional as F

from manualgrad.formula import Formula, call, moving, reduce, save, spread, unbroadcast
from manualgrad.public import public


class MultilabelSoftMarginLossFunction(Formula):
    complex = "refused"

    @staticmethod
    def forward(z: Tensor, t: Tensor, weight: Tensor | None, reduction: str) -> Tensor:
        return F.multilabel_soft_margin_loss(z, t, weight, reduction=reduction)

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Tensor, Tensor, Tensor | None, str], output: Tensor) -> None:
        z, t, weight, ctx.reduction = inputs
        save(ctx, z, t, weight)

    @staticmethod
    def backward(ctx: Any, dy: Tensor) -> tuple[Tensor | None, Tensor | None, Tensor | None, None]:
        z, t, w = ctx.saved_tensors
        needs_z, needs_t, needs_w, _ = ctx.needs_input_grad
        e = z.sigmoid() - t
        dl = spread(dy / z.shape[-1], e.shape[:-1], ctx.reduction).unsqueeze(-1)
        dw = unbroadcast(dl * _loss(z, t), w.shape) if needs_w else None
        if w is not None:
            dl = dl * w
        dz = unbroadcast(dl * e, z.shape) if needs_z else None
        return dz, unbroadcast((-dl * z).expand(e.shape), t.shape) if needs_t else None, dw, None

    @staticmethod
    def jvp(ctx: Any, z_t: Tensor | None, t_t: Tensor | None, w_t: Tensor | None, _: None) -> Tensor:
        z, t, w = ctx.saved_tensors
        z_t, t_t, w_t = moving(z_t, t_t, w_t)
        l_t = (z.sigmoid() - t) * z_t - z * t_t
        l_t = l_t if w is None else w * l_t + w_t * _loss(z, t)
        return reduce(l_t.sum(-1) / z.shape[-1], ctx.reduction)


def _loss(z: Tensor, t: Tensor) -> Tensor:
    return (t - 1) * F.logsigmoid(-z) - t * F.logsigmoid(z)


@public
def multilabel_soft_margin_loss(
    input: Tensor,
    target: Tensor | float,
    weight: Tensor | float | None = None,
    size_average: bool | None = None,
    reduce: bool | None = None,
    reduction: str = "mean",
) -> Tensor:
    """Cross-entropy of each label by itself. As `torch.nn.functional.multilabel_soft_margin_loss`.

    input (*, C) holds logits, target (*, C) 0 or 1, weight (C), or a number each; gradients flow to all three. Raises
    RuntimeError for shapes that do not fit, IndexError for input of no dimension, ValueError for an unknown reduction.

    >>> import torch
    >>> z = torch.zeros(1, 2, requires_grad=True)
    >>> multilabel_soft_margin_loss(z, torch.tensor([[1.0, 0.0]])).backward()
    >>> z.grad
    tensor([[-0.2500,  0.2500]])
    """
    if size_average is not None or reduce is not None:
        reduction = _reduction.legacy_get_string(size_average, reduce)
    if isinstance(target, (int, float)):
        target = input.new_tensor(target)
    if isinstance(weight, (int, float)):
        weight = input.new_tensor(weight)
    return call(MultilabelSoftMarginLossFunction, input, target, weight, reduction)


class MultiLabelSoftMarginLoss(nn.MultiLabelSoftMarginLoss):
    """Drop-in `torch.nn.MultiLabelSoftMarginLoss` computed by `manualgrad.functional.multilabel_soft_margin_loss`."""

    def forward(self, input: Tensor, target: Tensor) -> Tensor:
        return multilabel_soft_margin_loss(input, target, weight=self.weight, reduction=self.reduction)
