r"""Power-average pooling in one, two or three dimensions: the p-norm of each window, signs kept.

    forward    y[l]  = (K / c(l) sum over j in window l of x[j]^p)^(1 / p)
    backward   dx[j] = x[j]^(p - 1) sum over l with j in window l of dy[l] y[l]^(1 - p) K / c(l)
    tangent    y'[l] = y[l]^(1 - p) K / c(l) sum over j in window l of x[j]^(p - 1) x'[j]

with K the size of the kernel and c(l) <= K the number of positions of window l, less than K at the end with ceil_mode.
j and l have a component per dimension. Where the sum is zero, the slope is taken to be zero. With p infinite, y is the
largest |x| of the window (the smallest with -infinity) and its slope is the sign of that x, zero for the others.

Shapes: x (N, C, *in) or (C, *in), y (N, C, *out) or (C, *out), where out = floor or, with ceil_mode,
ceil((in - kernel) / stride) + 1. Saves x and y, so that no sum is taken again; with p infinite x only.
Source: Gulcehre et al. (2014), Learned-norm pooling for deep feedforward and recurrent neural networks, eq. 1.
"""

import math
from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F

from manualgrad.formula import Formula, gated, save
from manualgrad.parts.windows import Numbers, each, fill_windows

_LP_POOL: dict[int, Any] = {1: F.lp_pool1d, 2: F.lp_pool2d, 3: F.lp_pool3d}
_AVG_POOL: dict[int, Any] = {1: F.avg_pool1d, 2: F.avg_pool2d, 3: F.avg_pool3d}
_MAX_POOL: dict[int, Any] = {
    1: F.max_pool1d_with_indices,
    2: F.max_pool2d_with_indices,
    3: F.max_pool3d_with_indices,
}


class LpPoolFunction(Formula):
    @staticmethod
    def forward(
        x: Tensor, p: float, kernel_size: Numbers, stride: Numbers | None, ceil_mode: bool, dims: int
    ) -> Tensor:
        return _LP_POOL[dims](x, p, kernel_size, stride, ceil_mode)

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Any, ...], output: Tensor) -> None:
        x, ctx.p, kernel_size, stride, ctx.ceil_mode, ctx.dims = inputs
        ctx.kernel = each(kernel_size, ctx.dims)
        ctx.step = each(stride, ctx.dims) if stride else ctx.kernel
        save(ctx, x, None if math.isinf(ctx.p) else output)

    @staticmethod
    def backward(ctx: Any, dy: Tensor) -> tuple[Tensor | None, ...]:
        x, y = ctx.saved_tensors
        if y is None:
            i = _as_one(_extremes(ctx, x), ctx.dims)
            zeros = dy.new_zeros(*x.shape[: -ctx.dims], x.shape[-ctx.dims :].numel())
            dx = zeros.scatter_add_(-1, i, _as_one(dy, ctx.dims)).reshape(x.shape) * x.sgn()
        else:
            u = gated(dy, y) * _root_slope(y, ctx.p)
            if ctx.ceil_mode:
                u = u * _full(u, x.shape[-ctx.dims :], ctx.kernel, ctx.step)
            dx = x.pow(ctx.p - 1) * fill_windows(u, x.shape[-ctx.dims :], ctx.kernel, ctx.step, [0] * ctx.dims)
        return dx, None, None, None, None, None

    @staticmethod
    def jvp(ctx: Any, x_t: Tensor, *_: None) -> Tensor:
        x, y = ctx.saved_tensors
        if y is None:
            i = _extremes(ctx, x)
            return _as_one(x_t * x.sgn(), ctx.dims).gather(-1, _as_one(i, ctx.dims)).reshape(i.shape)
        mean = _AVG_POOL[ctx.dims](x.pow(ctx.p - 1) * x_t, ctx.kernel, ctx.step, 0, ctx.ceil_mode)
        return mean * math.prod(ctx.kernel) * _root_slope(y, ctx.p)


def _root_slope(y: Tensor, p: float) -> Tensor:
    """y^(1 - p), and 0 where y is 0."""
    zero = y == 0
    return torch.where(zero, 0.0, torch.where(zero, 1.0, y).pow(1 - p))


def _extremes(ctx: Any, x: Tensor) -> Tensor:
    """Where the largest |x| of each window is, or the smallest, counted through the last dimensions as if one."""
    size = x.abs() if ctx.p > 0 else -x.abs()
    return _MAX_POOL[ctx.dims](size, ctx.kernel, ctx.step, 0, 1, ctx.ceil_mode)[1]


def _as_one(x: Tensor, dims: int) -> Tensor:
    """`x` with its last `dims` dimensions as one."""
    return x.reshape(*x.shape[:-dims], x.shape[-dims:].numel())


def _full(u: Tensor, sizes: Sequence[int], kernel: list[int], step: list[int]) -> Tensor:
    """K / c(l)."""
    ratio = u.new_ones(())
    for n, o, k, s in zip(sizes, u.shape[-len(sizes) :], kernel, step, strict=True):
        start = torch.arange(o, device=u.device, dtype=u.dtype) * s
        ratio = ratio.unsqueeze(-1) * (k / ((start + k).clamp(max=n) - start))
    return ratio
