"""Rows of the embeddings."""

from typing import Any

import torch
from torch import Tensor

from manualgrad import functional as F
from manualgrad import nn
from manualgrad.catalogue.row import Row, classes, drop, normal, sample
from manualgrad.formulas.embedding import EmbeddingFunction


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
)
