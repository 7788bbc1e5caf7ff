"""A step of training on a copy: the loss of a batch as a module, to look into without touching the run."""

from __future__ import annotations

import copy
from typing import Any

from torch import Tensor, nn

from manualgrad.training.learners import Learner


class Rehearsal(nn.Module):
    """`loss = rehearsal(x, y)`, by copies of a learner's network and loss.

    Its layers have the names that they have in the learner: `network.0`, `loss`.
    """

    def __init__(self, learner: Learner) -> None:
        super().__init__()
        kept = learner._trainer, learner._playback
        learner._trainer = learner._playback = None  # else the copy takes the trainer, its data and its loggers along
        try:
            held = copy.deepcopy(learner)
        finally:
            learner._trainer, learner._playback = kept
        self.network = held.network
        if isinstance(held.loss, nn.Module):
            self.loss = held.loss
        self._learner = (held,)  # in a tuple: as a module of its own it would name everything twice

    def _apply(self, fn: Any, recurse: bool = True) -> Any:
        self._learner[0]._apply(fn, recurse)
        return self

    def forward(self, x: Tensor, y: Tensor) -> Tensor:
        return self._learner[0].objective(self.network(x), y)


def as_batch(batch: Any) -> tuple[Tensor, Tensor]:
    """The rows and the targets of a batch. Raises TypeError if it is anything else."""
    if not (isinstance(batch, (tuple, list)) and len(batch) == 2 and all(isinstance(b, Tensor) for b in batch)):
        raise TypeError(f"a batch must be a pair of tensors (rows, targets), got {type(batch).__name__}")
    x, y = batch
    return x, y
