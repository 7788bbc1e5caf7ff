"""What is measured, and the ratio to torch that we hold ourselves to."""

from __future__ import annotations

import functools
import warnings
from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor
from torch import nn as torch_nn

from manualgrad import functional as F
from manualgrad import nn
from manualgrad.catalogue import ROWS, Row, Sample
from manualgrad.playback import Playback
from manualgrad.tape import Tape

Work = Callable[[], object]


@dataclass(frozen=True)
class Case:
    """One comparison: `build(device)` gives our work and torch's; `limit` is the ratio that ours should stay under.

    `reason` is what explains a ratio above it, where that is known.
    """

    name: str
    build: Callable[[str], tuple[Work, Work]]
    limit: float
    reason: str = ""


def _layers(ours: torch_nn.Module, theirs: torch_nn.Module, *shape: int) -> Callable[[str], tuple[Work, Work]]:
    """Forward and backward of two layers with the same parameters, input and upstream gradient."""

    def build(device: str) -> tuple[Work, Work]:
        theirs.load_state_dict(ours.state_dict())
        mine, torchs = ours.to(device), theirs.to(device)
        x = torch.randn(shape, device=device, requires_grad=True)
        dy = torch.randn_like(mine(x))
        return lambda: mine(x).backward(dy), lambda: torchs(x).backward(dy)

    return build


def row_cases(compiled: bool) -> list[Case]:
    """Forward and backward of every catalogue row that says at which size; both compiled if `compiled`."""
    return [
        Case(row.name, _row(row, row.realistic, compiled), 1.1 if compiled else 4.0, row.slow_because)
        for row in ROWS
        if row.realistic is not None
    ]


def _row(row: Row, arguments: Sample, compiled: bool) -> Callable[[str], tuple[Work, Work]]:
    def build(device: str) -> tuple[Work, Work]:
        args, keywords = arguments.draw(torch.float32, row.seed, device)
        torch._dynamo.reset()
        functions = [torch.compile(f) if compiled else f for f in (row.function, row.twin)]

        def work(function: Callable[..., object]) -> Work:
            warnings.filterwarnings("ignore", ".*(old name|deprecated)", UserWarning)  # upsample: that is known
            outputs = flowing(function(*args, **keywords))
            dys = [torch.randn_like(o) for o in outputs]
            return lambda: torch.autograd.backward(flowing(function(*args, **keywords)), dys)

        return work(functions[0]), work(functions[1])

    return build


def flowing(result: object) -> list[Tensor]:
    """The tensors of a result that a gradient flows back from."""
    results = result if isinstance(result, (list, tuple)) else (result,)
    return [r for r in results if isinstance(r, Tensor) and r.requires_grad]


def wide_vocabulary(samples: int, device: str) -> tuple[Work, Work]:
    """Linear layer and cross-entropy over 32000 classes of 512 inputs: in one beside torch's two."""
    x, w = (torch.randn(size, 512, device=device).mul_(0.05).requires_grad_() for size in (samples, 32000))
    t = torch.randint(32000, (samples,), device=device)
    return (
        lambda: F.linear_cross_entropy(x, w, t).backward(),
        lambda: torch_nn.functional.cross_entropy(torch_nn.functional.linear(x, w), t).backward(),
    )


def _mlp(package: type) -> torch_nn.Sequential:
    torch.manual_seed(0)
    return torch_nn.Sequential(package.Linear(64, 32), package.Sigmoid(), package.Linear(32, 10))  # type: ignore[attr-defined]


def _training_step(played: bool) -> Callable[[str], tuple[Work, Work]]:
    """A whole step on 64-32-10, batch 16: forward, loss, backward, SGD. Ours on a tape, torch's by autograd."""

    def build(device: str) -> tuple[Work, Work]:
        x, t = torch.randn(16, 64, device=device), torch.randint(10, (16,), device=device)
        works: list[Work] = []
        for package in (nn, torch_nn):
            model, loss = _mlp(package).to(device), package.CrossEntropyLoss()  # type: ignore[arg-type]  # modules
            optimizer = torch.optim.SGD(model.parameters(), lr=0.01)
            way = _step if package is torch_nn else _played_step if played else _tape_step
            works.append(way(model, loss, optimizer, x, t))
        return works[0], works[1]

    return build


def _step(
    model: torch_nn.Module, loss: torch_nn.Module, optimizer: torch.optim.Optimizer, x: Tensor, t: Tensor
) -> Work:
    def step() -> None:
        optimizer.zero_grad()
        loss(model(x), t).backward()
        optimizer.step()

    return step


def _tape_step(
    model: torch_nn.Module, loss: torch_nn.Module, optimizer: torch.optim.Optimizer, x: Tensor, t: Tensor
) -> Work:
    def step() -> None:
        optimizer.zero_grad()
        with Tape() as tape:
            error = loss(model(x), t)
        tape.backward(error)
        optimizer.step()

    return step


def _played_step(
    model: torch_nn.Module, loss: torch_nn.Module, optimizer: torch.optim.Optimizer, x: Tensor, t: Tensor
) -> Work:
    played = Playback(lambda x, t: loss(model(x), t))

    def step() -> None:
        played(x, t)
        optimizer.step()

    return step


CASES: tuple[Case, ...] = (
    Case("linear 1x4", _layers(nn.Linear(4, 4), torch_nn.Linear(4, 4), 1, 4), 1.10),
    Case("linear 16x16", _layers(nn.Linear(16, 16), torch_nn.Linear(16, 16), 16, 16), 1.10),
    Case("linear 64x64", _layers(nn.Linear(64, 64), torch_nn.Linear(64, 64), 64, 64), 1.10),
    Case("sigmoid 64x64", _layers(nn.Sigmoid(), torch_nn.Sigmoid(), 64, 64), 1.45),
    Case(
        "linear + sigmoid 256x512",
        _layers(
            nn.Sequential(nn.Linear(512, 512), nn.Sigmoid()),
            torch_nn.Sequential(torch_nn.Linear(512, 512), torch_nn.Sigmoid()),
            256,
            512,
        ),
        1.15,
    ),
    Case("linear + cross-entropy, 32k classes", functools.partial(wide_vocabulary, 1024), 0.80),
    Case("tape step 64-32-10, batch 16, played back", _training_step(played=True), 0.75),
    Case(
        "tape step 64-32-10, batch 16",
        _training_step(played=False),
        0.75,
        reason="modules and the record take as long as the kernels: play it back, as in the row above",
    ),
)
