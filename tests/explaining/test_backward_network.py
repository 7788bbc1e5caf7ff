"""The backward pass as a network of its own."""

from __future__ import annotations

import pytest
import torch
from torch import nn as tnn

from manualgrad import explain
from manualgrad.explaining.backward_network import Gate, Transposed
from manualgrad.formula import FormulaError
from tests.explaining import networks


@pytest.mark.parametrize("batch", [1, 5])
@pytest.mark.parametrize("activation", [tnn.Sigmoid, tnn.ReLU, tnn.Tanh, tnn.GELU])
def test_it_gives_the_gradients_of_autograd(batch: int, activation: type[tnn.Module]) -> None:
    torch.manual_seed(0)
    layers = (tnn.Linear(4, 6), activation(), tnn.Linear(6, 5), activation(), tnn.Linear(5, 2, bias=False))
    model = tnn.Sequential(*layers).double()
    x = torch.randn(batch, 4, dtype=torch.float64, requires_grad=True)
    t = torch.randn(batch, 2, dtype=torch.float64)
    tnn.functional.mse_loss(model(x), t).backward()
    network = explain(model, x, t, tnn.functional.mse_loss).backward_network()
    kinds = [type(layer) for layer in network]
    assert kinds == [Transposed, Gate, Transposed, Gate, Transposed]
    found = network.gradients()
    assert set(found) == {name for name, _ in model.named_parameters()}
    for name, p in model.named_parameters():
        torch.testing.assert_close(found[name], p.grad, rtol=1e-12, atol=1e-14)
    assert network.upstream is not None
    torch.testing.assert_close(network(network.upstream), x.grad, rtol=1e-12, atol=1e-14)


def test_it_is_linear_in_the_upstream_gradient() -> None:
    network = networks.example("2-2-2").backward_network()
    one, two = torch.eye(2, dtype=torch.float64)
    by_parts = [network.gradients(upstream)["hidden.weight"] for upstream in (one, two)]
    assert network.upstream is not None
    whole = network.upstream[0] * by_parts[0] + network.upstream[1] * by_parts[1]
    torch.testing.assert_close(whole, networks.example("2-2-2").gradients["hidden.weight"])


def test_a_shared_layer_gets_the_sum() -> None:
    torch.manual_seed(0)
    layer = tnn.Linear(3, 3).double()
    x, t = torch.randn(2, 3).double(), torch.randn(2, 3).double()
    explanation = explain(tnn.Sequential(layer, tnn.Tanh(), layer), x, t, tnn.MSELoss())
    found = explanation.backward_network().gradients()
    torch.testing.assert_close(found["0.weight"], explanation.gradients["0.weight"])


class Residual(tnn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.a, self.b = tnn.Linear(3, 3), tnn.Linear(3, 3)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        h = torch.tanh(self.a(x))
        return self.b(h) + h


@pytest.mark.parametrize(
    ("model", "said"),
    [
        (tnn.Sequential(tnn.Linear(3, 3), tnn.Softmax(1)), r"step 2 \(softmax\) is neither linear nor pointwise"),
        (tnn.Sequential(tnn.Linear(3, 3), tnn.LayerNorm(3)), r"step 2 \(layer_norm\) is neither linear nor pointwise"),
        (Residual(), r"step 4 \(add\) is neither linear nor pointwise"),
    ],
)
def test_anything_else_is_refused_by_name(model: tnn.Module, said: str) -> None:
    explanation = explain(model, torch.ones(2, 3), torch.zeros(2, 3), tnn.MSELoss())
    with pytest.raises(FormulaError, match=said):
        explanation.backward_network()


def test_a_loss_alone_is_no_network() -> None:
    with pytest.raises(ValueError, match="holds no network"):
        explain(tnn.Identity(), torch.ones(2, requires_grad=True), torch.zeros(2), tnn.MSELoss()).backward_network()
