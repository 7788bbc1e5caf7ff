r"""Tape: back-propagation itself, without torch's autograd.

    forward    each operation is run and written down: (formula, what it saved, inputs, output)
    backward   the gradient of the loss with respect to itself is 1; walking the steps in reverse,
               each formula turns the gradient of its output into those of its inputs,
               and gradients that meet at a tensor used more than once add up

Inside `with Tape() as tape:` ordinary torch code is recorded: `x + y`, `x @ w.mT`, `torch.relu`, `nn.Linear` of either
kind. Every operation is looked up in `manualgrad.functional.TWINS`; one without a formula is refused by name, and nothing
is ever left to torch's autograd. Operations that have no derivative (argmax, comparisons, shapes) pass through.

Source: Linnainmaa (1970); Rumelhart, Hinton & Williams (1986); for the tape, Speelpenning (1980).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import torch
from torch import Tensor
from torch.overrides import TorchFunctionMode, resolve_name

from manualgrad.formula import Formula, FormulaError, active, save
from manualgrad.functional import IN_PLACE, PASS_THROUGH, TWINS

_set_grad_enabled: Callable[[bool], None] = torch._C._set_grad_enabled


class Context:
    """What a formula keeps between its forward and its backward pass, as torch's `ctx` does."""

    saved_tensors: tuple[Tensor | None, ...] = ()
    materialize_grads = True

    def __init__(self, needs_input_grad: tuple[bool, ...]) -> None:
        self.needs_input_grad = needs_input_grad

    def save_for_backward(self, *tensors: Tensor | None) -> None:
        self.saved_tensors = tensors

    def save_for_forward(self, *tensors: Tensor | None) -> None:
        """The tape runs backward only."""

    def mark_non_differentiable(self, *tensors: Tensor) -> None:
        self.non_differentiable = tensors

    def set_materialize_grads(self, value: bool) -> None:
        self.materialize_grads = value


