"""What a row of the catalogue is, and how the inputs that it is tried on are drawn."""

from __future__ import annotations

import functools
import inspect
import re
import zlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor

from manualgrad.formula import Formula

# ---------------------------------------------------------------------------------------------- how to draw an input


@dataclass(frozen=True)
class Draw:
    """How one tensor argument is drawn: `make(generator, dtype)`.

    `differentiable` says whether the formula gives it a gradient. `dtype` is None for a floating-point argument, which
    takes the dtype that a check asks for.
    """

    make: Callable[[torch.Generator, torch.dtype], Tensor]
    differentiable: bool = True


def normal(*shape: int, scale: float = 1.0) -> Draw:
    """Standard normal times `scale`."""
    return Draw(lambda g, d: (torch.randn(shape, generator=g, dtype=torch.float64) * scale).to(d))


def complex_normal(*shape: int) -> Draw:
    """Complex numbers of the size of the dtype, real and imaginary parts standard normal; of single size for half."""

    def make(g: torch.Generator, d: torch.dtype) -> Tensor:
        parts = (torch.randn(shape, generator=g, dtype=torch.float64) for _ in range(2))
        return torch.complex(*parts).to(torch.complex128 if d == torch.float64 else torch.complex64)

    return Draw(make)


def uniform(*shape: int, low: float, high: float) -> Draw:
    """Uniform in [low, high]."""
    return Draw(lambda g, d: (torch.rand(shape, generator=g, dtype=torch.float64) * (high - low) + low).to(d))


def away_from(*shape: int, kinks: Sequence[float], scale: float = 1.0, gap: float = 0.05) -> Draw:
    """Normal times `scale`, every value at least `gap` away from the places where the derivative does not exist."""

    def make(g: torch.Generator, d: torch.dtype) -> Tensor:
        x = torch.randn(shape, generator=g, dtype=torch.float64) * scale
        for kink in kinks:
            x = torch.where((x - kink).abs() < gap, kink + gap * torch.where(x < kink, -2.0, 2.0), x)
        return x.to(d)

    return Draw(make)


def definite(*shape: int) -> Draw:
    """Symmetric positive definite matrices, with eigenvalues of 1 and more."""

    def make(g: torch.Generator, d: torch.dtype) -> Tensor:
        x = torch.randn(shape, generator=g, dtype=torch.float64)
        return (x @ x.mT + torch.eye(shape[-1], dtype=torch.float64)).to(d)

    return Draw(make)


def probabilities(*shape: int, dim: int = -1) -> Draw:
    """Positive, with sum 1 along `dim`."""
    return Draw(lambda g, d: torch.randn(shape, generator=g, dtype=torch.float64).softmax(dim).to(d))


def classes(*shape: int, below: int) -> Draw:
    """Integers in [0, below); no gradient."""
    return Draw(lambda g, _: torch.randint(0, below, shape, generator=g), differentiable=False)


def signs(*shape: int) -> Draw:
    """-1 or 1, as floating point; no gradient."""
    return Draw(lambda g, d: (torch.randint(0, 2, shape, generator=g) * 2 - 1).to(d), differentiable=False)


def fixed(*values: Any, differentiable: bool = True) -> Draw:
    """The given values: one number, or a list of them."""
    return Draw(lambda _, d: torch.tensor(values[0] if len(values) == 1 else values, dtype=d), differentiable)


def integers(values: Any) -> Draw:
    """The given integers; no gradient."""
    return Draw(lambda _, d: torch.tensor(values), differentiable=False)


def constant(draw: Draw) -> Draw:
    """The same values, but torch gives this argument no gradient, and neither do we."""
    return Draw(draw.make, differentiable=False)


@dataclass(frozen=True)
class Sample:
    """One set of arguments: tensors to draw, also inside lists (None stands for itself), and keyword arguments.

    Keyword arguments that are a `Draw` are drawn too, after the positional ones.
    """

    inputs: tuple[Draw | Any, ...]
    keywords: dict[str, Any] = field(default_factory=dict)

    def draw(
        self, dtype: torch.dtype = torch.float64, seed: int = 0, device: str = "cpu"
    ) -> tuple[list[Any], dict[str, Any]]:
        """The arguments, drawn; floating-point tensors that have a gradient require it. One seed, one result.

        With a complex dtype, real and imaginary parts are drawn alike.
        """
        generator = torch.Generator().manual_seed(seed)

        def one(value: Any) -> Any:
            if isinstance(value, (list, tuple)):
                return type(value)(one(v) for v in value)
            if not isinstance(value, Draw):
                return value
            tensor = value.make(generator, torch.float64 if dtype.is_complex else dtype)
            if dtype.is_complex and tensor.is_floating_point():
                tensor = torch.complex(tensor, value.make(generator, torch.float64)).to(dtype)
            is_number = tensor.is_floating_point() or tensor.is_complex()
            return tensor.to(device).requires_grad_(value.differentiable and is_number)

        return [one(v) for v in self.inputs], {k: one(v) for k, v in self.keywords.items()}


