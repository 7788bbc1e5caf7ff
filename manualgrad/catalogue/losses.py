"""Rows of the losses."""

from collections.abc import Sequence

import torch
from torch import Tensor

from manualgrad import functional as F
from manualgrad import nn
from manualgrad.catalogue.row import (
    Draw,
    Row,
    away_from,
    classes,
    constant,
    drop,
    fixed,
    integers,
    normal,
    probabilities,
    sample,
    signs,
    uniform,
)
from manualgrad.formulas.binary_cross_entropy import BinaryCrossEntropyFunction
from manualgrad.formulas.binary_cross_entropy_with_logits import BinaryCrossEntropyWithLogitsFunction
from manualgrad.formulas.cosine_embedding_loss import CosineEmbeddingLossFunction
from manualgrad.formulas.cosine_similarity import CosineSimilarityFunction
from manualgrad.formulas.cross_entropy import CrossEntropyFunction
from manualgrad.formulas.ctc_loss import CTCLossFunction
from manualgrad.formulas.gaussian_nll_loss import GaussianNLLLossFunction
from manualgrad.formulas.half_mse_loss import HalfMSELossFunction
from manualgrad.formulas.hinge_embedding_loss import HingeEmbeddingLossFunction
from manualgrad.formulas.hinge_loss import HingeLossFunction
from manualgrad.formulas.huber_loss import HuberLossFunction
from manualgrad.formulas.kl_div import KLDivFunction
from manualgrad.formulas.l1_loss import L1LossFunction
from manualgrad.formulas.linear_cross_entropy import LinearCrossEntropyFunction
from manualgrad.formulas.margin_ranking_loss import MarginRankingLossFunction
from manualgrad.formulas.mse_loss import MSELossFunction
from manualgrad.formulas.multi_margin_loss import MultiMarginLossFunction
from manualgrad.formulas.multilabel_margin_loss import MultilabelMarginLossFunction
from manualgrad.formulas.multilabel_soft_margin_loss import MultilabelSoftMarginLossFunction
from manualgrad.formulas.nll_loss import NLLLossFunction
from manualgrad.formulas.pairwise_distance import PairwiseDistanceFunction
from manualgrad.formulas.pdist import PdistFunction
from manualgrad.formulas.poisson_nll_loss import PoissonNLLLossFunction
from manualgrad.formulas.smooth_l1_loss import SmoothL1LossFunction
from manualgrad.formulas.soft_margin_loss import SoftMarginLossFunction
from manualgrad.formulas.triplet_margin_loss import TripletMarginLossFunction

T = torch.nn.functional


def half_mse_loss(input: Tensor, target: Tensor, reduction: str = "mean") -> Tensor:
    """What `half_mse_loss` means, in torch's words."""
    return 0.5 * T.mse_loss(input, target, reduction=reduction)


def hinge_loss(input: Tensor, target: Tensor, squared: bool = False, reduction: str = "mean") -> Tensor:
    """What `hinge_loss` means, in torch's words."""
    loss = torch.clamp(1 - target * input, min=0)
    if squared:
        loss = loss**2
    return loss if reduction == "none" else loss.sum() if reduction == "sum" else loss.mean()


def _reduced(loss: Tensor, size_average: bool | None, reduce: bool | None, reduction: str) -> Tensor:
    if size_average is not None or reduce is not None:
        reduction = torch.nn._reduction.legacy_get_string(size_average, reduce)
    return loss if reduction == "none" else loss.sum() if reduction == "sum" else loss.mean()


def _soft_margin_loss(
    input: Tensor,
    target: Tensor,
    size_average: bool | None = None,
    reduce: bool | None = None,
    reduction: str = "mean",
) -> Tensor:
    """torch has no forward mode for its backward."""
    return _reduced(T.softplus(-target * input), size_average, reduce, reduction)


def _multi_margin_loss(
    input: Tensor,
    target: Tensor,
    p: int = 1,
    margin: float = 1.0,
    weight: Tensor | None = None,
    size_average: bool | None = None,
    reduce: bool | None = None,
    reduction: str = "mean",
) -> Tensor:
    """torch has no second derivative."""
    rows, index = input.reshape(-1, input.shape[-1]), target.reshape(-1, 1)
    others = torch.relu(margin - rows.gather(1, index) + rows).scatter(1, index, 0.0) ** p
    loss = others.sum(1).reshape(target.shape) / input.shape[-1]
    return _reduced(loss if weight is None else loss * weight[target], size_average, reduce, reduction)


def _multilabel_margin_loss(
    input: Tensor,
    target: Tensor,
    size_average: bool | None = None,
    reduce: bool | None = None,
    reduction: str = "mean",
) -> Tensor:
    """torch has no second derivative, and another value under torch.compile."""
    losses = []
    for x, t in zip(input.reshape(-1, input.shape[-1]), target.reshape(-1, input.shape[-1]).tolist(), strict=True):
        right = [c for number, c in enumerate(t) if min(t[: number + 1]) >= 0]
        pairs = [1 - x[j] + x[k] for j in right for k in range(len(t)) if k not in right]
        losses.append(torch.relu(torch.stack([*pairs, 0 * x[0]])).sum() / len(t))
    loss = torch.stack(losses) if losses else input.sum(-1)
    return _reduced(loss.reshape(input.shape[:-1]), size_average, reduce, reduction)


def _pdist(input: Tensor, p: float = 2.0) -> Tensor:
    """torch has no second derivative and no forward mode."""
    i, j = torch.triu_indices(input.shape[0], input.shape[0], 1)
    return torch.linalg.vector_norm(input[i] - input[j], p, 1)


