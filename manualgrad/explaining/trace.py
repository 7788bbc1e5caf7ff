"""A recorded tape with names: what each step took, what it gave, and the gradients that came back.

Everything that is shown, as text, figure or page, is read off a `Trace`. It keeps the words of the textbooks: the net
input of a layer is `net_LAYER`, its activation `out_LAYER`, the loss `E`, and results without a name of their own
`q1`, `q2`, ...
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor, nn

from manualgrad.formula import Formula
from manualgrad.tape import Step, Tape

INPUT, PARAMETER, NET, OUT, RESULT, LOSS = "input", "parameter", "net input", "output", "result", "loss"


@dataclass(eq=False)
class Quantity:
    """A tensor of the trace: its name, its part in the computation, its value and its gradient.

    `gradient` is the derivative of the loss with respect to it, None where none flows. `layer` is the module that it
    belongs to, "" for none.
    """

    name: str
    role: str
    value: Tensor
    gradient: Tensor | None = None
    layer: str = ""
    uses: int = 0

    @property
    def one(self) -> bool:
        return self.value.numel() == 1

    @property
    def trained(self) -> bool:
        """Whether the update changes it: a leaf that a gradient reached."""
        return self.role == PARAMETER and self.gradient is not None


@dataclass(eq=False)
class Operation:
    """One step of the tape with names: `outputs = formula(*inputs)`.

    `inputs` are the arguments in order: a Quantity for each tensor, and the argument itself for all else.
    `downstream` holds, for each argument, the gradient that this step alone sends to it, None where it sends none.
    """

    number: int
    step: Step
    layer: str
    inputs: list[Any]
    outputs: list[Quantity]
    downstream: list[Tensor | None]

    @property
    def formula(self) -> type[Formula]:
        return self.step.formula

    @property
    def title(self) -> str:
        return self.formula.title()

    @property
    def output(self) -> Quantity:
        """Its first result, for most formulas the only one."""
        return self.outputs[0]

    @property
    def tensors(self) -> list[tuple[int, Quantity]]:
        """The arguments that are tensors, with their positions."""
        return [(i, q) for i, q in enumerate(self.inputs) if isinstance(q, Quantity)]

    @property
    def moving(self) -> list[tuple[int, Quantity]]:
        """The arguments that a gradient flows to, with their positions."""
        return [(i, q) for i, q in self.tensors if self.step.needs_input_grad[i]]

    @property
    def settings(self) -> list[str]:
        """The arguments that are no tensors and differ from nothing, as `name=value`."""
        names = argument_names(self.formula)
        given = zip(names, self.inputs, strict=False)
        return [f"{n}={v}" for n, v in given if not isinstance(v, Quantity) and v is not None]

    @property
    def is_linear(self) -> bool:
        """Whether it is `x W^T + b` of a weight matrix, whose units can be shown one by one."""
        return self.title == "linear" and self.inputs[1].value.dim() == 2

    def saved(self) -> list[tuple[str, tuple[int, ...], int]]:
        """Name, shape and bytes of every tensor kept for the backward pass."""
        known = {q.value.data_ptr(): q.name for q in [*self.outputs, *(q for _, q in self.tensors)] if q.value.numel()}
        return [
            (known.get(t.data_ptr(), "a tensor of its own"), tuple(t.shape), t.untyped_storage().nbytes())
            for t in self.step.saved_tensors
            if t is not None
        ]


@dataclass(eq=False)
class Trace:
    """A computation from its inputs to its loss, with every value and every gradient on the way."""

    tape: Tape
    operations: list[Operation]
    quantities: list[Quantity]
    loss: Quantity
    loss_starts_at: int
    labels: Mapping[str, str] = field(default_factory=dict)

    @property
    def parameters(self) -> list[Quantity]:
        return [q for q in self.quantities if q.trained]

    @property
    def objective(self) -> str:
        """What is differentiated: the loss, or the sum of a result's elements weighted by its upstream gradient."""
        return self.loss.name if self.loss.one else f"sum({self.loss.name})"

    @property
    def inputs(self) -> list[Quantity]:
        return [q for q in self.quantities if q.role == INPUT]

    def element(self, quantity: Quantity, index: int = 0) -> str:
        """The name of one element: `net_hidden[0]`, `hidden.weight[0, 1]`, or its label.

        `index` counts in row-major order. Of a batch of one example, the example's number is left out.
        """
        exact = exact_name(quantity, index)
        return self.labels.get(exact, exact)

    def made_by(self, quantity: Quantity) -> Operation | None:
        return next((op for op in self.operations if quantity in op.outputs), None)

    def tensor_of(self, quantity: Quantity) -> Tensor:
        """The tensor on the tape that `quantity`, an argument of some step, describes."""
        return next(
            a for op in self.operations for q, a in zip(op.inputs, op.step.inputs, strict=True) if q is quantity
        )

    def replay(self, changed: Mapping[int, Tensor]) -> Tensor:
        """The loss that results when the tensors with these ids are replaced, by running the forward formulas again.

        Steps that none of the changes reaches are not run again. Random draws are those of the recorded run.
        """
        values: dict[int, Tensor] = dict(changed)
        with torch.no_grad():
            for operation in self.operations:
                step = operation.step
                if not any(id(a) in values for a in step.inputs):
                    continue
                result = step.formula.forward(*(values.get(id(a), a) for a in step.inputs))
                new = result if isinstance(result, tuple) else (result,)
                values.update((id(old), fresh) for old, fresh in zip(step.outputs, new, strict=True))
        last = self.operations[-1].step.outputs[0]
        return values.get(id(last), last)


