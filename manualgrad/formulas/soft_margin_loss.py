r"""Soft margin loss: the logistic loss of labels -1 and 1.

    forward    y  = mean log(1 + e^(-t x))
    backward   dx = -dy . t s(-t x) / n,  s(m) = 1 / (1 + e^-m)
               dt = -dy . x s(-t x) / n
    tangent    y' = -mean s(-t x) (t x' + t' x)

Reduction 'sum' leaves out 1/n, and 'none' the sum as well.

Shapes: x (*), t anything that broadcasts to it; y () or, with 'none', (*). Saves x and t.
Source: Hastie, Tibshirani & Friedman (2009), The Elements of Statistical Learning, eq. 10.18.
"""

from typing import Any

from torch import Tensor, nn
from torch.nn import _reduction
from torch.nn import functional as F

from manualgrad.formula import Formula, call, moving, reduce, save, spread, unbroadcast


class SoftMarginLossFunction(Formula):
    complex = "refused"
    autocast = "float32"

    @staticmethod
    def forward(x: Tensor, t: Tensor, reduction: str) -> Tensor:
        return F.soft_margin_loss(x, t, reduction=reduction)

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Tensor, Tensor, str], output: Tensor) -> None:
        x, t, ctx.reduction = inputs
        save(ctx, x, t)

    @staticmethod
    def backward(ctx: Any, dy: Tensor) -> tuple[Tensor | None, Tensor | None, None]:
        x, t = ctx.saved_tensors
        needs_x, needs_t, _ = ctx.needs_input_grad
        slope = (-t * x).sigmoid()
        dm = -slope * spread(dy, slope.shape, ctx.reduction)
        dx = unbroadcast(dm * t, x.shape) if needs_x else None
        return dx, unbroadcast(dm * x, t.shape) if needs_t else None, None

    @staticmethod
    def jvp(ctx: Any, x_t: Tensor | None, t_t: Tensor | None, _: None) -> Tensor:
        x, t = ctx.saved_tensors
        x_t, t_t = moving(x_t, t_t)
        return reduce(-(-t * x).sigmoid() * (t * x_t + t_t * x), ctx.reduction)


def soft_margin_loss(
    input: Tensor,
    target: Tensor,
    size_average: bool | None = None,
    reduce: bool | None = None,
    reduction: str = "mean",
) -> Tensor:
    """`mean(log(1 + exp(-target * input)))`. Same values and gradients as `torch.nn.functional.soft_margin_loss`.

    input holds scores, target -1 or 1, and broadcasts to it. Gradients flow to both (torch has none for target).
    Raises RuntimeError for shapes that do not broadcast, ValueError for an unknown reduction.

    >>> import torch
    >>> x = torch.zeros(2, requires_grad=True)
    >>> soft_margin_loss(x, torch.tensor([1.0, -1.0])).backward()
    >>> x.grad
    tensor([-0.2500,  0.2500])
    """
    if size_average is not None or reduce is not None:
        reduction = _reduction.legacy_get_string(size_average, reduce)
    return call(SoftMarginLossFunction, input, target, reduction)


class SoftMarginLoss(nn.SoftMarginLoss):
    """Drop-in `torch.nn.SoftMarginLoss` computed by `manualgrad.functional.soft_margin_loss`."""

    def forward(self, input: Tensor, target: Tensor) -> Tensor:
        return soft_margin_loss(input, target, reduction=self.reduction)
