"""An upstream gradient that is infinite in one place: where torch's gradient is a number, ours is the same one."""

from __future__ import annotations

import math
from collections.abc import Iterable

import pytest
import torch
from torch import Tensor

from manualgrad.catalogue import ROWS, Row, Sample
from manualgrad.proof.comparing import Function, call, leaves_of, random_like

# Where infinities of both signs meet in a sum, or an infinity meets a 0 among factors, in another order than torch's.
KNOWN = {
    "bilinear": "a product of three, in another order",
    "cdist": "differences of matrix products for p = 2, and elements without a difference for p < 1",
    "cumprod": "a recursion through factors of 0",
    "eigh": "products of matrices",
    "interpolate": "one dimension after the other, with weights that are 0",
    "irfftn": "sums of infinities of both signs, in another order",
    "qr": "products of matrices",
    "solve": "products of matrices",
}


def gradients(function: Function, row: Row, sample: Sample, value: float) -> list[tuple[Tensor | None, ...]]:
    """Of each of some places of the results, where the upstream gradient is `value`."""
    arguments = sample.draw(seed=row.seed)
    outputs = [o for o in call(function, arguments) if o.requires_grad and not o.is_complex()]
    found: list[tuple[Tensor | None, ...]] = []
    for k, output in enumerate(outputs):
        last = output.numel() - 1
        for place in range(last + 1) if last < 6 else (0, 1, last // 2, last):
            dys = random_like(outputs, 1)
            dys[k].view(-1)[place] = value
            found.append(torch.autograd.grad(outputs, leaves_of(arguments), dys, retain_graph=True, allow_unused=True))
    return found


def compare(row: Row, samples: Iterable[Sample], value: float) -> None:
    for sample in samples:
        try:
            expected, theirs = (gradients(f, row, sample, value) for f in (row.truth, row.twin))
        except RuntimeError:
            continue  # one of torch's faults, which `test_torch_faults.py` shows
        for of_one_place in zip(gradients(row.function, row, sample, value), expected, theirs, strict=True):
            for a, b, c in zip(*of_one_place, strict=True):
                if a is not None and b is not None and c is not None:
                    known = ~(b.isnan() | c.isnan())
                    torch.testing.assert_close(a[known], b[known], rtol=1e-8, atol=1e-11)


# Rounded by torch to float32 (`test_torch_faults.py`), whatever the upstream gradient is.
ROUNDED = {"celu", "hardsigmoid"}
TRIED = [row for row in ROWS if row.name not in KNOWN.keys() | ROUNDED]


@pytest.mark.parametrize("row", TRIED, ids=lambda row: row.name)
def test_what_torch_knows_is_known(row: Row) -> None:
    compare(row, [*row.samples[:2], *row.kinks], math.inf)


@pytest.mark.slow
@pytest.mark.parametrize("row", TRIED, ids=lambda row: row.name)
def test_what_torch_knows_is_known_for_all_arguments(row: Row) -> None:
    compare(row, row.samples[2:], math.inf)
    compare(row, [*row.samples, *row.kinks], -math.inf)
