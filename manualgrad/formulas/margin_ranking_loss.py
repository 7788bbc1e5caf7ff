r"""Margin ranking loss: x1 is to be greater than x2 by a margin m where t = 1, and less where t = -1.

    forward    y   = mean max(0, m - t e),  e = x1 - x2
    backward   dx1 = -dy . t [t e <= m] / n
               dx2 = -dx1
               dt  = -dy . e [t e <= m] / n
    tangent    y'  = -mean [t e <= m] (t (x1' - x2') + t' e)

Reduction 'sum' leaves out 1/n, and 'none' the sum as well. At the corner, t e = m, the slope is that of the left side.

Shapes: x1, x2, t (*) of as many dimensions, which broadcast together; y () or, with 'none', the broadcast shape.
Saves e and t. The formula returns e too, so that what is saved is an output, and second derivatives see where it is
from.
Source: Herbrich, Graepel & Obermayer (2000), Large margin rank boundaries for ordinal regression.
"""

from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import _reduction

from manualgrad.formula import Formula, call, gated, moving, reduce, save, spread, unbroadcast
from manualgrad.parts.shapes import check_dimensions
from manualgrad.public import public


class MarginRankingLossFunction(Formula):
    autocast = "float32"

    @staticmethod
    def forward(x1: Tensor, x2: Tensor, t: Tensor, margin: float, reduction: str) -> tuple[Tensor, Tensor]:
        check_dimensions(input1=x1, input2=x2, target=t)
        e = x1 - x2
        return reduce((-t * e + float(margin)).clamp(min=0), reduction), e

    @staticmethod
    def setup_context(
        ctx: Any, inputs: tuple[Tensor, Tensor, Tensor, float, str], output: tuple[Tensor, Tensor]
    ) -> None:
        x1, x2, t, ctx.margin, ctx.reduction = inputs
        ctx.shapes = x1.shape, x2.shape
        ctx.set_materialize_grads(False)
        save(ctx, output[1], t)

    @staticmethod
    def backward(ctx: Any, dy: Tensor | None, de: Tensor | None) -> tuple[Tensor | None, ...]:
        e, t = ctx.saved_tensors
        needs_x1, needs_x2, needs_t, _, _ = ctx.needs_input_grad
        x1_shape, x2_shape = ctx.shapes
        dy, (de,) = e.new_zeros(()) if dy is None else dy, moving(de)
        m = t * e
        dm = -gated(spread(dy, m.shape, ctx.reduction), m <= ctx.margin)
        dt = unbroadcast(dm * e, t.shape) if needs_t else None
        de = unbroadcast(dm * t, e.shape) + de
        dx1 = unbroadcast(de, x1_shape) if needs_x1 else None
        return dx1, -unbroadcast(de, x2_shape) if needs_x2 else None, dt, None, None

    @staticmethod
    def jvp(ctx: Any, x1_t: Tensor | None, x2_t: Tensor | None, t_t: Tensor | None, *_: None) -> tuple[Tensor, Tensor]:
        e, t = ctx.saved_tensors
        x1_t, x2_t, t_t = moving(x1_t, x2_t, t_t)
        e_t = torch.zeros_like(e) + x1_t - x2_t
        violated = (t * e <= ctx.margin).to(e.dtype)
        return reduce(-violated * (t * e_t + t_t * e), ctx.reduction), e_t


@public
def margin_ranking_loss(
    input1: Tensor,
    input2: Tensor,
    target: Tensor,
    margin: float = 0,
    size_average: bool | None = None,
    reduce: bool | None = None,
    reduction: str = "mean",
) -> Tensor:
    """`mean(max(0, margin - target * (input1 - input2)))`. As `torch.nn.functional.margin_ranking_loss`.

    target is 1 where input1 is to be ranked higher, -1 where input2 is. The three have as many dimensions and
    broadcast together; gradients flow to all. Raises RuntimeError for shapes that do not fit, ValueError for an
    unknown reduction.

    >>> import torch
    >>> x = torch.tensor([1.0, 3.0], requires_grad=True)
    >>> loss = margin_ranking_loss(x, torch.tensor([2.0, 1.0]), torch.tensor([1.0, 1.0]), reduction="sum")
    >>> loss.backward()
    >>> loss.item(), x.grad
    (1.0, tensor([-1.,  0.]))
    """
    if size_average is not None or reduce is not None:
        reduction = _reduction.legacy_get_string(size_average, reduce)
    loss: Tensor = call(MarginRankingLossFunction, input1, input2, target, margin, reduction)[0]
    return loss


class MarginRankingLoss(nn.MarginRankingLoss):
    """Drop-in `torch.nn.MarginRankingLoss` computed by `manualgrad.functional.margin_ranking_loss`."""

    def forward(self, input1: Tensor, input2: Tensor, target: Tensor) -> Tensor:
        return margin_ranking_loss(input1, input2, target, margin=self.margin, reduction=self.reduction)
