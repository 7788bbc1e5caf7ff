r"""Tape: back-propagation itself, without torch's autograd.

    forward    each operation is run and written down: (formula, what it saved, inputs, output)
    backward   the gradient of the loss with respect to itself is 1; walking the steps in reverse,
               each formula turns the gradient of its output into those of its inputs,
               and gradients that meet at a tensor used more than once add up

Inside `with Tape() as tape:` ordinary torch code is recorded: `x + y`, `x @ w.mT`, `torch.relu`, `nn.Linear` of either
kind. Every operation is looked up in `manualgrad.spellings.TWINS`; one without a formula is refused by name, and
nothing is ever left to torch's autograd. Operations that have no derivative (argmax, comparisons, shapes) pass through.

Source: Linnainmaa (1970); Rumelhart, Hinton & Williams (1986); for the tape, Speelpenning (1980).
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable, Iterator
from typing import Any

import torch
from torch import Tensor
from torch.overrides import TorchFunctionMode, resolve_name

from manualgrad.formula import Context, Formula, FormulaError, active, unwrapped
from manualgrad.spellings import COMPOSITIONS, IN_PLACE, PASS_THROUGH, TWINS, torch_names

_set_grad_enabled: Callable[[bool], None] = torch._C._set_grad_enabled
_is_grad_enabled = torch.is_grad_enabled
_requires_grad: Any = getattr(Tensor, "requires_grad").__get__  # what reading the attribute calls  # noqa: B009

# What autograd offers and the tape has in another form: torch's function -> what to do instead.
_INSTEAD: dict[Callable[..., Any], str] = {
    Tensor.backward: "call tape.backward(loss)",
    torch.autograd.backward: "call tape.backward(loss)",
    torch.autograd.grad: "call tape.backward(loss, retain=True), then tape.gradient_of(tensor)",
    Tensor.retain_grad: "call tape.backward(loss, retain=True), then tape.gradient_of(tensor)",
    Tensor.register_hook: "only leaves, such as parameters, have hooks; tape.gradient_of tells other gradients",
}


class Step(Context):
    """One line of the tape: `output = formula(*inputs)`. To the formula it is the `ctx` of torch's Functions."""

    materialize_grads = True
    constants: frozenset[int] = frozenset()  # ids of the outputs that have no gradient

    def __init__(self, formula: type[Formula], inputs: tuple[Any, ...], needs_input_grad: tuple[bool, ...]) -> None:
        self.formula = formula
        self.inputs = inputs
        self.needs_input_grad = needs_input_grad
        self.output: Any = None

    # What formulas call on their ctx.

    def save_for_backward(self, *tensors: Tensor | None) -> None:
        self.saved_tensors = tensors

    def save_for_forward(self, *tensors: Tensor | None) -> None:
        """The tape runs backward only."""

    def mark_non_differentiable(self, *outputs: Tensor) -> None:
        self.constants = frozenset(map(id, outputs))

    def set_materialize_grads(self, value: bool) -> None:
        self.materialize_grads = value

    # What the tape and its readers ask.

    @property
    def outputs(self) -> tuple[Any, ...]:
        return self.output if isinstance(self.output, tuple) else (self.output,)

    @property
    def saved_bytes(self) -> int:
        """Bytes of the tensors kept for the backward pass, each storage counted once."""
        return _bytes([self])

    def keep_copy_of(self, tensor: Tensor) -> None:
        """Save the values that `tensor` has now, since it is about to be changed in place."""
        self.saved_tensors = tuple(t.clone() if t is tensor else t for t in self.saved_tensors)
        self.versions = [None if t is None else t._version for t in self.saved_tensors]

    def __repr__(self) -> str:
        shapes = [tuple(a.shape) if isinstance(a, Tensor) else a for a in self.inputs]
        return f"{self.formula.title()}({', '.join(map(str, shapes))}) -> {[tuple(o.shape) for o in self.outputs]}"


