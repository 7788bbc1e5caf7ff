"""Unusual tensors: other strides, expanded and missing upstream gradients, large and small numbers, narrow dtypes."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import torch
from torch import Tensor

from manualgrad.checking.numeric import Array, decimals
from manualgrad.checking.point import Point, flat
from manualgrad.checking.report import Finding, error, first_line, note, warning
from manualgrad.checking.target import Target, Trace, custom_nodes


def non_contiguous(point: Point) -> Iterator[Finding]:
    """Inputs and upstream gradients with other strides, and an upstream gradient that is one expanded number."""
    vector, expected = point.sample
    whole = point.flatten(expected)
    outputs = point.trace.outputs
    message = advice = ""
    trace = None
    try:
        if not point.target.random:  # random numbers are drawn in the order of the memory
            values = list(point.values)
            for k, leaf in enumerate(point.target.arguments):  # parameters are contiguous, and batch_norm relies on it
                if not leaf.is_complex:
                    values[k] = _strided(values[k])
            trace = point.target.trace(values, copy=False)
    except Exception as raised:  # the function's own complaint
        deliberate = isinstance(raised, AssertionError) or "must be contiguous" in str(raised)
        complaint = f"forward refuses an input that is not contiguous: {first_line(raised)}."
        if deliberate:
            yield note("noncontiguous", complaint)
        else:
            yield error("noncontiguous", complaint, "Use reshape in the place of view, or call contiguous() first.")
    if trace is not None:
        for k, (a, b) in enumerate(zip(trace.outputs, outputs, strict=True)):
            if a.shape != b.shape or not point.close(flat(a), flat(b)):
                yield error(
                    "noncontiguous",
                    f"the {point.output_name(k)} is another when the inputs are not contiguous.",
                    "Call contiguous() before reading a tensor's memory by hand.",
                )
                return
    for what, used, upstreams, want in (
        ("inputs that are not contiguous", trace, [point.upstream(vector)], whole),
        ("an upstream gradient that is not contiguous", None, [[_strided(v) for v in point.upstream(vector)]], whole),
        ("an expanded upstream gradient, as sum() sends it", None, None, None),
    ):
        if used is None and what.startswith("inputs"):
            continue
        try:
            if upstreams is None:
                ones = torch.ones(point.rows, dtype=torch.float64)
                want = point.flatten(point.backward(ones))
                upstreams = [[torch.ones((), dtype=o.dtype).expand(o.shape) for o in outputs]]
            used = used or point.traced()
            got = point.flatten(used.gradients(upstreams[0]))
        except Exception as raised:  # e.g. view, or an in-place operation on expanded memory
            message, advice = f"with {what}, backward raises {first_line(raised)}", "Use reshape in the place of view."
        else:
            if want is not None and not point.close(got, want, floor=point.grain):
                message = f"with {what}, backward gives another gradient"
                advice = "Call contiguous() before reading a tensor's memory by hand."
        if message:
            yield error(
                "noncontiguous",
                message + ".",
                advice,
            )
            return


def _strided(t: Tensor) -> Tensor:
    """The same values at every other place of a larger memory, the dimensions stored in reverse order."""
    dims = tuple(reversed(range(t.dim())))
    memory = torch.full((*reversed(t.shape), 2), torch.nan, dtype=t.dtype)
    memory[..., 0] = t.detach().permute(dims)
    return memory[..., 0].permute(dims)


class _Cut(torch.autograd.Function):
    """The identity, whose backward sends no gradient at all."""

    @staticmethod
    def forward(ctx: Any, x: Tensor) -> Tensor:
        return x.clone()

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> None:
        return None


def undefined(point: Point) -> Iterator[Finding]:
    """Outputs whose upstream gradient does not exist: those that the loss does not use, or none at all."""
    vector, _ = point.sample
    advice = "Handle None for each upstream gradient, or leave ctx.set_materialize_grads alone."
    if len(point.target.tracked) > 1:
        parts = point.upstream(vector)
        for k, output in enumerate(point.trace.outputs):
            alone = torch.zeros_like(vector)
            start = sum(point.sizes[:k])
            alone[start : start + point.sizes[k]] = vector[start : start + point.sizes[k]]
            trace = point.traced()
            try:
                got = Trace(trace.leaves, [trace.outputs[k]]).gradients([parts[k]])
            except Exception as raised:  # None times something, mostly
                yield error(
                    "undefined-grad",
                    f"when only the {point.output_name(k)} is used, backward raises {first_line(raised)}.",
                    advice,
                )
                return
            if not point.close(point.flatten(got), point.flatten(point.backward(alone)), floor=point.grain):
                yield error(
                    "undefined-grad",
                    f"when only the {point.output_name(k)} is used, backward gives another gradient.",
                    advice,
                )
                return
            del output
    trace = point.traced()
    try:
        cut = [_Cut.apply(o) for o in trace.outputs]
        got = Trace(trace.leaves, cut).gradients(point.upstream(vector))
    except Exception as raised:  # as above
        yield error(
            "undefined-grad",
            f"without any upstream gradient, backward raises {first_line(raised)}.",
            advice,
        )
        return
    if any(g is not None and bool((g.nan_to_num() != 0).any()) for g in got):  # NaN times zero is NaN
        yield error(
            "undefined-grad",
            "without any upstream gradient, backward gives one that is not zero.",
            advice,
        )


def sizes(point: Point, reference: Target | None) -> Iterator[Finding]:
    """Values and gradients in float32 beside float64, on inputs as given, large and small.

    float64 holds e^700 and float32 e^88: where float64 gives a modest result and float32 none, the formula overflows on
    its way. Where float32 loses more digits than the conditioning of the problem explains, it cancels.
    """
    target = point.target
    if target.native or target.random or point.kinked:
        return
    noise = point.differences.relative_noise
    if point.differences.coarse:
        if noise > 1e-10 and not point.differences.narrow:
            yield warning(
                "precision",
                f"forward keeps about {int(-np.log10(noise))} of float64's 16 digits at the given inputs.",
                "Two large numbers that nearly cancel (subtract the mean first, use log1p, expm1), or a detour through "
                "float32.",
            )
        return
    vector, _ = point.sample
    largest = max((float(v.abs().max()) for v in point.values if v.numel()), default=0.0)
    if not largest:
        return
    ordinary = [0.0, 0.0]
    for size in (largest, 300.0, -300.0, 1e-5) if reference is None else (largest, 300.0, -300.0, 1e-5, 1000.0):
        factor = size / largest
        rounded = [(v * factor).float().double() for v in point.values]
        wide: tuple[Array, Array] | None
        if all(map(torch.equal, rounded, point.values)):
            wide = np.concatenate([flat(o) for o in point.trace.outputs]), point.flatten(point.sample[1])
        else:
            wide = _run(point, target, rounded, vector)
        if wide is None:
            continue
        at = f"with inputs up to {abs(size):g}" if size != largest else "at the given inputs"
        exact = None if reference is None else _run(point, reference, [v * factor for v in point.values], vector)
        truth = exact if exact is not None and all(np.isfinite(x).all() for x in exact) else wide
        modest = [np.isfinite(x) & (np.abs(x) < 1e30) for x in truth]
        for what, a, fine in zip(("value", "gradient"), wide, modest, strict=True):
            if ((truth is not wide or what == "gradient") and not np.isfinite(a[fine]).all()) or (
                what == "gradient"
                and np.isfinite(wide[0]).all()
                and not np.isfinite(a).all()
                and _flat_enough(point, factor)
            ):
                yield _unstable(what, at, "float64")
                return
        if size == largest:
            ordinary = [_norm(x) for x in wide]
        narrow = _run(point, target, [v.float() for v in rounded], vector)
        if size == largest:
            point.single = narrow
        if narrow is None or not all(np.isfinite(x).all() for x in wide):
            continue
        for what, a, fine in zip(("value", "gradient"), narrow, modest, strict=True):
            if not np.isfinite(a[fine]).all():
                yield _unstable(what, at, "float32")
                return
        lost = _digits_lost(point, factor, wide, narrow, vector, ordinary)
        if lost:
            yield (warning if size == largest else note)(
                "precision",
                f"{at} the {lost[0]} keeps {max(0, int(-np.log10(lost[1])))} of float32's 7 digits, "
                "fewer than the inputs' own rounding explains.",
                "Two large numbers that nearly cancel: use log1p, expm1, logsumexp, or subtract the mean first.",
            )
            if size == largest:
                return


def _unstable(what: str, at: str, dtype: str) -> Finding:
    return warning(
        "unstable",
        f"{at} the {what} is NaN or infinite in {dtype}, and the true one is an ordinary number.",
        "Rewrite what overflows: subtract the maximum before exp, use logsumexp, log1p, softplus, sigmoid.",
    )


def _flat_enough(point: Point, factor: float) -> bool:
    """Whether forward is finite all around, so that its derivative is too."""
    values = [v * factor for v in point.values]
    with torch.no_grad():
        for sign in (1, -1):
            around = point.target.run([v * (1 + sign * 1e-6) + sign * 1e-6 for v in values])
            if not all(bool(around[k].isfinite().all()) for k in point.target.tracked):
                return False
    return True


def _run(point: Point, target: Target, values: list[Tensor], vector: Tensor) -> tuple[Array, Array] | None:
    """Values and gradients, flattened; None where the function refuses these inputs."""
    try:
        trace = target.trace(values)
        dys = [d.to(o.dtype) for d, o in zip(point.upstream(vector), trace.outputs, strict=True)]
        gradients = point.flatten(trace.gradients(dys))
    except Exception:  # integer overflow, an assertion on the range, a dtype that it does not take
        return None
    return np.concatenate([flat(o) for o in trace.outputs]), gradients


def _digits_lost(
    point: Point,
    factor: float,
    wide: tuple[Array, Array],
    narrow: tuple[Array, Array],
    vector: Tensor,
    ordinary: list[float],
) -> tuple[str, float] | None:
    """What loses digits, value or gradient, and its relative error: measured by the size here or, where a function
    saturates and next to nothing is left, by the `ordinary` size at the given inputs."""
    eps = float(torch.finfo(torch.float32).eps)
    moved = None
    for k, (what, a, b) in enumerate(zip(("value", "gradient"), narrow, wide, strict=True)):
        size = max(_norm(b), ordinary[k] if abs(factor) > 1 else 0.0)
        error = _norm(a - b)
        if not np.isfinite(error) or not error > 1e-4 * size > 0:
            continue
        if moved is None:
            moved = []
            for seed in (91, 92, 93):  # how far results move when the inputs change by a float32 rounding or four
                nudged = [
                    (v * factor).float().double() * (1 + 4 * eps * decimals(v.numel(), seed + i).reshape(v.shape))
                    for i, v in enumerate(point.values)
                ]
                moved.append(_run(point, point.target, nudged, vector))
        shifts = [_norm(m[k] - b) for m in moved if m is not None]
        if shifts and error > 300 * max(shifts) and error > 300 * eps * np.abs(b).max():
            return what, float(error / size)
    return None


def _norm(a: Array) -> float:
    return float(np.linalg.norm(a))


def autocast(point: Point) -> Iterator[Finding]:
    """Under torch.autocast (bfloat16 on the CPU): nothing raises, and the gradients are right to bfloat16's digits."""
    target = point.target
    if target.native or target.random:
        return
    vector, expected = point.sample
    claims_it = any(hasattr(n, "_fwd_used_autocast") for n in custom_nodes(point.trace.outputs))
    try:
        with torch.autocast("cpu", dtype=torch.bfloat16):
            trace = target.trace([v.float() for v in point.values])
    except Exception as raised:  # dtypes that do not fit one another, mostly
        if claims_it:
            yield error(
                "autocast",
                f"under torch.autocast forward raises {first_line(raised)}.",
            )
        return
    try:
        dys = [d.to(o.dtype) for d, o in zip(point.upstream(vector), trace.outputs, strict=True)]
        got = trace.gradients(dys)
    except Exception as raised:  # the same
        yield (error if claims_it else note)(
            "autocast",
            f"under torch.autocast backward raises {first_line(raised)}.",
            "Decorate both with torch.amp.custom_fwd and custom_bwd, or cast what is saved to the dtype of dy.",
        )
        return
    a, b = point.flatten(got), point.flatten(expected)
    finite = np.isfinite(b)
    size = np.linalg.norm(b[finite]) + 1e12 * point.grain  # a gradient that cancels to nothing has no digits to lose
    rounded = [v.bfloat16().double() for v in point.values]
    if size and not np.linalg.norm((a - b)[finite]) <= 0.25 * size and _well_conditioned(point, rounded, b):
        yield error(
            "autocast",
            "under torch.autocast the gradient is wrong by more than rounding.",
            "Decorate forward and backward with torch.amp.custom_fwd and custom_bwd.",
        )


