"""Coverage: what torch.nn has is read from torch, and whatever is neither ours nor explained shows up as missing."""

from __future__ import annotations

import json

import pytest
import torch
from torch.nn.utils import parametrizations

import manualgrad
from manualgrad import cli, coverage


def test_nothing_of_torch_nn_is_missing() -> None:
    assert [entry.name for entry in coverage.coverage() if entry.missing] == []


def test_every_reason_is_of_something_that_is_not_ours() -> None:
    left = {entry.name for entry in coverage.coverage() if not entry.ours}
    assert set(coverage.REASONS) - left <= {"LinearCrossEntropyOptions"}, "torch has that one since 2.13"


def test_a_class_that_torch_gets_shows_up_as_missing(monkeypatch: pytest.MonkeyPatch) -> None:
    class Novel(torch.nn.Module):
        pass

    def novel(x: torch.Tensor) -> torch.Tensor:
        return x

    monkeypatch.setattr(torch.nn, "Novel", Novel, raising=False)
    monkeypatch.setattr(torch.nn.functional, "novel", novel, raising=False)
    assert [entry.name for entry in coverage.coverage() if entry.missing] == ["Novel", "novel"]


@pytest.mark.parametrize("form", ["", "--json", "--markdown"])
def test_the_command_names_all_of_it(form: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["list", "--coverage", *form.split()]) == 0
    out = capsys.readouterr().out
    if form == "--json":
        assert [e["name"] for e in json.loads(out)] == [entry.name for entry in coverage.coverage()]
    elif form == "":
        assert "torch.nn\tLinear\tmanualgrad.nn.Linear\t" in out.splitlines()
    for name, reason in coverage.REASONS.items():
        assert name in out, name
        assert reason in out, name


def test_a_parametrisation_without_a_formula_is_named_when_a_model_is_converted() -> None:
    layer = parametrizations.orthogonal(torch.nn.Linear(2, 2))
    assert manualgrad.convert(layer).left == {"parametrizations.weight.0": "_Orthogonal has no formula here"}
