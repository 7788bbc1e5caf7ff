"""by_hand in the places where torch calls a model's code again, or code that the user gave it."""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.utils.checkpoint import checkpoint

from manualgrad import by_hand
from manualgrad.formula import FormulaError


def network() -> nn.Module:
    torch.manual_seed(0)
    return nn.Sequential(nn.Linear(3, 4), nn.Dropout(0.3), nn.Tanh(), nn.Linear(4, 2)).double()


def once(net: nn.Module, x: Tensor) -> Any:
    return checkpoint(net, x, use_reentrant=False)


def nested(net: nn.Module, x: Tensor) -> Any:
    return checkpoint(lambda x: checkpoint(net, x, use_reentrant=False).sin(), x, use_reentrant=False)


@pytest.mark.parametrize("use", [once, nested])
@pytest.mark.parametrize("where", ["inside", "outside"])
def test_a_checkpoint_is_computed_again_by_hand(use: Callable[[nn.Module, Tensor], Any], where: str) -> None:
    results = []
    for mode in (by_hand(), contextlib.nullcontext()):
        net, x = network(), torch.linspace(-1, 1, 15, dtype=torch.float64).view(5, 3).requires_grad_()
        torch.manual_seed(1)
        with mode:
            loss = use(net, x).square().sum()
            if where == "inside":
                loss.backward()
        if where == "outside":
            loss.backward()
        results.append([x.grad, *(p.grad for p in net.parameters())])
    torch.testing.assert_close(*results)


def test_what_a_checkpoint_has_no_formula_for_is_refused_when_it_is_computed() -> None:
    with by_hand(), pytest.raises(FormulaError, match=r"torch\.linalg\.eig: there is no formula"):
        checkpoint(torch.linalg.eig, torch.eye(2, requires_grad=True), use_reentrant=False)


def test_a_distance_of_the_users_is_differentiated_by_hand() -> None:
    x = torch.linspace(-1, 1, 6).view(2, 3).requires_grad_()
    with by_hand():
        loss = nn.functional.triplet_margin_with_distance_loss(
            x, x + 1, x * 2, distance_function=lambda a, b: (a - b).abs().sum(-1)
        )
    seen, queue = set(), [loss.grad_fn]
    while queue:
        node = queue.pop()
        if node is not None:
            seen.add(type(node).__name__)
            queue += [parent for parent, _ in node.next_functions]
    assert "AbsFunctionBackward" in seen
    assert {name for name in seen if "FunctionBackward" not in name} == {"AccumulateGrad"}
