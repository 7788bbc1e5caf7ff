"""Callbacks as options of a recipe: they watch a run that is the same, tell what they found, are resumed with it."""

from __future__ import annotations

import csv
import json
import re
import signal
from pathlib import Path
from typing import Any

import pytest

from manualgrad import training
from manualgrad.training.command import main
from manualgrad.training.recipe import configure, load_recipe, parser_of, recipes
from tests.surviving import outcome, train, with_a_recipe


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    return with_a_recipe(tmp_path, monkeypatch)


BY_LEARNER = [n for n in recipes() if issubclass(load_recipe(n).Config, training.Settings) and n != "mnist"]
ALWAYS = "digits_cnn"  # the one of them that is tried at once, the others slowly


def watching(every: int) -> list[str]:
    asked = {"gradient_parity": every, "gradient_flow": every, "fail_on_non_finite": "true"}
    return [f"--trainer.callbacks.{name}={value}" for name, value in asked.items()]


def test_what_callbacks_find_is_told_and_kept(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    run = tmp_path / "run"
    assert main(["diabetes", "--fast", "--hidden", "4", *watching(5), "--out", str(run)]) == 0
    parity, flow, finite, last = capsys.readouterr().out.splitlines()[-4:]
    assert parity.startswith(f"{run}: our gradients are torch's, ")
    assert parity.endswith(", in 4 steps compared")
    assert flow == f"{run}: of the gradients looked at in 4 steps none vanishes or explodes"
    assert finite == f"{run}: every loss and every gradient of 20 steps was a finite number"
    assert "gradient_flow.csv" in last
    rows = list(csv.DictReader((run / "metrics.csv").read_text().splitlines()))
    assert all(0 <= float(row["gradient_parity"]) < 1e-12 for row in rows)
    looked = list(csv.DictReader((run / "gradient_flow.csv").read_text().splitlines()))
    assert sorted({int(row["step"]) for row in looked}) == [0, 5, 10, 15]
    for row, step in zip(rows, ("5", "15"), strict=True):  # the latest of each epoch of 10 steps
        found = {r["layer"]: float(r["rms"]) for r in looked if r["step"] == step}
        assert {name: float(row[f"gradient_rms/{name}"]) for name in found} == pytest.approx(found, rel=1e-6)


@pytest.mark.parametrize("name", [pytest.param(n, marks=[] if n == ALWAYS else pytest.mark.slow) for n in BY_LEARNER])
def test_a_watched_recipe_comes_to_the_same(name: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    found = []
    for folder, words in (("plain", ()), ("watched", watching(30))):
        assert main([name, "--fast", *words, "--out", str(tmp_path / folder)]) == 0
        found.append((tmp_path / folder / "metrics.json").read_bytes())
    assert found[0] == found[1]
    said = capsys.readouterr().out
    differences = re.findall(r"our gradients are torch's, (?:(\S+) of a tensor's largest|to the last bit)", said)
    assert differences
    assert max(float(number or 0) for number in differences) < 1e-11


def test_a_watched_run_goes_on_to_the_last_bit(here: Path) -> None:
    words = ("own.py", "--trainer.checkpoint_steps", "3", *watching(5), "--trainer.logger", "csv")
    assert train(*words, "--out", "whole") == 0
    expected = outcome(Path("whole"))
    assert {"gradient_flow.csv", "csv/metrics.csv"} < set(expected)
    for step in (9, 23):  # 8 steps an epoch
        assert train(*words, "--out", f"run{step}", at={step: signal.SIGKILL}) == -signal.SIGKILL
        assert train("own.py", "--resume", f"run{step}") == 0
        assert outcome(Path(f"run{step}")) == expected


@pytest.mark.parametrize("splits", [(), ("--splits", "2")])
def test_a_step_without_numbers_is_kept_to_be_looked_into(
    splits: tuple[str, ...], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    words = ["--hidden", "4", "--optimizer.name", "SGD", "--optimizer.lr", "1e12", *watching(100)]
    assert main(["diabetes", *words, *splits, "--out", "run"]) == 1
    said = capsys.readouterr().err
    file = Path("run", "split-0" if splits else "", "non_finite.pt")
    assert "mse_loss in loss computes is infinite or NaN" in said
    assert said.endswith(f"; {file} replays it\n")
    recipe: Any = load_recipe("diabetes")
    options = parser_of(recipe).parse_args(["--config", "run/config.yaml"])
    options.pop("config")
    learner, _ = recipe.build(configure(recipe.Config, options))
    found = training.replay(learner, file)
    assert found is not None
    assert found in said
    assert "result" not in json.loads(Path("run/run.json").read_text())