def sample(*inputs: Any, **keywords: Any) -> Sample:
    """`sample(normal(3, 4), classes(3, below=4), reduction="sum")` reads like the call that it stands for."""
    return Sample(inputs, keywords)


# --------------------------------------------------------------------------------------------------------- the rows


@dataclass(frozen=True)
class Drop:
    """A module, the constructor arguments to build it and its torch twin with, and what to call them on.

    `before` is done to the first input first: where torch's gradient is right only behind a certain function.
    """

    module: type[torch.nn.Module]
    arguments: tuple[Any, ...] = ()
    keywords: dict[str, Any] = field(default_factory=dict)
    inputs: tuple[Draw | Any, ...] = ()
    before: Callable[[Tensor], Tensor] | None = None

    @property
    def twin(self) -> type[torch.nn.Module]:
        """The torch class that the module stands in for: its direct base."""
        return next(c for c in self.module.__mro__ if c.__module__.startswith("torch."))


def drop(
    module: type[torch.nn.Module],
    *arguments: Any,
    on: tuple[Draw | Any, ...],
    before: Callable[[Tensor], Tensor] | None = None,
    **keywords: Any,
) -> Drop:
    """`drop(nn.Linear, 4, 3, bias=False, on=(normal(5, 4),))`: build it so, call it on this."""
    return Drop(module, arguments, keywords, on, before)


@dataclass(frozen=True)
class Row:
    """One formula: our function, torch's, and where to try them.

    `samples` are ordinary arguments, differentiable and away from kinks; the first is the typical one. `kinks` are
    arguments where the derivative does not exist and torch's convention must be ours. `extremes` are arguments of large
    or small size, where our values and gradients must be finite wherever torch's are. `realistic` is what the benchmark
    times the row on, and `slow_because` explains a ratio above its limit.

    `reference` is the same function in ordinary torch operations, for where torch's own derivatives are inexact or lack
    an order or a mode: ours are compared with those of `reference` then, and only values and costs with the twin's. A
    `surrogate` declares a gradient that is not the derivative; its twin is an expression that autograd gives that one.
    A `symmetric` formula is for symmetric matrices, and has derivatives in symmetric directions only.
    """

    function: Callable[..., Any]
    twin: Callable[..., Any]
    formula: type[Formula]
    samples: tuple[Sample, ...]
    modules: tuple[Drop, ...] = ()
    kinks: tuple[Sample, ...] = ()
    extremes: tuple[Sample, ...] = ()
    note: str = ""
    realistic: Sample | None = None
    slow_because: str = ""
    reference: Callable[..., Any] | None = None
    surrogate: bool = False
    symmetric: bool = False

    @property
    def truth(self) -> Callable[..., Any]:
        """The function whose derivatives are right: the reference if there is one, else the twin."""
        return self.reference or self.twin

    @property
    def name(self) -> str:
        return str(self.function.__name__)

    @property
    def told_by(self) -> Callable[..., Any]:
        """Whose docstring is the formula: the formula's or, where several are put together, the function's own."""
        return self.function if re.search(r"^ *backward  ", self.function.__doc__ or "", re.MULTILINE) else self.formula

    @property
    def text(self) -> str:
        """The formula: the docstring of its file or, where a family shares a file, of its class or function."""
        return inspect.cleandoc(self.told_by.__doc__ or inspect.getmodule(self.told_by).__doc__ or "")

    @property
    def seed(self) -> int:
        """The row's own seed, from its name."""
        return zlib.crc32(self.name.encode())


def signed_as(function: Callable[..., Any], twin: Callable[..., Any]) -> Callable[..., Any]:
    """`twin` with the signature of `function`, which torch documents as a method only, or with several signatures."""

    @functools.wraps(function)
    def torchs(*args: Any, **keywords: Any) -> Any:
        return twin(*args, **keywords)

    return torchs
