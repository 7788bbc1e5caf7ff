"""From a claimed and a true Jacobian to the mistake: the list of causes, each fitted to the numbers.

`diagnose` goes through the causes from the most specific to the vaguest; the first that explains every entry wins.
"""

from __future__ import annotations

import re
from collections.abc import Callable

import numpy as np

from manualgrad.checking import arrangement, formulas, places
from manualgrad.checking.case import Case
from manualgrad.checking.report import Finding


def diagnose(case: Case) -> Finding:
    """The most likely mistake. `case.block` must be wrong somewhere."""
    for cause in _CAUSES:
        finding = cause(case)
        if finding is not None:
            return finding
    return _mismatch(case)


def _not_finite(case: Case) -> Finding | None:
    b = case.block
    mask = b.wrong & ~np.isfinite(b.got)
    if not mask.any():
        return None
    kind = "NaN" if np.isnan(b.got[mask]).any() else "infinite"
    return case.finding(
        "unstable",
        f"{case.gradient} is {kind} where the derivative is finite",
        "Look for 0/0, inf - inf or 0 * inf in backward; divide by what cannot be zero, or select before dividing.",
        mask,
    )


def _missing(case: Case) -> Finding | None:
    b = case.block
    if b.significant(b.got).any():
        return None
    if case.siblings and all(s.significant(s.got).any() for s in case.siblings.values()):
        return case.finding(
            "ignores-upstream",
            f"the upstream gradient of the {case.output} never reaches {case.input}",
            "backward receives one upstream gradient for each output; use them all and add what they contribute.",
        )
    return case.finding(
        "missing", f"{case.gradient} is zero or None", f"Return the derivative by {case.input} in its place."
    )


def _spurious(case: Case) -> Finding | None:
    b = case.block
    if b.significant(b.true).any() or (np.abs(b.true[b.usable]) > b.limit[b.usable]).any():
        return None
    if case.depends():
        return case.finding(
            "surrogate",
            f"forward is constant around every element, so the derivative by {case.input} is zero, "
            "and backward gives something else",
            "If that is meant (straight-through, a surrogate slope), declare it: check(..., surrogate=function) "
            "where `function` has the gradient that backward should give.",
        )
    for name, sibling in case.siblings.items():
        if sibling.wrong.any() and sibling.true.shape == b.got.shape and b.fits(sibling.true):
            return case.finding(
                "swapped",
                f"{case.gradient} belongs to the {name}, not to the {case.output}",
                "Check the order of backward's upstream gradients: one for each output, in the order of forward.",
            )
    return case.finding(
        "spurious",
        f"the {case.output} does not depend on {case.input}, and backward gives it a gradient",
        f"Return None in the place of {case.input}.",
    )


def _scale(case: Case) -> Finding | None:
    b = case.block
    if b.fits(-b.true):
        return case.finding("sign", f"{case.gradient} has the wrong sign", "Negate it.")
    clear = b.significant(b.true)
    if not clear.any():
        return None
    cell = np.unravel_index(int(np.argmax(np.where(clear, np.abs(b.true), 0))), b.true.shape)
    c = float(b.got[cell] / b.true[cell])
    if c == 0 or not b.fits(c * b.true) or not all(n.fits(c * n.true) for n in case.nearby):
        return None
    name = case.constant(c)
    inverse = case.constant(1 / c)
    size = re.compile(r" \([^()]*the [^()]*\)$")  # what the number is
    advice = f"Divide by {size.sub('', name)}." if abs(c) > 1 else f"Multiply by {size.sub('', inverse)}."
    if size.search(name) and abs(c) < 1:
        advice += " A sum may have been written as a mean, or a mean's division done twice."
    elif size.search(name):
        advice += " A mean's gradient is divided by the number of its elements."
    return case.finding("scale", f"{case.gradient} is {name} times the derivative", advice)


def _conjugate(case: Case) -> Finding | None:
    b = case.block
    if not b.is_complex:
        return None
    by_input = np.where(b.in_index[-1] == 1, -1.0, 1.0)[None, :]
    by_output = np.where(b.out_index[-1] == 1, -1.0, 1.0)[:, None] if b.out_shape[-1:] == (2,) else 1.0
    for flips in (by_input, by_output, by_input * by_output):
        if b.fits(flips * b.true):
            return case.finding(
                "sign",
                f"an imaginary part of {case.gradient} has the wrong sign",
                "torch's gradient of a complex input is dy times the conjugate of the slope.",
            )
    return None


def _swapped(case: Case) -> Finding | None:
    b = case.block
    for name, other in case.others.items():
        if other.true.shape == b.got.shape and b.fits(other.true) and other.wrong.any() and other.fits(b.true):
            return case.finding(
                "swapped",
                f"the gradients of {case.input} and {name} are exchanged",
                "Return the gradients in the order of forward's arguments.",
            )
    for name, sibling in case.siblings.items():
        if sibling.wrong.any() and sibling.true.shape == b.got.shape and b.fits(sibling.true):
            return case.finding(
                "swapped",
                f"{case.gradient} uses the upstream gradient of the {name} in the place of that of the {case.output}",
                "Check the order of backward's upstream gradients: one for each output, in the order of forward.",
            )
    return None


def _few_digits(case: Case) -> Finding | None:
    """Right to some digits everywhere: a rounded constant, a detour through float32, an epsilon left out."""
    b = case.block
    off = b.wrong
    with np.errstate(all="ignore"):
        relative = np.abs(b.got - b.true)[off] / b.top
        own = (np.abs(b.got - b.true) / np.abs(b.true))[off & b.significant(b.true)]
    if not len(own) or relative.max() > 3e-4 or np.median(own) > 1e-3:
        return None
    digits = max(1, int(-np.log10(max(relative.max(), 1e-16))))
    cause = (
        "as if it had been computed in float32"
        if 2e-9 < relative.max() < 1e-6
        else "a rounded constant or an epsilon left out"
    )
    return case.finding(
        "precision",
        f"{case.gradient} is right to about {digits} digits only, {cause}",
        "Keep float64 inputs in float64, write constants in full, and use the same epsilon as forward.",
    )


def _mismatch(case: Case) -> Finding:
    b = case.block
    finite = b.usable & np.isfinite(b.got)
    got, true = b.got[finite], b.true[finite]
    length = float(np.linalg.norm(got) * np.linalg.norm(true))
    cosine = float(got @ true) / length if length else 0.0
    return case.finding(
        "mismatch",
        f"{case.gradient} is wrong in {int(b.wrong.sum())} of {int(finite.sum())} entries, and no single mistake "
        f"explains it (cosine {cosine:.3f} with the true one)",
        "Start from the entry named here and derive it by hand.",
    )


_CAUSES: tuple[Callable[[Case], Finding | None], ...] = (
    _not_finite,
    _missing,
    _spurious,
    _few_digits,
    _scale,
    _conjugate,
    _swapped,
    arrangement.missing_sum,
    arrangement.moved,
    arrangement.cross_terms,
    formulas.input_factor,
    places.under_a_condition,
    formulas.sibling,
    formulas.factor,
    formulas.operand,
    formulas.term,
    formulas.coupled_term,
    formulas.group_factor,
    formulas.quotient,
    formulas.term_pair,
    formulas.operand_values,
    places.in_places,
)
