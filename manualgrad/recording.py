"""Recording: a tape that writes down all that a function does, to be played again; see `manualgrad/playback.py`.

What it cannot see, or what would not be the same when played again, it refuses by name.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor
from torch.nn.parameter import is_lazy
from torch.overrides import resolve_name
from torch.utils._device import _device_constructors
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_flatten, tree_leaves, tree_map, tree_unflatten

from manualgrad.formula import Formula, FormulaError, autocast_is_on, values_are_visible
from manualgrad.spellings import COMPOSITIONS, PASS_THROUGH, TWINS, torch_names
from manualgrad.tape import Step, Tape

# Questions about a tensor that are answered by its shape and kind, not by its values.
_QUERIES: frozenset[Callable[..., Any]] = PASS_THROUGH | {
    torch._C._set_grad_enabled,
    getattr(Tensor, "requires_grad").__get__,  # noqa: B009
    Tensor.__len__,
    Tensor.is_complex,
    torch.is_complex,
    torch.is_floating_point,
    torch.is_tensor,
    torch.numel,
    Tensor.element_size,
}


@dataclass
class Call:
    """A call that has no part in the backward pass: of a formula that no gradient flows through, or of torch."""

    name: str
    function: Callable[..., Any]
    args: tuple[Any, ...]
    output: Any = None


class Witness(TorchDispatchMode):
    """Refuses what torch computes unseen by a recording."""

    def __init__(self, recording: Recording) -> None:
        super().__init__()
        self._recording = recording

    def __exit__(self, *exception: Any) -> None:
        super().__exit__(*exception)
        if self._recording.refusal is not None:  # TorchScript makes another exception of it, other code goes on
            raise self._recording.refusal from None

    def __torch_dispatch__(
        self, func: Callable[..., Any], types: Any, args: tuple[Any, ...] = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        if not self._recording.is_writing and torch._C._is_torch_function_enabled():  # else it is a question of ours
            raise self._recording.refuse(
                f"{func} is called where it is not seen and could not be played again, as by a scripted function, an "
                "operator of torch.ops, torch.from_numpy or a torch.autograd.Function"
            )
        return func(*args, **(kwargs or {}))


class Recording(Tape):
    """A tape that also writes down what has no gradient, in `log`, in the order of the calls."""

    def __init__(self) -> None:
        super().__init__()
        self.log: list[Step | Call] = []
        self.refusal: FormulaError | None = None
        self.is_writing = False  # what torch does now is part of a call that is written down
        self._is_ours = False  # the code that runs is a function of ours: its calls of torch mean torch's functions

    def __torch_function__(
        self, func: Callable[..., Any], types: Any, args: tuple[Any, ...] = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        twin = None if self._is_ours else TWINS.get(func)
        if twin is None or (kwargs and kwargs.get("out") is not None):
            return self._without_formula(func, args, kwargs or {})
        return self._watch(lambda: twin(*args, **torch_names(kwargs or {})), is_ours=twin not in COMPOSITIONS)

    def refuse(self, reason: str) -> FormulaError:
        self.refusal = FormulaError(f"playback: {reason}")
        return self.refusal

    def _watch(self, function: Callable[[], Any], *, is_ours: bool = True) -> Any:
        """Call `function` and see what it does besides calling its formula: a dropout draws a mask."""
        before, self._is_ours = self._is_ours, is_ours
        try:
            with self:
                return function()
        finally:
            self._is_ours = before

    @contextlib.contextmanager
    def _writing(self) -> Iterator[None]:
        if autocast_is_on():
            raise self.refuse("there must be no autocast in the function")
        if not values_are_visible():
            raise self.refuse("what torch.func's transforms (grad, vmap, jvp and their kin) do is not seen")
        before, self.is_writing = self.is_writing, True
        try:
            yield
        finally:
            self.is_writing = before

    def run(self, formula: type[Formula], args: tuple[Any, ...]) -> Any:
        args = tree_map(lambda a: a, args)  # with lists of its own, since others may be changed
        known = len(self.steps)
        with self._writing():
            output = super().run(formula, args)
        step = self.steps[-1] if len(self.steps) > known else None
        self.log.append(step or self._call(formula.title(), formula.forward, args, output))
        return output

    def run_in_place(self, formula: type[Formula], args: tuple[Any, ...]) -> Tensor:
        known = len(self.log)
        with self._writing():
            target = super().run_in_place(formula, args)
        if len(self.log) == known:
            self.log.append(
                self._call(formula.title(), lambda x, *rest: x.copy_(formula.forward(x, *rest)), args, target)
            )
        return target

    def _overwrite(self, name: str, target: Tensor, compute: Callable[[], Tensor]) -> Tensor:
        return super()._overwrite(name, target, lambda: self._watch(compute))

    def _without_formula(self, func: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        name = resolve_name(func) or getattr(func, "__name__", str(func))
        with torch._C.DisableTorchFunction():
            tensors = [a for a in tree_leaves((args, kwargs)) if isinstance(a, Tensor)]
            if any(map(is_lazy, tensors)):
                raise self.refuse("call lazy modules once before, to give their parameters a shape")
            versions = [a._version for a in tensors] if self._renamed else []
            known = len(self.log)
            call = self._call(name, lambda a, k: func(*a, **k), (args, kwargs))
        with self._writing():
            result = func(*args, **kwargs) if self._is_ours else super()._without_formula(func, args, kwargs)
        with torch._C.DisableTorchFunction():
            is_tensor = any(isinstance(r, Tensor) for r in tree_leaves(result))
            if len(self.log) > known or (func in _QUERIES and not is_tensor):
                return result
            if result is not None and not is_tensor:
                raise self.refuse(
                    f"{name} looks at the values of a tensor; when played again, what depends on it would "
                    "stay as it is now: keep such code out of the function"
                )
            changed = [a for a, version in zip(tensors, versions, strict=False) if a._version != version]
            if self._renamed and any(map(self._was_overwritten, changed)):
                raise self.refuse(f"{name} changes in place, without gradient, what was changed with one")
            if func in _device_constructors():  # which a default device may have decided on
                call.args[1]["device"] = result.device
            call.output = result
            self.log.append(call)
        return result

    def _was_overwritten(self, tensor: Tensor) -> bool:
        """Whether `tensor` shares the memory of one that the tape changed in place, as a plan does not."""
        memory = tensor.untyped_storage()._cdata
        return any(self._recorded[key].untyped_storage()._cdata == memory for key in self._renamed)

    def _call(self, name: str, function: Callable[..., Any], args: tuple[Any, ...], output: Any = None) -> Call:
        leaves, tree = tree_flatten(args)
        return Call(name, function, tree_unflatten([self._renamed.get(id(a), a) for a in leaves], tree), output)

    def overwritten(self) -> list[tuple[Tensor, Tensor]]:
        """The tensors changed in place, with those that have their values."""
        return [(self._recorded[key], value) for key, value in self._renamed.items()]

    def leaves(self, loss: Tensor) -> list[Tensor]:
        """What the gradients are for."""
        tensors = [x for step in self.steps for x in needed(step)]
        if loss.requires_grad:
            tensors.append(loss)
        return list({id(x): x for x in tensors if id(x) not in self._recorded}.values())

    def value_of(self, tensor: Tensor) -> Tensor:
        """The recorded tensor that stands for `tensor`, which may have been changed in place."""
        return self._renamed.get(id(tensor), tensor)


def needed(step: Step) -> list[Tensor]:
    """The inputs of a step that gradients flow to."""
    return [x for x, is_needed in zip(step.inputs, step.needs_input_grad, strict=True) if is_needed]
