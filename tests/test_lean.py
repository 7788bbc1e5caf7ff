"""Lightning's loop and the lean one are the same loop: same hooks, counters, logged values and weights."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any, get_args

import lightning
import pytest
import torch
from lightning.pytorch import Trainer
from lightning.pytorch.callbacks import Callback
from lightning.pytorch.loggers import CSVLogger
from torch import Tensor

from manualgrad import nn, training
from manualgrad.training.lean import TRIED, EpochCallback, lean
from manualgrad.training.lean_loop import HOOKS, LeanEpochLoop
from manualgrad.training.learners import Engine

pytestmark = pytest.mark.filterwarnings("ignore:.*LeafSpec:FutureWarning")  # between Lightning 2.6 and torch 2.13


def as_it_came(trainer: Trainer) -> Trainer:
    return trainer


class Witness(Callback):
    """Writes down each hook of a step with its arguments, and where the loops are; logs a number of its own."""

    def __init__(self, stop_at: int | None = None) -> None:
        self.seen: list[Any] = []
        self.stop_at = stop_at


def _witness(hook: str) -> Callable[..., None]:
    def seen(self: Witness, trainer: Any, learner: Any, *arguments: Any) -> None:
        told = [plain(argument) for argument in arguments]
        gradients = [plain(p.grad) for p in learner.parameters()]
        metrics = {name: float(value) for name, value in trainer.callback_metrics.items()}
        places = trainer.global_step, trainer.is_last_batch, trainer.fit_loop.state_dict()
        self.seen.append((hook, told, gradients, metrics, repr(places)))
        if hook != "on_train_batch_end":
            learner.log(f"number/{hook}", float(len(self.seen)), on_step=hook == HOOKS[0], on_epoch=True)
        elif trainer.global_step == self.stop_at:
            trainer.should_stop = True

    return seen


for name in HOOKS:
    setattr(Witness, name, _witness(name))


def plain(value: Any) -> Any:
    if isinstance(value, Tensor):
        return value.tolist()
    if isinstance(value, dict):
        return {key: plain(v) for key, v in value.items()}
    if isinstance(value, (list, tuple)):
        return [plain(v) for v in value]
    return value if value is None or isinstance(value, (int, float)) else type(value).__name__


class Steps(EpochCallback):
    """The epochs with steps of the lean loop's own."""

    def __init__(self, patch: pytest.MonkeyPatch) -> None:
        self.lean: list[int] = []
        steps = LeanEpochLoop._steps

        def counted(loop: LeanEpochLoop, fetcher: Any) -> None:
            self.lean.append(loop.trainer.current_epoch)
            steps(loop, fetcher)

        patch.setattr(LeanEpochLoop, "_steps", counted)


class Learner(training.Classifier):
    """One that logs something in each step, except for a playback, which refuses that."""

    def objective(self, output: Tensor, target: Tensor) -> Tensor:
        loss = super().objective(output, target)
        if self.training and self.engine != "playback":
            self.log("largest", output.detach().abs().max(), on_step=True, on_epoch=True)
        return loss


class Hooked(Learner):
    def on_train_batch_end(self, *_: Any) -> None:
        pass


class Halved(Learner):
    def training_step(self, *arguments: Any) -> Tensor:
        return super().training_step(*arguments) / 2


class Transferred(training.Digits):
    def on_after_batch_transfer(self, batch: Any, dataloader_idx: int) -> Any:
        return batch[0] / 2, batch[1]


def by_steps(optimizer: Any) -> Any:
    return torch.optim.lr_scheduler.StepLR(optimizer, step_size=1, gamma=0.5)


class Scheduled(Learner):
    def configure_optimizers(self) -> Any:
        found = super().configure_optimizers()
        return {**found, "lr_scheduler": {"scheduler": found["lr_scheduler"], "interval": "step"}}


Result = tuple[Trainer, training.Learner, str]


def train(
    folder: Path,
    loop: Callable[[Trainer], Trainer],
    *callbacks: Callback,
    engine: Engine = "autograd",
    kind: type[training.Classifier] = Learner,
    table: type[training.Table] = training.Digits,
    **settings: Any,
) -> Result:
    torch.manual_seed(0)
    network = nn.Sequential(nn.Linear(64, 8), nn.ReLU(), nn.Dropout(0.2), nn.Linear(8, 10))
    optimizer = training.Optimizer("SGD", lr=0.1, momentum=0.9).build  # unlike Adam, it sees the size of a gradient
    learner = kind(network, nn.CrossEntropyLoss(), optimizer, by_steps, classes=10, engine=engine)
    quiet: dict[str, Any] = dict.fromkeys(
        ("enable_checkpointing", "enable_progress_bar", "enable_model_summary"), False
    )
    settings = {"max_epochs": 2, "log_every_n_steps": 3, "num_sanity_val_steps": 0, **settings, **quiet}
    trainer = Trainer(accelerator="cpu", callbacks=[*callbacks], logger=CSVLogger(folder, name=""), **settings)
    loop(trainer).fit(learner, table(batch_size=100))
    return trainer, learner, (folder / "version_0" / "metrics.csv").read_text(encoding="utf-8")


