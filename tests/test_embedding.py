"""What the rows of the embeddings cannot say: sparse gradients, the table changed by `max_norm`, nested bags."""

from typing import Any

import pytest
import torch
from torch import Tensor

import manualgrad
from manualgrad import Tape, nn
from manualgrad import functional as F
from manualgrad.formula import FormulaError

NUMBERS = torch.tensor([[1, 2, 1], [3, 0, 2]])


def table() -> Tensor:
    return torch.randn(4, 3, generator=torch.Generator().manual_seed(0), dtype=torch.float64, requires_grad=True)


@pytest.mark.parametrize("padding_idx", [None, 2, -2])
@pytest.mark.parametrize("name", ["embedding", "embedding_bag"])
def test_sparse_gradients_hold_the_rows_that_torchs_hold(name: str, padding_idx: int | None) -> None:
    gradients = []
    for package in (F, torch.nn.functional):
        weight = table()
        y = getattr(package, name)(NUMBERS, weight, padding_idx=padding_idx, sparse=True)
        (dw,) = torch.autograd.grad(y, weight, torch.arange(y.numel()).reshape(y.shape).double())
        gradients.append(dw)
    mine, torchs = gradients
    assert mine.is_sparse
    torch.testing.assert_close(mine.coalesce(), torchs.coalesce())
    assert mine._nnz() == torchs._nnz()


def test_sparse_gradients_scaled_by_frequency_equal_the_dense_ones() -> None:
    weight = table()  # torch refuses this in its backward pass
    dense, sparse = (
        torch.autograd.grad(F.embedding(NUMBERS, weight, scale_grad_by_freq=True, sparse=s).sum(), weight)[0]
        for s in (False, True)
    )
    torch.testing.assert_close(sparse.to_dense(), dense)


def test_sparse_adam_trains_on_either_engine() -> None:
    torch.manual_seed(0)
    for engine in ("autograd", "tape"):
        layer = nn.Embedding(4, 3, sparse=True)
        optimizer = torch.optim.SparseAdam(layer.parameters(), lr=0.1)
        before = layer.weight.detach().clone()
        if engine == "autograd":
            layer(torch.tensor([1, 2, 1])).sum().backward()
        else:
            with manualgrad.Tape() as tape:
                y = layer(torch.tensor([1, 2, 1]))
            tape.backward(y, torch.ones_like(y))
        optimizer.step()
        changed = (layer.weight.detach() != before).any(1)
        assert changed.tolist() == [False, True, True, False]


@pytest.mark.parametrize("name", ["embedding", "embedding_bag"])
def test_max_norm_scales_the_rows_looked_up_in_place(name: str) -> None:
    mine, torchs = table(), table()
    for function, weight in ((getattr(F, name), mine), (getattr(torch.nn.functional, name), torchs)):
        function(torch.tensor([[1, 2]]), weight, max_norm=0.5, norm_type=1.0)
    torch.testing.assert_close(mine, torchs)
    changed = (mine != table()).any(1)
    assert changed.tolist() == [False, True, True, False]


def test_nested_bags() -> None:
    weight = table()
    offsets = torch.tensor([0, 2, 3, 6])  # the same tensor, for torch compares them by identity
    nested = torch.nested.nested_tensor_from_jagged(torch.tensor([1, 2, 3, 0, 1, 1]), offsets)
    w = torch.nested.nested_tensor_from_jagged(torch.arange(6.0).double(), offsets)
    for keywords in ({"mode": "mean"}, {"mode": "sum", "per_sample_weights": w}):
        mine, torchs = (f(nested, weight, **keywords) for f in (F.embedding_bag, torch.nn.functional.embedding_bag))
        torch.testing.assert_close(mine, torchs)
        torch.testing.assert_close(*(torch.autograd.grad(y.sum(), weight)[0] for y in (mine, torchs)))


