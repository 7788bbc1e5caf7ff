"""fit: train, keep the best epoch by validation loss, test it once, and leave everything in the run's folder."""

from __future__ import annotations

import csv
import logging
import sys
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import lightning.pytorch as lightning
import torch
from lightning.pytorch.callbacks import Callback, ModelCheckpoint
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from torch import Tensor

from manualgrad.training import config, plots
from manualgrad.training.checkpoints import load_weights
from manualgrad.training.data import Table
from manualgrad.training.learners import Learner
from manualgrad.training.run import Run

LINES = 10  # of progress, at most, where there is no terminal to draw a bar on


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
    `confusion.png` or `residuals.png`. `learner` ends with the weights of the best epoch.

    Raises NonFiniteLoss and DataError as learner and data do, CheckpointError for weights that are not this network's,
    and MisconfigurationException for an accelerator that is not there.
    """
    if settings.weights is not None:
        load_weights(learner, settings.weights)
    best = ModelCheckpoint(run.folder / "checkpoints", filename="best", monitor="val_loss", save_weights_only=True)
    report = Report(run, settings.max_epochs, say)
    with _quiet():
        trainer = lightning.Trainer(
            max_epochs=settings.max_epochs,
            accelerator=settings.accelerator,
            devices=1,
            precision=settings.precision,
            callbacks=[*callbacks, report, best],
            logger=False,
            enable_progress_bar=False,
            enable_model_summary=False,
            num_sanity_val_steps=0,
            default_root_dir=run.folder,
        )
        trainer.fit(learner, data)
        load_weights(learner, best.best_model_path)
        trainer.test(learner, data, verbose=False)
        tested = _numbers(trainer.callback_metrics, "test_")
    chosen = min(report.rows, key=lambda row: row["val_loss"])
    validated = {name: value for name, value in chosen.items() if name.startswith("val_")}
    run.write("metrics.json", {"epoch": chosen["epoch"], **validated, **tested})
    run.write("losses.png", plots.losses(report.rows, chosen["epoch"]))
    predicted, targets = (torch.cat(parts).cpu().numpy() for parts in zip(*learner.tested, strict=True))
    if data.kind == "classes":
        run.write("confusion.png", plots.confusion(predicted, targets, data.class_names))
    else:
        run.write("residuals.png", plots.residuals(predicted, targets))
    say(f"best epoch {chosen['epoch']}: {_in_words(validated)}")
    say(f"test: {_in_words(tested)}")
    return tested


@contextmanager
def _quiet() -> Iterator[None]:
    """Lightning tells what devices it sees, and gives tips, at level INFO; warnings and errors come through.

    Except that an accelerator is not used, which the settings say, and what is between Lightning 2.6 and torch 2.13.
    """
    log = logging.getLogger("lightning.pytorch")
    level = log.level
    log.setLevel(logging.WARNING)
    try:
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", ".*LeafSpec", FutureWarning)
            warnings.filterwarnings("ignore", ".* available but not used", UserWarning)
            yield
    finally:
        log.setLevel(level)


def _numbers(metrics: Mapping[str, Tensor], prefix: str) -> dict[str, float]:
    """The metrics of this prefix, the loss first, each with the digits that its dtype has: 0.975, not 0.97500002384."""
    names = sorted((n for n in metrics if n.startswith(prefix)), key=lambda name: not name.endswith("_loss"))
    return {name: float(str(metrics[name].cpu().numpy())) for name in names}


def _in_words(metrics: dict[str, float]) -> str:
    return ", ".join(f"{name} {value:.4g}" for name, value in metrics.items())


class Report(Callback):
    """A row of metrics per epoch: in `rows`, in the run's `metrics.csv`, and as a progress bar or, on a pipe, lines."""

    def __init__(self, run: Run, epochs: int, say: Callable[[str], None]) -> None:
        self.path = Path(run.folder, "metrics.csv")
        self.epochs = epochs
        self.say = say
        self.rows: list[dict[str, Any]] = []
        self.bar: Progress | None = None

    def on_train_start(self, trainer: Any, learner: Any) -> None:
        data = trainer.datamodule
        parts = ", ".join(f"{len(y)} {name}" for name, (_, y) in data.parts.items())
        count = sum(p.numel() for p in learner.parameters())
        self.say(f"{parts} rows; {count:,} parameters; engine {learner.engine}")
        self.steps = self.epochs * trainer.num_training_batches
        if sys.stdout.isatty():
            columns = (BarColumn(), MofNCompleteColumn(), TimeRemainingColumn(), TextColumn("{task.description}"))
            self.bar = Progress(*columns, transient=True)
            self.task = self.bar.add_task("", total=self.steps)
            self.bar.start()

    def on_train_batch_end(self, *_: Any) -> None:
        if self.bar is not None:
            self.bar.advance(self.task)

    # Lightning has the training metrics of an epoch together only after its on_train_epoch_end: ask later.
    def on_train_epoch_start(self, trainer: Any, learner: Any) -> None:
        if trainer.current_epoch > 0:
            self._add_row(trainer)

    def on_train_end(self, trainer: Any, learner: Any) -> None:
        self._add_row(trainer)
        self._take_bar_away()

    def _add_row(self, trainer: lightning.Trainer) -> None:
        epoch = trainer.current_epoch
        found = _numbers(trainer.callback_metrics, "train_") | _numbers(trainer.callback_metrics, "val_")
        self.rows.append({"epoch": epoch, "step": trainer.global_step, **found})
        self._write()
        words = _in_words(found)
        if self.bar is not None:
            self.bar.update(self.task, description=words)
        elif epoch % -(-self.epochs // LINES) == 0 or epoch in (1, self.epochs):
            self.say(f"epoch {epoch:>{len(str(self.epochs))}}/{self.epochs}  {words}")

    def _write(self) -> None:
        with open(self.path, "a", newline="", encoding="utf-8") as file:
            writer = csv.DictWriter(file, self.rows[0], lineterminator="\n")
            if len(self.rows) == 1:
                writer.writeheader()
            writer.writerow(self.rows[-1])

    def on_exception(self, *_: Any) -> None:
        self._take_bar_away()

    def _take_bar_away(self) -> None:
        if self.bar is not None:
            self.bar.stop()
            self.bar = None
