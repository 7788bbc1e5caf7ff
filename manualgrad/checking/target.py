"""What was handed to `check`, seen as one thing: a function of a list of float64 tensors that returns such a list.

A `torch.autograd.Function` of either style, a callable and a module all become a `Target`. It knows the names of the
arguments, converts between dtypes, seeds what draws random numbers, and runs forward with or without a graph.
"""

from __future__ import annotations

import functools
import inspect
import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from manualgrad.checking.report import CheckError

SEED = 20231


@dataclass(frozen=True)
class Leaf:
    """A tensor to differentiate by: an argument or, of a module, a parameter. `value` is its float64 copy.

    A complex tensor is seen as a real one with a last dimension of 2.
    """

    name: str
    value: Tensor
    dtype: torch.dtype
    argument: int | None  # its position among the arguments, where it is one by itself
    strided: bool  # it came with gaps or in another order in memory, and so the function is to see it

    @property
    def is_complex(self) -> bool:
        return self.dtype.is_complex


Place = tuple[dict[str, Any], str]  # a module's table of parameters or buffers, and the name in it


class _Hole:
    """Stands in the arguments where a leaf (or another floating-point tensor) goes."""

    def __init__(self, kind: str, index: int) -> None:
        self.kind, self.index = kind, index


@dataclass
class Trace:
    """One forward run with a graph: the tensors that it started from and the outputs that carry a gradient."""

    leaves: list[Tensor]
    outputs: list[Tensor]

    def gradients(
        self, upstream: Sequence[Tensor], keep: bool = True, create_graph: bool = False
    ) -> list[Tensor | None]:
        """What backward gives each leaf that requires a gradient, None for the others and where nothing arrives."""
        wanted = [leaf for leaf in self.leaves if leaf.requires_grad]
        pairs = [(o, d) for o, d in zip(self.outputs, upstream, strict=True) if o.requires_grad]
        if not wanted or not pairs:
            return [None] * len(self.leaves)
        outputs, dys = zip(*pairs, strict=True)
        given = iter(
            torch.autograd.grad(outputs, wanted, dys, retain_graph=keep, create_graph=create_graph, allow_unused=True)
        )
        return [next(given) if leaf.requires_grad else None for leaf in self.leaves]


