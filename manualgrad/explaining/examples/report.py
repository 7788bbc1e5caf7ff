"""What `manualgrad explain NAME` prints, and what the example's page in docs/ shows: one text, made here."""

from __future__ import annotations

import math
from collections.abc import Iterator
from textwrap import wrap
from typing import Any

from torch import Tensor

from manualgrad.explaining.examples import Example, Figure, problems
from manualgrad.explaining.examples.computing import problem_of, sequentially
from manualgrad.explaining.examples.graphs import explanation_of
from manualgrad.explaining.examples.problems import Problem
from manualgrad.explaining.wording import number, table

WIDTH = 100
DIGITS = 10  # of the figures


def report(example: Example, steps: int | None = None) -> str:
    """The example worked through, `steps` steps of training, the document's figures beside ours, and remarks.

    Without `steps`, those that the document shows. Raises ValueError for steps of an example that trains nothing.
    """
    heading = "" if explanation_of(example) else f"{example.title}\n{'=' * len(example.title)}\n\n"
    parts = [
        heading + worked_through(example, steps),
        f"FIGURES\n\n{figures(example)}",
        f"REMARKS\n\nFrom {example.source}.\n",
        *(_wrapped(remark) for remark in example.remarks),
    ]
    return "\n".join(part for part in parts if part)


def worked_through(example: Example, steps: int | None = None) -> str:
    """The explanation of the first step, the routes that the document follows, the training; empty for arithmetic."""
    explanation = explanation_of(example)
    parts = [explanation.text()] if explanation else []
    if explanation and example.name in _ROUTES:
        routes = "\n\n".join(str(explanation.route(name)) for name in _ROUTES[example.name])
        parts.append(f"ROUTES\n\n{routes}\n")
    if explanation and example.name == "2-3-1":
        parts.append(f"FINITE DIFFERENCES BESIDE BACK-PROPAGATION\n\n{explanation.finite_differences(1e-4)}\n")
    shown = _DOCUMENTED.get(example.name, 0) if steps is None else steps
    if shown:
        table_of_steps = "\n".join(_training(example, shown))
        parts.append(f"TRAINING\n\n{table_of_steps}\n")
    return "\n".join(parts)


def figures(example: Example) -> str:
    """A table of our figures beside the document's, and for every one of these that is wrong, why."""
    lines = [*_figures(example)]
    for w in example.wrong:
        lines += ["", _wrapped(f"{w.name}: the document prints {_flat(w.printed)}. That is wrong: {w.why}.").rstrip()]
    return "\n".join(lines) + "\n"


def _wrapped(text: str) -> str:
    return "\n".join(wrap(text, WIDTH)) + "\n"


# The parameters that the documents follow back from the loss.
_ROUTES = {
    "xyz": ["x", "y", "z"],
    "two-neurons-a": ["wb1", "wa1"],
    "two-neurons-b": ["wb1", "wa1"],
    "two-neurons-c": ["wb1", "wa1"],
    "two-neurons-2024": ["wb1", "wa1"],
    "2-2-2": ["w5", "w1"],
    "2-2-2-sequential": ["w1"],
    "2-2-1": ["w5", "w1"],
    "3-4-1": ["w2_11", "w1_43", "b1_2"],
    "2-3-1": ["W1_1", "W0_11"],
    "sharing": ["theta"],
}

# The steps that the documents show.
_DOCUMENTED = {
    "two-neurons-a": 3,
    "two-neurons-b": 3,
    "two-neurons-c": 3,
    "two-neurons-2024": 2,
    "3-4-1": 7,
    "3-4-1-rounded": 7,
    "2-2-1": 2,
    "2-2-2": 2,
    "2-2-2-sequential": 2,
    "2-2-2-biases": 2,
    "learning-rate-0.01": 10,
    "learning-rate-0.1": 10,
    "learning-rate-1.0": 4,
}


# ----------------------------------------------------------------------------------------------------------- training


def _training(example: Example, steps: int) -> Iterator[str]:
    """A row per step: the output and the loss before its update; of many steps, some of them."""
    if example.name == "2-2-2-sequential":
        passes = _sequential_passes(problems.net_2_2_2(example), steps)
    else:
        problem = problem_of(example)
        if problem is None:
            raise ValueError(f"{example.name} trains no network; it takes no steps")
        passes = _passes(problem, steps)
    rows: list[list[str]] = []
    for step, parameters, output, loss in passes:
        if not math.isfinite(loss):
            yield from table(_header(parameters), rows)
            yield f"The loss overflows at step {step}: it diverges."
            return
        if _is_shown(step, steps):
            outputs = ", ".join(number(v, 6) for v in output.flatten().tolist())
            rows.append([str(step), *(number(v, 6) for v in parameters.values()), outputs, number(loss, 9)])
    yield from table(_header(parameters), rows)


def _header(parameters: dict[str, float]) -> list[str]:
    return ["step", *parameters, "output", "loss"]


def _passes(problem: Problem, steps: int) -> Iterator[tuple[int, dict[str, float], Tensor, float]]:
    for step, (output, loss) in enumerate(problem.descend(steps), 1):
        yield step, _few(problem), output, loss.item()


def _few(problem: Problem) -> dict[str, float]:
    """The parameters themselves, where there are two."""
    trained = [(n, p) for n, p in problem.model.named_parameters() if p.numel() == 1]
    if sum(p.numel() for p in problem.trained) != 2:
        return {}
    names = {name.partition("[")[0]: label for name, label in problem.labels.items()}
    return {names.get(n, n): p.item() for n, p in trained}


def _sequential_passes(problem: Problem, steps: int) -> Iterator[tuple[int, dict[str, float], Tensor, float]]:
    for step in range(1, steps + 1):
        output, loss = problem.now()
        yield step, {}, output, loss.item()
        sequentially(problem, 1, "tape")


def _is_shown(step: int, steps: int) -> bool:
    """The first ten, then 20, 50, 100, 200, ..., and the last."""
    return step <= 10 or step == steps or str(step).rstrip("0") in ("1", "2", "5")


# ------------------------------------------------------------------------------------------------------------ figures


def _figures(example: Example) -> Iterator[str]:
    ours = example.results()
    wrong = {w.name: w for w in example.wrong}
    rows = []
    for check in example.checks:
        printed, verdict = check.printed, "agrees" if check.printed is not None else ""
        if check.name in wrong:
            printed, verdict = wrong[check.name].printed, "WRONG"
        for i, value in enumerate(_rows(ours[check.name])):
            beside = _rows(printed)[i] if printed is not None else ""
            name, said = (check.name, verdict) if i == 0 else ("", "")
            rows.append([name, value, beside, said])
    yield from table(["", "ours", "printed", ""], rows)


def _rows(figure: Figure) -> list[str]:
    """A number, or a list in one line; a matrix, a line per row."""
    if isinstance(figure, list) and figure and isinstance(figure[0], list):
        return [_flat(row) for row in figure]
    return [_flat(figure)]


def _flat(figure: Figure) -> str:
    if isinstance(figure, list):
        return "  ".join(_flat(v) for v in figure)
    return _number(figure)


def _number(value: Any) -> str:
    text = f"{value:.{DIGITS}g}"
    return "0" if text == "-0" else text
