"""The tape against torch's autograd: the same code gives the same gradients, or is refused by name."""

from __future__ import annotations

import gc
import weakref
from collections.abc import Callable
from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from manualgrad import Tape, nn
from manualgrad import functional as F
from manualgrad.formula import Formula, FormulaError, call, save
from manualgrad.spellings import IN_PLACE, TWINS

Code = Callable[..., Tensor]


def leaves(*shapes: tuple[int, ...], dtype: torch.dtype = torch.float64, seed: int = 0) -> list[Tensor]:
    generator = torch.Generator().manual_seed(seed)
    drawn = [torch.randn(shape, generator=generator, dtype=torch.float64) for shape in shapes]
    return [t.to(dtype).requires_grad_() for t in drawn]


def gradients(code: Code, inputs: list[Tensor], *, taped: bool) -> tuple[Tensor, list[Tensor | None]]:
    """The value and the gradients of the weighted sum of what `code` returns."""
    inputs = [x.detach().clone().requires_grad_(x.requires_grad) for x in inputs]
    if taped:
        with Tape() as tape:
            y = code(*inputs)
        assert y.grad_fn is None, "autograd has recorded too"
        tape.backward(y, torch.linspace(0.5, 1.5, y.numel(), dtype=y.dtype).view(y.shape))
    else:
        y = code(*inputs)
        y.backward(torch.linspace(0.5, 1.5, y.numel(), dtype=y.dtype).view(y.shape))
    return y.detach(), [x.grad for x in inputs]


def same(code: Code, *inputs: Tensor, rtol: float = 1e-13, atol: float = 1e-14) -> None:
    """`code` gives the same value and gradients on the tape as by torch's autograd."""
    y, dxs = gradients(code, list(inputs), taped=True)
    y_torch, dxs_torch = gradients(code, list(inputs), taped=False)
    torch.testing.assert_close(y, y_torch, rtol=rtol, atol=atol)
    for dx, dx_torch in zip(dxs, dxs_torch, strict=True):
        assert (dx is None) == (dx_torch is None)
        if dx is not None:
            torch.testing.assert_close(dx, dx_torch, rtol=rtol, atol=atol)


# ------------------------------------------------------------------------------------------------ spelling: whose names

MASK = torch.tensor([[True, False, True], [False, True, True]])
ROWS = torch.tensor([1, 0, 1])

