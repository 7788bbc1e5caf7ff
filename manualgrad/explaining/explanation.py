"""explain: the chain rule on paper, for any model or tape whose operations have formulas."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, overload

from torch import Tensor, nn

from manualgrad.explaining import text
from manualgrad.explaining.backward_network import BackwardNetwork
from manualgrad.explaining.differences import FiniteDifferences, measure
from manualgrad.explaining.route import Route, find_route
from manualgrad.explaining.trace import INPUT, PARAMETER, Trace, read, record
from manualgrad.tape import Tape


class Explanation:
    """A computation with every value and every gradient on the way, ready to be written out.

    `title` heads the text, the figure and the page; `learning_rate` is that of the update, None for no update.
    """

    def __init__(self, trace: Trace, title: str, learning_rate: float | None) -> None:
        self._trace = trace
        self.title = title
        self.learning_rate = learning_rate

    @property
    def loss(self) -> float:
        """The loss."""
        return self._trace.loss.value.item()

    @property
    def parameters(self) -> dict[str, Tensor]:
        """The values of the parameters that a gradient reached, by name."""
        return {q.name: q.value for q in self._trace.parameters}

    @property
    def gradients(self) -> dict[str, Tensor]:
        """The gradient of every tensor that one reached, by name: parameters and results on the way."""
        return {q.name: q.gradient for q in self._trace.quantities if q.gradient is not None}

    @property
    def values(self) -> dict[str, Tensor]:
        """The value of every tensor, by name: inputs, parameters and results."""
        return {q.name: q.value for q in self._trace.quantities}

    def text(self, digits: int = 4) -> str:
        """Forward, loss, backward and update as numbered steps, with the formulas and the numbers put in."""
        return text.write(self._trace, self.title, self.learning_rate, digits)

    def route(self, name: str, listed: int = 20) -> Route:
        """All paths from one element, `layer.weight[i, j]`, to the loss, with the local derivatives along them.

        At most `listed` paths, the largest, are listed; their number and sum count all.

        Raises ValueError for a name that does not exist, IndexError for an index out of range.
        """
        return find_route(self._trace, name, listed)

    def finite_differences(
        self, nudge: float = 1e-4, central: bool = False, parameter: str | None = None
    ) -> FiniteDifferences:
        """The gradient of every parameter, or of `parameter` alone, measured by nudging it, beside the computed one."""
        return measure(self._trace, nudge, central, parameter)

    def backward_network(self) -> BackwardNetwork:
        """The backward pass of a chain of linear and pointwise layers, built as a network of its own.

        Raises FormulaError, naming the step, where the model is anything else.
        """
        return BackwardNetwork(self._trace)

    def figure(self, path: str | os.PathLike[str]) -> Path:
        """Draw the network with its values in green and its gradients in red; a .png, .svg or .pdf file.

        Raises ValueError for another ending, OSError for a file that cannot be written.
        """
        from manualgrad.explaining.figure import draw_figure

        return draw_figure(self._trace, self.title, Path(path))

    def html(self, path: str | os.PathLike[str]) -> Path:
        """Write one self-contained page that steps through the forward and the backward pass.

        Raises OSError for a file that cannot be written.
        """
        from manualgrad.explaining.page import write

        return write(self._trace, self.title, self.learning_rate, Path(path))

    def __str__(self) -> str:
        return self.text()


@overload
def explain(
    model: nn.Module,
    inputs: Any,
    target: Any,
    loss: Callable[..., Tensor],
    *,
    learning_rate: float | None = ...,
    title: str | None = ...,
    labels: Mapping[str, str] | None = ...,
) -> Explanation: ...


@overload
def explain(
    model: Tape,
    *,
    learning_rate: float | None = ...,
    title: str | None = ...,
    labels: Mapping[str, str] | None = ...,
    names: Mapping[str, Tensor] | None = ...,
) -> Explanation: ...


def explain(
    model: nn.Module | Tape,
    inputs: Any = None,
    target: Any = None,
    loss: Callable[..., Tensor] | None = None,
    *,
    learning_rate: float | None = 0.1,
    title: str | None = None,
    labels: Mapping[str, str] | None = None,
    names: Mapping[str, Tensor] | None = None,
) -> Explanation:
    """Explain one forward and backward pass: `explain(model, inputs, target, loss)`, or `explain(tape)`.

    inputs      a tensor, or a tuple of the arguments of the model
    target      what the loss takes as its second argument; None for a loss of the output alone
    loss        `loss(output, target)`, a tensor of one element: a function or a loss module
    labels      a book's own names for elements: `{"output.weight[0, 0]": "w5", "net_output[0]": "net_o1"}`
    names       for a tape: names of tensors; by default those of the caller's variables

    The model may be built from torch.nn or from manualgrad.nn; nothing about it is changed, gradients included. A tape
    is explained from its last result.

    Raises FormulaError for an operation without a formula, ValueError for NaN on the way (with the step it first
    appeared at), an empty tape, or a loss of several elements, TypeError for arguments that do not go together.

    >>> import torch
    >>> from manualgrad import Tape, explain
    >>> x, y, z = (torch.tensor(v, requires_grad=True) for v in (-2.0, 5.0, -4.0))
    >>> with Tape() as tape:
    ...     f = (x + y) * z
    >>> print(explain(tape).route("x"))
    df/dx = df/dq . dq/dx = -4 . 1 = -4
    """
    if isinstance(model, Tape):
        if inputs is not None or target is not None or loss is not None:
            raise TypeError("explain: a tape holds its inputs and its loss already; give the tape alone")
        if names is None:
            names = _variables(sys._getframe(1).f_locals)
        given = {id(t): (name, PARAMETER if t.requires_grad else INPUT) for name, t in names.items()}
        trace = read(model, given, labels=labels)
        return Explanation(trace, title or trace.loss.name, learning_rate)
    if not isinstance(model, nn.Module):
        raise TypeError(f"explain: model must be a torch.nn.Module or a manualgrad.Tape, got {type(model).__name__}")
    if loss is None or not callable(loss):
        raise TypeError("explain: loss must be a function of (output, target), such as manualgrad.functional.mse_loss")
    if names is not None:
        raise TypeError("explain: names are for a tape; the parameters of a model have names")
    arguments = inputs if isinstance(inputs, tuple) else (inputs,)
    trace = record(model, arguments, target, loss, labels or {})
    return Explanation(trace, title or type(model).__name__, learning_rate)


def _variables(frame: Mapping[str, Any]) -> dict[str, Tensor]:
    """The tensors among the caller's variables; of several names for one tensor the first."""
    found: dict[str, Tensor] = {}
    seen: set[int] = set()
    for name, value in frame.items():
        if isinstance(value, Tensor) and not name.startswith("_") and id(value) not in seen:
            seen.add(id(value))
            found[name] = value
    return found
