"""RESULTS.md: what full runs of the recipes came to. Every recipe has its row; `make results` runs them all anew.

`make results RECIPES="digits diabetes"` runs some of them and keeps the other rows.
"""

from __future__ import annotations

import datetime
import json
import os
import platform
import sys
import tempfile
import time
from importlib.metadata import version
from pathlib import Path
from typing import Any

from manualgrad.arguments import Mistake
from manualgrad.training.command import Missing, train
from manualgrad.training.overview import main_metric
from manualgrad.training.recipe import first_line, load_recipe, recipes

RESULTS = Path(__file__).parents[1] / "RESULTS.md"
SPLITS = 5
ONCE = ("tiny_gpt",)  # of which a run takes minutes
COLUMNS = ("recipe", "result", "beside it", "runs", "time", "date", "made with")
HEAD = """\
# Results

What full runs of the recipes came to; written by `make results`, which runs them. A result over splits is the mean and
the standard deviation (±) of the test metrics of `data.split` 0 to 4, each with seed 0; no test row chose anything.
Times are of the whole run, all splits together, on a machine that others use too.
"""


def row(name: str) -> list[str]:
    """Run the recipe and describe what came of it."""
    recipe = load_recipe(name)
    has_splits = hasattr(getattr(recipe.Config(), "data", None), "split") and name not in ONCE
    began = time.perf_counter()
    with tempfile.TemporaryDirectory() as parent:
        options = ["--out", str(Path(parent, "run"))]
        try:
            folder = train(name, [*options, *(["--splits", str(SPLITS)] if has_splits else [])])
        except Missing as missing:
            return _row(name, f"not run: {str(missing).split(';')[0]}", recipe.REFERENCE, "", "")
        if folder is None:
            raise Mistake(f"{name} failed")
        metrics = json.loads((folder / "metrics.json").read_text(encoding="utf-8"))
    shown = ", ".join(_metric(n, value) for n, value in _shown(metrics).items())
    runs = f"splits 0-{SPLITS - 1}" if has_splits else "1"
    return _row(name, shown, recipe.REFERENCE, runs, f"{time.perf_counter() - began:.0f} s")


def _row(name: str, result: str, reference: str, runs: str, seconds: str) -> list[str]:
    made = f"torch {version('torch')}, Lightning {version('lightning')}, Python {platform.python_version()}"
    link = f"[{name}](recipes/{name}.py)"
    cores = f" on {os.cpu_count()} cores" if seconds else ""
    return [link, result, reference, runs, f"{seconds}{cores}", datetime.date.today().isoformat(), made]


def _shown(metrics: dict[str, Any]) -> dict[str, Any]:
    """All that was measured, the main figure first; of a training without the epoch that was chosen, and by what."""
    chosen_by = [n for n in metrics if n.startswith("val_")] if "epoch" in metrics else []
    main = main_metric(metrics)
    names = sorted(metrics, key=lambda name: name != main)
    return {n: metrics[n] for n in names if n not in ("epoch", "test_loss", *chosen_by)}


def _metric(name: str, value: Any) -> str:
    if isinstance(value, dict):
        return f"{name} {value['mean']:.4f} ± {value['sd']:.4f}"
    return f"{name} {value:.4g}"


def rows() -> dict[str, list[str]]:
    """The rows of RESULTS.md by recipe."""
    if not RESULTS.exists():
        return {}
    lines = [line for line in RESULTS.read_text(encoding="utf-8").splitlines() if line.startswith("| [")]
    found = ([cell.strip() for cell in line.strip("|").split(" | ")] for line in lines)
    return {cells[0][1:].split("]")[0]: cells for cells in found}


def write(found: dict[str, list[str]]) -> None:
    known = {name: found[name] for name in recipes() if name in found}
    table = [COLUMNS, ["---"] * len(COLUMNS), *known.values()]
    lessons = [f"- **{name}**: {first_line(path)}" for name, path in recipes().items()]
    lines = [HEAD, *(f"| {' | '.join(cells)} |" for cells in table), "", *lessons, ""]
    RESULTS.write_text("\n".join(lines), encoding="utf-8")


def test_every_recipe_has_its_row() -> None:
    found = rows()
    assert list(found) == list(recipes()), "run `make results`"
    for name, cells in found.items():
        assert len(cells) == len(COLUMNS), name
        assert cells[COLUMNS.index("beside it")] == load_recipe(name).REFERENCE, name


if __name__ == "__main__":
    found = rows()
    for name in sys.argv[1:] or recipes():
        print(f"{name}:", flush=True)
        found[name] = row(name)
        write(found)
