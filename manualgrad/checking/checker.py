"""`check`: is this gradient right, and if not, what is the mistake?"""

from __future__ import annotations

import time
import warnings
from collections.abc import Callable, Collection, Iterator, Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor

from manualgrad.checking import behaviour, kinks
from manualgrad.checking.diagnosis import diagnose
from manualgrad.checking.numeric import Differences, decimals
from manualgrad.checking.point import Point
from manualgrad.checking.report import CODES, CheckError, Finding, Report
from manualgrad.checking.target import Target, Trace, reaches


def check(
    fn: Any,
    *inputs: Any,
    reference: Callable[..., Any] | None = None,
    surrogate: Callable[..., Any] | None = None,
    names: Sequence[str] | None = None,
    compile: bool = False,
    ignore: Collection[str] = (),
) -> Report:
    """Compare the gradients of `fn` at `inputs` with its derivatives, and name the mistake where they differ.

    `fn` is a `torch.autograd.Function` (the class; either style), a callable, or a module, whose parameters are checked
    too. `inputs` are its positional arguments, as `fn` takes them; keyword arguments go in with `functools.partial`.
    Floating-point tensors are differentiated by: those with `requires_grad`, or all where none has it. Everything is
    computed in float64 on copies, whatever dtype comes in, unless `fn` refuses it; the inputs, the modules and the state
    of the random generators stay as they are.

    reference: a function of the same arguments that has the right values (not necessarily gradients).
    surrogate: a function of the same arguments that has the gradient which `fn` declares to have, where that is on
        purpose not its derivative: `check(Round, x, surrogate=lambda x: x)` for a straight-through estimator.
    names: names for the inputs, for the messages; by default those of `fn`'s signature.
    compile: also run through `torch.compile`, which takes seconds; off by default.
    ignore: codes that are not to be reported.

    Returns a `Report`: `passed`, `findings` (most likely cause first), `str(report)`, `to_dict()`, `raise_if_failed()`.
    Raises CheckError where nothing can be checked: no floating-point input, `fn` raises, returns no tensor, or returns
    another shape each time.

    >>> import torch
    >>> class Square(torch.autograd.Function):
    ...     @staticmethod
    ...     def forward(ctx, x):
    ...         ctx.save_for_backward(x)
    ...         return x * x
    ...
    ...     @staticmethod
    ...     def backward(ctx, dy):
    ...         (x,) = ctx.saved_tensors
    ...         return dy * x
    >>> report = check(Square, torch.tensor([1.0, -2.0, 3.5]))
    >>> report.passed
    False
    >>> report.findings[0].code, report.findings[0].advice
    ('scale', 'Multiply by 2.')
    """
    unknown = sorted(set(ignore) - set(CODES))
    if unknown:
        raise CheckError(f"ignore: no code is called {', '.join(unknown)}; the codes are {', '.join(CODES)}")
    start = time.perf_counter()
    rng = torch.get_rng_state()
    tried: list[str] = []
    try:
        # hundreds of runs would repeat the same warning, and saturated values divide by zero on purpose
        with torch.enable_grad(), warnings.catch_warnings(), np.errstate(all="ignore"):
            warnings.simplefilter("ignore")
            target = Target(fn, inputs, names)
            findings = list(_examine(target, reference, surrogate, inputs, compile, tried))
    finally:
        torch.set_rng_state(rng)
    kept = [f for f in findings if f.code not in ignore]
    return Report(target.title, kept, tried, time.perf_counter() - start)


def _examine(
    target: Target,
    reference: Callable[..., Any] | None,
    surrogate: Callable[..., Any] | None,
    inputs: Sequence[Any],
    compile: bool,
    tried: list[str],
) -> Iterator[Finding]:
    values = target.point()
    problem = yield from _first_runs(target, values)
    if problem:
        return
    truth = target
    if surrogate is not None:
        truth = _twin(target, surrogate, inputs, "surrogate")
        yield Finding(
            "surrogate",
            "note",
            None,
            None,
            "the gradient is declared to be that of another function, and is checked against that one.",
        )
    right = None
    if reference is not None:
        right = _twin(target, reference, inputs, "reference")
        yield from _same_values(target, right, values)
    if not target.tracked:
        yield from _cut_off(target, values)
        return
    point = Point(target, values, truth)
    yield from _loose_ends(target, point)
    empty = not point.rows or not sum(v.numel() for v in values)
    if empty:
        tried.append("empty tensors: only that backward runs")
    causes: list[Finding] = []
    try:
        for finding in behaviour.upstream(point):
            causes.append(finding)
            yield finding
    except Exception as error:  # backward may raise anything
        problems = list(behaviour.refused(point, error))
        yield from problems
        shaped = any(f.code in ("shape", "swapped", "transpose", "missing-sum") for f in problems)
        if shaped and len(point.excluded) < len(values):  # the other gradients may be wrong too
            yield from _numbers(Point(target, values, truth, raw=True, excluded=point.excluded), tried)
        return
    if empty:
        yield from behaviour.saved_on_ctx(point)
        return
    if any(f.code == "nondeterministic" for f in causes):
        return
    state = list(behaviour.stale_state(point))
    yield from state
    wrong = False
    for finding in _numbers(point, tried):
        wrong |= finding.severity == "error"
        yield finding
    yield from behaviour.raw_results(point)
    yield from behaviour.saved_on_ctx(point)
    # The rest compares with the gradients that are now known to be right, in ways that a wrong one would only repeat.
    if wrong or state or point.excluded:
        return
    for part in (behaviour.subsets, behaviour.non_contiguous, behaviour.undefined):
        yield from part(point)
    if surrogate is None:
        yield from behaviour.double_backward(point)
        yield from behaviour.forward_mode(point)
        yield from behaviour.vmapped(point)
        yield from behaviour.sizes(point, right)
    yield from behaviour.autocast(point)
    if compile:
        yield from behaviour.compiled(point)
    tried.append(
        "subsets of the inputs, other strides, missing upstream gradients, a second forward before the first backward, "
        + ("" if surrogate else "second derivative, float32 and large inputs, ")
        + "autocast"
        + (", torch.compile" if compile else "; torch.compile with compile=True")
    )


