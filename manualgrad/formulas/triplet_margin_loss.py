r"""Triplet margin loss: an anchor a is to be nearer to the positive b than to the negative c, by a margin m.

    forward    y  = mean max(0, m + |a - b| - |a - c|)       p-norms of differences to which eps is added
    backward   da = dy . v (s_ab - s_ac) / n,  db = -dy . v s_ab / n,  dc = dy . v s_ac / n
    tangent    y' = mean v (s_ab . (a' - b') - s_ac . (a' - c'))

v = [m + |a - b| - |a - c| >= 0] is 1 where the margin is violated, and s the slope of a norm, sign(e) (|e| /
|e|_p)^(p-1). With `swap` the negative distance is the lesser of |a - c| and |b - c|, to which the gradient goes then;
of two equal ones each gets half. Reduction 'sum' leaves out 1/n, and 'none' the sum as well.

Shapes: a, b, c (*, D) of as many dimensions, which broadcast together; y () or, with 'none', (*). Saves the
differences, which the formula returns too: so what is saved is an output, and second derivatives see where it is from.
Source: Balntas, Riba, Ponsa & Mikolajczyk (2016), Learning local feature descriptors with triplets and shallow
convolutional neural networks, eqs. 3 and 5.
"""

from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import _reduction

from manualgrad.formula import Formula, call, gated, moving, norm_slope, reduce, save, spread, unbroadcast
from manualgrad.parts.shapes import check_dimensions
from manualgrad.public import public


class TripletMarginLossFunction(Formula):
    complex = "refused"
    autocast = "float32"

    @staticmethod
    def forward(
        a: Tensor, b: Tensor, c: Tensor, margin: float, p: float, eps: float, swap: bool, reduction: str
    ) -> tuple[Tensor, ...]:
        check_dimensions(anchor=a, positive=b, negative=c)
        if margin <= 0:
            raise ValueError(f"margin must be greater than 0, got {margin}")
        differences = [a - b + eps, a - c + eps, *([b - c + eps] if swap else [])]
        near, *far = (torch.linalg.vector_norm(e, p, -1) for e in differences)
        losses = (margin + near - (torch.minimum(*far) if swap else far[0])).clamp(min=0)
        return reduce(losses, reduction), *differences

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Any, ...], output: tuple[Tensor, ...]) -> None:
        a, b, c, ctx.margin, ctx.p, _, _, ctx.reduction = inputs
        ctx.shapes = a.shape, b.shape, c.shape
        ctx.set_materialize_grads(False)
        save(ctx, *output[1:])

    @staticmethod
    def backward(ctx: Any, dy: Tensor | None, *des: Tensor | None) -> tuple[Tensor | None, ...]:
        ab, ac, bc = moving(*(*des, None)[:3])
        if dy is not None:
            violated, slopes = _slopes(ctx, ctx.saved_tensors)
            dl = gated(spread(dy, violated.shape, ctx.reduction), violated).unsqueeze(-1)
            flows = [gated(dl, part) * part * s for part, s in slopes]
            ab, ac, bc = (flow + d for flow, d in zip([*flows, 0][:3], (ab, ac, bc), strict=True))
        wanted = zip((ab + ac, bc - ab, -ac - bc), ctx.shapes, ctx.needs_input_grad, strict=False)
        grads = (unbroadcast(g, shape) if needed and isinstance(g, Tensor) else None for g, shape, needed in wanted)
        return *grads, *[None] * 5

    @staticmethod
    def jvp(ctx: Any, a_t: Tensor | None, b_t: Tensor | None, c_t: Tensor | None, *_: None) -> tuple[Tensor, ...]:
        a_t, b_t, c_t = moving(a_t, b_t, c_t)
        differences, moved = ctx.saved_tensors, (a_t - b_t, a_t - c_t, b_t - c_t)
        tangents = [torch.zeros_like(e) + t for e, t in zip(differences, moved, strict=False)]
        violated, slopes = _slopes(ctx, differences)
        l_t = sum((part * s * t).sum(-1) for (part, s), t in zip(slopes, tangents, strict=True))
        return reduce(violated * l_t, ctx.reduction), *tangents


def _slopes(ctx: Any, differences: tuple[Tensor, ...]) -> tuple[Tensor, list[tuple[Tensor, Tensor]]]:
    """Where the margin is violated, and of the distances in m + |a - b| - min(|a - c|, |b - c|) the part and slope."""
    near, *far = (torch.linalg.vector_norm(e, ctx.p, -1, keepdim=True) for e in differences)
    ab, *others = (norm_slope(e, d, ctx.p) for e, d in zip(differences, (near, *far), strict=True))
    one = torch.ones_like(near)
    share = (far[0] < far[1]).to(near.dtype) + 0.5 * (far[0] == far[1]) if len(far) == 2 else one
    violated = (ctx.margin + near - torch.minimum(far[0], far[-1]) >= 0).squeeze(-1).to(near.dtype)
    return violated, list(zip((one, share, one - share), (ab, *(-s for s in others)), strict=False))


@public
def triplet_margin_loss(
    anchor: Tensor,
    positive: Tensor,
    negative: Tensor,
    margin: float = 1.0,
    p: float = 2,
    eps: float = 1e-6,
    swap: bool = False,
    size_average: bool | None = None,
    reduce: bool | None = None,
    reduction: str = "mean",
) -> Tensor:
    """`mean(max(0, margin + |anchor - positive| - |anchor - negative|))`. As `torch.nn.functional.triplet_margin_loss`.

    The three (*, D) have as many dimensions and broadcast together; gradients flow to all. swap takes the positive in
    place of the anchor where it is nearer to the negative. Raises RuntimeError for shapes that do not fit, ValueError
    for a margin that is not positive and for an unknown reduction.

    >>> import torch
    >>> a = torch.tensor([[0.0, 0.0]], requires_grad=True)
    >>> loss = triplet_margin_loss(a, torch.tensor([[3.0, 4.0]]), torch.tensor([[0.0, 2.0]]), eps=0.0)
    >>> loss.backward()
    >>> loss.item(), a.grad
    (4.0, tensor([[-0.6000,  0.2000]]))
    """
    if size_average is not None or reduce is not None:
        reduction = _reduction.legacy_get_string(size_average, reduce)
    loss: Tensor = call(TripletMarginLossFunction, anchor, positive, negative, margin, p, eps, swap, reduction)[0]
    return loss


class TripletMarginLoss(nn.TripletMarginLoss):
    """Drop-in `torch.nn.TripletMarginLoss` computed by `manualgrad.functional.triplet_margin_loss`."""

    def forward(self, anchor: Tensor, positive: Tensor, negative: Tensor) -> Tensor:
        settings = self.margin, self.p, self.eps, self.swap
        return triplet_margin_loss(anchor, positive, negative, *settings, reduction=self.reduction)
