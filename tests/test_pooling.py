"""What the rows of the poolings cannot say: the positions returned, unpooling them, windows drawn, errors."""

from typing import Any

import pytest
import torch

from manualgrad import functional as F
from manualgrad import nn

SHAPES = {1: (2, 3, 12), 2: (2, 3, 6, 8), 3: (2, 2, 4, 6, 8)}


@pytest.mark.parametrize("dims", [1, 2, 3])
@pytest.mark.parametrize("kind", ["max_pool", "adaptive_max_pool", "fractional_max_pool"])
def test_positions_are_torchs(kind: str, dims: int) -> None:
    if (kind, dims) == ("fractional_max_pool", 1):
        return
    x = torch.randn(SHAPES[dims], generator=torch.Generator().manual_seed(0), requires_grad=True)
    arguments = (2, 2) if kind == "fractional_max_pool" else (2,)
    results = []
    for package in (F, torch.nn.functional):
        function = getattr(package, f"{kind}{dims}d")
        torch.manual_seed(1)
        y, i = function(x, *arguments, return_indices=True)
        assert i.dtype == torch.int64
        assert not i.requires_grad
        torch.manual_seed(1)
        assert torch.equal(y, function(x, *arguments))
        results.append((y, i, torch.rand(1)))
    for mine, torchs in zip(*results, strict=True):
        assert torch.equal(mine, torchs)


@pytest.mark.parametrize("dims", [1, 2, 3])
def test_unpooling_gives_the_maxima_back(dims: int) -> None:
    pool = getattr(nn, f"MaxPool{dims}d")(2, return_indices=True)
    unpool = getattr(nn, f"MaxUnpool{dims}d")(2)
    x = torch.rand(SHAPES[dims]) + 1
    y, i = pool(x)
    back = unpool(y, i)
    assert torch.equal(torch.where(back > 0, x, 0.0), back)
    assert torch.equal(pool(back)[0], y)
    assert unpool(y, i, output_size=x.shape).shape == x.shape


def test_values_and_positions_compiled() -> None:
    torch._dynamo.reset()
    x = torch.randn(2, 3, 6, 6, requires_grad=True)
    y, i = torch.compile(lambda x: F.max_pool2d(x, 2, return_indices=True), fullgraph=True, backend="aot_eager")(x)
    expected = torch.nn.functional.max_pool2d(x, 2, return_indices=True)
    assert torch.equal(y, expected[0])
    assert torch.equal(i, expected[1])
    assert torch.equal(torch.autograd.grad(y.sum(), x)[0], torch.autograd.grad(expected[0].sum(), x)[0])


def test_average_of_a_long_signal_needs_no_large_matrix() -> None:
    x = torch.randn(1, 1, 200_000, requires_grad=True)
    for y in (F.avg_pool1d(x, 4, 3, 1), F.adaptive_avg_pool1d(x, 1001), F.lp_pool1d(x, 2, 3)):
        (dx,) = torch.autograd.grad(y.sum(), x)
        assert dx.shape == x.shape


@pytest.mark.parametrize(
    ("name", "arguments", "error", "message"),
    [
        ("max_pool2d", (torch.ones(1, 1, 4, 4), 2, 2, 2), RuntimeError, r"max_pool: .*input \(1, 1, 4, 4\)"),
        ("avg_pool2d", (torch.ones(1, 1, 4, 4), 3, 2, 2), RuntimeError, "avg_pool: .*pad"),
        ("avg_pool2d", (torch.ones(1, 1, 1, 1), 2), RuntimeError, "avg_pool"),
        ("adaptive_max_pool2d", (torch.ones(1, 4), 2), RuntimeError, "adaptive_max_pool"),
        ("max_unpool2d", (torch.ones(1, 1, 1, 1), torch.full((1, 1, 1, 1), 9), 2), RuntimeError, "max_unpool"),
        ("lp_pool1d", (torch.ones(4), 2, 2), RuntimeError, "lp_pool"),
        ("fractional_max_pool2d", (torch.ones(1, 1, 4, 4), 2), ValueError, "output_size or an output_ratio"),
    ],
)
def test_what_does_not_fit_is_named(name: str, arguments: Any, error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=message):
        getattr(F, name)(*arguments)
    with pytest.raises(error):
        getattr(torch.nn.functional, name)(*arguments)


@pytest.mark.parametrize("dims", [1, 2, 3])
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_max_pool_under_autocast_has_the_dtype_of_torch(dims: int, dtype: torch.dtype) -> None:
    x = torch.ones(1, 1, *[4] * dims, dtype=dtype)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        ours, theirs = (getattr(library, f"max_pool{dims}d")(x, 2) for library in (F, torch.nn.functional))
    assert ours.dtype == theirs.dtype
