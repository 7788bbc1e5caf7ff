r"""Mean absolute error.

    forward    y  = mean |x - t|
    backward   dx = dy . sign(x - t) / n
               dt = -dx
    tangent    y' = mean sign(x - t) (x' - t')

Reduction 'sum' leaves out 1/n, and 'none' the sum as well. With weights w, a mean divides by W = sum w in place of n:
y = sum w |x - t| / W,  dx = dy . w sign(x - t) / W,  dw = dy . (|x - t| - y) / W. Where x = t the slope is 0.

Shapes: x, t (*) any that broadcast together, w as x; y () or, with 'none', the broadcast shape. Saves the signs, in
one byte each: they are piecewise constant, so that nothing is lost when they are differentiated again. With weights,
x, t, w.
Source: Boscovich (1757), Laplace (1793): the method of least absolute deviations.
"""

from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import _reduction
from torch.nn import functional as F

from manualgrad.formula import Formula, call, moving, raised, reduce, save, spread, unbroadcast


class L1LossFunction(Formula):
    complex = "refused"

    @staticmethod
    def forward(x: Tensor, t: Tensor, weight: Tensor | None, reduction: str) -> Tensor:
        if weight is None:
            return F.l1_loss(x, t, reduction=reduction)
        if weight.shape != x.shape:  # written out, since F.l1_loss forgets its weight under every torch-function mode
            raise ValueError(f"weight must have the shape of input, {tuple(x.shape)}, got {tuple(weight.shape)}")
        loss = (x - t).abs() * weight
        return loss.sum() / weight.sum() if reduction == "mean" else reduce(loss, reduction)

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Tensor, Tensor, Tensor | None, str], output: Tensor) -> None:
        x, t, weight, ctx.reduction = inputs
        ctx.shapes = x.shape, t.shape
        if weight is None:
            save(ctx, (x - t).sign().to(torch.int8))
        else:
            save(ctx, x, t, weight)

    @staticmethod
    def backward(ctx: Any, dy: Tensor) -> tuple[Tensor | None, Tensor | None, Tensor | None, None]:
        needs_x, needs_t, needs_w, _ = ctx.needs_input_grad
        dw = None
        saved = ctx.saved_tensors
        if len(saved) == 1:
            (sign,) = saved
            de = sign * spread(dy, sign.shape, ctx.reduction)
        else:
            x, t, w = saved
            e = x - t
            dl = dy / w.sum() if ctx.reduction == "mean" else dy
            de = dl * w * e.sign()
            if needs_w:
                dw = unbroadcast(dl * e.abs(), w.shape)
                if ctx.reduction == "mean":
                    dw = dw - dl * ((w * e.abs()).sum() / w.sum())
        x_shape, t_shape = ctx.shapes
        dx = unbroadcast(de, x_shape) if needs_x else None
        return dx, -unbroadcast(de, t_shape) if needs_t else None, dw, None

    @staticmethod
    def jvp(ctx: Any, x_t: Tensor | None, t_t: Tensor | None, w_t: Tensor | None, _: None) -> Tensor:
        x_t, t_t, w_t = moving(x_t, t_t, w_t)
        if len(ctx.saved_tensors) == 1:
            return reduce(ctx.saved_tensors[0] * (x_t - t_t), ctx.reduction)
        x, t, w = ctx.saved_tensors
        e = x - t
        l_t = w * e.sign() * (x_t - t_t) + w_t * e.abs()
        if ctx.reduction != "mean":
            return reduce(l_t, ctx.reduction)
        y = (w * e.abs()).sum() / w.sum()
        return (l_t.sum() - y * (0 * w + w_t).sum()) / w.sum()


def l1_loss(
    input: Tensor,
    target: Tensor,
    size_average: bool | None = None,
    reduce: bool | None = None,
    reduction: str = "mean",
    weight: Tensor | None = None,
) -> Tensor:
    """`mean(abs(input - target))`. Same values and gradients as `torch.nn.functional.l1_loss`.

    input and target of one shape, or broadcast together with a warning; weight of input's shape. Gradients flow to all
    three. Raises RuntimeError for shapes that do not broadcast, ValueError for a weight of another shape or an unknown
    reduction.

    >>> import torch
    >>> x = torch.tensor([1.0, -4.0], requires_grad=True)
    >>> loss = l1_loss(x, torch.tensor([0.0, 1.0]))
    >>> loss.backward()
    >>> loss.item(), x.grad
    (3.0, tensor([ 0.5000, -0.5000]))
    """
    if size_average is not None or reduce is not None:
        reduction = _reduction.legacy_get_string(size_average, reduce)
    if weight is None:  # with weights torch's own operations are left alone by autocast, each as it is
        input, target = raised(input, target)
    return call(L1LossFunction, input, target, weight, reduction)


class L1Loss(nn.L1Loss):
    """Drop-in `torch.nn.L1Loss` computed by `manualgrad.functional.l1_loss`."""

    def forward(self, input: Tensor, target: Tensor) -> Tensor:
        return l1_loss(input, target, reduction=self.reduction)
