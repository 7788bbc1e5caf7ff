"""Two models side by side: every intermediate value and every gradient, and where they first part.

Both models run on the same inputs through torch's autograd, so that a wrong backward pass shows wherever it was
written. What comes out of a module is wrong by its own fault if all that went in was right; then it is the culprit.
What is wrong because something wrong went in is infected.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import zip_longest
from typing import Any

import torch
from torch import Tensor, nn

from manualgrad.explaining.trace import unchanged
from manualgrad.explaining.wording import count, size, table

EXACT, APPROXIMATE, WRONG = "exact", "approximately", "wrong"
CULPRIT, INFECTED = "culprit", "infected"

_RTOL = {torch.float64: 1e-9, torch.float32: 1e-4, torch.float16: 5e-3, torch.bfloat16: 4e-2}


@dataclass(frozen=True)
class Row:
    """A value or gradient of both models; `difference` is the largest of an element, relative to the largest one."""

    layer: str
    what: str
    verdict: str
    difference: float
    shape: str
    mark: str = ""


@dataclass(frozen=True)
class Comparison:
    """The rows in the order of computation; `str()` of it is the table."""

    rows: tuple[Row, ...]

    @property
    def agree(self) -> bool:
        return all(row.verdict != WRONG for row in self.rows)

    @property
    def culprits(self) -> list[Row]:
        """The rows that are wrong by their own fault, the first one first."""
        return [row for row in self.rows if row.mark == CULPRIT]

    def text(self) -> str:
        shown = [[r.layer, r.what, r.shape, r.verdict, f"{r.difference:.1e}", r.mark] for r in self.rows]
        lines = table(["layer", "what", "shape", "", "difference", ""], shown)
        if self.agree:
            return "\n".join([*lines, "The two models agree."])
        infected = sum(row.mark == INFECTED for row in self.rows)
        first = self.culprits[0]
        return "\n".join(
            [
                *lines,
                f"The first wrong one is the {first.what} of {first.layer}; {count(infected, 'row')} infected by it.",
            ]
        )

    def __str__(self) -> str:
        return self.text()


def compare(
    model_a: nn.Module,
    model_b: nn.Module,
    *inputs: Any,
    loss: Callable[[Any], Tensor] | None = None,
    rtol: float | None = None,
    atol: float | None = None,
) -> Comparison:
    """Run both models on `inputs`, back-propagate `loss(output)`, and compare all values and gradients on the way.

    `model_a` is the one that is right. Modules are matched by name, or, where the names differ, by the order in which
    they are called. Without a loss, a fixed combination of the output's elements is taken. Values are approximately
    equal if they differ by at most `atol + rtol * largest element`; the defaults follow the dtype.

    Models, their gradients and buffers stay as they are; both see the same random numbers.
    Raises TypeError for what is no module, ValueError if the models do not call the same number of layers.

    >>> import copy
    >>> from torch import nn
    >>> _ = torch.manual_seed(0)
    >>> a = nn.Sequential(nn.Linear(3, 2), nn.Tanh(), nn.Linear(2, 1))
    >>> b = copy.deepcopy(a)
    >>> b[1] = nn.Sigmoid()
    >>> culprit = compare(a, b, torch.ones(1, 3)).culprits[0]
    >>> culprit.layer, culprit.what
    ('1', 'output')
    """
    for name, model in (("model_a", model_a), ("model_b", model_b)):
        if not isinstance(model, nn.Module):
            raise TypeError(f"compare: {name} must be a torch.nn.Module, got {type(model).__name__}")
    a = _Run(model_a, inputs, loss or _every_element)
    b = _Run(model_b, inputs, loss or _every_element)
    return Comparison(tuple(_Judge(rtol, atol).rows(a, b, _matched(a, b))))


def assert_parity(
    model_a: nn.Module,
    model_b: nn.Module,
    *inputs: Any,
    loss: Callable[[Any], Tensor] | None = None,
    rtol: float | None = None,
    atol: float | None = None,
) -> None:
    """`compare`, for tests: raises AssertionError with the whole table unless the two models agree."""
    result = compare(model_a, model_b, *inputs, loss=loss, rtol=rtol, atol=atol)
    if not result.agree:
        raise AssertionError(f"the models differ\n{result}")


def _every_element(output: Any) -> Tensor:
    """A loss in which every element counts, each differently: a sum would be blind to what leaves it constant."""
    parts = [o for o in _tensors(output) if o.is_floating_point()]
    if not parts:
        raise ValueError("compare: the output holds no floating-point tensor; give a loss")
    total = sum(
        (o * torch.arange(1, o.numel() + 1, device=o.device).cos().reshape(o.shape).to(o.dtype)).sum() for o in parts
    )
    assert isinstance(total, Tensor)
    return total


# --------------------------------------------------------------------------------------------------- running one model


@dataclass(eq=False)
class _Call:
    """One call of one module: copies of what went in and came out, and the tensors to differentiate by."""

    name: str
    module: nn.Module
    started: int
    inputs: list[Tensor] = field(default_factory=list)
    outputs: list[Tensor] = field(default_factory=list)
    values_in: list[Tensor] = field(default_factory=list)
    values_out: list[Tensor] = field(default_factory=list)
    gradients_in: list[Tensor | None] = field(default_factory=list)
    gradients_out: list[Tensor | None] = field(default_factory=list)

    @property
    def is_leaf(self) -> bool:
        return next(self.module.children(), None) is None

    @property
    def parameters(self) -> list[tuple[str, nn.Parameter]]:
        return list(self.module.named_parameters(recurse=False))


class _Run:
    """A model's forward and backward pass with everything that happened in it."""

    def __init__(self, model: nn.Module, inputs: tuple[Any, ...], loss: Callable[[Any], Tensor]) -> None:
        self.calls: list[_Call] = []  # in the order in which they ended
        with unchanged(model), torch.enable_grad():
            torch.manual_seed(0)  # the same random numbers for both
            with self._watched(model):
                output = model(*_mapped(inputs, lambda t: _fresh(t).requires_grad_(t.is_floating_point())))
            self.loss = loss(output)
            if not isinstance(self.loss, Tensor) or self.loss.numel() != 1:
                raise ValueError("compare: loss must return a tensor of one element")
            self._differentiate(model)

    @contextmanager
    def _watched(self, model: nn.Module) -> Iterator[None]:
        open_calls: list[_Call] = []

        def enter(name: str) -> Callable[..., Any]:
            def hook(module: nn.Module, args: Any, kwargs: Any) -> Any:
                call = _Call(name, module, started=len(self.calls) + len(open_calls))
                open_calls.append(call)

                # A copy of its own for every module: its gradient is what this module sends back, and no other.
                def own(t: Tensor) -> Tensor:
                    copy = t.clone() if t.requires_grad else t
                    call.inputs.append(copy)
                    call.values_in.append(_fresh(t))
                    return copy

                return _mapped(args, own), _mapped(kwargs, own)

            return hook

        def leave(module: nn.Module, args: Any, output: Any) -> None:
            call = open_calls.pop()
            call.outputs = list(_tensors(output))
            call.values_out = [_fresh(t) for t in call.outputs]
            self.calls.append(call)

        handles = []
        for name, module in model.named_modules():
            handles.append(module.register_forward_pre_hook(enter(name or "the model"), with_kwargs=True))
            handles.append(module.register_forward_hook(leave))
        try:
            yield
        finally:
            for handle in handles:
                handle.remove()

    def _differentiate(self, model: nn.Module) -> None:
        """All gradients at once, without touching anyone's `.grad`."""
        tensors = [t for call in self.calls for t in (*call.inputs, *call.outputs)]
        tensors += [p for p in model.parameters() if p.requires_grad]
        wanted = list({id(t): t for t in tensors if t.requires_grad}.values())
        if not self.loss.requires_grad:
            found: dict[int, Tensor | None] = {}
        else:
            gradients = torch.autograd.grad(self.loss, wanted, allow_unused=True)
            found = {id(t): g for t, g in zip(wanted, gradients, strict=True)}
        for call in self.calls:
            call.gradients_in = [found.get(id(t)) for t in call.inputs]
            call.gradients_out = [found.get(id(t)) for t in call.outputs]
        self.gradients = {id(p): found.get(id(p)) for p in model.parameters()}


