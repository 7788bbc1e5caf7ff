"""Causes that lie in the local formula: a factor or a term that is missing, too many, or made of the wrong quantity."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from manualgrad.checking.arrangement import ties
from manualgrad.checking.case import Block, Case, placements
from manualgrad.checking.expressions import Expression, proportion
from manualgrad.checking.numeric import Array
from manualgrad.checking.report import Finding

_SIBLINGS = (("sin({})", "cos({})"), ("sinh({})", "cosh({})"), ("sigmoid({})", "1 - sigmoid({})"), ("{}", "1 - {}"))


def sibling(case: Case) -> Finding | None:
    """sin in the place of cos, s in the place of 1 - s: one factor's worth, but nobody would call it a factor."""
    got, true, _ = case.cells
    if len(got) < 3:
        return None
    by_form = {(e.form, e.operand): e for e in case.vocabulary.expressions}
    for (form, operand), first in by_form.items():
        for pair in _SIBLINGS:
            second = by_form.get((pair[1 - pair.index(form)], operand)) if form in pair else None
            if second is None:
                continue
            a, b = proportion(got, first.values, 1), proportion(true, second.values, 1)
            if a is not None and b is not None and abs(abs(a / b) - 1) < 1e-5:
                sign = "-" if a / b < 0 else ""
                return case.finding(
                    "wrong-operand",
                    f"{case.gradient} uses {sign}{first.text} where {second.text} is needed",
                    f"Replace {first.text} by {second.text}.",
                )
    return None


def input_factor(case: Case) -> Finding | None:
    """A missing factor that is an input by itself: a mask, a weight, the other operand."""
    return factor(case, lambda e, extra: not extra and e.form == "{}" and e.operand in case.constants)


def factor(case: Case, only: Callable[[Expression, bool], bool] = lambda e, extra: True) -> Finding | None:
    got, true, _ = case.cells
    if len(got) < 3:
        return None
    best: tuple[float, Expression, float, bool] | None = None
    for e in case.vocabulary.expressions:
        for extra in (False, True):
            if not only(e, extra):
                continue
            # missing: true = c e got; extra: got = c e true. Either side may be zero where e is.
            whole, part = (got, true) if extra else (true, got)
            c = proportion(whole, e.values * part, 1)
            if c is None:
                continue
            cost = e.cost + (0 if abs(abs(c) - 1) < 1e-5 else 1 if case.natural(c) else 4)
            if best is None or cost < best[0]:
                best = cost, e, c, extra
    if best is None:
        return None
    _, e, c, extra = best
    times = "" if abs(c - 1) < 1e-5 else f"{case.constant(c)} times "
    # got = c e true also says that 1 / e is missing. The simpler of the two is the one that somebody wrote first.
    if extra and case.simplicity(got) < case.simplicity(true):
        return case.finding(
            "missing-factor",
            f"{case.gradient} lacks a factor: 1 / ({e.text})"
            + (f", and is {case.constant(c)} times too large" if times else ""),
            f"Divide by {e.text}.",
        )
    if extra:
        return case.finding(
            "extra-factor",
            f"{case.gradient} has a factor too many: {times}{e.text}",
            f"Divide by {e.text}: it is there once too often, or is multiplied where it should divide.",
        )
    return case.finding(
        "missing-factor", f"{case.gradient} lacks a factor: {times}{e.text}", f"Multiply by {times}{e.text}."
    )


