r"""Interpolation: an image, a volume or a signal at other points than those that it is given at.

    forward    y[i]  = sum over k of w[i, k] x[at[i, k]]
    backward   dx[j] = sum over i, k with at[i, k] = j of w[i, k] dy[i]
    tangent    y'[i] = sum over k of w[i, k] x'[at[i, k]]

along one dimension, then along the next. From n points to m, c = s (i + 1/2) - 1/2 is where i lies among the j, with
s = n / m, or 1 over a scale factor; with align_corners c = s i, s = (n - 1) / (m - 1). The taps `at` are the points
nearest to c, those beyond the edge taken at the edge, and their weights are w = h(at - c), with u = |at - c|:

    nearest    at = floor(s i), nearest-exact floor(s (i + 1/2)), w = 1
    linear     h(u) = 1 - u, 2 taps; c is 0 at least
    cubic      h(u) = (a + 2) u^3 - (a + 3) u^2 + 1 up to 1, a (u^3 - 5 u^2 + 8 u - 4) up to 2, 4 taps; a = -3/4
    area       w = 1 / their number, at from floor(i n / m) to before ceil((i + 1) n / m)
    antialias  h(u / max(s, 1)) divided by its sum over the taps, no tap beyond the edge; a = -1/2
    lanczos    h(u) = sinc(u) sinc(u / 3), with antialias only

Shapes: x (N, C, *in) of one to three sizes, y (N, C, *out). Saves nothing: the formula is linear in x.
Source: Keys (1981), Cubic convolution interpolation for digital image processing, eqs. 4 and 15;
Turkowski (1990), Filters for common resampling tasks.
"""

from collections.abc import Sequence
from typing import Any

from torch import Tensor
from torch.nn import functional as F

from manualgrad.formula import Formula, call, save
from manualgrad.parts.taps import even_taps

Sizes = int | Sequence[int] | None
Factors = float | Sequence[float] | None


class InterpolateFunction(Formula):
    @staticmethod
    def forward(
        x: Tensor,
        size: Sizes,
        scale_factor: Factors,
        mode: str,
        align_corners: bool | None,
        recompute_scale_factor: bool | None,
        antialias: bool,
    ) -> Tensor:
        settings: Any = size, scale_factor, mode, align_corners, recompute_scale_factor, antialias
        return F.interpolate(x, *settings)

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Any, ...], output: Tensor) -> None:
        x, *ctx.settings = inputs
        ctx.sizes = x.shape[2:]
        save(ctx)

    @staticmethod
    def backward(ctx: Any, dy: Tensor) -> tuple[Tensor | None, ...]:
        size, factor, mode, corners, recompute, antialias = ctx.settings
        given = size is None and not recompute and mode != "area"  # else the scale is that of the sizes
        dx = dy
        for k in reversed(range(len(ctx.sizes))):
            f = (factor[k] if isinstance(factor, Sequence) else factor) if given else None
            at, weights = even_taps(mode, antialias, corners, ctx.sizes[k], dy.shape[2 + k], f, dy)
            dx = _put_back(dx, k - len(ctx.sizes), ctx.sizes[k], at, weights)
        return dx, None, None, None, None, None, None

    @staticmethod
    def jvp(ctx: Any, x_t: Tensor, *_: None) -> Tensor:
        return F.interpolate(x_t, *ctx.settings)


def _put_back(dy: Tensor, axis: int, n: int, at: Tensor, weights: Tensor | None) -> Tensor:
    """The adjoint of interpolation along one dimension: each tap gets its weight's part of what flowed to its point."""
    shape = list(dy.shape)
    shape[axis] = n
    dx = dy.new_zeros(shape)
    for k in range(at.shape[0]):
        part = dy if weights is None else dy * weights[k].reshape(-1, *[1] * (-1 - axis))
        # Along the last dimension index_add is slower than scatter_add, and elsewhere scatter_add than index_add.
        dx = dx.scatter_add_(-1, at[k].expand(dy.shape), part) if axis == -1 else dx.index_add_(axis, at[k], part)
    return dx


def interpolate(
    input: Tensor,
    size: Sizes = None,
    scale_factor: Factors = None,
    mode: str = "nearest",
    align_corners: bool | None = None,
    recompute_scale_factor: bool | None = None,
    antialias: bool = False,
) -> Tensor:
    """`input` at `size`, or at `scale_factor` times its size. As `torch.nn.functional.interpolate`.

    input (N, C, L), (N, C, H, W) or (N, C, D, H, W); `size` and `scale_factor` are numbers or one for each of these
    sizes. `mode` is "nearest", "nearest-exact" or "area" for all three, "linear", "bilinear" or "trilinear" for one,
    two or three, "bicubic" for two, and "lanczos" for two with `antialias`, which "bilinear" and "bicubic" also have.
    With `align_corners` the first and last points coincide, else the edges half a point further; with
    `recompute_scale_factor` the scale is that of the sizes, not `scale_factor`.
    Raises ValueError for arguments that exclude each other, NotImplementedError for another mode.

    >>> import torch
    >>> x = torch.tensor([[[0.0, 3.0]]], requires_grad=True)
    >>> y = interpolate(x, 4, mode="linear", align_corners=True)
    >>> y.tolist()
    [[[0.0, 1.0, 2.0, 3.0]]]
    >>> y.sum().backward()
    >>> x.grad
    tensor([[[2., 2.]]])
    """
    settings = size, scale_factor, mode, align_corners, recompute_scale_factor, antialias
    return call(InterpolateFunction, input, *settings)
