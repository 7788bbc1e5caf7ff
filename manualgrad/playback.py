r"""Playback: a tape that is played again, on other values.

    the first call     the function is recorded on a tape, and back-propagated
    later calls        the same steps, on the new inputs: no module, no record, no search for what comes next

A training step repeats itself: batch after batch, the same formulas meet the same shapes. What is left of it when it is
played back is a straight line of formulas, forward and then backward, which a small network runs through in less time
than torch's autograd takes.

Source: Griewank & Walther (2008), Evaluating Derivatives, section 4: the evaluation trace and its reuse.
"""

from __future__ import annotations

import functools
import itertools
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor
from torch.overrides import resolve_name
from torch.utils._pytree import tree_flatten, tree_leaves, tree_unflatten

from manualgrad.formula import Formula, FormulaError, active, autocast_is_on
from manualgrad.spellings import PASS_THROUGH, TWINS, torch_names
from manualgrad.tape import Step, Tape, accumulate

# Questions about a tensor that are answered by its shape and kind, not by its values.
_QUERIES: frozenset[Callable[..., Any]] = PASS_THROUGH | {
    torch._C._set_grad_enabled,
    getattr(Tensor, "requires_grad").__get__,  # noqa: B009
    Tensor.__len__,
    Tensor.is_complex,
    torch.is_complex,
    torch.is_floating_point,
    torch.is_tensor,
    Tensor.element_size,
}


class Playback:
    """A function of tensors whose calls leave the gradients of its loss in `.grad` of what it was computed from.

    `function` takes tensors and returns the loss, of one element, or a tuple that begins with it; a call of the
    playback returns the same. It is run once for each set of shapes and dtypes that it meets; after that its steps are
    played on the new inputs, drawing new random numbers and updating running statistics where the function does.
    The gradients are those of one call, in place of what was in `.grad`: there is nothing to set to zero in between.

    >>> import torch
    >>> w = torch.tensor([1.0, 2.0], requires_grad=True)
    >>> step = Playback(lambda x: (w * x).sum())
    >>> for x in torch.tensor([3.0, 4.0]), torch.tensor([5.0, 6.0]):
    ...     print(float(step(x)), w.grad)
    11.0 tensor([3., 4.])
    17.0 tensor([5., 6.])

    Only what torch and the formulas do is played, on the tensors that were there: what changes from call to call has to
    be an input, or be changed in place. Other Python in the function, such as hooks of modules, a count, or the choice
    that `module.training` makes, stays as it was at the first call: make a new playback when it changes.

    Raises TypeError for an input that is no tensor, RuntimeError under `torch.no_grad()` or autocast, FormulaError,
    when recorded, where the function looks at values (`if loss > 1`, `.item()`), which would be those of the first call
    for ever; and all that `Tape` raises.
    """

    def __init__(self, function: Callable[..., Any]) -> None:
        self._function = function
        self._plans: dict[tuple[Any, ...], _Plan] = {}

    def __call__(self, *inputs: Tensor) -> Any:
        with torch._C.DisableTorchFunction():
            try:
                key = tuple([(x.shape, x.stride(), x.dtype, x.device, x.requires_grad) for x in inputs])
            except AttributeError:
                kinds = ", ".join(type(x).__name__ for x in inputs)
                raise TypeError(f"playback: the inputs must be tensors, got {kinds}") from None
            if not torch.is_grad_enabled():
                raise RuntimeError("playback: under torch.no_grad() nothing can be back-propagated")
            if active.tape is not None or autocast_is_on():
                raise RuntimeError("playback: call it outside of autocast and of other tapes")
            plan = self._plans.get(key)
            if plan is not None and plan.is_valid():
                return plan.play(inputs)
        return self._record(key, inputs)

    def _record(self, key: tuple[Any, ...], inputs: tuple[Tensor, ...]) -> Any:
        if len(set(map(id, inputs))) < len(inputs):
            raise ValueError("playback: the inputs of the first call must be different tensors, got one of them twice")
        recording = _Recording()
        with recording:
            results = self._function(*inputs)
        loss = results[0] if isinstance(results, tuple) else results
        if not isinstance(loss, Tensor) or loss.numel() != 1:
            got = f"a loss of shape {tuple(loss.shape)}" if isinstance(loss, Tensor) else type(loss).__name__
            raise TypeError(f"playback: the function must return a loss of one element, or a tuple with it, got {got}")
        plan = _Plan(recording, inputs, results)
        for leaf in recording.leaves():
            leaf.grad = None
        steps = list(recording.steps)
        recording.backward(loss)
        for step in steps:  # the plan has them still, but not what they hold of this batch
            step.inputs, step.output, step.saved_tensors = (), None, ()
        self._plans[key] = plan
        return results


