r"""Mean squared error.

    forward    y  = mean (x - t)^2
    backward   dx = dy . 2 (x - t) / n
               dt = -dx
    tangent    y' = mean 2 (x - t) (x' - t')

Reduction 'sum' leaves out 1/n, and 'none' the sum as well. With weights w, a mean divides by W = sum w in place of n:
y = sum w (x - t)^2 / W,  dx = dy . 2 w (x - t) / W,  dw = dy . ((x - t)^2 - y) / W.

Shapes: x, t (*) any that broadcast together, w as x; y () or, with 'none', the broadcast shape. Saves x, t and w.
Source: Bishop (2006), Pattern Recognition and Machine Learning, eq. 1.2, without its 1/2 (that is `half_mse_loss`).
"""

from typing import Any

from torch import Tensor, nn
from torch.nn import _reduction
from torch.nn import functional as F

from manualgrad.formula import Formula, call, moving, raised, reduce, save, spread, unbroadcast
from manualgrad.parts.differences import difference
from manualgrad.public import public


class MSELossFunction(Formula):
    @staticmethod
    def forward(x: Tensor, t: Tensor, weight: Tensor | None, reduction: str) -> Tensor:
        if weight is not None and any(v.is_complex() for v in (x, t, weight)):
            raise NotImplementedError("with a weight, the formula is for real numbers, not for complex ones")
        return F.mse_loss(x, t, reduction=reduction, weight=weight)  # type: ignore[call-arg]

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Tensor, Tensor, Tensor | None, str], output: Tensor) -> None:
        x, t, weight, ctx.reduction = inputs
        save(ctx, x, t, weight)

    @staticmethod
    def backward(ctx: Any, dy: Tensor) -> tuple[Tensor | None, Tensor | None, Tensor | None, None]:
        x, t, w = ctx.saved_tensors
        needs_x, needs_t, needs_w, _ = ctx.needs_input_grad
        e = difference(x, t)
        if w is None:
            de = e * spread(2 * dy, e.shape, ctx.reduction)
        else:
            dl = dy / w.sum() if ctx.reduction == "mean" else dy
            de = 2 * dl * w * e
        dw = None
        if needs_w:
            dw = unbroadcast(dl * e * e, w.shape)
            if ctx.reduction == "mean":
                dw = dw - dl * ((w * e * e).sum() / w.sum())
        dx = unbroadcast(de, x.shape) if needs_x else None
        return dx, -unbroadcast(de, t.shape) if needs_t else None, dw, None

    @staticmethod
    def jvp(ctx: Any, x_t: Tensor | None, t_t: Tensor | None, w_t: Tensor | None, _: None) -> Tensor:
        x, t, w = ctx.saved_tensors
        x_t, t_t, w_t = moving(x_t, t_t, w_t)
        e = difference(x, t)
        if w is None:
            return reduce(2 * e * (x_t - t_t), ctx.reduction)
        l_t = w * 2 * e * (x_t - t_t) + w_t * e * e
        if ctx.reduction != "mean":
            return reduce(l_t, ctx.reduction)
        y = (w * e * e).sum() / w.sum()
        return (l_t.sum() - y * (0 * w + w_t).sum()) / w.sum()


@public
def mse_loss(
    input: Tensor,
    target: Tensor,
    size_average: bool | None = None,
    reduce: bool | None = None,
    reduction: str = "mean",
    weight: Tensor | None = None,
) -> Tensor:
    """`mean((input - target)**2)`. Same values and gradients as `torch.nn.functional.mse_loss`.

    input and target of one shape, or broadcast together with a warning; weight of input's shape. Gradients flow to all
    three. Raises RuntimeError for shapes that do not broadcast, ValueError for a weight of another shape or an unknown
    reduction.

    >>> import torch
    >>> x = torch.tensor([1.0, 4.0], requires_grad=True)
    >>> loss = mse_loss(x, torch.tensor([0.0, 1.0]))
    >>> loss.backward()
    >>> loss.item(), x.grad
    (5.0, tensor([1., 3.]))
    """
    if size_average is not None or reduce is not None:
        reduction = _reduction.legacy_get_string(size_average, reduce)
    if weight is None:  # with weights torch's own operations are left alone by autocast, each as it is
        input, target = raised(input, target)
    return call(MSELossFunction, input, target, weight, reduction)


class MSELoss(nn.MSELoss):
    """Drop-in `torch.nn.MSELoss` computed by `manualgrad.functional.mse_loss`."""

    def forward(self, input: Tensor, target: Tensor) -> Tensor:
        return mse_loss(input, target, reduction=self.reduction)
