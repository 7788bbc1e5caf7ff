"""Data, learners, run folders, checkpoints and twins: what training is made of."""

from __future__ import annotations

import csv
import io
import json
import os
import pickle
import sys
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any, ClassVar, Literal, get_args, get_type_hints

import numpy as np
import pytest
import torch
from lightning.pytorch import LightningDataModule, Trainer
from lightning.pytorch.callbacks import Callback
from lightning.pytorch.cli import LightningCLI
from sklearn.datasets import load_breast_cancer, load_diabetes, load_digits
from sklearn.model_selection import train_test_split
from torch import Tensor
from torch import nn as torch_nn
from torchmetrics import Metric

from manualgrad import nn, training
from manualgrad.formulas.linear import LinearFunction
from manualgrad.training import data as data_file
from manualgrad.training.checkpoints import read_checkpoint
from manualgrad.training.files import DataError, read_table
from manualgrad.training.loading import Batches

TABLES = [training.BreastCancer, training.Digits, training.Diabetes]
LOADERS = {"BreastCancer": load_breast_cancer, "Digits": load_digits, "Diabetes": load_diabetes}
Engine = Literal["autograd", "tape"]


def ready(table: training.Table) -> training.Table:
    table.setup()
    return table


def silent(line: str) -> None:
    pass


# -------------------------------------------------------------------------------------------------------------- data


def test_batches_cover_all_rows_in_an_order_of_seed_and_epoch() -> None:
    rows = torch.arange(23)

    def order(seed: int | None, epoch: int) -> list[int]:
        batches = Batches((rows, rows * 10), batch_size=5, seed=seed)
        batches.set_epoch(epoch)
        drawn = list(batches)
        assert [len(x) for x, _ in drawn] == [5, 5, 5, 5, 3]
        assert len(batches) == len(drawn)
        assert all(torch.equal(y, x * 10) for x, y in drawn)
        return torch.cat([x for x, _ in drawn]).tolist()

    assert order(None, 7) == rows.tolist()
    assert sorted(order(1, 0)) == rows.tolist()
    assert order(1, 0) == order(1, 0)
    assert len({tuple(order(seed, epoch)) for seed in range(3) for epoch in range(3)}) == 9


@pytest.mark.parametrize("kind", TABLES)
@pytest.mark.parametrize("split", [0, 3])
def test_the_parts_of_a_table(kind: type[training.Table], split: int) -> None:
    table = ready(kind(split=split, validation=0.15))
    x, y = LOADERS[kind.__name__](return_X_y=True)
    classes = y if table.kind == "classes" else None
    rest, test, rest_y, test_y = train_test_split(x, y, test_size=0.2, stratify=classes, random_state=split)
    stratify = rest_y if table.kind == "classes" else None
    train, validation = train_test_split(rest, test_size=0.15, stratify=stratify, random_state=split)
    axis = None if kind is training.Digits else 0
    centre, scale = train.mean(axis), train.std(axis)
    for name, rows in (("train", train), ("validation", validation), ("test", test)):
        inputs = table.parts[name][0]
        assert inputs.dtype == torch.float32
        np.testing.assert_allclose(inputs.numpy(), (rows - centre) / scale, rtol=1e-5, atol=1e-6)
    targets = table.parts["test"][1]
    assert targets.dtype == (torch.int64 if table.kind == "classes" else torch.float32)
    np.testing.assert_array_equal(targets.numpy(), test_y)
    assert len(table.columns) == x.shape[1]
    if table.kind == "classes":
        assert len(table.class_names) == y.max() + 1
        for _, part in table.parts.values():
            share = np.bincount(part.numpy(), minlength=len(table.class_names)) / len(part)
            np.testing.assert_allclose(share, np.bincount(y) / len(y), atol=0.015)


def test_a_constant_column_is_not_divided_by_zero(tmp_path: Path) -> None:
    lines = ["a,b,y", *(f"{k},5,{k % 2}" for k in range(40))]
    table = ready(training.Table(write(tmp_path, "\n".join(lines))))
    assert all(torch.isfinite(x).all() and not x[:, 1].any() for x, _ in table.parts.values())