class Tape(TorchFunctionMode):
    """Records the operations of the block, and back-propagates through them with their formulas.

    >>> import torch
    >>> x, y, z = (torch.tensor(v, requires_grad=True) for v in (-2.0, 5.0, -4.0))
    >>> with Tape() as tape:
    ...     f = (x + y) * z
    >>> tape.backward(f)
    >>> float(x.grad), float(y.grad), float(z.grad)
    (-4.0, -4.0, 3.0)

    `steps` holds what was recorded, in order. Tensors that require a gradient are the leaves; `backward` adds to their
    `.grad` and runs their hooks, so any torch optimizer works. Under `torch.no_grad()` nothing is recorded. A tensor
    changed in place (`x += y`, `x[0] = y`, `nn.ReLU(inplace=True)`) stands for its new value from then on. In a block
    within a block the inner tape records, and what the outer one recorded is constant to it.

    Raises FormulaError for a differentiable operation without a formula.
    """

    def __init__(self) -> None:
        super().__init__()
        self.steps: list[Step] = []
        self._recorded: dict[int, Tensor] = {}  # by id; holding the tensor keeps the id its own
        self._renamed: dict[int, Tensor] = {}  # a tensor changed in place -> the recorded one whose value it has now
        self._gradients: dict[int, Tensor] | None = None
        self._outer: list[Tape | None] = []
        self._grad_mode = True  # what the code in the block has set

    # --------------------------------------------------------------------------------------------------------- forward

    def __enter__(self) -> Tape:
        super().__enter__()
        if active.tape is not self:
            self._grad_mode = torch.is_grad_enabled()
        self._outer.append(active.tape)
        active.tape = self
        return self

    def __exit__(self, *exception: Any) -> None:
        super().__exit__(*exception)
        active.tape = self._outer.pop()

    def __torch_function__(
        self, func: Callable[..., Any], types: Any, args: tuple[Any, ...] = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        """Where torch hands over each call of a function of its own that is made in the block."""
        twin = TWINS.get(func)
        if twin is None or (kwargs and kwargs.get("out") is not None):
            return self._without_formula(func, args, kwargs or {})
        if twin in COMPOSITIONS:
            with self:
                return twin(*args, **torch_names(kwargs or {}))
        return twin(*args, **torch_names(kwargs)) if kwargs else twin(*args)

    def run(self, formula: type[Formula], args: tuple[Any, ...]) -> Any:
        """Run `formula` and write it down if any of its inputs needs a gradient. This is where `formula.call` lands."""
        with torch._C.DisableTorchFunction():  # first: the mode would intercept the switching of gradients itself
            recorded = self._recorded
            inputs = tuple([self._renamed.get(id(a), a) for a in args]) if self._renamed else args
            needs = tuple([isinstance(a, Tensor) and (id(a) in recorded or a.requires_grad) for a in inputs])
            if True not in needs or not (_is_grad_enabled() or self._recording()):
                return formula.forward(*args)
            step = Step(formula, inputs, needs)
            _set_grad_enabled(False)
            try:
                output = formula.forward(*args)
                if isinstance(output, Tensor) and (id(output) in recorded or output.requires_grad):
                    output = output.view_as(output)  # an input as it is: a tensor has one place on the tape
                formula.setup_context(step, args, output)
            finally:
                _set_grad_enabled(True)
            step.output = output
            step.versions = [None if t is None else t._version for t in step.saved_tensors]
            constants, differentiable = step.constants, False
            for o in (output,) if isinstance(output, Tensor) else output:
                if (o.is_floating_point() or o.is_complex()) and not (constants and id(o) in constants):
                    recorded[id(o)] = o
                    differentiable = True
            if differentiable:
                self.steps.append(step)
            return output

    def _recording(self) -> bool:
        if torch.is_grad_enabled():
            return True
        if self._grad_mode and not torch.is_inference_mode_enabled():
            raise FormulaError(
                "the tape cannot see into a torch.autograd.Function: make it a manualgrad.Formula and run it with "
                "manualgrad.formula.call"
            )
        return False

    def tracks(self, tensor: Any) -> bool:
        """Whether a gradient flows to `tensor`: it is a leaf that requires one, or was computed from such leaves."""
        tensor = unwrapped(tensor)
        tensor = self._renamed.get(id(tensor), tensor)
        return isinstance(tensor, Tensor) and (id(tensor) in self._recorded or tensor.requires_grad)

    def refuse_transform(self, formula: type[Formula], args: tuple[Any, ...]) -> None:
        """Raise FormulaError if torch.func is about to differentiate or batch what the tape should write down."""
        if any(map(self.tracks, args)) and self._recording():
            raise FormulaError(
                f"{formula.title()}: the tape cannot see into torch.func's transforms (grad, vmap, jvp and their kin): "
                "use them outside the block or on detached tensors"
            )

    def _without_formula(self, func: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        """Call a function that has no derivative; record one that works in place; refuse any other."""
        if func in PASS_THROUGH:
            return func(*args, **kwargs)
        if func is torch._C._set_grad_enabled:
            self._grad_mode = args[0]
        given = list(_flatten((args, kwargs)))
        initialises = getattr(func, "__module__", None) == "torch.nn.init"  # parameters, without gradients
        if initialises or not any(map(self.tracks, given)) or not self._recording():
            return func(*args, **kwargs)
        if func == _requires_grad:
            return True
        name = resolve_name(func) or f"{func.__module__}.{func.__name__}"
        is_leaf = bool(args) and isinstance(args[0], Tensor) and id(args[0]) not in self._recorded
        if func is Tensor.requires_grad_ and not is_leaf:
            return args[0]
        if func in _INSTEAD and not is_leaf:
            raise FormulaError(f"{name}: {_INSTEAD[func]}")
        if func in IN_PLACE:
            return self._overwrite(name, args[0], lambda: IN_PLACE[func](*args, **kwargs))
        in_place = name.endswith("_") and not name.endswith("__")
        if kwargs.get("out") is not None or (in_place and func is not Tensor.requires_grad_):
            raise FormulaError(f"{name}: the tape does not record this operation in place")
        with torch.no_grad():
            result = func(*args, **kwargs)
        for r in _flatten(result):
            if isinstance(r, Tensor) and (r.is_floating_point() or r.is_complex()) and id(r) not in map(id, given):
                raise FormulaError(
                    f"{name}: the tape has no formula for this operation; "
                    "see `manualgrad list` for those it has, and CONTRIBUTING.md for how to add one"
                )
        return result

    def run_in_place(self, formula: type[Formula], args: tuple[Any, ...]) -> Tensor:
        """`run`, with the result written over the first argument. This is where `formula.call_in_place` lands."""
        with torch._C.DisableTorchFunction():
            if not any(map(self.tracks, args)) or not self._recording():
                return args[0].copy_(formula.forward(*args))
            return self._overwrite(formula.title(), args[0], lambda: self.run(formula, args))

    def _overwrite(self, name: str, target: Tensor, compute: Callable[[], Tensor]) -> Tensor:
        """Record `x.f_(...)` as `x' = x.f(...)`: x gets the values of x', and stands for x' from here on."""
        with torch._C.DisableTorchFunction():
            if target.requires_grad:
                raise FormulaError(f"{name}: a leaf that requires a gradient cannot be changed in place")
            if torch._C._storage_Use_Count(target.untyped_storage()._cdata) > 2:  # the tensor, and this question
                raise FormulaError(
                    f"{name}: the tape cannot change a tensor in place that shares its memory with another"
                )
        before = len(self.steps)
        result = compute()
        with torch._C.DisableTorchFunction():
            if result.shape != target.shape or not torch.can_cast(result.dtype, target.dtype):
                raise RuntimeError(
                    f"{name}: a result of shape {tuple(result.shape)}, {result.dtype}, cannot be written over a tensor "
                    f"of shape {tuple(target.shape)}, {target.dtype}"
                )
            for step in self.steps[before:]:
                step.keep_copy_of(target)
            target.copy_(result)
            self._renamed[id(target)] = result
            self._recorded.setdefault(id(target), target)
            return target

    # -------------------------------------------------------------------------------------------------------- backward

    def backward(self, loss: Tensor, gradient: Tensor | None = None, *, retain: bool = False) -> None:
        """Back-propagate from `loss`, adding to `.grad` of every leaf that requires a gradient.

        `gradient` is the upstream gradient of `loss`, of its shape; needed unless `loss` has one element. The steps are
        freed afterwards; with `retain` they are kept, and `gradient_of` tells the gradient of every tensor on the way.

        Raises RuntimeError if `loss` was not recorded here, or if a saved tensor was changed in place, ValueError for
        an upstream gradient of another shape, FormulaError where a gradient would flow into torch's autograd.
        """
        with torch._C.DisableTorchFunction():
            loss = self._renamed.get(id(loss), loss)
            if id(loss) not in self._recorded and (loss.grad_fn is not None or not loss.requires_grad):
                raise RuntimeError(self._why_not_recorded(loss))
            if gradient is None:
                if loss.numel() != 1:
                    raise RuntimeError(
                        f"tape.backward: loss has shape {tuple(loss.shape)}; only a loss of one element "
                        "has an upstream gradient of 1, give `gradient` for others"
                    )
                gradient = torch.ones_like(loss)
            elif gradient.shape != loss.shape:
                raise ValueError(
                    f"tape.backward: gradient must have the shape of loss, {tuple(loss.shape)}, "
                    f"got {tuple(gradient.shape)}"
                )
            grad_mode = torch.is_grad_enabled()
            _set_grad_enabled(False)
            try:
                leaves, gradients = self._walk(loss, gradient, retain)
                accumulate(leaves, gradients, retain)
            finally:
                _set_grad_enabled(grad_mode)
            self._gradients = gradients if retain else None
            if not retain:
                self.steps.clear()
                self._recorded.clear()
                self._renamed.clear()

    def _walk(self, loss: Tensor, gradient: Tensor, retain: bool) -> tuple[dict[int, Tensor], dict[int, Tensor]]:
        """The leaves that the loss was computed from, and the gradients, each by the id of its tensor."""
        recorded = self._recorded
        gradients = {id(loss): gradient}
        leaves = {} if id(loss) in recorded else {id(loss): loss}
        take = gradients.get if retain else gradients.pop
        for step in reversed(self.steps):
            output = step.output
            if isinstance(output, Tensor):
                dys = [take(id(output), None)]
            else:
                dys = [take(id(o), None) for o in output]
                if step.materialize_grads and any(d is not None for d in dys):
                    dys = [torch.zeros_like(o) if d is None else d for d, o in zip(dys, output, strict=True)]
            if dys[0] is None and all(d is None for d in dys):  # the step had no influence on the loss
                continue
            if [None if t is None else t._version for t in step.saved_tensors] != step.versions:
                raise RuntimeError(self._what_changed(step))
            dxs = step.formula.backward(step, *dys)
            if not isinstance(dxs, tuple):
                dxs = (dxs,)
            if len(dxs) != len(step.inputs):
                raise RuntimeError(
                    f"{step.formula.title()}: backward gave {len(dxs)} gradients for {len(step.inputs)} inputs"
                )
            for x, needed, dx in zip(step.inputs, step.needs_input_grad, dxs):  # noqa: B905
                if needed and dx is not None:
                    if dx.shape != x.shape or dx.dtype is not x.dtype:
                        dx = dx.sum_to_size(x.shape).to(x.dtype)
                    key = id(x)
                    gradients[key] = gradients[key] + dx if key in gradients else dx
                    if key not in recorded:
                        leaves[key] = x
        return leaves, gradients

    def _what_changed(self, step: Step) -> str:
        pairs = zip(step.saved_tensors, step.versions, strict=True)
        changed = next(t for t, version in pairs if t is not None and t._version != version)
        return (
            f"tape.backward: a tensor of shape {tuple(changed.shape)} that {step.formula.title()} saved for its "
            "backward pass was changed in place since"
        )

    def _why_not_recorded(self, loss: Tensor) -> str:
        if not self.steps:
            return (
                "tape.backward: nothing is recorded: no operation on a tensor that requires a gradient ran inside the "
                "`with` block, or backward() already ran and freed the steps (keep them with retain=True)"
            )
        return f"tape.backward: the loss of shape {tuple(loss.shape)} was not computed on this tape"

    def gradient_of(self, tensor: Tensor) -> Tensor | None:
        """After `backward(loss, retain=True)`, the gradient of any tensor on the way; None if none reached it."""
        if self._gradients is None:
            raise RuntimeError("tape.gradient_of: run backward(loss, retain=True) first")
        return self._gradients.get(id(self._renamed.get(id(tensor), tensor)))

    @property
    def saved_bytes(self) -> int:
        """Bytes of all tensors kept for the backward pass, each storage counted once."""
        return _bytes(self.steps)


def accumulate(leaves: dict[int, Tensor], gradients: dict[int, Tensor], retain: bool, replace: bool = False) -> None:
    """`leaf.grad += gradient` for each leaf, with its hooks; with `replace`, `leaf.grad = gradient`.

    `.grad` is changed in place later. A gradient that others hold too, or whose memory is part of another's, is copied.
    """
    for leaf in leaves.values():
        if leaf.grad_fn is not None:
            raise FormulaError(
                f"tape.backward: a tensor of shape {tuple(leaf.shape)} was computed before the block, by torch's "
                "autograd, where the tape cannot follow: compute it in the block, or detach it"
            )
    for key, leaf in leaves.items():
        gradient = gradients[key]
        shared = retain or sys.getrefcount(gradient) > 3  # by others than the dictionary, this name and this question
        if leaf._backward_hooks:
            for hook in leaf._backward_hooks.values():
                changed = hook(gradient)
                gradient, shared = (gradient, shared) if changed is None else (changed, True)
        if not replace and leaf.grad is not None:
            leaf.grad.add_(gradient)
        elif shared or gradient._base is not None or not gradient.is_contiguous():
            leaf.grad = (
                gradient.clone() if gradient.is_sparse else gradient.clone(memory_format=torch.contiguous_format)
            )
        else:
            leaf.grad = gradient
        if leaf._post_accumulate_grad_hooks:
            for hook in leaf._post_accumulate_grad_hooks.values():
                hook(leaf)


def _bytes(steps: Iterable[Step]) -> int:
    storages = [t.untyped_storage() for step in steps for t in step.saved_tensors if t is not None]
    return sum({storage.data_ptr(): storage.nbytes() for storage in storages}.values())


def _flatten(value: Any) -> Iterator[Any]:
    if isinstance(value, (list, tuple)):
        for v in value:
            yield from _flatten(v)
    elif isinstance(value, dict):
        for v in value.values():
            yield from _flatten(v)
    else:
        yield value
