"""A step that is played back against the same step by autograd or on a tape: the same values, gradients and states."""

from __future__ import annotations

import copy
import gc
import pickle
import weakref
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
import torch
from torch import Tensor

from manualgrad import Playback, Tape, nn, playback
from manualgrad import functional as F
from manualgrad.formula import FormulaError, active

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


def test_questions_about_shape_and_kind_may_be_asked() -> None:
    w = torch.ones(2, requires_grad=True)
    step = Playback(lambda x: (w * x).sum() / torch.numel(x) / len(x) if torch.is_floating_point(x) else w.sum())
    for value in 3.0, 4.0:
        assert step(torch.full((2,), value)).item() == value / 2


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
    step = Playback(lambda x: ((w * x).exp().sum(), (w * x).log().sum()))  # the last has no part in the loss
    for _ in range(2):
        x = torch.ones(3)
        batch = weakref.ref(x)
        step(x)
        del x
        gc.collect()
        assert batch() is None


def no_gradient(function: Callable[[], Any]) -> Any:
    with torch.no_grad():
        return function()


class AsItIs(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor) -> Tensor:
        return x

    @staticmethod
    def backward(ctx: Any, dy: Tensor) -> Tensor:
        return dy


def by_a_list(y: Tensor) -> Tensor:
    index = [0, 1]
    first, index[0] = y[index], 3
    return (first * y[index]).sum()


# Functions of a (6, 6) leaf w, a (4, 6) state s that they may change, an input x as s, and class numbers t (4).
PLAYED: dict[str, Loss] = {
    "dropout in place": lambda w, s, x, t: torch.dropout_(x @ w, 0.5, True).sum(),
    "rrelu in place": lambda w, s, x, t: torch.rrelu_(x @ w, 0.1, 0.5, True).sum(),
    "gumbel_softmax": lambda w, s, x, t: (torch.nn.functional.gumbel_softmax(x @ w, hard=True) * x).sum(),
    "state changed by what has a gradient": lambda w, s, x, t: s.mul_(0.9).add_(x @ w).square().sum(),
    "a row of the state": lambda w, s, x, t: (s.__setitem__(0, (x @ w)[0]), s.square().sum())[1],
    "average without gradient": lambda w, s, x, t: (x @ w - no_gradient(lambda: s.lerp_(x @ w, 0.1))).square().sum(),
    "input changed in place": lambda w, s, x, t: (x.sub_(x.mean()) @ w).square().sum(),
    "leaf changed in place": lambda w, s, x, t: (no_gradient(lambda: w.clamp_(-0.5, 0.5)), (x @ w).sum())[1],
    "detached": lambda w, s, x, t: ((x @ w).detach() * (x @ w)).sum() + (x.data * w.data[0]).sum(),
    "conversions": lambda w, s, x, t: ((x @ w)[:, 0] - t.double()).square().sum() * F.to(x.to(s), s).max(1)[0].sum(),
    "copied": lambda w, s, x, t: (copy.deepcopy(x) @ w).sum(),
    "mask of targets": lambda w, s, x, t: (
        torch.nn.functional.cross_entropy(x @ w, t, reduction="none") * (t > 1)
    ).sum(),
    "one-hot": lambda w, s, x, t: (torch.nn.functional.one_hot(t, 6) * (x @ w)).sum(),
    "a list that changes": lambda w, s, x, t: by_a_list(x @ w),
    "number of a tensor": lambda w, s, x, t: (x @ w)[t[0] % 4].sum() / torch.tensor([x.sum(), 2.0]).sum(),
    "its own shapes": lambda w, s, x, t: (x @ w).sum() / len(x) * torch.tensor(x.shape[1]) * x.stride(0),
    "rows of a fixed number": lambda w, s, x, t: (x @ w)[x[:, 0].argsort() < 2].square().sum(),
    "loss is a leaf's element": lambda w, s, x, t: w[1, 2],
    "requires_grad_": lambda w, s, x, t: (x.requires_grad_() @ w).square().sum(),
}


@pytest.mark.parametrize("name", PLAYED)
def test_what_changes_is_played(name: str) -> None:
    def calls(*, played: bool) -> list[Any]:
        torch.manual_seed(0)
        w, s = torch.randn(6, 6, dtype=torch.float64, requires_grad=True), torch.zeros(4, 6, dtype=torch.float64)
        step = Playback(lambda x, t: PLAYED[name](w, s, x, t))
        seen: list[Any] = []
        for x, t in batches(4):
            w.grad = None
            if played:
                loss = step(x, t)
            else:
                with Tape() as tape:
                    loss = PLAYED[name](w, s, x, t)
                tape.backward(loss)
            seen += [loss, w.grad, x.detach(), x.grad, s.clone(), w.detach().clone(), torch.get_rng_state()]
        return seen

    for ours, theirs in zip(calls(played=True), calls(played=False), strict=True):
        assert ours is theirs or torch.equal(ours, theirs)