def write(folder: Path, text: str | bytes) -> str:
    path = folder / "table.csv"
    path.write_bytes(text.encode() if isinstance(text, str) else text)
    return str(path)


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("a,b\n1,2\n3,nan\n", ": line 3, column b: nan is not a finite number"),
        ("a,b\n1,2\ninf,1\n", ": line 3, column a: inf is not a finite number"),
        ("a,b\n1,2\n\n3,\n", ": line 4, column b: no value"),
        ("a,b\n1,many\n", ": line 2, column b: 'many' is not a number"),
        ("a,b\n1,2\n1,2,3\n", ": line 3: 3 values, but the header names 2 columns"),
        ("a,b\n1\n", ": line 2: 1 values, but the header names 2 columns"),
        ("1,2\n3,4\n", ": line 1 must name the columns, it holds numbers"),
        ("a,b\n", ": there are no rows below the header"),
        ("", ": the header must name at least one input column and, last, the target"),
        ("a\n1\n", ": the header must name at least one input column and, last, the target"),
        (b"\xff\xfe\x00\x01", ": not a CSV file: "),
        ('a,b\n"1,2\n', ": not a CSV file: "),
    ],
)
def test_a_file_that_is_no_table(tmp_path: Path, text: str | bytes, says: str) -> None:
    path = write(tmp_path, text)
    with pytest.raises(DataError) as caught:
        read_table(path)
    assert str(caught.value).startswith(path + says)


def test_a_file_that_cannot_be_read(tmp_path: Path) -> None:
    for path, says in ((tmp_path / "none.csv", "No such file"), (tmp_path, "Is a directory")):
        with pytest.raises(DataError, match=says):
            read_table(path)


@pytest.mark.parametrize(
    ("targets", "says"),
    [
        ([1, 2], "column y must hold class numbers, all of 0, 1, ... .at least two.; it holds 1, 2"),
        ([0, 2], "it holds 0, 2"),
        ([0, 0.5], "it holds 0, 0.5"),
        ([0], "it holds 0"),
        (range(1, 12), "it holds 1, 2, 3, 4, 5, 6, 7, 8, ..."),
        ([0, 1, *[2] * 40], "cannot be split: The least populated class"),
    ],
)
def test_targets_that_are_no_classes(tmp_path: Path, targets: Any, says: str) -> None:
    targets = list(targets) * (2 if max(targets) < 2 and 0.5 not in targets else 1)
    path = write(tmp_path, "x,y\n" + "".join(f"{k},{t}\n" for k, t in enumerate(targets)))
    with pytest.raises(DataError, match=says):
        ready(training.Table(path))
    if "split" not in says:
        values = training.Table(write(tmp_path, "x,y\n" + "".join(f"{k},{t}\n" for k, t in enumerate([*targets] * 5))))
        values.kind = "values"
        assert ready(values).class_names == []


def test_a_table_without_a_file() -> None:
    with pytest.raises(DataError, match="Table has no embedded table: give it a file"):
        ready(training.Table())


# ---------------------------------------------------------------------------------------------------------- learners


class Follow(Callback):
    """The loss of each step, and the learning rate at the start of each epoch."""

    def __init__(self) -> None:
        self.losses: list[float] = []
        self.rates: list[float] = []

    def on_train_epoch_start(self, trainer: Any, learner: Any) -> None:
        self.rates.append(trainer.optimizers[0].param_groups[0]["lr"])

    def on_train_batch_end(self, trainer: Any, learner: Any, outputs: Any, *_: Any) -> None:
        self.losses.append(float(outputs["loss"]))


