"""fit: train, keep the best epoch by validation loss, test it once, and leave everything in the run's folder."""

from __future__ import annotations

import logging
import math
import signal
import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import lightning.pytorch as lightning
import torch
from lightning.pytorch.callbacks import Callback
from torch import Tensor

from manualgrad.training import config, plots
from manualgrad.training.callbacks.fail_on_non_finite import FailOnNonFinite
from manualgrad.training.callbacks.gradient_flow import GradientFlow
from manualgrad.training.callbacks.gradient_parity import GradientParity
from manualgrad.training.checkpoints import (
    CheckpointError,
    SafeCheckpoints,
    check_weights,
    load_weights,
    read_checkpoint,
)
from manualgrad.training.data import Table
from manualgrad.training.distributed import gathered
from manualgrad.training.finishing import once
from manualgrad.training.lean import EpochCallback, NoProfiler, lean
from manualgrad.training.learners import Learner
from manualgrad.training.loggers import logger_of
from manualgrad.training.reporting import Report, in_words, numbers
from manualgrad.training.resuming import ExactResume
from manualgrad.training.run import Run


def _say(line: str) -> None:
    print(line, flush=True)


def fit(
    learner: Learner,
    data: Table,
    settings: config.Trainer,
    run: Run,
    callbacks: Sequence[Callback] = (),
    say: Callable[[str], None] = _say,
) -> dict[str, float]:
    """Train `learner` on `data`, test the epoch of the lowest validation loss, and return its test metrics.

    The test rows are looked at once, after everything was chosen. Leaves in the run's folder: `checkpoints/best.ckpt`,
    `metrics.csv` (a row per epoch), `metrics.json` (validation and test metrics of the best epoch), `losses.png`, and
    `confusion.png` or `residuals.png` of classes and values. `learner` ends with the weights of the best epoch.

    Until it is finished `checkpoints/last.ckpt` is there to resume from; with a `run` that is resumed, fit goes on from
    it as if it had not been interrupted, or gives what came out if it was finished. `callbacks` that keep something
    must tell it by Lightning's `state_dict`.

    Raises Interrupted on Ctrl-C and SIGTERM, OSError if a file cannot be written, NonFiniteLoss and DataError as
    learner and data do, CheckpointError for weights or a checkpoint that are not this network's, and
    MisconfigurationException for an accelerator that is not there.
    """
    found = once(run, "training", _fit, learner, data, settings, run, callbacks, say)
    run.last.unlink(missing_ok=True)
    learner.load_state_dict(found["state_dict"])
    for callback, state in zip(callbacks, found["callbacks"], strict=True):
        callback.load_state_dict(state)
    return found["tested"]


