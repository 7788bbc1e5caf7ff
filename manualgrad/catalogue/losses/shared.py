"""What the rows of several losses are tried on."""

import torch
from torch import Tensor

from manualgrad.catalogue.row import Draw, constant, fixed, normal, sample, uniform


def reduced(loss: Tensor, size_average: bool | None, reduce: bool | None, reduction: str) -> Tensor:
    """`loss` as `reduction`, or torch's older two arguments for it, asks."""
    if size_average is not None or reduce is not None:
        reduction = torch.nn._reduction.legacy_get_string(size_average, reduce)
    return loss if reduction == "none" else loss.sum() if reduction == "sum" else loss.mean()


def positive(*shape: int) -> Draw:
    """Weights."""
    return uniform(*shape, low=0.5, high=1.5)


def inside(*shape: int) -> Draw:
    """Probabilities of a yes, away from 0 and 1."""
    return uniform(*shape, low=0.1, high=0.9)


EVERY_REDUCTION = (
    sample(normal(3, 4), normal(3, 4)),
    sample(normal(3, 4), normal(3, 4), reduction="none"),
    sample(normal(3, 4), normal(3, 4), reduction="sum"),
    sample(normal(), normal()),
    sample(normal(2, 0), normal(2, 0), reduction="sum"),
)
BROADCAST = (
    sample(normal(3, 1), normal(2, 1, 4)),
    sample(normal(3, 4), normal(4), reduction="none"),
    sample(normal(), normal(3), reduction="sum"),
)
LEGACY = (
    sample(normal(3, 4), normal(3, 4), size_average=False),
    sample(normal(3, 4), normal(3, 4), reduce=False),
)
WEIGHTED = (
    sample(normal(3, 4), normal(3, 4), weight=positive(3, 4)),
    sample(normal(3, 4), normal(3, 4), weight=positive(3, 4), reduction="sum"),
    sample(normal(3, 1), normal(3, 4), weight=positive(3, 1)),
    sample(normal(3, 4), normal(3, 4), weight=positive(3, 4), reduction="none"),
)
LARGE = (
    sample(fixed(-1e10, -1.0, 0.0, 1e-20, 1e10), fixed(1e10, 1e10, -1e-20, 0.0, 1e10)),
    sample(fixed(0.0, 3.0), fixed(1e-30, 3.0), reduction="none"),
)
NORMS = (0.5, 1.0, 1.5, 3.0, float("inf"))
ON = (normal(3, 4), normal(3, 4))
REALISTIC = sample(normal(512, 1024), constant(normal(512, 1024)))
