"""Report: a row of metrics per epoch, in the run's folder and on the screen."""

from __future__ import annotations

import csv
import io
import sys
from collections.abc import Callable, Iterable, Mapping
from typing import Any

import lightning.pytorch as lightning
from rich.console import Console, RenderableType
from rich.progress import BarColumn, MofNCompleteColumn, Progress, ProgressColumn, TextColumn, TimeRemainingColumn
from torch import Tensor

from manualgrad.training.files import write_whole
from manualgrad.training.lean import EpochCallback
from manualgrad.training.run import Run

LINES = 10  # of progress, at most, where there is no terminal to draw a bar on


def numbers(metrics: Mapping[str, Tensor], prefix: str) -> dict[str, float]:
    """The metrics of this prefix, the loss first, each with the digits that its dtype has: 0.975, not 0.97500002384."""
    names = sorted((n for n in metrics if n.startswith(prefix)), key=lambda name: not name.endswith("_loss"))
    return {name: float(str(metrics[name].cpu().numpy())) for name in names}


def in_words(metrics: dict[str, float]) -> str:
    return ", ".join(f"{name} {value:.4g}" for name, value in metrics.items())


class Bar(Progress):
    """A bar that looks how far the trainer is each time it is drawn: the steps need not tell it."""

    def __init__(self, trainer: lightning.Trainer, *columns: ProgressColumn, **keywords: Any) -> None:
        self.trainer = trainer
        super().__init__(*columns, **keywords)

    def get_renderables(self) -> Iterable[RenderableType]:
        for task in self.task_ids:
            self.update(task, completed=self.trainer.global_step)
        return super().get_renderables()


class Report(EpochCallback):
    """A row of metrics per epoch: in `rows`, in the run's `metrics.csv`, and as a progress bar or, on a pipe, lines."""

    def __init__(self, run: Run, epochs: int, say: Callable[[str], None]) -> None:
        self.path = run.folder / "metrics.csv"
        self.epochs = epochs
        self.say = say
        self.rows: list[dict[str, Any]] = []
        self.bar: Progress | None = None

    def state_dict(self) -> dict[str, Any]:
        return {"rows": self.rows}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        self.rows = state_dict["rows"]

    def on_train_start(self, trainer: Any, learner: Any) -> None:
        write_whole(self.path, self._table(self.rows, header=True) if self.rows else b"")
        data = trainer.datamodule
        parts = ", ".join(f"{len(y)} {name}" for name, (_, y) in data.parts.items())
        count = sum(p.numel() for p in learner.parameters())
        self.say(f"{parts} rows; {count:,} parameters; engine {learner.engine}")
        if trainer.global_step:
            self.say(f"resumed after step {trainer.global_step}, in epoch {trainer.current_epoch + 1}")
        if sys.stdout.isatty():
            columns = (BarColumn(), MofNCompleteColumn(), TimeRemainingColumn(), TextColumn("{task.description}"))
            here = Console()  # rich's own may be older than the terminal, and think that there is none
            self.bar = Bar(trainer, *columns, console=here, transient=True)
            self.task = self.bar.add_task("", total=self.epochs * trainer.num_training_batches)
            self.bar.start()

    # Lightning has the training metrics of an epoch together only after its on_train_epoch_end: ask later.
    def on_train_epoch_start(self, trainer: Any, learner: Any) -> None:
        if trainer.current_epoch > len(self.rows):
            self._add_row(trainer)

    def on_train_end(self, trainer: Any, learner: Any) -> None:
        self._add_row(trainer)
        self._take_bar_away()

    def _add_row(self, trainer: lightning.Trainer) -> None:
        epoch, metrics = trainer.current_epoch, trainer.callback_metrics
        found = numbers(metrics, "train_") | numbers(metrics, "val_")
        watched = numbers(metrics, "gradient_")  # by GradientParity and GradientFlow
        self.rows.append({"epoch": epoch, "step": trainer.global_step, **found, **watched})
        self._write()
        words = in_words(found)
        if self.bar is not None:
            self.bar.update(self.task, description=words)
        elif epoch % -(-self.epochs // LINES) == 0 or epoch in (1, self.epochs):
            self.say(f"epoch {epoch:>{len(str(self.epochs))}}/{self.epochs}  {words}")

    def _write(self) -> None:
        with open(self.path, "ab") as file:
            file.write(self._table(self.rows[-1:], header=len(self.rows) == 1))

    def _table(self, rows: list[dict[str, Any]], header: bool) -> bytes:
        text = io.StringIO()
        writer = csv.DictWriter(text, self.rows[0], lineterminator="\n")
        if header:
            writer.writeheader()
        writer.writerows(rows)
        return text.getvalue().encode()

    def on_exception(self, *_: Any) -> None:
        self._take_bar_away()

    def _take_bar_away(self) -> None:
        if self.bar is not None:
            self.bar.refresh()  # a short run may end before the bar was drawn at all
            self.bar.stop()
            self.bar = None