def _fresh(tensor: Tensor) -> Tensor:
    return tensor.detach().clone()


def _mapped(value: Any, change: Callable[[Tensor], Tensor]) -> Any:
    """`value` with every tensor in its tuples, lists and dictionaries changed."""
    if isinstance(value, Tensor):
        return change(value)
    if type(value) in (tuple, list):
        return type(value)(_mapped(v, change) for v in value)
    if type(value) is dict:
        return {k: _mapped(v, change) for k, v in value.items()}
    return value


def _tensors(value: Any) -> Iterator[Tensor]:
    if isinstance(value, Tensor):
        yield value
    elif isinstance(value, (tuple, list)):
        for v in value:
            yield from _tensors(v)
    elif isinstance(value, dict):
        for v in value.values():
            yield from _tensors(v)


def _matched(a: _Run, b: _Run) -> list[tuple[_Call, _Call]]:
    if [c.name for c in a.calls] == [c.name for c in b.calls]:
        return list(zip(a.calls, b.calls, strict=True))
    leaves_a, leaves_b = ([c for c in run.calls if c.is_leaf] for run in (a, b))
    if len(leaves_a) != len(leaves_b):
        raise ValueError(
            f"compare: the models cannot be matched: {count(len(leaves_a), 'layer')} called in the first "
            f"({', '.join(c.name for c in leaves_a)}), {len(leaves_b)} in the second "
            f"({', '.join(c.name for c in leaves_b)})"
        )
    return list(zip(leaves_a, leaves_b, strict=True))


