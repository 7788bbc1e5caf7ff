r"""Grid sampling: an image or a volume at points that are given for each pixel of the result.

    forward    y[c, i]  = sum over j of w[i, j] x[c, j]
    backward   dx[c, j] = sum over i of w[i, j] dy[c, i]
               dg[i, k] = sum over j of dw[i, j] / dg[i, k] sum over c of x[c, j] dy[c, i]
    tangent    y'[c, i] = sum over j of w[i, j] x'[c, j] + sum over k of dw[i, j] / dg[i, k] g'[i, k] x[c, j]

Point g[i] has a coordinate for each dimension of x, the last one first, from -1 to 1. That is, in pixels of n,
p = ((g + 1) n - 1) / 2 or, with align_corners, p = (g + 1) (n - 1) / 2; w[i, j] is a product over the dimensions:

    bilinear   1 - |p - j| for the two j around p
    nearest    1 for the j nearest to p, halves to the even one; its gradient is zero
    bicubic    (a + 2) u^3 - (a + 3) u^2 + 1 for the two j around p, u = |p - j|, and a (u^3 - 5 u^2 + 8 u - 4) for the
               two around these, a = -3/4

Outside of x is zero; with padding mode 'border' p is moved to the nearest pixel, with 'reflection' it is mirrored at
the edges, or for bicubic each j is. The gradient of a point that was moved to the border is zero.

Shapes: x (N, C, *in) of two or three sizes, g (N, *out, 2 or 3), y (N, C, *out). Saves x and g.
Source: Jaderberg et al. (2015), Spatial transformer networks, eqs. 5 to 7; Keys (1981), Cubic convolution interpolation
for digital image processing, eq. 4.
"""

from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F

from manualgrad.formula import Formula, call, save
from manualgrad.parts.taps import taps_at


class GridSampleFunction(Formula):
    autocast = "promote on cuda"

    @staticmethod
    def forward(x: Tensor, grid: Tensor, mode: str, padding_mode: str, align_corners: bool | None) -> Tensor:
        return F.grid_sample(x, grid, mode, padding_mode, align_corners)

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Any, ...], output: Tensor) -> None:
        x, grid, mode, padding_mode, corners = inputs
        ctx.settings = mode, padding_mode, bool(corners)
        save(ctx, x, grid)

    @staticmethod
    def backward(ctx: Any, dy: Tensor) -> tuple[Tensor | None, ...]:
        x, grid = ctx.saved_tensors
        needs_x, needs_grid = ctx.needs_input_grad[:2]
        moves = needs_grid and ctx.settings[0] != "nearest"
        pixels, out = _framed(x), _flat(dy)
        dx: Any = out.new_zeros(pixels.shape) if needs_x else None
        slopes: list[Any] = [0] * grid.shape[-1]
        for at, w, dw in taps_at(_points(grid), x.shape[2:], *ctx.settings):
            at = at.unsqueeze(1).expand(out.shape)
            if needs_x:
                dx = dx.scatter_add_(2, at, out * w.unsqueeze(1))
            if moves:
                seen = pixels.gather(2, at)
                slopes = [slope + seen * d.unsqueeze(1) for slope, d in zip(slopes, dw, strict=True)]
        dgrid = torch.zeros_like(grid) if needs_grid else None
        if moves:
            dgrid = torch.stack([(out * slope).sum(1) for slope in slopes], -1).reshape(grid.shape)
        return dx if dx is None else dx[:, :, :-1].reshape(x.shape), dgrid, None, None, None

    @staticmethod
    def jvp(ctx: Any, x_t: Tensor | None, grid_t: Tensor | None, *_: None) -> Tensor:
        x, grid = ctx.saved_tensors
        pixels = _framed(x)
        y_t: Any = 0
        for at, w, dw in taps_at(_points(grid), x.shape[2:], *ctx.settings):
            at = at.unsqueeze(1).expand(-1, x.shape[1], -1)
            if x_t is not None:
                y_t = y_t + _framed(x_t).gather(2, at) * w.unsqueeze(1)
            if grid_t is not None:
                w_t = torch.stack([d * g for d, g in zip(dw, _points(grid_t), strict=True)]).sum(0)
                y_t = y_t + pixels.gather(2, at) * w_t.unsqueeze(1)
        return y_t.reshape(*x.shape[:2], *grid.shape[1:-1])


def _flat(x: Tensor) -> Tensor:
    """(N, C, *) -> (N, C, points)."""
    return x.reshape(*x.shape[:2], x.shape[2:].numel())


def _framed(x: Tensor) -> Tensor:
    """The pixels (N, C, pixels + 1), with one more behind them, of value 0, for all that lies outside."""
    return F.pad(_flat(x), (0, 1))


def _points(grid: Tensor) -> tuple[Tensor, ...]:
    """(N, *, dimensions) -> (N, points) for each dimension."""
    return grid.reshape(grid.shape[0], grid.shape[1:-1].numel(), grid.shape[-1]).unbind(-1)


def grid_sample(
    input: Tensor,
    grid: Tensor,
    mode: str = "bilinear",
    padding_mode: str = "zeros",
    align_corners: bool | None = None,
) -> Tensor:
    """`input` at the points of `grid`. Same values and gradients as `torch.nn.functional.grid_sample`.

    input (N, C, H, W) and grid (N, H', W', 2), or (N, C, D, H, W) and (N, D', H', W', 3), of one dtype; the result is
    (N, C, H', W') or (N, C, D', H', W'). A point is (x, y[, z]), -1 and 1 being the edges of the image, or with
    `align_corners` the middles of its outermost pixels. `mode` is "bilinear" (also for volumes), "nearest", or for
    images "bicubic"; `padding_mode` is "zeros", "border" or "reflection".
    Raises ValueError for other words, RuntimeError where shapes or dtypes do not fit.

    >>> import torch
    >>> x = torch.tensor([[[[0.0, 4.0]]]])
    >>> g = torch.tensor([[[[-0.5, 0.0]]]], requires_grad=True)
    >>> y = grid_sample(x, g, align_corners=True)
    >>> y.backward()
    >>> y.item(), g.grad.tolist()
    (1.0, [[[[2.0, 0.0]]]])
    """
    return call(GridSampleFunction, input, grid, mode, padding_mode, align_corners)
