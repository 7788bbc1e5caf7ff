r"""Derivatives by differences, each with an error bar of its own.

    phi(t) = f(x + t u),  wanted phi'(0)

Central differences at t = h, 2h, 4h, two steps of Richardson extrapolation:

    c_k = (phi(kh) - phi(-kh)) / 2kh        r = (64 c_1 - 20 c_2 + c_4) / 45        r - phi'(0) = O(h^6)

The error bar adds three independent terms: how much the last step of the extrapolation changed the result; the
rounding error of the values, divided by h; and what is left of the even part of phi after its t^2 and t^4 have been
taken out, which a smooth function does not have and a kink or noise does. Steps shrink until the bar is small, so a
kink at a distance of 1e-6 is stepped around. What does not converge is looked at from either side: two slopes that
differ are a kink, one side that is not finite is the edge of a domain.

Source: Richardson (1911); Fornberg (1988), Generation of finite difference formulas on arbitrarily spaced grids;
Squire & Trapp (1998), Using complex variables to estimate derivatives of real functions (the complex step).
"""

from __future__ import annotations

import functools
import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from manualgrad.checking.report import CheckError
from manualgrad.checking.target import Target

Array = NDArray[np.float64]
Mask = NDArray[np.bool_]
Index = NDArray[np.int64]
EPS = float(np.finfo(np.float64).eps)
_STEPS = (2.0**-9, 2.0**-12, 2.0**-16, 2.0**-21, 2.0**-26, 2.0**-33, 2.0**-41)
_NOISY_STEPS = (2.0**-4, 2.0**-6, 2.0**-2, 2.0**-9)
_MULTIPLES = np.array([1.0, 2.0, 4.0])[:, None, None]  # of a step: the points on either side
_TINY = 1e-300
COARSE = 1e-12  # relative: values with more noise than this need larger steps and allow larger errors


@dataclass
class Slope:
    """phi'(0) of each component, with an error bar; at a kink `left` and `right` differ and `value` is their mean.

    `error` is infinite where no slope could be found: at a jump, or where the tangent is vertical.
    """

    value: Array
    error: Array
    left: Array
    right: Array
    kink: Mask

    def rows(self, mask: Mask) -> Slope:
        """Those components only."""
        return Slope(self.value[mask], self.error[mask], self.left[mask], self.right[mask], self.kink[mask])


def slope(phi: Callable[[float], Array], y0: Array, noise: Array, refine: bool = True, coarse: bool = False) -> Slope:
    """The slope at 0 of `phi`, whose value there is `y0` and whose values carry an error of `noise` each.

    `coarse` says that the noise is so large that only large steps make sense.

    With `refine` off, one step size is tried and no side is looked at by itself: enough where phi is smooth, and the
    error bar says where it is not.
    """
    found = slopes(lambda t, _: phi(t)[:, None], y0[:, None], noise[:, None], 1, refine, coarse)
    return Slope(found.value[:, 0], found.error[:, 0], found.left[:, 0], found.right[:, 0], found.kink[:, 0])


