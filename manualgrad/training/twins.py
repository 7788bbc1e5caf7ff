"""Twins: one network trained twice, with our gradients and with torch's, and how far the two runs are apart.

Both start from the same weights and see the same batches in the same order. What differs is who computes the
gradients: formulas that are written out, or `torch.nn` and its own derivatives. If the formulas are right, the two runs
are the same up to rounding.
"""

from __future__ import annotations

import copy
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import torch
from lightning.pytorch.callbacks import Callback
from torch import Tensor

from manualgrad.conversion import revert
from manualgrad.training import config, plots
from manualgrad.training.data import Table
from manualgrad.training.fitting import fit
from manualgrad.training.learners import Learner
from manualgrad.training.run import Run


class Trajectory(Callback):
    """The loss of every training step and epoch, and the parameters after each of the first `steps`, as one vector."""

    def __init__(self, steps: int) -> None:
        self.steps = steps
        self.losses: list[float] = []
        self.validation_losses: list[float] = []
        self.parameters: list[Tensor] = []
        self.tested: dict[str, float] = {}

    def state_dict(self) -> dict[str, Any]:
        keys = ("losses", "validation_losses", "parameters")
        return {key: getattr(self, key) for key in keys}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        vars(self).update(state_dict)

    def on_train_batch_end(self, trainer: Any, learner: Any, outputs: Any, *_: Any) -> None:
        self.losses.append(float(outputs["loss"]))
        if len(self.parameters) < self.steps:
            self.parameters.append(torch.nn.utils.parameters_to_vector(learner.parameters()).detach().clone())

    def on_validation_end(self, trainer: Any, learner: Any) -> None:
        self.validation_losses.append(float(trainer.callback_metrics["val_loss"]))


@dataclass(frozen=True)
class Twins:
    """The two runs. `difference[k]` is the largest difference between two parameters after k + 1 steps."""

    ours: Trajectory
    theirs: Trajectory
    difference: list[float]


def train_twins(learner: Learner, data: Table, settings: config.Trainer, run: Run, steps: int = 100) -> Twins:
    """Train `learner`, and its twin of torch.nn layers, and compare their first `steps` steps.

    The run's folder gets the results of both, as `fit` leaves them, in `ours` and `torch`, and the picture `twins.png`.
    The twin is trained by torch's autograd, whatever the learner's engine.

    Raises what `fit` raises.
    """
    twin = copy.deepcopy(learner)
    revert(twin)
    twin.engine = "autograd"
    trajectories, noise = [], torch.get_rng_state()
    for name, each in (("ours", learner), ("torch", twin)):
        trajectory = Trajectory(steps)
        torch.set_rng_state(noise)  # dropout draws the same
        with run.inside(name) as part, _the_slow_path():
            trajectory.tested = fit(each, data, settings, part, [trajectory], say=lambda line: None)
        trajectories.append(trajectory)
    ours, theirs = trajectories
    difference = [float((a - b).abs().max()) for a, b in zip(ours.parameters, theirs.parameters, strict=True)]
    run.write("twins.png", plots.twins(ours.losses, theirs.losses, difference))
    return Twins(ours, theirs, difference)


@contextmanager
def _the_slow_path() -> Iterator[None]:
    """Without torch's fast path for evaluating transformer layers: of a mask of numbers, it drops what is not 0."""
    enabled = torch.backends.mha.get_fastpath_enabled()
    torch.backends.mha.set_fastpath_enabled(False)
    try:
        yield
    finally:
        torch.backends.mha.set_fastpath_enabled(enabled)
