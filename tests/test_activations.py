"""What the catalogue's checks do not reach: dtypes, warnings, chance, lazy layers, and errors of the activations."""

import itertools
import math
from collections.abc import Callable
from functools import partial
from typing import Any

import pytest
import torch
from torch import Tensor
from torch.nn import functional as torch_F

from manualgrad import functional as F
from manualgrad import nn
from manualgrad.catalogue import BY_NAME, FAMILIES, Row

SOFTMAXES = [(F.softmax, torch_F.softmax), (F.log_softmax, torch_F.log_softmax), (F.softmin, torch_F.softmin)]
softmaxes = pytest.mark.parametrize(("ours", "theirs"), SOFTMAXES, ids=[f.__name__ for f, _ in SOFTMAXES])


@softmaxes
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64, torch.bfloat16])
def test_softmax_casts_first(ours: Callable[..., Tensor], theirs: Callable[..., Tensor], dtype: torch.dtype) -> None:
    x = torch.randn(3, 4, generator=torch.Generator().manual_seed(0)).bfloat16()
    results = []
    for f in (ours, theirs):
        leaf = x.clone().requires_grad_()
        y = f(leaf, dim=1, dtype=dtype)
        y.backward(torch.arange(12.0).view(3, 4).to(dtype))
        results.append((y, leaf.grad))
    for a, b in zip(*results, strict=True):
        torch.testing.assert_close(a, b, rtol=1e-2, atol=1e-2 if dtype == torch.bfloat16 else 1e-6)
    tangent = torch.func.jvp(lambda x: ours(x, dim=1, dtype=dtype), (x,), (x,))[1]
    assert tangent.dtype == dtype
    assert ours(torch.tensor([1, 2]), 0, dtype=dtype).dtype == dtype


@softmaxes
def test_softmax_without_dim_warns_at_the_callers_line(
    ours: Callable[..., Tensor], theirs: Callable[..., Tensor]
) -> None:
    for f in (ours, theirs):
        with pytest.warns(UserWarning, match=f"Implicit dimension choice for {ours.__name__}") as caught:
            f(torch.ones(2, 3))
        assert caught[0].filename == __file__


def test_softmax_2d_takes_images() -> None:
    with pytest.raises(ValueError, match=r"input must be \(c, h, w\) or \(n, c, h, w\), got \(2, 3\)"):
        nn.Softmax2d()(torch.ones(2, 3))


@pytest.mark.parametrize("training", [False, True])
@pytest.mark.parametrize("inplace", [False, True])
def test_rrelu_module_draws_what_torch_draws(training: bool, inplace: bool) -> None:
    x = torch.linspace(-1, 1, 20)
    results = []
    for kind in (nn.RReLU, torch.nn.RReLU):
        torch.manual_seed(3)
        results.append(kind(0.1, 0.9, inplace=inplace).train(training)(x.clone()))
    assert torch.equal(*results)


BAD: list[tuple[Callable[..., Any], Callable[..., Any], tuple[Any, ...], str]] = [
    (F.hardtanh, torch_F.hardtanh, (torch.ones(2), 2.0, 1.0), "hardtanh: .*min_val cannot be greater than max_val"),
    (F.softshrink, torch_F.softshrink, (torch.ones(2), -1.0), "softshrink: "),
    (
        partial(F.gelu, approximate="tan"),
        partial(torch_F.gelu, approximate="tan"),
        (torch.ones(2),),
        "gelu: approximate",
    ),
    (F.glu, torch_F.glu, (torch.ones(3, 5),), r"glu: the size of input along dim -1 must be even, got \(3, 5\)"),
    (F.glu, torch_F.glu, (torch.ones(4), 1), "glu: "),
    (F.glu, torch_F.glu, (torch.tensor(1.0),), "glu: "),
    (F.prelu, torch_F.prelu, (torch.ones(2, 3), torch.ones(4)), r"prelu: weight must have 1 element .* got \(4,\)"),
    (F.prelu, torch_F.prelu, (torch.ones(3), torch.ones(3)), r"prelu: weight must have 1 element"),
    (F.celu, torch_F.celu, (torch.ones(2), 0.0), "celu: .*alpha cannot be 0"),
    (F.rrelu, torch_F.rrelu, (torch.ones(2), 0.5, 0.1), "rrelu: lower must be at most upper, got 0.5 and 0.1"),
    (F.softmax, torch_F.softmax, (torch.ones(2), 2), r"softmax: .*\(given input \(2,\) float32\)"),
    (F.elu, torch_F.elu, (torch.ones(2, dtype=torch.int64),), "elu: "),
    (F.silu, torch_F.silu, (torch.ones(2, dtype=torch.int64),), "silu: "),
    (F.bilinear, torch_F.bilinear, (torch.ones(1, 2), torch.ones(2, 2), torch.ones(1, 2, 2)), "bilinear: input1 and"),
    (
        F.bilinear,
        torch_F.bilinear,
        (torch.ones(1, 3), torch.ones(1, 2), torch.ones(1, 2, 2)),
        "last dimension of input1",
    ),
    (F.bilinear, torch_F.bilinear, (torch.ones(1, 2), torch.ones(1, 2), torch.ones(2, 2)), "weight must be"),
]