def test_nested_weights_are_refused_on_the_tape_by_name() -> None:
    offsets = torch.tensor([0, 2, 3])
    nested = torch.nested.nested_tensor_from_jagged(torch.tensor([1, 2, 3]), offsets)
    w = torch.nested.nested_tensor_from_jagged(torch.arange(3.0).double(), offsets).requires_grad_()
    with Tape(), pytest.raises(FormulaError, match="no formula for the values of nested per_sample_weights"):
        torch.nn.functional.embedding_bag(nested, table(), mode="sum", per_sample_weights=w)
    y = F.embedding_bag(nested, table(), mode="sum", per_sample_weights=w)
    (dw,) = torch.autograd.grad(y.sum(), w)
    torch.testing.assert_close(dw.values(), table()[torch.tensor([1, 2, 3])].sum(1))


def test_what_comes_after_the_last_offset_is_in_no_bag() -> None:
    """torch's gradient of the rows there is whatever the memory held before."""
    weight = table()
    y = F.embedding_bag(
        torch.tensor([1, 2, 1, 3]), weight, torch.tensor([0, 2, 3]), mode="sum", include_last_offset=True
    )
    (dw,) = torch.autograd.grad(y.sum(), weight)
    assert dw[:, 0].tolist() == [0.0, 2.0, 1.0, 0.0]


def test_the_old_order_of_arguments_is_warned_of() -> None:
    with pytest.warns(UserWarning, match="input comes before weight"):
        y = F.embedding_bag(table(), NUMBERS)
    torch.testing.assert_close(y, F.embedding_bag(NUMBERS, table()))


@pytest.mark.parametrize(
    ("arguments", "keywords", "error", "message"),
    [
        ((NUMBERS, torch.zeros(3, 2)), {}, IndexError, "numbers from 0 to 2.*got 0 to 3"),
        ((NUMBERS.float(), torch.zeros(4, 2)), {}, RuntimeError, "integers.*float32"),
        ((NUMBERS, torch.zeros(4)), {}, RuntimeError, "weight must have 2 dimensions"),
        ((NUMBERS, torch.zeros(4, 2)), {"padding_idx": 4}, AssertionError, "num_embeddings"),
    ],
)
def test_embedding_refuses(arguments: Any, keywords: Any, error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=message):
        F.embedding(*arguments, **keywords)
    with pytest.raises(error):
        torch.nn.functional.embedding(*arguments, **keywords)


BAGS = (torch.tensor([1, 2, 3]), torch.zeros(4, 2))
OFFSETS = torch.tensor([0, 1])


@pytest.mark.parametrize(
    ("arguments", "keywords", "error", "message"),
    [
        ((*BAGS, None), {}, ValueError, "offsets must have 1 dimension.*None"),
        ((*BAGS, OFFSETS.unsqueeze(0)), {}, ValueError, "offsets must have 1 dimension"),
        ((NUMBERS, torch.zeros(4, 2), OFFSETS), {}, ValueError, "offsets must be None"),
        ((torch.zeros(1, 1, 1).long(), torch.zeros(4, 2)), {}, ValueError, "1 or 2 dimensions"),
        ((BAGS[0], torch.zeros(4), OFFSETS), {}, ValueError, "weight must have 2 dimensions"),
        ((*BAGS, OFFSETS), {"mode": "median"}, ValueError, "'median'"),
        ((*BAGS, OFFSETS), {"mode": "max", "sparse": True}, ValueError, "without"),
        ((*BAGS, OFFSETS), {"per_sample_weights": torch.ones(2), "mode": "sum"}, ValueError, "shape of input"),
        ((*BAGS, OFFSETS), {"per_sample_weights": torch.ones(3)}, NotImplementedError, "'sum'"),
        ((*BAGS, torch.tensor([1, 2])), {}, RuntimeError, r"offsets\[0\]"),
        ((torch.tensor([1, 9]), torch.zeros(4, 2), OFFSETS), {}, RuntimeError, "numbers from 0 to 3.*1 to 9"),
    ],
)
def test_embedding_bag_refuses(arguments: Any, keywords: Any, error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=message):
        F.embedding_bag(*arguments, **keywords)
    with pytest.raises(error):
        torch.nn.functional.embedding_bag(*arguments, **keywords)