def exact_name(quantity: Quantity, index: int) -> str:
    shape = quantity.value.shape
    place = [int(i) for i in torch.unravel_index(torch.tensor(index), shape)] if len(shape) else []
    if quantity.role != PARAMETER:
        if quantity.one:
            return quantity.name
        if len(shape) > 1 and shape[0] == 1:
            place = place[1:]
    return f"{quantity.name}{place}" if place else quantity.name


def argument_names(formula: type[Formula]) -> list[str]:
    return list(inspect.signature(formula.forward).parameters)


# ------------------------------------------------------------------------------------------------ from run to trace


def record(
    model: nn.Module, inputs: tuple[Any, ...], target: Any, loss: Callable[..., Tensor], labels: Mapping[str, str]
) -> Trace:
    """Run `loss(model(*inputs), target)` on a tape and back-propagate; the model and its gradients stay as they are."""
    names = {id(p): (name, PARAMETER) for name, p in model.named_parameters()}
    names.update((id(b), (name, INPUT)) for name, b in model.named_buffers())
    given = [v for v in inputs if isinstance(v, Tensor)]
    names.update((id(v), ("x" if len(given) == 1 else f"x{i}", INPUT)) for i, v in enumerate(given, 1))
    if isinstance(target, Tensor):
        names[id(target)] = ("t", INPUT)
    tape = Tape()
    with unchanged(model), torch.enable_grad():
        with recorded_layers(model, tape) as owners, tape:
            output = model(*inputs)
            loss_starts_at = len(tape.steps)
            value = loss(output) if target is None else loss(output, target)
        if not isinstance(value, Tensor) or value.numel() != 1:
            shown = f"shape {tuple(value.shape)}" if isinstance(value, Tensor) else type(value).__name__
            raise ValueError(f"explain: loss must return a tensor of one element, got {shown}")
    return read(tape, names, owners, loss_starts_at, labels)


def read(
    tape: Tape,
    names: Mapping[int, tuple[str, str]],
    owners: Sequence[str] | None = None,
    loss_starts_at: int | None = None,
    labels: Mapping[str, str] | None = None,
) -> Trace:
    """Name what is on `tape`, and take the gradients from it. `names` maps ids of tensors to (name, role)."""
    if not tape.steps:
        raise ValueError(
            "explain: nothing is recorded on the tape: no operation on a tensor that requires a gradient ran inside "
            "the `with` block, or tape.backward freed the steps (keep them with retain=True)"
        )
    owners = owners or [""] * len(tape.steps)
    names = dict(names)
    final = tape.steps[-1].outputs[0]
    names.setdefault(id(final), ("E", LOSS))
    names[id(final)] = (names[id(final)][0], LOSS)
    namer = _Namer(names, _values(tape))
    operations = [namer.operation(i, step, owners[i]) for i, step in enumerate(tape.steps)]
    namer.finish()
    trace = Trace(
        tape,
        operations,
        list(namer.quantities.values()),
        namer.quantities[id(final)],
        len(operations) if loss_starts_at is None else loss_starts_at,
        labels or {},
    )
    _refuse_nan_forward(trace)
    _back_propagate(trace, final)
    _refuse_nan_backward(trace)
    return trace


