"""Every wrong Function of the corpus is caught and its cause named first; no right one raises an alarm."""

from __future__ import annotations

import pytest
import torch

from manualgrad.checking import check
from manualgrad.checking.report import CODES
from tests.checking.corpus import EXAMPLES, Example

WRONG = [e for e in EXAMPLES if e.codes]
RIGHT = [e for e in EXAMPLES if not e.codes]


@pytest.mark.parametrize("example", WRONG, ids=lambda e: e.name)
def test_wrong(example: Example) -> None:
    report = check(example.fn, *example.inputs, **example.options)
    first = next((f for f in report.findings if f.severity != "note" or f.code in example.codes), None)
    assert first is not None, f"nothing found, {example.codes} expected"
    assert first.code in example.codes, f"{example.codes} expected:\n{report}"
    assert "[" not in first.message.split(": ")[0] or first.index is not None


@pytest.mark.parametrize("example", RIGHT, ids=lambda e: e.name)
def test_right(example: Example) -> None:
    report = check(example.fn, *example.inputs, **example.options)
    assert [str(f) for f in report.findings if f.severity != "note"] == []
    assert report.passed


def test_corpus_is_large_and_covers_every_code() -> None:
    assert len(WRONG) >= 150
    assert len(RIGHT) >= 80
    assert {code for e in WRONG for code in e.codes} >= set(CODES) - {"kink"}


def test_nothing_is_changed() -> None:
    """Inputs, parameters, buffers and the state of the random generator are as they were."""
    module = torch.nn.Sequential(torch.nn.Linear(3, 4), torch.nn.BatchNorm1d(4), torch.nn.Dropout())
    before = {k: v.clone() for k, v in module.state_dict().items()}
    x = torch.randn(5, 3)
    kept, state = x.clone(), torch.get_rng_state()
    report = check(module, x)
    assert report.passed, str(report)
    assert torch.equal(x, kept)
    assert torch.equal(state, torch.get_rng_state())
    for name, value in module.state_dict().items():
        assert torch.equal(value, before[name]), name
    assert all(p.grad is None for p in module.parameters())


def test_a_tied_parameter_is_one_and_a_module_gets_its_own_back() -> None:
    """A tied weight is moved in both of its places; the module holds the same objects afterwards."""
    tied = torch.nn.Sequential(torch.nn.Linear(3, 3), torch.nn.Tanh(), torch.nn.Linear(3, 3))
    tied[2].weight = tied[0].weight
    tied[0].bias.requires_grad_(False)
    held = [id(t) for t in tied.parameters()]
    report = check(tied, torch.randn(4, 3, generator=torch.Generator().manual_seed(0)))
    assert report.passed, str(report)
    assert "(12 x 24)" in report.tried[0]  # by the 12 inputs, the weight and the second bias
    assert [id(t) for t in tied.parameters()] == held


def test_batch_norm_behind_a_layer() -> None:
    """Its backward misreads a weight with gaps between its elements, which no module has."""
    module = torch.nn.Sequential(torch.nn.Linear(3, 3), torch.nn.BatchNorm1d(3))
    report = check(module, torch.randn(4, 3, generator=torch.Generator().manual_seed(0)))
    assert report.passed, str(report)


@pytest.mark.filterwarnings("ignore:.*torch.jit.*:DeprecationWarning")
def test_scripted_module() -> None:
    scripted = torch.jit.script(torch.nn.Linear(3, 2))
    report = check(scripted, torch.randn(4, 3, generator=torch.Generator().manual_seed(0)))
    assert report.passed, str(report)