def given_dtype(point: Point) -> Iterator[Finding]:
    """In the dtype that the inputs came in nothing raises, and the gradients are right to its digits."""
    target = point.target
    dtypes = {leaf.dtype for leaf in target.leaves}
    if target.native or target.random or len(dtypes) > 1 or not dtypes < {torch.float32, torch.bfloat16, torch.float16}:
        return
    (dtype,) = dtypes
    name = str(dtype)[6:]
    vector, expected = point.sample
    running = "forward"
    try:
        trace = target.trace([v.to(dtype) for v in point.values])
        dys = [d.to(o.dtype) for d, o in zip(point.upstream(vector), trace.outputs, strict=True)]
        if not all(bool(o.isfinite().all()) for o in trace.outputs):
            return  # what overflows is said by `sizes`; its gradient is what it may be
        running = "backward"
        got = trace.gradients(dys)
    except Exception as raised:  # dtypes that do not fit one another, an operation that does not exist in this one
        advice = (
            "Make new tensors in the dtype of x (x.new_zeros, zeros_like), and cast dy to the dtype of what is saved."
        )
        yield error("dtype", f"with inputs in {name} {running} raises {first_line(raised)}.", advice)
        return
    a, b = point.flatten(got), point.flatten(expected)
    finite = np.isfinite(b)
    size = np.linalg.norm(b[finite]) + 1e12 * point.grain  # a gradient that cancels to nothing has no digits to lose
    if size and not np.linalg.norm((a - b)[finite]) <= 0.25 * size:
        eps = float(torch.finfo(dtype).eps)
        nudged = [v * (1 + eps * decimals(v.numel(), 95 + k).reshape(v.shape)) for k, v in enumerate(point.values)]
        if _well_conditioned(point, nudged, b):
            yield error(
                "precision",
                f"in {name}, the dtype of the inputs, the gradient is wrong by more than rounding.",
                "Compute in float32 inside and cast the result, as torch's own kernels do.",
            )


def _well_conditioned(point: Point, nearby: list[Tensor], b: Array) -> bool:
    """Whether inputs that are `nearby` have much the same gradient as `b`."""
    finite = np.isfinite(b)
    try:
        a = point.flatten(point.target.trace(nearby).gradients(point.upstream(point.sample[0])))
    except Exception:  # rounded out of its domain
        return False
    return bool(np.linalg.norm((a - b)[finite]) <= 0.05 * np.linalg.norm(b[finite]))
