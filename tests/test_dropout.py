"""Dropout: what a seed draws, what `inplace` and evaluation do, and what is refused."""

from typing import Any

import pytest
import torch
from torch import Tensor

from manualgrad import functional as F
from manualgrad import nn

KINDS = ["dropout", "dropout1d", "dropout2d", "dropout3d", "alpha_dropout", "feature_alpha_dropout"]
SHAPES = {"dropout1d": (5, 4, 3), "dropout3d": (5, 4, 1, 2, 3)}


def example(kind: str) -> Tensor:
    return torch.randn(SHAPES.get(kind, (5, 4, 2, 3)), generator=torch.Generator().manual_seed(0))


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("inplace", [False, True])
def test_a_seed_draws_what_it_draws_for_torch(kind: str, inplace: bool) -> None:
    results = []
    for package in (F, torch.nn.functional):
        torch.manual_seed(1)
        x = example(kind).requires_grad_()
        h = x * 2
        y = getattr(package, kind)(h, 0.3, True, inplace)
        assert (y is h) == inplace
        after = torch.rand(3)  # the generator is left where torch leaves it
        results.append((y, *torch.autograd.grad(y.square().sum(), x), after))
    for mine, torchs in zip(*results, strict=True):
        torch.testing.assert_close(mine, torchs)
    assert not torch.equal(results[0][0], example(kind) * 2)


@pytest.mark.parametrize("kind", KINDS)
def test_nothing_is_dropped_and_nothing_drawn_in_evaluation_or_at_probability_zero(kind: str) -> None:
    x = example(kind)
    state = torch.get_rng_state()
    assert getattr(F, kind)(x, 0.5, False) is x
    assert getattr(F, kind)(x, 0.0, True) is x
    assert torch.equal(torch.get_rng_state(), state)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("p", [-0.1, 1.5])
def test_what_is_no_probability_is_refused(kind: str, p: float) -> None:
    with pytest.raises(ValueError, match=rf"{kind}: p is a probability.*{p}"):
        getattr(F, kind)(example(kind), p)


@pytest.mark.parametrize(("kind", "dims"), [("dropout1d", 4), ("dropout1d", 1), ("feature_alpha_dropout", 1)])
def test_numbers_of_dimensions_that_torch_refuses(kind: str, dims: int) -> None:
    for package in (F, torch.nn.functional):
        with pytest.raises(RuntimeError, match=r"dimensions|2D"):
            getattr(package, kind)(torch.ones([2] * dims), 0.5, True)


@pytest.mark.parametrize(("kind", "dims"), [("dropout2d", 3), ("dropout2d", 2), ("dropout3d", 3)])
def test_numbers_of_dimensions_that_torch_warns_of(kind: str, dims: int) -> None:
    for package in (F, torch.nn.functional):
        with pytest.warns(UserWarning, match=kind):
            getattr(package, kind)(torch.ones([2] * dims), 0.5, True)


def test_two_models_train_alike_from_one_seed() -> None:
    """The twin run: dropout inside a network, its weights after ten steps."""
    results = []
    for package in (nn, torch.nn):
        package_: Any = package
        torch.manual_seed(0)
        model = package_.Sequential(
            package_.Linear(6, 8), package_.Dropout(0.4), package_.Tanh(), package_.Linear(8, 1)
        ).double()
        optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
        x = torch.randn(16, 6, dtype=torch.float64)
        for _ in range(10):
            optimizer.zero_grad()
            model(x).square().mean().backward()
            optimizer.step()
        results.append(model.state_dict())
    for key, value in results[0].items():
        torch.testing.assert_close(value, results[1][key], rtol=1e-12, atol=1e-12)


def test_dropout_of_features_at_rest_takes_any_shape() -> None:
    x = torch.ones(3)
    assert F.feature_alpha_dropout(x, 0.5, False) is x
    with pytest.raises(RuntimeError, match="2 dimensions or more"):
        F.feature_alpha_dropout(x, 0.5, True)
