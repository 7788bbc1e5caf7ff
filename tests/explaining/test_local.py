"""The local derivatives of a step, element by element, against torch's own Jacobian."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from torch import Tensor

from manualgrad import Tape
from manualgrad import functional as F
from manualgrad.explaining.local import MOST_ROWS, is_pointwise, local_derivatives
from manualgrad.explaining.trace import Trace, read


def randn(*shape: int) -> Tensor:
    generator = torch.Generator().manual_seed(len(shape) + sum(shape))
    return torch.randn(shape, generator=generator, dtype=torch.float64)


def traced(function: Callable[..., Tensor], *arguments: Tensor) -> Trace:
    leaves = [a.clone().requires_grad_() for a in arguments]
    with Tape() as tape:
        y = function(*leaves)
    tape.backward(y, torch.ones_like(y), retain=True)
    return read(tape, {id(leaf): (f"a{i}", "parameter") for i, leaf in enumerate(leaves)})


CASES: dict[str, tuple[Callable[..., Tensor], tuple[Tensor, ...]]] = {
    "sigmoid": (torch.sigmoid, (randn(2, 3),)),
    "softmax": (lambda x: torch.softmax(x, 1), (randn(2, 3),)),
    "linear": (F.linear, (randn(4, 3), randn(2, 3), randn(2))),
    "linear of one example": (F.linear, (randn(3), randn(2, 3), randn(2))),
    "linear of three dimensions": (F.linear, (randn(2, 2, 3), randn(2, 3), randn(2))),
    "linear with one shared bias": (F.linear, (randn(4, 3), randn(2, 3), randn(1))),
    "linear of a vector": (F.linear, (randn(4, 3), randn(3))),
    "sum": (lambda x: x.sum(0), (randn(4, 3),)),
    "mean of all": (torch.mean, (randn(4, 3),)),
    "broadcast": (torch.add, (randn(4, 3), randn(3))),
    "product": (torch.mul, (randn(4, 1), randn(1, 3))),
    "matmul": (torch.matmul, (randn(2, 3), randn(3, 4))),
    "permute": (lambda x: x.permute(2, 0, 1), (randn(2, 3, 4),)),
    "reshape": (lambda x: x.reshape(4, 6), (randn(2, 3, 4),)),
    "index": (lambda x: x[1], (randn(3, 4),)),
    "expand": (lambda x: x.expand(3, 4), (randn(3, 1),)),
    "layer norm": (lambda x: torch.nn.functional.layer_norm(x, (4,)), (randn(3, 4),)),
    "loss": (lambda x: F.mse_loss(x, torch.zeros_like(x)), (randn(3, 4),)),
}


@pytest.mark.parametrize("case", CASES)
def test_the_same_as_torchs_jacobian(case: str) -> None:
    function, arguments = CASES[case]
    trace = traced(function, *arguments)
    (operation,) = trace.operations
    expected = torch.autograd.functional.jacobian(function, arguments)
    assert len(operation.moving) == len(arguments)
    for position, quantity in operation.moving:
        every = torch.arange(quantity.value.numel())
        size = operation.output.value.numel(), quantity.value.numel()
        for sources in (every, every[1::2]):
            slopes = local_derivatives(operation, position, sources)
            found = torch.zeros(size, dtype=torch.float64)
            found[slopes.target, slopes.source] = slopes.slope
            kept = torch.zeros(size, dtype=torch.float64)
            kept[:, sources] = expected[position].reshape(size)[:, sources]
            torch.testing.assert_close(found, kept, rtol=1e-9, atol=1e-12)
            places = list(zip(slopes.source.tolist(), slopes.target.tolist(), strict=True))
            assert len(places) == len(set(places))


def test_pointwise_means_element_by_element() -> None:
    found = {
        name: is_pointwise(traced(function, *arguments).operations[0]) for name, (function, arguments) in CASES.items()
    }
    assert [name for name, pointwise in found.items() if pointwise] == ["sigmoid"]


def test_a_relu_that_is_off_goes_on_with_slope_zero() -> None:
    operation = traced(torch.relu, torch.tensor([-1.0, 2.0, -3.0])).operations[0]
    slopes = local_derivatives(operation, 0, torch.arange(3))
    assert slopes.target.tolist() == [0, 1, 2]
    assert slopes.slope.tolist() == [0, 1, 0]
    assert is_pointwise(operation)


def test_too_many_rows_are_refused() -> None:
    operation = traced(lambda x: torch.softmax(x, 0), randn(MOST_ROWS + 1)).operations[0]
    with pytest.raises(ValueError, match=r"step 1 \(softmax\) has 4097 outputs, too many"):
        local_derivatives(operation, 0, torch.arange(2))