def _ctc_loss(
    log_probs: Tensor,
    targets: Tensor,
    input_lengths: Tensor | Sequence[int],
    target_lengths: Tensor | Sequence[int],
    blank: int = 0,
    reduction: str = "mean",
    zero_infinity: bool = False,
) -> Tensor:
    """torch's gradient is that of log_softmax(log_probs), and it has no second derivative."""
    batch = log_probs.unsqueeze(1) if log_probs.dim() == 2 else log_probs
    times, lengths = (torch.as_tensor(v).reshape(-1).tolist() for v in (input_lengths, target_lengths))
    rows = targets.split(lengths) if targets.dim() == 1 else targets
    losses = []
    for n, (time, length) in enumerate(zip(times, lengths, strict=True)):
        labels = rows[n][:length].tolist()
        symbols = [blank, *(symbol for label in labels for symbol in (label, blank))]
        walks = [batch.new_zeros(())] * len(symbols)  # the probability of all walks that end at each place
        for t in range(time):
            ways = []
            for s, symbol in enumerate(symbols):
                reached = [batch.new_ones(())] if t == 0 and s < 2 else walks[max(0, s - 1) : s + 1]
                if s > 2 and s % 2 and symbol != symbols[s - 2]:
                    reached = [*reached, walks[s - 2]]
                ways.append(torch.stack(reached).sum() * batch[t, n, symbol].exp())
            walks = ways
        loss = -torch.stack(walks[-2:]).sum().log()
        losses.append(loss / max(length, 1) if reduction == "mean" else loss)
    loss = torch.stack(losses)
    return _reduced(loss.squeeze(0) if log_probs.dim() == 2 else loss, None, None, reduction)


def positive(*shape: int) -> Draw:
    """Weights."""
    return uniform(*shape, low=0.5, high=1.5)


def inside(*shape: int) -> Draw:
    """Probabilities of a yes, away from 0 and 1."""
    return uniform(*shape, low=0.1, high=0.9)


_EVERY_REDUCTION = (
    sample(normal(3, 4), normal(3, 4)),
    sample(normal(3, 4), normal(3, 4), reduction="none"),
    sample(normal(3, 4), normal(3, 4), reduction="sum"),
    sample(normal(), normal()),
    sample(normal(2, 0), normal(2, 0), reduction="sum"),
)
_BROADCAST = (
    sample(normal(3, 1), normal(2, 1, 4)),
    sample(normal(3, 4), normal(4), reduction="none"),
    sample(normal(), normal(3), reduction="sum"),
)
_LEGACY = (
    sample(normal(3, 4), normal(3, 4), size_average=False),
    sample(normal(3, 4), normal(3, 4), reduce=False),
)
_WEIGHTED = (
    sample(normal(3, 4), normal(3, 4), weight=positive(3, 4)),
    sample(normal(3, 4), normal(3, 4), weight=positive(3, 4), reduction="sum"),
    sample(normal(3, 1), normal(3, 4), weight=positive(3, 1)),
    sample(normal(3, 4), normal(3, 4), weight=positive(3, 4), reduction="none"),
)
_LARGE = (
    sample(fixed(-1e10, -1.0, 0.0, 1e-20, 1e10), fixed(1e10, 1e10, -1e-20, 0.0, 1e10)),
    sample(fixed(0.0, 3.0), fixed(1e-30, 3.0), reduction="none"),
)
_NORMS = (0.5, 1.0, 1.5, 3.0, float("inf"))
_ON = (normal(3, 4), normal(3, 4))
_REALISTIC = sample(normal(512, 1024), constant(normal(512, 1024)))

_SINCE_2_13: tuple[Row, ...] = ()
if hasattr(T, "linear_cross_entropy"):
    _SINCE_2_13 = (
        Row(
            F.linear_cross_entropy,
            T.linear_cross_entropy,
            LinearCrossEntropyFunction,
            samples=(
                sample(normal(6, 2), normal(7, 2), classes(6, below=7)),
                sample(normal(6, 2), normal(7, 2), classes(6, below=7), linear_bias=normal(7), reduction="none"),
                sample(normal(6, 2), normal(7, 2), probabilities(6, 7), weight=positive(7), label_smoothing=0.1),
                sample(
                    normal(6, 2),
                    normal(7, 2),
                    integers([0, -100, 1, 6, -100, 2]),
                    linear_bias=normal(7),
                    weight=constant(positive(7)),
                    label_smoothing=0.1,
                ),
                sample(normal(6, 2), normal(7, 2), integers([0, 3, 1, 6, 3, 2]), ignore_index=3, reduction="sum"),
                sample(normal(6, 2), normal(7, 2), integers([0, 3, 1, 6, 3, 2]), label_smoothing=0.2),
                sample(normal(6, 2), normal(7, 2), integers([0, 3, 1, 6, 3, 2]), weight=constant(positive(7))),
                sample(normal(6, 2), normal(7, 2), probabilities(6, 7), reduction="none"),
                sample(normal(2), normal(7, 2), classes(below=7), linear_bias=normal(7)),
                sample(normal(2), normal(7, 2), classes(below=7), reduction="none"),
                sample(normal(2), normal(7, 2), probabilities(7)),
                sample(normal(6, 2), normal(4, 3, 2), classes(6, 3, below=4), linear_bias=normal(4, 3)),
                sample(
                    normal(6, 2), normal(4, 3, 2), probabilities(6, 4, 3, dim=1), weight=positive(4), reduction="sum"
                ),
                sample(normal(6, 2), normal(4, 3, 2), classes(6, 3, below=4), reduction="none", label_smoothing=0.1),
            ),
            modules=(
                drop(nn.LinearCrossEntropyLoss, 2, 7, on=(normal(6, 2), classes(6, below=7))),
                drop(
                    nn.LinearCrossEntropyLoss,
                    2,
                    4,
                    out_features=(3,),
                    bias=True,
                    reduction="sum",
                    weight=torch.tensor([1.0, 2.0, 3.0, 4.0]),
                    ignore_index=2,
                    label_smoothing=0.1,
                    on=(normal(6, 2), classes(6, 3, below=4)),
                ),
            ),
            extremes=(sample(normal(6, 2, scale=100.0), normal(7, 2, scale=100.0), classes(6, below=7)),),
            note="torch's chunks have no second derivative, no forward mode, no torch.func.grad and no smoothing",
            realistic=sample(normal(1024, 256), normal(8192, 256), classes(1024, below=8192)),
        ),
    )

