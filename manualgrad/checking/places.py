"""Gradients that are right in some places: what the wrong places have in common."""

from __future__ import annotations

import itertools
from typing import Any

import numpy as np

from manualgrad.checking.case import Case, at, number, operands_at
from manualgrad.checking.expressions import separating
from manualgrad.checking.numeric import Mask
from manualgrad.checking.report import Finding


def under_a_condition(case: Case) -> Finding | None:
    b = case.block
    considered = b.significant(b.true) | b.significant(b.got) | b.wrong
    r, c = np.nonzero(considered)
    wrong = b.wrong[r, c]
    if wrong.all() or len(r) < 2:
        return None
    share = f"{int((~wrong).sum())} of {len(wrong)} entries are right"
    text = _condition(case, r, c, wrong)
    if text is not None:
        return case.finding(
            "partial",
            f"{case.gradient} is right on some elements only: it is wrong {text} ({share})",
            "Give that case its own branch (torch.where, a mask) in backward, as forward has.",
        )
    return None


def in_places(case: Case) -> Finding | None:
    b = case.block
    considered = b.significant(b.true) | b.significant(b.got) | b.wrong
    r, c = np.nonzero(considered)
    wrong = b.wrong[r, c]
    if (~wrong).sum() < max(2, 0.2 * len(wrong)):
        return None
    places = list(dict.fromkeys(case.index(int(k)) for k in c[wrong]))
    listed = ", ".join(f"{case.input}{at(p)}" for p in places[:4]) + (" ..." if len(places) > 4 else "")
    return case.finding(
        "partial",
        f"{case.gradient} is right on some elements only: {int((~wrong).sum())} of {len(wrong)} entries are right; "
        f"wrong at {listed}",
        "Look for what sets these elements apart: a branch, a boundary, a tie, a duplicate index.",
    )


def _condition(case: Case, r: Any, c: Any, wrong: Mask) -> str | None:
    """What the wrong cells have in common and the right ones do not; the most natural condition first."""
    b = case.block
    for found in (
        _by_class(case, r, c, wrong),
        _by_value(case, r, c, wrong, natural=True),
        _by_place(case, r, c, wrong),
    ):
        if found:
            return found
    if len(wrong) >= 5:
        return _by_value(case, r, c, wrong, natural=False)
    del b
    return None


def _by_class(case: Case, r: Any, c: Any, wrong: Mask) -> str | None:
    """In the target's column, or in the rows of one class."""
    b = case.block
    for name, t in case.integers.items():
        for shape, index, size in ((b.in_shape, b.in_index, len(b.cols)), (b.out_shape, b.out_index, len(b.rows))):
            pick = c if size == len(b.cols) and index is b.in_index else r
            for d in range(len(shape)):
                if t.shape == shape[:d] + shape[d + 1 :]:
                    rest = tuple(i[pick] for k, i in enumerate(index) if k != d)
                    if np.array_equal(index[d][pick] == t[rest], wrong):
                        return f"in the column that {name} names"
            if t.shape == shape[: t.ndim] and t.ndim:
                labels = t[tuple(i[pick] for i in index[: t.ndim])]
                bad = set(np.unique(labels[wrong]).tolist())
                if bad.isdisjoint(labels[~wrong].tolist()):
                    return f"where {name} is {', '.join(map(str, sorted(bad)))}"
    return None


