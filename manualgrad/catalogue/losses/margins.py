"""Rows of the losses that want a margin between right and wrong."""

import torch
from torch import Tensor

from manualgrad import functional as F
from manualgrad import nn
from manualgrad.catalogue.losses.shared import ON, inside, positive, reduced
from manualgrad.catalogue.row import Row, away_from, classes, constant, drop, fixed, integers, normal, sample, signs
from manualgrad.formulas.hinge_embedding_loss import HingeEmbeddingLossFunction
from manualgrad.formulas.hinge_loss import HingeLossFunction
from manualgrad.formulas.margin_ranking_loss import MarginRankingLossFunction
from manualgrad.formulas.multi_margin_loss import MultiMarginLossFunction
from manualgrad.formulas.multilabel_margin_loss import MultilabelMarginLossFunction
from manualgrad.formulas.multilabel_soft_margin_loss import MultilabelSoftMarginLossFunction
from manualgrad.formulas.soft_margin_loss import SoftMarginLossFunction

T = torch.nn.functional


def hinge_loss(input: Tensor, target: Tensor, squared: bool = False, reduction: str = "mean") -> Tensor:
    """What `hinge_loss` means, in torch's words."""
    loss = torch.clamp(1 - target * input, min=0)
    if squared:
        loss = loss**2
    return loss if reduction == "none" else loss.sum() if reduction == "sum" else loss.mean()


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
    return reduced(loss if weight is None else loss * weight[target], size_average, reduce, reduction)


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
    return reduced(loss.reshape(input.shape[:-1]), size_average, reduce, reduction)


def _soft_margin_loss(
    input: Tensor,
    target: Tensor,
    size_average: bool | None = None,
    reduce: bool | None = None,
    reduction: str = "mean",
) -> Tensor:
    """torch has no forward mode for its backward."""
    return reduced(T.softplus(-target * input), size_average, reduce, reduction)


ROWS: tuple[Row, ...] = (
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
            drop(nn.MarginRankingLoss, on=(*ON, signs(3, 4))),
            drop(nn.MarginRankingLoss, 0.3, reduction="sum", on=(*ON, signs(3, 4))),
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
)