# x is (2, 3), y (2, 3), v (3), s () and positive.
SPELLINGS: dict[str, Callable[[Tensor, Tensor, Tensor, Tensor], Tensor]] = {
    "x + y": lambda x, y, v, s: x + y,
    "1 + x": lambda x, y, v, s: 1 + x,
    "x + v": lambda x, y, v, s: x + v,
    "x + 2.5": lambda x, y, v, s: x + 2.5,
    "x.add(y, alpha=2)": lambda x, y, v, s: x.add(y, alpha=2),
    "torch.add(s, x)": lambda x, y, v, s: torch.add(s, x),
    "x.__radd__(y)": lambda x, y, v, s: x.__radd__(y),
    "x - y": lambda x, y, v, s: x - y,
    "1 - x": lambda x, y, v, s: 1 - x,
    "x.__rsub__(y)": lambda x, y, v, s: x.__rsub__(y),
    "torch.rsub(x, y, alpha=3)": lambda x, y, v, s: torch.rsub(x, y, alpha=3),
    "torch.subtract(x, y)": lambda x, y, v, s: torch.subtract(x, y),
    "x * y": lambda x, y, v, s: x * y,
    "2 * x": lambda x, y, v, s: 2 * x,
    "x * x": lambda x, y, v, s: x * x,
    "torch.multiply(x, s)": lambda x, y, v, s: torch.multiply(x, s),
    "x / s": lambda x, y, v, s: x / s,
    "1 / s": lambda x, y, v, s: 1 / s,
    "x.true_divide(s)": lambda x, y, v, s: x.true_divide(s),
    "torch.divide(x, s, rounding_mode='floor')": lambda x, y, v, s: torch.divide(x, s, rounding_mode="floor"),
    "-x": lambda x, y, v, s: -x,
    "+x": lambda x, y, v, s: +x * 1,
    "abs(x)": lambda x, y, v, s: abs(x),
    "x ** 2": lambda x, y, v, s: x**2,
    "s ** x": lambda x, y, v, s: s**x,
    "2 ** x": lambda x, y, v, s: 2**x,
    "x.square()": lambda x, y, v, s: x.square(),
    "x.exp().log1p()": lambda x, y, v, s: x.exp().log1p(),
    "s.sqrt().rsqrt()": lambda x, y, v, s: s.sqrt().rsqrt(),
    "torch.special.expm1(x)": lambda x, y, v, s: torch.special.expm1(x),
    "x.sin() * x.cos()": lambda x, y, v, s: x.sin() * x.cos(),
    "x @ y.T": lambda x, y, v, s: x @ y.T,
    "x @ v": lambda x, y, v, s: x @ v,
    "v @ y.mT": lambda x, y, v, s: v @ y.mT,
    "x.__rmatmul__(y.t())": lambda x, y, v, s: x.__rmatmul__(y.t()),
    "torch.mm(x, y.t())": lambda x, y, v, s: torch.mm(x, y.t()),
    "x.mv(v)": lambda x, y, v, s: x.mv(v),
    "v.dot(v)": lambda x, y, v, s: v.dot(v),
    "torch.bmm(x[None], y[None].mT)": lambda x, y, v, s: torch.bmm(x[None], y[None].mT),
    "torch.addmm(s, x, y.t(), beta=2)": lambda x, y, v, s: torch.addmm(s, x, y.t(), beta=2),
    "x.sum()": lambda x, y, v, s: x.sum(),
    "x.sum(0)": lambda x, y, v, s: x.sum(0),
    "x.sum(axis=1, keepdims=True)": lambda x, y, v, s: x.sum(axis=1, keepdims=True),  # type: ignore[call-overload]
    "torch.mean(x, dim=(0, 1))": lambda x, y, v, s: torch.mean(x, dim=(0, 1)),
    "x.var(unbiased=False)": lambda x, y, v, s: x.var(unbiased=False),
    "x.var(False)": lambda x, y, v, s: x.var(False),
    "x.var(0, False)": lambda x, y, v, s: x.var(0, False),
    "x.std(0, correction=0)": lambda x, y, v, s: x.std(0, correction=0),
    "x.std(dim=1)": lambda x, y, v, s: x.std(dim=1),
    "x.logsumexp(1)": lambda x, y, v, s: x.logsumexp(1),
    "x.cumsum(-1)": lambda x, y, v, s: x.cumsum(-1),
    "x.max()": lambda x, y, v, s: x.max(),
    "x.max(1).values": lambda x, y, v, s: x.max(1).values,
    "x.min(dim=0)[0]": lambda x, y, v, s: x.min(dim=0)[0],
    "torch.max(x, y)": lambda x, y, v, s: torch.max(x, y),
    "torch.minimum(x, v)": lambda x, y, v, s: torch.minimum(x, v),
    "x.amax(dim=(0, 1))": lambda x, y, v, s: x.amax(dim=(0, 1)),
    "x.clamp(-0.5, 0.5)": lambda x, y, v, s: x.clamp(-0.5, 0.5),
    "x.clip(min=y)": lambda x, y, v, s: x.clip(min=y),
    "x.clamp_max(0)": lambda x, y, v, s: x.clamp_max(0),
    "torch.where(MASK, x, y)": lambda x, y, v, s: torch.where(MASK, x, y),
    "torch.where(x > 0, x, 0.5)": lambda x, y, v, s: torch.where(x > 0, x, 0.5),
    "x.where(MASK, v)": lambda x, y, v, s: x.where(MASK, v),
    "x.masked_fill(MASK, -1)": lambda x, y, v, s: x.masked_fill(MASK, -1),
    "x.view(3, 2)": lambda x, y, v, s: x.view(3, 2),
    "x.view((3, 2))": lambda x, y, v, s: x.view((3, 2)),
    "x.view(size=(6,))": lambda x, y, v, s: x.view(size=(6,)),
    "x.reshape(-1)": lambda x, y, v, s: x.reshape(-1),
    "x.view_as(y)": lambda x, y, v, s: x.view_as(y),
    "torch.reshape(x, [3, 2])": lambda x, y, v, s: torch.reshape(x, [3, 2]),
    "x.flatten()": lambda x, y, v, s: x.flatten(),
    "v.flatten() * 2": lambda x, y, v, s: v.flatten() * 2,
    "x.ravel()": lambda x, y, v, s: x.ravel(),
    "x.unflatten(1, (3, 1)).squeeze(-1)": lambda x, y, v, s: x.unflatten(1, (3, 1)).squeeze(-1),
    "x.unsqueeze(0).squeeze()": lambda x, y, v, s: x.unsqueeze(0).squeeze(),
    "x.transpose(0, 1)": lambda x, y, v, s: x.transpose(0, 1),
    "x.permute(1, 0).contiguous()": lambda x, y, v, s: x.permute(1, 0).contiguous(),
    "x.mT": lambda x, y, v, s: x.mT,
    "x.swapaxes(0, 1)": lambda x, y, v, s: x.swapaxes(0, 1),
    "x.movedim(0, 1)": lambda x, y, v, s: x.movedim(0, 1),
    "v.expand(4, -1)": lambda x, y, v, s: v.expand(4, -1),
    "v.expand_as(x)": lambda x, y, v, s: v.expand_as(x),
    "v.broadcast_to(2, 3)": lambda x, y, v, s: v.broadcast_to(2, 3),
    "torch.broadcast_tensors(x, v)[1]": lambda x, y, v, s: torch.broadcast_tensors(x, v)[1],
    "v.repeat(2, 2)": lambda x, y, v, s: v.repeat(2, 2),
    "x.flip(0, 1)": lambda x, y, v, s: x.flip(0, 1),
    "x.clone()": lambda x, y, v, s: x.clone(),
    "x.contiguous() * 2": lambda x, y, v, s: x.contiguous() * 2,
    "x[1]": lambda x, y, v, s: x[1],
    "x[:, 1:]": lambda x, y, v, s: x[:, 1:],
    "x[..., None]": lambda x, y, v, s: x[..., None],
    "x[ROWS]": lambda x, y, v, s: x[ROWS],
    "x[MASK]": lambda x, y, v, s: x[MASK],
    "x[torch.tensor(1)]": lambda x, y, v, s: x[torch.tensor(1)],
    "x[[0, 1], [2, 2]]": lambda x, y, v, s: x[[0, 1], [2, 2]],
    "x.select(1, -1)": lambda x, y, v, s: x.select(1, -1),
    "x.narrow(1, 1, 2)": lambda x, y, v, s: x.narrow(1, 1, 2),
    "x.index_select(0, ROWS)": lambda x, y, v, s: x.index_select(0, ROWS),
    "x.gather(1, ROWS[None])": lambda x, y, v, s: x.gather(1, ROWS[None]),
    "torch.cat([x, y], axis=1)": lambda x, y, v, s: torch.cat([x, y], axis=1),  # type: ignore[call-arg]
    "torch.stack((x, y), -1)": lambda x, y, v, s: torch.stack((x, y), -1),
    "a, b = x": lambda x, y, v, s: (lambda a, b: a * b)(*x),
    "list(x)[1]": lambda x, y, v, s: list(x)[1],
    "x.split(2, dim=1)[1]": lambda x, y, v, s: x.split(2, dim=1)[1],
    "torch.split(x, [1, 2], 1)[0]": lambda x, y, v, s: torch.split(x, [1, 2], 1)[0],
    "x.chunk(2)[1]": lambda x, y, v, s: x.chunk(2)[1],
    "x.unbind(1)[2]": lambda x, y, v, s: x.unbind(1)[2],
    "x.to(torch.float32)": lambda x, y, v, s: x.to(torch.float32),
    "x.float() * y": lambda x, y, v, s: x.float() * y,
    "x.to(y)": lambda x, y, v, s: x.to(y) * 2,
    "x.type(torch.float32)": lambda x, y, v, s: x.type(torch.float32),
    "x.half().double()": lambda x, y, v, s: x.half().double(),
    "x.cpu() * 2": lambda x, y, v, s: x.cpu() * 2,
    "x.floor() + x": lambda x, y, v, s: x.floor() + x,
    "x.sign() * x": lambda x, y, v, s: x.sign() * x,
    "x.round(decimals=1)": lambda x, y, v, s: x.round(decimals=1),
    "torch.sigmoid(x)": lambda x, y, v, s: torch.sigmoid(x),
    "x.relu().tanh()": lambda x, y, v, s: x.relu().tanh(),
    "torch.softmax(x, 1)": lambda x, y, v, s: torch.softmax(x, 1),
    "torch.nn.functional.mse_loss(x, y)": lambda x, y, v, s: torch.nn.functional.mse_loss(x, y),
    "x.detach() * y": lambda x, y, v, s: x.detach() * y,
    "x.data * y": lambda x, y, v, s: x.data * y,
    "torch.zeros_like(x) + y": lambda x, y, v, s: torch.zeros_like(x) + y,
    "x.new_ones(3) * v": lambda x, y, v, s: x.new_ones(3) * v,
    "x * (x > 0)": lambda x, y, v, s: x * (x > 0),
    "x * x.argmax()": lambda x, y, v, s: x * x.argmax(),
    "x * x.shape[0] * len(x) * x.size(1)": lambda x, y, v, s: x * x.shape[0] * len(x) * x.size(1),
    "x * s.item()": lambda x, y, v, s: x * s.detach().item(),
    "x.real": lambda x, y, v, s: x.real * 2,
}


