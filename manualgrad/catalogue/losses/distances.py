"""Rows of the distances, and of the losses made of them."""

import torch
from torch import Tensor

from manualgrad import functional as F
from manualgrad import nn
from manualgrad.catalogue.losses.shared import NORMS, ON
from manualgrad.catalogue.row import Row, constant, drop, fixed, integers, normal, sample, signs
from manualgrad.formulas.cdist import CdistFunction
from manualgrad.formulas.cosine_embedding_loss import CosineEmbeddingLossFunction
from manualgrad.formulas.cosine_similarity import CosineSimilarityFunction
from manualgrad.formulas.pairwise_distance import PairwiseDistanceFunction
from manualgrad.formulas.pdist import PdistFunction
from manualgrad.formulas.triplet_margin_loss import TripletMarginLossFunction

T = torch.nn.functional


def _pdist(input: Tensor, p: float = 2.0) -> Tensor:
    """torch has no second derivative and no forward mode."""
    i, j = torch.triu_indices(input.shape[0], input.shape[0], 1)
    return torch.linalg.vector_norm(input[i] - input[j], p, 1)


def _cdist(x1: Tensor, x2: Tensor, p: float = 2.0, compute_mode: str = "") -> Tensor:
    """torch has no second derivative and no forward mode."""
    return torch.linalg.vector_norm(x1.unsqueeze(-2) - x2.unsqueeze(-3), p, -1)