ROWS: tuple[Row, ...] = (
    Row(
        F.mse_loss,
        T.mse_loss,
        MSELossFunction,
        samples=(*_EVERY_REDUCTION, *_WEIGHTED, *_BROADCAST, *_LEGACY),
        modules=(drop(nn.MSELoss, on=_ON), drop(nn.MSELoss, reduction="sum", on=_ON)),
        extremes=_LARGE,
        realistic=_REALISTIC,
    ),
    Row(
        F.half_mse_loss,
        half_mse_loss,
        HalfMSELossFunction,
        samples=(*_EVERY_REDUCTION, *_BROADCAST),
        extremes=_LARGE,
        realistic=_REALISTIC,
    ),
    Row(
        F.l1_loss,
        T.l1_loss,
        L1LossFunction,
        samples=(*_EVERY_REDUCTION, *_BROADCAST, *_LEGACY),
        modules=(drop(nn.L1Loss, on=_ON), drop(nn.L1Loss, reduction="none", on=_ON)),
        kinks=(sample(fixed(0.0, 1.0, -2.0), fixed(0.0, 1.0, 3.0)),),
        extremes=_LARGE,
        realistic=_REALISTIC,
    ),
    Row(
        F.huber_loss,
        T.huber_loss,
        HuberLossFunction,
        samples=(
            *_EVERY_REDUCTION,
            sample(normal(3, 4), normal(3, 4), delta=0.3),
            *_WEIGHTED,
            *_BROADCAST,
        ),
        modules=(drop(nn.HuberLoss, on=_ON), drop(nn.HuberLoss, "sum", 0.3, on=_ON)),
        kinks=(sample(fixed(0.0, 1.0, -1.0, 0.5, -0.5), fixed(0.0, 0.0, 0.0, 0.0, 0.0), delta=0.5),),
        extremes=_LARGE,
        realistic=_REALISTIC,
    ),
    Row(
        F.smooth_l1_loss,
        T.smooth_l1_loss,
        SmoothL1LossFunction,
        samples=(
            *_EVERY_REDUCTION,
            sample(normal(3, 4), normal(3, 4), beta=0.3),
            sample(normal(3, 4), normal(3, 4), beta=0.0),
            *_BROADCAST,
            *_LEGACY,
        ),
        modules=(drop(nn.SmoothL1Loss, on=_ON), drop(nn.SmoothL1Loss, reduction="sum", beta=0.3, on=_ON)),
        kinks=(
            sample(fixed(0.0, 1.0, -1.0, 0.5, -0.5), fixed(0.0, 0.0, 0.0, 0.0, 0.0), beta=0.5),
            sample(fixed(0.0, 1.0), fixed(0.0, 1.0), beta=0.0),
        ),
        extremes=_LARGE,
        realistic=_REALISTIC,
    ),
    Row(
        F.binary_cross_entropy,
        T.binary_cross_entropy,
        BinaryCrossEntropyFunction,
        samples=(
            sample(inside(3, 4), inside(3, 4)),
            sample(inside(3, 4), inside(3, 4), reduction="none"),
            sample(inside(3, 4), inside(3, 4), constant(positive(3, 4)), reduction="sum"),
            sample(inside(3, 4), inside(3, 4), constant(positive(4))),
            sample(inside(), inside()),
            sample(inside(2, 0), inside(2, 0), reduction="sum"),
            sample(inside(3, 4), inside(3, 4), size_average=False),
            sample(inside(3, 4), inside(3, 4), reduce=False),
        ),
        modules=(
            drop(nn.BCELoss, on=(inside(3, 4), inside(3, 4))),
            drop(nn.BCELoss, torch.tensor([1.0, 2.0, 3.0, 4.0]), reduction="sum", on=(inside(3, 4), inside(3, 4))),
        ),
        extremes=(
            sample(fixed(0.0, 0.0, 1.0, 1.0, 1e-30, 0.5), fixed(0.0, 1.0, 0.0, 1.0, 1.0, 0.0), reduction="none"),
            sample(fixed(0.0, 1.0, 1.0, 1e-30), fixed(0.0, 1.0, 0.5, 0.5)),
        ),
        note="torch has no gradient for weight; here it has one",
        realistic=sample(inside(512, 1024), constant(inside(512, 1024))),
    ),
    Row(
        F.binary_cross_entropy_with_logits,
        T.binary_cross_entropy_with_logits,
        BinaryCrossEntropyWithLogitsFunction,
        samples=(
            sample(normal(3, 4), inside(3, 4)),
            sample(normal(3, 4), inside(3, 4), reduction="none", pos_weight=constant(positive(4))),
            sample(normal(3, 4), inside(3, 4), constant(positive(4)), reduction="sum"),
            sample(normal(3, 4), inside(3, 4), constant(positive(3, 1)), pos_weight=constant(positive(3, 4))),
            sample(normal(), inside()),
            sample(normal(2, 0), inside(2, 0), reduction="sum"),
            sample(normal(3, 4), inside(3, 4), size_average=False),
            sample(normal(3, 4), inside(3, 4), reduce=False),
        ),
        modules=(
            drop(nn.BCEWithLogitsLoss, on=(normal(3, 4), inside(3, 4))),
            drop(
                nn.BCEWithLogitsLoss,
                torch.tensor([1.0, 2.0, 3.0, 4.0]),
                reduction="sum",
                pos_weight=torch.tensor([0.5, 2.0, 3.0, 4.0]),
                on=(normal(3, 4), inside(3, 4)),
            ),
        ),
        extremes=(
            sample(fixed(-1e4, -100.0, 0.0, 100.0, 1e4, 1e4), fixed(0.0, 1.0, 0.5, 0.0, 1.0, 0.0), reduction="none"),
            sample(
                fixed(-1e4, -100.0, 0.0, 100.0, 1e4, 1e4),
                fixed(0.0, 1.0, 0.5, 0.0, 1.0, 0.0),
                pos_weight=constant(fixed(3.0)),
            ),
        ),
        note="torch has no gradient for weight and pos_weight; here they have one",
        realistic=sample(normal(512, 1024), constant(inside(512, 1024))),
    ),
    Row(
        F.nll_loss,
        T.nll_loss,
        NLLLossFunction,
        samples=(
            sample(normal(5, 3), classes(5, below=3)),
            sample(normal(5, 3), classes(5, below=3), constant(positive(3)), reduction="none"),
            sample(normal(5, 3), classes(5, below=3), constant(positive(3))),
            sample(normal(5, 3), integers([0, 2, 1, 1, 0]), ignore_index=1, reduction="sum"),
            sample(normal(5, 3), integers([0, -100, 1, -100, 0]), constant(positive(3))),
            sample(normal(5, 3), integers([0, 9, 1, 1, 0]), ignore_index=9, reduction="none"),
            sample(normal(3), classes(below=3)),
            sample(normal(3), classes(below=3), reduction="none"),
            sample(normal(2, 3, 4), classes(2, 4, below=3), constant(positive(3))),
            sample(normal(2, 3, 4, 2), classes(2, 4, 2, below=3), reduction="none"),
            sample(normal(0, 3), classes(0, below=3), reduction="sum"),
            sample(normal(5, 3), classes(5, below=3), size_average=False),
            sample(normal(5, 3), classes(5, below=3), reduce=False),
        ),
        modules=(
            drop(nn.NLLLoss, on=(normal(5, 3), classes(5, below=3))),
            drop(
                nn.NLLLoss,
                torch.tensor([1.0, 2.0, 3.0]),
                ignore_index=1,
                reduction="sum",
                on=(normal(5, 3), classes(5, below=3)),
            ),
        ),
        extremes=(
            sample(normal(2, 3, scale=1e10), integers([-100, -100])),
            sample(normal(2, 3, scale=1e10), integers([0, 1])),
        ),
        note="torch has no gradient for weight; here it has one",
        realistic=sample(normal(1024, 1000), classes(1024, below=1000)),
    ),
    Row(
        F.cross_entropy,
        T.cross_entropy,
        CrossEntropyFunction,
        samples=(
            sample(normal(5, 3), classes(5, below=3)),
            sample(normal(5, 3), probabilities(5, 3), positive(3), label_smoothing=0.1),
            sample(normal(5, 3), classes(5, below=3), constant(positive(3)), label_smoothing=0.1),
            sample(normal(5, 3), probabilities(5, 3), reduction="none"),
            sample(normal(5, 3), classes(5, below=3), constant(positive(3)), reduction="none"),
            sample(normal(5, 3), probabilities(5, 3), reduction="sum", label_smoothing=0.2),
            sample(normal(5, 3), integers([0, 2, 1, 1, 0]), ignore_index=1, label_smoothing=0.2),
            sample(normal(5, 3), integers([0, -100, 1, -100, 0]), constant(positive(3)), label_smoothing=0.3),
            sample(normal(5, 3), integers([0, -100, 1, -100, 0]), reduction="none", label_smoothing=1.0),
            sample(normal(5, 3), integers([0, 9, 1, 1, 0]), constant(positive(3)), ignore_index=9),
            sample(normal(5, 3), classes(5, below=3), reduction="sum"),
            sample(normal(3), classes(below=3)),
            sample(normal(3), classes(below=3), constant(positive(3)), reduction="none", label_smoothing=0.1),
            sample(normal(3), probabilities(3), positive(3)),
            sample(normal(2, 3, 4), classes(2, 4, below=3), constant(positive(3)), label_smoothing=0.1),
            sample(normal(2, 3, 4, 2), classes(2, 4, 2, below=3), reduction="none", label_smoothing=0.1),
            sample(normal(2, 3, 4, 2), probabilities(2, 3, 4, 2, dim=1), positive(3), label_smoothing=0.1),
            sample(normal(2, 3, 4), probabilities(2, 3, 4, dim=1), positive(3), reduction="none"),
            sample(normal(0, 3), classes(0, below=3), reduction="sum"),
            sample(normal(5, 3), classes(5, below=3), size_average=False),
            sample(normal(5, 3), classes(5, below=3), reduce=False),
        ),
        modules=(
            drop(nn.CrossEntropyLoss, on=(normal(5, 3), classes(5, below=3))),
            drop(nn.CrossEntropyLoss, on=(normal(5, 3), probabilities(5, 3))),
            drop(nn.AdaptiveLogSoftmaxWithLoss, 16, 9, [3, 6], on=(normal(6, 16), integers([0, 8, 4, 2, 3, 7]))),
            drop(nn.AdaptiveLogSoftmaxWithLoss, 8, 9, [3, 6], 2.0, head_bias=True, on=(normal(8), integers(4))),
            drop(
                nn.CrossEntropyLoss,
                torch.tensor([1.0, 2.0, 3.0]),
                ignore_index=1,
                reduction="sum",
                label_smoothing=0.1,
                on=(normal(5, 3), classes(5, below=3)),
            ),
        ),
        extremes=(
            sample(fixed([-1e4, 0.0, 1e4], [1e4, 0.0, -1e4], [1e-8, 0.0, -1e-8]), integers([0, 0, 1])),
            sample(fixed([-1e4, 0.0, 1e4], [1e4, 0.0, -1e4]), fixed([0.5, 0.5, 0.0], [0.0, 0.0, 1.0])),
            sample(normal(2, 3), integers([-100, -100])),
            sample(normal(2, 3), integers([-100, -100]), constant(positive(3))),
        ),
        note="torch has no gradient for the weight of class numbers; here it has one",
        realistic=sample(normal(1024, 1000), classes(1024, below=1000)),
    ),
    Row(
        F.kl_div,
        T.kl_div,
        KLDivFunction,
        samples=(
            sample(normal(3, 4), probabilities(3, 4), reduction="batchmean"),
            sample(normal(3, 4), normal(3, 4), reduction="none", log_target=True),
            sample(normal(3, 4), probabilities(3, 4)),
            sample(normal(3, 4), probabilities(3, 4), reduction="sum"),
            sample(normal(3, 4), normal(3, 4), reduction="batchmean", log_target=True),
            sample(normal(), inside(), reduction="batchmean"),
            sample(normal(3, 1), probabilities(4), reduction="batchmean"),
            sample(normal(4), normal(3, 1), reduction="batchmean", log_target=True),
            sample(normal(2, 0), inside(2, 0), reduction="sum"),
            sample(normal(3, 4), probabilities(3, 4), size_average=False),
            sample(normal(3, 4), probabilities(3, 4), reduce=False),
        ),
        modules=(
            drop(nn.KLDivLoss, reduction="batchmean", on=(normal(3, 4), probabilities(3, 4))),
            drop(nn.KLDivLoss, reduction="sum", log_target=True, on=_ON),
        ),
        extremes=(
            sample(fixed(-1e4, -1.0, -1e-8, 0.0), fixed(1.0, 0.0, 1e-30, 1e-8), reduction="none"),
            sample(fixed(-1e4, -1.0, -1e-8, 0.0), fixed(0.0, -1e4, -100.0, -1e-8), reduction="sum", log_target=True),
        ),
        realistic=sample(normal(1024, 1000), constant(probabilities(1024, 1000)), reduction="batchmean"),
    ),
    Row(
        F.hinge_loss,
        hinge_loss,
        HingeLossFunction,
        samples=(
            sample(normal(3, 4), signs(3, 4)),
            sample(normal(3, 4), signs(3, 4), squared=True),
            sample(normal(3, 4), normal(3, 4), reduction="none"),
            sample(normal(3, 4), normal(3, 4), squared=True, reduction="sum"),
            sample(normal(), signs()),
            sample(normal(3, 1), normal(2, 1, 4), squared=True),
            sample(normal(2, 0), signs(2, 0), reduction="sum"),
        ),
        kinks=(
            sample(fixed(1.0, -1.0, 2.0), fixed(1.0, -1.0, 0.5), reduction="none"),
            sample(fixed(1.0, -1.0, 2.0), fixed(1.0, -1.0, 0.5), squared=True),
        ),
        extremes=(sample(fixed(-1e10, 1e10, 1e-30), fixed(1.0, 1.0, -1.0)),),
        realistic=sample(normal(512, 1024), signs(512, 1024)),
    ),
    Row(
        F.hinge_embedding_loss,
        T.hinge_embedding_loss,
        HingeEmbeddingLossFunction,
        samples=(
            sample(away_from(3, 4, kinks=(1.0,)), signs(3, 4)),
            sample(away_from(3, 4, kinks=(0.3,)), signs(3, 4), margin=0.3, reduction="none"),
            sample(away_from(3, 4, kinks=(1.0,)), signs(3, 4), reduction="sum"),
            sample(away_from(3, 1, kinks=(1.0,)), signs(2, 1, 4)),
            sample(away_from(4, kinks=(1.0,)), integers([1, -1, 0, 1])),
            sample(away_from(kinks=(1.0,)), signs()),
            sample(normal(2, 0), signs(2, 0), reduction="sum"),
            sample(away_from(3, 4, kinks=(1.0,)), signs(3, 4), size_average=False),
            sample(away_from(3, 4, kinks=(1.0,)), signs(3, 4), reduce=False),
        ),
        modules=(
            drop(nn.HingeEmbeddingLoss, on=(away_from(3, 4, kinks=(1.0,)), signs(3, 4))),
            drop(nn.HingeEmbeddingLoss, 0.3, reduction="sum", on=(away_from(3, 4, kinks=(0.3,)), signs(3, 4))),
        ),
        kinks=(sample(fixed(1.0, 1.0, 1.0), fixed(1.0, -1.0, 0.0, differentiable=False)),),
        extremes=(sample(fixed(-1e10, 1e10, 1e-30), fixed(-1.0, -1.0, 1.0, differentiable=False)),),
        realistic=sample(normal(512, 1024), signs(512, 1024)),
    ),
    Row(
        F.margin_ranking_loss,
        T.margin_ranking_loss,
        MarginRankingLossFunction,
        samples=(
            sample(normal(3, 4), normal(3, 4), signs(3, 4)),
            sample(normal(3, 4), normal(3, 4), normal(3, 4), margin=0.3, reduction="none"),
            sample(normal(3, 4), normal(3, 4), normal(3, 4), reduction="sum"),
            sample(normal(3, 1), normal(1, 4), normal(3, 1), 0.3),
            sample(normal(), normal(), signs()),
            sample(normal(2, 0), normal(2, 0), signs(2, 0), reduction="sum"),
            sample(normal(3), normal(3), signs(3), size_average=False),
            sample(normal(3), normal(3), signs(3), reduce=False),
        ),
        modules=(
            drop(nn.MarginRankingLoss, on=(*_ON, signs(3, 4))),
            drop(nn.MarginRankingLoss, 0.3, reduction="sum", on=(*_ON, signs(3, 4))),
        ),
        kinks=(sample(fixed(1.0, 2.0, 1.0), fixed(0.5, 1.5, 1.0), fixed(1.0, -1.0, 0.0), margin=0.5),),
        extremes=(sample(fixed(-1e10, 1e10, 1e-30), fixed(1e10, 1e10, 0.0), fixed(1.0, 1.0, -1.0)),),
        realistic=sample(normal(512, 1024), normal(512, 1024), signs(512, 1024)),
    ),
    Row(
        F.soft_margin_loss,
        T.soft_margin_loss,
        SoftMarginLossFunction,
        samples=(
            sample(normal(3, 4), signs(3, 4)),
            sample(normal(3, 4), constant(normal(3, 4)), reduction="none"),
            sample(normal(3, 4), signs(3, 4), reduction="sum"),
            sample(normal(3, 4), constant(normal(4))),
            sample(normal(), signs()),
            sample(normal(2, 0), signs(2, 0), reduction="sum"),
            sample(normal(3), signs(3), size_average=False),
            sample(normal(3), signs(3), reduce=False),
        ),
        modules=(
            drop(nn.SoftMarginLoss, on=(normal(3, 4), signs(3, 4))),
            drop(nn.SoftMarginLoss, reduction="sum", on=(normal(3, 4), signs(3, 4))),
        ),
        extremes=(sample(fixed(-80.0, -1e-30, 0.0, 1e4), constant(fixed(1.0, -1.0, 1.0, 1.0))),),
        note="torch has no gradient for target; here it has one",
        realistic=sample(normal(512, 1024), signs(512, 1024)),
        reference=_soft_margin_loss,
    ),
    Row(
        F.multilabel_soft_margin_loss,
        T.multilabel_soft_margin_loss,
        MultilabelSoftMarginLossFunction,
        samples=(
            sample(normal(3, 4), inside(3, 4)),
            sample(normal(3, 4), inside(3, 4), positive(4), reduction="none"),
            sample(normal(3, 4), inside(3, 4), positive(3, 1), reduction="sum"),
            sample(normal(4), inside(4), positive(4)),
            sample(normal(4), inside(4), reduction="none"),
            sample(normal(2, 3, 4), inside(3, 1), reduction="none"),
            sample(normal(0, 3), inside(0, 3), reduction="sum"),
            sample(normal(3, 4), inside(3, 4), size_average=False),
            sample(normal(3, 4), inside(3, 4), reduce=False),
        ),
        modules=(
            drop(nn.MultiLabelSoftMarginLoss, on=(normal(3, 4), inside(3, 4))),
            drop(
                nn.MultiLabelSoftMarginLoss,
                torch.tensor([1.0, 2.0, 3.0, 4.0]),
                reduction="sum",
                on=(normal(3, 4), inside(3, 4)),
            ),
        ),
        extremes=(sample(fixed([-1e4, -100.0, 0.0], [100.0, 1e4, 1e4]), fixed([0.0, 1.0, 0.5], [0.0, 1.0, 0.0])),),
        realistic=sample(normal(1024, 512), constant(inside(1024, 512))),
    ),
    Row(
        F.multi_margin_loss,
        T.multi_margin_loss,
        MultiMarginLossFunction,
        samples=(
            sample(normal(5, 3), classes(5, below=3)),
            sample(normal(5, 3), classes(5, below=3), 2, 0.3, constant(positive(3)), reduction="none"),
            sample(normal(5, 3), classes(5, below=3), margin=0.3, reduction="sum"),
            sample(normal(5, 3), classes(5, below=3), 2, weight=constant(positive(3))),
            sample(normal(3), classes(below=3), 2),
            sample(normal(3), classes(1, below=3), reduction="none", weight=constant(positive(3))),
            sample(normal(3), classes(below=3), reduction="none"),
            sample(normal(5, 3), classes(5, below=3), size_average=False),
            sample(normal(5, 3), classes(5, below=3), reduce=False),
        ),
        modules=(
            drop(nn.MultiMarginLoss, on=(normal(5, 3), classes(5, below=3))),
            drop(
                nn.MultiMarginLoss,
                2,
                0.3,
                torch.tensor([1.0, 2.0, 3.0]),
                reduction="sum",
                on=(normal(5, 3), classes(5, below=3)),
            ),
        ),
        kinks=(
            sample(fixed(1.0, 0.0, 2.0), integers(0)),
            sample(fixed(1.0, 0.0, 2.0), integers(0), p=2),
        ),
        extremes=(sample(normal(2, 3, scale=1e10), integers([0, 1]), p=2),),
        note="torch has no gradient for weight; here it has one",
        realistic=sample(normal(1024, 1000), classes(1024, below=1000)),
        reference=_multi_margin_loss,
    ),
    Row(
        F.multilabel_margin_loss,
        T.multilabel_margin_loss,
        MultilabelMarginLossFunction,
        samples=(
            sample(normal(3, 4), integers([[1, 2, -1, 0], [-1, 0, 0, 0], [0, 1, 2, 3]])),
            sample(normal(3, 4), integers([[1, 1, -1, 0], [3, -1, 0, 0], [0, 2, 0, 3]]), reduction="none"),
            sample(normal(3, 4), integers([[1, 2, -1, 0], [3, -1, 0, 0], [0, 2, 1, -1]]), reduction="sum"),
            sample(normal(4), integers([1, 2, -1, 0])),
            sample(normal(4), integers([3, -1, -1, -1]), reduction="none"),
            sample(normal(4), integers([1, 2, -1, 0]), size_average=False),
            sample(normal(4), integers([1, 2, -1, 0]), reduce=False),
        ),
        modules=(
            drop(nn.MultiLabelMarginLoss, on=(normal(2, 3), integers([[1, 2, -1], [0, -1, -1]]))),
            drop(nn.MultiLabelMarginLoss, reduction="sum", on=(normal(2, 3), integers([[1, 2, -1], [0, -1, -1]]))),
        ),
        kinks=(sample(fixed(1.0, 0.0, 2.0, 1.0), integers([0, 3, -1, -1])),),
        extremes=(sample(normal(2, 3, scale=1e10), integers([[0, -1, -1], [1, 2, -1]])),),
        realistic=sample(normal(256, 100), integers([[3, 14, 15, 92, 65, *[-1] * 95]] * 256)),
        reference=_multilabel_margin_loss,
    ),
    Row(
        F.poisson_nll_loss,
        T.poisson_nll_loss,
        PoissonNLLLossFunction,
        samples=(
            sample(normal(3, 4), uniform(3, 4, low=0.1, high=4.0)),
            sample(inside(3, 4), uniform(3, 4, low=0.1, high=4.0), log_input=False, full=True, eps=0.1),
            sample(normal(3, 4), uniform(3, 4, low=0.1, high=4.0), full=True, reduction="none"),
            sample(inside(3, 4), uniform(3, 4, low=0.1, high=4.0), log_input=False, reduction="sum"),
            sample(normal(3, 1), uniform(4, low=0.1, high=4.0)),
            sample(normal(), uniform(low=1.1, high=4.0), full=True),
            sample(normal(2, 0), inside(2, 0), reduction="sum"),
            sample(normal(3), inside(3), size_average=False),
            sample(normal(3), inside(3), reduce=False),
        ),
        modules=(
            drop(nn.PoissonNLLLoss, on=(normal(3, 4), inside(3, 4))),
            drop(nn.PoissonNLLLoss, False, True, eps=0.1, reduction="sum", on=(inside(3, 4), positive(3, 4))),
        ),
        kinks=(sample(fixed(0.5, 1.0), fixed(1.0, 1.0), full=True),),
        extremes=(
            sample(fixed(-1e4, -1.0, 0.0, 80.0), fixed(0.0, 1e10, 1e-30, 3.0), reduction="none"),
            sample(fixed(0.0, 1e-30, 1e10), fixed(1e10, 0.0, 2.0), log_input=False, reduction="none"),
            sample(fixed(0.0, 1.0), fixed(1e10, 2.0), full=True),
        ),
        note="torch's gradient of target is NaN where target is 0 and full is set; here it is right",
        realistic=sample(normal(512, 1024), constant(uniform(512, 1024, low=0.0, high=4.0))),
    ),
    Row(
        F.gaussian_nll_loss,
        T.gaussian_nll_loss,
        GaussianNLLLossFunction,
        samples=(
            sample(normal(3, 4), normal(3, 4), constant(positive(3, 4))),
            sample(normal(3, 4), normal(3, 4), positive(3, 4), full=True, reduction="none"),
            sample(normal(3, 4), normal(3, 4), positive(3), reduction="sum"),
            sample(normal(3, 4), normal(3, 4), positive(3, 1), eps=0.1),
            sample(normal(2, 3, 4), normal(2, 3, 4), positive(2, 1, 4)),
            sample(normal(3, 1), normal(3, 4), positive(3)),
            sample(normal(3), normal(3), positive()),
            sample(normal(), normal(), positive()),
            sample(normal(3), normal(3), 0.5),
            sample(normal(2, 0), normal(2, 0), positive(2, 0), reduction="sum"),
            sample(normal(2, 2), normal(2, 2), fixed([0.5, 0.05], [0.02, 2.0]), eps=0.1),
        ),
        modules=(
            drop(nn.GaussianNLLLoss, on=(*_ON, constant(positive(3, 4)))),
            drop(nn.GaussianNLLLoss, full=True, eps=0.7, reduction="sum", on=(*_ON, positive(3))),
        ),
        kinks=(sample(normal(3), normal(3), fixed(0.1, 0.5, 0.05), eps=0.1),),
        extremes=(
            sample(fixed(-1e10, 1e10, 1e-30), fixed(1e10, 1e10, 0.0), fixed(1.0, 1e-30, 1e10)),
            sample(fixed(1.0, 1.0, 0.0), fixed(1.0, 0.5, 0.0), fixed(0.0, 0.0, 1e-30)),
        ),
        realistic=sample(normal(512, 1024), constant(normal(512, 1024)), positive(512, 1024)),
    ),
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
            drop(nn.CosineSimilarity, on=_ON),
            drop(nn.CosineSimilarity, 0, 0.5, on=_ON),
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
            *(sample(normal(3, 4), normal(3, 4), p=p) for p in _NORMS),
            sample(normal(3, 4), normal(3, 4), p=0.0),
            sample(normal(3, 4), normal(2, 1, 4)),
            sample(normal(3, 4), normal(3, 1), p=1.5),
            sample(normal(4), normal(4)),
            sample(normal(), normal()),
            sample(normal(), normal(), keepdim=True),
            sample(normal(0, 3), normal(0, 3)),
        ),
        modules=(
            drop(nn.PairwiseDistance, on=_ON),
            drop(nn.PairwiseDistance, 1.5, 0.1, True, on=_ON),
            drop(nn.TripletMarginWithDistanceLoss, on=(*_ON, normal(3, 4))),
            drop(
                nn.TripletMarginWithDistanceLoss,
                distance_function=nn.PairwiseDistance(1.5),
                margin=2.0,
                swap=True,
                reduction="sum",
                on=(*_ON, normal(3, 4)),
            ),
        ),
        kinks=tuple(
            sample(fixed([0.0, 0.0, 0.0], [1.0, -1.0, 0.0]), constant(fixed([0.0] * 3, [0.0] * 3)), p, 0.0)
            for p in (2.0, *_NORMS)
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
            *(sample(normal(4, 3), p=p) for p in _NORMS),
            sample(normal(4, 3), p=0.0),
            sample(normal(1, 3)),
        ),
        kinks=tuple(sample(fixed([0.0, 0.0, 0.0], [1.0, -1.0, 0.0], [0.0] * 3), p) for p in (2.0, *_NORMS[:-1])),
        extremes=(sample(fixed([1e10, 1.0], [1e-10, 1e-10], [1.0, 2.0])),),
        reference=_pdist,
        note="torch has no second derivative",
        realistic=sample(normal(128, 64)),
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
            drop(nn.CosineEmbeddingLoss, on=(*_ON, signs(3))),
            drop(nn.CosineEmbeddingLoss, -0.3, reduction="sum", on=(*_ON, signs(3))),
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
            *(sample(normal(3, 4), normal(3, 4), normal(3, 4), p=p) for p in _NORMS),
            sample(normal(3, 4), normal(1, 4), normal(3, 1)),
            sample(normal(4), normal(4), normal(4), swap=True),
            sample(normal(2, 3, 4), normal(2, 3, 4), normal(2, 3, 4), reduction="none"),
            sample(normal(0, 4), normal(0, 4), normal(0, 4), reduction="sum"),
            sample(normal(3, 4), normal(3, 4), normal(3, 4), size_average=False),
            sample(normal(3, 4), normal(3, 4), normal(3, 4), reduce=False),
        ),
        modules=(
            drop(nn.TripletMarginLoss, on=(*_ON, normal(3, 4))),
            drop(nn.TripletMarginLoss, 2.0, 1.5, 0.1, True, reduction="sum", on=(*_ON, normal(3, 4))),
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
        F.ctc_loss,
        T.ctc_loss,
        CTCLossFunction,
        samples=(
            sample(normal(5, 2, 4), integers([[1, 2], [3, 3]]), (5, 4), (2, 2)),
            sample(normal(6, 2, 4), integers([[1, 0], [3, 2]]), (4, 6), (1, 2), 2, reduction="none"),
            sample(normal(5, 2, 4), integers([1, 2, 3]), integers([5, 3]), integers([2, 1]), reduction="sum"),
            sample(normal(5, 2, 4), integers([[1, 2], [3, 3]]), (5, 4), (0, 2), zero_infinity=True),
            sample(normal(5, 4), integers([1, 2]), integers(5), integers(2)),
            sample(normal(5, 4), integers([1, 1]), (5,), (2,), reduction="none"),
            sample(normal(2, 2, 4), constant(classes(2, 0, below=4)), (2, 1), (0, 0), reduction="none"),
        ),
        modules=(
            drop(
                nn.CTCLoss,
                on=(normal(5, 2, 4), integers([[1, 2], [3, 3]]), (5, 4), (2, 2)),
                before=lambda x: F.log_softmax(x, -1),
            ),
            drop(
                nn.CTCLoss,
                2,
                "sum",
                True,
                on=(normal(5, 2, 4), integers([[1, 0], [3, 1]]), integers([5, 4]), integers([2, 2])),
                before=lambda x: F.log_softmax(x, -1),
            ),
        ),
        reference=_ctc_loss,
        note="torch's gradient of log_probs is right only behind log_softmax, and it has no second derivative",
        realistic=sample(
            Draw(lambda g, d: torch.randn(100, 16, 50, generator=g).log_softmax(-1).to(d)),
            Draw(lambda g, d: torch.randint(1, 50, (16, 20), generator=g), differentiable=False),
            (100,) * 16,
            (20,) * 16,
        ),
    ),
    *_SINCE_2_13,
)
