"""The story of a trace as plain text."""

from __future__ import annotations

from collections.abc import Iterator

from manualgrad.explaining import expression
from manualgrad.explaining.narrative import Moment, Table, moments
from manualgrad.explaining.trace import Trace
from manualgrad.explaining.wording import count, number, table


def write(trace: Trace, title: str, learning_rate: float | None, digits: int) -> str:
    """All moments, one after the other."""
    lines = [title, "=" * len(title), facts(trace, learning_rate)]
    phase = ""
    for i, moment in enumerate(moments(trace, learning_rate), 1):
        if moment.phase != phase:
            phase = moment.phase
            lines += ["", phase.upper()]
        lines += ["", *_moment(i, moment, learning_rate or 0.0, digits)]
    return "\n".join(lines) + "\n"


def facts(trace: Trace, learning_rate: float | None) -> str:
    """One line: how many steps, parameters and bytes."""
    trained = sum(q.value.numel() for q in trace.parameters)
    parts = [count(len(trace.operations), "step"), count(trained, "parameter")]
    first = next((q for q in trace.inputs if q.name in ("x", "x1")), None)
    if first is not None and first.value.dim() > 1:
        parts.append(count(first.value.shape[0], "example"))
    parts.append(f"{trace.tape.saved_bytes} bytes kept for the backward pass")
    if learning_rate is not None:
        parts.append(f"learning rate {number(learning_rate, 8)}")
    return ", ".join(parts)


def _moment(i: int, moment: Moment, learning_rate: float, digits: int) -> Iterator[str]:
    yield f"{i:>2}  {moment.heading}"
    for rule in moment.rules:
        yield f"      {rule}"
    for line in moment.lines:
        yield f"      {expression.text(line, digits)}"
    for t in moment.tables:
        yield from _table(t, learning_rate, digits)
    if moment.note:
        yield f"      ({moment.note})"


def _table(shown: Table, learning_rate: float, digits: int) -> Iterator[str]:
    rows = [with_update(row, learning_rate) if shown.update else row for row in shown.rows]
    if not shown.update:
        yield f"    {shown.caption}"
    yield from table(
        shown.header, [[c if isinstance(c, str) else number(c, digits) for c in r] for r in rows], indent=6
    )
    if shown.left_out:
        yield f"      ... and {shown.left_out}"


def with_update(row: list[str | float], learning_rate: float) -> list[str | float]:
    """(name, before, gradient) with the adjustment and the value after it."""
    name, before, gradient = row
    adjustment = learning_rate * float(gradient)
    return [name, before, gradient, adjustment, float(before) - adjustment]
