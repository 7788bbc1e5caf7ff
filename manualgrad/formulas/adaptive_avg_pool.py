r"""Adaptive average pooling in one, two or three dimensions: as many windows as are asked for.

    forward    y[l]  = 1 / c(l) sum of x over floor(l in / out) <= j < ceil((l + 1) in / out)
    backward   dx[j] = sum of dy / c over floor(j out / in) <= l < ceil((j + 1) out / in)
    tangent    y'[l] = 1 / c(l) sum of x' over the window of l

l and j have a component per dimension; c(l) is the number of positions of window l. The windows that hold position j
are found like the positions of a window, in and out having changed places: the backward pass is adaptive pooling too.

Shapes: x (N, C, *in) or (C, *in), y (N, C, *out) or (C, *out). Saves nothing: the formula is linear in x.
Source: He et al. (2014), Spatial pyramid pooling in deep convolutional networks, section 2; Lin et al. (2014),
Network in network, section 3.2.
"""

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F

from manualgrad.formula import Formula, save

_ADAPTIVE_AVG_POOL: dict[int, Any] = {1: F.adaptive_avg_pool1d, 2: F.adaptive_avg_pool2d, 3: F.adaptive_avg_pool3d}
Sizes = int | Sequence[int | None] | None


class AdaptiveAvgPoolFunction(Formula):
    @staticmethod
    def forward(x: Tensor, output_size: Sizes, dims: int) -> Tensor:
        return _ADAPTIVE_AVG_POOL[dims](x, output_size)

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Any, ...], output: Tensor) -> None:
        x, *ctx.settings = inputs
        ctx.sizes = x.shape[-inputs[-1] :]
        save(ctx)

    @staticmethod
    def backward(ctx: Any, dy: Tensor) -> tuple[Tensor, None, None]:
        dx = dy
        for axis, n in zip((-1, -2, -3), reversed(ctx.sizes), strict=False):
            dx = _unpool(dx, axis, n)
        return dx, None, None

    @staticmethod
    def jvp(ctx: Any, x_t: Tensor, *_: None) -> Tensor:
        return AdaptiveAvgPoolFunction.forward(x_t, *ctx.settings)


def _window(n: int, o: int, like: Tensor) -> tuple[Tensor, Tensor]:
    """The first and the last position of each of `o` windows over `n` positions."""
    window = torch.arange(o, device=like.device)
    return (window * n).div(o, rounding_mode="floor"), ((window + 1) * n - 1).div(o, rounding_mode="floor")


def _unpool(dy: Tensor, axis: int, n: int) -> Tensor:
    """The adjoint of pooling `n` positions along one dimension."""
    o, after = dy.shape[axis], [1] * (-1 - axis)
    first, last = _window(n, o, dy)
    dy = dy / (last - first + 1).to(dy.dtype).reshape(-1, *after)
    first, last = _window(o, n, dy)  # the windows that hold each position
    dy = F.pad(dy, [0, 0] * (-1 - axis) + [0, 1])  # and a window of nothing, where there are fewer than elsewhere
    most = 1 if n % o == 0 else o // n if o % n == 0 else -(-o // n) + 1
    dx: Any = None
    for r in range(most):
        at = torch.where(first + r <= last, first + r, o)
        # Along the last dimension index_select is ten times slower than gather, and elsewhere gather than index_select.
        term = dy.gather(-1, at.expand(*dy.shape[:-1], n)) if axis == -1 else dy.index_select(axis, at)
        dx = term if dx is None else dx + term
    return dx
