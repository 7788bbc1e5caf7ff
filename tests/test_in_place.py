"""`inplace=True`: the values, gradients, mutated input and saved memory of torch, in every mode."""

import inspect
from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor

from manualgrad import Tape, by_hand, nn
from manualgrad.catalogue import ROWS, Row
from manualgrad.formula import FormulaError
from manualgrad.proof import saved_bytes

Function = Callable[..., Any]


def draws(row: Row) -> bool:
    """Whether the formula is one of chance."""
    args, keywords = row.samples[0].draw()
    before = torch.get_rng_state()
    row.function(*args, **keywords)
    return not torch.equal(before, torch.get_rng_state())


all_with_inplace = [row for row in ROWS if "inplace" in inspect.signature(row.function).parameters]
of_chance = [row for row in all_with_inplace if draws(row)]
with_inplace = [row for row in all_with_inplace if row not in of_chance]
rows = pytest.mark.parametrize("row", with_inplace, ids=lambda row: row.name)
X = torch.linspace(-4.1, 4.3, 12, dtype=torch.float64).view(3, 4)


def both(row: Row) -> tuple[Function, Function]:
    """Ours and torch's, in place, as functions of one tensor; torch's by way of the row's reference if it has one."""
    (_, *rest), keywords = row.samples[0].draw(seed=row.seed)
    rest = [a.detach() if isinstance(a, Tensor) else a for a in rest]

    def reference(x: Tensor) -> Tensor:
        return x.copy_(row.truth(x.clone(), *rest, **keywords))

    def ours(x: Tensor) -> Tensor:
        return row.function(x, *rest, **keywords, inplace=True)

    return ours, reference if row.reference else torchs(row)


def torchs(row: Row) -> Function:
    (_, *rest), keywords = row.samples[0].draw(seed=row.seed)
    return lambda x: row.twin(x, *rest, **keywords, inplace=True)


def whole(function: Function, x: Tensor) -> Tensor:
    """The changed tensor is used under both of its names."""
    h = x * 1.5
    y = function(h)
    assert y is h
    return y * h * x


def part(function: Function, x: Tensor) -> Tensor:
    """Only a view is changed; the whole shows it."""
    h = x * 1.5
    function(h[1:])
    return h * h


@rows
@pytest.mark.parametrize("use", [whole, part])
def test_values_gradients_and_second_derivatives(row: Row, use: Function) -> None:
    results = []
    for function in both(row):
        x = X.clone().requires_grad_()
        loss = use(function, x)
        (dx,) = torch.autograd.grad(loss.sum(), x, create_graph=True)
        (second,) = torch.autograd.grad(dx.sin().sum(), x)
        results.append((loss.detach(), dx.detach(), second))
    for a, b in zip(*results, strict=True):
        torch.testing.assert_close(a, b, rtol=1e-12, atol=1e-13)


@pytest.mark.parametrize("row", of_chance, ids=lambda row: row.name)
def test_formulas_of_chance_draw_what_torch_draws(row: Row) -> None:
    results = []
    for function in (row.function, row.twin):
        (x, *_), _ = row.samples[0].draw(seed=row.seed)
        h = x * 1.5
        torch.manual_seed(0)
        y = function(h, p=0.5, training=True, inplace=True)
        assert y is h
        results.append((y.detach(), *torch.autograd.grad((y * h).sum(), x)))
    for a, b in zip(*results, strict=True):
        torch.testing.assert_close(a, b, rtol=1e-12, atol=1e-13)


@rows
def test_leaf_is_refused_and_left_alone(row: Row) -> None:
    x = X.clone().requires_grad_()
    for function in both(row):
        with pytest.raises(
            RuntimeError, match="a leaf Variable that requires grad is being used in an in-place operation"
        ):
            function(x)
    assert torch.equal(x, X)
    with torch.no_grad():
        assert both(row)[0](x) is x
    assert not torch.equal(x, X)


@rows
def test_saved_memory_is_at_most_torchs(row: Row) -> None:
    ours, theirs = (
        saved_bytes(lambda x, f=f: f(x.neg()), ([X.clone().requires_grad_()], {})) for f in (both(row)[0], torchs(row))
    )
    assert ours <= theirs


@rows
def test_function_transforms(row: Row) -> None:
    ours, theirs = both(row)
    for transform in (torch.func.grad, torch.func.hessian, lambda f: torch.func.vmap(torch.func.grad(f))):
        for use in (whole, part):
            a, b = (transform(lambda x, f=f, use=use: use(f, x).sum())(X.clone()) for f in (ours, theirs))
            torch.testing.assert_close(a, b, rtol=1e-12, atol=1e-13)


@rows
def test_forward_mode(row: Row) -> None:
    results = []
    for function in both(row):
        with torch.autograd.forward_ad.dual_level():
            x = torch.autograd.forward_ad.make_dual(X.clone().requires_grad_(), X.cos())
            results.append(torch.autograd.forward_ad.unpack_dual(whole(function, x)).tangent)
    torch.testing.assert_close(*results, rtol=1e-12, atol=1e-13)


