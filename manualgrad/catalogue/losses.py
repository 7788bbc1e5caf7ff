"""Rows of the losses."""

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
from manualgrad.formulas.cross_entropy import CrossEntropyFunction
from manualgrad.formulas.half_mse_loss import HalfMSELossFunction
from manualgrad.formulas.hinge_embedding_loss import HingeEmbeddingLossFunction
from manualgrad.formulas.hinge_loss import HingeLossFunction
from manualgrad.formulas.huber_loss import HuberLossFunction
from manualgrad.formulas.kl_div import KLDivFunction
from manualgrad.formulas.l1_loss import L1LossFunction
from manualgrad.formulas.mse_loss import MSELossFunction
from manualgrad.formulas.nll_loss import NLLLossFunction
from manualgrad.formulas.smooth_l1_loss import SmoothL1LossFunction

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
_ON = (normal(3, 4), normal(3, 4))
_REALISTIC = sample(normal(512, 1024), constant(normal(512, 1024)))

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
)
