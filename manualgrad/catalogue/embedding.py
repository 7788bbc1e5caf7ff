"""Rows of the embeddings."""

import itertools
from typing import Any

import torch
from torch import Tensor

from manualgrad import functional as F
from manualgrad import nn
from manualgrad.catalogue.row import Row, classes, drop, integers, normal, sample
from manualgrad.formulas.embedding import EmbeddingFunction
from manualgrad.formulas.embedding_bag import EmbeddingBagFunction


def _embedding(
    input: Tensor, weight: Tensor, padding_idx: int | None = None, scale_grad_by_freq: bool = False, **_: Any
) -> Tensor:
    """Embedding by indexing: torch's own has no second derivative of no rows and forgets `scale_grad_by_freq` in it."""
    y = weight[input]
    factor = torch.ones_like(input, dtype=y.dtype)
    if padding_idx is not None:
        factor = factor * (input != padding_idx % len(weight))
    if scale_grad_by_freq:
        factor = factor / (input.unsqueeze(-1) == input.reshape(-1)).sum(-1)
    declared = y * factor.unsqueeze(-1)
    return declared + (y - declared).detach()


def _embedding_bag(
    input: Tensor,
    weight: Tensor,
    offsets: Tensor | None = None,
    mode: str = "mean",
    scale_grad_by_freq: bool = False,
    per_sample_weights: Tensor | None = None,
    include_last_offset: bool = False,
    padding_idx: int | None = None,
    **_: Any,
) -> Tensor:
    """Embedding bag by indexing, bag after bag: torch's own has neither second nor forward-mode derivatives."""
    if offsets is None:
        ends = list(range(0, input.numel() + 1, input.shape[1]))
    else:
        ends = [*offsets.tolist(), *([] if include_last_offset else [input.numel()])]
    w = torch.ones(input.shape) if per_sample_weights is None else per_sample_weights
    rows = _embedding(input.reshape(-1), weight, scale_grad_by_freq=scale_grad_by_freq)
    bags = []
    for start, end in itertools.pairwise(ends):
        kept = [
            n for n in range(start, end) if padding_idx is None or input.reshape(-1)[n] != padding_idx % len(weight)
        ]
        bag = rows[kept] * w.reshape(-1)[kept].to(rows.dtype).unsqueeze(1)
        if mode == "max" and kept:
            bags.append(bag.amax(0))
        else:
            bags.append(bag.sum(0) / (max(len(kept), 1) if mode == "mean" else 1))
    return torch.stack(bags)


ROWS = (
    Row(
        F.embedding,
        torch.nn.functional.embedding,
        EmbeddingFunction,
        samples=(
            sample(classes(2, 5, below=4), normal(4, 3)),
            sample(classes(below=4), normal(4, 3)),
            sample(classes(0, 2, below=4), normal(4, 3)),
            sample(classes(2, 5, below=4), normal(4, 3), padding_idx=1),
            sample(classes(2, 5, below=4), normal(4, 3), -1, scale_grad_by_freq=True),
            sample(classes(2, 5, below=4), normal(4, 3), max_norm=1.0, norm_type=3.0),
        ),
        modules=(
            drop(nn.Embedding, 4, 3, on=(classes(2, 5, below=4),)),
            drop(nn.Embedding, 4, 3, 1, 1.5, 1.0, True, on=(classes(2, 5, below=4),)),
            drop(nn.Embedding, 4, 3, sparse=True, padding_idx=-2, on=(classes(6, below=4),)),
        ),
        reference=_embedding,
        realistic=sample(classes(16, 128, below=10000), normal(10000, 128)),
    ),
    Row(
        F.embedding_bag,
        torch.nn.functional.embedding_bag,
        EmbeddingBagFunction,
        samples=(
            sample(classes(3, 2, below=4), normal(4, 3)),
            sample(classes(5, below=4), normal(4, 3), integers([0, 2]), mode="sum", per_sample_weights=normal(5)),
            sample(classes(6, below=4), normal(4, 3), integers([0, 2, 2, 5]), mode="max"),
            sample(classes(6, below=4), normal(4, 3), integers([0, 2, 2, 5]), mode="mean"),
            sample(classes(6, below=4), normal(4, 3), integers([0, 2, 6]), mode="mean", include_last_offset=True),
            sample(classes(3, 4, below=4), normal(4, 3), mode="mean", padding_idx=1),
            sample(classes(3, 4, below=4), normal(4, 3), mode="max", padding_idx=-1),
            sample(classes(3, 4, below=4), normal(4, 3), mode="sum", padding_idx=2, per_sample_weights=normal(3, 4)),
            sample(classes(3, 4, below=4), normal(4, 3), mode="sum", scale_grad_by_freq=True),
            sample(classes(3, 4, below=4), normal(4, 3), mode="sum", max_norm=1.0, norm_type=3.0),
            sample(classes(0, below=4), normal(4, 3), integers([0, 0]), mode="sum"),
        ),
        modules=(
            drop(nn.EmbeddingBag, 4, 3, on=(classes(3, 2, below=4),)),
            drop(nn.EmbeddingBag, 4, 3, 1.5, 1.0, True, "sum", on=(classes(3, 2, below=4),)),
            drop(
                nn.EmbeddingBag,
                4,
                3,
                mode="max",
                include_last_offset=True,
                padding_idx=1,
                on=(classes(6, below=4), integers([0, 2, 6])),
            ),
            drop(nn.EmbeddingBag, 4, 3, mode="mean", sparse=True, padding_idx=1, on=(classes(3, 2, below=4),)),
        ),
        reference=_embedding_bag,
        realistic=sample(classes(64, 32, below=10000), normal(10000, 128)),
    ),
)
