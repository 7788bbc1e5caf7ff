"""Points where the derivative does not exist: what the two slopes are and which one backward chose.

|x| at 0, ReLU at 0, the tie of a maximum: every value between the slope on the left and that on the right is a
subgradient, and each is right. The note names the choice, so that two implementations can be compared.
"""

from __future__ import annotations

import math
from collections.abc import Iterator

from manualgrad.checking.case import at
from manualgrad.checking.point import Kink, Kinks
from manualgrad.checking.report import Finding, error, note, warning


def judge(kinks: Kinks) -> Iterator[Finding]:
    """One note for the kinks of an input; a warning where backward is not between the slopes; NaN is an error."""
    name = kinks.leaf.name
    for k in kinks.entries:
        if not math.isfinite(k.got):
            yield error(
                "unstable",
                f"the gradient of {name} is {k.got} at {name}{at(k.index)}, a kink whose two slopes are finite.",
                "Give the kink a branch of its own: torch mostly takes 0 or the mean of the slopes.",
                input=name,
                index=k.index,
            )
            return
    outside = [k for k in kinks.entries if not _between(k)]
    worst = (outside or kinks.entries)[0]
    elements = len({k.index for k in kinks.entries})
    what = (
        f"the {kinks.output} has a kink at {name}{at(worst.index)} = {float(kinks.leaf.value[worst.index]):.6g}"
        + (f" and {elements - 1} more" if elements > 1 else "")
        + f": the slope is {worst.left:.6g} on the left and {worst.right:.6g} on the right; "
        f"backward gives {worst.got:.6g}"
    )
    if outside:
        yield warning(
            "kink",
            f"{what}, which is not between them.",
            "Any value between the two slopes is a subgradient; torch mostly takes 0 or the mean.",
            input=name,
            index=worst.index,
        )
    else:
        yield note("kink", f"{what}, {_convention(worst)}.", input=name, index=worst.index)


def _between(k: Kink) -> bool:
    room = 1e-4 * abs(k.right - k.left)
    return min(k.left, k.right) - room <= k.got <= max(k.left, k.right) + room


def _convention(k: Kink) -> str:
    room = 1e-4 * abs(k.right - k.left)
    for value, name in (
        (k.left, "that on the left"),
        (k.right, "that on the right"),
        ((k.left + k.right) / 2, "their mean"),
        (0.0, "zero"),
    ):
        if abs(k.got - value) <= room:
            return name
    return "a value between them"
