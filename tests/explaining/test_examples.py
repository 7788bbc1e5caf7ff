"""Every check of every worked example, through autograd and through the tape."""

import pytest
import torch

from manualgrad.explaining.examples import Check, Example, Wrong, load

EXAMPLES = load()
CHECKS = [(example, check) for example in EXAMPLES.values() for check in example.checks]


def exact(value: object) -> torch.Tensor:
    return torch.tensor(value, dtype=torch.float64)


@pytest.mark.parametrize("engine", ["autograd", "tape"])
@pytest.mark.parametrize(("example", "check"), CHECKS, ids=[f"{e.name}: {c.name}" for e, c in CHECKS])
def test_check(example: Example, check: Check, engine: str) -> None:
    ours = exact(example.results(engine)[check.name])
    torch.testing.assert_close(ours, exact(check.value), rtol=0, atol=check.tolerance)
    if check.printed is not None:
        torch.testing.assert_close(ours, exact(check.printed), rtol=0, atol=check.rounding + check.tolerance)


def test_they_are_all_there() -> None:
    assert len(CHECKS) == 179
    for example in EXAMPLES.values():
        assert {c.name for c in example.checks} == set(example.results("tape"))


WRONG = [(example, wrong) for example in EXAMPLES.values() for wrong in example.wrong]


@pytest.mark.parametrize(("example", "wrong"), WRONG, ids=[f"{e.name}: {w.name}" for e, w in WRONG])
def test_what_is_called_wrong_is_wrong(example: Example, wrong: Wrong) -> None:
    """By far more than rounding: the printed figure and ours differ in the digits that are printed."""
    ours, printed = (exact(v).flatten() for v in (example.results("tape")[wrong.name], wrong.printed))
    figures = wrong.printed if isinstance(wrong.printed, list) else [wrong.printed]
    places = [len(str(f).partition(".")[2]) for f in figures]
    assert any(abs(a - b) > 10.0**-p for a, b, p in zip(ours.tolist(), printed.tolist(), places, strict=True))
