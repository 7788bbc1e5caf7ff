"""Rows of the losses of numbers that are to be near others."""

import torch
from torch import Tensor

from manualgrad import functional as F
from manualgrad import nn
from manualgrad.catalogue.losses.shared import (
    BROADCAST,
    EVERY_REDUCTION,
    LARGE,
    LEGACY,
    ON,
    REALISTIC,
    WEIGHTED,
    inside,
    positive,
)
from manualgrad.catalogue.row import Row, constant, drop, fixed, normal, sample, uniform
from manualgrad.formulas.gaussian_nll_loss import GaussianNLLLossFunction
from manualgrad.formulas.half_mse_loss import HalfMSELossFunction
from manualgrad.formulas.huber_loss import HuberLossFunction
from manualgrad.formulas.l1_loss import L1LossFunction
from manualgrad.formulas.mse_loss import MSELossFunction
from manualgrad.formulas.poisson_nll_loss import PoissonNLLLossFunction
from manualgrad.formulas.smooth_l1_loss import SmoothL1LossFunction

T = torch.nn.functional


def half_mse_loss(input: Tensor, target: Tensor, reduction: str = "mean") -> Tensor:
    """What `half_mse_loss` means, in torch's words."""
    return 0.5 * T.mse_loss(input, target, reduction=reduction)


ROWS: tuple[Row, ...] = (
    Row(
        F.mse_loss,
        T.mse_loss,
        MSELossFunction,
        samples=(*EVERY_REDUCTION, *WEIGHTED, *BROADCAST, *LEGACY),
        modules=(drop(nn.MSELoss, on=ON), drop(nn.MSELoss, reduction="sum", on=ON)),
        extremes=LARGE,
        realistic=REALISTIC,
    ),
    Row(
        F.half_mse_loss,
        half_mse_loss,
        HalfMSELossFunction,
        samples=(*EVERY_REDUCTION, *BROADCAST),
        extremes=LARGE,
        realistic=REALISTIC,
    ),
    Row(
        F.l1_loss,
        T.l1_loss,
        L1LossFunction,
        samples=(*EVERY_REDUCTION, *BROADCAST, *LEGACY),
        modules=(drop(nn.L1Loss, on=ON), drop(nn.L1Loss, reduction="none", on=ON)),
        kinks=(sample(fixed(0.0, 1.0, -2.0), fixed(0.0, 1.0, 3.0)),),
        extremes=LARGE,
        realistic=REALISTIC,
    ),
    Row(
        F.huber_loss,
        T.huber_loss,
        HuberLossFunction,
        samples=(
            *EVERY_REDUCTION,
            sample(normal(3, 4), normal(3, 4), delta=0.3),
            *WEIGHTED,
            *BROADCAST,
        ),
        modules=(drop(nn.HuberLoss, on=ON), drop(nn.HuberLoss, "sum", 0.3, on=ON)),
        kinks=(sample(fixed(0.0, 1.0, -1.0, 0.5, -0.5), fixed(0.0, 0.0, 0.0, 0.0, 0.0), delta=0.5),),
        extremes=LARGE,
        realistic=REALISTIC,
    ),
    Row(
        F.smooth_l1_loss,
        T.smooth_l1_loss,
        SmoothL1LossFunction,
        samples=(
            *EVERY_REDUCTION,
            sample(normal(3, 4), normal(3, 4), beta=0.3),
            sample(normal(3, 4), normal(3, 4), beta=0.0),
            *BROADCAST,
            *LEGACY,
        ),
        modules=(drop(nn.SmoothL1Loss, on=ON), drop(nn.SmoothL1Loss, reduction="sum", beta=0.3, on=ON)),
        kinks=(
            sample(fixed(0.0, 1.0, -1.0, 0.5, -0.5), fixed(0.0, 0.0, 0.0, 0.0, 0.0), beta=0.5),
            sample(fixed(0.0, 1.0), fixed(0.0, 1.0), beta=0.0),
        ),
        extremes=LARGE,
        realistic=REALISTIC,
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
            drop(nn.GaussianNLLLoss, on=(*ON, constant(positive(3, 4)))),
            drop(nn.GaussianNLLLoss, full=True, eps=0.7, reduction="sum", on=(*ON, positive(3))),
        ),
        kinks=(sample(normal(3), normal(3), fixed(0.1, 0.5, 0.05), eps=0.1),),
        extremes=(
            sample(fixed(-1e10, 1e10, 1e-30), fixed(1e10, 1e10, 0.0), fixed(1.0, 1e-30, 1e10)),
            sample(fixed(1.0, 1.0, 0.0), fixed(1.0, 0.5, 0.0), fixed(0.0, 0.0, 1e-30)),
        ),
        realistic=sample(normal(512, 1024), constant(normal(512, 1024)), positive(512, 1024)),
    ),
)
