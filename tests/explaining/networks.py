"""Explanations that several test files look at."""

from __future__ import annotations

import functools

import torch
from torch import nn as tnn

from manualgrad import Tape, nn
from manualgrad.explaining import Explanation, explain
from manualgrad.explaining.examples import load
from manualgrad.explaining.examples.graphs import explanation_of


@functools.cache
def example(name: str) -> Explanation:
    explanation = explanation_of(load()[name])
    assert explanation is not None
    return explanation


@functools.cache
def digits(batch: int = 32) -> Explanation:
    """The digits recipe's network, 64-32-10."""
    torch.manual_seed(0)
    model = tnn.Sequential(tnn.Linear(64, 32), tnn.ReLU(), tnn.Linear(32, 10))
    return explain(
        model, torch.rand(batch, 64), torch.randint(0, 10, (batch,)), tnn.CrossEntropyLoss(), title="digits 64-32-10"
    )


@functools.cache
def wide() -> Explanation:
    """A layer of 784 units, and twelve layers of it: too large to draw unit by unit."""
    torch.manual_seed(0)
    layers = [layer for _ in range(40) for layer in (tnn.Linear(16, 16), tnn.Tanh())]
    model = tnn.Sequential(tnn.Linear(784, 16), *layers, tnn.Linear(16, 3))
    return explain(model, torch.rand(4, 784), torch.rand(4, 3), tnn.MSELoss(), title="784 units and forty layers")


@functools.cache
def sneaky() -> Explanation:
    """Names and a title that would be HTML if nobody escaped them."""
    bad = '<img src=x onerror="alert(1)"></script><script>alert(2)</script>&amp;{{data}}'
    torch.manual_seed(0)
    model = nn.Sequential()
    model.add_module("<b>bold</b>", nn.Linear(2, 2))
    model.add_module("s", nn.Sigmoid())
    labels = {"<b>bold</b>.weight[0, 0]": bad, "net_<b>bold</b>[0]": "<i>net</i>"}
    return explain(model, torch.rand(2), torch.rand(2), nn.MSELoss(), title=bad, labels=labels)


@functools.cache
def several() -> Explanation:
    """Three examples at once, a shared weight, a residual connection, and results that are used more than once."""
    torch.manual_seed(0)
    w = torch.randn(3, 3, requires_grad=True)
    x = torch.randn(3, 3)
    with Tape() as tape:
        h = torch.tanh(x @ w)
        y = h + torch.sigmoid(h @ w)
        loss = (y * y).mean()
    return explain(tape, names={"w": w, "x": x, "h": h, "y": y, "E": loss}, title="a shared weight")
