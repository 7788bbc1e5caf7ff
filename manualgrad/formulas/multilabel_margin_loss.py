r"""Multi-label margin loss: the score of each right class is to exceed that of each wrong one by 1.

    forward    y_i   = (1/C) sum_(j in t_i) sum_(k not in t_i) max(0, 1 - x_ij + x_ik)
    backward   dx_ij = -dy_i . (number of k not in t_i with x_ik > x_ij - 1) / C     for j in t_i
               dx_ik = dy_i . (number of j in t_i with x_ij - 1 < x_ik) / C          for k not in t_i
    tangent    y_i'  = sum_c x_ic' dx_ic / dy_i

Then y is the 'mean' or the 'sum' over i, or with 'none' y_i. A class listed twice in t_i counts twice. The pairs are
counted by sorting, in C log C steps, not by going through them.

Shapes: x (C) or (N, C); t as x, whose rows list class numbers up to the first negative one; y () or, with 'none', (N)
or (). Saves x and t.
Source: Schapire & Singer (2000), BoosTexter: a boosting-based system for text categorization (ranking loss, with a
hinge).
"""

from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import _reduction

from manualgrad.formula import HALF, Formula, call, gated, reduce, save, spread, values_are_visible
from manualgrad.parts.targets import as_rows, check_numbers
from manualgrad.public import expect_floating


class MultilabelMarginLossFunction(Formula):
    autocast = "float32"

    @staticmethod
    def forward(x: Tensor, t: Tensor, reduction: str) -> tuple[Tensor, Tensor]:
        if x.dim() > 2 or t.shape != x.shape:
            raise RuntimeError(
                "input must have shape (C) or (N, C), and target the shape of input, "
                f"got {tuple(x.shape)} and {tuple(t.shape)}"
            )
        expect_floating("input", x)
        if values_are_visible():
            MultilabelMarginLossFunction.check(x, t, reduction)  # what follows would take any number
        slope, violated = _counts(x, t)
        loss = ((slope * as_rows(x)).sum(1) + violated) / slope.shape[1]  # each pair gives 1, -x_ij and x_ik
        return reduce(loss.reshape(x.shape[:-1]).to(x.dtype), reduction), slope

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Tensor, Tensor, str], output: tuple[Tensor, Tensor]) -> None:
        x, _, ctx.reduction = inputs
        ctx.shape = x.shape
        save(ctx, output[1])

    @staticmethod
    def backward(ctx: Any, dy: Tensor, _: Tensor | None) -> tuple[Tensor, None, None]:
        (slope,) = ctx.saved_tensors
        dl = dy.reshape(-1, 1) if ctx.reduction == "none" else spread(dy, slope.shape[:1], ctx.reduction)
        return (slope * gated(dl / slope.shape[1], slope.abs())).reshape(ctx.shape), None, None

    @staticmethod
    def jvp(ctx: Any, x_t: Tensor, _: None, __: None) -> tuple[Tensor, Tensor]:
        (slope,) = ctx.saved_tensors
        l_t = (slope * as_rows(x_t)).sum(1) / slope.shape[1]
        return reduce(l_t.reshape(ctx.shape[:-1]), ctx.reduction), torch.zeros_like(slope)

    @staticmethod
    def check(x: Tensor, t: Tensor, reduction: str) -> None:
        if x.dim() <= 2 and t.shape == x.shape:
            check_numbers(x, t, least=-1)


def _counts(x: Tensor, t: Tensor) -> tuple[Tensor, Tensor]:
    """C times the slope of each row's loss with respect to its scores, (N, C), and how many pairs are violated, (N).

    Both are piecewise constant: they have no derivative of their own.
    """
    x, t = as_rows(x).detach().contiguous(), as_rows(t)
    listed = (t < 0).cumsum(1) == 0
    t = t.clamp(min=0)
    times = torch.zeros_like(x).scatter_add(1, t, listed.to(x.dtype))  # how often each class is listed
    right = torch.where(listed, x.gather(1, t) - 1, torch.inf).sort(1).values
    wrong = torch.where(times > 0, -torch.inf, x).sort(1).values
    of_wrong = torch.where(times > 0, 0, torch.searchsorted(right, x))
    of_right = x.shape[1] - torch.searchsorted(wrong, x - 1, right=True)
    wide = torch.float32 if x.dtype in HALF else x.dtype
    return (of_wrong - times.to(wide) * of_right), of_wrong.sum(1)


def multilabel_margin_loss(
    input: Tensor,
    target: Tensor,
    size_average: bool | None = None,
    reduce: bool | None = None,
    reduction: str = "mean",
) -> Tensor:
    """Hinge loss of samples with several classes. As `torch.nn.functional.multilabel_margin_loss`.

    input (C) or (N, C) holds scores; each row of target, of that shape, int64, lists class numbers and ends at the
    first -1. Raises RuntimeError for shapes that do not fit or a class number out of range, ValueError for an unknown
    reduction.

    >>> import torch
    >>> x = torch.tensor([[0.5, 0.25, -1.0]], requires_grad=True)
    >>> loss = multilabel_margin_loss(x, torch.tensor([[0, -1, -1]]))
    >>> loss.backward()
    >>> loss.item(), x.grad
    (0.25, tensor([[-0.3333,  0.3333,  0.0000]]))
    """
    if size_average is not None or reduce is not None:
        reduction = _reduction.legacy_get_string(size_average, reduce)
    loss: Tensor = call(MultilabelMarginLossFunction, input, target, reduction)[0]
    return loss


class MultiLabelMarginLoss(nn.MultiLabelMarginLoss):
    """Drop-in `torch.nn.MultiLabelMarginLoss` computed by `manualgrad.functional.multilabel_margin_loss`."""

    def forward(self, input: Tensor, target: Tensor) -> Tensor:
        return multilabel_margin_loss(input, target, reduction=self.reduction)
