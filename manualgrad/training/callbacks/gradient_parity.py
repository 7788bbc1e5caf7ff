"""GradientParity: while a run goes on, are our gradients still torch's?"""

from __future__ import annotations

from typing import Any

import torch
from lightning.pytorch.callbacks import Callback

from manualgrad.conversion import revert
from manualgrad.explaining.parity import compare
from manualgrad.training.callbacks.rehearsal import Rehearsal, as_batch
from manualgrad.training.learners import Learner


class GradientsPart(RuntimeError):
    """Our gradients and torch's are not the same; says at which step, and which layer is to blame."""


class GradientParity(Callback):
    """Every `every` steps, compare the gradients of the step with those of the torch.nn twin, both in float64.

    The batch goes through two copies of the learner's network and loss, one of them converted back to torch.nn, with
    the weights that the run has at that moment; the run itself is not touched. Logs after each epoch `gradient_parity`,
    the largest difference of a value or gradient until then, relative to the largest element of its tensor. Functions
    of ours that a network calls in its own `forward` are not layers and run in both.

    Raises GradientsPart, with the layer that is wrong by its own fault, where a difference exceeds `rtol`, and
    ValueError for `every` below 1. The learner must be a Learner, its device one that has float64.

    >>> GradientParity(every=100).summary()
    'no gradients were compared'
    """

    def __init__(self, every: int = 100, rtol: float = 1e-9) -> None:
        if every < 1:
            raise ValueError(f"GradientParity: every must be at least 1, got {every}")
        self.every = every
        self.rtol = rtol
        self.largest = 0.0
        self.compared = 0

    def state_dict(self) -> dict[str, Any]:
        return {"largest": self.largest, "compared": self.compared}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        self.largest, self.compared = state_dict["largest"], state_dict["compared"]

    def on_train_batch_start(self, trainer: Any, learner: Any, batch: Any, batch_idx: int) -> None:
        if trainer.global_step % self.every == 0:
            self.largest = max(self.largest, self.difference(learner, batch))
            self.compared += 1

    def on_train_epoch_end(self, trainer: Any, learner: Any) -> None:
        learner.log("gradient_parity", self.largest, rank_zero_only=True)

    def summary(self) -> str:
        """What was found in the run, in a sentence."""
        if not self.compared:
            return "no gradients were compared"
        apart = f"{self.largest:.1e} of a tensor's largest element apart at most" if self.largest else "to the last bit"
        return f"our gradients are torch's, {apart}, in {self.compared} steps compared"

    def difference(self, learner: Learner, batch: Any) -> float:
        """The largest relative difference on this batch: rows (n, ...) and their targets. Raises GradientsPart."""
        x, y = (b.double() if b.is_floating_point() else b for b in as_batch(batch))
        theirs = Rehearsal(learner).double()
        revert(theirs)
        found = compare(theirs, Rehearsal(learner).double(), x, y, loss=torch.sum, rtol=self.rtol)
        if not found.agree:
            first = found.culprits[0]
            raise GradientsPart(
                f"after {learner.global_step} steps our gradients and torch's part: the {first.what} of {first.layer} "
                f"differs by {first.difference:.1e} of its largest element (at most {self.rtol:.0e} is rounding)"
            )
        # What agrees and yet differs by more is 0 but for rounding, as the gradient of a bias before a batch_norm is.
        return max((row.difference for row in found.rows if row.difference <= self.rtol), default=0.0)