def operand(case: Case) -> Finding | None:
    """The same expression of another quantity: x (1 - x) where y (1 - y) is needed."""
    got, true, operands = case.cells
    if len(got) < 3 or (got == 0).any() or (true == 0).any():
        return None
    if len(operands) < 2:
        return None
    ratio = got / true
    best: tuple[float, Expression, Expression] | None = None
    for first, second, p, q in case.vocabulary.pairs(ratio):
        if p == q:
            continue
        used, needed = (first, second) if p == 1 else (second, first)
        same_form = used.form == needed.form and used.operand != needed.operand
        c = proportion(ratio * needed.values, used.values, 1)
        if not same_form or c is None or not case.natural(c):
            continue
        cost = used.cost + needed.cost
        if best is None or cost < best[0]:
            best = cost, used, needed
    if best is None:
        return None
    _, used, needed = best
    return case.finding(
        "wrong-operand",
        f"{case.gradient} uses {used.text} where {needed.text} is needed",
        f"Save and use {needed.operand}; check the order in which saved tensors are unpacked.",
    )


def quotient(case: Case) -> Finding | None:
    """Two expressions: one too many and one missing, two missing, or two too many."""
    got, true, _ = case.cells
    if len(got) < 4 or (got == 0).any() or (true == 0).any():
        return None
    ratio = got / true
    best: tuple[float, Expression, Expression, int, int] | None = None
    for first, second, p, q in case.vocabulary.pairs(ratio):
        c = proportion(ratio, first.values**p * second.values**q, 1)
        if c is None:
            continue
        cost = first.cost + second.cost + (0 if abs(abs(c) - 1) < 1e-5 else 1 if case.natural(c) else 4)
        if best is None or cost < best[0]:
            best = cost, first, second, p, q
    if best is None or best[0] > 11:
        return None
    _, first, second, p, q = best
    if p == q:
        code = "extra-factor" if p == 1 else "missing-factor"
        verb = "has factors too many" if p == 1 else "lacks factors"
        return case.finding(
            code, f"{case.gradient} {verb}: {first.text} and {second.text}", "Derive the local slope again."
        )
    used, needed = (first, second) if p == 1 else (second, first)
    return case.finding(
        "wrong-operand",
        f"{case.gradient} uses {used.text} where {needed.text} is needed",
        f"Replace {used.text} by {needed.text}.",
    )


def term(case: Case, pairs: bool = False) -> Finding | None:
    """true - got is a simple expression: a term of a sum, or of the product rule, is missing."""
    got, true, _ = case.cells
    if len(got) < 4:
        return None
    difference = true - got
    size = np.maximum(np.abs(true), np.abs(got))
    difference[np.abs(difference) < 1e-9 * size.max()] = 0
    if not difference.any() or not got.any():
        return None
    best: tuple[float, str, float] | None = None
    c = proportion(difference, np.ones_like(difference), 1)
    if c is not None and case.natural(c):
        best = 0.0, "1", c
    for e, c, p in case.vocabulary.singles(difference):
        cost = e.cost + (0 if abs(abs(c) - 1) < 1e-5 else 1 if case.natural(c) else 3) + (p == -1)
        if best is None or cost < best[0]:
            best = cost, e.text if p == 1 else f"1 / ({e.text})", c
    if best is None and pairs:
        for first, second, p, q in case.vocabulary.pairs(difference):
            product = first.values**p * second.values**q
            found = proportion(difference, product, 1)
            if found is None:
                continue
            cost = first.cost + second.cost + (0 if case.natural(found) else 3)
            if best is None or cost < best[0]:
                text = " ".join(f"{'1 / ' if k == -1 else ''}({e.text})" for e, k in ((first, p), (second, q)))
                best = cost, text, found
        if best is not None and best[0] > 11:
            best = None
    if best is None:
        return None
    _, text, c = best
    named = text if abs(c - 1) < 1e-5 else f"{case.constant(c)} times {text}" if text != "1" else case.constant(c)
    return case.finding(
        "missing-term",
        f"{case.gradient} lacks a term: {named}",
        "Differentiate every factor that depends on the input and add.",
    )


def term_pair(case: Case) -> Finding | None:
    """The missing term is a product or quotient of two simple expressions."""
    return term(case, pairs=True)