@pytest.mark.parametrize("spelling", SPELLINGS)
def test_ordinary_code_is_recorded(spelling: str) -> None:
    x, y, v = leaves((2, 3), (2, 3), (3,))
    s = torch.tensor(1.7, dtype=torch.float64, requires_grad=True)
    same(lambda *args: SPELLINGS[spelling](*args) + 0 * sum(a.sum() for a in args), x, y, v, s, rtol=1e-12)


IN_PLACES: dict[str, Callable[[Tensor, Tensor], Any]] = {
    "h += y": lambda h, y: h.__iadd__(y),
    "h -= 2 * y": lambda h, y: h.sub_(y, alpha=2),
    "h *= y": lambda h, y: h.__imul__(y),
    "h /= 3": lambda h, y: h.div_(3),
    "h **= 2": lambda h, y: h.__ipow__(2),
    "h.exp_()": lambda h, y: h.exp_(),
    "torch.neg_(h)": lambda h, y: torch.neg_(h),
    "h.relu_()": lambda h, y: h.relu_(),
    "F.relu(h, inplace=True)": lambda h, y: torch.nn.functional.relu(h, inplace=True),
    "ReLU(inplace=True)": lambda h, y: torch.nn.ReLU(inplace=True)(h),
    "our ReLU(inplace=True)": lambda h, y: nn.ReLU(inplace=True)(h),
    "h.clamp_(-0.5, 0.5)": lambda h, y: h.clamp_(-0.5, 0.5),
    "h.masked_fill_(MASK, 1)": lambda h, y: h.masked_fill_(MASK, 1),
    "h[0] = y[1]": lambda h, y: h.__setitem__(0, y[1]),
    "h[MASK] = 2": lambda h, y: h.__setitem__(MASK, 2),
    "h[:, 1] = y[:, 0] * 2": lambda h, y: h.__setitem__((slice(None), 1), y[:, 0] * 2),
    "h.copy_(y)": lambda h, y: h.copy_(y),
    "h.copy_(y[0])": lambda h, y: h.copy_(y[0]),
    "h.zero_().add_(y)": lambda h, y: h.zero_().add_(y),
    "h.fill_(2).mul_(y)": lambda h, y: h.fill_(2).mul_(y),
}