@pytest.fixture
def lightning(tmp_path: Path) -> Callable[..., Trainer]:
    """A Trainer that leaves nothing behind and says nothing."""

    def make(**keywords: Any) -> Trainer:
        quiet = dict.fromkeys(("logger", "enable_progress_bar", "enable_model_summary"), False)
        return Trainer(
            accelerator="cpu", enable_checkpointing=False, default_root_dir=tmp_path, **{**quiet, **keywords}
        )

    return make


# What Lightning 2.6 says about a class of torch 2.13's; `fit` keeps it from its users.
pytestmark = pytest.mark.filterwarnings("ignore:.*LeafSpec:FutureWarning")


def network(inputs: int, outputs: int, *last: torch_nn.Module) -> nn.Sequential:
    torch.manual_seed(0)
    return nn.Sequential(nn.Linear(inputs, 8), nn.ReLU(), nn.Linear(8, outputs), *last)


def cosine(optimizer: torch.optim.Optimizer) -> Any:
    return torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, T_max=3)


def momentum(parameters: Any) -> torch.optim.Optimizer:
    return torch.optim.SGD(parameters, lr=0.05, momentum=0.9)


def learner_of(kind: str, engine: Engine = "autograd") -> tuple[training.Learner, training.Table]:
    keywords: Any = {"optimizer": momentum, "scheduler": cosine, "engine": engine}
    if kind == "digits":
        data = ready(training.Digits(batch_size=100))
        return training.Classifier(network(64, 10), nn.CrossEntropyLoss(), classes=10, **keywords), data
    if kind == "log-probabilities":
        data = ready(training.Digits(batch_size=100))
        log_softmax = network(64, 10, nn.LogSoftmax(dim=1))
        return training.Classifier(log_softmax, nn.NLLLoss(), classes=10, **keywords), data
    if kind == "diabetes":
        data = ready(training.Diabetes(batch_size=40))
        keywords |= {"centre": data.target_centre, "scale": data.target_scale}
        return training.Regressor(network(10, 1), nn.MSELoss(), **keywords), data
    data = ready(training.BreastCancer(batch_size=50))
    if kind == "logit":
        return training.Classifier(network(30, 1), nn.BCEWithLogitsLoss(), classes=2, **keywords), data
    if kind == "flat logit":
        flat = network(30, 1, nn.Flatten(0))
        return training.Classifier(flat, nn.BCEWithLogitsLoss(), classes=2, **keywords), data
    if kind == "probability":
        sigmoid = network(30, 1, nn.Sigmoid())
        return training.Classifier(sigmoid, nn.BCELoss(), classes=2, output="probability", **keywords), data
    assert kind == "two scores"
    return training.Classifier(network(30, 2), nn.CrossEntropyLoss(), classes=2, **keywords), data


KINDS = ["digits", "log-probabilities", "logit", "flat logit", "probability", "two scores", "diabetes"]


@pytest.mark.parametrize("kind", KINDS)
def test_both_engines_and_a_plain_loop_give_the_same_run(kind: str, lightning: Callable[..., Trainer]) -> None:
    runs = []
    engines: tuple[Engine, ...] = ("autograd", "tape")
    for engine in engines:
        learner, data = learner_of(kind, engine)
        follow = Follow()
        trainer = lightning(max_epochs=3, callbacks=[follow], precision="64-true")
        trainer.fit(learner, data)
        assert trainer.global_step == len(follow.losses) == 3 * len(data.train_dataloader())
        runs.append((follow, learner, {name: float(value) for name, value in trainer.callback_metrics.items()}))
    learner, data = learner_of(kind)
    losses = plain_loop(learner.double(), data, epochs=3)
    for follow, trained, metrics in runs:
        np.testing.assert_allclose(follow.losses, losses, rtol=1e-12)
        np.testing.assert_allclose(follow.rates, [0.05, 0.0375, 0.0125], rtol=1e-12)
        for p, q in zip(trained.parameters(), learner.parameters(), strict=True):
            torch.testing.assert_close(p, q, rtol=0, atol=1e-12)
        assert metrics == pytest.approx(runs[0][2], rel=1e-12)
    assert losses[-1] < losses[0]


