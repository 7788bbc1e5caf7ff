"""The explanations of the worked examples: of their networks, and of the scalar graphs among them."""

from __future__ import annotations

from collections.abc import Callable

from torch import Tensor

from manualgrad import functional as F
from manualgrad.explaining.examples import Example, problems
from manualgrad.explaining.examples.computing import problem_of
from manualgrad.explaining.examples.problems import exact, half_squared_error
from manualgrad.explaining.explanation import Explanation, explain
from manualgrad.tape import Tape


def explanation_of(example: Example) -> Explanation | None:
    """The explanation of the example's first step; None where there is nothing to differentiate."""
    if example.name == "2-2-2-sequential":
        return problems.net_2_2_2(example).explain()  # the right gradients, which the mistake departs from
    problem = problem_of(example)
    if problem is not None:
        return problem.explain()
    builder = _GRAPHS.get(example.name)
    if builder is None:
        return None
    tape, names = builder(example)
    return explain(tape, names=names, title=example.title, learning_rate=None)


Graph = tuple[Tape, dict[str, Tensor]]


def _xyz(example: Example) -> Graph:
    x, y, z = (exact(float(example.given[n])).requires_grad_() for n in "xyz")
    with Tape() as tape:
        q = x + y
        f = q * z
    return tape, {"x": x, "y": y, "z": z, "q": q, "f": f}


def _half_squared_error(example: Example) -> Graph:
    yhat, y = exact(example.given["yhat"]).requires_grad_(), exact(example.given["y"])
    with Tape() as tape:
        error = half_squared_error(yhat, y)
    return tape, {"yhat": yhat, "y": y, "E": error}


def _sharing(example: Example) -> Graph:
    theta, a, b = (exact(example.given[n]) for n in ("theta", "a", "b"))
    theta.requires_grad_()
    with Tape() as tape:
        y = theta * a + theta**2 * b
    return tape, {"theta": theta, "a": a, "b": b, "y": y}


def _recurrent(example: Example) -> Graph:
    h0, w = exact(1.0).requires_grad_(), exact(example.given["w_small"]).requires_grad_()
    names = {"h0": h0, "w": w}
    with Tape() as tape:
        h = h0
        for t in range(example.given["T"]):
            h = w * h
            names[f"h{t + 1}"] = h
    return tape, names


def _linear_layer(example: Example) -> Graph:
    x, w, b = (exact(example.given[n]).double().requires_grad_() for n in ("X", "W", "b"))
    upstream = exact(example.given["grad_out"])
    with Tape() as tape:
        out = F.linear(x, w, b)
    tape.backward(out, upstream, retain=True)
    for leaf in (x, w, b):
        leaf.grad = None
    return tape, {"X": x, "W": w, "b": b, "out": out}


def _softmax(example: Example) -> Graph:
    logits = exact(example.given["logits"]).requires_grad_()
    with Tape() as tape:
        p = F.softmax(logits, 0)
        error = -F.log(p[example.given["target_index"]])
    return tape, {"z": logits, "p": p, "E": error}


_GRAPHS: dict[str, Callable[[Example], Graph]] = {
    "xyz": _xyz,
    "half-squared-error": _half_squared_error,
    "sharing": _sharing,
    "recurrent": _recurrent,
    "linear-layer": _linear_layer,
    "softmax": _softmax,
}