@pytest.mark.parametrize("spelling", IN_PLACES)
def test_in_place_operations_are_recorded(spelling: str) -> None:
    """The changed tensor stands for its new value, by every name that it has; what used the old one keeps it."""

    def code(x: Tensor, y: Tensor) -> Tensor:
        h = x * 1.5
        other_name = h
        before = h * 2
        IN_PLACES[spelling](h, y)
        return h.cos() * before + other_name * x + 0 * y

    same(code, *leaves((2, 3), (2, 3)))


def test_in_place_changes_the_memory() -> None:
    (x,) = leaves((3,))
    with Tape():
        h = x * 2
        address = h.data_ptr()
        h += 1
        h[0] = 7
    assert h.data_ptr() == address
    torch.testing.assert_close(h, torch.cat([torch.tensor([7.0], dtype=torch.float64), x.detach()[1:] * 2 + 1]))


def test_a_constant_that_receives_results() -> None:
    """A buffer filled row by row, as hand-written recurrences do."""

    def code(x: Tensor, w: Tensor) -> Tensor:
        buffer = torch.zeros(3, 2, dtype=x.dtype)
        h = x[0]
        for k in range(3):
            h = (h * w).sin()
            buffer[k] = h
        return buffer.sum(1)

    same(code, *leaves((1, 2), (2,)))


def test_in_place_without_gradients_is_seen_later() -> None:
    """What `torch.no_grad()` code writes into a tensor that was changed in place before is its value from then on."""

    def code(x: Tensor) -> Tensor:
        h = x * 2
        h += 1
        with torch.no_grad():
            h.mul_(3)
        return h + x

    (x,) = leaves((3,))
    same(code, x)


# ------------------------------------------------------------------------------------------------------------- refusals


def _change_the_base(base: Tensor, change: Any) -> Tensor:
    view = base[0]
    base.add_(change)
    return view