@dataclass
class _Call:
    """A call that has no part in the backward pass: of a formula that no gradient flows through, or of torch."""

    function: Callable[..., Any]
    args: tuple[Any, ...]
    output: Any


class _Recording(Tape):
    """A tape that also writes down what has no gradient, in `log`, in the order of the calls."""

    def __init__(self) -> None:
        super().__init__()
        self.log: list[Step | _Call] = []

    def __torch_function__(
        self, func: Callable[..., Any], types: Any, args: tuple[Any, ...] = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        twin = TWINS.get(func)
        if twin is None or (kwargs and kwargs.get("out") is not None):
            return super().__torch_function__(func, types, args, kwargs)
        with self:  # to see what the function does besides calling its formula: a dropout draws a mask
            return twin(*args, **torch_names(kwargs or {}))

    def run(self, formula: type[Formula], args: tuple[Any, ...]) -> Any:
        known = len(self.steps)
        output = super().run(formula, args)
        self.log.append(self.steps[-1] if len(self.steps) > known else self._call(formula.forward, args, output))
        return output

    def run_in_place(self, formula: type[Formula], args: tuple[Any, ...]) -> Tensor:
        known = len(self.log)
        target = super().run_in_place(formula, args)
        if len(self.log) == known:
            self.log.append(self._call(lambda x, *rest: x.copy_(formula.forward(x, *rest)), args, target))
        return target

    def _without_formula(self, func: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        known = len(self.log)
        result = super()._without_formula(func, args, kwargs)
        with torch._C.DisableTorchFunction():
            is_tensor = any(isinstance(r, Tensor) for r in tree_leaves(result))
            if len(self.log) > known or (func in _QUERIES and not is_tensor):
                return result
            if result is not None and not is_tensor:
                name = resolve_name(func) or getattr(func, "__name__", str(func))
                raise FormulaError(
                    f"playback: {name} looks at the values of a tensor; when played again, what depends on it would "
                    "stay as it is now: keep such code out of the function"
                )
            self.log.append(self._call(lambda a, k: func(*a, **k), (args, kwargs), result))
        return result

    def _call(self, function: Callable[..., Any], args: tuple[Any, ...], output: Any) -> _Call:
        leaves, tree = tree_flatten(args)
        return _Call(function, tree_unflatten([self._renamed.get(id(a), a) for a in leaves], tree), output)

    def leaves(self) -> list[Tensor]:
        """What the gradients are for."""
        needed = {id(x): x for step in self.steps for x in _needed(step)}
        return [x for x in needed.values() if id(x) not in self._recorded]

    def value_of(self, tensor: Tensor) -> Tensor:
        """The recorded tensor that stands for `tensor`, which may have been changed in place."""
        return self._renamed.get(id(tensor), tensor)


class _Plan:
    """What a recording does, as one function: written out as Python, line by line, and compiled.

    x0, x1, ... are the inputs; c0, ... what was there before, parameters among it; v0, ... what is computed; and g of
    each is its gradient. A loop over the steps would cost a small network a tenth of its time.
    """

    def __init__(self, recording: _Recording, inputs: tuple[Tensor, ...], results: Any) -> None:
        self._names = {id(x): f"x{k}" for k, x in enumerate(inputs)}
        self._globals: dict[str, Any] = {"leaves": tree_leaves, "zeros": torch.zeros_like, "ones": torch.ones_like}
        self._tensors: list[Tensor] = []
        self._made = 0
        number = {id(entry): k for k, entry in enumerate(recording.log)}
        body = [line for entry in recording.log for line in self._forward(entry, number[id(entry)])]
        returned, self._results = tree_flatten(results)
        self._is_single = isinstance(results, Tensor)
        names = [self._name(recording.value_of(r)) for r in returned]
        backward = [line for step in reversed(recording.steps) for line in self._backward(step, number[id(step)])]
        targets = sorted({self._name(x) for step in recording.steps for x in (*step.outputs, *_needed(step))})
        leaves = [(self._name(leaf), leaf) for leaf in recording.leaves()]
        body += [f"g{name} = None" for name in targets]
        body += [f"g{names[0]} = ones({names[0]})", *backward]
        body += [
            f"return ({', '.join(names)},), {{{', '.join(f'{k}: g{name}' for k, (name, _) in enumerate(leaves))}}}"
        ]
        header = f"def play({', '.join(self._names[id(x)] for x in inputs)}):"
        exec(compile("\n    ".join([header, *body]), "<playback>", "exec"), self._globals)
        self._play: Callable[..., tuple[tuple[Any, ...], dict[int, Any]]] = self._globals["play"]
        given = {id(x): k for k, x in enumerate(inputs)}
        self._leaves = {k: leaf for k, (_, leaf) in enumerate(leaves) if id(leaf) not in given}
        self._given = {k: given[id(leaf)] for k, (_, leaf) in enumerate(leaves) if id(leaf) in given}
        self._required = [t.requires_grad for t in self._tensors]

    def _name(self, value: Any) -> str:
        """The name of a value; a tensor that no line has made is a constant."""
        if isinstance(value, Tensor) and id(value) in self._names:
            return self._names[id(value)]
        name = f"c{len(self._globals)}"
        self._globals[name] = value
        if isinstance(value, Tensor):
            self._names[id(value)] = name
            self._tensors.append(value)
        return name

    def _new(self, value: Any) -> str:
        """A name for what a line makes; an underscore if it was there before, changed in place."""
        if isinstance(value, Tensor) and id(value) in self._names:
            return "_"
        self._made += 1
        name = f"v{self._made}"
        if isinstance(value, Tensor):
            self._names[id(value)] = name
        return name

    def _forward(self, entry: Step | _Call, k: int) -> list[str]:
        if isinstance(entry, Step):
            args, self._globals[f"f{k}"] = entry.inputs, entry.formula.forward
        else:
            args, self._globals[f"f{k}"] = entry.args, entry.function
        flat, tree = tree_flatten(args)
        packed = f"({''.join(f'{self._name(a)}, ' for a in flat)})"
        if any(a is not b for a, b in itertools.zip_longest(flat, args)):  # lists, such as the indices of x[i, j]
            self._globals[f"pack{k}"] = functools.partial(tree_unflatten, treespec=tree)
            packed = f"pack{k}({packed})"
        lines = [f"a = {packed}", f"y = f{k}(*a)"]
        if isinstance(entry, Step):
            self._globals[f"s{k}"], self._globals[f"context{k}"] = entry, entry.formula.setup_context
            lines += [f"context{k}(s{k}, a, y)"]
        if isinstance(entry.output, Tensor):
            return [*lines, f"{self._new(entry.output)} = y"]
        return [*lines, f"[{', '.join(self._new(r) for r in tree_leaves(entry.output))}] = leaves(y)"]

    def _backward(self, step: Step, k: int) -> list[str]:
        self._globals[f"back{k}"] = step.formula.backward
        outputs = [self._name(o) for o in step.outputs]
        dys = [f"g{name}" for name in outputs]
        lines = []
        if len(outputs) > 1 and step.materialize_grads:
            dys = [f"zeros({name}) if g{name} is None else g{name}" for name in outputs]
        lines += [f"d = back{k}(s{k}, {', '.join(dys)})", f"s{k}.saved_tensors = ()"]
        lines += ["if type(d) is not tuple: d = (d,)"]
        for position, x in enumerate(step.inputs):
            if step.needs_input_grad[position]:
                name = self._name(x)
                self._globals[f"shape_{name}"], self._globals[f"dtype_{name}"] = x.shape, x.dtype
                lines += [
                    f"dx = d[{position}]",
                    "if dx is not None:",
                    f"    if dx.shape != shape_{name} or dx.dtype is not dtype_{name}:",
                    f"        dx = dx.sum_to_size(shape_{name}).to(dtype_{name})",
                    f"    g{name} = dx if g{name} is None else g{name} + dx",
                ]
        return [f"if {' or '.join(f'g{name} is not None' for name in outputs)}:", *(f"    {line}" for line in lines)]

    def is_valid(self) -> bool:
        """Whether the same parameters are to be trained as when this was recorded."""
        return [t.requires_grad for t in self._tensors] == self._required

    def play(self, inputs: tuple[Tensor, ...]) -> Any:
        leaves = self._leaves
        if self._given:
            leaves = {**leaves, **{k: inputs[place] for k, place in self._given.items()}}
        torch._C._set_grad_enabled(False)
        try:
            results, gradients = self._play(*inputs)
            _replace(leaves, gradients)
        finally:
            torch._C._set_grad_enabled(True)
        return results[0] if self._is_single else tree_unflatten(results, self._results)


def _needed(step: Step) -> list[Tensor]:
    """The inputs of a step that gradients flow to."""
    return [x for x, is_needed in zip(step.inputs, step.needs_input_grad, strict=True) if is_needed]


def _replace(leaves: dict[int, Tensor], gradients: dict[int, Any]) -> None:
    """`leaf.grad = gradient` for each leaf."""
    for leaf in leaves.values():
        leaf.grad = None
    if any([g is None for g in gradients.values()]):  # noqa: C419  a list, not a generator: this is run at each step
        leaves = {k: leaf for k, leaf in leaves.items() if gradients[k] is not None}
    accumulate(leaves, gradients, retain=False)
