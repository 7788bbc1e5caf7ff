"""What Lightning does at every step and a small network waits for, done with less."""

from __future__ import annotations

from contextlib import AbstractContextManager, nullcontext
from typing import Any

from lightning.pytorch.callbacks import Callback
from lightning.pytorch.profilers import Profiler

NOTHING = nullcontext()


class NoProfiler(Profiler):
    """Measures nothing, as Lightning's PassThroughProfiler, but that makes a generator for each of a step's calls."""

    def start(self, action_name: str) -> None:
        pass

    def stop(self, action_name: str) -> None:
        pass

    def profile(self, action_name: str) -> AbstractContextManager[Any]:  # type: ignore[override]
        return NOTHING


class EpochCallback(Callback):
    """A Callback with nothing to do within a step; Lightning passes over what it cannot call."""

    on_train_batch_start: Any = None
    on_train_batch_end: Any = None
    on_before_zero_grad: Any = None
    on_before_backward: Any = None
    on_after_backward: Any = None
    on_before_optimizer_step: Any = None
