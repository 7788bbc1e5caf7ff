"""Twins: one network trained twice, with our gradients and with torch's, and how far the two runs are apart.

Both start from the same weights and see the same batches in the same order. What differs is who computes the
gradients: formulas that are written out, or `torch.nn` and its own derivatives. If the formulas are right, the two runs
are the same up to rounding.
"""

from __future__ import annotations

import copy
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
    """The loss of every training step, and the parameters after each of the first `steps` of them, as one vector."""

    def __init__(self, steps: int) -> None:
        self.steps = steps
        self.losses: list[float] = []
        self.parameters: list[Tensor] = []
        self.tested: dict[str, float] = {}

    def on_train_batch_end(self, trainer: Any, learner: Any, outputs: Any, *_: Any) -> None:
        self.losses.append(float(outputs["loss"]))
        if len(self.parameters) < self.steps:
            self.parameters.append(torch.nn.utils.parameters_to_vector(learner.parameters()).detach().clone())


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
    twin.engine, twin.automatic_optimization = "autograd", True
    trajectories = []
    for name, each in (("ours", learner), ("torch", twin)):
        trajectory = Trajectory(steps)
        with run.inside(name) as part:
            trajectory.tested = fit(each, data, settings, part, [trajectory], say=lambda line: None)
        trajectories.append(trajectory)
    ours, theirs = trajectories
    difference = [float((a - b).abs().max()) for a, b in zip(ours.parameters, theirs.parameters, strict=True)]
    run.write("twins.png", plots.twins(ours.losses, theirs.losses, difference))
    return Twins(ours, theirs, difference)
