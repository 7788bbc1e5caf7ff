"""Functions that people could have written: wrong ones, each with the code that names its mistake, and right ones.

`EXAMPLES` collects them from the themed modules. Those of `held_out` were written last, after the diagnosis was done, to
measure it on mistakes that it had not been tuned on.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, TypeVar

import torch
from torch import Tensor

T = TypeVar("T")


@dataclass(frozen=True)
class Example:
    """One Function, callable or module, what to call it on, and the codes that name its mistake (none: it is right)."""

    fn: Any
    inputs: tuple[Any, ...]
    codes: tuple[str, ...]
    options: dict[str, Any] = field(default_factory=dict)

    @property
    def name(self) -> str:
        """For the test's name."""
        fn = self.fn
        return f"{fn.__module__.rsplit('.', 1)[-1]}-{getattr(fn, '__name__', type(fn).__name__)}"

    @property
    def held_out(self) -> bool:
        """Whether the diagnosis was not tuned on it."""
        return "held_out" in self.name


EXAMPLES: list[Example] = []


def wrong(codes: str, *inputs: Any, **options: Any) -> Callable[[T], T]:
    """Register what follows as wrong. `codes` may name several where the mistake can be called either way."""

    def register(fn: T) -> T:
        EXAMPLES.append(Example(fn, inputs, tuple(codes.split()), options))
        return fn

    return register


def right(*inputs: Any, **options: Any) -> Callable[[T], T]:
    """Register what follows as right."""

    def register(fn: T) -> T:
        EXAMPLES.append(Example(fn, inputs, (), options))
        return fn

    return register


_generator = torch.Generator().manual_seed(1986)


def normal(*shape: int, scale: float = 1.0, shift: float = 0.0) -> Tensor:
    """Standard normal, scaled and shifted."""
    return torch.randn(shape, generator=_generator, dtype=torch.float64) * scale + shift


def between(low: float, high: float, *shape: int) -> Tensor:
    """Uniform between `low` and `high`."""
    return torch.rand(shape, generator=_generator, dtype=torch.float64) * (high - low) + low


def classes(n: int, *shape: int) -> Tensor:
    """Integers below `n`."""
    return torch.randint(0, n, shape, generator=_generator)


def coins(*shape: int, p: float = 0.5) -> Tensor:
    """Zeros and ones, as floating point."""
    return (torch.rand(shape, generator=_generator) < p).to(torch.float64)


from tests.checking.corpus import (  # noqa: E402  (they register themselves here)
    activations,
    behaviour,
    composites,
    convolution,
    linear_algebra,
    losses,
    normalisation,
    reductions,
    surrogates,
)

__all__ = [
    "EXAMPLES",
    "activations",
    "behaviour",
    "composites",
    "convolution",
    "linear_algebra",
    "losses",
    "normalisation",
    "reductions",
    "surrogates",
]