def assert_the_same(ours: Result, theirs: Result) -> None:
    for p, q in zip(ours[1].parameters(), theirs[1].parameters(), strict=True):
        assert torch.equal(p, q)
    assert ours[0].fit_loop.state_dict() == theirs[0].fit_loop.state_dict()
    assert plain(ours[0].optimizers[0].state_dict()) == plain(theirs[0].optimizers[0].state_dict())
    assert plain(dict(ours[0].callback_metrics)) == plain(dict(theirs[0].callback_metrics))
    assert plain(dict(ours[0].logged_metrics)) == plain(dict(theirs[0].logged_metrics))
    assert ours[2] == theirs[2]


@pytest.mark.parametrize("engine", get_args(Engine))
@pytest.mark.parametrize("stop_at", [None, 15])
def test_what_is_called_is_called_as_by_lightning(
    engine: Engine, stop_at: int | None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    ours, theirs, steps = Witness(stop_at), Witness(stop_at), Steps(monkeypatch)
    stock = train(tmp_path / "stock", as_it_came, theirs, engine=engine, min_epochs=1)
    assert steps.lean == []
    assert_the_same(train(tmp_path / "lean", lean, ours, steps, engine=engine, min_epochs=1), stock)
    assert steps.lean == [0, 1]
    assert [hook for hook, *_ in ours.seen[:6]] == [*HOOKS]
    assert len(ours.seen) == len(theirs.seen) == len(HOOKS) * (stop_at or 2 * 13)
    for a, b in zip(ours.seen, theirs.seen, strict=True):
        assert a == b


@pytest.mark.parametrize("engine", get_args(Engine))
def test_a_run_that_nobody_watches(engine: Engine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    steps = Steps(monkeypatch)
    ours = train(tmp_path / "lean", lean, steps, engine=engine)
    assert steps.lean == [0, 1]
    assert_the_same(ours, train(tmp_path / "stock", as_it_came, engine=engine))


OTHERWISE: dict[str, dict[str, Any]] = {
    "accumulated": {"accumulate_grad_batches": 2},
    "clipped": {"gradient_clip_val": 0.05},
    "double": {"precision": "64-true"},
    "validated twice": {"val_check_interval": 0.5},
    "some steps": {"max_steps": 17},
    "profiled": {"profiler": "simple"},
    "a hook of the module": {"kind": Hooked},
    "a step of the module": {"kind": Halved},
    "a schedule by steps": {"kind": Scheduled},
    "a hook of the data": {"table": Transferred},
}


@pytest.mark.parametrize("settings", OTHERWISE.values(), ids=OTHERWISE)
def test_what_is_not_by_default_is_lightnings(
    settings: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    steps = Steps(monkeypatch)
    both: tuple[Engine, ...] = ("autograd", "tape")
    runs = [
        train(tmp_path / loop.__name__ / engine, loop, engine=engine, **settings)
        for loop in (lean, as_it_came)
        for engine in both
    ]
    assert steps.lean == []
    assert_the_same(runs[0], runs[2])
    assert_the_same(runs[1], runs[3])
    for p, q in zip(runs[0][1].parameters(), runs[1][1].parameters(), strict=True):
        torch.testing.assert_close(p, q, rtol=1e-4, atol=1e-5)  # autograd and the tape


def test_fit_is_lean(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    steps = Steps(monkeypatch)
    learner = training.Classifier(nn.Linear(64, 10), nn.CrossEntropyLoss(), classes=10)
    with training.Run("lesson", tmp_path / "run") as run:
        settings = training.Trainer(max_epochs=3)
        training.fit(learner, training.Digits(batch_size=200), settings, run, say=lambda line: None)
    assert steps.lean == [0, 1, 2]


def test_lean_knows_the_versions_that_were_tried(monkeypatch: pytest.MonkeyPatch) -> None:
    assert lightning.__version__.startswith(TRIED), "run this file, then test_resuming.py with -m slow, and add it"
    quiet: dict[str, Any] = {"accelerator": "cpu", "logger": False, "enable_checkpointing": False}
    assert type(lean(Trainer(**quiet)).fit_loop.epoch_loop) is LeanEpochLoop
    monkeypatch.setattr(lightning, "__version__", "9.0")
    assert type(lean(Trainer(**quiet)).fit_loop.epoch_loop) is not LeanEpochLoop