class Step:
    """One line of the tape: `output = formula(*inputs)`, with the formula's context."""

    __slots__ = ("context", "formula", "inputs", "output", "versions")

    def __init__(self, formula: type[Formula], context: Context, inputs: tuple[Any, ...], output: Any) -> None:
        self.formula = formula
        self.context = context
        self.inputs = inputs
        self.output = output
        self.versions = [None if t is None else t._version for t in context.saved_tensors]

    def keep_copy_of(self, tensor: Tensor) -> None:
        """Save the values that `tensor` has now, since it is about to be changed in place."""
        self.context.saved_tensors = tuple(t.clone() if t is tensor else t for t in self.context.saved_tensors)
        self.versions = [None if t is None else t._version for t in self.context.saved_tensors]

    @property
    def outputs(self) -> tuple[Any, ...]:
        return self.output if isinstance(self.output, tuple) else (self.output,)

    @property
    def saved_bytes(self) -> int:
        """Bytes of the tensors kept for the backward pass, each storage counted once."""
        kept = {
            t.untyped_storage().data_ptr(): t.untyped_storage().nbytes()
            for t in self.context.saved_tensors
            if t is not None
        }
        return sum(kept.values())

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
    `.grad`, so any torch optimizer works. Under `torch.no_grad()` nothing is recorded.

    Raises FormulaError for a differentiable operation without a formula.
    """

    def __init__(self) -> None:
        super().__init__()
        self.steps: list[Step] = []
        self._recorded: dict[int, Tensor] = {}  # by id; holding the tensor keeps the id its own
        self._rebound: dict[int, Tensor] = {}  # tensors changed in place: what they stand for now
        self._gradients: dict[int, Tensor] | None = None
        self._outer: list[Tape | None] = []

    def __enter__(self) -> Tape:
        self._outer.append(active.tape)
        active.tape = self
        super().__enter__()
        return self

    def __exit__(self, *exception: Any) -> None:
        super().__exit__(*exception)
        active.tape = self._outer.pop()

    def __torch_function__(
        self, func: Callable[..., Any], types: Any, args: tuple[Any, ...] = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        twin = TWINS.get(func)
        if twin is not None:
            return twin(*args, **kwargs) if kwargs else twin(*args)
        return self._without_formula(func, args, kwargs or {})

    def run(self, formula: type[Formula], args: tuple[Any, ...]) -> Any:
        """Run `formula` and write it down if any of its inputs needs a gradient. This is where `formula.call` lands."""
        with torch._C.DisableTorchFunction():  # first: the mode would intercept the switching of gradients itself
            if self._rebound:
                args = tuple(self._rebound.get(id(a), a) for a in args)
            if not torch.is_grad_enabled():
                return formula.forward(*args)
            _set_grad_enabled(False)
            try:
                output = formula.forward(*args)
                recorded = self._recorded
                needs = tuple([isinstance(a, Tensor) and (id(a) in recorded or a.requires_grad) for a in args])
                if True in needs:
                    self._record(formula, needs, args, output)
                return output
            finally:
                _set_grad_enabled(True)

    def _record(self, formula: type[Formula], needs: tuple[bool, ...], args: tuple[Any, ...], output: Any) -> None:
        context = Context(needs)
        formula.setup_context(context, args, output)
        self.steps.append(Step(formula, context, args, output))
        if isinstance(output, Tensor):
            self._recorded[id(output)] = output
        else:
            self._recorded.update((id(o), o) for o in output if o.is_floating_point())

    def tracks(self, tensor: Any) -> bool:
        """Whether a gradient flows to `tensor`: it is a leaf that requires one, or was computed from such leaves."""
        return isinstance(tensor, Tensor) and (id(tensor) in self._recorded or tensor.requires_grad)

    def _without_formula(self, func: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        if func in IN_PLACE:
            return self._in_place(func, args, kwargs)
        if func in PASS_THROUGH or not torch.is_grad_enabled() or not any(map(self.tracks, _flatten((args, kwargs)))):
            return func(*args, **kwargs)
        with torch.no_grad():
            result = func(*args, **kwargs)
        if any(r.is_floating_point() or r.is_complex() for r in _flatten(result) if isinstance(r, Tensor)):
            raise FormulaError(
                f"{resolve_name(func) or func}: the tape has no formula for this operation; "
                "see `manualgrad list` for those it has, and CONTRIBUTING.md for how to add one"
            )
        return result

    def _in_place(self, func: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        """Record `x.f_(...)` as `x' = x.f(...)`; from here on, `x` stands for `x'`."""
        if not torch.is_grad_enabled() or not any(map(self.tracks, _flatten((args, kwargs)))):
            return func(*args, **kwargs)
        name = resolve_name(func) or str(func)
        return self._overwrite(name, args[0], lambda: IN_PLACE[func](*args, **kwargs))

    def run_in_place(self, formula: type[Formula], args: tuple[Any, ...]) -> Tensor:
        """`run`, with the result written over the first argument. This is where `formula.call_in_place` lands."""
        with torch._C.DisableTorchFunction():
            if not torch.is_grad_enabled() or not any(map(self.tracks, args)):
                return args[0].copy_(formula.forward(*args))
            return self._overwrite(formula.title(), args[0], lambda: self.run(formula, args))

    def _overwrite(self, name: str, target: Tensor, compute: Callable[[], Tensor]) -> Tensor:
        if target.requires_grad:
            raise FormulaError(f"{name}: a leaf that requires a gradient cannot be changed in place")
        storage = target.untyped_storage().data_ptr()
        others = [t for t in self._recorded.values() if t is not target and t.untyped_storage().data_ptr() == storage]
        if others or target._base is not None:
            raise FormulaError(f"{name}: the tape cannot change a tensor in place that shares its memory with another")
        before = len(self.steps)
        result = compute()
        for step in self.steps[before:]:
            step.keep_copy_of(target)
        target.copy_(result)
        self._rebound[id(target)] = result
        self._recorded.setdefault(id(target), target)
        return target

    @torch.no_grad()
    def backward(self, loss: Tensor, gradient: Tensor | None = None, *, retain: bool = False) -> None:
        """Back-propagate from `loss`, adding to `.grad` of every leaf that requires a gradient.

        `gradient` is the upstream gradient of `loss`, of its shape; needed unless `loss` has one element. The steps are
        freed afterwards; with `retain` they are kept, and `gradient_of` tells the gradient of every tensor on the way.

        Raises RuntimeError if `loss` was not recorded here, if a saved tensor was changed in place, and ValueError for an
        upstream gradient of another shape.
        """
        with torch._C.DisableTorchFunction():
            loss = self._rebound.get(id(loss), loss)
            if id(loss) not in self._recorded:
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
            gradients = self._walk(loss, gradient, retain)
            self._gradients = gradients if retain else None
            if not retain:
                self.steps.clear()
                self._recorded.clear()
                self._rebound.clear()

    def _walk(self, loss: Tensor, gradient: Tensor, retain: bool) -> dict[int, Tensor]:
        gradients = {id(loss): gradient}
        leaves: dict[int, Tensor] = {}
        lookup = gradients.get if retain else lambda key: gradients.pop(key, None)
        for step in reversed(self.steps):
            output, context = step.output, step.context
            if isinstance(output, Tensor):
                dy = lookup(id(output))
                if dy is None:
                    continue
                dys: tuple[Tensor | None, ...] = (dy,)
            else:
                dys = tuple(lookup(id(o)) for o in output)
                if all(d is None for d in dys):
                    continue
                if context.materialize_grads:
                    dys = tuple(torch.zeros_like(o) if d is None else d for d, o in zip(dys, output, strict=True))
            self._check_saved(step)
            dxs = step.formula.backward(context, *dys)
            for x, needed, dx in zip(
                step.inputs, context.needs_input_grad, dxs if isinstance(dxs, tuple) else (dxs,), strict=True
            ):
                if not needed or dx is None:
                    continue
                if dx.dtype != x.dtype:
                    dx = dx.to(x.dtype)
                key = id(x)
                met = gradients.get(key)
                gradients[key] = dx if met is None else met + dx
                if x.requires_grad and key not in self._recorded:
                    leaves[key] = x
        for key, leaf in leaves.items():
            _accumulate(leaf, gradients[key], owned=not retain)
        return gradients

    def _check_saved(self, step: Step) -> None:
        for tensor, version in zip(step.context.saved_tensors, step.versions, strict=True):
            if tensor is not None and tensor._version != version:
                raise RuntimeError(
                    f"tape.backward: a tensor of shape {tuple(tensor.shape)} that {step.formula.title()} saved "
                    "for its backward pass was changed in place since"
                )

    def _why_not_recorded(self, loss: Tensor) -> str:
        if not self.steps:
            return (
                "tape.backward: nothing is recorded: no operation on a tensor that requires a gradient ran inside the "
                "`with` block, or backward() already ran and freed the steps (keep them with retain=True)"
            )
        return f"tape.backward: the loss of shape {tuple(loss.shape)} was not computed on this tape"

    def gradient_of(self, tensor: Tensor) -> Tensor | None:
        """The gradient of `tensor`, of any tensor on the way, after `backward(loss, retain=True)`; None if none reached it."""
        if self._gradients is None:
            raise RuntimeError("tape.gradient_of: run backward(loss, retain=True) first")
        return self._gradients.get(id(tensor))

    @property
    def saved_bytes(self) -> int:
        """Bytes of all tensors kept for the backward pass, each storage counted once."""
        kept = [t for step in self.steps for t in step.context.saved_tensors if t is not None]
        return sum({t.untyped_storage().data_ptr(): t.untyped_storage().nbytes() for t in kept}.values())


def _accumulate(leaf: Tensor, gradient: Tensor, owned: bool) -> None:
    """`leaf.grad += gradient`. A gradient that other tensors share is copied first: `.grad` is changed in place later."""
    if leaf.grad is None:
        leaf.grad = gradient if owned and gradient._base is None and gradient.is_contiguous() else gradient.clone()
    else:
        leaf.grad += gradient


def _flatten(value: Any) -> Iterator[Any]:
    if isinstance(value, (list, tuple)):
        for v in value:
            yield from _flatten(v)
    elif isinstance(value, dict):
        for v in value.values():
            yield from _flatten(v)
    else:
        yield value