def coupled_term(case: Case) -> Finding | None:
    """In a coupled Jacobian, every row of true - got is proportional to one simple quantity at the input's place.

    The mean's term is proportional to 1, the variance's to the centred input, the norm's to the input.
    """
    b = case.block
    tied = ties(b, b.true)
    difference = b.true - b.got
    alive = b.significant(difference)
    if tied is None or not b.in_shape or not b.significant(b.got).any() or np.median(alive.sum(1)[alive.any(1)]) < 3:
        return None
    inner = tuple(e for e in range(len(b.in_shape)) if e not in {t[1] for t in tied})
    candidates: list[tuple[str, Array]] = [("a sum or mean of the upstream gradient", np.ones(b.in_shape))]
    for name, t in b.tensors.items():
        for values in placements(t, b.in_shape):
            candidates.append((name, values))
            if inner:
                candidates.append((f"{name} less its mean", values - values.mean(inner, keepdims=True)))
    for name, values in candidates:
        v = values.reshape(-1)[b.cols]
        ratio = np.where(alive, difference / v[None, :], 0.0)
        largest = np.abs(ratio).max(1, keepdims=True)
        expected = np.take_along_axis(ratio, np.abs(ratio).argmax(1)[:, None], 1)
        if not np.isfinite(ratio).all() or (np.abs(ratio - expected) > 1e-5 * largest)[alive].any():
            continue
        return case.finding(
            "missing-term",
            f"{case.gradient} lacks a term of the coupling, proportional to {name}",
            "A statistic (sum, mean, variance, norm) depends on the input too; differentiate through it.",
        )
    return None


def group_factor(case: Case) -> Finding | None:
    """got / true depends on the place along some dimensions only: on a statistic of the others."""
    b = case.block
    alive = b.significant(b.true)
    if not np.array_equal(alive, b.significant(b.got)):
        return None
    r, c = np.nonzero(alive)
    ratio = b.got[r, c] / b.true[r, c]
    for what, index, pick in ((case.input, b.in_index, c), (f"the {case.output}", b.out_index, r)):
        for d, i in enumerate(index):
            places = i[pick]
            groups = [ratio[places == g] for g in np.unique(places)]
            if len(groups) > 1 and min(map(len, groups)) > 1 and all(np.allclose(g, g[0], rtol=1e-6) for g in groups):
                extra = _within_any(b.true[alive], b) and not _within_any(b.got[alive], b)
                return case.finding(
                    "extra-factor" if extra else "missing-factor",
                    f"{case.gradient} is off by a factor that depends on the index along dimension {d} of {what} only",
                    "Look for a statistic of the other dimensions: a norm, a standard deviation, a sum of weights.",
                )
    return None


def _within_any(values: Array, b: Block) -> bool:
    return any(_within(np.unique(values), t) for t in b.tensors.values())


def operand_values(case: Case) -> Finding | None:
    """Every entry is found among the elements of one tensor, and the true ones among those of another."""
    b = case.block
    got, true = (np.unique(a[b.significant(a)]) for a in (b.got, b.true))
    if len(got) < 3 or len(true) < 3:
        return None
    for sign in (1, -1):
        used = [n for n, t in b.tensors.items() if _within(sign * got, t)]
        needed = [n for n, t in b.tensors.items() if _within(sign * true, t)]
        for name in used:
            if name in needed and len(needed) == 1:
                continue
            other = next((n for n in needed if n != name), None)
            return case.finding(
                "wrong-operand",
                f"{case.gradient} is made of the elements of {name}"
                + (f" where those of {other} are needed" if other else ""),
                "Check what was saved for backward and the order in which it is unpacked.",
            )
    return None


def _within(values: Array, tensor: Array) -> bool:
    elements = np.sort(tensor.reshape(-1))
    if len(elements) < 2:
        return False
    at = np.clip(np.searchsorted(elements, values), 1, len(elements) - 1)
    nearest = np.minimum(np.abs(elements[at] - values), np.abs(elements[at - 1] - values))
    return bool((nearest <= 1e-7 * np.abs(values)).all())
