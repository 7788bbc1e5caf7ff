"""`check` over every row of the catalogue and over torch's own functions: no finding above a note.

What is listed here is what `check` finds there and what is so: gradients that are not the derivative on purpose or by
torch's convention, and slips of torch's own that this found.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor

from manualgrad.catalogue import ROWS, Row
from manualgrad.checking import check

SURROGATES: dict[str, Callable[..., Any]] = {
    "straight_through_round": lambda x: x,
    "straight_through_sign": lambda x, limit=1.0: x.clamp(-limit, limit),
    "straight_through_one_hot": lambda x, dim=-1: x,
    "reverse_gradient": lambda x, scale=1.0: -scale * x,
    "scale_gradient": lambda x, scale: scale * x,
}

# name: codes that `check` rightly finds in both, and why they are so
ON_PURPOSE: dict[str, tuple[set[str], str]] = {
    "clip_gradient": ({"nonlinear-upstream", "ignores-upstream", "missing"}, "clipping is no derivative of anything"),
    "gumbel_softmax": ({"surrogate"}, "hard=True is a straight-through estimator"),
    "embedding": ({"partial", "mismatch", "mutates-input"}, "padding_idx, scale_grad_by_freq, max_norm"),
    "embedding_bag": ({"missing-factor", "partial", "mutates-input"}, "padding_idx, scale_grad_by_freq, max_norm"),
    "gaussian_nll_loss": ({"partial"}, "var is clamped to eps without a gradient"),
    "soft_margin_loss": ({"unstable"}, "log(1 + exp(-t x)) overflows in float32 from -t x = 89, torch's and ours"),
    "ctc_loss": ({"missing-term", "mismatch", "partial", "spurious"}, "the gradient is that of the logits"),
    "poisson_nll_loss": ({"unstable"}, "Stirling's term is selected after log(target), NaN for targets below zero"),
    "multi_margin_loss": ({"nondeterministic"}, "the sum over an empty batch is uninitialised memory in torch"),
    "multilabel_margin_loss": ({"nondeterministic"}, "the sum over an empty batch is uninitialised memory in torch"),
    "polygamma": ({"unstable"}, "torch's kernel of the next derivative is not finite at some negative numbers"),
    "solve": ({"vmap"}, "as many rows as there are matrices are vectors, in torch and here"),
    "index_select": ({"vmap"}, "torch.vmap keeps a dimension for a 0-d index that a loop does not"),
}
# conventions at points where the derivative does not exist, or exists although the formula has a corner there
AT_CORNERS: dict[str, set[str]] = {
    "hardshrink": {"missing"},  # lambd = 0: the identity, whose gradient at 0 torch takes to be 0
    "softshrink": {"missing"},
    "lp_pool1d": {"missing"},  # the norm of a window of zeros
    "cosine_similarity": {"partial"},  # eps takes the place of a vanishing norm
    "clamp": {"spurious"},  # min = max: constant, and torch passes the gradient on where x equals both
    "pow": {"forward-ad"},  # 0 to the power 0, and negative bases of constant exponents
    "prelu": {"forward-ad"},
    "median": {"surrogate"},  # of equal numbers: moving one does not move it; torch shares the gradient among them
    "scatter_reduce": {"double-backward"},  # the second derivative of a product at 0 lacks the terms of what is 0
    "sinc": {"double-backward"},  # 0 at 0, where torch has NaN
    "sort": {"partial"},  # moving one of three equal numbers does not move the middle one; torch says it does
    "straight_through_sign": {"spurious"},  # limit = 0 passes nothing on but at 0
}
# slips of torch's own
IN_TORCH: dict[str, tuple[set[str], str]] = {
    "celu": ({"precision"}, "1 / alpha is rounded to float32 in the backward kernel"),
    "hardsigmoid": ({"precision"}, "1/6 is rounded to float32 in the backward kernel"),
    "kron": ({"noncontiguous"}, "refuses inputs of some strides"),
    "view_as_complex": ({"noncontiguous"}, "refuses inputs of some strides"),
    "median": ({"forward-ad"}, "the tangent is wrong where the median is no number"),
    "scatter_reduce": ({"forward-ad"}, "the tangent of a product without the element itself is wrong"),
    "nll_loss": ({"noncontiguous"}, "backward refuses inputs of some strides"),
    "conv_tbc": ({"noncontiguous"}, "backward refuses upstream gradients of some strides"),
    "weight_norm": ({"double-backward"}, "the second derivative is wrong; gradgradcheck says so too"),
}


def _allowed(row: Row, twin: bool, corner: bool) -> set[str]:
    codes = set(ON_PURPOSE.get(row.name, (set(), ""))[0])
    if corner:
        codes |= AT_CORNERS.get(row.name, set())
    if twin:
        codes |= IN_TORCH.get(row.name, (set(), ""))[0]
    return codes


def _examine(row: Row, function: Callable[..., Any], k: int, allowed: set[str]) -> str | None:
    """What `check` finds above a note in sample `k` of the row."""
    args, keywords = (*row.samples, *row.kinks)[k].draw(seed=row.seed)
    args = [a.detach().clone().requires_grad_(a.requires_grad) if isinstance(a, Tensor) else a for a in args]
    surrogate = SURROGATES.get(row.name)

    def bound(f: Callable[..., Any]) -> Callable[..., Any]:
        return functools.partial(f, **keywords) if keywords else f

    report = check(bound(function), *args, surrogate=bound(surrogate) if surrogate else None, ignore=allowed)
    findings = [f for f in report.findings if f.severity != "note"]
    return f"{row.name}, sample {k}: {findings[0]}" if findings else None


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.name)
def test_first_sample_of_ours(row: Row) -> None:
    found = _examine(row, row.function, 0, _allowed(row, twin=False, corner=False))
    assert found is None, found


@pytest.mark.slow
@pytest.mark.parametrize("twin", [False, True], ids=["ours", "torch"])
@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.name)
def test_every_sample(row: Row, twin: bool) -> None:
    torch.manual_seed(0)
    for k in range(len(row.samples) + len(row.kinks)):
        if twin and row.name == "pdist" and 0 in (*row.samples, *row.kinks)[k].draw(seed=row.seed)[0][0].shape:
            continue  # torch's backward of pdist over no dimensions is a segmentation fault
        allowed = _allowed(row, twin, corner=k >= len(row.samples) or row.name == "pow")
        found = _examine(row, row.twin if twin else row.function, k, allowed)
        assert found is None, found