def _numbers(point: Point, tried: list[str]) -> Iterator[Finding]:
    """Claimed against measured derivatives: one finding for each input that is wrong, and the kinks."""
    cases, found = point.disagreements(tried)
    said: set[tuple[str, str | None]] = set()
    for case in cases:
        finding = diagnose(case)
        if (finding.code, finding.input) not in said:
            said.add((finding.code, finding.input))
            yield finding
    for k in found:
        yield from kinks.judge(k)


# -------------------------------------------------------------------------------------------------------- first runs


def _first_runs(target: Target, values: list[Tensor]) -> Iterator[Finding]:
    """Run forward a few times: what it needs, what it returns, whether it returns it again. True if all is over."""
    state = torch.get_rng_state()
    result = _attempt(target, values)
    _describe(target, result)
    if not torch.equal(state, torch.get_rng_state()):
        target.random = True
    leaves = [v.clone().requires_grad_() for v in values]
    outputs = target.run(leaves)
    target.tracked = [k for k, o in enumerate(outputs) if o.requires_grad]
    for leaf, before, after in zip(target.leaves, values, leaves, strict=True):
        if not torch.equal(before.nan_to_num(), after.detach().nan_to_num()):
            yield Finding(
                "mutates-input",
                "error",
                leaf.name,
                None,
                f"forward overwrites {leaf.name}, and autograd is not told.",
                "Call ctx.mark_dirty on it and return it, or work on a new tensor.",
            )
    again = target.run(target.point())
    if [o.shape for o in again] != [o.shape for o in outputs]:
        raise CheckError(f"{target.title}: two calls with the same input return different shapes")
    for a, b in zip(outputs, again, strict=True):
        if not torch.allclose(a.detach().double(), b.detach().double(), rtol=1e-12, atol=0, equal_nan=True):
            yield Finding(
                "nondeterministic",
                "error",
                None,
                None,
                "two forward runs on the same values give different results, and torch's seed does not decide which.",
                "Use torch's random generator, or pass what is random in as an input.",
            )
            return True
    return False


def _attempt(target: Target, values: list[Tensor]) -> Any:
    """The first call of forward, with a graph: finds out whether it writes in place and whether it takes float64."""
    error: Exception | None = None
    for native in (False, True):
        target.native = native
        for inplace in (False, True):
            target.inplace = inplace
            try:
                return target.raw([v.clone().requires_grad_() for v in values])
            except Exception as raised:  # the user's function may raise anything
                error = error or raised if not native else raised
                if "in-place operation" not in str(raised):
                    break
    shown = ", ".join(f"{leaf.name} {tuple(leaf.value.shape)} {str(leaf.dtype)[6:]}" for leaf in target.leaves)
    first = str(error).strip().split("\n")[0]
    raise CheckError(f"{target.title} raised {type(error).__name__}: {first} (given {shown})") from error


def _describe(target: Target, result: Any) -> None:
    """How many outputs there are, and which of them are floating-point."""
    found = result if isinstance(result, (tuple, list)) else [result]
    target.outputs = len(found)
    target.positions = [
        k for k, t in enumerate(found) if isinstance(t, Tensor) and (t.is_floating_point() or t.is_complex())
    ]
    from manualgrad.checking.target import _tensors

    tensors = list(_tensors((result,)))
    if not tensors:
        raise CheckError(f"{target.title} returned {type(result).__name__}, not a tensor")
    if not any(t.is_floating_point() or t.is_complex() for t in tensors):
        raise CheckError(f"{target.title} returned {str(tensors[0].dtype)[6:]} only: there is no derivative")


