r"""Hinge loss, of support vector machines: no loss for a sample on its own side of the margin.

    forward    y  = mean max(0, 1 - t x)
    backward   dx = -dy . t [t x <= 1] / n
               dt = -dy . x [t x <= 1] / n
    tangent    y' = -mean [t x <= 1] (t' x + t x')

Squared, it is y = mean max(0, 1 - t x)^2, of gradient dx = -dy . 2 t max(0, 1 - t x) / n and dt likewise. Reduction
'sum' leaves out 1/n, and 'none' the sum as well. At the corner, t x = 1, the slope of the plain loss is taken from
the left, -t, as torch's clamp(min=0) has it.

Shapes: x, t (*) any that broadcast together; y () or, with 'none', the broadcast shape. Saves x and t.
Source: Cortes & Vapnik (1995), Support-vector networks; Hastie, Tibshirani & Friedman (2009), The Elements of
Statistical Learning, table 12.1.
"""

from typing import Any

import torch
from torch import Tensor, nn

from manualgrad.formula import Formula, call, gated, moving, reduce, save, spread, unbroadcast


class HingeLossFunction(Formula):
    @staticmethod
    def forward(x: Tensor, t: Tensor, squared: bool, reduction: str) -> Tensor:
        h = (1 - t * x).clamp(min=0)
        return reduce(h * h if squared else h, reduction)

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Tensor, Tensor, bool, str], output: Tensor) -> None:
        x, t, ctx.squared, ctx.reduction = inputs
        save(ctx, x, t)

    @staticmethod
    def backward(ctx: Any, dy: Tensor) -> tuple[Tensor | None, Tensor | None, None, None]:
        x, t = ctx.saved_tensors
        needs_x, needs_t, _, _ = ctx.needs_input_grad
        slope = _slope(t * x, ctx.squared)
        dm = slope * gated(spread(dy, slope.shape, ctx.reduction), -slope)
        dx = unbroadcast(dm * t, x.shape) if needs_x else None
        return dx, unbroadcast(dm * x, t.shape) if needs_t else None, None, None

    @staticmethod
    def jvp(ctx: Any, x_t: Tensor | None, t_t: Tensor | None, _: None, __: None) -> Tensor:
        x, t = ctx.saved_tensors
        x_t, t_t = moving(x_t, t_t)
        return reduce(_slope(t * x, ctx.squared) * (t_t * x + t * x_t), ctx.reduction)


def _slope(m: Tensor, squared: bool) -> Tensor:
    """Of max(0, 1 - m), or of its square, with respect to the margin m = t x."""
    return -2 * (1 - m).clamp(min=0) if squared else -(m <= 1).to(torch.int8)


def hinge_loss(input: Tensor, target: Tensor, squared: bool = False, reduction: str = "mean") -> Tensor:
    """`mean(max(0, 1 - target * input))`, or of the squares.

    input holds scores, target -1 or 1; they broadcast together, and gradients flow to both. reduction is 'mean',
    'sum' or 'none'. Raises RuntimeError for shapes that do not broadcast, ValueError for an unknown reduction.

    >>> import torch
    >>> x = torch.tensor([0.5, 2.0, 0.5], requires_grad=True)
    >>> loss = hinge_loss(x, torch.tensor([1.0, 1.0, -1.0]), reduction="sum")
    >>> loss.backward()
    >>> loss.item(), x.grad
    (2.0, tensor([-1.,  0.,  1.]))
    """
    return call(HingeLossFunction, input, target, squared, reduction)


class HingeLoss(nn.Module):
    """`manualgrad.functional.hinge_loss` as a module.

    Raises ValueError for a reduction other than 'mean', 'sum' or 'none'.
    """

    def __init__(self, squared: bool = False, reduction: str = "mean") -> None:
        super().__init__()
        if reduction not in ("mean", "sum", "none"):
            raise ValueError(f"HingeLoss: reduction must be 'mean', 'sum' or 'none', got {reduction!r}")
        self.squared = squared
        self.reduction = reduction

    def forward(self, input: Tensor, target: Tensor) -> Tensor:
        return hinge_loss(input, target, self.squared, self.reduction)

    def extra_repr(self) -> str:
        return f"squared={self.squared}, reduction={self.reduction!r}"
