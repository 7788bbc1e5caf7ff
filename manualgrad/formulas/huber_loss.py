r"""Huber's loss: squared for small errors, linear for large ones.

    forward    y  = mean h(x - t),  h(e) = e^2 / 2             if |e| <= d
                                           d (|e| - d / 2)     otherwise
    backward   dx = dy . h'(x - t) / n,  h'(e) = e clipped to [-d, d]
               dt = -dx
    tangent    y' = mean h'(x - t) (x' - t')

Reduction 'sum' leaves out 1/n, and 'none' the sum as well. Weights w multiply h before the reduction: the mean still
divides by n, and dw = dy . h(x - t) / n.

Shapes: x, t (*) any that broadcast together, w as x; y () or, with 'none', the broadcast shape. Saves x, t and w.
Source: Huber (1964), Robust estimation of a location parameter.
"""

from typing import Any

from torch import Tensor, nn
from torch.nn import functional as F

from manualgrad.formula import Formula, call, moving, reduce, save, spread, unbroadcast
from manualgrad.parts.differences import difference
from manualgrad.public import public


class HuberLossFunction(Formula):
    autocast = "float32"
    complex = "refused"

    @staticmethod
    def forward(x: Tensor, t: Tensor, reduction: str, delta: float, weight: Tensor | None) -> Tensor:
        return F.huber_loss(x, t, reduction, delta, weight)  # type: ignore[call-arg]

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Tensor, Tensor, str, float, Tensor | None], output: Tensor) -> None:
        x, t, ctx.reduction, ctx.delta, weight = inputs
        save(ctx, x, t, weight)

    @staticmethod
    def backward(ctx: Any, dy: Tensor) -> tuple[Tensor | None, Tensor | None, None, None, Tensor | None]:
        x, t, w = ctx.saved_tensors
        needs_x, needs_t, _, _, needs_w = ctx.needs_input_grad
        e = difference(x, t)
        dl = spread(dy, e.shape, ctx.reduction)
        dx = dt = dw = None
        if needs_w:
            dw = unbroadcast(dl * _huber(e, ctx.delta), w.shape)
        if needs_x or needs_t:
            de = e.clamp(-ctx.delta, ctx.delta) * (dl if w is None else dl * w)
            dx = unbroadcast(de, x.shape) if needs_x else None
            dt = -unbroadcast(de, t.shape) if needs_t else None
        return dx, dt, None, None, dw

    @staticmethod
    def jvp(ctx: Any, x_t: Tensor | None, t_t: Tensor | None, _: None, __: None, w_t: Tensor | None) -> Tensor:
        x, t, w = ctx.saved_tensors
        x_t, t_t, w_t = moving(x_t, t_t, w_t)
        e = difference(x, t)
        l_t = e.clamp(-ctx.delta, ctx.delta) * (x_t - t_t)
        return reduce(l_t if w is None else w * l_t + w_t * _huber(e, ctx.delta), ctx.reduction)

    @staticmethod
    def check(x: Tensor, t: Tensor, reduction: str, delta: float, weight: Tensor | None) -> None:
        if delta <= 0:
            raise RuntimeError(f"delta must be positive, got {delta}")
        if weight is not None and weight.shape != x.shape:
            raise ValueError(f"weight must have the shape of input, {tuple(x.shape)}, got {tuple(weight.shape)}")


def _huber(e: Tensor, delta: float) -> Tensor:
    small = e.clamp(-delta, delta)
    return small * (e - 0.5 * small)


@public
def huber_loss(
    input: Tensor, target: Tensor, reduction: str = "mean", delta: float = 1.0, weight: Tensor | None = None
) -> Tensor:
    """Squared error up to `delta`, linear beyond. Same values and gradients as `torch.nn.functional.huber_loss`.

    input and target of one shape, or broadcast together with a warning; weight of input's shape. Gradients flow to
    all three. Raises RuntimeError for a delta that is not positive or shapes that do not broadcast, ValueError for a
    weight of another shape or an unknown reduction.

    >>> import torch
    >>> x = torch.tensor([0.5, -4.0], requires_grad=True)
    >>> loss = huber_loss(x, torch.zeros(2), reduction="sum")
    >>> loss.backward()
    >>> loss.item(), x.grad
    (3.625, tensor([ 0.5000, -1.0000]))
    """
    return call(HuberLossFunction, input, target, reduction, delta, weight)


class HuberLoss(nn.HuberLoss):
    """Drop-in `torch.nn.HuberLoss` computed by `manualgrad.functional.huber_loss`."""

    def forward(self, input: Tensor, target: Tensor) -> Tensor:
        return huber_loss(input, target, reduction=self.reduction, delta=self.delta)
