"""What `manualgrad train` shows of all recipes: their lessons, and what came out when each was last run."""

from __future__ import annotations

import json
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from manualgrad.training.recipe import first_line, recipes
from manualgrad.training.run import read_record

USAGE = """\
usage: manualgrad train RECIPE [--config FILE.yaml] [--KEY VALUE ...] [--fast] [--out FOLDER]
                              [--splits N | --sweep KEY=A,B,...]
       manualgrad train RECIPE --resume RUN
       manualgrad train --all [--fast]

Train with hand-written gradients, test, and leave checkpoint, metrics and plots in a run folder.
"""
END = """
manualgrad train RECIPE --help tells the keys; RECIPE may be a file of your own, like those in recipes/."""


def overview() -> str:
    """The help of `manualgrad train`: what it does, every recipe with its first line, and what its last run came to."""
    known = recipes()
    width = max(map(len, known), default=0)
    lines = []
    for name, path in known.items():
        lines.append(f"  {name:<{width}}  {first_line(path)}")
        if last := last_run(name):
            lines.append(f"  {'':<{width}}    last run {last}")
    return "\n".join((USAGE, *lines, END))


def last_run(name: str) -> str | None:
    """When the newest finished run in `runs/<name>` ended, and its main figure; None if there is none.

    "Finished" is one that has its metrics.
    """
    numbers = (folder for folder in Path("runs", name).glob("*") if folder.name.isdecimal())
    for folder in sorted(numbers, key=lambda folder: int(folder.name), reverse=True):
        if figure := main_figure(folder):
            ended = time.strftime("%Y-%m-%d %H:%M", time.localtime((folder / "metrics.json").stat().st_mtime))
            fast = ", --fast" if read_record(folder).get("fast") else ""
            return f"{ended}: {figure} ({folder}{fast})"
    return None


def main_figure(folder: Path) -> str | None:
    """The main metric of a run's `metrics.json`, in words."""
    metrics = _read(folder / "metrics.json")
    name = main_metric(metrics)
    value = metrics[name] if name else None
    if isinstance(value, dict) and "mean" in value:
        return f"{name} {value['mean']:.4g}, mean of {len(value['splits'])} splits"
    if isinstance(value, list):
        return f"{name} of {len(value)} settings"
    return f"{name} {value:.4g}" if isinstance(value, int | float) else None


def main_metric(metrics: Mapping[str, Any]) -> str | None:
    """The name of the first metric of the test that is not the loss, or of the first of all.

    >>> main_metric({"epoch": 3, "val_r2": 0.4, "test_loss": 0.5, "test_r2": 0.3})
    'test_r2'
    """
    tested = (name for name in metrics if name.startswith("test_") and not name.endswith("_loss"))
    return next(tested, next(iter(metrics), None))


def _read(path: Path) -> dict[str, Any]:
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):  # an unfinished run, or no run
        return {}
    return found if isinstance(found, dict) else {}
