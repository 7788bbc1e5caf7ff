"""The worked examples of five documents on back-propagation: their numbers, ours, and where the documents are wrong.

`numbers.json` holds for every example what is given, the exact results, the figures that the document prints, and those
of them that are wrong with the reason. `computing` computes the results through our formulas, by either engine.
"""

from __future__ import annotations

import functools
import json
from dataclasses import dataclass
from importlib.resources import files
from typing import Any

Figure = Any  # a number, or a list of figures


@dataclass(frozen=True)
class Check:
    """A result: its exact `value`, and what the document prints for it, up to `rounding`, or None."""

    name: str
    value: Figure
    tolerance: float
    printed: Figure = None
    rounding: float = 0.0


@dataclass(frozen=True)
class Wrong:
    """A figure that a document prints and that is wrong, and why."""

    name: str
    printed: Figure
    why: str


@dataclass(frozen=True)
class Example:
    """A worked example: `given` are its inputs, parameters and learning rate."""

    name: str
    title: str
    source: str
    given: dict[str, Any]
    remarks: tuple[str, ...]
    checks: tuple[Check, ...]
    wrong: tuple[Wrong, ...]

    def results(self, engine: str = "tape") -> dict[str, Figure]:
        """The results by the names of the checks, computed by "autograd" or by the "tape"."""
        return dict(_results(self.name, engine))


@functools.cache
def load() -> dict[str, Example]:
    """All examples by name. Does not import torch.

    >>> example = load()["xyz"]
    >>> example.given["x"], example.results()["df_dx"]
    (-2, -4.0)
    """
    text = files(__name__).joinpath("numbers.json").read_text(encoding="utf-8")
    return {e["name"]: _example(e) for e in json.loads(text)}


@functools.cache  # some train for ten thousand steps
def _results(name: str, engine: str) -> dict[str, Figure]:
    from manualgrad.explaining.examples.computing import compute

    return compute(load()[name], engine)


def _example(read: dict[str, Any]) -> Example:
    return Example(
        read["name"],
        read["title"],
        read["source"],
        read["given"],
        tuple(read["remarks"]),
        tuple(Check(**c) for c in read["checks"]),
        tuple(Wrong(**w) for w in read["wrong"]),
    )
