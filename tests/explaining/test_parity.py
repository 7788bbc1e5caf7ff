"""compare: the layer that is wrong is found, and those that it infects are told from it."""

from __future__ import annotations

import copy
from typing import Any

import pytest
import torch
from torch import Tensor
from torch import nn as tnn

from manualgrad import assert_parity, compare, nn
from manualgrad.explaining.parity import CULPRIT, INFECTED, WRONG, Comparison

LAYERS = 6


class Layer(tnn.Module):
    """A linear layer and tanh, by a Function whose backward pass can be spoilt."""

    def __init__(self, linear: tnn.Linear, defect: str = "") -> None:
        super().__init__()
        self.weight, self.bias, self.defect = linear.weight, linear.bias, defect

    def forward(self, x: Tensor) -> Tensor:
        return LayerFunction.apply(x, self.weight, self.bias, self.defect)


class LayerFunction(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor, w: Tensor, b: Tensor, defect: str) -> Tensor:
        if defect == "no bias":
            b = torch.zeros_like(b)
        elif defect == "transposed":
            w = w.t()
        z = x @ w.t() + b
        y = torch.sigmoid(z) if defect == "other activation" else torch.tanh(z)
        ctx.save_for_backward(x, w, y)
        ctx.defect = defect
        return y

    @staticmethod
    def backward(ctx: Any, dy: Tensor) -> tuple[Tensor | None, ...]:
        x, w, y = ctx.saved_tensors
        slope = {"no slope": torch.ones_like(y), "wrong slope": 1 - y}.get(ctx.defect, 1 - y * y)
        dz = dy * slope
        dx = dz @ (w.t() if ctx.defect == "dx transposed" else w)
        dw = dz.t() @ x
        db = dz.sum(0)
        if ctx.defect == "dx sign":
            dx = -dx
        elif ctx.defect == "dw scale":
            dw = dw / len(x)
        elif ctx.defect == "db of one example":
            db = dz[0]
        elif ctx.defect == "no dw":
            dw = None
        elif ctx.defect == "one entry":
            dw = dw.clone()
            dw[1, 2] *= 1.01
        return dx, dw, db, None


FORWARD = ["no bias", "transposed", "other activation"]
BACKWARD = [
    "no slope",
    "wrong slope",
    "dx transposed",
    "dx sign",
    "dw scale",
    "db of one example",
    "no dw",
    "one entry",
]


def network(seed: int, at: int | None = None, defect: str = "") -> tnn.Sequential:
    torch.manual_seed(seed)
    linears = [tnn.Linear(4, 4, dtype=torch.float64) for _ in range(LAYERS)]
    return tnn.Sequential(*(Layer(linear, defect if i == at else "") for i, linear in enumerate(linears)))


@pytest.mark.parametrize("seed", range(30))
def test_culprit_of_a_seeded_defect(seed: int) -> None:
    generator = torch.Generator().manual_seed(seed)
    defects = FORWARD + BACKWARD
    defect = defects[seed % len(defects)]
    at = int(torch.randint(LAYERS, (), generator=generator))
    right, wrong = network(seed), network(seed, at, defect)
    x = torch.randn(5, 4, generator=generator, dtype=torch.float64)
    comparison = compare(right, wrong, x, loss=lambda y: (y * y).mean())
    assert not comparison.agree
    assert {row.layer for row in comparison.culprits} == {str(at)}, comparison.text()
    assert comparison.culprits[0].what.startswith("output" if defect in FORWARD else "gradient")
    first_wrong = next(row for row in comparison.rows if row.verdict == WRONG)
    assert first_wrong is comparison.culprits[0]
    for row in comparison.rows:
        assert (row.mark in (CULPRIT, INFECTED)) == (row.verdict == WRONG)
    with pytest.raises(AssertionError, match=f"The first wrong one is the .* of {at}; "):
        assert_parity(right, wrong, x, loss=lambda y: (y * y).mean())


def models(**changes: tnn.Module) -> tuple[tnn.Sequential, tnn.Sequential]:
    torch.manual_seed(0)
    a = tnn.Sequential(tnn.Linear(3, 4), tnn.Tanh(), tnn.Linear(4, 2))
    b = copy.deepcopy(a)
    for name, module in changes.items():
        b[int(name[1:])] = module
    return a, b


def last_bias(model: tnn.Sequential) -> Tensor:
    return model.get_parameter("2.bias")


def test_a_right_model_agrees_in_every_row() -> None:
    a, b = models()
    comparison = compare(a, b, torch.randn(5, 3))
    assert comparison.agree
    assert comparison.culprits == []
    assert {row.verdict for row in comparison.rows} == {"exact"}
    assert [row.layer for row in comparison.rows if row.what == "output"] == ["0", "1", "2"]
    assert sum(row.what.startswith("gradient") for row in comparison.rows) == 3 + 4  # of every input and parameter
    assert "The two models agree." in comparison.text()
    assert_parity(a, b, torch.randn(5, 3))


def test_our_layers_are_approximately_torchs() -> None:
    torch.manual_seed(0)
    a = tnn.Sequential(tnn.Linear(3, 4), tnn.Sigmoid(), tnn.Linear(4, 2), tnn.LayerNorm(2))
    b = nn.Sequential(nn.Linear(3, 4), nn.Sigmoid(), nn.Linear(4, 2), nn.LayerNorm(2))
    b.load_state_dict(a.state_dict())
    assert_parity(a, b, torch.randn(5, 3), loss=lambda y: y.square().sum())


def test_other_parameters_are_the_culprit() -> None:
    a, b = models()
    with torch.no_grad():
        last_bias(b)[1] += 0.5
    culprit = compare(a, b, torch.randn(5, 3)).culprits
    assert [(row.layer, row.what) for row in culprit] == [("2", "value of bias")]


