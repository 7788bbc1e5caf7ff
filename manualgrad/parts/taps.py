"""Taps: the given points that the value at a point between them is made of, and their weights.

`even_taps` is for points that are evenly spread, as interpolation has them, `taps_at` for any, as grid sampling has.
"""

import itertools
import math
from collections.abc import Iterator, Sequence
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F

Tap = tuple[Tensor, Tensor, Tensor]  # which of the given points, its weight, and that one's slope

OUTSIDE = 2.0**31  # times the size of an image still an integer, and a float32

_REACH = {"linear": 1, "bilinear": 1, "trilinear": 1, "bicubic": 2, "lanczos": 3}  # points to either side


def even_taps(
    mode: str, antialias: bool, corners: bool | None, n: int, m: int, factor: float | None, like: Tensor
) -> tuple[Tensor, Tensor | None]:
    """The taps of each of m points among n, evenly spread, as the formula of interpolation says.

    Returns which they are, (taps, m), and their weights, None where there is one of weight 1. `factor` is how often n
    goes into m, where that was given, and `like` a tensor of the dtype and on the device that the weights are to have.
    """
    if mode.startswith("nearest"):  # asked of the kernel, for which a rounding error decides between two neighbours
        points = torch.arange(n, dtype=like.dtype, device=like.device).reshape(1, 1, n)
        return F.interpolate(points, None if factor else m, factor, mode).reshape(1, m).long(), None
    if mode == "area":
        return _windows(n, m, like)
    s = (n - 1) / max(m - 1, 1) if corners else 1 / factor if factor else n / m
    i = torch.arange(m, dtype=like.dtype, device=like.device)
    if antialias:
        return _antialiased(mode, s, n, i)
    reach = _REACH[mode]
    c = s * i if corners else s * (i + 0.5) - 0.5
    c = c.clamp(min=0) if reach == 1 else c
    before = c.floor().clamp(max=n - 1)
    at = before + torch.arange(1 - reach, reach + 1, device=like.device).unsqueeze(1)
    weights = _weight((at - before - (c - before).clamp(max=1)).abs(), mode, -0.75)
    return at.clamp(0, n - 1).long(), weights


def _windows(n: int, m: int, like: Tensor) -> tuple[Tensor, Tensor]:
    """All points of each window, with the same weight."""
    window = torch.arange(m, device=like.device)
    start = (window * n).div(m, rounding_mode="floor")
    end = ((window + 1) * n - 1).div(m, rounding_mode="floor") + 1
    most = n // m if n % m == 0 else 1 if m % n == 0 else -(-n // m) + 1
    at = start + torch.arange(most, device=like.device).unsqueeze(1)
    return at.clamp(max=n - 1), (at < end).to(like.dtype) / (end - start)


def _antialiased(mode: str, s: float, n: int, i: Tensor) -> tuple[Tensor, Tensor]:
    """The weights stretched over as many points as are left out between two results."""
    reach, wide = _REACH[mode], max(s, 1.0)
    c = s * (i + 0.5)  # counted from the edge, half a point before the first
    first = (c - reach * wide + 0.5).clamp(min=0).floor()
    last = (c + reach * wide + 0.5).floor().clamp(max=n) - 1
    at = first + torch.arange(2 * math.ceil(reach * wide) + 1, device=i.device).unsqueeze(1)
    weights = _weight((at + 0.5 - c).abs() / wide, mode, -0.5) * (at <= last)
    return at.clamp(max=n - 1).long(), weights / weights.sum(0)


def _weight(u: Tensor, mode: str, a: float) -> Tensor:
    """h(u), the weight of a point at distance u."""
    if mode == "lanczos":
        return torch.where(u < 3, torch.sinc(u) * torch.sinc(u / 3), 0.0)
    if mode == "bicubic":
        return torch.where(u <= 1, cubic(u, True, a), torch.where(u < 2, cubic(u, False, a), 0.0))
    return (1 - u).clamp(min=0)


