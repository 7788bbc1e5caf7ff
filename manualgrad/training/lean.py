"""What Lightning does at every step and a small network waits for, done with less."""

from __future__ import annotations

from contextlib import AbstractContextManager, nullcontext
from typing import Any

import lightning
from lightning.pytorch import Trainer
from lightning.pytorch.callbacks import Callback
from lightning.pytorch.profilers import Profiler

TRIED = ("2.5", "2.6")  # the versions of Lightning whose loop `LeanEpochLoop` was tried to extend
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


def lean(trainer: Trainer) -> Trainer:
    """The trainer, with a loop that does without what its steps do not need.

    With a version of Lightning that is none of `TRIED` it keeps Lightning's own loop, which is slower and no different.
    """
    if lightning.__version__.startswith(TRIED):
        from manualgrad.training.lean_loop import LeanEpochLoop

        loop = trainer.fit_loop.epoch_loop
        trainer.fit_loop.epoch_loop = LeanEpochLoop(trainer, loop.min_steps, loop.max_steps)
    return trainer
