"""Every recipe: one readable file, the same results by either engine and from its own configuration, and its figure."""

from __future__ import annotations

import ast
import dataclasses
import json
import subprocess
import sys
from pathlib import Path

import pytest
import yaml  # type: ignore[import-untyped]

from manualgrad.training import Run
from manualgrad.training.command import main
from manualgrad.training.recipe import load_recipe, recipes
from tests.test_nets import CLAIMS, SPLIT_CLAIMS

NAMES = sorted(recipes())
BRING = ["mnist"]  # their data is the user's to bring: test_mnist.py
NETS = sorted((*CLAIMS, *SPLIT_CLAIMS))  # test_nets.py
NETWORKS = [name for name in NAMES if hasattr(load_recipe(name), "build") and name not in (*BRING, *NETS)]
STUDIES = [name for name in NAMES if name not in (*NETWORKS, *BRING, *NETS)]  # test_lessons.py
LONGEST = 120  # lines: a recipe is read from top to bottom

# The mean over the splits 0 to 4 that `--splits 5` is to reach.
REACHES = {
    "breast_cancer": ("test_accuracy", 0.976),
    "diabetes": ("test_r2", 0.415),
    "digits": ("test_accuracy", 0.978),
}
SHORT = ("--trainer.max_epochs", "2")


def _has_engine(name: str) -> bool:
    return "engine" in {field.name for field in dataclasses.fields(load_recipe(name).Config)}


def results(folder: Path) -> dict[str, bytes]:
    """The figures of a run, and its configuration."""
    return {path.name: path.read_bytes() for path in folder.iterdir() if path.suffix in (".csv", ".json", ".yaml")}


def test_every_recipe_has_a_figure_to_reach() -> None:
    assert sorted(REACHES) == NETWORKS


@pytest.mark.parametrize("name", NAMES)
def test_a_recipe_is_one_lesson(name: str) -> None:
    text = recipes()[name].read_text()
    assert text.count("\n") <= LONGEST
    document = ast.get_docstring(ast.parse(text)) or ""
    assert document.splitlines()[0].endswith(".")
    assert "\n\nThe lesson: " in document
    assert "\n\nProtocol: " in document
    assert f"manualgrad train {name}" in document


@pytest.mark.parametrize("name", NETWORKS)
def test_either_engine_gives_the_same_figures(name: str, tmp_path: Path) -> None:
    for folder, words in (("first", ()), ("again", ()), ("tape", ("--engine", "tape"))):
        assert main([name, *SHORT, "--out", str(tmp_path / folder), *words]) == 0
    first, again, tape = (results(tmp_path / folder) for folder in ("first", "again", "tape"))
    assert first == again
    assert yaml.safe_load(tape.pop("config.yaml")) == {**yaml.safe_load(first.pop("config.yaml")), "engine": "tape"}
    assert json.loads(tape["metrics.json"]) == pytest.approx(json.loads(first["metrics.json"]), rel=1e-4)


@pytest.mark.slow
@pytest.mark.parametrize("name", [name for name in NAMES if _has_engine(name) and name not in BRING])
def test_a_playback_gives_the_figures_of_the_tape(name: str, tmp_path: Path) -> None:
    for engine in ("tape", "playback"):
        assert main([name, "--fast", "--engine", engine, "--out", str(tmp_path / engine)]) == 0
    tape, played = (json.loads((tmp_path / engine / "metrics.json").read_text()) for engine in ("tape", "playback"))
    assert played == pytest.approx(tape, rel=1e-6)


@pytest.mark.parametrize("name", NETWORKS)
def test_a_recipe_runs_again_from_the_configuration_that_it_left(name: str, tmp_path: Path) -> None:
    first, again, other = (tmp_path / folder for folder in ("first", "again", "other"))
    changed = ("--hidden", "5", "--seed", "3", "--optimizer.lr", "0.02", "--data.split", "2")
    assert main([name, *SHORT, *changed, "--out", str(first)]) == 0
    assert main([name, "--config", str(first / "config.yaml"), "--out", str(again)]) == 0
    assert results(first) == results(again)
    settings = yaml.safe_load((first / "config.yaml").read_text())
    assert (settings["hidden"], settings["seed"], settings["data"]["split"]) == (5, 3, 2)
    assert main([name, "--config", str(first / "config.yaml"), "--seed", "4", "--out", str(other)]) == 0
    assert results(first)["metrics.json"] != results(other)["metrics.json"]


@pytest.mark.parametrize("name", NETWORKS)
def test_what_a_recipe_builds(name: str) -> None:
    recipe = load_recipe(name)
    learner, data = recipe.build(recipe.Config())
    left = [type(m).__name__ for m in (*learner.network.modules(), learner.loss) if type(m).__module__[:5] == "torch"]
    assert left == ["Sequential"]  # every gradient is ours
    x, y = data.parts["train"]
    assert learner.objective(learner(x), y).dim() == 0


@pytest.mark.parametrize("name", [*NETWORKS, *STUDIES])
def test_every_recipe_has_a_fast_form(name: str, tmp_path: Path) -> None:
    assert main([name, "--fast", "--out", str(tmp_path / "run")]) == 0
    assert json.loads((tmp_path / "run" / "metrics.json").read_text())
    record = json.loads((tmp_path / "run" / "run.json").read_text())
    assert record.pop("result")
    assert record == {"recipe": name, "fast": True}


def test_a_recipe_is_a_program_too(tmp_path: Path) -> None:
    words = [*SHORT, "--hidden", "4", "--out", "here"]
    program = subprocess.run(
        [sys.executable, recipes()["diabetes"], *words], cwd=tmp_path, capture_output=True, text=True, timeout=120
    )
    assert program.stderr == ""  # no warning and no tip
    assert program.returncode == 0
    lines = program.stdout.splitlines()
    assert lines[0] == "300 train, 53 validation, 89 test rows; 49 parameters; engine autograd"
    assert [line.partition(" ")[0] for line in lines] == ["300", "epoch", "epoch", "best", "test:", "here:"]
    assert main(["diabetes", *words[:-1], str(tmp_path / "there")]) == 0
    assert results(tmp_path / "here") == results(tmp_path / "there")


@pytest.mark.slow
@pytest.mark.parametrize("name", NETWORKS)
def test_a_recipe_reaches_its_figure(name: str, tmp_path: Path) -> None:
    assert main([name, "--splits", "5", "--out", str(tmp_path / "run")]) == 0
    metric, least = REACHES[name]
    found = json.loads((tmp_path / "run" / "metrics.json").read_text())[metric]
    assert len(found["splits"]) == 5
    assert found["mean"] >= least


def test_recipes_of_ones_own(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "my.recipe.py"
    path.write_text(
        '"""Mine."""\nfrom dataclasses import dataclass\n\n'
        "@dataclass\nclass Config:\n    size: int = 3\n    seed: int = 0\n\n"
        "def run(config, run):\n    run.write('size.txt', str(config.size))\n    return {}\n"
    )
    assert main([str(path), "--size", "7", "--out", str(tmp_path / "run")]) == 0
    assert (tmp_path / "run" / "size.txt").read_text() == "7"
    assert capsys.readouterr().out == f"{tmp_path / 'run'}: config.yaml, run.json, size.txt\n"
    assert Run(path.stem).folder == Path("runs/my.recipe")
