"""Elementary operations by every spelling that torch has for them, on the tape and by hand; einsum by its equations."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor

from manualgrad import Tape, by_hand
from manualgrad import functional as F
from manualgrad.formula import FormulaError


def drawn(*shape: int, seed: int = 0) -> Tensor:
    generator = torch.Generator().manual_seed(seed + sum(shape))
    return torch.randn(shape, generator=generator, dtype=torch.float64).requires_grad_()


def upstream(y: Tensor) -> Tensor:
    return torch.linspace(0.5, 1.5, y.numel(), dtype=y.dtype).view(y.shape)


EINSUMS: dict[str, list[tuple[int, ...]]] = {
    "ij,jk->ik": [(2, 3), (3, 4)],
    "i,i": [(3,), (3,)],
    "i,j->ij": [(3,), (2,)],
    "ij->ji": [(2, 3)],
    "ba": [(2, 3)],
    "ij,ij->": [(2, 3), (2, 3)],
    "ij,ij": [(1, 3), (4, 3)],
    "ii": [(3, 3)],
    "ii->i": [(3, 3)],
    "ijij->j": [(2, 3, 2, 3)],
    "iij,jk->ik": [(3, 3, 2), (2, 4)],
    "...ij,...jk": [(5, 1, 2, 3), (4, 3, 2)],
    "a...,b...->...": [(3, 4), (2, 4)],
    "i...,i...->...i": [(2, 3), (2, 1)],
    "i...->i": [(2, 3, 2)],
    " b n , a n m , b m -> b a ": [(2, 3), (5, 3, 4), (2, 4)],
    "bi,bi,bi->b": [(2, 3), (2, 3), (2, 3)],
    "i,->i": [(3,), ()],
    "Ab,bA": [(2, 3), (3, 2)],
    "ij,kl->": [(0, 3), (2, 2)],
}


@pytest.mark.parametrize("equation", EINSUMS)
def test_einsum(equation: str) -> None:
    operands = [drawn(*shape, seed=k) for k, shape in enumerate(EINSUMS[equation])]
    y, y_torch = F.einsum(equation, *operands), torch.einsum(equation, *operands)
    torch.testing.assert_close(y, y_torch)
    gradients = [torch.autograd.grad(value, operands, upstream(value)) for value in (y, y_torch)]
    torch.testing.assert_close(*gradients)


def test_einsum_has_torchs_other_forms() -> None:
    x, w = drawn(2, 3), drawn(3, 4)
    torch.testing.assert_close(F.einsum(x, [0, 1], w, [1, 2], [0, 2]), x @ w)
    torch.testing.assert_close(F.einsum(x, [..., 30], w, [30, 3]), torch.einsum(x, [..., 30], w, [30, 3]))
    torch.testing.assert_close(F.einsum("ij,jk", [x, w]), x @ w)


@pytest.mark.parametrize(
    ("equation", "message"),
    {
        "ij,jk->il": "must name dimensions of its operands",
        "ij,jk->ii": "each once",
        "ij": "is for 1 operands, got 2",
        "ij,kj": "dimension 'j' of 'ij,kj' has several sizes, .3, 4.",
        "i,jk": "'i' of 'i,jk' does not fit an operand of shape .2, 3.",
        "i1,jk": "made of letters",
        "ii,jk": "has several sizes",
    }.items(),
)
def test_einsum_says_what_does_not_fit(equation: str, message: str) -> None:
    operands = drawn(2, 3), drawn(3, 4)
    with pytest.raises(RuntimeError):
        torch.einsum(equation, *operands)
    with pytest.raises(RuntimeError, match=f"^einsum: .*{message}"):
        F.einsum(equation, *operands)


COUNTS = torch.tensor([2, 0, 1])
PLACES = torch.tensor([[0, 2, 1, 3], [1, 3, 0, 2]])

# x is (3, 4), v (4), w (4, 2).
SPELLINGS: dict[str, Callable[[Tensor, Tensor, Tensor], Any]] = {
    "torch.einsum('ij,jk', x, w)": lambda x, v, w: torch.einsum("ij,jk", x, w),
    "x.norm()": lambda x, v, w: x.norm(),
    "x.norm(1, 1)": lambda x, v, w: x.norm(1, 1),
    "x.norm(dim=-1, keepdim=True)": lambda x, v, w: x.norm(dim=-1, keepdim=True),
    "torch.norm(x, p=float('inf'), dim=0)": lambda x, v, w: torch.norm(x, p=float("inf"), dim=0),
    "torch.norm(x, 'fro', dim=(0, 1))": lambda x, v, w: torch.norm(x, "fro", dim=(0, 1)),
    "torch.linalg.norm(x)": lambda x, v, w: torch.linalg.norm(x),
    "torch.linalg.norm(v, 3)": lambda x, v, w: torch.linalg.norm(v, 3),
    "torch.linalg.norm(x, 1)": lambda x, v, w: torch.linalg.norm(x, 1),
    "torch.linalg.norm(x, ord=-inf)": lambda x, v, w: torch.linalg.norm(x, ord=-math.inf),
    "torch.linalg.norm(x, 2)": lambda x, v, w: torch.linalg.norm(x, 2),
    "torch.norm(x, 'nuc')": lambda x, v, w: torch.norm(x, "nuc") + torch.linalg.matrix_norm(x, -2, (1, 0)),
    "torch.linalg.matrix_norm(x, 'nuc')": lambda x, v, w: torch.linalg.matrix_norm(x, "nuc", (0, 1), keepdim=True),
    "torch.linalg.norm(x, 'fro')": lambda x, v, w: torch.linalg.norm(x, "fro"),
    "torch.linalg.matrix_norm(x, inf)": lambda x, v, w: torch.linalg.matrix_norm(x, math.inf, keepdim=True),
    "torch.linalg.matrix_norm(x, -1)": lambda x, v, w: torch.linalg.matrix_norm(x, -1, (1, 0)),
    "torch.linalg.vector_norm(x, 0.5, 1)": lambda x, v, w: torch.linalg.vector_norm(x, 0.5, 1),
    "torch.prod(x, 1)": lambda x, v, w: torch.prod(x, 1),
    "v.prod()": lambda x, v, w: v.prod(),
    "x.cumprod(dim=-1)": lambda x, v, w: x.cumprod(dim=-1),
    "x.diagonal(1)": lambda x, v, w: x.diagonal(1),
    "torch.linalg.diagonal(x, offset=-1)": lambda x, v, w: torch.linalg.diagonal(x, offset=-1),
    "x.diag()": lambda x, v, w: x.diag(),
    "torch.diag(v, 1)": lambda x, v, w: torch.diag(v, 1),
    "v.diag_embed()": lambda x, v, w: v.diag_embed(),
    "x.std_mean(1)": lambda x, v, w: torch.std_mean(x, 1),
    "torch.std_mean(x, 0, False)": lambda x, v, w: torch.std_mean(x, 0, False),
    "torch.var_mean(x, dim=0, correction=0, keepdim=True)": lambda x, v, w: torch.var_mean(
        x, dim=0, correction=0, keepdim=True
    ),
    "v.outer(x[:, 0])": lambda x, v, w: v.outer(x[:, 0]),
    "torch.ger(v, v)": lambda x, v, w: torch.ger(v, v),
    "x.tile(2, 1)": lambda x, v, w: x.tile(2, 1),
    "torch.tile(x, (2,))": lambda x, v, w: torch.tile(x, (2,)),
    "x.repeat_interleave(2)": lambda x, v, w: x.repeat_interleave(2),
    "x.repeat_interleave(COUNTS, dim=0)": lambda x, v, w: x.repeat_interleave(COUNTS, dim=0),
    "x[torch.repeat_interleave(COUNTS)]": lambda x, v, w: x[torch.repeat_interleave(COUNTS)],
    "x.roll(1, 0)": lambda x, v, w: x.roll(1, 0),
    "x.roll(shifts=(1, 2), dims=(0, 1))": lambda x, v, w: x.roll(shifts=(1, 2), dims=(0, 1)),
    "x.masked_select(x > 0)": lambda x, v, w: x.masked_select(x > 0),
    "v.masked_select(x > 0)": lambda x, v, w: torch.masked_select(v, x > 0),
    "x.scatter(1, PLACES, w.T)": lambda x, v, w: x.scatter(1, PLACES, w.t()),
    "x.scatter(1, PLACES, value=2.0)": lambda x, v, w: x.scatter(1, PLACES, value=2.0),
    "x.scatter_add(1, PLACES, w.T)": lambda x, v, w: x.scatter_add(1, PLACES, w.t()),
    "torch.index_add(v, 0, COUNTS, x[:, 1], alpha=2)": lambda x, v, w: torch.index_add(v, 0, COUNTS, x[:, 1], alpha=2),
    "x.index_fill(1, COUNTS, 3.0)": lambda x, v, w: x.index_fill(1, COUNTS, 3.0),
    "torch.index_fill(x, -1, COUNTS, v[0])": lambda x, v, w: torch.index_fill(x, -1, COUNTS, v[0]),
    "x.index_copy(0, COUNTS, x * v)": lambda x, v, w: x.index_copy(0, COUNTS, x * v),
    "x.index_copy(1, COUNTS, x[:, 1:])": lambda x, v, w: x.index_copy(1, COUNTS, x[:, 1:]),
    "torch.meshgrid(v, w[:, 0])": lambda x, v, w: torch.meshgrid(v, w[:, 0], indexing="ij"),
    "torch.meshgrid([v, x[0], w[0]], indexing='xy')": lambda x, v, w: torch.meshgrid([v, x[0], w[0]], indexing="xy"),
    "torch.special.erf(x) + x.erfc()": lambda x, v, w: torch.special.erf(x) + x.erfc(),
    "x.log2() of positive": lambda x, v, w: x.exp().log2() + x.square().log10() + x.exp2(),
    "x.arctan2(v)": lambda x, v, w: x.arctan2(v),
    "x % 0.7": lambda x, v, w: x % 0.7,
    "x % v": lambda x, v, w: x % v,
    "x.fmod(0.7)": lambda x, v, w: x.fmod(0.7),
    "x.lerp(v, 0.3)": lambda x, v, w: x.lerp(v, 0.3),
    "torch.lerp(x, x * v, v)": lambda x, v, w: torch.lerp(x, x * v, v),
    "v.addcmul(x, x, value=2)": lambda x, v, w: v.addcmul(x, x, value=2),
    "torch.addcdiv(x, x, v)": lambda x, v, w: torch.addcdiv(x, x, v),
    "x.logaddexp(v)": lambda x, v, w: x.logaddexp(v),
    "x.nan_to_num(nan=1.0)": lambda x, v, w: x.nan_to_num(nan=1.0),
    "x.tanh().arctanh() + x.sinh().asinh() + x.cosh()": lambda x, v, w: (
        x.tanh().arctanh() + x.sinh().asinh() + x.cosh()
    ),
    "x.sin().arcsin() + x.cos().acos() + x.tan().atan()": lambda x, v, w: (
        x.sin().arcsin() + x.cos().acos() + x.tan().atan()
    ),
}


@pytest.mark.parametrize("spelling", SPELLINGS)
def test_torchs_spellings(spelling: str) -> None:
    code = SPELLINGS[spelling]
    leaves = [drawn(3, 4), drawn(4), drawn(4, 2)]

    def outcome(y: Any) -> list[Tensor]:
        return [y] if isinstance(y, Tensor) else list(y)

    expected = outcome(code(*leaves))
    gradients = torch.autograd.grad(expected, leaves, list(map(upstream, expected)), allow_unused=True)
    with by_hand():
        ours = outcome(code(*leaves))
    torch.testing.assert_close(ours, expected)
    by_us = torch.autograd.grad(ours, leaves, list(map(upstream, ours)), allow_unused=True)
    torch.testing.assert_close([g for g in by_us if g is not None], [g for g in gradients if g is not None])
    with Tape() as tape:
        taped = outcome(code(*leaves))
    for k, y in enumerate(taped):
        tape.backward(y, upstream(y), retain=k + 1 < len(taped))
    for leaf, gradient in zip(leaves, gradients, strict=True):
        assert (leaf.grad is None) == (gradient is None)
        if gradient is not None:
            torch.testing.assert_close(leaf.grad, gradient)


REFUSED: dict[str, tuple[Callable[[Tensor], Tensor], str]] = {
    "scatter with reduce": (lambda x: x.scatter(0, PLACES, x, reduce="add"), "no formula for `reduce`"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_what_has_no_formula_is_refused(case: str) -> None:
    code, message = REFUSED[case]
    for mode in (Tape(), by_hand()):
        with mode, pytest.raises(FormulaError, match=message):
            code(drawn(3, 4))


WIDER: dict[str, Callable[[Any, Tensor], Tensor]] = {
    "prod": lambda f, x: f.prod(x, 1, dtype=torch.float64),
    "cumprod": lambda f, x: f.cumprod(x, 1, dtype=torch.float64),
    "vector_norm": lambda f, x: getattr(f, "linalg", f).vector_norm(x, 3, 1, dtype=torch.float64),
}


@pytest.mark.parametrize("name", WIDER)
def test_the_result_may_be_wider_than_the_input(name: str) -> None:
    x = drawn(3, 4).detach().float().requires_grad_()
    y, y_torch = WIDER[name](F, x), WIDER[name](torch, x)
    assert y.dtype == torch.float64
    torch.testing.assert_close(y, y_torch)
    ours, torchs = (torch.autograd.grad(value, x, upstream(value))[0] for value in (y, y_torch))
    assert ours.dtype == torch.float32
    torch.testing.assert_close(ours, torchs)


def test_a_list_of_indices_may_change_before_the_gradient_comes() -> None:
    x = torch.zeros(3, requires_grad=True)
    index = [0, 1]
    y = F.getitem(x, index)
    index[0] = 2
    y.sum().backward()
    assert x.grad is not None
    assert x.grad.tolist() == [1, 1, 0]