REFUSED: dict[str, tuple[Callable[[Tensor], Any], str]] = {
    "no formula": (lambda x: torch.igamma(x, x), "igamma: the tape has no formula"),
    "no formula, method": (lambda x: x.igamma(x), "igamma: the tape has no formula"),
    "no formula, aten": (lambda x: torch.ops.aten.igamma(x, x), "the tape has no formula"),
    "no formula, in place": (lambda x: (x * 2).igamma_(x), "igamma_: the tape does not record this operation in place"),
    "in place without value": (lambda x: (x * 2).t_(), "t_: the tape does not record this operation in place"),
    "out=": (lambda x: torch.add(x, 1, out=torch.empty(2, 2)), "add: the tape does not record this operation in place"),
    "leaf": (lambda x: x.add_(1), "a leaf that requires a gradient cannot be changed in place"),
    "leaf, setitem": (lambda x: x.__setitem__(0, 1), "a leaf that requires a gradient cannot be changed in place"),
    "view": (lambda x: (x * 2)[0].add_(1), "shares its memory with another"),
    "base of a view": (lambda x: _change_the_base(x * 2, 1), "shares its memory"),
    "view of a constant": (lambda x: torch.zeros(2, 2)[0].add_(x[0]), "shares its memory"),
    "constant with a view": (lambda x: _change_the_base(torch.zeros(2, 2), x), "shares its memory"),
    "loss.backward()": (lambda x: x.sum().backward(), r"Tensor.backward: call tape.backward\(loss\)"),
    "autograd.grad": (lambda x: torch.autograd.grad(x.sum(), x), "gradient_of"),
    "retain_grad": (lambda x: (x * 2).retain_grad(), "gradient_of"),
    "register_hook": (lambda x: (x * 2).register_hook(print), "only leaves"),
    "no derivative in torch": (lambda x: torch.nextafter(x, x), "the tape has no formula"),
    "complex": (lambda x: torch.linalg.eigvals(x), "no formula"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_refused_by_name(case: str) -> None:
    code, message = REFUSED[case]
    (x,) = leaves((2, 2), dtype=torch.float32)
    before = x.detach().clone()
    with Tape() as tape, pytest.raises(FormulaError, match=message):
        code(x)
    assert torch.equal(x, before)
    with tape:  # the tape works on
        y = (x * x).sum()
    tape.backward(y)
    torch.testing.assert_close(x.grad, 2 * before)


def test_functions_that_the_tape_cannot_see_into() -> None:
    class Double(torch.autograd.Function):
        @staticmethod
        def forward(ctx: Any, x: Tensor) -> Tensor:
            return 2 * x

        @staticmethod
        def backward(ctx: Any, dy: Tensor) -> Tensor:
            return 2 * dy

    (x,) = leaves((3,))
    with Tape(), pytest.raises(FormulaError, match=r"cannot see into a torch\.autograd\.Function"):
        Double.apply(x * 1)
    with Tape():
        assert torch.equal(Double.apply(torch.ones(2)), torch.full((2,), 2.0))  # constants may go anywhere


TRANSFORMS: dict[str, Callable[[Tensor], Any]] = {
    "grad": torch.func.grad(lambda a: (a**3).sum()),
    "vmap": torch.func.vmap(lambda a: a.sin()),
    "vmap of no formula": torch.func.vmap(lambda a: torch.igamma(a, a)),
    "jacrev": torch.func.jacrev(F.exp),
    "closure": lambda x: torch.func.grad(lambda a: (a * x).sum())(torch.ones(2)),
}


@pytest.mark.parametrize("name", TRANSFORMS)
def test_transforms_of_torch_func_are_refused(name: str) -> None:
    x = torch.tensor([1.0, 2.0], requires_grad=True)
    with Tape(), pytest.raises(FormulaError, match="no formula" if "no formula" in name else "torch.func's transforms"):
        TRANSFORMS[name](x * 2)
    with Tape() as tape:  # of constants, and where no gradient is wanted, they are torch's
        with torch.no_grad():
            TRANSFORMS[name](x * 2)
        y = (x * torch.func.vmap(F.exp)(torch.zeros(2))).sum()
    tape.backward(y)
    torch.testing.assert_close(x.grad, torch.ones(2))


def test_results_of_autograd_are_refused() -> None:
    (x,) = leaves((3,))
    h = x * 2
    with Tape() as tape:
        loss = (h * x).sum()
    with pytest.raises(FormulaError, match="computed before the block"):
        tape.backward(loss)
    assert x.grad is None
    with Tape() as tape:
        loss = (h.detach() * x).sum()
    tape.backward(loss)
    torch.testing.assert_close(x.grad, h.detach())


def test_misfits_in_place() -> None:
    x, wide = leaves((3,), (2, 3))
    with Tape():
        h = x * 2
        with pytest.raises(RuntimeError, match=r"shape \(2, 3\).*cannot be written over a tensor of shape \(3,\)"):
            h += wide
        with pytest.raises(RuntimeError, match=r"torch\.int64"):
            torch.zeros(3, dtype=torch.int64).add_(x)


def test_changed_after_it_was_saved() -> None:
    (x,) = leaves((3,))
    with Tape() as tape:
        h = x.exp()
        y = h.sigmoid()
        with torch.no_grad():
            y.zero_()
        loss = y.sum()
    with pytest.raises(RuntimeError, match=r"a tensor of shape \(3,\) that sigmoid saved .* changed in place since"):
        tape.backward(loss)


@pytest.mark.parametrize(
    ("use", "message", "error"),
    [
        (lambda tape, x: tape.backward(x * 2), "was not computed on this tape|nothing is recorded", RuntimeError),
        (lambda tape, x: tape.gradient_of(x), "retain=True", RuntimeError),
    ],
)
def test_misuse(use: Callable[[Tape, Tensor], Any], message: str, error: type[Exception]) -> None:
    (x,) = leaves((3,))
    tape = Tape()
    with pytest.raises(error, match=message):
        use(tape, x)
    with tape:
        _ = x.exp()
    with pytest.raises(error, match=message):
        use(tape, x)


def test_misuse_of_backward() -> None:
    (x,) = leaves((3,))
    with Tape() as tape:
        y = x.exp()
        loss = y.sum()
    with pytest.raises(RuntimeError, match=r"loss has shape \(3,\); only a loss of one element"):
        tape.backward(y)
    with pytest.raises(ValueError, match=r"gradient must have the shape of loss, \(3,\), got \(2,\)"):
        tape.backward(y, torch.ones(2, dtype=torch.float64))
    tape.backward(loss)
    with pytest.raises(RuntimeError, match="already ran and freed the steps"):
        tape.backward(loss)


# ------------------------------------------------------------------------------------------------------------- networks


class Branches(torch.nn.Module):
    """A shared layer, a residual sum, two branches joined, a layer used only now and then, a buffer."""

    def __init__(self, package: Any) -> None:
        super().__init__()
        self.shared = package.Linear(4, 4)
        self.left, self.right = package.Linear(4, 3), package.Linear(4, 3, bias=False)
        self.idle = package.Linear(4, 4)
        self.act = package.Tanh()
        self.register_buffer("scale", torch.tensor(0.7))

    def forward(self, x: Tensor) -> Tensor:
        h = self.act(self.shared(x))
        h = h + self.scale * self.shared(h)
        parts = torch.cat([self.left(h), self.right(h) * self.left(x).mean()], dim=-1)
        a, b = parts.chunk(2, dim=-1)
        return (a - b).softmax(-1) @ self.right.weight


@pytest.mark.parametrize("package", [nn, torch.nn], ids=["ours", "torch.nn"])
def test_whole_networks(package: Any) -> None:
    """Shared parameters and branches add up; parameters that are not used have no gradient."""
    torch.manual_seed(0)
    net = Branches(package).double()
    x, t = torch.randn(5, 4, dtype=torch.float64), torch.randn(5, 4, dtype=torch.float64)
    results = []
    for taped in (True, False):
        net.zero_grad()
        if taped:
            with Tape() as tape:
                loss = torch.nn.functional.mse_loss(net(x), t)
            tape.backward(loss)
        else:
            loss = torch.nn.functional.mse_loss(net(x), t)
            loss.backward()
        results.append([None if p.grad is None else p.grad.clone() for p in net.parameters()])
    for (name, _), dp, dp_torch in zip(net.named_parameters(), *results, strict=True):
        if name.startswith("idle"):
            assert dp is None
            assert dp_torch is None
        else:
            assert dp is not None
            torch.testing.assert_close(dp, dp_torch, rtol=1e-13, atol=1e-15)


@pytest.mark.parametrize("optimizer", [torch.optim.SGD, torch.optim.AdamW])
def test_training_is_the_same(optimizer: Callable[..., torch.optim.Optimizer]) -> None:
    """A hundred steps end where autograd's do; the step of the optimizer may be inside the block."""
    ends = []
    for engine in ("tape", "inside", "autograd"):
        torch.manual_seed(0)
        net = torch.nn.Sequential(torch.nn.Linear(4, 8), torch.nn.ReLU(inplace=True), torch.nn.Linear(8, 3)).double()
        x, t = torch.randn(16, 4, dtype=torch.float64), torch.randint(3, (16,))
        opt = optimizer(net.parameters(), lr=0.05)
        for _ in range(100):
            opt.zero_grad()
            with Tape() as tape:
                loss = torch.nn.functional.cross_entropy(net(x), t)
                if engine == "inside":
                    tape.backward(loss)
                    opt.step()
                    continue
            if engine == "tape":
                tape.backward(loss)
            else:
                torch.nn.functional.cross_entropy(net(x), t).backward()
            opt.step()
        ends.append(torch.cat([p.detach().flatten() for p in net.parameters()]))
    torch.testing.assert_close(ends[0], ends[2], rtol=1e-12, atol=1e-12)
    torch.testing.assert_close(ends[1], ends[2], rtol=1e-12, atol=1e-12)


def test_gradients_accumulate() -> None:
    (x,) = leaves((3,))
    for _ in range(2):
        with Tape() as tape:
            loss = (x * x).sum()
        tape.backward(loss)
    torch.testing.assert_close(x.grad, 4 * x.detach())


def test_one_block_after_another_on_one_tape() -> None:
    (x,) = leaves((3,))
    tape = Tape()
    with tape:
        h = x.exp()
    with tape:
        loss = (h * x).sum()
    tape.backward(loss)
    torch.testing.assert_close(x.grad, x.exp() * (1 + x))


def test_one_tensor_twice_in_one_call() -> None:
    (x,) = leaves((3, 3))
    same(lambda x: torch.cat([x @ x, x * x, x - x]), x)


def test_outputs_used_in_part() -> None:
    (x,) = leaves((4, 3))
    same(lambda x: x.unbind()[2] * x.split([1, 3])[1].sum(), x)
    with Tape() as tape:
        top = x.max(1)
        assert not tape.tracks(top.indices)
        loss = (top.values * top.indices).sum()
    tape.backward(loss)
    expected = x.detach().clone().requires_grad_()
    (expected.max(1).values * expected.max(1).indices).sum().backward()
    torch.testing.assert_close(x.grad, expected.grad)


def test_nothing_is_recorded_without_need() -> None:
    (x,) = leaves((3,))
    with Tape() as tape:
        torch.ones(3).exp()
        with torch.no_grad():
            y = x.exp() * 2
        torch.arange(3) + 1
        assert not tape.tracks(y)
        with torch.inference_mode():
            x.exp()
    assert not tape.steps
    with torch.no_grad(), Tape() as tape:
        x.exp()
        with torch.enable_grad():
            y = x.exp().sum()
    assert len(tape.steps) == 2
    tape.backward(y)
    torch.testing.assert_close(x.grad, x.detach().exp())


def test_questions_about_tensors() -> None:
    """Code that asks before it acts gets the answers that it gets from autograd."""
    (x,) = leaves((2, 3))
    with Tape() as tape:
        h = x * 2
        assert h.requires_grad
        assert not h.detach().requires_grad
        assert x.requires_grad
        assert not torch.ones(2).requires_grad
        assert h.requires_grad_() is h
        assert (h.shape, h.dtype, h.device, h.ndim, h.is_leaf) == (x.shape, x.dtype, x.device, 2, True)
        frozen = torch.nn.Linear(3, 3).requires_grad_(False)
        assert not any(tape.tracks(p) for p in frozen.parameters())
        x.requires_grad_()
        assert h.sum().item() == pytest.approx(2 * float(x.detach().sum()))
        assert "tensor" in repr(h)


# ----------------------------------------------------------------------------------------------------- .grad and memory


def test_gradients_share_no_memory() -> None:
    """`.grad` is changed in place by optimizers and clipping, so no two leaves, nor the caller, may share it."""
    a, b, c = leaves((3,), (3,), (3,))
    upstream = torch.ones(3, dtype=torch.float64)
    with Tape() as tape:
        y = a + b + c.clone()
    tape.backward(y, upstream)
    for leaf in (a, b, c):
        assert leaf.grad is not None
        leaf.grad *= 2
        assert torch.equal(leaf.grad, torch.full((3,), 2.0, dtype=torch.float64))
    assert torch.equal(upstream, torch.ones(3, dtype=torch.float64))


def test_gradients_share_no_memory_with_what_is_kept() -> None:
    a, b = leaves((2, 3), (2, 3))
    with Tape() as tape:
        h = a * b
        loss = h.sum()
    tape.backward(loss, retain=True)
    kept = tape.gradient_of(a)
    assert kept is not None
    assert a.grad is not kept
    assert a.grad is not None
    assert a.grad.is_contiguous()
    a.grad.zero_()
    torch.testing.assert_close(tape.gradient_of(a), b.detach())
    torch.testing.assert_close(tape.gradient_of(h), torch.ones(2, 3, dtype=torch.float64))


@pytest.mark.parametrize("shape", [(2, 3), ()])
def test_expanded_and_transposed_gradients_become_tensors_of_their_own(shape: tuple[int, ...]) -> None:
    (x,) = leaves(shape)
    with Tape() as tape:
        loss = (x.mT if shape else x).sum()
    tape.backward(loss)
    assert x.grad is not None
    assert x.grad.is_contiguous()
    assert x.grad._base is None
    x.grad += 1


def test_the_loss_may_be_a_leaf() -> None:
    x = torch.tensor(2.0, requires_grad=True)
    one = torch.ones(())
    with Tape() as tape:
        pass
    tape.backward(x, one)
    assert float(x.grad) == 1  # type: ignore[arg-type]
    assert x.grad is not one


def test_gradients_come_back_in_the_dtype_of_the_leaf() -> None:
    x, w = leaves((3,), (3,), dtype=torch.float32)
    y = torch.randn(3, dtype=torch.float64, requires_grad=True)
    same(lambda x, y, w: x * y + w.half() * 2, x, y, w, rtol=1e-6, atol=1e-6)
    with Tape() as tape:
        loss = (x * y).sum()
    tape.backward(loss)
    assert (x.grad.dtype, y.grad.dtype) == (torch.float32, torch.float64)  # type: ignore[union-attr]


def test_autocast() -> None:
    torch.manual_seed(0)
    net = torch.nn.Linear(4, 3)
    x = torch.randn(5, 4)

    def code(w: Tensor, b: Tensor) -> Tensor:
        with torch.autocast("cpu", torch.bfloat16):
            h = torch.nn.functional.linear(x, w, b)
            assert h.dtype == torch.bfloat16
            return (h @ w).float().square()

    same(code, *net.parameters(), rtol=0.02, atol=0.02)  # bfloat16: autograd adds before it rounds


def test_hooks_of_leaves_run() -> None:
    (x,) = leaves((3,))
    seen = []
    x.register_hook(lambda g: 2 * g)
    x.register_hook(lambda g: seen.append(g.clone()))
    x.register_post_accumulate_grad_hook(lambda leaf: seen.append(leaf.grad.clone()))
    with Tape() as tape:
        loss = (3 * x).sum()
    tape.backward(loss)
    assert [float(s[0]) for s in seen] == [6, 6]
    assert torch.equal(x.grad, torch.full((3,), 6.0, dtype=torch.float64))  # type: ignore[arg-type]


def test_everything_is_freed() -> None:
    (x,) = leaves((3,))
    gc.disable()
    try:
        with Tape() as tape:
            h = x.exp()
            loss = (h * h).sum()
        alive = weakref.ref(h)
        del h
        tape.backward(loss)
        assert alive() is None
        assert not tape.steps
        with Tape() as tape:
            h = x.exp()
        alive = weakref.ref(h)
        del h, tape
        assert alive() is None
    finally:
        gc.enable()


def test_saved_bytes() -> None:
    (x,) = leaves((4, 4))
    with Tape() as tape:
        y = x.sigmoid()
        z = y.view(16) * y.view(16)
    assert [step.saved_bytes for step in tape.steps] == [128, 0, 0, 128]
    assert tape.saved_bytes == 128
    assert [repr(step) for step in tape.steps][::3] == ["sigmoid((4, 4)) -> [(4, 4)]", "mul((16,), (16,)) -> [(16,)]"]
    tape.backward(z, torch.ones_like(z))


# ----------------------------------------------------------------------------------------------------- blocks in blocks


def test_a_tape_in_a_tape() -> None:
    x, y = leaves((3,), (3,))
    with Tape() as outer:
        h = x.exp()
        with Tape() as inner:
            g = (h * y).sum()
        inner.backward(g)
        loss = (h * y.detach()).sum()
    torch.testing.assert_close(y.grad, x.detach().exp())
    assert x.grad is None
    outer.backward(loss)
    torch.testing.assert_close(x.grad, x.detach().exp() * y.detach())


def test_an_exception_ends_the_block() -> None:
    (x,) = leaves((3,))
    with pytest.raises(IndexError), Tape():
        x.exp()[3]
    assert torch.is_grad_enabled()
    assert x.exp().grad_fn is not None
    with pytest.raises(RuntimeError, match=r"mat1 and mat2|size mismatch|shapes"), Tape():
        torch.mm(x.view(1, 3), x.view(1, 3))
    assert torch.is_grad_enabled()
    assert F.sigmoid(x).grad_fn is not None


# ------------------------------------------------------------------------------------------- formulas of the user's own


class AsIsFunction(Formula):
    """A formula that returns its input."""

    @staticmethod
    def forward(x: Tensor) -> Tensor:
        return x

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Tensor], output: Tensor) -> None:
        pass

    @staticmethod
    def backward(ctx: Any, dy: Tensor) -> Tensor:
        return 3 * dy

    @staticmethod
    def jvp(ctx: Any, x_t: Tensor) -> Tensor:
        return 3 * x_t