def test_a_missing_parameter_is_the_culprit() -> None:
    _, b = models()
    a, c = models(_2=tnn.Linear(4, 2, bias=False))
    c[2].weight = b[2].weight
    assert compare(a, c, torch.randn(5, 3)).culprits[0].what == "value of bias"


class Between(tnn.Module):
    """Something wrong outside of any layer."""

    def __init__(self, factor: float, backward_factor: float = 1.0) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.first, self.second = tnn.Linear(3, 3), tnn.Linear(3, 3)
        self.factor, self.backward_factor = factor, backward_factor

    def forward(self, x: Tensor) -> Tensor:
        h = self.first(x)
        return self.second(Scaled.apply(h, self.factor, self.backward_factor))


class Scaled(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor, factor: float, backward_factor: float) -> Tensor:
        ctx.factor = factor * backward_factor
        return x * factor

    @staticmethod
    def backward(ctx: Any, dy: Tensor) -> tuple[Tensor, None, None]:
        return dy * ctx.factor, None, None


def test_what_happens_between_the_layers() -> None:
    x = torch.randn(5, 3)
    forward = compare(Between(1.0), Between(2.0), x).culprits[0]
    assert (forward.layer, forward.what) == ("second", "input, computed outside of any layer")
    backward = compare(Between(1.0), Between(1.0, 3.0), x).culprits[0]
    assert (backward.layer, backward.what) == ("first", "gradient of the output, computed outside of any layer")


class Nested(tnn.Module):
    def __init__(self, sign: float) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.inner = tnn.Sequential(tnn.Linear(3, 3), tnn.Tanh())
        self.outer = tnn.Linear(3, 3)
        self.sign = sign

    def forward(self, x: Tensor) -> Tensor:
        return self.outer(self.inner(x)) + self.sign * x


def test_a_module_that_combines_its_layers_wrongly() -> None:
    comparison = compare(Nested(1.0), Nested(-1.0), torch.randn(5, 3))
    assert (comparison.culprits[0].layer, comparison.culprits[0].what) == ("the model", "output")


def test_a_layer_used_twice_and_dropout_and_in_place() -> None:
    class Twice(tnn.Module):
        def __init__(self) -> None:
            super().__init__()
            torch.manual_seed(0)
            self.layer, self.relu, self.dropout = tnn.Linear(3, 3), tnn.ReLU(inplace=True), tnn.Dropout()

        def forward(self, x: Tensor) -> Tensor:
            return self.layer(self.dropout(self.relu(self.layer(x))))

    state = torch.get_rng_state()
    assert_parity(Twice(), Twice(), torch.randn(8, 3, generator=torch.Generator().manual_seed(0)))
    torch.set_rng_state(state)


def test_other_names_are_matched_by_order() -> None:
    a, b = models()
    renamed = tnn.ModuleDict({"in": b[0], "squash": b[1], "out": b[2]})

    class Other(tnn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.parts = renamed

        def forward(self, x: Tensor) -> Tensor:
            for part in self.parts.values():
                x = part(x)
            return x

    comparison = compare(a, Other(), torch.randn(5, 3))
    assert comparison.agree
    assert comparison.rows[0].layer == "0 / parts.in"


def test_nothing_is_changed() -> None:
    a, b = models()
    a[0].weight.grad = torch.ones(4, 3)
    norm = tnn.BatchNorm1d(3)
    before = copy.deepcopy(norm.state_dict())
    x = torch.randn(5, 3)
    state = torch.get_rng_state()
    compare(tnn.Sequential(norm, a), tnn.Sequential(copy.deepcopy(norm), b), x)
    assert torch.equal(a[0].weight.grad, torch.ones(4, 3))
    assert b[0].weight.grad is None
    assert not x.requires_grad
    assert all(torch.equal(v, before[k]) for k, v in norm.state_dict().items())
    assert torch.equal(torch.get_rng_state(), state)
    assert not a[0]._forward_hooks


def test_tolerances() -> None:
    a, b = models()
    with torch.no_grad():
        b.get_parameter("0.weight").add_(1e-3)
    x = torch.randn(5, 3)
    assert not compare(a, b, x).agree
    assert compare(a, b, x, rtol=0.1).agree
    assert compare(a, b, x, rtol=0, atol=0.1).agree


def test_what_cannot_be_compared() -> None:
    a, _ = models()
    short = tnn.Sequential(tnn.Linear(3, 2))
    with pytest.raises(ValueError, match=r"3 layers called in the first .*, 1 in the second"):
        compare(a, short, torch.randn(5, 3))
    with pytest.raises(ValueError, match="loss must return a tensor of one element"):
        compare(a, a, torch.randn(5, 3), loss=lambda y: y)
    with pytest.raises(ValueError, match="the output holds no floating-point tensor; give a loss"):
        compare(tnn.Identity(), tnn.Identity(), torch.ones(3, dtype=torch.long))


def test_the_table() -> None:
    text = Comparison(compare(*models(_1=tnn.Sigmoid()), torch.randn(5, 3)).rows).text()
    lines = text.splitlines()
    assert lines[0].split() == ["layer", "what", "shape", "difference"]
    assert "The first wrong one is the output of 1;" in lines[-1]
    assert any("culprit" in line and line.startswith("1 ") for line in lines)


def test_what_is_no_module_is_named() -> None:
    with pytest.raises(TypeError, match=r"^compare: model_b must be a torch.nn.Module, got NoneType$"):
        compare(nn.Linear(2, 1), None, torch.ones(1, 2))  # type: ignore[arg-type]