def _twin(target: Target, fn: Callable[..., Any], inputs: Sequence[Any], what: str) -> Target:
    """The reference or the surrogate, ready to run on the same leaves."""
    twin = Target(fn, inputs, target.names)
    if twin.module is not None:
        raise CheckError(f"{what}: expected a function of the inputs, got a module")
    if target.module is not None:
        twin.leaves += [leaf for leaf in target.leaves if leaf.argument is None][len(twin.leaves) - len(target.leaves) :]
    twin.random = target.random
    twin.native = target.native
    values = target.point()
    try:
        _describe(twin, twin.raw(values))
        shapes = [tuple(o.shape) for o in twin.run(values)]
    except CheckError:
        raise
    except Exception as error:  # the user's function may raise anything
        raise CheckError(f"{what} raised {type(error).__name__}: {str(error).strip()}") from error
    expected = [tuple(o.shape) for o in target.run(values)]
    if shapes != expected:
        raise CheckError(f"{what} returns {shapes}, {target.title} returns {expected}")
    return twin


def _same_values(target: Target, right: Target, values: list[Tensor]) -> Iterator[Finding]:
    for k, (a, b) in enumerate(zip(target.run(values), right.run(values), strict=True)):
        if a.dtype != b.dtype:
            yield Finding(
                "dtype",
                "warning",
                None,
                None,
                f"forward returns {str(a.dtype)[6:]}, the reference {str(b.dtype)[6:]}.",
                "Keep the dtype of the input.",
            )
        digits = 1e-9 if a.dtype == torch.float64 else 100 * torch.finfo(a.dtype).eps
        a, b = a.detach().double(), b.detach().double()
        gap = (a - b).abs()
        room = digits * b.abs() + 1e-3 * digits * b.nan_to_num(0.0, 0.0, 0.0).abs().amax() if b.numel() else gap
        wrong = ~(gap <= room) & (a != b) & ~(a.isnan() & b.isnan())
        if wrong.any():
            index = _argmax(gap, wrong)
            name = "output" if len(target.positions) == 1 else f"output {k}"
            place = name + (f"[{', '.join(map(str, index))}]" if index else "")
            yield Finding(
                "forward",
                "error",
                None,
                index,
                f"forward differs from the reference in {int(wrong.sum())} of {wrong.numel()} elements: {place} is "
                f"{float(a[index]):.6g}, should be {float(b[index]):.6g}.",
                "Correct forward first: the gradient is judged by forward's own values.",
            )


def _argmax(gap: Tensor, wrong: Tensor) -> tuple[int, ...]:
    masked = torch.where(wrong, gap.nan_to_num(nan=torch.inf), -1.0)
    return tuple(int(i) for i in np.unravel_index(int(masked.argmax()), tuple(gap.shape)))


def _cut_off(target: Target, values: list[Tensor]) -> Iterator[Finding]:
    """No output carries a gradient: wrong if one of them depends on the inputs."""
    d = Differences(target, list(range(len(target.run(values)))), values)
    s = d.along(decimals(d.base.numel(), 11))
    if (np.abs(s.value) > 10 * s.error + 1e-12).any():
        yield Finding(
            "detached",
            "error",
            None,
            None,
            "no output carries a gradient, and forward depends on the inputs.",
            "No detach(), .data, no_grad or numpy on the way; mark_non_differentiable only for what has no derivative.",
        )


def _loose_ends(target: Target, point: Point) -> Iterator[Finding]:
    """Inputs that the graph does not reach although the output depends on them; outputs without a gradient."""
    if target.function is not None:
        return
    for k, (leaf, tensor) in enumerate(zip(target.leaves, point.trace.leaves, strict=True)):
        if tensor.numel() and not reaches(point.trace.outputs, tensor):
            d = point.differences
            u = torch.zeros_like(d.base)
            u[point.spans()[k]] = decimals(d.base.numel(), 11)[point.spans()[k]]
            s = d.along(u)
            if (np.abs(s.value) > 10 * s.error + 1e-12).any():
                point.excluded.add(k)
                yield Finding(
                    "detached",
                    "error",
                    leaf.name,
                    None,
                    f"{leaf.name} is cut off: the output depends on it and no gradient flows back to it.",
                    "Look for detach(), .data, no_grad, numpy or a new tensor made from its values.",
                )
    rest = [k for k in range(len(target.positions)) if k not in target.tracked]
    if rest:
        d = Differences(target, rest, point.values)
        s = d.along(decimals(d.base.numel(), 11))
        if (np.abs(s.value) > 10 * s.error + 1e-12).any():
            yield Finding(
                "detached",
                "note",
                None,
                None,
                f"output {rest[0]} depends on the inputs and carries no gradient.",
                "If it should, look for detach(), no_grad or mark_non_differentiable.",
            )


__all__ = ["Trace", "check"]
