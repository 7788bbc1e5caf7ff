"""Finite differences beside back-propagation."""

from __future__ import annotations

import re

import pytest
import torch
from torch import nn as tnn

from manualgrad import explain
from manualgrad.explaining.examples import load
from manualgrad.explaining.examples.problems import net_2_3_1
from tests.explaining import networks

PRINTED = {  # the notebook's updated parameters by finite differences, learning rate 1, in float32
    "hidden.weight": [[0.03748801, 0.42208242], [-0.62894595, -0.5673459], [-0.30494714, 0.156948]],
    "hidden.bias": [0.02878801, 0.51375407, -0.09545201],
    "output.weight": [[0.8341824, 0.25095794, 0.4228859]],
    "output.bias": [0.60529804],
}


def test_the_notebooks_column() -> None:
    """In float32 the loss is known to some 1e-7, so that a nudge of 1e-4 measures the gradient to some 1e-3."""
    problem = net_2_3_1(load()["2-3-1"])
    problem.model.float()
    problem.inputs, problem.target = problem.inputs.float(), problem.target.float()
    explanation = problem.explain()
    rows = explanation.finite_differences(1e-4).rows
    before = [w for values in explanation.parameters.values() for w in values.flatten().tolist()]
    printed = [w for values in PRINTED.values() for w in torch.tensor(values).flatten().tolist()]
    assert list(explanation.parameters) == list(PRINTED)
    for w, row, updated in zip(before, rows, printed, strict=True):
        assert w - row.measured == pytest.approx(updated, abs=1e-3)
        assert w - row.gradient == pytest.approx(updated, abs=1e-4)


def test_the_bias_of_a_forward_difference_is_half_the_nudge_times_the_curvature() -> None:
    explanation = networks.example("2-3-1")
    forward = explanation.finite_differences(1e-4, parameter="output.bias").rows[0]
    assert forward.difference == pytest.approx(1e-4, rel=1e-4)  # the second derivative is 2
    central = explanation.finite_differences(1e-4, central=True, parameter="output.bias").rows[0]
    assert abs(central.difference) < 1e-10


def test_cost() -> None:
    explanation = networks.example("2-3-1")
    assert explanation.finite_differences().forward_passes == 1 + 13
    assert explanation.finite_differences(central=True).forward_passes == 2 * 13
    assert "14 forward passes; back-propagation: 1 forward pass and 1 backward pass" in str(
        explanation.finite_differences()
    )
    assert explanation.finite_differences(1e-6, central=True).largest_difference < 1e-8
    assert explanation.finite_differences().warnings == []


def test_a_nudge_below_the_resolution_is_told() -> None:
    """The notebook's frozen run: at w = 12755.16 a float32 does not change by 0.0001."""
    model = tnn.Linear(1, 1)
    with torch.no_grad():
        model.weight.fill_(12755.16)
        model.bias.fill_(3765.9717)
    x = torch.tensor([[1.0], [2.0], [3.0], [4.0]])
    explanation = explain(model, x, 3 * x, tnn.MSELoss())
    weight, bias = explanation.finite_differences(1e-4).rows
    assert weight.lost
    assert weight.measured == 0
    assert weight.gradient > 1e5
    assert bias.lost
    (warning,) = explanation.finite_differences(1e-4).warnings
    assert "the nudge of 2 parameters (weight[0, 0], bias[0]) is lost in the resolution of float32" in warning
    assert explanation.finite_differences(1.0).warnings == []


def test_one_parameter() -> None:
    explanation = networks.example("2-2-2")
    assert [row.name for row in explanation.finite_differences(parameter="w5").rows] == ["w5"]
    assert len(explanation.finite_differences(parameter="output.weight").rows) == 4


@pytest.mark.parametrize(
    ("keywords", "said"),
    [
        ({"nudge": 0.0}, "nudge must be positive, got 0.0"),
        ({"nudge": float("nan")}, "nudge must be positive, got nan"),
        ({"parameter": "output.wieght"}, "did you mean output.weight"),
        ({"parameter": "hidden.bias"}, "hidden.bias has 2 elements"),
        ({"parameter": "net_h1"}, "net_h1 is no parameter that a gradient reaches"),
    ],
)
def test_bad_input(keywords: dict[str, object], said: str) -> None:
    with pytest.raises(ValueError, match=re.escape(said)):
        networks.example("2-2-2").finite_differences(**keywords)  # type: ignore[arg-type]


def test_a_result_of_several_elements_is_no_loss() -> None:
    with pytest.raises(ValueError, match="out has 6 elements; it takes a loss"):
        networks.example("linear-layer").finite_differences()
