"""FailOnNonFinite: the first infinity or NaN of a run, traced to the formula and the layer that made it."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import torch
from lightning.pytorch.callbacks import Callback
from torch import Tensor

from manualgrad.explaining.trace import recorded_layers, send_back
from manualgrad.tape import Step, Tape
from manualgrad.training.callbacks.rehearsal import Rehearsal, as_batch
from manualgrad.training.checkpoints import CheckpointError, read_checkpoint
from manualgrad.training.files import write_whole
from manualgrad.training.learners import Learner, NonFiniteLoss
from manualgrad.training.randomness import random_state, set_random_state
from manualgrad.training.run import NON_FINITE


class _NonFiniteGradient(NonFiniteLoss):
    """The loss was a number still."""


class FailOnNonFinite(Callback):
    """Stop as soon as a loss or a gradient is infinite or NaN, before it changes the weights, and say where it arose.

    The batch is run again on the tape, whose steps are gone through, forward and then backward, until one makes
    something that is not a number out of numbers. The error names its formula, its layer and the step of training;
    the weights, the batch and the random state go into `non_finite.pt` in `folder` (by default the trainer's), from
    which `replay` finds it again.

    Raises NonFiniteLoss.
    """

    def __init__(self, folder: str | Path | None = None) -> None:
        self.folder = folder
        self._batch: Any = None
        self._random: dict[str, Any] | None = None
        self._steps = 0

    def on_train_batch_start(self, trainer: Any, learner: Any, batch: Any, batch_idx: int) -> None:
        self._batch = batch
        self._random = random_state()

    def on_validation_batch_start(self, trainer: Any, learner: Any, batch: Any, batch_idx: int, *_: Any) -> None:
        self.on_train_batch_start(trainer, learner, batch, batch_idx)

    def on_before_optimizer_step(self, trainer: Any, learner: Any, optimizer: Any) -> None:
        gradients = [p.grad for group in optimizer.param_groups for p in group["params"] if p.grad is not None]
        if gradients and not bool(torch.stack(torch._foreach_norm(gradients)).isfinite().all()):
            raise _NonFiniteGradient(self._report(trainer, learner, "a gradient is infinite or NaN"))

    def on_train_end(self, trainer: Any, learner: Any) -> None:
        self._steps = trainer.global_step

    def summary(self) -> str:
        """What was found in the run, in a sentence."""
        return f"every loss and every gradient of {self._steps} steps was a finite number"

    def on_exception(self, trainer: Any, learner: Any, exception: BaseException) -> None:
        traced = isinstance(exception, _NonFiniteGradient) or self._batch is None
        if isinstance(exception, NonFiniteLoss) and not traced:
            exception.args = (self._report(trainer, learner, str(exception)),)

    def _report(self, trainer: Any, learner: Learner, what: str) -> str:
        path = Path(self.folder if self.folder is not None else trainer.default_root_dir, NON_FINITE)
        x, y = as_batch(self._batch)
        kept = {"state_dict": learner.state_dict(), "batch": [x, y], "random": self._random}
        content = io.BytesIO()
        torch.save(kept, content)
        write_whole(path, content.getvalue())
        where = first_non_finite(learner, (x, y), self._random) or "it did not happen again on the tape"
        return f"step {learner.global_step + 1}, epoch {learner.current_epoch + 1}: {what}; {where}; {path} replays it"


def replay(learner: Learner, path: str | Path) -> str | None:
    """Run the step that FailOnNonFinite kept in the file again: where its first infinity or NaN arises.

    `learner` is built as it was then; its own weights are left alone. None if everything is finite.

    Raises CheckpointError for a file that is not one of these.
    """
    kept = read_checkpoint(path)
    if not {"batch", "random"} <= kept.keys():
        raise CheckpointError(f"{path}: a checkpoint, but not one that FailOnNonFinite wrote")
    own = {name: value.clone() for name, value in learner.state_dict().items()}
    try:
        learner.load_state_dict(kept["state_dict"])
        return first_non_finite(learner, kept["batch"], kept["random"])
    finally:
        learner.load_state_dict(own)


def first_non_finite(learner: Learner, batch: Any, random: dict[str, Any] | None = None) -> str | None:
    """Where in a training step on this batch the first infinity or NaN arises, in words; None if all is finite."""
    x, y = as_batch(batch)
    rehearsal = Rehearsal(learner)
    given = {"the rows": x, "the targets": y, **dict(rehearsal.named_parameters())}
    for name, tensor in given.items():
        if bad := _non_finite(tensor):
            return f"{bad} of {name} {_are(bad)} infinite or NaN before the step"
    before = random_state()
    try:
        set_random_state(random or before)
        tape = Tape()
        with recorded_layers(rehearsal, tape) as layers, tape:
            loss = rehearsal(x, y)
    finally:
        set_random_state(before)
    for step, layer in zip(tape.steps, layers, strict=True):
        for output in step.outputs:
            if bad := _non_finite(output):
                return f"{bad} that {_name(step, layer)} computes {_are(bad)} infinite or NaN, {_ranges(step)}"
    tape.backward(loss, retain=True)
    for step, layer in zip(reversed(tape.steps), reversed(layers), strict=True):
        dys = [tape.gradient_of(o) for o in step.outputs]
        if all(dy is None for dy in dys):
            continue
        for dx in send_back(step, dys):
            if dx is not None and (bad := _non_finite(dx)):
                what = f"{bad} of the gradient that {_name(step, layer)} sends back"
                return f"{what} {_are(bad)} infinite or NaN, {_ranges(step)}"
    return None


def _name(step: Step, layer: str) -> str:
    return f"{step.formula.title()} in {layer}" if layer else step.formula.title()


def _non_finite(tensor: Tensor) -> str:
    count = 0 if not tensor.is_floating_point() else tensor.numel() - int(tensor.isfinite().sum())
    return f"{count} of {tensor.numel()} elements" if count else ""


def _are(count: str) -> str:
    return "is" if count.startswith("1 of") else "are"


def _ranges(step: Step) -> str:
    """What went into the step, so that one sees why: `from (32, 10) between -3 and 104`."""
    shown = []
    for a in step.inputs:
        if isinstance(a, Tensor) and a.is_floating_point() and a.numel():
            low, high = (float(v) for v in (a.min(), a.max()))
            shown.append(f"{tuple(a.shape)} between {low:.4g} and {high:.4g}")
    return f"from {', '.join(shown)}"