ROWS: tuple[Row, ...] = (
    Row(
        F.cosine_similarity,
        T.cosine_similarity,
        CosineSimilarityFunction,
        samples=(
            sample(normal(3, 4), normal(3, 4)),
            sample(normal(3, 4), normal(3, 4), 0),
            sample(normal(3, 4), normal(3, 4), dim=-1, eps=0.1),
            sample(normal(3, 4), normal(2, 3, 1), dim=2),
            sample(normal(2, 3, 4), normal(4)),
            sample(normal(4), normal(4), dim=0),
            sample(normal(), normal(), dim=0),
            sample(normal(0, 3), normal(0, 3)),
        ),
        modules=(
            drop(nn.CosineSimilarity, on=ON),
            drop(nn.CosineSimilarity, 0, 0.5, on=ON),
        ),
        kinks=(
            sample(fixed([0.0, 0.0], [1.0, 2.0]), fixed([1.0, 2.0], [0.0, 0.0])),
            sample(fixed([0.3, 0.0], [1.0, 2.0]), fixed([1.0, 2.0], [0.1, 0.2]), eps=0.5),
        ),
        extremes=(sample(fixed([1e10, 1.0], [1e-10, 1e-10]), fixed([1e10, -1.0], [1.0, -1.0])),),
        realistic=sample(normal(1024, 512), normal(1024, 512)),
    ),
    Row(
        F.pairwise_distance,
        T.pairwise_distance,
        PairwiseDistanceFunction,
        samples=(
            sample(normal(3, 4), normal(3, 4)),
            sample(normal(3, 4), normal(3, 4), 3.0, 0.1, True),
            *(sample(normal(3, 4), normal(3, 4), p=p) for p in NORMS),
            sample(normal(3, 4), normal(3, 4), p=0.0),
            sample(normal(3, 4), normal(2, 1, 4)),
            sample(normal(3, 4), normal(3, 1), p=1.5),
            sample(normal(4), normal(4)),
            sample(normal(), normal()),
            sample(normal(), normal(), keepdim=True),
            sample(normal(0, 3), normal(0, 3)),
        ),
        modules=(
            drop(nn.PairwiseDistance, on=ON),
            drop(nn.PairwiseDistance, 1.5, 0.1, True, on=ON),
            drop(nn.TripletMarginWithDistanceLoss, on=(*ON, normal(3, 4))),
            drop(
                nn.TripletMarginWithDistanceLoss,
                distance_function=nn.PairwiseDistance(1.5),
                margin=2.0,
                swap=True,
                reduction="sum",
                on=(*ON, normal(3, 4)),
            ),
        ),
        kinks=tuple(
            sample(fixed([0.0, 0.0, 0.0], [1.0, -1.0, 0.0]), constant(fixed([0.0] * 3, [0.0] * 3)), p, 0.0)
            for p in (2.0, *NORMS)
        ),
        extremes=(sample(fixed([1e10, 1.0], [1e-10, 1e-10]), fixed([1e10, -1.0], [1.0, -1.0])),),
        realistic=sample(normal(1024, 512), normal(1024, 512)),
    ),
    Row(
        F.pdist,
        T.pdist,
        PdistFunction,
        samples=(
            sample(normal(4, 3)),
            sample(normal(4, 3), 3.0),
            *(sample(normal(4, 3), p=p) for p in NORMS),
            sample(normal(4, 3), p=0.0),
            sample(normal(1, 3)),
        ),
        kinks=tuple(sample(fixed([0.0, 0.0, 0.0], [1.0, -1.0, 0.0], [0.0] * 3), p) for p in (2.0, *NORMS[:-1])),
        extremes=(sample(fixed([1e10, 1.0], [1e-10, 1e-10], [1.0, 2.0])),),
        reference=_pdist,
        note="torch has no second derivative",
        realistic=sample(normal(128, 64)),
        slow_because="the differences of all pairs are written out, where torch's kernel forms them one at a time",
    ),
    Row(
        F.cosine_embedding_loss,
        T.cosine_embedding_loss,
        CosineEmbeddingLossFunction,
        samples=(
            sample(normal(3, 4), normal(3, 4), integers([1, -1, 1])),
            sample(normal(5, 4), normal(5, 4), integers([1, -1, -1, -1, 0]), 0.3, reduction="none"),
            sample(normal(5, 4), normal(5, 4), integers([-1, -1, -1, -1, 1]), margin=-0.5, reduction="sum"),
            sample(normal(3, 4), normal(1, 4), signs(3)),
            sample(normal(4), normal(4), signs()),
            sample(normal(0, 4), normal(0, 4), signs(0), reduction="sum"),
            sample(normal(3, 4), normal(3, 4), signs(3), size_average=False),
            sample(normal(3, 4), normal(3, 4), signs(3), reduce=False),
        ),
        modules=(
            drop(nn.CosineEmbeddingLoss, on=(*ON, signs(3))),
            drop(nn.CosineEmbeddingLoss, -0.3, reduction="sum", on=(*ON, signs(3))),
        ),
        kinks=(
            sample(fixed([1.0, 0.0], [3.0, 4.0]), fixed([0.0, 1.0], [1.0, 0.0]), integers([-1, -1])),
            sample(fixed([0.0, 0.0], [3.0, 4.0]), fixed([0.0, 1.0], [0.0, 0.0]), integers([1, -1])),
        ),
        extremes=(sample(fixed([1e10, 1.0], [1e-10, 1e-10]), fixed([1e10, -1.0], [1.0, -1.0]), integers([1, -1])),),
        realistic=sample(normal(1024, 512), normal(1024, 512), signs(1024)),
    ),
    Row(
        F.triplet_margin_loss,
        T.triplet_margin_loss,
        TripletMarginLossFunction,
        samples=(
            sample(normal(3, 4), normal(3, 4), normal(3, 4)),
            sample(normal(5, 4), normal(5, 4), normal(5, 4), 2.0, 3.0, 0.1, True, reduction="none"),
            sample(normal(5, 4), normal(5, 4), normal(5, 4), swap=True, reduction="sum"),
            *(sample(normal(3, 4), normal(3, 4), normal(3, 4), p=p) for p in NORMS),
            sample(normal(3, 4), normal(1, 4), normal(3, 1)),
            sample(normal(4), normal(4), normal(4), swap=True),
            sample(normal(2, 3, 4), normal(2, 3, 4), normal(2, 3, 4), reduction="none"),
            sample(normal(0, 4), normal(0, 4), normal(0, 4), reduction="sum"),
            sample(normal(3, 4), normal(3, 4), normal(3, 4), size_average=False),
            sample(normal(3, 4), normal(3, 4), normal(3, 4), reduce=False),
        ),
        modules=(
            drop(nn.TripletMarginLoss, on=(*ON, normal(3, 4))),
            drop(nn.TripletMarginLoss, 2.0, 1.5, 0.1, True, reduction="sum", on=(*ON, normal(3, 4))),
        ),
        kinks=(
            sample(fixed([0.0, 0.0]), fixed([3.0, 4.0]), fixed([6.0, 0.0]), margin=1.0, eps=0.0),
            sample(fixed([0.0, 0.0]), fixed([4.0, 0.0]), fixed([2.0, 0.0]), eps=0.0, swap=True),
            sample(fixed([1.0, 2.0]), fixed([1.0, 2.0]), fixed([1.0, 2.0]), eps=0.0, swap=True),
        ),
        extremes=(sample(fixed([1e10, 1.0], [1e-10, 1e-10]), fixed([1e10, -1.0], [1.0, -1.0]), normal(2, 2)),),
        realistic=sample(normal(1024, 256), normal(1024, 256), normal(1024, 256)),
    ),
    Row(
        F.cdist,
        torch.cdist,
        CdistFunction,
        samples=(
            sample(normal(3, 4), normal(2, 4)),
            sample(normal(2, 3, 4), normal(2, 4), 1.0),
            sample(normal(3, 4), normal(2, 4), 3.0, compute_mode="donot_use_mm_for_euclid_dist"),
            sample(normal(2, 1, 3, 4), normal(5, 2, 4), 2.0, "use_mm_for_euclid_dist"),
            sample(normal(3, 4), normal(2, 4), float("inf")),
            sample(normal(3, 4), normal(2, 4), 0.5),
            sample(normal(3, 4), normal(2, 4), 0.0),
            sample(normal(0, 4), normal(2, 4)),
            sample(normal(3, 0), normal(2, 0)),
        ),
        kinks=tuple(sample(fixed([[1.0, 2.0]]), fixed([[1.0, 2.0], [1.0, 3.0]]), p) for p in (2.0, *NORMS[:-1])),
        reference=_cdist,
        note="torch has no second derivative",
        realistic=sample(normal(256, 64), normal(256, 64)),
    ),
)
