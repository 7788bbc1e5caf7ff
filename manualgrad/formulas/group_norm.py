r"""Group normalisation: each group of channels is brought to mean 0 and variance 1, then scaled and shifted.

    forward    h  = (x - m) r                           m the mean over a group, v the mean of (x - m)^2 over it,
               y  = h w + b                             r = 1 / sqrt(v + eps); w and b per channel
    backward   dh = dy w
               dx = r (dh - mean(dh) - h mean(dh h))    what changes m or v is taken out of dh
               dw = dy h,  db = dy                      summed over examples and positions
    tangent    h' = r (x' - mean(x') - h mean(h x'))
               y' = h' w + h w' + b'

Shapes: x, y (n, c, *), c divisible by the number of groups; w and b (c). Saves x and w: m and r are two cheap sums
again.
Source: Wu & He (2018), Group normalization, eqs. 1 to 6.
"""

from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from manualgrad.formula import Formula, call, save


class GroupNormFunction(Formula):
    autocast = "float32 on cuda"

    @staticmethod
    def forward(x: Tensor, num_groups: int, weight: Tensor | None, bias: Tensor | None, eps: float) -> Tensor:
        return F.group_norm(x, num_groups, weight, bias, eps)

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Any, ...], output: Tensor) -> None:
        x, groups, weight, _, eps = inputs
        save(ctx, x, weight)
        channels, positions = x.shape[1], x.shape[2:].numel()
        ctx.view = (x.shape[0], groups, channels // groups, positions)
        ctx.size, ctx.eps = channels // groups * positions, eps

    @staticmethod
    def backward(ctx: Any, dy: Tensor) -> tuple[Tensor | None, ...]:
        x, weight = ctx.saved_tensors
        needs_x, _, needs_weight, needs_bias, _ = ctx.needs_input_grad
        dy = dy.reshape(ctx.view)
        dys = dy.sum(3, keepdim=True)  # per example and channel: all that dw, db and the means need
        dx = dw = db = None
        if needs_x or needs_weight:
            xc, r = _centred(x.reshape(ctx.view), ctx.size, ctx.eps)
            products = (dy * xc).sum(3, keepdim=True)
            if needs_weight:
                dw = (products * r).sum(0).reshape(-1)
            if needs_x:
                w = _per_channel(weight, ctx.view)
                mean = (dys * w).sum(2, keepdim=True) / ctx.size
                inner = (products * w).sum(2, keepdim=True) / ctx.size * (r * r)
                dx = torch.addcmul(dy * (w * r), xc, inner * r, value=-1)
                dx = dx.sub_(mean * r).reshape(x.shape)  # in place, since dx is our own: new memory costs most
        if needs_bias:
            db = dys.sum(0).reshape(-1)
        return dx, None, dw, db, None

    @staticmethod
    def jvp(ctx: Any, x_t: Tensor | None, _: None, weight_t: Tensor | None, bias_t: Tensor | None, __: None) -> Tensor:
        x, weight = ctx.saved_tensors
        xc, r = _centred(x.reshape(ctx.view), ctx.size, ctx.eps)
        h, y_t = xc * r, torch.zeros_like(xc)
        if x_t is not None:
            x_t = x_t.reshape(ctx.view)
            inner = (h * x_t).sum((2, 3), keepdim=True) / ctx.size
            y_t = (x_t - x_t.sum((2, 3), keepdim=True) / ctx.size - h * inner) * (r * _per_channel(weight, ctx.view))
        if weight_t is not None:
            y_t = y_t + h * _per_channel(weight_t, ctx.view)
        if bias_t is not None:
            y_t = y_t + _per_channel(bias_t, ctx.view)
        return y_t.reshape(x.shape)


def _centred(x: Tensor, size: int, eps: float) -> tuple[Tensor, Tensor]:
    """x - m and r, of the groups of x (n, groups, channels of a group, positions)."""
    xc = x - x.sum((2, 3), keepdim=True) / size
    return xc, torch.rsqrt(xc.square().sum((2, 3), keepdim=True) / size + eps)


def _per_channel(weight: Tensor | None, view: tuple[int, ...]) -> Any:
    return 1.0 if weight is None else weight.reshape(view[1], view[2], 1)


def group_norm(
    input: Tensor, num_groups: int, weight: Tensor | None = None, bias: Tensor | None = None, eps: float = 1e-5
) -> Tensor:
    """Normalise over the channels of each of `num_groups` groups and all positions; as torch's `group_norm`.

    input (n, c, *), weight and bias (c). Raises RuntimeError where shapes do not fit or num_groups does not divide c.

    >>> import torch
    >>> x = torch.tensor([[1.0, 3.0, 10.0, 20.0]], requires_grad=True)
    >>> y = group_norm(x, 2)
    >>> y.detach()
    tensor([[-1.0000,  1.0000, -1.0000,  1.0000]])
    """
    return call(GroupNormFunction, input, num_groups, weight, bias, eps)


class GroupNorm(nn.GroupNorm):
    """Drop-in `torch.nn.GroupNorm` computed by `manualgrad.functional.group_norm`."""

    def forward(self, input: Tensor) -> Tensor:
        return group_norm(input, self.num_groups, self.weight, self.bias, self.eps)
