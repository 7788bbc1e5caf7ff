"""TWINS: every spelling that torch has for a function of ours is there, or named here with the reason."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor
from torch.nn import functional as T
from torch.overrides import get_overridable_functions, resolve_name

from manualgrad import Tape, by_hand
from manualgrad.formula import FormulaError
from manualgrad.spellings import IN_PLACE, PASS_THROUGH, TWINS

# Of the same name as a function of ours, but not that function, or not to be had.
LEFT = {
    "torch.embedding_bag": "returns what torch's own backward needs beside the result",
    **dict.fromkeys(
        [f"torch.Tensor.{n}" for n in ("squeeze_", "swapaxes_", "swapdims_", "t_", "transpose_", "unsqueeze_")],
        "changes the shape of a tensor in place, no value",
    ),
}


def test_no_spelling_of_torch_is_missing() -> None:
    names = {getattr(f, "__name__", "") for f in TWINS}
    there = TWINS.keys() | IN_PLACE.keys() | PASS_THROUGH
    missing = set()
    for f in (f for functions in get_overridable_functions().values() for f in functions):
        name = getattr(f, "__name__", "_").removeprefix("special_").removeprefix("linalg_")
        if name.rstrip("_") in names and not name.startswith("_") and f not in there:
            missing.add(resolve_name(f))
    assert missing == set(LEFT)


def drawn(*shape: int) -> Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(sum(shape)), dtype=torch.float64)


KERNELS: dict[str, Callable[[Tensor], Any]] = {
    "layer_norm": lambda x: torch.layer_norm(x, (4,), drawn(4), drawn(4), 1e-3, True),
    "group_norm": lambda x: torch.group_norm(x, 2, drawn(4), drawn(4), 1e-3),
    "rms_norm": lambda x: torch.rms_norm(x, (4,), drawn(4), 1e-3),
    "batch_norm": lambda x: torch.batch_norm(x, drawn(4), drawn(4), None, None, True, 0.1, 1e-3, True),
    "instance_norm": lambda x: torch.instance_norm(
        x.unsqueeze(0), drawn(3), drawn(3), None, None, True, 0.1, 1e-3, False
    ),
    "dropout": lambda x: torch.dropout(x, 0.5, True),
    "alpha_dropout": lambda x: torch.alpha_dropout(x, p=0.5, train=True),
    "feature_alpha_dropout": lambda x: torch.feature_alpha_dropout(x, 0.5, train=True),
    "embedding": lambda x: torch.embedding(x, torch.tensor([0, 2, 0])),
    "embedding, padded": lambda x: torch.embedding(x, torch.tensor([0, 2, 0]), 0, True),
    "bce": lambda x: torch.binary_cross_entropy_with_logits(x, drawn(3, 4).sigmoid(), None, drawn(4).exp(), 2),
    "cosine_embedding": lambda x: torch.cosine_embedding_loss(x, drawn(3, 4), torch.tensor([1, -1, 1]), 0.1, 1),
    "svd, values only": lambda x: torch.cat([part.flatten() for part in torch.svd(x, compute_uv=False)]),
    "ctc": lambda x: torch.ctc_loss(
        x.log_softmax(1), torch.tensor([1, 2]), torch.tensor(3), torch.tensor(2), 0, 2, False
    ),
    "hinge_embedding": lambda x: torch.hinge_embedding_loss(x, drawn(3, 4).sign(), 0.5, 0),
    "kl_div": lambda x: torch.kl_div(x, drawn(3, 4), 2, log_target=True),
    "margin_ranking": lambda x: torch.margin_ranking_loss(x, drawn(3, 4), drawn(3, 4).sign(), 0.5, 1),
    "poisson": lambda x: torch.poisson_nll_loss(x, drawn(3, 4).abs(), True, False, 1e-8, 1),
    "triplet": lambda x: torch.triplet_margin_loss(x, drawn(3, 4), drawn(3, 4).exp(), 2.0, 2.0, 1e-6, True, 1),
}


@pytest.mark.parametrize("name", KERNELS)
def test_torchs_own_kernels_have_their_arguments_in_their_order(name: str) -> None:
    gradients = []
    for by_us in (True, False):
        torch.manual_seed(0)
        x = drawn(3, 4).requires_grad_()
        if by_us:
            with by_hand():
                y = KERNELS[name](x)
        else:
            y = KERNELS[name](x)
        gradients.append(
            (y.detach(), *torch.autograd.grad((y * torch.arange(1, y.numel() + 1).view(y.shape)).sum(), x))
        )
    torch.testing.assert_close(*gradients)


def test_the_kernels_are_other_functions_than_those_of_nn_functional() -> None:
    assert torch.layer_norm is not T.layer_norm
    assert TWINS[torch.layer_norm] is not TWINS[T.layer_norm]


SORTS: dict[str, Callable[[Tensor], Any]] = {
    "x.sort()": lambda x: x.sort().values,
    "x.sort(0, True)": lambda x: x.sort(0, True)[0],
    "torch.sort(x, descending=True)": lambda x: torch.sort(x, descending=True).values,
    "torch.sort(x, stable=True, dim=0)": lambda x: torch.sort(x, stable=True, dim=0)[0],
    "x.topk(2)": lambda x: x.topk(2).values,
    "x.tril() + x.triu(1)": lambda x: x.tril() + 2 * x.triu(1),
}


@pytest.mark.parametrize("spelling", SORTS)
def test_sorting_has_torchs_spellings(spelling: str) -> None:
    gradients = []
    for by_us in (True, False):
        x = drawn(3, 4).requires_grad_()
        if by_us:
            with by_hand():
                y = SORTS[spelling](x)
        else:
            y = SORTS[spelling](x)
        gradients.append(
            (y.detach(), *torch.autograd.grad(y, x, torch.arange(float(y.numel())).view(y.shape).double()))
        )
    assert all(torch.equal(a, b) for a, b in zip(*gradients, strict=True))


def test_the_rows_of_a_tensor_are_taken_by_the_formula() -> None:
    x = drawn(3, 4).requires_grad_()
    with by_hand():
        a, _, b = x
        with pytest.raises(TypeError, match="0-d tensor"):
            list(x.sum())
    assert a.grad_fn.name() == b.grad_fn.name() == "UnbindFunctionBackward"
    with Tape() as tape:
        y = sum(i * row.sum() for i, row in enumerate(x * 2))
    tape.backward(y)
    torch.testing.assert_close(x.grad, torch.tensor([[0.0], [2.0], [4.0]], dtype=x.dtype).expand(3, 4))


def test_what_torch_would_differentiate_in_a_tuple_is_refused() -> None:
    x = drawn(3, 4).requires_grad_()
    with by_hand(), pytest.raises(FormulaError, match=r"torch\.linalg\.lstsq: there is no formula"):
        torch.linalg.lstsq(x, x)
    with by_hand(), pytest.raises(FormulaError, match=r"svd: there is no formula for full_matrices=True and \(3, 4\)"):
        torch.linalg.svd(x)
    with by_hand():  # a gradient of a gradient is no function without a formula
        (dx,) = torch.autograd.grad((x**3).sum(), x, create_graph=True)
        dx.square().sum().backward()
    torch.testing.assert_close(x.grad, 36 * x.detach() ** 3)
    with by_hand():
        assert torch.equal(torch.add(torch.ones(2), 1, out=torch.empty(2)), torch.full((2,), 2.0))
