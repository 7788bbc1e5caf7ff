"""Runs that survive: killed at any step, while saving, by Ctrl-C or with a full disk, and resumed to the last bit."""

from __future__ import annotations

import errno
import itertools
import os
import random
import shutil
import signal
import time
from pathlib import Path
from typing import Any

import pytest
import torch

from manualgrad import training
from manualgrad.training import stopping
from manualgrad.training.checkpoints import read_checkpoint
from manualgrad.training.command import main
from manualgrad.training.recipe import recipes
from tests.surviving import in_child, outcome, train, with_a_recipe


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    return with_a_recipe(tmp_path, monkeypatch)


def steps_of(folder: Path) -> int:
    return int((folder / "metrics.csv").read_text().splitlines()[-1].split(",")[1])


WAYS = [
    ("own.py", "--workers", "2"),
    pytest.param(("own.py", "--workers", "0"), marks=pytest.mark.slow),
    pytest.param(("own.py", "--engine", "tape"), marks=pytest.mark.slow),
    pytest.param(("own.py", "--engine", "playback"), marks=pytest.mark.slow),
    pytest.param(("own.py", "--data.batch_size", "500"), marks=pytest.mark.slow),  # a step is an epoch
]


@pytest.mark.parametrize("words", WAYS, ids=" ".join)
def test_a_killed_run_goes_on_to_the_last_bit(words: tuple[str, ...], here: Path) -> None:
    assert train(*words, "--trainer.checkpoint_steps", "3", "--out", "whole") == 0
    expected, steps = outcome(Path("whole")), steps_of(Path("whole"))
    per_epoch = steps // 3
    for number, step in enumerate((min(5, steps), per_epoch + 1)):  # in an epoch, and as soon as the second has begun
        run = Path(f"run{number}")
        every_step = number == 1 or per_epoch == 1  # else there is nothing to go on from yet
        period = ("--trainer.checkpoint_steps", "1" if every_step else "3")
        assert train(*words, *period, "--out", str(run), at={step: signal.SIGKILL}) == -signal.SIGKILL
        assert train("own.py", "--resume", str(run)) == 0
        found = outcome(run)
        if every_step:
            expected["config.yaml"] = found["config.yaml"]  # another period
        assert found == expected, step


@pytest.mark.slow
def test_a_signal_saves_the_last_finished_step(here: Path, capfd: pytest.CaptureFixture[str]) -> None:
    assert train("own.py", "--out", "whole") == 0
    expected = outcome(Path("whole"))
    cases = (("middle", 11), ("end-of-an-epoch", 8), ("last", 24))
    for (number, status), (run, step) in itertools.product(((signal.SIGTERM, 143), (signal.SIGINT, 130)), cases):
        shutil.rmtree(run, ignore_errors=True)
        capfd.readouterr()
        began = time.monotonic()
        assert train("own.py", "--out", run, at={step: number}) == status
        assert time.monotonic() - began < 5
        said = capfd.readouterr().err
        if run == "last":  # there is no later place to save, and none before it was due
            assert said == f"manualgrad train own.py: ended by {signal.Signals(number).name}; nothing was saved yet\n"
            assert not Path(run).exists()
            continue
        hint = f"go on with: manualgrad train own.py --resume {run}"
        assert said == f"manualgrad train own.py: ended by {signal.Signals(number).name}; {hint}\n"
        saved = read_checkpoint(Path(run, "checkpoints", "last.ckpt"))
        assert saved["global_step"] == step
        assert train("own.py", "--resume", run) == 0
        assert outcome(Path(run)) == expected