@torch.jit.script
def _scripted(x: Tensor) -> Tensor:
    return x.sin() * 2


def under_autocast(w: Tensor, x: Tensor) -> Tensor:
    with torch.autocast("cpu", torch.bfloat16):
        return (x @ w).float().sum()


def changed_twice(w: Tensor, x: Tensor) -> Tensor:
    h = (x @ w).clone().sigmoid_()
    no_gradient(lambda: h.mul_(2))
    return h.sum()


def tried(w: Tensor, x: Tensor) -> Tensor:
    try:
        return w[int(x.sum()) % 6].sum()
    except RuntimeError:
        return w.sum()


# What would stay as it was at the first call, and what the refusal says.
REFUSED: dict[str, tuple[Loss, str]] = {
    "if": (lambda w, x: w.sum() if x.sum() > 0 else -w.sum(), "__bool__ looks at the values"),
    "item": (lambda w, x: (w * x.max().item()).sum(), "item looks at the values"),
    "float": (lambda w, x: (w * float(x[0, 0])).sum(), "__float__ looks at the values"),
    "tolist": (lambda w, x: (w * x.tolist()[0][0]).sum(), "tolist looks at the values"),
    "tried": (tried, "__int__ looks at the values"),
    "numpy": (lambda w, x: (w * torch.from_numpy(x.numpy())[0]).sum(), "numpy looks at the values"),
    "slice": (lambda w, x: w[: (x > 0).sum()].sum(), "slice that a tensor bounds"),
    "scripted": (lambda w, x: (w * _scripted(x)[0]).sum(), "aten.sin"),
    "operator": (lambda w, x: (w * torch.nn.Parameter(x)[0]).sum(), "is an input"),
    "constructor": (lambda w, x: (w * torch.DoubleTensor(x)[0]).sum(), "not seen"),
    "Function": (lambda w, x: AsItIs.apply(x @ w).sum(), "torch.autograd.Function"),
    "vmap": (lambda w, x: (w * torch.func.vmap(torch.sin)(x)[0]).sum(), "torch.func's transforms"),
    "autocast": (under_autocast, "no autocast"),
    "changed twice": (changed_twice, "in place, without gradient"),
    "leaf of its own": (lambda w, x: (x.clone().requires_grad_() @ w).sum(), "gradient of its own"),
    "lazy": (lambda w, x: torch.nn.LazyLinear(2, dtype=torch.float64)(x @ w).sum(), "lazy modules"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_would_not_be_played_is_refused_by_name(name: str) -> None:
    function, named = REFUSED[name]
    w = torch.ones(6, 6, dtype=torch.float64, requires_grad=True)
    with pytest.raises((FormulaError, RuntimeError), match=named):
        Playback(lambda x: function(w, x))(torch.ones(4, 6, dtype=torch.float64))
    assert w.grad is None
    assert torch.is_grad_enabled()
    assert active.tape is None


@pytest.mark.parametrize(
    "function",
    [
        lambda w, x: (x @ w)[x > 0].square().mean(),
        lambda w, x: (x @ w)[x[:, 0] > 0].sum(),
        lambda w, x: (x @ w).sum() / len((x[:, 0] > 0).nonzero()),
        lambda w, x: (x @ w).masked_select(x > 0).sum(),
        lambda w, x: (x @ w)[torch.where(x[:, 0] > 0)].sum(),
        lambda w, x: (x @ w).repeat_interleave((x[:, 0] > 0).long(), 0).sum(),
        lambda w, x: (x @ w).sum() * torch.arange((x > 0).sum()).numel(),
        lambda w, x: (x @ w).sum() * torch.nn.functional.one_hot((x[:, 0] > 0).long()).sum() * x.unique().numel(),
    ],
)
def test_a_shape_that_values_decide_on_is_refused_when_it_changes(function: Loss) -> None:
    w = torch.ones(6, 6, dtype=torch.float64, requires_grad=True)
    step = Playback(lambda x: function(w, x))
    x = torch.linspace(-1, 1, 24, dtype=torch.float64).reshape(4, 6)
    assert step(x) == step(x)
    with pytest.raises(FormulaError, match="shapes must not depend on values"):
        step(torch.ones_like(x))


def test_gradients_of_one_shape_do_not_stay_for_another() -> None:
    v, w = (torch.ones(3, requires_grad=True) for _ in range(2))
    step = Playback(lambda x: (v * x).sum() + (w * x).sum() if len(x) > 1 else (v * x).sum())
    for _ in range(2):
        step(torch.ones(2, 3))
        assert w.grad is not None
        step(torch.ones(1, 3))
        assert v.grad is not None
        assert w.grad is None


def test_one_tensor_as_two_inputs() -> None:
    step = Playback(lambda x, y: (x * y).sum())
    for value in 3.0, 4.0:
        x = torch.tensor([value], requires_grad=True)
        assert step(x, x) == value**2
        assert x.grad == 2 * value


def test_an_input_that_the_function_holds_is_refused() -> None:
    w = torch.ones(2, requires_grad=True)
    with pytest.raises(FormulaError, match="holds it too"):
        Playback(lambda x: (w * x).sum())(w)


def test_a_module_in_another_dtype_is_recorded_anew() -> None:
    layer = nn.Embedding(3, 2)
    step = Playback(lambda i: layer(i).sum())
    numbers = torch.arange(3)
    step(numbers)
    layer.double()
    assert step(numbers).dtype is torch.float64
    assert layer.weight.grad is not None
    assert layer.weight.grad.dtype is torch.float64


class Learner(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.layer = nn.Linear(6, 2)
        self.step = Playback(self.loss)

    def loss(self, x: Tensor) -> Tensor:
        return self.layer(x).square().sum()


@pytest.mark.parametrize("copied", [copy.deepcopy, lambda module: pickle.loads(pickle.dumps(module))])
def test_a_copy_of_a_module_plays_its_own_parameters(copied: Callable[[Any], Any]) -> None:
    module = Learner()
    x = torch.ones(1, 6)
    module.step(x)
    module.zero_grad()
    other = copied(module)
    with torch.no_grad():
        other.layer.bias.add_(1)
    assert other.step(x) == other.loss(x)
    assert other.layer.weight.grad is not None
    assert module.layer.weight.grad is None


def test_threads_take_turns() -> None:
    w = torch.randn(64, 64, generator=torch.Generator().manual_seed(0))
    step = Playback(lambda x: (x @ w).tanh().square().sum())
    inputs = [torch.full((256, 64), 0.1 * k, requires_grad=True) for k in range(1, 9)]
    step(inputs[0])
    with ThreadPoolExecutor(4) as pool:
        losses = list(pool.map(step, inputs))
    gradients = [x.grad for x in inputs]
    for x, loss, gradient in zip(inputs, losses, gradients, strict=True):
        assert step(x) == loss
        assert x.grad is not None
        assert gradient is not None
        assert torch.equal(x.grad, gradient)


def test_a_hook_that_raises_leaves_all_in_order() -> None:
    w = torch.ones(2, requires_grad=True)
    step = Playback(lambda x: (w * x).sum())
    for _ in range(2):  # recorded, and played
        hook = w.register_hook(lambda g: 1 / 0)
        with pytest.raises(ZeroDivisionError):
            step(torch.ones(2))
        hook.remove()
        assert torch.is_grad_enabled()
        assert active.tape is None
        assert step(torch.full((2,), 3.0)) == 6
        assert w.grad is not None
        assert w.grad.tolist() == [3, 3]


def test_a_default_device_of_the_first_call_stays() -> None:
    w = torch.ones(2, requires_grad=True)
    step = Playback(lambda x: (w * x * torch.arange(2)).sum())
    step(torch.ones(2))
    with torch.device("meta"):
        assert step(torch.ones(2, device="cpu")) == 1


def test_only_the_last_plans_are_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(playback, "_MOST", 2)
    w = torch.ones(1, requires_grad=True)
    calls: list[int] = []

    def loss_of(x: Tensor) -> Tensor:
        calls.append(len(x))
        return (w * x).sum()

    step = Playback(loss_of)
    for rows in 1, 2, 3, 3, 2, 1:
        assert step(torch.ones(rows)) == rows
    assert calls == [1, 2, 3, 1]


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
        with pytest.raises(RuntimeError, match=r"torch\.func"):
            torch.func.grad(step)(x)
        step(x)
    with pytest.raises(TypeError, match=r"loss of shape \(2,\)"):
        Playback(lambda x: w * x)(x)
    with pytest.raises(TypeError, match="got float"):
        Playback(lambda x: 1.0)(x)
    with pytest.raises(TypeError, match="got tuple"):
        Playback(lambda x: ())(x)
    with pytest.raises(TypeError, match="got set, which would stay that of the first call"):
        Playback(lambda x: ((w * x).sum(), {x}))(x)
    with pytest.raises(RuntimeError, match="nothing is recorded"):
        Playback(lambda x: x.sum())(x)
