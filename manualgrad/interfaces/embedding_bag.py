"""Embedding bags in every form that torch has: offsets, a bag in each row, nested; and layers of them.

`formulas/embedding_bag.py` has the mathematics.
"""

import warnings

import torch
from torch import Tensor, nn

from manualgrad.formula import FormulaError, active, call
from manualgrad.formulas.embedding_bag import MODES, EmbeddingBagFunction
from manualgrad.public import public


@public
def embedding_bag(
    input: Tensor,
    weight: Tensor,
    offsets: Tensor | None = None,
    max_norm: float | None = None,
    norm_type: float = 2,
    scale_grad_by_freq: bool = False,
    mode: str = "mean",
    sparse: bool = False,
    per_sample_weights: Tensor | None = None,
    include_last_offset: bool = False,
    padding_idx: int | None = None,
) -> Tensor:
    """Sums, means or maxima of bags of rows of `weight`. As `torch.nn.functional.embedding_bag`.

    input int64 or int32: (n) with `offsets` (B), where each bag begins (and with `include_last_offset` one more, where
    the last one ends); or (B, size), a bag in each row; or nested. weight (V, D), `per_sample_weights` as input; the
    result is (B, D). The other arguments are those of `embedding`. Raises ValueError where shapes, offsets and mode do
    not go together, RuntimeError for a number that has no row, NotImplementedError for weights without mode="sum".

    >>> import torch
    >>> table = torch.tensor([[1.0], [2.0], [4.0]], requires_grad=True)
    >>> y = embedding_bag(torch.tensor([0, 1, 2]), table, torch.tensor([0, 2]), mode="mean")
    >>> y.sum().backward()
    >>> y.tolist(), table.grad.tolist()
    ([[1.5], [4.0]], [[0.5], [0.5], [1.0]])
    """
    if weight.dtype == torch.int64 and input.is_floating_point():
        warnings.warn("embedding_bag: input comes before weight; they were given in turn", stacklevel=3)
        input, weight = weight, input
    if offsets is not None:
        input, offsets = (v.long() if v.dtype == torch.bool else v for v in (input, offsets))
    _check(input, weight, offsets, mode, scale_grad_by_freq, sparse, per_sample_weights)
    if input.is_nested:
        offsets, include_last_offset = input.offsets(), True  # type: ignore[attr-defined]  # nested tensors have them
        input = input.values().reshape(-1)
        if active.tape is not None and active.tape.tracks(per_sample_weights):
            raise FormulaError(
                "embedding_bag: the tape has no formula for the values of nested per_sample_weights; "
                "give input and per_sample_weights in a row, with offsets"
            )
        per_sample_weights = None if per_sample_weights is None else per_sample_weights.values().reshape(-1)
    elif input.dim() == 2:
        offsets = torch.arange(0, input.numel(), input.shape[1], dtype=input.dtype, device=input.device)
        include_last_offset, input = False, input.reshape(-1)
    if max_norm is not None:
        with torch.no_grad():
            torch.embedding_renorm_(weight.detach(), input, max_norm, norm_type)
    settings = mode, scale_grad_by_freq, sparse, include_last_offset, padding_idx
    return call(EmbeddingBagFunction, input, weight, offsets, per_sample_weights, *settings)[0]


def _check(
    input: Tensor, weight: Tensor, offsets: Tensor | None, mode: str, scaled: bool, sparse: bool, w: Tensor | None
) -> None:
    """What must be known before the arguments are made one-dimensional."""
    shape = tuple(input.shape)
    if weight.dim() != 2:
        raise ValueError(f"embedding_bag: weight must have 2 dimensions, got {tuple(weight.shape)}")
    if w is not None and w.shape != input.shape:
        raise ValueError(
            f"embedding_bag: per_sample_weights must have the shape of input, {shape}, got {tuple(w.shape)}"
        )
    if input.dim() not in (1, 2):
        raise ValueError(f"embedding_bag: input must have 1 or 2 dimensions, got {shape}")
    if input.dim() == 2 and offsets is not None:
        raise ValueError(f"embedding_bag: offsets must be None where input {shape} has a bag in each row")
    if input.dim() == 1 and (offsets is None or offsets.dim() != 1):
        given = None if offsets is None else tuple(offsets.shape)
        raise ValueError(f"embedding_bag: offsets must have 1 dimension where input {shape} has, got {given}")
    if mode not in MODES:
        raise ValueError(f"embedding_bag: mode must be 'sum', 'mean' or 'max', got {mode!r}")
    if mode == "max" and (scaled or sparse):
        raise ValueError("embedding_bag: mode 'max' goes without scale_grad_by_freq and sparse")
    if mode != "sum" and w is not None:
        raise NotImplementedError(f"embedding_bag: per_sample_weights go with mode 'sum', got {mode!r}")


class EmbeddingBag(nn.EmbeddingBag):
    """Drop-in `torch.nn.EmbeddingBag` computed by `manualgrad.functional.embedding_bag`."""

    def forward(self, input: Tensor, offsets: Tensor | None = None, per_sample_weights: Tensor | None = None) -> Tensor:
        return embedding_bag(
            input,
            self.weight,
            offsets,
            self.max_norm,
            self.norm_type,
            self.scale_grad_by_freq,
            self.mode,
            self.sparse,
            per_sample_weights,
            self.include_last_offset,
            self.padding_idx,
        )
