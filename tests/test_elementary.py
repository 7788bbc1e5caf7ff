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


@pytest.mark.parametrize(
    "code",
    [
        lambda x: torch.norm(x, "nuc"),
        lambda x: torch.linalg.norm(x, 2),
        lambda x: torch.linalg.matrix_norm(x, "nuc"),
    ],
)
def test_norms_made_of_singular_values_are_refused(code: Callable[[Tensor], Tensor]) -> None:
    for mode in (Tape(), by_hand()):
        with mode, pytest.raises(FormulaError, match="singular values"):
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