class Target:
    """A Function class, a callable or a module together with the arguments to check it on."""

    def __init__(self, fn: Any, inputs: Sequence[Any], names: Sequence[str] | None = None) -> None:
        owner = getattr(fn, "__self__", None)
        if inspect.isclass(owner) and issubclass(owner, torch.autograd.Function) and fn.__name__ == "apply":
            fn = owner  # `check(Exp.apply, x)` means `check(Exp, x)`
        self.function: type[torch.autograd.Function] | None = None
        self.module = fn if isinstance(fn, nn.Module) else None
        if inspect.isclass(fn):
            if not issubclass(fn, torch.autograd.Function):
                raise CheckError(f"{fn.__name__} is a class but no torch.autograd.Function; give an instance of it")
            self.function = fn
            self._call: Callable[..., Any] = fn.apply
        elif not callable(fn):
            raise CheckError(f"expected a Function class, a callable or a module, got {type(fn).__name__}")
        else:
            self._call = fn
        self.title = _title(fn)
        self.names = _names(fn, inputs, names)
        self.random = False  # draws random numbers: every run starts from the same seed
        self.inplace = False  # writes to its inputs with autograd's knowledge, which must not happen to leaves
        self.native = False  # refuses float64: runs in the dtypes that it was given
        self.scalars: dict[str, float] = {}
        self.integers: dict[str, Tensor] = {}
        self.leaves: list[Leaf] = []
        self._constants: list[Tensor] = []
        self._constant_names: list[str] = []
        self._cast: dict[torch.dtype, list[Tensor]] = {}
        self._args = self._take_arguments(inputs)
        # Only leaves and plain values, nothing to copy or to convert: a quick call, of which there are many.
        nested = any(isinstance(a, (list, tuple, dict)) for a in self._args)
        special = any(leaf.is_complex or leaf.strided for leaf in self.leaves)
        self._simple = not (nested or special or self._constants or self.module is not None)
        # What the first run finds out: how many things forward returns, where the floating-point tensors stand among
        # them, how many of these there are with nested ones, and which of these carry a gradient.
        self.outputs = 0
        self.positions: list[int] = []
        self.floating = 0
        self.tracked: list[int] = []
        # Where a module holds its leaves, the last ones, and its frozen parameters and buffers. These are fresh on
        # each run: running statistics start anew.
        self._parameters: list[list[Place]] = []
        self._kept: list[tuple[list[Place], Tensor]] = []
        if self.module is not None:
            self._take_parameters(self.module)
        if not self.leaves:
            what = f"none of the {len(inputs)} inputs is a floating-point tensor"
            raise CheckError(f"{self.title}: nothing to differentiate by: {what}")

    # ------------------------------------------------------------------------------------------- taking arguments

    def _take_arguments(self, inputs: Sequence[Any]) -> list[Any]:
        tensors = [t for t in tensors_in(inputs) if t.is_floating_point() or t.is_complex()]
        for t in tensors:
            if t.layout != torch.strided or t.device.type == "meta":
                raise CheckError(
                    f"{self.title}: can only check dense tensors that hold values, got {t.layout} {t.device}"
                )
        # gradcheck's convention: where some inputs ask for a gradient, the others are constants
        chosen = {id(t) for t in tensors if t.requires_grad} or {id(t) for t in tensors}
        if self.module is None:
            wanted = chosen
        else:
            wanted = {id(t) for t in tensors}
            if any(t.requires_grad for t in tensors):
                wanted = chosen

        def take(value: Any, name: str, position: int | None) -> Any:
            if isinstance(value, Tensor):
                if not (value.is_floating_point() or value.is_complex()):
                    self.integers[name] = value
                    return value
                if id(value) not in wanted:
                    self._constants.append(value.detach())
                    self._constant_names.append(name)
                    return _Hole("constant", len(self._constants) - 1)
                self.leaves.append(_leaf(name, value, position))
                return _Hole("leaf", len(self.leaves) - 1)
            if isinstance(value, dict):
                return {k: take(v, f"{name}[{k!r}]", None) for k, v in value.items()}
            if isinstance(value, (list, tuple)):
                parts = [take(v, f"{name}[{k}]", None) for k, v in enumerate(value)]
                return type(value)(*parts) if hasattr(value, "_fields") else type(value)(parts)
            if isinstance(value, (int, float)) and not isinstance(value, bool):
                self.scalars[name] = float(value)
            return value

        return [take(v, n, k) for k, (n, v) in enumerate(zip(self.names, inputs, strict=True))]

    def _take_parameters(self, module: nn.Module) -> None:
        places: dict[int, list[Place]] = {}  # several, where a tensor is tied
        for part in module.modules():
            for table in (part._parameters, part._buffers):
                for name, held in table.items():
                    if held is not None:
                        places.setdefault(id(held), []).append((table, name))
        for name, parameter in module.named_parameters():
            if isinstance(parameter, nn.parameter.UninitializedParameter):
                raise CheckError(f"{self.title}: parameter {name} has no shape yet; run the module once")
            if parameter.requires_grad and (parameter.is_floating_point() or parameter.is_complex()):
                self._parameters.append(places.pop(id(parameter)))
                self.leaves.append(_leaf(name, parameter, None))
        everything = (*module.parameters(), *module.buffers())
        self._kept = [(places[id(tensor)], tensor) for tensor in everything if id(tensor) in places]

    # --------------------------------------------------------------------------------------------------- running

    @property
    def constants(self) -> dict[str, Tensor]:
        """The floating-point arguments that are not differentiated by, in float64."""
        return dict(zip(self._constant_names, self._in_dtype(torch.float64), strict=True))

    @property
    def arguments(self) -> list[Leaf]:
        """The leaves that come from the arguments, which are the first; the others are a module's parameters."""
        return self.leaves[: len(self.leaves) - len(self._parameters)]

    def _in_dtype(self, dtype: torch.dtype) -> list[Tensor]:
        if self.native:
            return self._constants
        if dtype not in self._cast:
            wide = {torch.float64: torch.complex128, torch.float32: torch.complex64}.get(dtype, torch.complex64)
            self._cast[dtype] = [c.to(wide if c.is_complex() else dtype) for c in self._constants]
        return self._cast[dtype]

    def run(self, values: Sequence[Tensor]) -> list[Tensor]:
        """The floating-point outputs for these values of the leaves, which set the dtype of everything."""
        if self.random:
            torch.manual_seed(SEED)
        return floating_in(self.raw(values))

    def raw(self, values: Sequence[Tensor]) -> Any:
        """What the function returns for these values of the leaves."""
        if self._simple and not (self.native or self.inplace):
            return self._call(*[values[a.index] if isinstance(a, _Hole) else a for a in self._args])
        dtype = values[0].dtype.to_real() if values[0].is_complex() else values[0].dtype
        values = [
            torch.view_as_complex(v) if leaf.is_complex else v for v, leaf in zip(values, self.leaves, strict=True)
        ]
        if self.native:
            values = [v.to(leaf.dtype) for v, leaf in zip(values, self.leaves, strict=True)]
        constants = self._in_dtype(dtype)

        def fill(value: Any) -> Any:
            if isinstance(value, _Hole):
                if value.kind == "leaf":
                    v = values[value.index]
                    if self.leaves[value.index].strided:
                        return _with_gaps(v)
                    return v.clone() if self.inplace else v
                # The function gets its own copy: what it does to a constant must not reach the next run.
                return constants[value.index].clone() if self.inplace else constants[value.index]
            if isinstance(value, dict):
                return {k: fill(v) for k, v in value.items()}
            if isinstance(value, (list, tuple)):
                parts = [fill(v) for v in value]
                return type(value)(*parts) if hasattr(value, "_fields") else type(value)(parts)
            return value

        args = [fill(a) for a in self._args]
        if self.module is None:
            return self._call(*args)
        held = [*zip(self._parameters, values[len(values) - len(self._parameters) :], strict=True)]
        for places, tensor in self._kept:
            floating = tensor.is_floating_point() and not self.native
            held.append((places, tensor.detach().to(dtype if floating else tensor.dtype, copy=True)))
        # As torch.func.functional_call does, which looks for the places anew each time.
        before = [(table, name, table[name]) for places, _ in held for table, name in places]
        try:
            for places, tensor in held:
                for table, name in places:
                    table[name] = tensor
            return self.module(*args)
        finally:
            for table, name, tensor in before:
                table[name] = tensor

    def point(self, dtype: torch.dtype = torch.float64, factor: float = 1.0) -> list[Tensor]:
        """The values of the leaves in `dtype`, times `factor`; own copies, contiguous."""
        return [(leaf.value * factor).to(dtype, copy=True) for leaf in self.leaves]

    def trace(self, values: Sequence[Tensor], requires: Sequence[bool] | None = None, copy: bool = True) -> Trace:
        """Run forward with a graph. `requires` says which leaves ask for a gradient; without `copy` they share memory
        with `values` and have their strides."""
        requires = [True] * len(values) if requires is None else requires
        leaves = [
            (v.detach().clone() if copy else v.detach()).requires_grad_(r)
            for v, r in zip(values, requires, strict=True)
        ]
        outputs = self.run(leaves)
        return Trace(leaves, [outputs[k] for k in self.tracked])