# ------------------------------------------------------------------------------------------------------------- judging


class _Judge:
    """Compares two runs call by call, and tells the culprits from the infected."""

    def __init__(self, rtol: float | None, atol: float | None) -> None:
        self.rtol, self.atol = rtol, atol

    def rows(self, a: _Run, b: _Run, pairs: list[tuple[_Call, _Call]]) -> Iterator[Row]:
        any_wrong = False
        healthy_inputs: dict[_Call, bool] = {}
        wrong_calls: set[_Call] = set()
        seen: set[int] = set()
        for ca, cb in pairs:
            name = ca.name if ca.name == cb.name else f"{ca.name} / {cb.name}"
            parameters_right = True
            for (pa, pb), label in _parameters(ca, cb):
                if id(pa) in seen:
                    continue
                seen.add(id(pa))
                row = self._row(name, f"value of {label}", [pa], [pb], infected=False)
                parameters_right &= row.verdict != WRONG
                any_wrong |= row.verdict == WRONG
                yield row
            inputs_right = self._verdict(ca.values_in, cb.values_in)[0] != WRONG
            if not inputs_right and not any_wrong:
                yield self._row(
                    name, "input, computed outside of any layer", ca.values_in, cb.values_in, infected=False
                )
                any_wrong = True
            inside_right = not any(_inside(inner, ca) for inner in wrong_calls)
            healthy_inputs[ca] = inputs_right and parameters_right and inside_right
            row = self._row(name, "output", ca.values_out, cb.values_out, infected=not healthy_inputs[ca])
            if row.verdict == WRONG:
                wrong_calls.add(ca)
                any_wrong = True
            if ca.is_leaf or row.mark == CULPRIT:
                yield row
        loss = self._row("loss", "value", [a.loss.detach()], [b.loss.detach()], infected=any_wrong)
        yield loss
        yield from self._backward(a, b, pairs, wrong_calls, healthy_inputs)

    def _backward(
        self, a: _Run, b: _Run, pairs: list[tuple[_Call, _Call]], wrong_forward: set[_Call], healthy: dict[_Call, bool]
    ) -> Iterator[Row]:
        any_wrong = bool(wrong_forward) or not all(healthy.values())
        sick_modules: set[int] = set()
        wrong_calls: set[_Call] = set()
        first_calls = {id(ca.module): ca for ca, _ in reversed(pairs)}
        for ca, cb in sorted(pairs, key=lambda pair: -pair[0].started):  # inner calls before the call that they are in
            name = ca.name if ca.name == cb.name else f"{ca.name} / {cb.name}"
            upstream_right = self._verdict(ca.gradients_out, cb.gradients_out)[0] != WRONG
            if not upstream_right and not any_wrong and ca.is_leaf:
                what = "gradient of the output, computed outside of any layer"
                yield self._row(name, what, ca.gradients_out, cb.gradients_out, infected=False)
                any_wrong = True
            inside_right = not any(_inside(inner, ca) for inner in wrong_calls)
            right = upstream_right and healthy[ca] and ca not in wrong_forward and inside_right
            if not right:
                sick_modules.add(id(ca.module))
            found = [self._row(name, "gradient of the input", ca.gradients_in, cb.gradients_in, infected=not right)]
            if first_calls[id(ca.module)] is ca:  # the gradients of its parameters are complete now
                for (pa, pb), label in _parameters(ca, cb):
                    ga = None if pa is None else a.gradients.get(id(pa))
                    gb = None if pb is None else b.gradients.get(id(pb))
                    sick = id(ca.module) in sick_modules
                    found.append(self._row(name, f"gradient of {label}", [ga], [gb], infected=sick))
            for row in found:
                if row.verdict == WRONG:
                    wrong_calls.add(ca)
                    any_wrong = True
                if ca.is_leaf or row.what != "gradient of the input" or row.mark == CULPRIT:
                    yield row

    def _row(self, layer: str, what: str, a: list[Any], b: list[Any], infected: bool) -> Row:
        verdict, difference = self._verdict(a, b)
        mark = "" if verdict != WRONG else INFECTED if infected else CULPRIT
        shapes = [size(t.shape) for t in a if t is not None]
        return Row(layer, what, verdict, difference, ", ".join(shapes), mark)

    def _verdict(self, a: list[Any], b: list[Any]) -> tuple[str, float]:
        worst, difference = EXACT, 0.0
        for x, y in zip_longest(a, b):
            verdict, d = self._of_tensors(x, y)
            difference = max(difference, d)
            worst = max(worst, verdict, key=(EXACT, APPROXIMATE, WRONG).index)
        return worst, difference

    def _of_tensors(self, x: Tensor | None, y: Tensor | None) -> tuple[str, float]:
        if x is None or y is None:
            # No gradient at all is as good as a gradient of zero.
            other = y if x is None else x
            return (EXACT, 0.0) if other is None or not bool(other.any()) else (WRONG, float("inf"))
        if x.shape != y.shape:
            return WRONG, float("inf")
        if x.dtype == y.dtype and torch.equal(x.nan_to_num(), y.nan_to_num()) and torch.equal(x.isnan(), y.isnan()):
            return EXACT, 0.0
        dtype = x.dtype if x.is_floating_point() else torch.float64
        rtol = self.rtol if self.rtol is not None else _RTOL.get(dtype, 0.0)
        wide_x, wide_y = x.double(), y.double()
        largest = wide_x.abs().max().item()
        atol = self.atol if self.atol is not None else 100 * torch.finfo(dtype).eps
        difference = (wide_x - wide_y).abs().max().item()
        relative = difference / largest if largest else difference
        return (APPROXIMATE if difference <= atol + rtol * largest else WRONG), relative


def _parameters(a: _Call, b: _Call) -> Iterator[tuple[tuple[Any, Any], str]]:
    for left, right in zip_longest(a.parameters, b.parameters):
        label = (left or right)[0]
        yield (left and left[1], right and right[1]), label


def _inside(inner: _Call, outer: _Call) -> bool:
    return outer.name == "the model" or inner.name.startswith(f"{outer.name}.")
