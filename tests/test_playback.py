"""A step that is played back against the same step by autograd or on a tape: the same values, gradients and states."""

from __future__ import annotations

import copy
import gc
import weakref
from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor

from manualgrad import Playback, Tape, nn
from manualgrad import functional as F
from manualgrad.formula import FormulaError

Loss = Callable[..., Any]


class Residual(nn.Module):
    """One tensor used twice, a parameter used twice, an operator, an in-place module, an index and a mask."""

    def __init__(self) -> None:
        super().__init__()
        self.linear = nn.Linear(6, 6)
        self.relu = nn.ReLU(inplace=True)

    def forward(self, x: Tensor) -> Tensor:
        h = self.relu(self.linear(x) + x)
        h = self.linear(h) * (h > 0.1) + h
        rows = torch.arange(h.shape[0]).flip(0)
        return h[rows] + torch.stack([h, h])[1]


class Digits(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.layers = nn.Sequential(
            nn.Unflatten(1, (1, 6)), nn.Conv1d(1, 3, 3), nn.BatchNorm1d(3), nn.ReLU(), nn.MaxPool1d(2), nn.Flatten()
        )

    def forward(self, x: Tensor) -> Tensor:
        y: Tensor = self.layers(x)
        return y


class Recurrent(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.lstm = nn.LSTM(3, 6, batch_first=True)

    def forward(self, x: Tensor) -> Tensor:
        y: Tensor = self.lstm(x.view(-1, 2, 3))[0][:, -1]
        return y


NETWORKS: dict[str, Callable[[], nn.Module]] = {
    "mlp": lambda: nn.Sequential(nn.Linear(6, 8), nn.ReLU(), nn.Linear(8, 6)),
    "dropout": lambda: nn.Sequential(nn.Linear(6, 6), nn.Dropout(0.4), nn.Sigmoid(), nn.Linear(6, 6)),
    "residual": Residual,
    "convolution and batch norm": Digits,
    "lstm": Recurrent,
    "transformer": lambda: nn.TransformerEncoderLayer(6, 2, 8, dropout=0.2, batch_first=True),
    "in float32": lambda: nn.Linear(6, 6).float(),
}


def batches(count: int, dtype: torch.dtype = torch.float64, rows: int = 4) -> list[tuple[Tensor, Tensor]]:
    generator = torch.Generator().manual_seed(1)
    draw = [torch.randn(rows, 6, generator=generator, dtype=torch.float64).to(dtype) for _ in range(count)]
    return [(x, torch.randint(6, (rows,), generator=generator)) for x in draw]


def train(network: nn.Module, data: list[tuple[Tensor, Tensor]], *, played: bool) -> list[Tensor]:
    """The losses, parameters and buffers of a training by SGD with momentum."""

    def loss_of(x: Tensor, t: Tensor) -> Tensor:
        return F.cross_entropy(network(x), t)

    step = Playback(loss_of)
    optimizer = torch.optim.SGD(network.parameters(), lr=0.1, momentum=0.9)
    torch.manual_seed(2)
    losses = []
    for x, t in data:
        if played:
            loss = step(x, t)
        else:
            optimizer.zero_grad()
            with Tape() as tape:
                loss = loss_of(x, t)
            tape.backward(loss)
        losses.append(loss)
        optimizer.step()
    return [*losses, *network.state_dict().values(), torch.get_rng_state()]


@pytest.mark.parametrize("name", NETWORKS)
def test_a_played_step_is_the_taped_step(name: str) -> None:
    torch.manual_seed(0)
    network = NETWORKS[name]() if name == "in float32" else NETWORKS[name]().double()
    if name == "convolution and batch norm":
        network(torch.zeros(2, 6, dtype=torch.float64))
    data = batches(6, next(network.parameters()).dtype)
    data[4] = (data[4][0][:3], data[4][1][:3])  # another shape in between
    theirs = train(copy.deepcopy(network), data, played=False)
    ours = train(network, data, played=True)
    for a, b in zip(ours, theirs, strict=True):
        assert torch.equal(a, b)


def test_gradients_are_those_of_one_call() -> None:
    w = torch.tensor([2.0], requires_grad=True)
    step = Playback(lambda x: (w * x).sum())
    for value in 3.0, 4.0, 5.0:
        assert step(torch.tensor([value])).item() == 2 * value
        assert w.grad is not None
        assert w.grad.item() == value, "added to what was there"


def test_what_the_function_returns_beside_the_loss() -> None:
    w = torch.tensor([2.0, 1.0], requires_grad=True)

    def both(x: Tensor) -> tuple[Tensor, dict[str, Tensor]]:
        y = w * x
        return y.sum(), {"y": y, "largest": y.argmax()}

    step = Playback(both)
    for value in 3.0, -4.0:
        x = torch.tensor([value, 1.0])
        loss, found = step(x)
        assert loss == (w * x).sum()
        assert torch.equal(found["y"], w * x)
        assert found["largest"] == (w * x).argmax()
        assert not found["y"].requires_grad


def test_gradients_of_inputs_hooks_and_post_hooks() -> None:
    w = torch.tensor([2.0, 1.0], requires_grad=True)
    w.register_hook(lambda g: 10 * g)
    seen: list[Tensor | None] = []
    w.register_post_accumulate_grad_hook(lambda p: seen.append(p.grad))
    step = Playback(lambda x: (w * x * x).sum())
    for value in 3.0, 4.0:
        x = torch.tensor([value, 1.0], requires_grad=True)
        step(x)
        assert x.grad is not None
        assert torch.equal(x.grad, (2 * w * x).detach())
        assert w.grad is not None
        assert torch.equal(w.grad, (10 * x * x).detach())
        assert seen[-1] is w.grad


def test_a_frozen_parameter_is_left_alone() -> None:
    v, w = torch.ones(1, requires_grad=True), torch.ones(1, requires_grad=True)
    step = Playback(lambda x: (v * x + w * x).sum())
    step(torch.ones(1))
    w.requires_grad_(False)
    v.grad = w.grad = None
    step(torch.ones(1))
    assert v.grad is not None
    assert w.grad is None
    w.requires_grad_(True)
    step(torch.ones(1))
    assert w.grad is not None


def test_parameters_loaded_in_place_are_played() -> None:
    layer = nn.Linear(2, 1, bias=False)
    step = Playback(lambda x: layer(x).sum())
    step(torch.ones(1, 2))
    layer.load_state_dict({"weight": torch.tensor([[3.0, 4.0]])})
    assert step(torch.ones(1, 2)).item() == 7


def test_nothing_of_a_batch_is_kept() -> None:
    w = torch.ones(3, requires_grad=True)
    step = Playback(lambda x: (w * x).exp().sum())
    for _ in range(2):
        x = torch.ones(3)
        batch = weakref.ref(x)
        step(x)
        del x
        gc.collect()
        assert batch() is None


@pytest.mark.parametrize(
    ("function", "named"),
    [
        (lambda w, x: w.sum() if x.sum() > 0 else -w.sum(), "__bool__"),
        (lambda w, x: (w * x.max().item()).sum(), "item"),
        (lambda w, x: (w * float(x[0])).sum(), "__float__"),
        (lambda w, x: (w * x.tolist()[0]).sum(), "tolist"),
    ],
)
def test_looking_at_values_is_refused_by_name(function: Loss, named: str) -> None:
    w = torch.ones(2, requires_grad=True)
    with pytest.raises(FormulaError, match=named):
        Playback(lambda x: function(w, x))(torch.ones(2))
    assert w.grad is None


def test_bad_calls() -> None:
    w = torch.ones(2, requires_grad=True)
    step = Playback(lambda x: (w * x).sum())
    x = torch.ones(2)
    for _ in range(2):  # recorded, and played
        with pytest.raises(TypeError, match="inputs must be tensors, got Tensor, float"):
            step(x, 1.0)  # type: ignore[arg-type]  # the mistake tested
        with torch.no_grad(), pytest.raises(RuntimeError, match="no_grad"):
            step(x)
        with Tape(), pytest.raises(RuntimeError, match="other tapes"):
            step(x)
        with torch.autocast("cpu", torch.bfloat16), pytest.raises(RuntimeError, match="autocast"):
            step(x)
        step(x)
    with pytest.raises(ValueError, match="twice"):
        Playback(lambda x, y: (w * x * y).sum())(x, x)
    with pytest.raises(TypeError, match=r"loss of shape \(2,\)"):
        Playback(lambda x: w * x)(x)
    with pytest.raises(TypeError, match="got float"):
        Playback(lambda x: 1.0)(x)
    with pytest.raises(RuntimeError, match="nothing is recorded"):
        Playback(lambda x: x.sum())(x)