def slopes(
    phi: Callable[[float, Index], Array], y0: Array, noise: Array, lines: int, refine: bool = True, coarse: bool = False
) -> Slope:
    """`slope` along several lines through one point: arrays of shape (values, lines).

    `phi` gives the values at t on those lines of which it is given the indexes; `y0` and `noise`, of shape (values, 1),
    are the same for all. Each line is refined until it is settled by itself.
    """
    shape = len(y0), lines
    value, error = np.zeros(shape), np.full(shape, np.inf)
    sides = [(np.zeros(shape), np.full(shape, np.inf)) for _ in range(2)]
    hopeless = ~np.isfinite(y0)
    left_over = np.arange(lines)
    steps = _NOISY_STEPS if coarse else _STEPS
    for h in steps if refine else steps[:1]:
        plus = np.array([phi(k * h, left_over) for k in (1, 2, 4)])
        minus = np.array([phi(-k * h, left_over) for k in (1, 2, 4)])
        with np.errstate(all="ignore"):
            rounding = 3 * np.maximum(noise, EPS * np.abs(plus).max(0)) / h
            c1, c2, c4 = (plus - minus) / (_MULTIPLES * (2 * h))
            r1, r2 = (4 * c1 - c2) / 3, (4 * c2 - c4) / 3
            r = (16 * r1 - r2) / 15
            even = (plus + minus) / 2 - y0
            odd_one_out = np.abs(64 * even[0] - 20 * even[1] + even[2]) / (40 * h)
            # Halving the step of a smooth function quarters the error. Where it does not, extrapolation means nothing.
            change = np.abs(c1 - c2)
            slow = change > 0.35 * np.abs(c2 - c4)
            e = np.abs(r - r1) + rounding + odd_one_out + np.where(slow, change, 0.0)
            # Smaller bars win. Where two levels contradict one another, the larger step has jumped over something that
            # its bar did not see, a pole or a corner, and the smaller one wins.
            best, bar = value[:, left_over], error[:, left_over]
            better = (e < bar) | (np.abs(r - best) > 10 * (e + bar))
            best, bar = np.where(better, r, best), np.where(better, e, bar)
            value[:, left_over], error[:, left_over] = best, bar
            if not refine:
                break
            size = np.abs(best)
            settled = bar <= 1e-9 * size + 1e-11 * size.max(0, initial=0)
            if not coarse:  # nothing but rounding is left, of which smaller steps have more
                settled |= bar <= 2 * rounding
            settled |= hopeless
            open_still = ~settled.all(0)
            if not open_still.any():
                break
            left_over, settled, rounding = left_over[open_still], settled[:, open_still], rounding[:, open_still]
            for k, points in enumerate((minus, plus)):
                d1, d2, d4 = (points[:, :, open_still] - y0) / (_MULTIPLES * (h if k else -h))
                a1, a2 = 2 * d1 - d2, 2 * d2 - d4
                r = (4 * a1 - a2) / 3
                e = np.abs(r - a1) + 4 * rounding
                s, bar = sides[k]
                better = e < bar[:, left_over]
                s[:, left_over] = np.where(better, r, s[:, left_over])
                bar[:, left_over] = np.where(better, e, bar[:, left_over])
            (left, left_error), (right, right_error) = ((s[:, left_over], bar[:, left_over]) for s, bar in sides)
            # Two slopes that are sharp and differ: a corner, and smaller steps would show nothing else.
            gap = np.abs(left - right)
            corner = settled | (np.maximum(left_error, right_error) <= 1e-9 * gap)
            left_over = left_over[~corner.all(0)]
            if not len(left_over):
                break
    (left, left_error), (right, right_error) = sides
    kink = np.zeros(shape, bool)
    if refine:
        with np.errstate(all="ignore"):
            unsure = ~(error <= 1e-4 * np.abs(value) + 1e-9)
            if unsure.any():
                gap = np.abs(left - right)
                sure = (left_error < 0.02 * gap) & (right_error < 0.02 * gap)
                kink = unsure & np.isfinite(left_error + right_error) & sure
                for bar, other, side in ((left_error, right_error, left), (right_error, left_error, right)):
                    edge = unsure & np.isinf(other) & (bar <= 1e-4 * np.abs(side) + 1e-9)
                    value[edge], error[edge] = side[edge], bar[edge]
                value[kink], error[kink] = (left[kink] + right[kink]) / 2, (left_error + right_error)[kink]
    return Slope(value, error, left, right, kink)


