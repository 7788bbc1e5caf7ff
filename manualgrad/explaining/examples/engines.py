"""The two ways to the same gradients: torch's autograd and our tape, behind one face.

with engine() as run:
    loss = ...
dw, dnet = run.gradients(loss, [w, net])
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Protocol

import torch
from torch import Tensor

from manualgrad.tape import Tape


class Run(Protocol):
    def __enter__(self) -> Run: ...

    def __exit__(self, *exception: Any) -> None: ...

    def gradients(self, output: Tensor, tensors: Sequence[Tensor], upstream: Tensor | None = None) -> list[Tensor]:
        """The gradients of `tensors`, leaves or results on the way, for `upstream`, that of `output` (None for 1)."""


class ByAutograd:
    """torch's autograd, running our formulas."""

    def __enter__(self) -> ByAutograd:
        return self

    def __exit__(self, *exception: Any) -> None:
        pass

    def gradients(self, output: Tensor, tensors: Sequence[Tensor], upstream: Tensor | None = None) -> list[Tensor]:
        return list(torch.autograd.grad(output, list(tensors), upstream, retain_graph=True))


class ByTape(Tape):
    """Our tape, which leaves autograd out of it."""

    def __enter__(self) -> ByTape:
        super().__enter__()
        return self

    def gradients(self, output: Tensor, tensors: Sequence[Tensor], upstream: Tensor | None = None) -> list[Tensor]:
        self.backward(output, upstream, retain=True)
        found = [self.gradient_of(t) for t in tensors]
        for t in tensors:
            if t.is_leaf:
                t.grad = None
        assert all(g is not None for g in found)
        return [g for g in found if g is not None]


ENGINES: dict[str, Callable[[], Run]] = {"autograd": ByAutograd, "tape": ByTape}
