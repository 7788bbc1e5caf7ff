"""Points where the derivative does not exist: what the two slopes are and which one backward chose.

|x| at 0, ReLU at 0, the tie of a maximum: every value between the slope on the left and that on the right is a
subgradient, and each is right. The note names the choice, so that two implementations can be compared.
"""

from __future__ import annotations

import math
from collections.abc import Iterator

from manualgrad.checking.point import Kinks
from manualgrad.checking.report import Finding


def judge(kinks: Kinks) -> Iterator[Finding]:
    """One note for the kinks of an input; a warning where backward is not between the slopes."""
    outside = None
    for index, got in zip(kinks.indexes, kinks.got, strict=True):
        if not math.isfinite(got):
            place = kinks.leaf.name + (f"[{', '.join(map(str, index))}]" if index else "")
            yield Finding(
                "unstable",
                "error",
                kinks.leaf.name,
                index,
                f"the gradient of {kinks.leaf.name} is {got} at {place}, a kink whose two slopes are finite.",
                "Give the kink a branch of its own: torch mostly takes 0 or the mean of the slopes.",
            )
            return
    for k, (got, left, right) in enumerate(zip(kinks.got, kinks.left, kinks.right, strict=True)):
        low, high = min(left, right), max(left, right)
        room = 1e-4 * (high - low)
        if not low - room <= got <= high + room:
            outside = k if outside is None else outside
    worst = outside if outside is not None else 0
    index = kinks.indexes[worst]
    place = kinks.leaf.name + (f"[{', '.join(map(str, index))}]" if index else "")
    value = float(kinks.leaf.value[index])
    got, left, right = kinks.got[worst], kinks.left[worst], kinks.right[worst]
    elements = len(set(kinks.indexes))
    many = f" and {elements - 1} more" if elements > 1 else ""
    slopes = f"the slope is {left:.6g} on the left and {right:.6g} on the right; backward gives {got:.6g}"
    what = f"the {kinks.output} has a kink at {place} = {value:.6g}{many}: {slopes}"
    if outside is None:
        yield Finding("kink", "note", kinks.leaf.name, index, f"{what}, {_convention(got, left, right)}.")
    else:
        yield Finding(
            "kink",
            "warning",
            kinks.leaf.name,
            index,
            f"{what}, which is not between them.",
            "Any value between the two slopes is a subgradient; torch mostly takes 0 or the mean.",
        )


def _convention(got: float, left: float, right: float) -> str:
    room = 1e-4 * abs(right - left)
    for value, name in ((left, "that on the left"), (right, "that on the right"), ((left + right) / 2, "their mean"), (0.0, "zero")):
        if abs(got - value) <= room:
            return name
    return "a value between them"