class Differences:
    """The derivatives of a target's outputs, all flattened into one vector, by its leaves, flattened likewise."""

    def __init__(self, target: Target, outputs: Sequence[int], values: Sequence[Tensor]) -> None:
        self.target, self.outputs = target, outputs
        self.base = torch.cat([v.detach().reshape(-1) for v in values])
        self.sizes = [v.numel() for v in values]
        self._shapes = [v.shape for v in values]
        self.scale = self.base.abs().clamp(0.1, 10.0).nan_to_num(1.0)
        self.y0 = self.values(self.base)
        self.noise = self._noise()
        top = np.abs(self.y0[np.isfinite(self.y0)]).max(initial=0.0)
        if self.noise.max(initial=0.0) > COARSE * top:  # large beside the values: zeros, or digits lost?
            around = self.values(self.base + 0.1 * self.scale * decimals(self.base.numel(), 7))
            top = max(top, np.abs(around[np.isfinite(around)]).max(initial=_TINY))
        self.relative_noise = float(self.noise.max(initial=0.0) / max(top, _TINY))
        self._complex: bool | None = None
        # Slopes along a direction, with or without refinement, and the values on that line.
        self._known: dict[tuple[bytes, bool], Slope] = {}
        self._lines: dict[bytes, Callable[[float], Array]] = {}

    def split(self, flat: Tensor) -> list[Tensor]:
        """One tensor for each leaf, from one vector."""
        if len(self.sizes) == 1:
            return [flat.view(self._shapes[0])]
        return [part.view(shape) for part, shape in zip(flat.split_with_sizes(self.sizes), self._shapes, strict=True)]

    @torch.no_grad()
    def values(self, flat: Tensor) -> Array:
        """The outputs at this point, flattened into one vector."""
        try:
            outputs = self.target.run(self.split(flat))
            parts = [outputs[k].reshape(-1) for k in self.outputs]
        except (ArithmeticError, RuntimeError, ValueError, IndexError):
            if flat is self.base:
                raise
            return np.full_like(self.y0, np.nan)  # outside of the domain: as good as not finite
        vector = parts[0] if len(parts) == 1 else torch.cat([p.to(torch.float64) for p in parts])
        result = vector.to(torch.float64, copy=True).numpy()
        if flat is not self.base and result.shape != self.y0.shape:
            raise CheckError(f"{self.target.title}: the shape of the output depends on the values of the input")
        return result

    @property
    def coarse(self) -> bool:
        """Whether the values carry so much noise that only large steps and loose limits make sense."""
        return self.relative_noise > COARSE

    def _noise(self) -> Array:
        """The error that each value carries: float64's rounding, unless forward loses digits on its way.

        Third differences at a distance of 1e-7 leave nothing of a smooth function but its rounding. Values that were
        rounded to a narrow dtype do not move at all at that distance, but can be told by their digits.
        """
        magnitude = np.nan_to_num(np.abs(self.y0), nan=0.0, posinf=0.0)
        self.narrow = self.target.native
        if self.target.native:
            return magnitude * max(float(torch.finfo(leaf.dtype).eps) for leaf in self.target.leaves)
        moved, left_over = self._third_differences(1e-7)
        if left_over.max(initial=0.0) > COARSE * magnitude.max(initial=_TINY):
            # Noise, or a function that bends within 1e-7? Closer up the second is smooth.
            moved_closer, closer = self._third_differences(1e-10)
            left_over = np.where(moved_closer | ~moved, np.minimum(left_over, closer), left_over)
        noise: Array = np.maximum(EPS * magnitude, left_over)
        finite = torch.from_numpy(self.y0[np.isfinite(self.y0)])

        def fit(y: Tensor, dtype: torch.dtype) -> bool:
            return bool((y.to(dtype).to(torch.float64) == y).all())

        narrow: list[torch.dtype] = []
        if len(finite) and fit(finite, torch.float32):  # which holds what the others hold
            narrow = [dtype for dtype in (torch.bfloat16, torch.float16) if fit(finite, dtype)] + [torch.float32]
        if narrow and not self._third_differences(1e-10)[0].any():
            far = torch.from_numpy(self.values(self.base + 1e-2 * self.scale * decimals(self.base.numel(), 7)))
            for dtype in narrow if not np.array_equal(far.numpy(), self.y0) else ():
                if fit(far, dtype):
                    self.narrow = True
                    return np.maximum(noise, magnitude * float(torch.finfo(dtype).eps))
        return noise

    def _third_differences(self, distance: float) -> tuple[Mask, Array]:
        """Which values move at all along a random line, and the largest third difference of six points on it."""
        step = distance * self.scale * decimals(self.base.numel(), 7)
        # The point itself is left out: it may be a corner or a jump, and the line beside it is smooth.
        y = np.stack([self.values(torch.add(self.base, step, alpha=k)) for k in range(1, 7)])
        with np.errstate(all="ignore"):
            third = np.abs(y[3:] - 3 * y[2:-1] + 3 * y[1:-2] - y[:-3]).max(0) / 4
        return (y[1:] != y[0]).any(0), np.nan_to_num(third, nan=0.0, posinf=0.0)

    def along(self, direction: Tensor, refine: bool = True) -> Slope:
        """The derivative of every output along `direction`, in which a step of 1 moves each element by its scale."""
        key = direction.numpy().tobytes()
        if (key, refine) not in self._known:
            if len(self._known) == 8:
                self._known.clear()
                self._lines.clear()
            u = direction * self.scale
            line = self._lines.setdefault(key, functools.cache(lambda t: self.values(torch.add(self.base, u, alpha=t))))
            self._known[key, refine] = slope(line, self.y0, self.noise, refine, self.coarse)
        return self._known[key, refine]

    def columns(self, indexes: Sequence[int], project: Array | Index | None = None) -> Slope:
        """The Jacobian's columns for these elements of the leaves: arrays of shape (outputs, columns).

        With `project`, of shape (rows, outputs), its product with the Jacobian instead, of shape (rows, columns); with
        `project` of one dimension, those rows of the Jacobian.
        """
        exact = self.complex_step_works()

        def reduced(y: Array) -> Array:
            return y if project is None else y[project] if project.ndim == 1 else project @ y

        if exact:
            parts = []
            for j in indexes:
                u = torch.zeros_like(self.base)
                u[j] = 1.0
                parts.append(reduced(self._imaginary(u)))
            value = np.stack(parts, 1) if parts else np.zeros((len(reduced(self.y0)), 0))
            return Slope(value, 8 * EPS * np.abs(value) + _TINY, value, value, np.zeros(value.shape, bool))
        y0 = reduced(self.y0)
        noise = reduced(self.noise) if project is None or project.ndim == 1 else np.abs(project) @ self.noise
        places = np.array(indexes, dtype=np.int64)
        steps = self.scale.numpy()[places]

        def phi(t: float, lines: Index) -> Array:
            found = []
            for j, step in zip(places[lines], steps[lines], strict=True):
                x = self.base.clone()
                x[j] += t * step
                found.append(reduced(self.values(x)))
            return np.array(found).T

        s = slopes(phi, y0[:, None], noise[:, None], len(places), coarse=self.coarse)
        return Slope(s.value / steps, s.error / steps, s.left / steps, s.right / steps, s.kink)

    # ---------------------------------------------------------------------------------------------- complex step

    def complex_step_works(self) -> bool:
        """Whether forward takes complex numbers and its imaginary part is the derivative, to the last digits.

        Exact where it works, but abs(), max() and comparisons of real parts make it silently wrong: it is believed
        only after it has agreed with differences along two random directions.
        """
        if self._complex is None:
            self._complex = self._try_complex_step()
        return self._complex

    def _try_complex_step(self) -> bool:
        if any(leaf.is_complex for leaf in self.target.leaves) or self.target.native or self.coarse:
            return False
        for seed in (11, 12):  # the directions in which others have looked already
            u = decimals(self.base.numel(), seed)
            truth = self.along(u, refine=False)
            if not (truth.error <= 1e-6 * np.abs(truth.value) + 1e-9).all():
                return False
            try:
                value = self._imaginary(u * self.scale)
            except Exception:  # whatever a forward does when it meets complex numbers for the first time
                return False
            if not (np.abs(value - truth.value) <= 10 * truth.error + 1e-9 * np.abs(value)).all():
                return False
        return True

    @torch.no_grad()
    def _imaginary(self, u: Tensor) -> Array:
        tiny = 1e-150
        with warnings.catch_warnings():
            warnings.simplefilter("error")  # "casting complex values to real discards the imaginary part"
            result = self.target.raw(self.split(torch.complex(self.base, tiny * u)))
        tensors = [t for t in (result if isinstance(result, (tuple, list)) else [result]) if isinstance(t, Tensor)]
        floating = [t for t in tensors if t.is_floating_point() or t.is_complex()]
        parts = [floating[k] for k in self.outputs]
        if not all(p.is_complex() for p in parts):
            raise CheckError("a real output of complex inputs")
        vector = torch.cat([p.reshape(-1) for p in parts])
        return vector.imag.to(torch.float64).numpy() / tiny


def decimals(n: int, seed: int) -> Tensor:
    """Random numbers in 0.1 ... 1.9 of either sign, with one decimal.

    None is near zero, and short decimals make the numbers in a message readable. Not to be written to: the short ones
    are kept.
    """
    return _kept_decimals(n, seed) if n <= 1024 else _new_decimals(n, seed)


def _new_decimals(n: int, seed: int) -> Tensor:
    generator = torch.Generator().manual_seed(seed)
    size = torch.randint(1, 20, (n,), generator=generator).to(torch.float64) / 10
    return size * (torch.randint(0, 2, (n,), generator=generator) * 2 - 1)


_kept_decimals = functools.lru_cache(maxsize=256)(_new_decimals)
