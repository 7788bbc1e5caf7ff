r"""Hinge embedding loss: a distance, to be small for like pairs (t = 1) and at least a margin m for others (t = -1).

    forward    y  = mean of  x              where t = 1
                             max(0, m - x)  where t = -1
    backward   dx = dy . s / n,  s = 1 where t = 1, -[x <= m] where t = -1
    tangent    y' = mean s x'

Reduction 'sum' leaves out 1/n, and 'none' the sum as well. A t that is neither adds both terms, as in torch. At the
corner, x = m, the slope is -1. Targets are labels: no gradient flows to them.

Shapes: x, t (*) any that broadcast together; y () or, with 'none', the broadcast shape. Saves s, in one byte each:
it is piecewise constant, so that nothing is lost when it is differentiated again.
Source: Hadsell, Chopra & LeCun (2006), Dimensionality reduction by learning an invariant mapping, with unsquared terms.
"""

from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import _reduction
from torch.nn import functional as F

from manualgrad.formula import Formula, call, gated, reduce, save, spread, unbroadcast


class HingeEmbeddingLossFunction(Formula):
    autocast = "float32"

    @staticmethod
    def forward(x: Tensor, t: Tensor, margin: float, reduction: str) -> Tensor:
        return F.hinge_embedding_loss(x, t, margin, reduction=reduction)

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Tensor, Tensor, float, str], output: Tensor) -> None:
        x, t, margin, ctx.reduction = inputs
        ctx.shape = x.shape
        save(ctx, (t != -1).to(torch.int8) - ((t != 1) & (x <= margin)).to(torch.int8))

    @staticmethod
    def backward(ctx: Any, dy: Tensor) -> tuple[Tensor, None, None, None]:
        (slope,) = ctx.saved_tensors
        dl = gated(spread(dy, slope.shape, ctx.reduction), slope.abs())
        return unbroadcast(slope * dl, ctx.shape), None, None, None

    @staticmethod
    def jvp(ctx: Any, x_t: Tensor, _: None, __: None, ___: None) -> Tensor:
        (slope,) = ctx.saved_tensors
        return reduce(slope * x_t, ctx.reduction)


def hinge_embedding_loss(
    input: Tensor,
    target: Tensor,
    margin: float = 1.0,
    size_average: bool | None = None,
    reduce: bool | None = None,
    reduction: str = "mean",
) -> Tensor:
    """Distances, to be small or beyond a margin. Values and gradients of `torch.nn.functional.hinge_embedding_loss`.

    input holds distances, target 1 (like) or -1 (unlike); they broadcast together. Raises RuntimeError for shapes
    that do not broadcast, ValueError for an unknown reduction.

    >>> import torch
    >>> x = torch.tensor([0.5, 0.25, 3.0], requires_grad=True)
    >>> loss = hinge_embedding_loss(x, torch.tensor([1, -1, -1]), reduction="sum")
    >>> loss.backward()
    >>> loss.item(), x.grad
    (1.25, tensor([ 1., -1.,  0.]))
    """
    if size_average is not None or reduce is not None:
        reduction = _reduction.legacy_get_string(size_average, reduce)
    return call(HingeEmbeddingLossFunction, input, target, margin, reduction)


class HingeEmbeddingLoss(nn.HingeEmbeddingLoss):
    """Drop-in `torch.nn.HingeEmbeddingLoss` computed by `manualgrad.functional.hinge_embedding_loss`."""

    def forward(self, input: Tensor, target: Tensor) -> Tensor:
        return hinge_embedding_loss(input, target, margin=self.margin, reduction=self.reduction)