def _by_place(case: Case, r: Any, c: Any, wrong: Mask) -> str | None:
    """At one index, or on one side of an index, of one dimension; on or off the diagonal."""
    b = case.block
    for what, shape, index, pick in (
        (case.input, b.in_shape, b.in_index, c),
        (f"the {case.output}", b.out_shape, b.out_index, r),
    ):
        for d, i in enumerate(index):
            places = i[pick]
            bad, good = np.unique(places[wrong]), np.unique(places[~wrong])
            if len(good) and not np.intersect1d(bad, good).size and (len(bad) <= 2 or len(good) <= 2):
                if len(bad) <= len(good):
                    return f"at index {_listed(bad)} of dimension {d} of {what} {tuple(shape)}"
                return f"at every index of dimension {d} of {what} {tuple(shape)} but {_listed(good)}"
        for d, e in itertools.combinations(range(len(index)), 2):
            if shape[d] == shape[e]:
                i, j = index[d][pick], index[e][pick]
                for text, mask in (
                    ("on the diagonal", i == j),
                    ("off the diagonal", i != j),
                    ("below the diagonal", i > j),
                    ("above the diagonal", i < j),
                    ("on and below the diagonal", i >= j),
                    ("on and above the diagonal", i <= j),
                ):
                    if np.array_equal(mask, wrong):
                        return f"{text} of {what}"
    corners = [
        np.logical_or.reduce(
            [(i[c] == 0) | (i[c] == n - 1) for i, n in zip(b.in_index[k:], b.in_shape[k:], strict=True)]
        )
        for k in range(len(b.in_shape))
    ]
    if any(np.array_equal(edge, wrong) for edge in corners):
        return f"at the border of {case.input}"
    return None


def _by_value(case: Case, r: Any, c: Any, wrong: Mask, natural: bool) -> str | None:
    """Below, above, inside or outside of a threshold of the input, the output, another input, or two of them."""
    b = case.block
    named = operands_at(b, r, c, case.input)
    order = [case.input, "output"]
    names = [n for n in order if n in named] + [n for n in named if n not in order and "(" not in n]
    variables = [(n, named[n][0]) for n in names]
    pairs = [(f"{p} - {q}", x - y) for (p, x), (q, y) in itertools.combinations(variables, 2) if p != q]
    pairs += [(f"{p} {q}", x * y) for (p, x), (q, y) in itertools.combinations(variables, 2) if p != q]
    for name, values in variables + pairs:
        if not np.isfinite(values).all() or np.ptp(values) == 0:
            continue
        for text, v in ((name, values), (f"|{name}|", np.abs(values))):
            found = separating(v, wrong)
            if found is None:
                # equal to one number wherever it is wrong and never where it is right: padding, exact zeros, ties
                bad = np.unique(v[wrong])
                if len(bad) == 1 and not (v[~wrong] == bad[0]).any() and natural:
                    return f"where {text} = {number(float(bad[0]))}"
                continue
            kind, low, high = found
            if kind in ("below", "above"):
                border = _border(case, low, high)
                if natural and border is None:
                    continue
                sign = "<" if kind == "below" else ">"
                if border is not None:
                    return f"where {text} {sign} {border}"
                return f"where {text} {sign} about {number((low + high) / 2)}"
            if natural and name != case.input:
                continue
            if kind == "outside":
                beyond = [v[wrong & (v < low)].max(), v[wrong & (v > high)].min()]
                edges = _border(case, float(beyond[0]), low), _border(case, high, float(beyond[1]))
            else:
                within = v[~wrong]
                lower, upper = within[within < low], within[within > high]
                if not len(lower) or not len(upper):
                    continue
                edges = _border(case, float(lower.max()), low), _border(case, high, float(upper.min()))
            if natural and None in edges:
                continue
            a, z = (e or f"about {number(x)}" for e, x in zip(edges, (low, high), strict=True))
            return f"where {text} < {a} or > {z}" if kind == "outside" else f"where {text} is between {a} and {z}"
    return None


def _border(case: Case, low: float, high: float) -> str | None:
    """A number with a meaning between `low` and `high`: a scalar argument, 0, or a small round number."""
    for name, s in case.scalars.items():
        for text, value in ((name, s), (f"-{name}", -s)):
            if low <= value <= high:
                return f"{text} ({number(value)})" if value == s else text
    for value in (0.0, 1.0, -1.0, 0.5, -0.5, 2.0, -2.0, 3.0, -3.0, 6.0):
        if low <= value <= high:
            return number(value)
    return None


def _listed(numbers: Any) -> str:
    return ", ".join(str(int(n)) for n in numbers)