def plain_loop(learner: training.Learner, data: training.Table, epochs: int) -> list[float]:
    """What Lightning is to do, without Lightning and without our modules' gradients."""
    optimizer = momentum(learner.network.parameters())
    scheduler = cosine(optimizer)
    batches, losses = data.train_dataloader(), []
    for epoch in range(epochs):
        batches.set_epoch(epoch)
        for x, y in batches:
            output = learner.network(x.double())
            loss = learner.objective(output, y.double() if y.is_floating_point() else y)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            losses.append(loss.item())
        scheduler.step()
    return losses


@pytest.mark.parametrize("kind", KINDS)
def test_metrics_are_those_of_the_whole_split(
    kind: str, lightning: Callable[..., Trainer], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(data_file, "EVALUATED_AT_ONCE", 7)  # many batches, the last one smaller
    learner, data = learner_of(kind)
    learner, trainer = learner.double(), lightning(precision="64-true")
    plain_loop(learner, data, epochs=1)
    for part, run, prefix in (("validation", trainer.validate, "val"), ("test", trainer.test, "test")):
        [found] = run(learner, data, verbose=False)
        x, y = data.parts[part]
        with torch.no_grad():
            output = learner.network(x.double())
            expected = {"loss": float(learner.objective(output, y.double() if y.is_floating_point() else y))}
        if kind == "diabetes":
            predicted = output.flatten() * learner.scale + learner.centre
            error = (predicted - y).square().sum() / (y - y.mean()).square().sum()
            expected |= {"r2": 1 - float(error), "mae": float((predicted - y).abs().mean())}
        else:
            one = output.flatten() > (0.5 if kind == "probability" else 0)
            predicted = one.long() if "logit" in kind or kind == "probability" else output.argmax(1)
            expected |= {"accuracy": float((predicted == y).double().mean())}
        assert found == pytest.approx({f"{prefix}_{name}": value for name, value in expected.items()}, rel=1e-6)


def test_metrics_are_logged_as_metric_objects_and_losses_as_their_means(
    lightning: Callable[..., Trainer], monkeypatch: pytest.MonkeyPatch
) -> None:
    logged = {}
    log = training.Learner.log

    def watched(self: Any, name: str, value: Any, *rest: Any, **keywords: Any) -> None:
        logged[name] = value
        log(self, name, value, *rest, **keywords)

    monkeypatch.setattr(training.Learner, "log", watched)
    learner, data = learner_of("digits")
    follow = Follow()
    trainer = lightning(max_epochs=2, callbacks=[follow])
    trainer.fit(learner, data)
    assert set(logged) == {"train_loss", "val_loss", "val_accuracy"}
    assert {name for name, value in logged.items() if isinstance(value, Metric)} == {"val_accuracy"}
    sizes = [len(x) for x, _ in data.train_dataloader()]
    expected = np.average(follow.losses[len(sizes) :], weights=sizes)
    assert float(trainer.callback_metrics["train_loss"]) == pytest.approx(expected, rel=1e-5)


def test_metrics_of_ones_own(lightning: Callable[..., Trainer]) -> None:
    from torchmetrics.classification import MulticlassRecall

    data = ready(training.BreastCancer())
    recall = MulticlassRecall(2, average="macro")
    learner = training.Classifier(network(30, 1), nn.BCEWithLogitsLoss(), classes=2, metrics={"recall": recall})
    [found] = lightning().test(learner, data, verbose=False)
    assert set(found) == {"test_loss", "test_recall"}


def test_predictions_come_out_of_lightning(lightning: Callable[..., Trainer]) -> None:
    learner, data = learner_of("digits")
    predicted: Any = lightning().predict(learner, data.test_dataloader())
    assert torch.equal(predicted[0], learner(data.parts["test"][0]).argmax(1))


@pytest.mark.parametrize("engine", ["autograd", "tape"])
def test_a_loss_that_is_no_number_stops_the_run(engine: Engine, lightning: Callable[..., Trainer]) -> None:
    data = ready(training.Digits(batch_size=200))  # 7 steps an epoch
    weights: list[Tensor] = []

    def loss(output: Tensor, target: Tensor) -> Tensor:
        weights.append(first.weight.detach().clone())
        value = nn.functional.cross_entropy(output, target)
        return value * float("nan") if len(weights) == 11 else value

    layers = network(64, 10)
    first: Any = layers[0]
    learner = training.Classifier(layers, loss, momentum, classes=10, engine=engine)
    with pytest.raises(training.NonFiniteLoss, match=r"^the training loss is nan after 9 steps \(epoch 2\); a lower"):
        lightning(max_epochs=3, num_sanity_val_steps=0).fit(learner, data)  # the validation after epoch 1 counts, too
    assert torch.equal(first.weight, weights[-1])


def test_a_validation_loss_that_is_no_number_stops_the_run(lightning: Callable[..., Trainer]) -> None:
    learner, data = learner_of("digits")
    data.parts["validation"][0][3, 5] = float("inf")
    with pytest.raises(training.NonFiniteLoss, match=r"^the validation loss is nan after 13 steps"):
        lightning(max_epochs=3, num_sanity_val_steps=0).fit(learner, data)


def test_what_a_learner_refuses() -> None:
    one = network(4, 1)
    for keywords, says in (
        ({"classes": 1}, "classes must be at least 2, got 1"),
        ({"classes": 2, "output": "logits"}, "output must be 'scores' or 'probability', got 'logits'"),
        ({"classes": 2, "engine": "hand"}, "engine must be 'autograd' or 'tape', got 'hand'"),
    ):
        with pytest.raises(ValueError, match=says):
            training.Classifier(one, nn.BCEWithLogitsLoss(), **keywords)
    with pytest.raises(ValueError, match="scale must be positive, got 0"):
        training.Regressor(one, nn.MSELoss(), scale=0.0)
    target = torch.zeros(5, dtype=torch.int64)
    binary = training.Classifier(one, nn.BCEWithLogitsLoss(), classes=2)
    with pytest.raises(ValueError, match=r"output has shape \(5, 3\); 2 classes need \(rows, 2\), \(rows, 1\) or"):
        binary.objective(torch.zeros(5, 3), target)
    many = training.Classifier(one, nn.CrossEntropyLoss(), classes=4)
    with pytest.raises(ValueError, match=r"output has shape \(5, 1\); 4 classes need \(rows, 4\)"):
        many.prediction(torch.zeros(5, 1))
    with pytest.raises(ValueError, match=r"output has shape \(5, 2\); 5 rows need one number each"):
        training.Regressor(one, nn.MSELoss()).objective(torch.zeros(5, 2), target.float())


def test_the_tape_refuses_what_it_would_do_wrongly(monkeypatch: pytest.MonkeyPatch) -> None:
    learner, _ = learner_of("digits", "tape")
    for trainer, says in (
        (SimpleNamespace(world_size=2), "engine='tape' trains on one device"),
        (SimpleNamespace(world_size=1, precision_plugin=SimpleNamespace(scaler=object())), "use 'bf16-mixed'"),
    ):
        monkeypatch.setattr(training.Learner, "trainer", trainer)
        with pytest.raises(ValueError, match=says):
            learner.on_fit_start()


@pytest.mark.filterwarnings("ignore::DeprecationWarning")  # Lightning 2.6 uses what jsonargparse 4.53 deprecates
def test_under_lightning_cli(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "argv", ["train.py"])
    words = [
        "--model.network=torch.nn.Linear",
        "--model.network.in_features=64",
        "--model.network.out_features=10",
        "--model.loss=manualgrad.nn.CrossEntropyLoss",
        "--model.optimizer=torch.optim.AdamW",
        "--model.optimizer.lr=0.01",
        "--model.classes=10",
        "--model.engine=tape",
        "--data.batch_size=64",
        f"--trainer.default_root_dir={tmp_path}",
        "--trainer.accelerator=cpu",
        "--trainer.logger=false",
    ]
    cli = LightningCLI(training.Classifier, training.Digits, run=False, args=words, seed_everything_default=0)
    assert isinstance(cli.datamodule, LightningDataModule)
    assert cli.model.engine == "tape"
    optimizer = cli.model.configure_optimizers()
    assert isinstance(optimizer, torch.optim.AdamW)
    assert optimizer.defaults["lr"] == 0.01


# --------------------------------------------------------------------------------------------------------------- fit


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


# ------------------------------------------------------------------------------------------------------- run folders


def test_runs_are_numbered(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    folders = []
    for _ in range(3):
        with training.Run("lesson") as run:
            run.write("a.txt", "a")
            folders.append(run.folder)
    assert [str(f) for f in folders] == ["runs/lesson/1", "runs/lesson/2", "runs/lesson/3"]
    (tmp_path / "runs/lesson/7").mkdir()
    (tmp_path / "runs/lesson/notes").mkdir()
    with training.Run("lesson") as run:
        assert run.folder.name == "8"


def interrupted(folder: Path | None) -> None:
    with training.Run("lesson", folder) as run:
        run.write("a.txt", "a")
        with run.inside("part") as part:
            part.write("b.txt", "b")
        raise KeyboardInterrupt


def test_a_failed_run_leaves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "empty").mkdir()
    for folder in (None, Path("deep/er/here"), Path("empty")):
        with pytest.raises(KeyboardInterrupt):
            interrupted(folder)
    assert [path.name for path in tmp_path.rglob("*")] == ["empty"]


def test_no_earlier_run_is_overwritten(tmp_path: Path) -> None:
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "a.txt").write_text("a")
    (tmp_path / "file").write_text("b")
    for folder in ("full", "file", "file/below"):
        with pytest.raises(OSError, match=folder), training.Run("lesson", tmp_path / folder):
            pytest.fail("it was entered")
    assert sorted(path.name for path in tmp_path.rglob("*")) == ["a.txt", "file", "full"]
    assert (tmp_path / "full" / "a.txt").read_text() == "a"