@pytest.mark.parametrize(("ours", "theirs", "args", "message"), BAD)
def test_errors_are_of_torchs_type_and_say_more(
    ours: Callable[..., Any], theirs: Callable[..., Any], args: tuple[Any, ...], message: str
) -> None:
    with pytest.raises(Exception) as expected:  # noqa: PT011  whatever torch raises
        theirs(*args)
    with pytest.raises(expected.type, match=message):
        ours(*args)


def test_lazy_linear_becomes_ours() -> None:
    layer: Any = nn.LazyLinear(2)
    y = layer(torch.ones(3, 4))
    assert type(layer) is nn.Linear
    assert layer.weight.shape == (2, 4)
    (dw,) = torch.autograd.grad(y.sum(), layer.weight)
    assert torch.equal(dw, torch.full((2, 4), 3.0))


# ---------------------------------------------------------------------------------------- infinite, and no numbers

ODD = (math.nan, math.inf, -math.inf, 0.0, 1.0, -1.0)
ELEMENTWISE = [
    row
    for row in (*FAMILIES["activations"], *map(BY_NAME.__getitem__, ("maximum", "minimum")))
    if row.name not in ("glu", "softmax", "softmin", "log_softmax", "softmax2d", "prelu", "rrelu")
]


@pytest.mark.parametrize("row", ELEMENTWISE, ids=lambda row: row.name)
def test_infinities_and_what_is_no_number_give_what_they_give_in_torch(row: Row) -> None:
    """Finite where torch is, and as torch. One element at a time: its kernels for long tensors treat NaN otherwise."""
    binary = row.name in ("maximum", "minimum")
    for values in itertools.product(ODD, repeat=2 if binary else 1):
        for dy in (2.0, 0.0, math.inf, math.nan):
            gradients = []
            for f in (row.function, row.twin):
                leaves = [torch.tensor(v, dtype=torch.float64, requires_grad=True) for v in values]
                f(*leaves, *((0.5, 1.0) if row.name == "threshold" else ())).backward(torch.tensor(dy).double())
                gradients.append([leaf.grad for leaf in leaves])
            for a, b in zip(*gradients, strict=True):
                what = f"{row.name}({values}), dy {dy}: {a} for {b}"
                if math.isfinite(b):
                    torch.testing.assert_close(a, b, msg=what)
                elif math.isfinite(a):  # where torch is at a loss and the slope has a limit
                    assert (row.name, a, math.isinf(values[0])) == ("softsign", 0, True), what


def test_prelu_keeps_its_two_sides_apart() -> None:
    for dy in (1.0, math.inf):
        gradients = []
        for f in (F.prelu, torch_F.prelu):
            x = torch.tensor([math.inf, 2.0, -2.0], requires_grad=True)
            w = torch.tensor([0.5], requires_grad=True)
            f(x, w).backward(torch.tensor([1.0, dy, 1.0]))
            gradients += [(x.grad, w.grad)]
        for a, b in zip(*gradients, strict=True):
            torch.testing.assert_close(a, b)


def test_a_shut_gate_stops_an_infinite_gradient() -> None:
    x = torch.tensor([-1.0, 4.0], requires_grad=True)
    F.sqrt(F.relu(x)).sum().backward()
    assert x.grad is not None
    assert x.grad.tolist() == [0.0, 0.25]