class _Namer:
    """Gives every tensor of a tape its Quantity."""

    def __init__(self, names: Mapping[int, tuple[str, str]], values: Mapping[int, Tensor]) -> None:
        self.names, self.values = names, values
        self.quantities: dict[int, Quantity] = {}
        self._taken = {name for name, _ in names.values()}
        self._results = 0

    def operation(self, index: int, step: Step, layer: str) -> Operation:
        argument = argument_names(step.formula)
        inputs = []
        for i, a in enumerate(step.inputs):
            if isinstance(a, Tensor):
                quantity = self._argument(a, argument[min(i, len(argument) - 1)], layer)
                quantity.uses += 1
                inputs.append(quantity)
            else:
                inputs.append(a)
        operation = Operation(index + 1, step, layer, inputs, [], [None] * len(inputs))
        for o in step.outputs:
            if id(o) not in self.quantities:
                name, role, owner = self._result(operation, o)
                self.quantities[id(o)] = Quantity(name, role, self.values.get(id(o), o).detach(), layer=owner)
            operation.outputs.append(self.quantities[id(o)])
        return operation

    def finish(self) -> None:
        """A result that is the only one without a name of its own is `q`, not `q1`."""
        if self._results == 1 and "q" not in self._taken:
            next(q for q in self.quantities.values() if q.name == "q1").name = "q"

    def _argument(self, tensor: Tensor, argument: str, layer: str) -> Quantity:
        if id(tensor) not in self.quantities:
            unnamed = PARAMETER if tensor.requires_grad else INPUT
            name, role = self.names.get(id(tensor)) or (self._free(argument), unnamed)
            owner = layer if role == PARAMETER else ""
            self.quantities[id(tensor)] = Quantity(name, role, tensor.detach(), layer=owner)
        return self.quantities[id(tensor)]

    def _result(self, operation: Operation, tensor: Tensor) -> tuple[str, str, str]:
        """Name, role and layer of what a step makes; a name that was given goes before one that is made up."""
        name, given_role = self.names.get(id(tensor), ("", ""))
        moving = [q for _, q in operation.moving]
        if given_role == LOSS:
            return name, LOSS, operation.layer
        if operation.layer and any(q.role == PARAMETER for _, q in operation.tensors):
            return name or self._free(f"net_{operation.layer}"), NET, operation.layer
        if len(moving) == 1 and moving[0].role == NET and moving[0].value.shape == tensor.shape:
            return name or self._free(f"out_{moving[0].layer}"), OUT, moving[0].layer
        if not name:
            self._results += 1
            name = self._free(f"q{self._results}")
        return name, RESULT, operation.layer

    def _free(self, name: str) -> str:
        """`name`, or for one that is used already `name:2`, `name:3`, ..."""
        wanted, count = name, 1
        while wanted in self._taken:
            count += 1
            wanted = f"{name}:{count}"
        self._taken.add(wanted)
        return wanted


def _back_propagate(trace: Trace, final: Tensor) -> None:
    """The gradients of all quantities, and of every step's share in them. `.grad` of the leaves is left as it was."""
    tape = trace.tape
    if final.numel() == 1:
        leaves = {id(a): a for s in tape.steps for a in s.inputs if isinstance(a, Tensor) and a.is_leaf}
        kept = [(leaf, leaf.grad) for leaf in leaves.values() if leaf.requires_grad]
        for leaf, _ in kept:
            leaf.grad = None
        tape.backward(final, retain=True)
        for leaf, gradient in kept:
            leaf.grad = gradient
    else:
        try:
            tape.gradient_of(final)
        except RuntimeError:
            raise ValueError(
                f"explain: the last result on the tape has shape {tuple(final.shape)}, and only a loss of one element "
                "has an upstream gradient of 1; run tape.backward(result, gradient, retain=True) first"
            ) from None
    with torch.no_grad():
        for operation in trace.operations:
            step = operation.step
            for quantity, tensor in zip(operation.outputs, step.outputs, strict=True):
                quantity.gradient = tape.gradient_of(tensor)
            for quantity, a in zip(operation.inputs, step.inputs, strict=True):
                if isinstance(quantity, Quantity):
                    quantity.gradient = tape.gradient_of(a)
            dys = [q.gradient for q in operation.outputs]
            if any(dy is not None for dy in dys):
                operation.downstream = send_back(step, dys)


