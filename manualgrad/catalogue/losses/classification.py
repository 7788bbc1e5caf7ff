"""Rows of the losses of probabilities and logits: cross-entropy in all its forms."""

import torch

from manualgrad import functional as F
from manualgrad import nn
from manualgrad.catalogue.losses.shared import ON, inside, positive
from manualgrad.catalogue.row import Row, classes, constant, drop, fixed, integers, normal, probabilities, sample
from manualgrad.formulas.binary_cross_entropy import BinaryCrossEntropyFunction
from manualgrad.formulas.binary_cross_entropy_with_logits import BinaryCrossEntropyWithLogitsFunction
from manualgrad.formulas.cross_entropy import CrossEntropyFunction
from manualgrad.formulas.kl_div import KLDivFunction
from manualgrad.formulas.linear_cross_entropy import LinearCrossEntropyFunction
from manualgrad.formulas.nll_loss import NLLLossFunction

T = torch.nn.functional


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
            drop(nn.KLDivLoss, reduction="sum", log_target=True, on=ON),
        ),
        extremes=(
            sample(fixed(-1e4, -1.0, -1e-8, 0.0), fixed(1.0, 0.0, 1e-30, 1e-8), reduction="none"),
            sample(fixed(-1e4, -1.0, -1e-8, 0.0), fixed(0.0, -1e4, -100.0, -1e-8), reduction="sum", log_target=True),
        ),
        realistic=sample(normal(1024, 1000), constant(probabilities(1024, 1000)), reduction="batchmean"),
    ),
    *_SINCE_2_13,
)
