"""Lightning's loggers as an option of a recipe: what they get, and what they keep when a run is resumed."""

from __future__ import annotations

import csv
import json
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from manualgrad.training.command import main
from tests.surviving import train, with_a_recipe


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    return with_a_recipe(tmp_path, monkeypatch)


def shown_by_tensorboard(folder: Path) -> dict[str, list[tuple[int, float]]]:
    """Every curve, of (step, value): what a resumed run has gone back behind is not shown."""
    found: Any = EventAccumulator(str(folder / "tensorboard")).Reload()
    return {tag: [(e.step, e.value) for e in found.Scalars(tag)] for tag in found.Tags()["scalars"]}


def kept_as_csv(folder: Path) -> dict[str, list[tuple[int, float]]]:
    """The same of Lightning's file, which has a row for each call."""
    curves: dict[str, list[tuple[int, float]]] = {}
    with open(folder / "csv" / "metrics.csv", newline="", encoding="utf-8") as file:
        for row in csv.DictReader(file):
            for name in [name for name, value in row.items() if value and name != "step"]:
                curves.setdefault(name, []).append((int(row["step"]), float(row[name])))
    return curves


READ = {"tensorboard": shown_by_tensorboard, "csv": kept_as_csv}


@pytest.mark.parametrize("kind", READ)
def test_a_logger_gets_the_metrics_of_metrics_csv_and_of_the_test(kind: str, tmp_path: Path) -> None:
    run = tmp_path / "run"
    words = ("--trainer.max_epochs", "3", "--hidden", "4", "--trainer.logger", kind)
    assert main(["diabetes", *words, "--out", str(run)]) == 0
    curves = READ[kind](run)
    rows = list(csv.DictReader((run / "metrics.csv").read_text().splitlines()))
    names = [name for name in rows[0] if name not in ("epoch", "step")]
    assert sorted(names) == ["train_loss", "val_loss", "val_mae", "val_r2"]
    for name in names:
        assert [value for _, value in curves[name]] == pytest.approx([float(row[name]) for row in rows], rel=1e-6)
        assert [step + 1 for step, _ in curves[name]] == [int(row["step"]) for row in rows]  # theirs begin with 0
    for name, value in json.loads((run / "metrics.json").read_text()).items():
        if name.startswith("test_"):
            assert [v for _, v in curves[name]] == pytest.approx([value], rel=1e-6)


@pytest.mark.parametrize("kind", ["csv", pytest.param("tensorboard", marks=pytest.mark.slow)])
def test_what_is_logged_by_a_resumed_run_is_that_of_a_whole_one(kind: str, here: Path) -> None:
    words = ("own.py", "--trainer.checkpoint_steps", "3", "--trainer.logger", kind)
    assert train(*words, "--out", "whole") == 0
    expected = READ[kind](Path("whole"))
    for run, step in (("late", 21), ("twice", 9)):  # each epoch has 8 steps
        assert train(*words, "--out", run, at={step: signal.SIGKILL}) == -signal.SIGKILL
        if run == "twice":
            assert train("own.py", "--resume", run, at={18: signal.SIGKILL}) == -signal.SIGKILL
        assert train("own.py", "--resume", run) == 0
        assert READ[kind](Path(run)) == expected
    if kind == "csv":
        assert Path("twice/csv/metrics.csv").read_bytes() == Path("whole/csv/metrics.csv").read_bytes()


def test_without_tensorboard_a_sentence_says_so_at_once(tmp_path: Path) -> None:
    code = """
import importlib.util, sys
find = importlib.util.find_spec
importlib.util.find_spec = lambda name, *a: None if name.startswith("tensorboard") else find(name, *a)
from manualgrad.cli import main
status = main(["train", "digits", "--trainer.logger", "tensorboard"])
assert "torch" not in sys.modules
raise SystemExit(status)
"""
    done = subprocess.run([sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True, timeout=60)
    first = "manualgrad train: trainer.logger: tensorboard is not installed; pip install 'manualgrad[tensorboard]' does"
    assert done.stderr.splitlines()[0] == first
    assert done.returncode == 2
    assert not list(tmp_path.iterdir())
