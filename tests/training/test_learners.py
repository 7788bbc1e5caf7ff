"""Classifier and Regressor: the training step by any engine, metrics over whole splits, and what is refused."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any, get_args

import numpy as np
import pytest
import torch
from lightning.pytorch import LightningDataModule, Trainer
from lightning.pytorch.callbacks import Callback
from lightning.pytorch.cli import LightningCLI
from lightning.pytorch.plugins.precision import MixedPrecision
from torch import Tensor
from torchmetrics import Metric

from manualgrad import nn, training
from manualgrad.training import data as data_file
from manualgrad.training.learners import Engine
from tests.training.learners import KINDS, cosine, learner_of, momentum, network, ready

# What Lightning 2.6 says about a class of torch 2.13's; `fit` keeps it from its users.
pytestmark = pytest.mark.filterwarnings("ignore:.*LeafSpec:FutureWarning")  # between Lightning 2.6 and torch 2.13


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


@pytest.mark.parametrize("kind", KINDS)
def test_all_engines_and_a_plain_loop_give_the_same_run(kind: str, lightning: Callable[..., Trainer]) -> None:
    runs = []
    for engine in get_args(Engine):
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
        ({"classes": 2, "engine": "hand"}, "engine must be 'autograd', 'tape' or 'playback', got 'hand'"),
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
    def trainer(processes: int, precision: object = None, accumulate: int = 1) -> SimpleNamespace:
        return SimpleNamespace(world_size=processes, precision_plugin=precision, accumulate_grad_batches=accumulate)

    cases: list[tuple[Engine, SimpleNamespace, str]] = [
        ("tape", trainer(2), "engine='tape' trains on one device"),
        ("tape", trainer(1, SimpleNamespace(scaler=object())), "use 'bf16-mixed'"),
        ("playback", trainer(2), "engine='playback' trains on one device"),
        ("playback", trainer(1, MixedPrecision("bf16-mixed", "cpu")), "plays nothing under autocast"),
        ("playback", trainer(1, accumulate=4), "replaces gradients, it does not accumulate them; use the tape"),
    ]
    for engine, given, says in cases:
        learner, _ = learner_of("digits", engine)
        monkeypatch.setattr(training.Learner, "trainer", given)
        with pytest.raises(ValueError, match=says):
            learner.on_fit_start()


def test_a_playback_refuses_another_loss_than_it_played(lightning: Callable[..., Trainer]) -> None:
    class Halved(training.Classifier):
        def training_step(self, *arguments: Any) -> Tensor:
            return super().training_step(*arguments) / 2

    data = ready(training.Digits(batch_size=200))
    learner = Halved(network(64, 10), nn.CrossEntropyLoss(), momentum, classes=10, engine="playback")
    with pytest.raises(ValueError, match="has the gradients of `objective` only; use the tape to change its loss"):
        lightning(max_epochs=1).fit(learner, data)


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
