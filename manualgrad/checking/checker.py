"""`check`: is this gradient right, and if not, what is the mistake?"""

from __future__ import annotations

import time
import warnings
from collections.abc import Callable, Collection, Iterator, Sequence
from typing import Any

import numpy as np
import torch

from manualgrad.checking import first, kinks, modes, refusals, unusual, upstream
from manualgrad.checking.diagnosis import diagnose
from manualgrad.checking.point import Point
from manualgrad.checking.report import CODES, CheckError, Finding, Report, note
from manualgrad.checking.target import Target


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
    computed in float64 on copies, unless `fn` refuses it, and once in the dtype that came in; an input that is not
    contiguous stays so. The inputs, the modules and the state of the random generators stay as they are.

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
    unsteady = list(first.runs(target, values))
    yield from unsteady
    if any(f.code == "nondeterministic" for f in unsteady):
        return
    truth, right = target, None
    if surrogate is not None:
        truth = first.twin(target, surrogate, inputs, "surrogate")
        yield note("surrogate", "the gradient is declared to be another function's, and is checked against that.")
    if reference is not None:
        right = first.twin(target, reference, inputs, "reference")
        yield from first.compare(target, right, values)
    if not target.tracked:
        yield from first.cut_off(target, values)
        return
    point = Point(target, values, truth)
    yield from first.loose_ends(point)
    empty = not point.rows or not sum(v.numel() for v in values)
    if empty:
        tried.append("empty tensors: only that backward runs")
    causes: list[Finding] = []
    try:
        for finding in upstream.first_backwards(point):
            causes.append(finding)
            yield finding
    except Exception as raised:  # backward may raise anything
        problems = list(refusals.refused(point, raised))
        yield from problems
        shaped = any(f.code in ("shape", "swapped", "transpose", "missing-sum") for f in problems)
        if shaped and len(point.excluded) < len(values):  # the other gradients may be wrong too
            yield from _numbers(Point(target, values, truth, raw=True, excluded=point.excluded), tried)
        return
    if empty:
        yield from upstream.saved_on_ctx(point)
        return
    if any(f.code == "nondeterministic" for f in causes):
        return
    state = list(upstream.stale_state(point))
    yield from state
    wrong = False
    for finding in _numbers(point, tried):
        wrong |= finding.severity == "error"
        yield finding
    yield from refusals.raw_results(point)
    yield from upstream.saved_on_ctx(point)
    # The rest compares with gradients that are known to be right by now; a wrong one would only be found again.
    if wrong or state or point.excluded:
        return
    for part in (upstream.subsets, unusual.non_contiguous, unusual.undefined):
        yield from part(point)
    if surrogate is None:
        smooth = point.beside_kinks()
        yield from modes.double_backward(smooth)
        yield from modes.forward_mode(smooth)
        yield from modes.vmapped(point)
        yield from unusual.sizes(point, None if target.module else right)
    yield from unusual.given_dtype(point)
    yield from unusual.autocast(point)
    if compile:
        yield from modes.compiled(point)
    tried.append(
        "subsets of the inputs, other strides, missing upstream gradients, a second forward before the first backward, "
        + ("" if surrogate else "second derivative, float32, large and small inputs, ")
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
