r"""Kullback-Leibler divergence, of log-probabilities x from a target distribution t.

    forward    y  = mean t (log t - x)
    backward   dx = -dy . t / n
               dt = dy . (log t + 1 - x) / n
    tangent    y' = mean of (log t + 1 - x) t' - t x'

With log_target, t holds logarithms: y = mean e^t (t - x), dx = -dy . e^t / n, dt = dy . e^t (t + 1 - x) / n.
Reduction 'sum' leaves out 1/n, 'none' the sum as well, and 'batchmean' divides by the length of the first dimension
of x only: that is the divergence of the mathematicians, per sample. 0 log 0 is 0.

Shapes: x, t (*) any that broadcast together; y () or, with 'none', the broadcast shape. Saves x and t.
Source: Kullback & Leibler (1951), On information and sufficiency.
"""

import warnings
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import _reduction

from manualgrad.formula import Formula, broadcast_shape, call, moving, reduce, save, spread, unbroadcast


class KLDivFunction(Formula):
    autocast = "float32"

    @staticmethod
    def forward(x: Tensor, t: Tensor, reduction: str, log_target: bool) -> Tensor:
        batchmean = reduction == "batchmean"
        y = torch.kl_div(x, t, _reduction.get_enum("sum" if batchmean else reduction), log_target=log_target)
        return y / x.shape[0] if batchmean and x.dim() else y

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Tensor, Tensor, str, bool], output: Tensor) -> None:
        x, t, reduction, ctx.log_target = inputs
        batchmean = reduction == "batchmean"
        ctx.reduction = "sum" if batchmean else reduction
        ctx.size = x.shape[0] if batchmean and x.dim() else 1
        save(ctx, x, t)

    @staticmethod
    def backward(ctx: Any, dy: Tensor) -> tuple[Tensor | None, Tensor | None, None, None]:
        x, t = ctx.saved_tensors
        needs_x, needs_t, _, _ = ctx.needs_input_grad
        shape = broadcast_shape(x, t)
        dl = spread(dy / ctx.size, shape, ctx.reduction).expand(shape)
        dx = unbroadcast(-dl * (t.exp() if ctx.log_target else t), x.shape) if needs_x else None
        dt = unbroadcast(dl * _slope_of_target(x, t, ctx.log_target), t.shape) if needs_t else None
        return dx, dt, None, None

    @staticmethod
    def jvp(ctx: Any, x_t: Tensor | None, t_t: Tensor | None, _: None, __: None) -> Tensor:
        x, t = ctx.saved_tensors
        x_t, t_t = moving(x_t, t_t)
        l_t = _slope_of_target(x, t, ctx.log_target) * t_t - (t.exp() if ctx.log_target else t) * x_t
        return reduce(l_t, ctx.reduction) / ctx.size

    @staticmethod
    def check(x: Tensor, t: Tensor, reduction: str, log_target: bool) -> None:
        if reduction not in ("none", "mean", "sum", "batchmean"):
            raise ValueError(f"reduction must be 'none', 'mean', 'sum' or 'batchmean', got {reduction!r}")
        try:
            broadcast_shape(x, t)
        except RuntimeError:
            raise RuntimeError(
                f"input and target must broadcast together, got {tuple(x.shape)} and {tuple(t.shape)}"
            ) from None


def _slope_of_target(x: Tensor, t: Tensor, log_target: bool) -> Tensor:
    return t.exp() * (t + 1 - x) if log_target else t.log() + 1 - x


def kl_div(
    input: Tensor,
    target: Tensor,
    size_average: bool | None = None,
    reduce: bool | None = None,
    reduction: str = "mean",
    log_target: bool = False,
) -> Tensor:
    """Divergence of log-probabilities from a target. Same values and gradients as `torch.nn.functional.kl_div`.

    input holds log-probabilities, target probabilities or, with log_target, their logarithms; they broadcast
    together, and gradients flow to both. reduction 'mean' warns, as torch does: 'batchmean' is the divergence per
    sample. Raises RuntimeError for shapes that do not broadcast, ValueError for an unknown reduction.

    >>> import torch
    >>> x = torch.tensor([[0.25, 0.75]]).log().requires_grad_()
    >>> kl_div(x, torch.tensor([[0.5, 0.5]]), reduction="batchmean").backward()
    >>> x.grad
    tensor([[-0.5000, -0.5000]])
    """
    if size_average is not None or reduce is not None:
        reduction = _reduction.legacy_get_string(size_average, reduce)
    elif reduction == "mean":
        warnings.warn(
            "kl_div: reduction 'mean' divides by the number of elements; 'batchmean', which divides by the number of "
            "samples, is the divergence of the definition, and torch announces that 'mean' will become it",
            stacklevel=2,
        )
    return call(KLDivFunction, input, target, reduction, log_target)


class KLDivLoss(nn.KLDivLoss):
    """Drop-in `torch.nn.KLDivLoss` computed by `manualgrad.functional.kl_div`."""

    def forward(self, input: Tensor, target: Tensor) -> Tensor:
        return kl_div(input, target, reduction=self.reduction, log_target=self.log_target)