def test_a_file_is_written_whole_or_not_at_all(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with training.Run("lesson", tmp_path / "run") as run:
        run.write("a.txt", "old")

        def fail(*_: Any) -> None:
            raise OSError(28, "No space left on device")

        monkeypatch.setattr(os, "replace", fail)
        with pytest.raises(OSError, match="No space left"):
            run.write("a.txt", "new")
        assert [path.name for path in run.folder.iterdir()] == ["a.txt"]
        assert (run.folder / "a.txt").read_text() == "old"


# ------------------------------------------------------------------------------------------------------- checkpoints


@pytest.fixture
def checkpoint(tmp_path: Path) -> Path:
    path = tmp_path / "good.ckpt"
    torch.save({"state_dict": network(4, 2).state_dict()}, path)
    return path


def test_weights_come_back(checkpoint: Path) -> None:
    fresh = nn.Sequential(nn.Linear(4, 8), nn.ReLU(), nn.Linear(8, 2))
    training.load_weights(fresh, checkpoint)
    for name, value in network(4, 2).state_dict().items():
        assert torch.equal(fresh.state_dict()[name], value)


def test_a_truncated_checkpoint(checkpoint: Path) -> None:
    whole = checkpoint.read_bytes()
    for length in {*range(0, len(whole) - 1, 97), 1, 2, 3, len(whole) - 1}:
        checkpoint.write_bytes(whole[:length])
        with pytest.raises(training.CheckpointError) as caught:
            read_checkpoint(checkpoint)
        assert str(caught.value).startswith(f"{checkpoint}: not ")
        assert "\n" not in str(caught.value)


class Malicious:
    def __reduce__(self) -> Any:
        return os.mkdir, ("was-run",)


def test_a_malicious_checkpoint_is_not_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    torch.save({"state_dict": Malicious()}, "zip.ckpt")
    Path("pickle.ckpt").write_bytes(pickle.dumps({"state_dict": Malicious()}))
    for name in ("zip.ckpt", "pickle.ckpt"):
        with pytest.raises(training.CheckpointError, match="nothing in it was run"):
            read_checkpoint(name)
    assert not Path("was-run").exists()


def test_a_foreign_checkpoint(tmp_path: Path, checkpoint: Path) -> None:
    own = network(4, 2)
    before = {name: value.clone() for name, value in own.state_dict().items()}
    path = tmp_path / "other.ckpt"

    def refused(content: Any, says: str) -> None:
        torch.save(content, path)
        with pytest.raises(training.CheckpointError, match=says):
            training.load_weights(own, path)

    refused([1, 2], "holds no state_dict")
    refused({"weights": {}}, "holds no state_dict")
    refused({"state_dict": network(4, 2, nn.Linear(2, 2)).state_dict()}, "another network; this network has no 3.bias")
    refused({"state_dict": nn.Linear(4, 8).state_dict()}, "another network; the checkpoint has no 0.bias")
    refused({"state_dict": network(5, 2).state_dict()}, r"another network; 0.weight is \(8, 5\), here \(8, 4\)")
    refused({"state_dict": {**own.state_dict(), "0.bias": 3}}, r"another network; 0.bias is int, here \(8,\)")
    assert all(torch.equal(own.state_dict()[name], value) for name, value in before.items())
    with pytest.raises(training.CheckpointError, match="there is no such checkpoint"):
        read_checkpoint(tmp_path / "none.ckpt")
    with pytest.raises(training.CheckpointError, match="a folder, not a checkpoint"):
        read_checkpoint(tmp_path)
    path.write_text("some text")
    with pytest.raises(training.CheckpointError, match="it is truncated, damaged or something else"):
        read_checkpoint(path)


# ------------------------------------------------------------------------------------------------------------- twins


def twins_of(kind: str, engine: Engine, precision: Any, folder: Path) -> training.Twins:
    learner, data = learner_of(kind, engine)
    epochs = -(-100 // len(data.train_dataloader()))
    with training.Run("twins", folder) as run:
        return training.train_twins(learner, data, training.Trainer(max_epochs=epochs, precision=precision), run)


@pytest.mark.parametrize(
    ("kind", "engine", "precision", "limit"),
    [
        ("digits", "autograd", "64-true", 1e-12),
        ("digits", "tape", "32-true", 1e-5),
        ("probability", "tape", "64-true", 1e-12),
        ("diabetes", "autograd", "32-true", 1e-5),
    ],
)
def test_twins_agree(kind: str, engine: Engine, precision: Any, limit: float, tmp_path: Path) -> None:
    twins = twins_of(kind, engine, precision, tmp_path / "run")
    assert len(twins.difference) == 100
    assert max(twins.difference) <= limit
    np.testing.assert_allclose(twins.ours.losses, twins.theirs.losses, rtol=1e-5)
    assert twins.ours.losses[-1] < twins.ours.losses[0]
    assert not torch.equal(twins.ours.parameters[0], twins.ours.parameters[-1])
    assert twins.ours.tested == pytest.approx(twins.theirs.tested, rel=1e-4)
    assert {path.name for path in (tmp_path / "run").iterdir()} == {"ours", "torch", "twins.png"}


def test_twins_of_a_wrong_formula_do_not_agree(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    right = LinearFunction.backward

    def wrong(ctx: Any, dy: Tensor) -> Any:
        return tuple(None if dx is None else dx * 1.01 for dx in right(ctx, dy))

    monkeypatch.setattr(LinearFunction, "backward", staticmethod(wrong))
    twins = twins_of("digits", "tape", "64-true", tmp_path / "run")
    assert twins.difference[0] > 1e-6
    assert twins.difference[-1] > 1e-4


# ----------------------------------------------------------------------------------------------------- configuration


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
