"""Twins: two runs that differ by who computes the gradients only."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from manualgrad import training
from manualgrad.formulas.linear import LinearFunction
from manualgrad.training.learners import Engine
from tests.training.learners import learner_of

# What Lightning 2.6 says about a class of torch 2.13's; `fit` keeps it from its users.
pytestmark = pytest.mark.filterwarnings("ignore:.*LeafSpec:FutureWarning")  # between Lightning 2.6 and torch 2.13


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
        ("probability", "playback", "64-true", 1e-12),
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