def _fit(
    learner: Learner,
    data: Table,
    settings: config.Trainer,
    run: Run,
    callbacks: Sequence[Callback],
    say: Callable[[str], None],
) -> dict[str, Any]:
    if settings.weights is not None:
        load_weights(learner, settings.weights)
    last = str(run.last) if run.resumed and run.last.exists() else None
    if last:
        ExactResume.check(checkpoint := read_checkpoint(last), last)
        check_weights(learner, checkpoint["state_dict"], last)
    log = logger_of(settings.logger, run.folder, checkpoint["global_step"] if last else 0)
    watching = _watching(settings.callbacks, run)
    best = KeepBest(run.last.with_name("best.ckpt"))
    report = Report(run, settings.max_epochs, say)
    resume = ExactResume(run.last, settings.checkpoint_seconds, settings.checkpoint_steps)
    with _quiet():
        trainer = lightning.Trainer(
            max_epochs=settings.max_epochs,
            accelerator=settings.accelerator,
            devices=settings.devices,
            num_nodes=settings.num_nodes,
            strategy=settings.strategy,
            use_distributed_sampler=False,
            precision=settings.precision,
            callbacks=[*callbacks, *watching, report, resume, best],
            plugins=[SafeCheckpoints()],
            profiler=NoProfiler(),
            enable_checkpointing=False,
            logger=log or False,
            enable_progress_bar=False,
            enable_model_summary=False,
            num_sanity_val_steps=0,
            default_root_dir=run.folder,
        )
        lean(trainer)
        try:
            trainer.fit(learner, data, ckpt_path=last)
        except BaseException as error:
            if resume.started:
                raise
            if launcher := trainer.strategy.launcher:  # the processes that it started may not be there yet
                launcher.kill(signal.SIGTERM)
            if last and isinstance(error, Exception):
                raise CheckpointError(f"{last}: not a checkpoint of this run: {error}") from None
            raise
        trainer.test(learner, data, verbose=False)
        tested = numbers(trainer.callback_metrics, "test_")
    chosen = min(report.rows, key=lambda row: row["val_loss"])
    validated = {name: value for name, value in chosen.items() if name.startswith("val_")}
    run.write("metrics.json", {"epoch": chosen["epoch"], **validated, **tested})
    run.write("losses.png", plots.losses(report.rows, chosen["epoch"]))
    predicted, targets = (gathered(torch.cat(parts)).numpy() for parts in zip(*learner.tested, strict=True))
    if data.kind == "classes":
        run.write("confusion.png", plots.confusion(predicted, targets, data.class_names))
    elif data.kind == "values":
        run.write("residuals.png", plots.residuals(predicted, targets))
    say(f"best epoch {chosen['epoch']}: {in_words(validated)}")
    say(f"test: {in_words(tested)}")
    for each in watching:
        _say(f"{run.folder}: {each.summary()}")
    kept = [callback.state_dict() for callback in callbacks]
    return {"tested": tested, "state_dict": learner.state_dict(), "callbacks": kept}


def _watching(settings: config.Callbacks, run: Run) -> list[GradientParity | GradientFlow | FailOnNonFinite]:
    """The callbacks that are asked for. What they keep goes into the run's folder; what they say is always told."""
    made: list[GradientParity | GradientFlow | FailOnNonFinite] = []
    if settings.gradient_parity:
        made.append(GradientParity(settings.gradient_parity))
    if settings.gradient_flow:
        path = run.folder / "gradient_flow.csv"
        made.append(GradientFlow(settings.gradient_flow, file=path, say=lambda line: _say(f"{run.folder}: {line}")))
    if settings.fail_on_non_finite:
        made.append(FailOnNonFinite(run.folder))
    return made


@contextmanager
def _quiet() -> Iterator[None]:
    """Lightning tells what devices it sees, and gives tips, at level INFO; warnings and errors come through.

    Except that an accelerator is not used, which the settings say, and what is between Lightning 2.6 and torch 2.13.
    """
    logs = [logging.getLogger(f"lightning.{part}") for part in ("pytorch", "fabric")]
    levels = [log.level for log in logs]
    for log in logs:
        log.setLevel(logging.WARNING)
    try:
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", ".*LeafSpec", FutureWarning)
            warnings.filterwarnings("ignore", ".* available but not used", UserWarning)
            warnings.filterwarnings("ignore", ".* smaller than the logging interval")  # what is logged is by epoch
            yield
    finally:
        for log, level in zip(logs, levels, strict=True):
            log.setLevel(level)


class KeepBest(EpochCallback):
    """Keeps the weights of the epoch with the lowest validation loss, and writes them to `path` when training ends.

    Until then they are in the checkpoint from which the run is resumed: a file for each better epoch would take longer
    than the epoch, where the network is small.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.lowest = math.inf
        self.weights: dict[str, Tensor] = {}

    def state_dict(self) -> dict[str, Any]:
        return {"lowest": self.lowest, "weights": self.weights}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        self.lowest, self.weights = state_dict["lowest"], state_dict["weights"]

    def on_validation_end(self, trainer: Any, learner: Any) -> None:
        if not trainer.sanity_checking and (loss := float(trainer.callback_metrics["val_loss"])) < self.lowest:
            self.lowest = loss
            self.weights = {name: value.clone() for name, value in learner.state_dict().items()}

    def on_train_end(self, trainer: Any, learner: Any) -> None:
        learner.load_state_dict(self.weights)
        trainer.save_checkpoint(self.path, weights_only=True)