def custom_nodes(outputs: Sequence[Tensor]) -> Iterator[Any]:
    """The nodes of the graph above `outputs` that belong to Python Functions; a node is its Function's `ctx`."""
    seen: set[Any] = set()
    todo = [o.grad_fn for o in outputs if o.grad_fn is not None]
    while todo:
        node = todo.pop()
        if node in seen:
            continue
        seen.add(node)
        if hasattr(type(node), "_forward_cls"):
            yield node
        todo += [n for n, _ in node.next_functions if n is not None]


def reaches(outputs: Sequence[Tensor], leaf: Tensor) -> bool:
    """Whether the graph of `outputs` leads to `leaf`."""
    seen: set[Any] = set()
    todo = [o.grad_fn for o in outputs if o.grad_fn is not None]
    while todo:
        node = todo.pop()
        if getattr(node, "variable", None) is leaf:
            return True
        if node not in seen:
            seen.add(node)
            todo += [n for n, _ in node.next_functions if n is not None]
    return any(o is leaf for o in outputs)


def forward_parameters(function: type[torch.autograd.Function]) -> list[inspect.Parameter]:
    """The parameters of `forward` without `ctx`, in either style of Function."""
    parameters = list(inspect.signature(function.forward).parameters.values())
    return parameters[1:] if function.setup_context is torch.autograd.Function.setup_context else parameters


