"""Callbacks: gradients that part from torch's, vanish, explode or are no numbers are found and named."""

from __future__ import annotations

import csv
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any, get_args

import pytest
import torch
from lightning.pytorch import Trainer
from lightning.pytorch.callbacks import Callback
from torch import Tensor

from manualgrad import functional as F
from manualgrad import nn, training
from manualgrad.formulas.sigmoid import SigmoidFunction
from manualgrad.training.checkpoints import CheckpointError
from manualgrad.training.learners import Engine

ENGINES = get_args(Engine)


class Rows(torch.utils.data.Dataset[tuple[Tensor, Tensor]]):
    def __init__(self, *shape: int) -> None:
        generator = torch.Generator().manual_seed(0)
        self.x = torch.randn(8, *shape, generator=generator)
        self.y = torch.randint(0, 2, (8,), generator=generator)

    def __len__(self) -> int:
        return len(self.x)

    def __getitem__(self, k: int) -> tuple[Tensor, Tensor]:
        return self.x[k], self.y[k]


def network() -> nn.Sequential:
    torch.manual_seed(0)
    return nn.Sequential(nn.Linear(3, 4), nn.Sigmoid(), nn.Dropout(0.5), nn.Linear(4, 2))


def learner(model: torch.nn.Module, engine: Engine = "autograd", lr: float = 0.1) -> Any:
    def sgd(parameters: Any) -> torch.optim.Optimizer:
        return torch.optim.SGD(parameters, lr=lr)

    return training.Classifier(model, nn.CrossEntropyLoss(), sgd, classes=2, engine=engine)


def run(
    model: Any, callback: Callback | list[Callback], folder: Path, rows: Rows | None = None, epochs: int = 3
) -> Any:
    trainer = Trainer(
        max_epochs=3,
        accelerator="cpu",
        callbacks=callback,
        logger=False,
        num_sanity_val_steps=0,
        enable_checkpointing=False,
        enable_progress_bar=False,
        enable_model_summary=False,
        default_root_dir=folder,
    )
    loader = torch.utils.data.DataLoader(rows or Rows(3), batch_size=4)
    trainer.fit(model, loader, loader)
    return trainer


pytestmark = pytest.mark.filterwarnings("ignore:The '.*_dataloader'", "ignore:.*`isinstance\\(treespec, LeafSpec")


def unwatched() -> Tensor:
    model = learner(network())
    torch.manual_seed(1)
    run(model, [], Path("."))
    return torch.nn.utils.parameters_to_vector(model.parameters())


@pytest.mark.parametrize("engine", ENGINES)
def test_a_watched_run_is_the_same_run(engine: Engine, tmp_path: Path) -> None:
    model = learner(network(), engine)
    torch.manual_seed(1)
    said: list[str] = []
    flow = training.GradientFlow(every=1, file=tmp_path / "flow.csv", say=said.append)
    trainer = run(model, [training.GradientParity(every=2), flow, training.FailOnNonFinite()], tmp_path)
    watched = torch.nn.utils.parameters_to_vector(model.parameters())
    assert torch.equal(watched, unwatched())
    assert trainer.callback_metrics["gradient_parity"] < 1e-12
    assert said == flow.verdicts == []
    assert {f"gradient_rms/network.{k}.{kind}" for k in (0, 3) for kind in ("weight", "bias")} < set(
        trainer.callback_metrics
    )
    rows = list(csv.reader((tmp_path / "flow.csv").read_text(encoding="utf-8").splitlines()))
    assert rows[0] == ["step", "layer", "time", "rms"]
    names = [f"network.{k}.{kind}" for k in (0, 3) for kind in ("weight", "bias")]
    assert [row[:3] for row in rows[1:]] == [[str(step), name, ""] for step in range(6) for name in names]
    assert not (tmp_path / "non_finite.pt").exists()


def test_a_gradient_that_is_zero_but_for_rounding_does_not_differ() -> None:
    torch.manual_seed(0)
    model = learner(nn.Sequential(nn.Linear(3, 4), nn.BatchNorm1d(4), nn.Linear(4, 2)))
    rows = Rows(3)
    assert training.GradientParity().difference(model, (rows.x, rows.y)) < 1e-12


