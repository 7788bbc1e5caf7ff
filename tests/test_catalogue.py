"""Every row of the catalogue against every check of `manualgrad.proof`."""

from collections.abc import Callable

import pytest

from manualgrad.catalogue import ROWS, Row
from manualgrad.proof import CHECKS
from manualgrad.proof.gradients import gradcheck


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.name)
@pytest.mark.parametrize("check", CHECKS, ids=lambda check: check.__name__)
def test_row(row: Row, check: Callable[[Row], None]) -> None:
    check(row)


@pytest.mark.slow
@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.name)
def test_every_element_of_the_jacobian(row: Row) -> None:
    gradcheck(row, fast=False)
