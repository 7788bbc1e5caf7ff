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

import math
import warnings
from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from manualgrad.formula import Formula, call, save

Sizes = int | Sequence[int] | None
Factors = float | Sequence[float] | None

_REACH = {"linear": 1, "bilinear": 1, "trilinear": 1, "bicubic": 2, "lanczos": 3}  # points to either side of c


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
            taps = _taps(mode, antialias, corners, ctx.sizes[k], dy.shape[2 + k], f, dy)
            dx = _put_back(dx, k - len(ctx.sizes), ctx.sizes[k], *taps)
        return dx, None, None, None, None, None, None

    @staticmethod
    def jvp(ctx: Any, x_t: Tensor, *_: None) -> Tensor:
        return F.interpolate(x_t, *ctx.settings)


def _taps(
    mode: str, antialias: bool, corners: bool | None, n: int, m: int, factor: float | None, like: Tensor
) -> tuple[Tensor, Tensor | None]:
    """The taps of each of m points among n: where (taps, m) and their weights, None where there is one of weight 1."""
    i = torch.arange(m, dtype=like.dtype, device=like.device)
    if mode.startswith("nearest"):  # asked of the kernel, for which a rounding error decides between two neighbours
        points = torch.arange(n, dtype=like.dtype, device=like.device).reshape(1, 1, n)
        return F.interpolate(points, None if factor else m, factor, mode).reshape(1, m).long(), None
    if mode == "area":
        window = torch.arange(m, device=like.device)
        start = (window * n).div(m, rounding_mode="floor")
        end = ((window + 1) * n - 1).div(m, rounding_mode="floor") + 1
        most = n // m if n % m == 0 else 1 if m % n == 0 else -(-n // m) + 1
        at = start + torch.arange(most, device=like.device).unsqueeze(1)
        return at.clamp(max=n - 1), (at < end).to(like.dtype) / (end - start)
    s = (n - 1) / max(m - 1, 1) if corners else 1 / factor if factor else n / m
    reach = _REACH[mode]
    if antialias:
        wide = max(s, 1.0)
        c = s * (i + 0.5)  # counted from the edge, half a point before the first
        first = (c - reach * wide + 0.5).clamp(min=0).floor()
        last = (c + reach * wide + 0.5).floor().clamp(max=n) - 1
        at = first + torch.arange(2 * math.ceil(reach * wide) + 1, device=like.device).unsqueeze(1)
        weights = _weight((at + 0.5 - c).abs() / wide, mode, -0.5) * (at <= last)
        return at.clamp(max=n - 1).long(), weights / weights.sum(0)
    c = s * i if corners else s * (i + 0.5) - 0.5
    c = c.clamp(min=0) if reach == 1 else c
    before = c.floor().clamp(max=n - 1)
    at = before + torch.arange(1 - reach, reach + 1, device=like.device).unsqueeze(1)
    weights = _weight((at - before - (c - before).clamp(max=1)).abs(), mode, -0.75)
    return at.clamp(0, n - 1).long(), weights


def _weight(u: Tensor, mode: str, a: float) -> Tensor:
    """h(u)."""
    if mode == "lanczos":
        return torch.where(u < 3, torch.sinc(u) * torch.sinc(u / 3), 0.0)
    if mode == "bicubic":
        near = ((a + 2) * u - (a + 3)) * u * u + 1
        far = ((a * u - 5 * a) * u + 8 * a) * u - 4 * a
        return torch.where(u <= 1, near, torch.where(u < 2, far, 0.0))
    return (1 - u).clamp(min=0)


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


def _warn_of_old_name(name: str) -> None:
    if not torch.compiler.is_compiling():  # torch.compile cannot warn in the midst of a graph
        warnings.warn(f"{name} is an old name of interpolate", stacklevel=3)


def upsample(
    input: Tensor,
    size: Sizes = None,
    scale_factor: Factors = None,
    mode: str = "nearest",
    align_corners: bool | None = None,
) -> Tensor:
    """`interpolate` by its old name, of which it warns as torch does. input (N, C, *), of one to three sizes.

    >>> import torch, warnings
    >>> warnings.simplefilter("ignore")
    >>> upsample(torch.tensor([[[1.0, 2.0]]]), scale_factor=2).flatten()
    tensor([1., 1., 2., 2.])
    """
    _warn_of_old_name("upsample")
    return call(InterpolateFunction, input, size, scale_factor, mode, align_corners, None, False)


def upsample_nearest(input: Tensor, size: Sizes = None, scale_factor: Factors = None) -> Tensor:
    """`interpolate(mode="nearest")` by its old name, of which it warns as torch does. input (N, C, *).

    >>> import torch, warnings
    >>> warnings.simplefilter("ignore")
    >>> upsample_nearest(torch.tensor([[[1.0, 2.0]]]), 4).flatten()
    tensor([1., 1., 2., 2.])
    """
    _warn_of_old_name("upsample_nearest")
    return call(InterpolateFunction, input, size, scale_factor, "nearest", None, None, False)


def upsample_bilinear(input: Tensor, size: Sizes = None, scale_factor: Factors = None) -> Tensor:
    """`interpolate(mode="bilinear", align_corners=True)` by its old name, of which it warns. input (N, C, H, W).

    >>> import torch, warnings
    >>> warnings.simplefilter("ignore")
    >>> upsample_bilinear(torch.tensor([[[[0.0, 2.0]]]]), (1, 3)).flatten()
    tensor([0., 1., 2.])
    """
    _warn_of_old_name("upsample_bilinear")
    return call(InterpolateFunction, input, size, scale_factor, "bilinear", True, None, False)


class Upsample(nn.Upsample):
    """Drop-in `torch.nn.Upsample` computed by `manualgrad.functional.interpolate`."""

    def forward(self, input: Tensor) -> Tensor:
        settings = self.size, self.scale_factor, self.mode, self.align_corners, self.recompute_scale_factor
        return call(InterpolateFunction, input, *settings, False)


class UpsamplingNearest2d(nn.UpsamplingNearest2d):
    """Drop-in `torch.nn.UpsamplingNearest2d` computed by `manualgrad.functional.interpolate`."""

    forward = Upsample.forward


class UpsamplingBilinear2d(nn.UpsamplingBilinear2d):
    """Drop-in `torch.nn.UpsamplingBilinear2d` computed by `manualgrad.functional.interpolate`."""

    forward = Upsample.forward
