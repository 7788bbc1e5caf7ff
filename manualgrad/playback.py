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
import threading
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor
from torch.utils._pytree import tree_flatten, tree_leaves, tree_unflatten

from manualgrad.formula import FormulaError, active, autocast_is_on, values_are_visible
from manualgrad.recording import Call, Recording, Witness, needed
from manualgrad.tape import Step, accumulate

_MOST = 256  # plans that are kept; that of two transformer layers takes 200 KiB

# What a function may return; a number is the same at each call, unless it comes from a look at values.
_RETURNED = (Tensor, int, float, complex, str, type(None), torch.Size, torch.dtype, torch.device)


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
    be an input, or be changed in place. Other Python in the function, such as hooks of modules, a count, a seed, random
    numbers of Python's, or the choice that `module.training` makes, stays as it was at the first call: make a new
    playback when it changes. A copy, or what is loaded from a pickle, records anew. The last 256 sets of shapes are
    remembered.

    Raises TypeError for an input that is no tensor, RuntimeError under `torch.no_grad()`, autocast and the like,
    FormulaError, when recorded, where the function looks at values (`if loss > 1`, `.item()`), which would be those of
    the first call for ever, or does what is not seen; when played, where a shape depends on values (`x[x > 0]`) and is
    another than it was; and all that `Tape` raises.
    """

    def __init__(self, function: Callable[..., Any]) -> None:
        self._function = function
        self._plans: dict[tuple[Any, ...], _Plan] = {}
        self._leaves: dict[int, Tensor] = {}  # of all plans, by id
        self._lock = threading.RLock()  # a plan has one place for what its steps save

    def __call__(self, *inputs: Tensor) -> Any:
        with torch._C.DisableTorchFunction(), self._lock:
            try:
                key = tuple([(x.shape, x.stride(), x.dtype, x.device, x.requires_grad) for x in inputs])
            except AttributeError:
                kinds = ", ".join(type(x).__name__ for x in inputs)
                raise TypeError(f"playback: the inputs must be tensors, got {kinds}") from None
            if not torch.is_grad_enabled():
                raise RuntimeError("playback: under torch.no_grad() nothing can be back-propagated")
            if active.tape is not None or autocast_is_on() or not values_are_visible():
                raise RuntimeError("playback: call it outside of autocast, torch.compile, torch.func and other tapes")
            plan = self._plans.get(key)
            if plan is not None and plan.is_valid():
                return plan.play(inputs)
        with self._lock:
            return self._record(key, inputs)

    def __reduce__(self) -> Any:
        """What `copy` and `pickle` make a copy from: the function, whose copy has tensors of its own to record."""
        return type(self), (self._function,)

    def _record(self, key: tuple[Any, ...], inputs: tuple[Tensor, ...]) -> Any:
        # Tensors of their own, to be told from one another, and from the same ones in the function's hands.
        stand_ins = tuple(x.detach().requires_grad_(x.requires_grad) for x in inputs)
        recording = Recording()
        with Witness(recording), recording:
            results = self._function(*stand_ins)
        loss = results[0] if isinstance(results, tuple) and results else results
        if not isinstance(loss, Tensor) or loss.numel() != 1:
            got = f"a loss of shape {tuple(loss.shape)}" if isinstance(loss, Tensor) else type(loss).__name__
            raise TypeError(f"playback: the function must return a loss of one element, or a tuple with it, got {got}")
        for value in tree_leaves(results):
            if not isinstance(value, _RETURNED):
                raise TypeError(
                    f"playback: the function must return tensors, or tuples, lists and dictionaries of them, got "
                    f"{type(value).__name__}, which would stay that of the first call"
                )
        plan = _Plan(recording, stand_ins, results)
        for leaf in (*self._leaves.values(), *recording.leaves(loss)):
            leaf.grad = None
        steps = list(recording.steps)
        recording.backward(loss)
        given = {k: inputs[place].requires_grad_() for k, place in plan.given.items()}
        _replace(given, {k: stand_ins[place].grad for k, place in plan.given.items()}, are_different=False)
        for step in steps:  # the plan has them still, but not what they hold of this batch
            step.inputs, step.output, step.saved_tensors = (), None, ()
        if len(self._plans) >= _MOST:
            del self._plans[next(iter(self._plans))]
        self._plans[key] = plan
        self._leaves |= {id(leaf): leaf for leaf in plan.leaves.values()}
        for each in self._plans.values():
            each.idle = [self._leaves[i] for i in self._leaves.keys() - set(map(id, each.leaves.values()))]
        return results


class _Plan:
    """What a recording does, as one function: written out as Python, line by line, and compiled.

    x0, x1, ... are the inputs; c0, ... what was there before, parameters among it; v0, ... what is computed; and g of
    each is its gradient. A loop over the steps would cost a small network a tenth of its time.
    """

    def __init__(self, recording: Recording, inputs: tuple[Tensor, ...], results: Any) -> None:
        self._names = {id(x): f"x{k}" for k, x in enumerate(inputs)}
        self._globals: dict[str, Any] = {
            "leaves": tree_leaves,
            "zeros": torch.zeros_like,
            "ones": torch.ones_like,
            "other_shape": _other_shape,
        }
        self._tensors: list[Tensor] = []
        self._places = set(map(_place, inputs))
        self._made = 0
        number = {id(entry): k for k, entry in enumerate(recording.log)}
        body = [line for entry in recording.log for line in self._forward(entry, number[id(entry)])]
        returned, self._results = tree_flatten(results)
        self._is_single = isinstance(results, Tensor)
        names = [self._name(recording.value_of(r)) for r in returned]
        backward = [line for step in reversed(recording.steps) for line in self._backward(step, number[id(step)])]
        targets = sorted({self._name(x) for step in recording.steps for x in (*step.outputs, *needed(step))})
        leaves = [(self._name(leaf), leaf) for leaf in recording.leaves(returned[0])]
        if any(name.startswith("v") for name, _ in leaves):
            raise FormulaError("playback: a tensor made in the function has a gradient of its own: make it an input")
        body += [f"g{name} = None" for name in targets]
        body += [f"g{names[0]} = ones({names[0]})", *backward]
        for target, value in recording.overwritten():
            if not self._names.get(id(target), "c").startswith("v"):  # it is there outside of the function too
                body.append(f"{self._name(target)}.copy_({self._name(value)})")
        body += [
            f"return ({', '.join(names)},), {{{', '.join(f'{k}: g{name}' for k, (name, _) in enumerate(leaves))}}}"
        ]
        header = f"def play({', '.join(self._names[id(x)] for x in inputs)}):"
        exec(compile("\n    ".join([header, *body]), "<playback>", "exec"), self._globals)
        self._play: Callable[..., tuple[tuple[Any, ...], dict[int, Any]]] = self._globals["play"]
        given = {id(x): k for k, x in enumerate(inputs)}
        self.leaves = {k: leaf for k, (_, leaf) in enumerate(leaves) if id(leaf) not in given}
        self.idle: list[Tensor] = []  # leaves of other plans
        self.given = {k: given[id(leaf)] for k, (_, leaf) in enumerate(leaves) if id(leaf) in given}
        self._kinds = [(t.requires_grad, t.dtype) for t in self._tensors]

    def _name(self, value: Any) -> str:
        """The name of a value; a tensor that no line has made is a constant."""
        if isinstance(value, Tensor) and id(value) in self._names:
            return self._names[id(value)]
        if isinstance(value, slice) and any(isinstance(v, Tensor) for v in (value.start, value.stop, value.step)):
            raise FormulaError("playback: a slice that a tensor bounds would stay as it is now: index by a tensor")
        name = f"c{len(self._globals)}"
        self._globals[name] = value
        if isinstance(value, Tensor):
            if _place(value) in self._places:
                raise FormulaError(
                    f"playback: a tensor of shape {tuple(value.shape)} is an input, or computed from one, which was "
                    "not seen: by nn.Parameter(x), or because the function holds it too"
                )
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
            self._places.add(_place(value))
        return name

    def _forward(self, entry: Step | Call, k: int) -> list[str]:
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
        outputs = tree_leaves(entry.output)
        names = [self._new(o) for o in outputs]
        lines += [f"{names[0]} = y" if isinstance(entry.output, Tensor) else f"[{', '.join(names)}] = leaves(y)"]
        if isinstance(entry, Call) or any(isinstance(a, Tensor) and not a.is_floating_point() for a in flat):
            self._globals[f"title{k}"] = entry.name if isinstance(entry, Call) else entry.formula.title()
            for name, o in zip(names, outputs, strict=True):
                if isinstance(o, Tensor) and name != "_":  # the values of a mask, or an index, may decide on a shape
                    self._globals[f"shape_{name}"] = o.shape
                    lines += [f"if {name}.shape != shape_{name}: raise other_shape(title{k}, shape_{name}, {name})"]
        return lines

    def _backward(self, step: Step, k: int) -> list[str]:
        self._globals[f"back{k}"] = step.formula.backward
        outputs = [self._name(o) for o in step.outputs]
        dys = [f"g{name}" for name in outputs]
        lines = []
        if len(outputs) > 1 and step.materialize_grads:
            dys = [f"zeros({name}) if g{name} is None else g{name}" for name in outputs]
        lines += [f"d = back{k}(s{k}, {', '.join(dys)})"]
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
        condition = f"if {' or '.join(f'g{name} is not None' for name in outputs)}:"
        return [condition, *(f"    {line}" for line in lines), f"s{k}.saved_tensors = ()"]

    def is_valid(self) -> bool:
        """Whether the same parameters are to be trained as when this was recorded, in the same dtypes."""
        return [(t.requires_grad, t.dtype) for t in self._tensors] == self._kinds

    def play(self, inputs: tuple[Tensor, ...]) -> Any:
        leaves = self.leaves
        if self.given:
            leaves = {**leaves, **{k: inputs[place] for k, place in self.given.items()}}
        torch._C._set_grad_enabled(False)
        try:
            results, gradients = self._play(*inputs)
            for leaf in self.idle:
                leaf.grad = None
            _replace(leaves, gradients, are_different=not self.given)
        finally:
            torch._C._set_grad_enabled(True)
        return results[0] if self._is_single else tree_unflatten(results, self._results)


def _place(tensor: Tensor) -> Any:
    """Where the values of a tensor are."""
    if tensor.layout is not torch.strided:
        return id(tensor)
    return tensor.untyped_storage()._cdata, tensor.storage_offset(), tensor.shape, tensor.stride()


def _other_shape(name: str, shape: torch.Size, now: Tensor) -> FormulaError:
    return FormulaError(
        f"playback: {name} has a result of shape {tuple(now.shape)}, and when recorded it had shape {tuple(shape)}: "
        "shapes must not depend on values; multiply by a mask, or use torch.where, in the place of an index"
    )


def _replace(leaves: dict[int, Tensor], gradients: dict[int, Any], *, are_different: bool) -> None:
    """`leaf.grad = gradient` for each leaf; where the same leaf may be there twice, the sum of both."""
    missing = [k for k, gradient in gradients.items() if gradient is None]
    for k in leaves if not are_different else missing:
        leaves[k].grad = None
    if missing:
        leaves = {k: leaf for k, leaf in leaves.items() if k not in missing}
    accumulate(leaves, gradients, retain=False, replace=are_different)