def taps_at(
    points: Sequence[Tensor], sizes: Sequence[int], mode: str, padding_mode: str, corners: bool
) -> Iterator[tuple[Tensor, Tensor, list[Tensor]]]:
    """The taps of points among the pixels of an image or a volume, as the formula of grid sampling says, one by one.

    `points` has a coordinate from -1 to 1 of all points, (N, points), for each of the `sizes`, the last one first.
    Yields the tap's number among the pixels, its weight, and the slopes of that by the coordinates. Outside of the
    image the number is that after the last, and the others are 0.
    """
    axes = [_taps_along(g, n, mode, padding_mode, corners) for g, n in zip(points, reversed(sizes), strict=True)]
    for taps in itertools.product(*axes):
        number: Any = 0
        for (at, _, _), k in zip(taps, range(len(sizes)), strict=True):
            number = number + at * math.prod(sizes[len(sizes) - k :])
        number = number.clamp(max=math.prod(sizes))
        weights: list[Any] = [w for _, w, _ in taps]
        slopes: list[Any] = [math.prod([dw, *weights[:k], *weights[k + 1 :]]) for k, (_, _, dw) in enumerate(taps)]
        yield number, math.prod(weights), slopes


def _taps_along(g: Tensor, n: int, mode: str, padding_mode: str, corners: bool) -> list[Tap]:
    scale = (n - 1) / 2 if corners else n / 2
    p = (g + 1) * scale - (0.0 if corners else 0.5)
    if mode == "bicubic":
        first = p.floor()
        t = p - first
        taps = []
        for k, u, sign in ((-1, t + 1, 1), (0, t, 1), (1, 1 - t, -1), (2, 2 - t, -1)):
            w, slope = cubic(u, k in (0, 1)), cubic_slope(u, k in (0, 1))
            taps.append(_tap(_moved(first + k, n, padding_mode, corners)[0], n, w, slope * (sign * scale)))
        return taps
    p, turn = _moved(p, n, padding_mode, corners)
    if mode == "nearest":
        return [_tap(p.round(), n, torch.ones_like(p), torch.zeros_like(p))]
    first = p.floor()
    t, slope = p - first, turn * scale
    return [_tap(first, n, 1 - t, -slope), _tap(first + 1, n, t, slope)]


def _moved(p: Tensor, n: int, padding_mode: str, corners: bool) -> tuple[Tensor, Tensor]:
    """Where padding takes p to, and the slope of that."""
    turn = torch.ones_like(p)
    if padding_mode == "zeros":
        return p, turn
    if padding_mode == "reflection":
        low, span = (0.0, n - 1) if corners else (-0.5, n)
        along = (p - low).remainder(2 * max(span, 1))
        turn = torch.where(along < span, 1.0, -1.0).to(p.dtype)
        p = low + torch.minimum(along, 2 * span - along)
    return p.clamp(0, n - 1), turn * ((p > 0) & (p < n - 1))


def _tap(at: Tensor, n: int, w: Tensor, slope: Tensor) -> Tap:
    """Outside of the image the weight is zero, and the number larger than any there."""
    inside = (at >= 0) & (at <= n - 1)
    return at.where(inside, OUTSIDE).long(), w.where(inside, 0), slope.where(inside, 0)


def cubic(u: Tensor, near: bool, a: float = -0.75) -> Tensor:
    """Keys' weight of a point at distance u, up to 1 if it is near, else from 1 to 2."""
    return ((a + 2) * u - (a + 3)) * u * u + 1 if near else ((a * u - 5 * a) * u + 8 * a) * u - 4 * a


def cubic_slope(u: Tensor, near: bool, a: float = -0.75) -> Tensor:
    """The derivative of `cubic` by u."""
    return (3 * (a + 2) * u - 2 * (a + 3)) * u if near else (3 * a * u - 10 * a) * u + 8 * a
