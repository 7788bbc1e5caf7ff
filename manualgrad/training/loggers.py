"""Lightning's loggers in the folder of a run, which go on where a resumed run does."""

from __future__ import annotations

import csv
import shutil
from pathlib import Path
from typing import Any, Literal

from lightning.pytorch.loggers import CSVLogger, Logger, TensorBoardLogger


def logger_of(kind: Literal["none", "csv", "tensorboard"], folder: Path, step: int = 0) -> Logger | None:
    """The logger that writes into `folder/kind`; what was logged there for the steps from `step` on is forgotten.

    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     for first in (0, 1):
    ...         logger = logger_of("csv", Path(folder), first)
    ...         for step in (first, first + 1):
    ...             logger.log_metrics({"loss": 0.5 - first}, step)
    ...         logger.save()
    ...     Path(folder, "csv", "metrics.csv").read_text().split()
    ['loss,step', '0.5,0', '-0.5,1', '-0.5,2']
    """
    if kind == "none":
        return None
    if kind == "tensorboard":
        return TensorBoardLogger(folder, name=kind, version="", default_hp_metric=False, purge_step=step or None)
    kept = _rows(folder / kind / "metrics.csv", step)
    shutil.rmtree(folder / kind, ignore_errors=True)  # Lightning's logger begins in an empty folder only
    logger = CSVLogger(folder, name=kind, version="")
    for row in kept:
        metrics: dict[str, Any] = {name: value for name, value in row.items() if value and name != "step"}
        logger.log_metrics(metrics, int(row["step"]))
    if kept:
        logger.save()
    return logger


def _rows(path: Path, step: int) -> list[dict[str, str]]:
    """The rows before step `step` that are whole: the last one may not be, where its writing was killed."""
    if not path.is_file():
        return []
    with open(path, newline="", encoding="utf-8") as file:
        rows = [row for row in csv.DictReader(file) if None not in row.values()]
    return [row for row in rows if int(row["step"]) < step]