def test_parity_names_the_layer_whose_backward_is_wrong(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    class Doubled(SigmoidFunction):
        @staticmethod
        def backward(ctx: Any, dy: Tensor) -> Any:
            (y,) = ctx.saved_tensors
            return 2 * dy * y * (1 - y)

    monkeypatch.setattr("manualgrad.formulas.sigmoid.SigmoidFunction", Doubled)
    with pytest.raises(training.GradientsPart, match=r"after 0 steps .* gradient of the input of network\.1 differs"):
        run(learner(network()), training.GradientParity(), tmp_path)


@pytest.mark.parametrize("layer", [nn.RNN, nn.LSTM, nn.GRU])
def test_flow_by_time_step(layer: Callable[..., torch.nn.Module], tmp_path: Path) -> None:
    class Reader(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            torch.manual_seed(0)
            self.recurrent = layer(2, 3, batch_first=True)
            self.out = nn.Linear(3, 2)

        def forward(self, x: Tensor) -> Tensor:
            return self.out(self.recurrent(x)[0][:, -1])

    model = learner(Reader())
    rows = Rows(7, 2)
    flow = training.GradientFlow(say=lambda line: None)
    _, times = flow.measure(model, (rows.x, rows.y))
    x = rows.x.clone().requires_grad_()
    model.objective(model.network(x), rows.y).backward()
    assert x.grad is not None
    expected = [float(g.double().square().mean().sqrt()) for g in x.grad.unbind(1)]
    assert times == {"network.recurrent": pytest.approx(expected)}
    assert times["network.recurrent"][0] < times["network.recurrent"][-1]


@pytest.mark.parametrize(("scale", "word"), [(1e-3, "vanishes"), (1e5, "explodes")])
def test_flow_names_what_vanishes_and_what_explodes(scale: float, word: str) -> None:
    torch.manual_seed(0)
    layers = [nn.Linear(4, 4) for _ in range(4)]
    model = torch.nn.Sequential(*layers, nn.Linear(4, 2))
    with torch.no_grad():
        layers[2].weight *= scale
    said: list[str] = []
    flow = training.GradientFlow(say=said.append)
    rows = Rows(4)
    for _ in range(2):
        flow.measure(learner(model), (rows.x, rows.y))
    assert len(said) == len(set(said)) == len(flow.verdicts)
    named = {line.split()[6] for line in said if word in line}
    assert {"network.0.weight", "network.1.weight"} <= named
    assert "network.4.bias" not in named
    assert re.fullmatch(rf"of the gradients looked at in 1 steps that of .* and \d more {word}", flow.summary())


class Logarithm(torch.nn.Module):
    def forward(self, x: Tensor) -> Tensor:
        return F.log(x - x[:, :1])


class Root(torch.nn.Module):
    def forward(self, x: Tensor) -> Tensor:
        return F.sqrt(x - x[:, :1])


@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize(
    ("layer", "what", "where"),
    [
        (Logarithm, "training loss is inf", r"4 of 8 elements that log in network\.1 computes are infinite or NaN"),
        (Root, "a gradient is infinite or NaN", r"of the gradient that sqrt in network\.1 sends back"),
    ],
)
def test_the_first_number_that_is_none_is_traced(
    engine: Engine, layer: Callable[[], torch.nn.Module], what: str, where: str, tmp_path: Path
) -> None:
    def build() -> Any:
        torch.manual_seed(0)
        first = nn.Linear(3, 2, bias=False)
        with torch.no_grad():
            first.weight.copy_(torch.tensor([[0.0, 0, 0], [1, 0, 0]]))
        return learner(nn.Sequential(first, layer()), engine)

    rows = Rows(3)
    rows.x.abs_()
    model = build()
    before = model.network[0].weight.clone()
    with pytest.raises(training.NonFiniteLoss, match=what) as caught:
        run(model, training.FailOnNonFinite(), tmp_path, rows)
    assert torch.equal(model.network[0].weight, before)
    assert "step 1, epoch 1: " in str(caught.value)
    file = tmp_path / "non_finite.pt"
    assert str(file) in str(caught.value)
    found = training.replay(build(), file)
    assert found is not None
    assert found in str(caught.value)
    assert re.search(where, found)
    assert [path.name for path in tmp_path.iterdir()] == ["non_finite.pt"]


def test_replay_takes_only_its_own_files(tmp_path: Path) -> None:
    torch.save({"state_dict": {}}, tmp_path / "other.ckpt")
    with pytest.raises(CheckpointError, match="not one that FailOnNonFinite wrote"):
        training.replay(learner(network()), tmp_path / "other.ckpt")


@pytest.mark.parametrize("make", [lambda: training.GradientParity(every=0), lambda: training.GradientFlow(every=0)])
def test_every_is_at_least_one(make: Callable[[], Callback]) -> None:
    with pytest.raises(ValueError, match="every must be at least 1, got 0"):
        make()


def test_thresholds_of_the_flow() -> None:
    with pytest.raises(ValueError, match="0 < vanishing < 1 < exploding"):
        training.GradientFlow(vanishing=2.0)
