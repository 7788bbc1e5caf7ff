"""Losses and distances."""

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as T

from manualgrad import functional as F


def _distance(input: Tensor, other: Tensor, p: float = 2) -> Any:
    """`torch.dist`, the norm of a difference."""
    return F.vector_norm(F.sub(input, other), p)


SPELLINGS: tuple[tuple[Callable[..., Any], ...], ...] = (
    (F.mse_loss, T.mse_loss),
    (F.l1_loss, T.l1_loss),
    (F.huber_loss, T.huber_loss),
    (F.smooth_l1_loss, T.smooth_l1_loss),
    (F.binary_cross_entropy, T.binary_cross_entropy),
    (F.binary_cross_entropy_with_logits, T.binary_cross_entropy_with_logits),
    (F.nll_loss, T.nll_loss),
    (F.cross_entropy, T.cross_entropy),
    (F.kl_div, T.kl_div),
    (F.hinge_embedding_loss, T.hinge_embedding_loss),
    (F.margin_ranking_loss, T.margin_ranking_loss),
    (F.soft_margin_loss, T.soft_margin_loss),
    (F.multilabel_soft_margin_loss, T.multilabel_soft_margin_loss),
    (F.multi_margin_loss, T.multi_margin_loss),
    (F.multilabel_margin_loss, T.multilabel_margin_loss),
    (F.poisson_nll_loss, T.poisson_nll_loss),
    (F.gaussian_nll_loss, T.gaussian_nll_loss),
    (F.cosine_embedding_loss, T.cosine_embedding_loss),
    (F.triplet_margin_loss, T.triplet_margin_loss),
    (F.triplet_margin_with_distance_loss, T.triplet_margin_with_distance_loss),
    (F.cosine_similarity, T.cosine_similarity, torch.cosine_similarity),
    (F.pairwise_distance, T.pairwise_distance, torch.pairwise_distance),
    (F.pdist, T.pdist, torch.pdist),
    (F.ctc_loss, T.ctc_loss),
    (F.linear_cross_entropy, getattr(T, "linear_cross_entropy", F.linear_cross_entropy)),  # torch has it since 2.13
    (F.cdist, torch.cdist),
    (_distance, torch.dist, Tensor.dist),
)
