"""`check` itself: what it refuses, what its report says, and a layer of ordinary size."""

from __future__ import annotations

import json
import time
from typing import Any

import pytest
import torch
from torch import Tensor
from torch.autograd import Function

import manualgrad
from manualgrad.checking import CheckError, GradientError
from tests.checking.figures import OneWrongEntry


class Tripled(Function):
    """Has the gradient of 2 x."""

    @staticmethod
    def forward(ctx: Any, x: Tensor) -> Tensor:
        return 3 * x

    @staticmethod
    def backward(ctx: Any, dy: Tensor) -> Tensor:
        return 2 * dy


def _raises(x: Tensor) -> Tensor:
    raise KeyError("nothing here")


_lengths = iter(range(2, 10**6))


def _grows(x: Tensor) -> Tensor:
    return x.repeat(next(_lengths))


@pytest.mark.parametrize(
    ("fn", "inputs", "options", "message"),
    [
        (torch.sin, (torch.tensor([1, 2]),), {}, "nothing to differentiate by"),
        (3, (torch.ones(2),), {}, "expected a Function class, a callable or a module"),
        (dict, (torch.ones(2),), {}, "no torch.autograd.Function"),
        (_raises, (torch.ones(2),), {}, "_raises raised KeyError: 'nothing here'"),
        (lambda x: "text", (torch.ones(2),), {}, "returned str, not a tensor"),
        (torch.argmax, (torch.ones(2),), {}, "int64 only"),
        (_grows, (torch.ones(2),), {}, "different shapes"),
        (torch.sin, (torch.ones(2),), {"names": ["a", "b"]}, "2 names for 1 inputs"),
        (torch.sin, (torch.ones(2),), {"ignore": ["kinks"]}, "no code is called kinks"),
        (torch.sin, (torch.ones(2),), {"reference": torch.sum}, "reference returns shape"),
    ],
)
def test_bad_input(fn: Any, inputs: tuple[Any, ...], options: dict[str, Any], message: str) -> None:
    with pytest.raises(CheckError, match=message):
        manualgrad.check(fn, *inputs, **options)


def test_report() -> None:
    report = manualgrad.check(Tripled, torch.tensor([[0.5, -1.0]]))
    assert not report.passed
    finding = report.findings[0]
    assert (finding.code, finding.severity, finding.input) == ("scale", "error", "x")
    assert finding.index in {(0, 0), (0, 1)}
    assert "2/3" in finding.message or "0.666667" in finding.message
    assert json.loads(json.dumps(report.to_dict()))["findings"][0]["code"] == "scale"
    assert "Jacobian" in str(report)
    with pytest.raises(GradientError) as raised:
        report.raise_if_failed()
    assert len(str(raised.value)) < 400
    manualgrad.check(torch.sin, torch.ones(2)).raise_if_failed()


def test_layer_of_ordinary_size() -> None:
    layer = torch.nn.Linear(64, 64)
    start = time.process_time()
    report = manualgrad.check(layer, torch.randn(8, 64, generator=torch.Generator().manual_seed(0)))
    assert report.passed
    assert time.process_time() - start < 5


@pytest.mark.parametrize(
    ("fn", "x"), [(torch.exp, [1e6, 2.0]), (torch.sin, [torch.nan, 1.0]), (torch.tanh, [torch.inf])]
)
def test_values_that_are_not_finite(fn: Any, x: list[float]) -> None:
    assert manualgrad.check(fn, torch.tensor(x)).passed


def test_one_wrong_entry_among_ten_thousand() -> None:
    x = torch.randn(100, 100, generator=torch.Generator().manual_seed(0))
    start = time.process_time()
    (finding,) = manualgrad.check(OneWrongEntry, x).findings
    assert (finding.severity, finding.input, finding.index) == ("error", "x", (37, 61))
    assert time.process_time() - start < 10


@pytest.mark.slow
def test_a_million_elements() -> None:
    start = time.process_time()
    report = manualgrad.check(Tripled, torch.randn(1000, 1000))
    assert report.findings[0].code == "scale"
    assert time.process_time() - start < 30
