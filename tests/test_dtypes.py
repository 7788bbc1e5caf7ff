"""Each tensor argument in every dtype: what torch takes and refuses, and the dtypes of results and gradients."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator
from typing import Any

import pytest
import torch
from torch import Tensor

from manualgrad import functional
from manualgrad.catalogue import ROWS, Row, Sample
from manualgrad.proof.comparing import outputs_of

DTYPES = (torch.int64, torch.bool, torch.float16, torch.bfloat16, torch.float64, torch.complex64)
# Where torch's kernels know neither half precision nor the gradients of complex numbers, formulas may.
WIDER = (torch.float16, torch.bfloat16, torch.complex64)

# Integers and booleans that our functions take and torch's refuse, and the other way round.
KNOWN = {
    ("softmin", torch.bool): "dtype= is obeyed before the sign is changed, in torch after it",
    ("instance_norm", torch.bool): "statistics that are booleans",
}


def changed(value: Any, dtype: torch.dtype) -> Any:
    if isinstance(value, (list, tuple)):
        return type(value)(changed(part, dtype) for part in value)
    if not isinstance(value, Tensor):
        return value
    tensor = value.detach().to(dtype)
    return tensor.requires_grad_(value.requires_grad and (tensor.is_floating_point() or tensor.is_complex()))


def tensors(value: Any) -> list[Tensor]:
    parts = value if isinstance(value, (list, tuple)) else value.values() if isinstance(value, dict) else [value]
    return [t for p in parts for t in ([p] if isinstance(p, Tensor) else tensors(p) if p is not value else [])]


def attempts(sample: Sample) -> Iterator[tuple[torch.dtype, list[Any], dict[str, Any]]]:
    """The arguments with one of them, or all, in another dtype."""
    args, keywords = sample.draw(torch.float32)
    if not all(t.numel() for t in [*tensors(args), *tensors(keywords)]):
        return  # torch's kernels do not look at the dtype of nothing
    places: list[Any] = [k for k, v in [*enumerate(args), *keywords.items()] if tensors(v)]
    for which in [*([place] for place in places), places] if len(places) > 1 else [places]:
        for dtype in DTYPES:
            some = [changed(v, dtype) if k in which else v for k, v in enumerate(args)]
            yield dtype, some, {k: changed(v, dtype) if k in which else v for k, v in keywords.items()}


def outcome(function: Callable[..., Any], args: list[Any], keywords: dict[str, Any]) -> tuple[Any, Any]:
    """The dtypes of the results, and of the gradients; an exception for what is refused."""
    torch.manual_seed(0)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            result = function(*args, **keywords)
        except Exception as error:
            return error, None
        dtypes = [r.dtype for r in (result if isinstance(result, (list, tuple)) else [result])]
        flowing = [o.abs().sum() for o in outputs_of(result) if o.requires_grad]
        leaves = [t for t in [*tensors(args), *tensors(keywords)] if t.requires_grad]
        try:
            gradients = torch.autograd.grad(flowing, leaves, allow_unused=True) if flowing else ()
        except RuntimeError as error:
            return dtypes, error
    return dtypes, [None if g is None else (g.dtype, g.shape) for g in gradients]


def compare(row: Row, sample: Sample) -> None:
    for dtype, args, keywords in attempts(sample):
        (ours, gradients), (theirs, their_gradients) = (outcome(f, args, keywords) for f in (row.function, row.twin))
        given = ", ".join(f"{tuple(t.shape)} {t.dtype}" for t in [*tensors(args), *tensors(keywords)])
        what = f"{row.name}({given}): {ours}, {gradients} for {theirs}, {their_gradients}"
        if (row.name, dtype) in KNOWN:
            continue
        if isinstance(ours, Exception):
            assert isinstance(theirs, Exception) or (dtype.is_complex and "for real numbers" in str(ours)), what
            continue
        assert not isinstance(theirs, Exception) or dtype in WIDER, what
        if not isinstance(theirs, Exception):
            assert ours == theirs, what
            if isinstance(gradients, Exception):
                assert isinstance(their_gradients, Exception) or dtype.is_complex, what
            elif not isinstance(their_gradients, Exception):
                for a, b in zip(gradients, their_gradients, strict=True):
                    assert a == b or b is None, what  # None, where torch says that nothing flows, may be 0 here


@pytest.mark.parametrize("row", [row for row in ROWS if not row.surrogate], ids=lambda row: row.name)
def test_a_dtype_is_taken_where_torch_takes_it(row: Row) -> None:
    for sample in row.samples[:1]:
        compare(row, sample)


@pytest.mark.slow
@pytest.mark.parametrize("row", [row for row in ROWS if not row.surrogate], ids=lambda row: row.name)
def test_in_every_form_of_the_arguments(row: Row) -> None:
    for sample in row.samples[1:]:
        compare(row, sample)


X = torch.tensor([[0.5, -1.0, 2.0]])
REFUSED: dict[str, tuple[Callable[[Any], Any], str]] = {
    "max_pool1d of integers": (lambda f: f.max_pool1d(X.long(), 2), "max_pool1d: input must hold floating-point"),
    "rrelu of integers": (lambda f: f.rrelu(X.long()), "rrelu: input must hold floating-point"),
    "ctc_loss of integers": (
        lambda f: f.ctc_loss(X.long().view(3, 1, 1), torch.ones(1, 0), (3,), (0,)),
        "ctc_loss: log_probs must hold floating-point",
    ),
    "a variance of integers": (
        lambda f: f.gaussian_nll_loss(X, X, torch.ones(1, 3).long()),
        "gaussian_nll_loss: var must hold floating-point",
    ),
    "scores of integers": (
        lambda f: f.multilabel_margin_loss(X.long(), torch.tensor([[0, -1, -1]])),
        "multilabel_margin_loss: input must hold floating-point",
    ),
    "a complex target": (
        lambda f: f.binary_cross_entropy_with_logits(X.clone().requires_grad_(), X + 0j),
        "binary_cross_entropy_with_logits: target must hold real numbers",
    ),
    "ranks of booleans": (lambda f: f.margin_ranking_loss(X, X, X > 0), "margin_ranking_loss: "),
    "a bias in a row": (
        lambda f: f.linear_cross_entropy(X, torch.ones(4, 3), torch.tensor([1]), linear_bias=torch.ones(1, 4)),
        r"linear_cross_entropy: linear_bias must have shape \(4,\), got \(1, 4\)",
    ),
    "weights of another dtype": (
        lambda f: f.linear_cross_entropy(X, torch.ones(4, 3), torch.tensor([1]), weight=torch.ones(4).double()),
        r"linear_cross_entropy: weight must have the dtype of the logits, torch.float32, got torch.float64",
    ),
}


@pytest.mark.parametrize("case", REFUSED)
def test_what_torch_refuses_is_refused_by_name(case: str) -> None:
    call, message = REFUSED[case]
    with pytest.raises(RuntimeError) as theirs:
        call(torch.nn.functional)
    with pytest.raises(RuntimeError, match=f"^{message}") as ours:
        call(functional)
    assert isinstance(ours.value, theirs.type)


@pytest.mark.parametrize("name", ["scale_gradient", "reverse_gradient", "clip_gradient", "straight_through_sign"])
def test_a_number_is_a_number(name: str) -> None:
    what = "scale" if name in ("scale_gradient", "reverse_gradient") else "limit"
    with pytest.raises(TypeError, match=rf"^{name}: {what} must be a number, got a str$"):
        getattr(functional, name)(X, "x")


def test_integers_cannot_hold_what_has_a_gradient() -> None:
    value = torch.tensor(1.5, requires_grad=True)
    with pytest.raises(RuntimeError, match=r"^masked_fill: value has a gradient, but input .* torch.int64"):
        functional.masked_fill(torch.zeros(3).long(), torch.tensor([True, False, True]), value)
    with pytest.raises(RuntimeError, match="Autograd not support dtype"):
        torch.masked_fill(torch.zeros(3).long(), torch.tensor([True, False, True]), value)


def test_a_variance_is_a_number_beside_integers() -> None:
    x = torch.tensor([1, 2])
    ours, theirs = (f.gaussian_nll_loss(x, X[0, :2], 1.5) for f in (functional, torch.nn.functional))
    torch.testing.assert_close(ours, theirs)
