"""The layout of the drawing, and the figure that is made of it."""

from __future__ import annotations

import xml.etree.ElementTree as ElementTree
from pathlib import Path

import pytest
import torch
from torch import nn as tnn

from manualgrad import Tape, explain
from manualgrad.explaining import Explanation
from manualgrad.explaining.drawing import GRADIENT, NAME, VALUE, Box, Drawing, draw
from manualgrad.explaining.wording import number
from tests.explaining import networks


def drawing(explanation: Explanation) -> Drawing:
    return draw(explanation._trace)


@pytest.mark.parametrize(
    "name",
    ["xyz", "2-2-2", "2-2-2-biases", "3-4-1", "2-3-1", "2-2-1", "two-neurons-2024", "learning-rate-1.0", "softmax",
     "sharing", "recurrent", "linear-layer", "digits", "wide", "several"],
)  # fmt: skip
def test_no_texts_overlap_and_all_are_inside(name: str) -> None:
    special = {"digits": networks.digits, "wide": networks.wide, "several": networks.several}
    drawn = drawing(special[name]() if name in special else networks.example(name))
    texts = list(drawn.texts)
    whole = Box(0, 0, drawn.width, drawn.height)
    for i, text in enumerate(texts):
        box = text.box
        assert box.left >= whole.left
        assert box.right <= whole.right
        assert box.top >= whole.top
        assert box.bottom <= whole.bottom
        assert not any(box.overlaps(other.box) for other in texts[:i]), text
    for edge in drawn.edges:
        assert all(not t.box.overlaps(n.box) for t in edge.texts for n in drawn.nodes)


def test_values_stand_above_and_gradients_below_their_edge() -> None:
    for name in ("2-2-2", "xyz", "sharing", "3-4-1"):
        for edge in drawing(networks.example(name)).edges:
            above = [t for t in edge.texts if t.kind == VALUE]
            below = [t for t in edge.texts if t.kind == GRADIENT]
            assert all(a.y < b.y for a in above for b in below)


def test_every_weight_is_on_an_edge() -> None:
    explanation = networks.example("3-4-1")
    drawn = drawing(explanation)
    edges = {edge.elements[0]: edge for edge in drawn.edges if edge.texts}
    assert len(edges) == 12 + 4
    for j in range(4):
        for i in range(3):
            value, gradient, name = edges[f"w1_{j + 1}{i + 1}"].texts
            assert value.text == number(explanation.values["hidden.weight"][j, i].item())
            assert gradient.text == number(explanation.gradients["hidden.weight"][j, i].item())
            assert (name.text, name.kind) == (f"w1_{j + 1}{i + 1}", NAME)
    assert [n.kind for n in drawn.nodes] == ["input"] * 3 + ["neuron"] * 5 + ["loss"]


def test_each_use_of_a_shared_tensor_has_its_own_share() -> None:
    drawn = drawing(networks.example("sharing"))
    shares = [t.text for e in drawn.edges if e.elements == ["theta"] for t in e.texts if t.kind == GRADIENT]
    assert sorted(shares) == ["2", "3"]


def test_networks_of_large_layers_are_drawn_step_by_step() -> None:
    assert {n.kind for n in drawing(networks.digits()).nodes} == {"input", "parameter", "operation", "loss"}
    assert len(drawing(networks.wide()).nodes) < 100
    small = tnn.Sequential(tnn.Linear(6, 3), tnn.ReLU(), tnn.Linear(3, 1))
    by_units = explain(small, torch.ones(4, 6), torch.ones(4, 1), tnn.MSELoss())
    assert "neuron" in {n.kind for n in drawing(by_units).nodes}
    wider = tnn.Sequential(tnn.Linear(7, 3), tnn.ReLU(), tnn.Linear(3, 1))
    by_steps = explain(wider, torch.ones(4, 7), torch.ones(4, 1), tnn.MSELoss())
    assert "neuron" not in {n.kind for n in drawing(by_steps).nodes}


def test_code_without_modules_is_grouped_too() -> None:
    x = torch.tensor(0.5, requires_grad=True)
    with Tape() as tape:
        y = x
        for _ in range(300):
            y = torch.sin(y)
    assert len(drawing(explain(tape, names={"x": x, "y": y})).nodes) < 70


@pytest.mark.parametrize("ending", [".png", ".svg", ".pdf", ".PNG"])
def test_figure(ending: str, tmp_path: Path) -> None:
    path = networks.example("2-2-2").figure(tmp_path / f"figure{ending}")
    start = path.read_bytes()[:200]
    expected = {".png": b"\x89PNG", ".svg": b"<?xml", ".pdf": b"%PDF"}[ending.lower()]
    assert start.startswith(expected)
    if ending == ".svg":
        ElementTree.parse(path)
        again = networks.example("2-2-2").figure(tmp_path / "again.svg")
        assert again.read_bytes() == path.read_bytes()


def test_figure_with_a_title_that_looks_like_a_formula(tmp_path: Path) -> None:
    assert networks.sneaky().figure(tmp_path / "sneaky.png").stat().st_size > 1000
    dollars = explain(tnn.Linear(1, 1), torch.ones(1), torch.ones(1), tnn.MSELoss(), title="$ \\frac{ $")
    assert dollars.figure(tmp_path / "dollars.png").stat().st_size > 1000
