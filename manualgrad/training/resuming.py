"""ExactResume: a run that was ended at any step goes on as if it had not been, to the last bit.

What Lightning saves by itself is not enough for that: it keeps no state of the random numbers, begins the epoch's data
anew, and a checkpoint made after the last step of an epoch leaves the validation out. Here

    the order of the rows    is a function of seed and epoch, and the loader knows at which batch it is (`loading.py`)
    the random numbers       of each process are saved with the weights and put back before the next batch is drawn
    the places to save       are after any step but the last of an epoch, and at the start of an epoch, with the metrics
                             of the one before complete

The learner's sums over the epoch, the optimizer's and scheduler's state and those of other callbacks are in the
checkpoint too: whatever has a state and tells it by Lightning's `state_dict` or `on_save_checkpoint`.
"""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

from lightning.fabric.utilities.exceptions import MisconfigurationException

from manualgrad.training.checkpoints import CheckpointError
from manualgrad.training.distributed import largest, of_each, own
from manualgrad.training.lean import EpochCallback
from manualgrad.training.randomness import random_state, set_random_state
from manualgrad.training.stopping import Interrupted, StopLater


class ExactResume(EpochCallback):
    """Saves `path` every `seconds` seconds, every `steps` steps if given, and when the run is interrupted.

    `trainer.fit(..., ckpt_path=path)` with this callback then goes on exactly: parameters, optimizer and all that
    follows are those of a run that was not ended. The trainer's training loader must be able to begin in the middle:
    `Batches` and `Loader` can.

    On Ctrl-C and SIGTERM the step that runs is finished and saved, and Interrupted is raised; if that takes longer than
    `stopping.PATIENCE` the checkpoint of an earlier step stays. Several processes do all that after the same step:
    where a signal has reached one of them, or it is time to save by one's clock, all are told when the step ends.
    """

    def __init__(self, path: str | Path, seconds: float = 10.0, steps: int | None = None) -> None:
        self.path = Path(path)
        self.seconds = seconds
        self.steps = steps
        self._random: dict[str, Any] | None = None  # of the checkpoint, until it is put back
        self._mid_epoch: bool | None = (
            None  # of that checkpoint, or the one that is made; None in those that others make
        )
        self._saved = time.monotonic()
        self._stop: StopLater | None = None
        self.started = False  # training has: what was to be resumed was resumed

    @classmethod
    def check(cls, checkpoint: dict[str, Any], path: str | Path) -> None:
        """Raise CheckpointError for a checkpoint, of this file, that was not written by this callback."""
        state = checkpoint.get("callbacks", {}).get(cls.__name__, {})
        if state.get("mid_epoch") is None or not checkpoint.get("optimizer_states") or "loops" not in checkpoint:
            raise CheckpointError(f"{path}: not a checkpoint that a run can be resumed from")

    # Lightning's order on resuming: load_state_dict, then the loader's, then on_train_start and, unless the epoch had
    # begun, on_train_epoch_start; then the first batch is drawn.

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        self._random = own(state_dict["random"])
        self._mid_epoch = state_dict["mid_epoch"]

    def state_dict(self) -> dict[str, Any]:
        return {"random": of_each(random_state()), "mid_epoch": self._mid_epoch}

    def on_train_start(self, trainer: Any, learner: Any) -> None:
        if not hasattr(trainer.train_dataloader, "load_state_dict"):
            kind = type(trainer.train_dataloader).__name__
            raise MisconfigurationException(f"ExactResume: {kind} cannot begin in the middle of an epoch; Loader can")
        self.started = True
        self._saved = time.monotonic()
        self._stop = StopLater().__enter__()
        if self._random is not None and self._mid_epoch:
            self._put_back()

    def on_train_epoch_start(self, trainer: Any, learner: Any) -> None:
        if self._random is not None:
            self._put_back()
        elif trainer.current_epoch > 0:
            self._save_if_due(trainer, mid_epoch=False)

    def on_train_batch_end(self, trainer: Any, learner: Any, outputs: Any, batch: Any, batch_idx: int) -> None:
        if trainer.is_last_batch:
            return
        if trainer.fit_loop.restarting:  # it would leave out what is done at the end of an epoch
            trainer.fit_loop.restarting = False
        self._save_if_due(trainer, mid_epoch=True)

    def _put_back(self) -> None:
        assert self._random is not None
        set_random_state(self._random)
        self._random = None

    def _save_if_due(self, trainer: Any, mid_epoch: bool) -> None:
        assert self._stop is not None
        late, received = largest(time.monotonic() - self._saved >= self.seconds, self._stop.received or 0)
        counted = self.steps is not None and trainer.global_step % self.steps == 0
        if not (late or counted or received):
            return
        self._mid_epoch = mid_epoch
        trainer.save_checkpoint(self.path)
        self._mid_epoch = None
        self._saved = time.monotonic()
        if received:
            raise Interrupted(int(received))

    def on_save_checkpoint(self, trainer: Any, learner: Any, checkpoint: dict[str, Any]) -> None:
        if self._mid_epoch is False:  # the epoch that is about to start has been counted as ready: it will be again
            progress = checkpoint["loops"]["fit_loop"]["epoch_progress"]
            for count in progress["total"], progress["current"]:
                count["ready"] = count["completed"]

    def on_train_end(self, trainer: Any, learner: Any) -> None:
        received = self._stop.received if self._stop else None
        self._release()
        if received:  # after the last step there is no place to save; what was saved before leads here again
            raise Interrupted(received)

    def on_exception(self, *_: Any) -> None:
        self._release()

    def _release(self) -> None:
        if self._stop is not None:
            self._stop.__exit__()
            self._stop = None