class CarelessFunction(Formula):
    """A formula that leaves the sum over a broadcast to others, and returns too few gradients if asked to."""

    opmath = False

    @staticmethod
    def forward(x: Tensor, other: Tensor, few: bool) -> Tensor:
        return x * other

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Tensor, Tensor, bool], output: Tensor) -> None:
        save(ctx, *inputs[:2])
        ctx.few = inputs[2]

    @staticmethod
    def backward(ctx: Any, dy: Tensor) -> Any:
        x, other = ctx.saved_tensors
        return (dy * other,) if ctx.few else (dy * other, dy * x, None)

    @staticmethod
    def jvp(ctx: Any, *tangents: Any) -> Any:
        raise NotImplementedError


def test_a_formula_that_returns_its_input() -> None:
    same(lambda x: call(AsIsFunction, call(AsIsFunction, x)) * x, *leaves((3,)))


def test_a_gradient_of_a_broadcast_shape_is_summed() -> None:
    same(lambda x, y: call(CarelessFunction, x, y.exp(), False), *leaves((2, 3), (3,)))


def test_too_few_gradients() -> None:
    x, y = leaves((3,), (3,))
    with Tape() as tape:
        loss = call(CarelessFunction, x, y, True)
    with pytest.raises(RuntimeError, match="careless: backward gave 1 gradients for 3 inputs"):
        tape.backward(loss, torch.ones_like(loss))
    assert x.grad is None


