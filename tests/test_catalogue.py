"""Every row of the catalogue against every check of `manualgrad.proof`."""

from collections.abc import Callable

import pytest
import torch
from torch import Tensor

from manualgrad.catalogue import FAMILIES, ROWS, Row
from manualgrad.proof import CHECKS
from manualgrad.proof.gradients import gradcheck
from manualgrad.proof.modes import compiled


def _marks(check: Callable[[Row], None], row: Row) -> tuple[pytest.MarkDecorator, ...]:
    """Compiling takes half of the time; layers and losses show at once what torch.compile does not take any more."""
    return (pytest.mark.slow,) if check is compiled and row in FAMILIES["elementary"] else ()


@pytest.mark.parametrize(
    ("check", "row"),
    [
        pytest.param(check, row, id=f"{check.__name__}-{row.name}", marks=_marks(check, row))
        for check in CHECKS
        for row in ROWS
    ],
)
def test_row(check: Callable[[Row], None], row: Row) -> None:
    check(row)


class Once:
    """A saved tensor, as `torch.utils.checkpoint` keeps it: to be asked for once."""

    def __init__(self, tensor: Tensor) -> None:
        self.tensor, self.asked = tensor, False

    def ask(self) -> Tensor:
        assert not self.asked, "backward reads ctx.saved_tensors twice"
        self.asked = True
        return self.tensor


@pytest.mark.filterwarnings("ignore")  # of samples that are unusual on purpose
@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.name)
def test_backward_unpacks_what_it_saved_once(row: Row) -> None:
    for sample in row.samples:
        args, keywords = sample.draw(seed=row.seed)
        with torch.autograd.graph.saved_tensors_hooks(Once, Once.ask):
            result = row.function(*args, **keywords)
        outputs = result if isinstance(result, (tuple, list)) else [result]
        differentiable = [o for o in outputs if isinstance(o, Tensor) and o.requires_grad]
        if differentiable:
            torch.autograd.backward(differentiable, [torch.ones_like(o) for o in differentiable])


@pytest.mark.slow
@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.name)
def test_every_element_of_the_jacobian(row: Row) -> None:
    gradcheck(row, fast=False)
