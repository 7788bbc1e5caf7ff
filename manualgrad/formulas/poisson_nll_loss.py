r"""Negative log-likelihood of counts t that are Poisson distributed, of expected value e^x or x.

    forward    y  = mean e^x - t x                    log_input
               y  = mean x - t log(x + eps)           otherwise
    backward   dx = dy . (e^x - t) / n,         dt = -dy . x / n
               dx = dy . (1 - t / (x + eps)) / n,  dt = -dy . log(x + eps) / n
    tangent    y' = mean of the same slopes times x' and t'

With `full`, Stirling's approximation of log t! is added where t > 1: t log t - t + log(2 pi t) / 2, of slope
log t + 1 / (2 t). Reduction 'sum' leaves out 1/n, and 'none' the sum as well.

Shapes: x, t (*) any that broadcast together; y () or, with 'none', the broadcast shape. Saves x and t.
Source: Cameron & Trivedi (1998), Regression Analysis of Count Data, section 3.2.
"""

from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import _reduction
from torch.nn import functional as F

from manualgrad.formula import Formula, broadcast_shape, call, moving, reduce, save, spread, unbroadcast
from manualgrad.parts.differences import difference


class PoissonNLLLossFunction(Formula):
    complex = "refused"
    autocast = "float32"

    @staticmethod
    def forward(x: Tensor, t: Tensor, log_input: bool, full: bool, eps: float, reduction: str) -> Tensor:
        return F.poisson_nll_loss(x, t, log_input, full, eps=eps, reduction=reduction)

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Tensor, Tensor, bool, bool, float, str], output: Tensor) -> None:
        x, t, ctx.log_input, ctx.full, ctx.eps, ctx.reduction = inputs
        save(ctx, x, t)

    @staticmethod
    def backward(ctx: Any, dy: Tensor) -> tuple[Tensor | None, Tensor | None, None, None, None, None]:
        x, t = ctx.saved_tensors
        needs_x, needs_t, *_ = ctx.needs_input_grad
        shape = broadcast_shape(x, t)
        dl = spread(dy, shape, ctx.reduction).expand(shape)
        dx = unbroadcast(dl * _slope(ctx, x, t), x.shape) if needs_x else None
        dt = unbroadcast(dl * _slope_of_target(ctx, x, t), t.shape) if needs_t else None
        return dx, dt, None, None, None, None

    @staticmethod
    def jvp(ctx: Any, x_t: Tensor | None, t_t: Tensor | None, *_: None) -> Tensor:
        x, t = ctx.saved_tensors
        x_t, t_t = moving(x_t, t_t)
        return reduce(_slope(ctx, x, t) * x_t + _slope_of_target(ctx, x, t) * t_t, ctx.reduction)


def _slope(ctx: Any, x: Tensor, t: Tensor) -> Tensor:
    return difference(x.exp(), t) if ctx.log_input else 1 - t / (x + ctx.eps)


def _slope_of_target(ctx: Any, x: Tensor, t: Tensor) -> Tensor:
    slope = -1.0 * x if ctx.log_input else -(x + ctx.eps).log()
    if ctx.full:
        large = t.clamp(min=1)  # where t is at most 1 the term is 0, and its slope is not to become NaN
        slope = slope + torch.where(t > 1, large.log() + 0.5 / large, 0.0)
    return slope


def poisson_nll_loss(
    input: Tensor,
    target: Tensor,
    log_input: bool = True,
    full: bool = False,
    size_average: bool | None = None,
    eps: float = 1e-8,
    reduce: bool | None = None,
    reduction: str = "mean",
) -> Tensor:
    """Loss of counts. Same values and gradients as `torch.nn.functional.poisson_nll_loss`.

    input holds the expected counts, or with log_input their logarithms, target the counts; they broadcast together, and
    gradients flow to both. full adds Stirling's approximation of log(target!), eps keeps log(input) finite without
    log_input. Raises RuntimeError for shapes that do not broadcast, ValueError for an unknown reduction.

    >>> import torch
    >>> x = torch.zeros(2, requires_grad=True)
    >>> poisson_nll_loss(x, torch.tensor([1.0, 3.0]), reduction="sum").backward()
    >>> x.grad
    tensor([ 0., -2.])
    """
    if size_average is not None or reduce is not None:
        reduction = _reduction.legacy_get_string(size_average, reduce)
    return call(PoissonNLLLossFunction, input, target, log_input, full, eps, reduction)


class PoissonNLLLoss(nn.PoissonNLLLoss):
    """Drop-in `torch.nn.PoissonNLLLoss` computed by `manualgrad.functional.poisson_nll_loss`."""

    def forward(self, log_input: Tensor, target: Tensor) -> Tensor:
        return poisson_nll_loss(
            log_input, target, log_input=self.log_input, full=self.full, eps=self.eps, reduction=self.reduction
        )