# ---------------------------------------------------------------------------------------------- shapes and broadcasting

sizes = st.integers(0, 3)


@st.composite
def broadcastable(draw: st.DrawFn) -> tuple[tuple[int, ...], tuple[int, ...]]:
    whole = draw(st.lists(sizes, max_size=4))
    pair = []
    for _ in range(2):
        start = draw(st.integers(0, len(whole)))
        pair.append(tuple(1 if draw(st.booleans()) else n for n in whole[start:]))
    return pair[0], pair[1]


BINARY: dict[str, Code] = {
    "add": lambda x, y: x + y,
    "sub": lambda x, y: x - 2 * y,
    "mul": lambda x, y: x * y,
    "div": lambda x, y: x / (y.square() + 1),
    "pow": lambda x, y: (x.square() + 0.5) ** y,
    "maximum": lambda x, y: torch.maximum(x, y),
    "where": lambda x, y: torch.where(x > y, x, y * 2),
    "clamp": lambda x, y: torch.clamp(x, min=y),
}


@settings(max_examples=60, deadline=None, derandomize=True)
@given(st.sampled_from(sorted(BINARY)), broadcastable(), st.integers(0, 99))
def test_broadcasting(name: str, shapes: tuple[tuple[int, ...], tuple[int, ...]], seed: int) -> None:
    same(BINARY[name], *leaves(*shapes, seed=seed), rtol=1e-12)