@rows
@pytest.mark.parametrize("which", [0, 1], ids=["ours", "torchs"])
def test_on_the_tape(row: Row, which: int) -> None:
    x, expected = X.clone().requires_grad_(), X.clone().requires_grad_()
    whole(both(row)[1], expected).backward(X.cos())
    with Tape() as tape:
        y = whole((both(row)[0], torchs(row))[which], x)
    tape.backward(y, X.cos())
    torch.testing.assert_close(x.grad, expected.grad, rtol=1e-12, atol=1e-13)


@rows
def test_the_tape_refuses_a_leaf(row: Row) -> None:
    with Tape(), pytest.raises(FormulaError, match="a leaf that requires a gradient"):
        both(row)[0](X.clone().requires_grad_())


@rows
def test_compiled(row: Row) -> None:
    ours = both(row)[0]
    torch._dynamo.reset()
    results = []
    for f in (lambda x: whole(ours, x), torch.compile(lambda x: whole(ours, x), fullgraph=True, backend="aot_eager")):
        x = X.clone().requires_grad_()
        y = f(x)
        results += [(y.detach(), *torch.autograd.grad(y, x, X.cos()))]
    for a, b in zip(*results, strict=True):
        torch.testing.assert_close(a, b, rtol=1e-12, atol=1e-13)


def test_a_module_in_place() -> None:
    """In the middle of a network, as residual networks use it."""
    torch.manual_seed(0)
    net = nn.Sequential(nn.Linear(4, 5), nn.ReLU(inplace=True), nn.Linear(5, 2)).double()
    twin = torch.nn.Sequential(torch.nn.Linear(4, 5), torch.nn.ReLU(inplace=True), torch.nn.Linear(5, 2)).double()
    twin.load_state_dict(net.state_dict())
    for m in (net, twin):
        m(X).square().sum().backward()
    for p, q in zip(net.parameters(), twin.parameters(), strict=True):
        torch.testing.assert_close(p.grad, q.grad, rtol=1e-12, atol=1e-13)


def adds(h: Tensor, x: Tensor) -> None:
    h += x.sin()


def scales(h: Tensor, x: Tensor) -> None:
    h *= x.sin()


def writes_a_row(h: Tensor, x: Tensor) -> None:
    h[0] = x[1] * x[2]


def writes_parts(h: Tensor, x: Tensor) -> None:
    h[1:] = h[1:] + x[1:].cos()
    h[:, 1] = 0.0
    h.clamp_(min=-1)


def clears(h: Tensor, x: Tensor) -> None:
    h.zero_().add_(x, alpha=2)
    h.copy_(x[0]).exp_()


def adds_to_parts(h: Tensor, x: Tensor) -> None:
    h[:, 1] += x[:, 0]
    h[0] *= x[1]
    row = h[2]
    row += x.sum()
    row *= 2  # the row is still that of h
    h[..., 2].mul_(x[..., 1])


@pytest.mark.parametrize("change", [adds, scales, writes_a_row, writes_parts, clears, adds_to_parts])
@pytest.mark.parametrize("wanted", [True, False], ids=["tracked", "a buffer"])
def test_torchs_operations_in_place_by_hand(change: Callable[[Tensor, Tensor], None], wanted: bool) -> None:
    results = []
    for mode in (by_hand(), torch.enable_grad()):
        x = X.clone().requires_grad_()
        with mode:
            h = x * 1.5 if wanted else X.clone()
            change(h, x)
            loss = (h.square() * x).sum()
        (dx,) = torch.autograd.grad(loss, x, create_graph=True)
        results.append((loss.detach(), dx.detach(), *torch.autograd.grad(dx.sin().sum(), x)))
    for a, b in zip(*results, strict=True):
        torch.testing.assert_close(a, b, rtol=1e-12, atol=1e-13)


def test_by_hand_refuses_in_place_what_it_has_no_formula_for() -> None:
    x = X.clone().requires_grad_()
    with by_hand(), pytest.raises(FormulaError, match=r"Tensor.igamma_: there is no formula"):
        (x * 2).igamma_(x.detach())
    with by_hand(), pytest.raises(RuntimeError, match="a leaf Variable that requires grad"):
        x += 1
    with by_hand(), pytest.raises(RuntimeError, match=r"add_: a result of torch.float64 cannot be written"):
        torch.ones(3, 4, dtype=torch.int64).add_(x)
    with by_hand():
        part = (x * 2).view(-1)[0]
        with pytest.raises(FormulaError, match=r"add_: by hand, a view cannot be changed in place"):
            part += 1
    with by_hand(), torch.no_grad():
        x.mul_(2).igamma_(x)  # nothing is differentiated: torch's own