def send_back(step: Step, dys: Sequence[Tensor | None]) -> list[Tensor | None]:
    """What the formula of `step` makes of the gradients of its outputs: one gradient per argument, or None."""
    if len(dys) > 1 and step.materialize_grads:
        dys = [torch.zeros_like(o) if dy is None else dy for dy, o in zip(dys, step.outputs, strict=True)]
    dxs = step.formula.backward(step, *dys)
    found: list[Tensor | None] = []
    for x, dx, needed in zip(
        step.inputs, dxs if isinstance(dxs, tuple) else (dxs,), step.needs_input_grad, strict=True
    ):
        found.append(dx.sum_to_size(x.shape).to(x.dtype) if needed and dx is not None else None)
    return found


def _values(tape: Tape) -> dict[int, Tensor]:
    """The values that results had when they were computed, by id, where something on the tape was changed in place."""
    if all(o._version == 0 for step in tape.steps for o in step.outputs):
        return {}
    found: dict[int, Tensor] = {}
    with torch.no_grad():
        for step in tape.steps:
            result = step.formula.forward(*(found.get(id(a), a) for a in step.inputs))
            found.update(zip(map(id, step.outputs), result if isinstance(result, tuple) else (result,), strict=True))
    return found


def _refuse_nan_forward(trace: Trace) -> None:
    for operation in trace.operations:
        for _, q in operation.tensors:
            if trace.made_by(q) is None and _nan_in(q.value):
                raise ValueError(f"explain: {_how_many_nan(q.value)} of the {q.role} {q.name} are NaN")
        for q in operation.outputs:
            if _nan_in(q.value):
                before = ", ".join(f"{i.name} {_range(i.value)}" for _, i in operation.tensors)
                raise ValueError(
                    f"explain: NaN first appears in the forward pass at step {operation.number}, {_where(operation)}: "
                    f"{_how_many_nan(q.value)} of {q.name} (from {before})"
                )


def _refuse_nan_backward(trace: Trace) -> None:
    for operation in reversed(trace.operations):
        for q, dx in zip(operation.inputs, operation.downstream, strict=True):
            if dx is not None and _nan_in(dx):
                raise ValueError(
                    f"explain: NaN first appears in the backward pass at step {operation.number}, {_where(operation)}: "
                    f"{_how_many_nan(dx)} of the gradient that it sends to {q.name} {_range(q.value)}"
                )


def _nan_in(tensor: Tensor) -> bool:
    return tensor.is_floating_point() and bool(tensor.isnan().any())


def _how_many_nan(tensor: Tensor) -> str:
    return f"{int(tensor.isnan().sum())} of {tensor.numel()} elements"


def _where(operation: Operation) -> str:
    return f"{operation.title} in {operation.layer}" if operation.layer else operation.title


def _range(tensor: Tensor) -> str:
    if not tensor.numel() or not tensor.is_floating_point():
        return f"of shape {tuple(tensor.shape)}"
    low, high = (f"{float(v):.4g}" for v in (tensor.min(), tensor.max()))
    return f"= {low}" if low == high else f"between {low} and {high}"


@contextmanager
def unchanged(model: nn.Module) -> Iterator[None]:
    """Explaining is looking: buffers (running averages) and the random state are put back afterwards."""
    buffers = [(b, b.clone()) for b in model.buffers()]
    with torch.random.fork_rng():
        try:
            yield
        finally:
            with torch.no_grad():
                for buffer, before in buffers:
                    if not torch.equal(buffer, before):
                        buffer.copy_(before)


@contextmanager
def recorded_layers(model: nn.Module, tape: Tape) -> Iterator[list[str]]:
    """A list that holds, once the block has ended, the innermost module that each step was recorded in."""
    owners: list[str] = []
    started: list[int] = []
    spans: list[tuple[str, int, int]] = []  # innermost first, since an inner module ends before its outer one

    def enter(*_: Any) -> None:
        started.append(len(tape.steps))

    def leave(name: str) -> Callable[..., None]:
        return lambda *_: spans.append((name, started.pop(), len(tape.steps)))

    handles = []
    for name, module in model.named_modules():
        handles.append(module.register_forward_pre_hook(enter, prepend=True))
        handles.append(module.register_forward_hook(leave(name)))
    try:
        yield owners
    finally:
        for handle in handles:
            handle.remove()
        owners.extend([""] * len(tape.steps))
        for name, start, stop in reversed(spans):
            owners[start:stop] = [name] * (stop - start)