def test_a_step_that_takes_too_long_is_given_up(here: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def work() -> int:
        stopping.PATIENCE = 0.2

        def never(self: Any, batch: Any, batch_idx: int) -> None:
            os.kill(os.getpid(), signal.SIGTERM)
            time.sleep(30)

        training.Learner.training_step = never  # type: ignore[assignment, method-assign]
        return main(["own.py", "--out", "run"])

    began = time.monotonic()
    assert in_child(work) == 143
    assert time.monotonic() - began < 5
    assert not Path("run").exists()


@pytest.mark.parametrize("which", [2, *(pytest.param(n, marks=pytest.mark.slow) for n in (1, 3, 4, 5))])
def test_a_run_that_is_killed_while_it_saves(which: int, here: Path) -> None:
    words = ("own.py", "--trainer.checkpoint_steps", "5")
    assert train(*words, "--out", "whole") == 0
    assert train(*words, "--out", "run", saving=which) == -signal.SIGKILL
    checkpoints = list(Path("run", "checkpoints").glob("*.ckpt"))
    for path in checkpoints:
        read_checkpoint(path)  # whole
    if Path("run/checkpoints/last.ckpt") not in checkpoints:
        assert train("own.py", "--resume", "run") == 2
        return
    assert train("own.py", "--resume", "run") == 0
    assert outcome(Path("run")) == outcome(Path("whole"))
    assert not list(Path("run").rglob(".*"))


def test_a_full_disk_keeps_the_last_good_checkpoint(here: Path, capfd: pytest.CaptureFixture[str]) -> None:
    words = ("own.py", "--trainer.checkpoint_steps", "3")

    def work() -> int:
        real, count = os.fsync, iter(range(100))

        def full(file: int) -> None:
            if next(count) >= 8:
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
            real(file)

        os.fsync = full  # type: ignore[assignment]
        return main([*words, "--out", "run"])

    assert in_child(work) == 1
    said = capfd.readouterr().err
    assert said.startswith("manualgrad train own.py: run/")
    assert said.endswith(": No space left on device; go on with: manualgrad train own.py --resume run\n")
    assert said.count("\n") == 1
    assert not list(Path("run").rglob(".*"))
    assert train("own.py", "--resume", "run") == 0
    assert train(*words, "--out", "whole") == 0
    assert outcome(Path("run")) == outcome(Path("whole"))


def test_what_cannot_be_resumed(here: Path, capfd: pytest.CaptureFixture[str]) -> None:
    period = ("--trainer.checkpoint_steps", "3")
    assert train("own.py", *period, "--out", "run", at={8: signal.SIGKILL}) < 0
    assert train("own.py", "--out", "early", at={2: signal.SIGKILL}) < 0
    assert train("own.py", "--trainer.max_epochs", "1", "--out", "done") == 0
    last = Path("run/checkpoints/last.ckpt")
    good = last.read_bytes()
    before = {path: path.read_bytes() for path in here.rglob("*") if path.is_file()}

    def says(line: str, *words: str) -> None:
        capfd.readouterr()
        assert train(*words) == 2
        assert capfd.readouterr().err.splitlines()[-1].startswith(line), words
        last.write_bytes(good)
        assert {path: path.read_bytes() for path in here.rglob("*") if path in before} == before

    says("--resume: there is no folder none", "own.py", "--resume", "none")
    says("--resume: . is no run's folder; no run.json", "own.py", "--resume", ".")
    says("--resume: run is a run of own, not of digits", "digits", "--resume", "run")
    says("--resume: done is finished", "own.py", "--resume", "done")
    says("--resume: early has nothing to go on from", "own.py", "--resume", "early")
    says("--resume: optimizer.lr is 0.05 in run and cannot", "own.py", "--resume", "run", "--optimizer.lr", "0.1")
    says("--resume goes on with a run as it was begun; it takes no --out", "own.py", "--resume", "run", "--out", "x")
    resume = ("own.py", "--resume", "run")
    last.write_bytes(good[: len(good) // 2])
    says("run/checkpoints/last.ckpt: not readable as a checkpoint; it is truncated", *resume)
    torch.save({"state_dict": Malicious()}, last)
    says("run/checkpoints/last.ckpt: not a checkpoint, or one that holds more than tensors and numbers;", *resume)
    assert not Path("was-run").exists()
    torch.save({"state_dict": {}}, last)
    says("run/checkpoints/last.ckpt: not a checkpoint that a run can be resumed from", *resume)
    content = read_checkpoint(Path("run/checkpoints/last.ckpt"))
    for without in ("optimizer_states", "callbacks", "loops"):
        torch.save({key: value for key, value in content.items() if key != without}, last)
        says("run/checkpoints/last.ckpt: not a checkpoint that a run can be resumed from", *resume)
    content["optimizer_states"][0]["param_groups"].append({})
    torch.save(content, last)
    says("run/checkpoints/last.ckpt: not a checkpoint of this run: loaded state dict has a different number", *resume)
    assert train(*resume) == 0


class Malicious:
    def __reduce__(self) -> Any:
        return os.mkdir, ("was-run",)


@pytest.mark.slow
@pytest.mark.parametrize("name", sorted(recipes().keys() - {"mnist"}))  # whose rows are the user's
def test_the_same_seed_gives_the_same_bytes(name: str, here: Path) -> None:
    """That is: of two processes."""
    found = []
    for run in ("first", "second"):
        assert train(name, "--fast", "--out", run) == 0
        found.append({p.name: p.read_bytes() for p in Path(run).rglob("*") if p.suffix in (".csv", ".json", ".yaml")})
    assert found[0] == found[1]


@pytest.mark.slow
def test_splits_go_on_where_they_were(here: Path) -> None:
    words = ("own.py", "--splits", "3", "--trainer.max_epochs", "1", "--trainer.checkpoint_steps", "3")
    assert train(*words, "--out", "whole") == 0
    assert train(*words, "--out", "run", at={5: signal.SIGKILL}) < 0
    assert train("own.py", "--resume", "run") == 0
    for name in ("metrics.json", "split-0/metrics.json", "split-2/metrics.csv", "run.json"):
        assert Path("run", name).read_bytes() == Path("whole", name).read_bytes()


# What each case runs: recipes with one network and with several, and the one with everything random.
CASES = [
    ("digits", "--fast", "--engine", "tape"),
    ("breast_cancer", "--fast"),
    ("diabetes", "--fast"),
    ("own.py", "--workers", "2"),
    ("own.py", "--twice", "true", "--engine", "tape"),
]


@pytest.mark.slow
@pytest.mark.parametrize("words", CASES, ids=" ".join)
def test_twenty_kills(words: tuple[str, ...], here: Path) -> None:
    """In all a hundred, each at a random step, some of them again after the run was resumed."""
    words = (*words, "--trainer.checkpoint_steps", "3")
    assert train(*words, "--out", "whole") == 0
    expected = outcome(Path("whole"))
    steps = max(steps_of(path.parent) for path in Path("whole").rglob("metrics.csv"))
    rng = random.Random(0)
    kills = 0
    while kills < 20:
        shutil.rmtree("run", ignore_errors=True)
        step = rng.randrange(4, steps)
        assert train(*words, "--out", "run", at={step: signal.SIGKILL}) == -signal.SIGKILL
        kills += 1
        if step < steps - 4 and kills % 4 == 0:
            later = rng.randrange(step + 1, steps)
            assert train(words[0], "--resume", "run", at={later: signal.SIGKILL}) == -signal.SIGKILL
            kills += 1
        assert train(words[0], "--resume", "run") == 0
        assert outcome(Path("run")) == expected, (step, kills)


@pytest.mark.slow
@pytest.mark.parametrize("words", CASES[:2], ids=" ".join)
def test_twenty_five_kills_while_saving(words: tuple[str, ...], here: Path) -> None:
    words = (*words, "--trainer.checkpoint_steps", "3")
    assert train(*words, "--out", "whole") == 0
    expected = outcome(Path("whole"))
    steps = steps_of(Path("whole"))
    for kill in range(25):
        shutil.rmtree("run", ignore_errors=True)
        assert train(*words, "--out", "run", saving=1 + kill % (steps // 3)) == -signal.SIGKILL
        for path in Path("run", "checkpoints").glob("*.ckpt"):
            read_checkpoint(path)
        if Path("run/checkpoints/last.ckpt").exists():
            assert train(words[0], "--resume", "run") == 0
            assert outcome(Path("run")) == expected
        else:
            assert train(words[0], "--resume", "run") == 2
