"""fit: what it leaves, from where it starts, what it shows, and the settings of optimizer and precision."""

from __future__ import annotations

import csv
import io
import json
import sys
from pathlib import Path
from typing import Any, ClassVar, get_args, get_type_hints

import pytest
import rich
import torch

from manualgrad import nn, training
from manualgrad.training.learners import Engine
from manualgrad.training.loading import Batches
from tests.training.learners import learner_of, network, ready

# What Lightning 2.6 says about a class of torch 2.13's; `fit` keeps it from its users.
pytestmark = pytest.mark.filterwarnings("ignore:.*LeafSpec:FutureWarning")  # between Lightning 2.6 and torch 2.13


def silent(line: str) -> None:
    pass


class Watched(training.Digits):
    """Digits that write down which part is asked for."""

    asked: ClassVar[list[str]] = []

    def _batches(self, part: str, batch_size: int, seed: int | None = None) -> Batches:
        self.asked.append(part)
        return super()._batches(part, batch_size, seed)


def test_fit_leaves_the_best_epoch_and_its_figures(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    data = ready(Watched(batch_size=400))
    learner = training.Classifier(network(64, 10), nn.CrossEntropyLoss(), training.Optimizer(lr=0.5).build, classes=10)
    with training.Run("lesson", tmp_path / "run") as run:
        tested = training.fit(learner, data, training.Trainer(max_epochs=12), run)
    files = {path.name for path in run.folder.iterdir()}
    assert files == {"checkpoints", "metrics.csv", "metrics.json", "losses.png", "confusion.png"}
    assert [path.name for path in (run.folder / "checkpoints").iterdir()] == ["best.ckpt"]
    assert Watched.asked.count("test") == 1
    assert Watched.asked[-1] == "test"

    rows = list(csv.DictReader(io.StringIO((run.folder / "metrics.csv").read_text())))
    assert list(rows[0]) == ["epoch", "step", "train_loss", "val_loss", "val_accuracy"]
    assert [int(row["epoch"]) for row in rows] == list(range(1, 13))
    assert [int(row["step"]) for row in rows] == list(range(4, 52, 4))
    best = min(rows, key=lambda row: float(row["val_loss"]))
    assert best is not rows[-1]  # so that it matters which weights are kept
    found = json.loads((run.folder / "metrics.json").read_text())
    assert found == {
        "epoch": int(best["epoch"]),
        "val_loss": float(best["val_loss"]),
        "val_accuracy": float(best["val_accuracy"]),
        **tested,
    }
    for part, name in (("validation", "val"), ("test", "test")):
        x, y = data.parts[part]
        with torch.no_grad():
            assert float(learner.objective(learner(x), y)) == pytest.approx(found[f"{name}_loss"], rel=1e-5)
            assert float((learner(x).argmax(1) == y).double().mean()) == pytest.approx(found[f"{name}_accuracy"])

    said = capsys.readouterr().out.splitlines()
    assert said[0] == "1221 train, 216 validation, 360 test rows; 610 parameters; engine autograd"
    assert [line.split()[1] for line in said[1:-2]] == ["1/12", "2/12", "4/12", "6/12", "8/12", "10/12", "12/12"]
    assert said[-2].startswith(f"best epoch {best['epoch']}: val_loss ")
    assert said[-1].startswith("test: test_loss ")


def test_fit_starts_from_given_weights(tmp_path: Path) -> None:
    data = ready(training.Digits(batch_size=400))

    def fit(name: str, **keywords: Any) -> tuple[training.Learner, dict[str, float]]:
        learner = training.Classifier(
            nn.Linear(64, 10), nn.CrossEntropyLoss(), training.Optimizer(lr=1e-9).build, classes=10
        )
        with training.Run("lesson", tmp_path / name) as run:
            settings = training.Trainer(max_epochs=1, **keywords)
            return learner, training.fit(learner, data, settings, run, say=silent)

    first, tested = fit("first")
    weights = str(tmp_path / "first" / "checkpoints" / "best.ckpt")
    second, tested_again = fit("second", weights=weights)
    assert tested_again == pytest.approx(tested, rel=1e-4)
    torch.testing.assert_close(second.state_dict(), first.state_dict(), rtol=0, atol=1e-6)


def test_progress_is_a_bar_on_a_terminal(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    class Terminal(io.StringIO):
        def isatty(self) -> bool:
            return True

    screen = Terminal()
    rich.get_console()  # which, once there is one, does not look again whether it is on a terminal
    monkeypatch.setattr(sys, "stdout", screen)
    monkeypatch.setenv("TERM", "xterm")
    learner, data = learner_of("diabetes")
    with training.Run("lesson", tmp_path / "run") as run:
        training.fit(learner, data, training.Trainer(max_epochs=2), run)
    shown = screen.getvalue()
    assert "16/16" in shown
    assert "epoch 1/2" not in shown
    assert shown.endswith("\n")
    assert shown.count("\x1b[?25l") == shown.count("\x1b[?25h")  # the cursor that it hides is back


@pytest.mark.parametrize("name", get_args(get_type_hints(training.Optimizer)["name"]))
def test_every_optimizer_of_the_configuration(name: str) -> None:
    momentum = {"momentum": 0.5} if name in ("SGD", "RMSprop") else {}
    settings = training.Optimizer(name, lr=0.25, weight_decay=0.125, schedule="cosine", **momentum)  # type: ignore[arg-type]
    optimizer = settings.build(nn.Linear(2, 1).parameters())
    assert type(optimizer) is getattr(torch.optim, name)
    found = {key: optimizer.defaults[key] for key in ("lr", "weight_decay", *momentum)}
    assert found == {"lr": 0.25, "weight_decay": 0.125, **momentum}
    make = settings.scheduler(7)
    assert make is not None
    assert make(optimizer).T_max == 7
    assert training.Optimizer().scheduler(7) is None


@pytest.mark.parametrize("engine", ["autograd", "tape"])
def test_bfloat16(engine: Engine, tmp_path: Path) -> None:
    learner, data = learner_of("digits", engine)
    seen = []
    learner.network.register_forward_hook(lambda module, inputs, output: seen.append(output.dtype))
    with training.Run("lesson", tmp_path / "run") as run:
        settings = training.Trainer(max_epochs=3, precision="bf16-mixed")
        tested = training.fit(learner, data, settings, run, say=silent)
    assert set(seen) == {torch.bfloat16}
    assert {p.dtype for p in learner.parameters()} == {torch.float32}
    assert tested["test_accuracy"] > 0.7