def _leaf(name: str, value: Tensor, position: int | None) -> Leaf:
    detached = value.detach()
    real = torch.view_as_real(detached.resolve_conj()) if detached.is_complex() else detached
    copied = real.to(torch.float64, copy=True).contiguous()
    return Leaf(name, copied, value.dtype, position, strided=not value.is_contiguous())


def _with_gaps(t: Tensor) -> Tensor:
    """A differentiable copy at every other place of a larger memory, the dimensions stored in reverse order."""
    dims = tuple(reversed(range(t.dim())))
    return torch.stack((t.permute(dims), t.permute(dims)), -1)[..., 0].permute(dims)


def floating_in(result: Any) -> list[Tensor]:
    """The floating-point tensors among what a function returned, the complex ones seen as real."""
    return [_real(t) for t in tensors_in(result) if t.is_floating_point() or t.is_complex()]


def _real(t: Tensor) -> Tensor:
    return torch.view_as_real(t.resolve_conj()) if t.is_complex() else t


def tensors_in(value: Any) -> Iterator[Tensor]:
    if isinstance(value, Tensor):
        yield value
    elif isinstance(value, dict):
        for v in value.values():
            yield from tensors_in(v)
    elif isinstance(value, (list, tuple)):
        for v in value:
            yield from tensors_in(v)


def _title(fn: Any) -> str:
    while isinstance(fn, functools.partial):
        fn = fn.func
    if isinstance(fn, nn.Module):
        return type(fn).__name__
    name = getattr(fn, "__name__", type(fn).__name__)
    return "function" if name == "<lambda>" else str(name)


def _names(fn: Any, inputs: Sequence[Any], names: Sequence[str] | None) -> list[str]:
    """One name for each input: those given, those of the signature, or those of the docstring's first line."""
    if names is not None:
        if len(names) != len(inputs):
            raise CheckError(f"{len(names)} names for {len(inputs)} inputs")
        return list(names)
    found: list[str] = []
    builtin = fn
    while isinstance(builtin, functools.partial):
        builtin = builtin.func
    try:
        if inspect.isclass(fn) and issubclass(fn, torch.autograd.Function):
            parameters = forward_parameters(fn)
        else:
            inspect.signature(builtin)
            parameters = list(inspect.signature(fn.forward if isinstance(fn, nn.Module) else fn).parameters.values())
        for p in parameters:
            if p.kind is p.VAR_POSITIONAL:
                found += [f"{p.name}[{k}]" for k in range(len(inputs) - len(found))]
            elif p.kind in (p.POSITIONAL_ONLY, p.POSITIONAL_OR_KEYWORD):
                found.append(p.name)
    except (TypeError, ValueError):  # a builtin: torch's say it in the first line of their docstring
        match = re.match(r"\s*\w+\(([^)]*)\)", getattr(builtin, "__doc__", None) or "")
        if match:
            found = [p.split("=")[0].strip(" *") for p in match[1].split(",") if p.strip(" *")]
    found = found[: len(inputs)]
    return found + [f"input {k}" for k in range(len(found), len(inputs))]