@settings(max_examples=60, deadline=None, derandomize=True)
@given(st.data())
def test_matrix_products(data: st.DataObject) -> None:
    """Every pair of shapes that matmul takes."""
    n, k, m = (data.draw(sizes) for _ in range(3))
    left, right = data.draw(broadcastable())
    x = data.draw(st.sampled_from([(k,), (n, k), (*left, n, k)]))
    y = data.draw(st.sampled_from([(k,), (k, m), (*right, k, m)]))
    same(lambda x, y: x @ y, *leaves(x, y), rtol=1e-12)


@settings(max_examples=60, deadline=None, derandomize=True)
@given(st.data())
def test_reductions(data: st.DataObject) -> None:
    shape = tuple(data.draw(st.lists(st.integers(1, 3), max_size=3)))
    dims = data.draw(st.sets(st.integers(-len(shape), len(shape) - 1)) if shape else st.just(set()))
    dim = tuple({d % len(shape) for d in dims}) or None
    keepdim = data.draw(st.booleans())
    name = data.draw(st.sampled_from(["sum", "mean", "amax", "amin", "logsumexp"]))
    if name != "logsumexp" or dim:
        keywords = {"dim": dim if dim or name != "amax" else (), "keepdim": keepdim}
        same(lambda x: getattr(torch, name)(x, **keywords), *leaves(shape), rtol=1e-12)


# ------------------------------------------------------------------------------------------------------------ the table


def test_the_table_is_torchs() -> None:
    """Every key is a function of torch, every value one of ours or an adaptor of one."""
    for theirs, ours in TWINS.items():
        assert callable(theirs)
        assert ours.__module__.startswith("manualgrad.")
    for theirs in IN_PLACE:
        name = theirs.__name__
        assert name.endswith("_"), name


def test_a_gradient_that_nobody_else_holds_is_not_copied() -> None:
    made = []

    class DoubleFunction(Formula):
        """Twice the input, which notes where in memory its gradients are."""

        @staticmethod
        def forward(x: Tensor) -> Tensor:
            return 2 * x

        @staticmethod
        def setup_context(ctx: Any, inputs: tuple[Any, ...], output: Tensor) -> None:
            """Nothing is needed again."""

        @staticmethod
        def backward(ctx: Any, dy: Tensor) -> Tensor:
            dx = 2 * dy
            made.append(dx.data_ptr())
            return dx

    x, z = leaves((3, 4), (3, 4))
    with Tape() as tape:
        loss = (call(DoubleFunction, x) + call(DoubleFunction, z)).sum()
    tape.backward(loss)
    assert x.grad is not None
    assert z.grad is not None
    assert [z.grad.data_ptr(), x.grad.data_ptr()] == made
