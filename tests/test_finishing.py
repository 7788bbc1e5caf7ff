"""Runs made of parts: a study that is killed goes on with the next of them, and so does what comes after training."""

from __future__ import annotations

import re
import signal
from pathlib import Path
from typing import Any

import pytest
import torch

from manualgrad import training
from manualgrad.training.recipe import recipes
from tests.surviving import outcome, train, with_a_recipe

TIMES = {"batch_size": "s per epoch", "three_ways": "ms"}  # the columns of their tables that are never the same


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    return with_a_recipe(tmp_path, monkeypatch)


def without_times(name: str, folder: str) -> dict[str, Any]:
    """The outcome of a recipe, of which two have measured times in their table, which are drawn too."""
    found = outcome(Path(folder))
    if name in TIMES:
        del found[f"{name}.png"]
        rows = [re.split(r"\s{2,}", line.strip()) for line in found["table.txt"].decode().splitlines()]
        column = rows[0].index(TIMES[name])
        found["table.txt"] = [row[:column] + row[column + 1 :] for row in rows]
    return found


@pytest.mark.slow
@pytest.mark.parametrize("name", [name for name in recipes() if name != "mnist"])  # whose rows are the user's
def test_a_recipe_that_is_killed_goes_on_with_its_next_part(name: str, here: Path) -> None:
    """After 1, 2, 4, 8, ... parts of it, and again after the next."""
    assert train(name, "--fast", "--out", "whole") == 0
    expected = without_times(name, "whole")
    finished = 1
    while (ended := train(name, "--fast", "--out", str(finished), finishing=finished)) == -signal.SIGKILL:
        if (again := train(name, "--resume", str(finished), finishing=1)) == -signal.SIGKILL:
            again = train(name, "--resume", str(finished))
        assert again == 0
        assert without_times(name, str(finished)) == expected, finished
        finished *= 2
    assert ended == 0
    assert finished > 1


@pytest.mark.slow
@pytest.mark.parametrize("step", [20, 60])  # before the parameters of 50 steps are gathered, and after
def test_twins_go_on_where_one_of_them_was_killed(step: int, here: Path) -> None:
    words = ("tiny_gpt", "--fast", "--trainer.checkpoint_steps", "7")
    assert train(*words, "--out", "whole") == 0
    assert train(*words, "--out", "run", at={step: signal.SIGKILL}) == -signal.SIGKILL  # ours
    assert train("tiny_gpt", "--resume", "run", finishing=1) == -signal.SIGKILL
    assert train("tiny_gpt", "--resume", "run", at={step: signal.SIGKILL}) == -signal.SIGKILL  # torch's
    assert train("tiny_gpt", "--resume", "run") == 0
    assert outcome(Path("run")) == outcome(Path("whole"))


def test_a_study_that_is_killed_goes_on_with_its_next_part(here: Path, capfd: pytest.CaptureFixture[str]) -> None:
    words = ("learning_rate", "--epochs", "20")
    assert train(*words, "--out", "run", finishing=2) == -signal.SIGKILL
    assert sorted(path.name for path in Path("run/finished").iterdir()) == ["rate 0.01.pt", "rate 0.1.pt"]
    capfd.readouterr()
    assert train("learning_rate", "--resume", "run", "--epochs", "30") == 2
    assert capfd.readouterr().err == "--resume: epochs is 20 in run and cannot be changed to 30\n"
    kept = Path("run/finished/rate 0.1.pt").read_bytes()
    Path("run/finished/rate 0.1.pt").write_bytes(kept[:100])
    assert train("learning_rate", "--resume", "run") == 2
    assert capfd.readouterr().err.startswith("run/finished/rate 0.1.pt: not readable as a checkpoint; it is truncated")
    Path("run/finished/rate 0.1.pt").write_bytes(kept)
    assert train("learning_rate", "--resume", "run") == 0
    assert capfd.readouterr().out.splitlines()[:2] == ["rate 0.01: finished before", "rate 0.1: finished before"]
    assert train(*words, "--out", "whole") == 0
    assert outcome(Path("run")) == outcome(Path("whole"))
    assert train("learning_rate", "--resume", "run") == 2
    assert capfd.readouterr().err == "--resume: run is finished\n"


def test_random_numbers_go_on_after_a_part(tmp_path: Path) -> None:
    def study(folder: str, parts: int, resumed: bool = False) -> list[torch.Tensor]:
        torch.manual_seed(0)
        drawn = [torch.rand(2)]
        with training.Run("study", tmp_path / folder, resumed) as run:
            for number in range(parts):
                drawn += [training.once(run, f"part {number}", torch.rand, 3), torch.rand(2)]
            if parts < 3:
                raise KeyboardInterrupt
        return drawn

    with pytest.raises(KeyboardInterrupt):
        study("run", 2)
    for a, b in zip(study("whole", 3), study("run", 3, resumed=True), strict=True):
        assert torch.equal(a, b)
