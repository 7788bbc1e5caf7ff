"""Functions that people could have written: wrong ones, each with the code that names its mistake, and right ones.

`EXAMPLES` collects them from the themed modules. Those of `held_out` were written last, after the diagnosis was done,
to measure it on mistakes that it had not been tuned on. Its first run found 45 of 46 wrong ones, named the cause of 42
first, and raised 2 false alarms on 26 right ones; one of the examples that it missed and one of its alarms were the
example's own mistake. What it got wrong has been mended since, so the figure cannot be measured again.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from dataclasses import dataclass
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
    options: dict[str, Any]
    theme: str  # the module that it stands in

    @property
    def name(self) -> str:
        """For the test's name."""
        return f"{self.theme}-{getattr(self.fn, '__name__', type(self.fn).__name__)}"


EXAMPLES: list[Example] = []


def _theme() -> str:
    return str(sys._getframe(2).f_globals["__name__"]).rsplit(".", 1)[-1]


def wrong(codes: str, *inputs: Any, **options: Any) -> Callable[[T], T]:
    """Register what follows as wrong. `codes` may name several where the mistake can be called either way."""
    theme = _theme()

    def register(fn: T) -> T:
        EXAMPLES.append(Example(fn, inputs, tuple(codes.split()), options, theme))
        return fn

    return register


def right(*inputs: Any, **options: Any) -> Callable[[T], T]:
    """Register what follows as right."""
    theme = _theme()

    def register(fn: T) -> T:
        EXAMPLES.append(Example(fn, inputs, (), options, theme))
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
    held_out,
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
    "held_out",
    "linear_algebra",
    "losses",
    "normalisation",
    "reductions",
    "surrogates",
]
