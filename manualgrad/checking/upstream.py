"""The first backward runs, and what backward must not depend on: other calls, the choice of inputs, attributes."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor

from manualgrad.checking.numeric import Array
from manualgrad.checking.point import UNIT_ROWS, Point, flat
from manualgrad.checking.refusals import raw_backward
from manualgrad.checking.report import Finding, error, first_line, note, warning
from manualgrad.checking.target import Trace, custom_nodes


def first_backwards(point: Point) -> Iterator[Finding]:
    """The first backward runs: overwritten tensors, randomness, and whether the result is linear in what comes in.

    Leaves `point.sample`, the upstream gradient and the gradients that the other checks compare with.
    """
    leaves, outputs = point.trace.leaves, point.trace.outputs
    before = [t.detach().clone() for t in (*leaves, *outputs)]
    # No element of the second is an element of the first: what looks the same for both ignores the upstream gradient.
    one, two = point.random_upstream(1), 1.37 * point.random_upstream(2)
    given = point.upstream(one)
    kept = [g.clone() for g in given]
    state = torch.get_rng_state()
    first = [None if g is None else g.clone() for g in point.trace.gradients(given)]
    point.sample = one, first
    g1 = point.flatten(first)
    if not torch.equal(state, torch.get_rng_state()):
        yield error(
            "nondeterministic",
            "backward draws random numbers: it does not use those that forward drew.",
            "Draw the mask in forward, save it, and use it in backward.",
        )
        return
    if any(not _identical(a, b) for a, b in zip(given, kept, strict=True)):
        yield error(
            "mutates-upstream",
            "backward overwrites the upstream gradient; where the output is used twice, other gradients become wrong.",
            "Work on a new tensor: dy * x in the place of dy.mul_(x).",
        )
    changed = [
        k for k, (t, b) in enumerate(zip((*leaves, *outputs), before, strict=True)) if not _identical(t.detach(), b)
    ]
    if changed:
        k = changed[0]
        name = point.target.leaves[k].name if k < len(leaves) else point.output_name(k - len(leaves))
        yield error(
            "mutates-input",
            f"backward overwrites {name}; whoever uses it afterwards gets other values.",
            "Work on a new tensor in backward: no method that ends in _, no out=.",
            input=name if k < len(leaves) else None,
        )
        point.fresh = True
    overwrites = False
    try:
        again = point.flatten(point.backward(one))
    except RuntimeError as raised:  # it can run only once after each forward, as checkpointing can
        point.fresh = True
        overwrites = "modified by an inplace operation" in str(raised)
        again = point.flatten(point.backward(one))
    if overwrites or not point.close(again, g1, floor=point.grain):
        point.fresh = True
        if overwrites or point.close(point.flatten(point.backward(one)), g1, floor=point.grain):
            if not changed:
                yield error(
                    "mutates-input",
                    "backward overwrites a tensor that it saved: a second backward through the same graph differs.",
                    "Work on a new tensor in backward: no method that ends in _, no out=.",
                )
        else:
            yield error(
                "nondeterministic",
                "two backward runs with the same values give different gradients.",
                "Draw random numbers in forward only and save them.",
            )
            return
    g2 = point.flatten(point.backward(two))
    v, claimed = point.claims
    unit = len(v) == point.rows <= UNIT_ROWS
    if unit:
        mixed, expected = g1, one.numpy() @ claimed
    else:
        mixed, expected = point.flatten(point.backward(one - 2 * two)), g1 - 2 * g2
    for k, (leaf, span) in enumerate(zip(point.target.leaves, point.spans(), strict=True)):
        a, b = g1[span], g2[span]
        finite = np.isfinite(a) & np.isfinite(b) & np.isfinite(mixed[span]) & np.isfinite(expected[span])
        if np.abs(a[finite]).max(initial=0.0) <= point.grain:
            continue
        tripled = point.flatten(point.backward(3 * one)) if point.close(a[finite], b[finite]) else 3 * g1
        if point.close(a[finite], tripled[span][finite]):
            point.excluded.add(k)
            yield error(
                "ignores-upstream",
                f"the gradient of {leaf.name} is the same whatever upstream gradient comes in.",
                "Multiply by the upstream gradient; that of a loss need not be 1 either.",
                input=leaf.name,
            )
        elif not point.close(
            mixed[span][finite], expected[span][finite], loose=1e4, floor=point.grain
        ):  # room for a float32 backward
            point.excluded.add(k)
            yield _nonlinear(point, leaf.name, span, one, a)


def _nonlinear(point: Point, name: str, span: slice, one: Tensor, g: Array) -> Finding:
    doubled = point.flatten(point.backward(2 * one))[span]
    zero = point.flatten(point.backward(0 * one))[span]
    if point.close(doubled, 4 * g):
        how, advice = "multiplies by the upstream gradient twice", "Use it once."
    elif np.abs(np.nan_to_num(zero)).max() > 1e-9 * np.abs(np.nan_to_num(g)).max():
        how = "adds something that does not carry the upstream gradient"
        advice = "Multiply every term by it: for an upstream gradient of zero the result must be zero."
    else:
        how, advice = "is not linear in the upstream gradient", "A derivative is: no clamping, no sign, no norm of it."
    return error(
        "nonlinear-upstream",
        f"the gradient of {name} {how}.",
        advice,
        input=name,
    )


def stale_state(point: Point) -> Iterator[Finding]:
    """Two forwards, then the backward of the first."""
    vector, expected = point.sample
    trace = point.traced()
    for factor in (1.05, 0.8):
        try:
            point.target.trace([v * factor for v in point.values])
        except (RuntimeError, ValueError, ArithmeticError):
            continue
        break
    try:
        got = trace.gradients(point.upstream(vector))
    except Exception as raised:  # whatever its backward does with another call's state
        got, why = None, f"raises {first_line(raised)}"
    else:
        why = "gives another gradient"
    if got is None or not point.close(point.flatten(got), point.flatten(expected), floor=point.grain):
        yield error(
            "stale-state",
            f"after a second forward, the backward of the first {why}: something is kept on the class or the object.",
            "Keep it on ctx: save_for_backward for inputs and outputs, attributes for the rest.",
        )


def subsets(point: Point) -> Iterator[Finding]:
    """Every choice of inputs that require a gradient gives the gradients that all together give."""
    n = len(point.values)
    if n < 2:
        return
    vector, expected = point.sample
    together = [None if g is None else flat(g) for g in expected]
    if n <= 3:
        choices = [c for c in itertools.product((True, False), repeat=n) if 0 < sum(c) < n]
    else:
        choices = [tuple(k == j for k in range(n)) for j in range(n)] + [
            tuple(k != j for k in range(n)) for j in range(n)
        ]
    wasted: set[int] = set()
    for choice in choices[:16]:
        named = ", ".join(leaf.name for leaf, c in zip(point.target.leaves, choice, strict=True) if c)
        try:
            trace = point.target.trace(point.values, choice)
            got = trace.gradients(point.upstream(vector))
        except Exception as raised:  # backward may do anything with what it did not save
            yield error(
                "partial",
                f"with a gradient asked for {named} only, backward raises {first_line(raised)}.",
                "Check every branch on ctx.needs_input_grad, and that what it needs is saved in that case.",
            )
            return
        for k, (g, e) in enumerate(zip(got, together, strict=True)):
            if (
                choice[k]
                and e is not None
                and not point.close(np.zeros_like(e) if g is None else flat(g), e, floor=point.grain)
            ):
                yield error(
                    "partial",
                    f"the gradient of {point.target.leaves[k].name} is right when every input asks for one, and "
                    f"wrong when only {named} {'does' if sum(choice) == 1 else 'do'}.",
                    "Check every branch on ctx.needs_input_grad: each gradient must be complete by itself.",
                    input=point.target.leaves[k].name,
                )
                return
        if point.target.function is not None and sum(choice) == 1:
            wasted |= _computed_for_nothing(point, trace, choice)
    if wasted:
        yield _wasteful(point, sorted(wasted))


def _computed_for_nothing(point: Point, trace: Trace, choice: Sequence[bool]) -> set[int]:
    if point.fresh:
        trace = point.target.trace(point.values, choice)
    try:
        result = raw_backward(point.target, trace, point.upstream(point.sample[0])) or ()
    except Exception:  # some only run inside of the engine; nothing can be said about those
        return set()
    arguments = {leaf.argument: k for k, leaf in enumerate(point.target.leaves) if leaf.argument is not None}
    return {arguments[a] for a, g in enumerate(result) if a in arguments and g is not None and not choice[arguments[a]]}


def _wasteful(point: Point, wasted: list[int]) -> Finding:
    names = ", ".join(point.target.leaves[k].name for k in wasted)
    return note(
        "ignores-needs-input-grad",
        f"backward computes the gradient of {names} even when nobody asks for it.",
        "Look at ctx.needs_input_grad and return None where it is False.",
        input=point.target.leaves[wasted[0]].name,
    )


def saved_on_ctx(point: Point) -> Iterator[Finding]:
    """Inputs and outputs that are kept as attributes of ctx."""
    tensors = [(leaf.name, t) for leaf, t in zip(point.target.leaves, point.trace.leaves, strict=True)]
    tensors += [(point.output_name(k), t) for k, t in enumerate(point.trace.outputs)]
    for node in custom_nodes(point.trace.outputs):
        for attribute, value in list(vars(node).items()):
            for held in _held(value):
                for k, (name, t) in enumerate(tensors):
                    same = held is t or (t.numel() and held.data_ptr() == t.data_ptr() and held.shape == t.shape)
                    if same or held.grad_fn is node:
                        is_output = k >= len(point.trace.leaves) or held.grad_fn is node
                        what = name if same else "its output"
                        harm = (
                            "a reference cycle that keeps the memory until the garbage collector runs"
                            if is_output
                            else "a change in place between forward and backward goes unnoticed"
                        )
                        yield warning(
                            "saved-on-ctx",
                            f"forward keeps {what} as ctx.{attribute}: {harm}.",
                            "Use ctx.save_for_backward for inputs and outputs.",
                            input=name if k < len(point.trace.leaves) and same else None,
                        )
                        return


def _held(value: Any) -> Iterator[Tensor]:
    if isinstance(value, Tensor):
        yield value
    elif isinstance(value, (list, tuple)):
        for v in value:
            yield from _held(v)
    elif isinstance(value, dict):
        for v in value.values():
            yield from _held(v)


def _identical(a: Tensor, b: Tensor) -> bool:
    return torch.equal(a, b) or bool(((a == b) | (a.isnan() & b.isnan())).all())
