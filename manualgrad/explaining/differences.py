"""Finite differences beside back-propagation: nudge every parameter, run the whole forward pass again, look at the
loss.

    dE/dw  ~  (E(w + h) - E(w)) / h                 forward, error about h E''(w) / 2
    dE/dw  ~  (E(w + h) - E(w - h)) / (2 h)         central, error about h^2 E'''(w) / 6

P parameters need 1 + P forward passes (2 P for central differences), where back-propagation needs one forward and one
backward pass for all of them. And where h is below the resolution of the numbers, w + h is w, and the measured gradient
is 0 however steep the loss is.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch

from manualgrad.explaining.route import find_element
from manualgrad.explaining.trace import Quantity, Trace
from manualgrad.explaining.wording import count, nearest, number, table


@dataclass(frozen=True)
class Nudge:
    """One parameter nudged: `change` of the loss, the gradient that this means, and the one of back-propagation.

    `lost` says that the nudge, or its effect on the loss, is below the resolution of the dtype.
    """

    name: str
    nudge: float
    change: float
    measured: float
    gradient: float
    lost: bool

    @property
    def difference(self) -> float:
        return self.measured - self.gradient


@dataclass(frozen=True)
class FiniteDifferences:
    """The rows, one per parameter, and what they cost. `str()` of it is the table."""

    rows: tuple[Nudge, ...]
    central: bool
    dtype: torch.dtype

    @property
    def forward_passes(self) -> int:
        """What finite differences need; back-propagation needs one forward and one backward pass."""
        return 2 * len(self.rows) if self.central else 1 + len(self.rows)

    @property
    def largest_difference(self) -> float:
        return max((abs(r.difference) for r in self.rows), default=0.0)

    @property
    def warnings(self) -> list[str]:
        """One sentence if nudges were lost in the dtype's resolution."""
        lost = [r.name for r in self.rows if r.lost]
        if not lost:
            return []
        some = ", ".join(lost[:4]) + (", ..." if len(lost) > 4 else "")
        name = str(self.dtype).removeprefix("torch.")
        return [
            f"the nudge of {count(len(lost), 'parameter')} ({some}) is lost in the resolution of {name}: "
            "the measured gradient means nothing there; take a larger nudge or float64"
        ]

    def text(self, digits: int = 4) -> str:
        header = ["parameter", "nudge", "change of the loss", "measured", "gradient", "difference", ""]
        rows = [
            [
                r.name,
                *(number(v, digits) for v in (r.nudge, r.change, r.measured, r.gradient)),
                f"{r.difference:.1e}",
                "lost" if r.lost else "",
            ]
            for r in self.rows
        ]
        cost = (
            f"finite differences: {count(self.forward_passes, 'forward pass').replace('passs', 'passes')}; "
            "back-propagation: 1 forward pass and 1 backward pass"
        )
        return "\n".join([*table(header, rows), cost, *(f"warning: {w}" for w in self.warnings)])

    def __str__(self) -> str:
        return self.text()


def measure(trace: Trace, nudge: float, central: bool, parameter: str | None) -> FiniteDifferences:
    """Nudge every element of every parameter, or only of the one called `parameter`.

    Raises ValueError for a nudge that is not positive, a loss of several elements, or a name that does not exist.
    """
    if not nudge > 0:
        raise ValueError(f"finite_differences: nudge must be positive, got {nudge}")
    if not trace.loss.one:
        raise ValueError(
            f"finite_differences: {trace.loss.name} has {trace.loss.value.numel()} elements; it takes a loss"
        )
    rows = [_nudged(trace, q, i, nudge, central) for q, elements in _chosen(trace, parameter) for i in elements]
    return FiniteDifferences(tuple(rows), central, trace.loss.value.dtype)


def _chosen(trace: Trace, parameter: str | None) -> list[tuple[Quantity, list[int]]]:
    trained = trace.parameters
    if parameter is None:
        return [(q, list(range(q.value.numel()))) for q in trained]
    whole = [(q, list(range(q.value.numel()))) for q in trained if q.name == parameter]
    if whole:
        return whole
    quantity, index = find_element(trace, parameter)
    if quantity not in trained:
        names = [q.name for q in trained]
        raise ValueError(
            f"finite_differences: {parameter} is no parameter that a gradient reaches{nearest(parameter, names)}"
        )
    return [(quantity, [index])]


def _nudged(trace: Trace, quantity: Quantity, index: int, nudge: float, central: bool) -> Nudge:
    leaf = trace.tensor_of(quantity)

    def loss_at(shift: float) -> tuple[float, float]:
        moved = quantity.value.clone(memory_format=torch.contiguous_format)
        moved.view(-1)[index] += shift
        return trace.replay({id(leaf): moved}).item(), moved.view(-1)[index].item()

    high, above = loss_at(nudge)
    low, below = loss_at(-nudge) if central else (trace.loss.value.item(), quantity.value.flatten()[index].item())
    assert quantity.gradient is not None
    gradient = quantity.gradient.flatten()[index].item()
    lost = above == below or (high == low and abs(gradient) * nudge > 0)
    measured = (high - low) / ((2 if central else 1) * nudge)
    return Nudge(trace.element(quantity, index), nudge, high - low, measured, gradient, lost)
