"""Rows of what changes a shape and no value."""

import torch
from torch import Tensor

from manualgrad import functional as F
from manualgrad.catalogue.elementary.reductions import SINGLE
from manualgrad.catalogue.row import Draw, Row, normal, sample, signed_as
from manualgrad.formula import CloneFunction
from manualgrad.formulas.copying import ToFunction
from manualgrad.formulas.diagonals import DiagEmbedFunction, DiagonalFunction
from manualgrad.formulas.flipping import FlipFunction, RollFunction
from manualgrad.formulas.repeating import ExpandFunction, RepeatFunction
from manualgrad.formulas.reshaping import ReshapeFunction
from manualgrad.formulas.transposing import MovedimFunction, PermuteFunction, TransposeFunction


def _transposed(*shape: int) -> Draw:
    """Standard normal, its dimensions in memory in reverse order."""
    return Draw(
        lambda g, d: torch.randn(shape[::-1], generator=g, dtype=torch.float64).to(d).permute(*range(len(shape))[::-1])
    )


ROWS: tuple[Row, ...] = (
    Row(
        F.reshape,
        torch.reshape,
        ReshapeFunction,
        samples=(
            sample(normal(3, 4), (2, -1)),
            sample(normal(3, 4), (3, 4)),
            sample(normal(), (1, 1)),
            sample(normal(1), ()),
            sample(normal(2, 0), (0, 3)),
        ),
        realistic=sample(normal(512, 1024), (1024, 512)),
    ),
    Row(
        F.view,
        signed_as(F.view, Tensor.view),
        ReshapeFunction,
        samples=(sample(normal(3, 4), (3, 2, -1)), sample(normal(), (1, 1)), sample(normal(2, 0), (0, 3))),
        realistic=sample(normal(512, 1024), (1024, 512)),
    ),
    Row(
        F.flatten,
        torch.flatten,
        ReshapeFunction,
        samples=(sample(normal(3, 4)), sample(normal(2, 3, 4), 1), sample(normal(2, 3, 4), 0, -2), sample(normal())),
        realistic=sample(normal(512, 1024)),
    ),
    Row(
        F.unflatten,
        torch.unflatten,
        ReshapeFunction,
        samples=(sample(normal(3, 4), 1, (2, 2)), sample(normal(6), 0, (-1, 3)), sample(normal(0, 4), -1, (2, 2))),
        realistic=sample(normal(512, 1024), 1, (32, 32)),
    ),
    Row(
        F.squeeze,
        signed_as(F.squeeze, torch.squeeze),
        ReshapeFunction,
        samples=(
            sample(normal(3, 1, 4, 1)),
            sample(normal(3, 1, 4, 1), 1),
            sample(normal(3, 1, 4, 1), (1, -1)),
            sample(normal(3, 4), 0),
            sample(normal()),
            sample(normal(1, 0)),
        ),
        realistic=sample(normal(512, 1024)),
    ),
    Row(
        F.unsqueeze,
        torch.unsqueeze,
        ReshapeFunction,
        samples=(sample(normal(3, 4), 1), sample(normal(3, 4), -1), sample(normal(), 0), sample(normal(2, 0), 0)),
        realistic=sample(normal(512, 1024), 1),
    ),
    Row(
        F.transpose,
        torch.transpose,
        TransposeFunction,
        samples=(
            sample(normal(3, 4), 0, 1),
            sample(normal(2, 3, 4), 0, -1),
            sample(normal(), 0, 0),
            sample(normal(2, 0), 0, 1),
        ),
        realistic=sample(normal(512, 1024), 0, 1),
    ),
    Row(
        F.t,
        torch.t,
        TransposeFunction,
        samples=(sample(normal(3, 4)), sample(normal(2, 0))),
        realistic=sample(normal(512, 1024)),
    ),
    Row(
        F.matrix_transpose,
        signed_as(F.matrix_transpose, lambda x: torch.transpose(x, -2, -1)),
        TransposeFunction,
        samples=(sample(normal(3, 4)), sample(normal(2, 3, 4))),
        realistic=sample(normal(512, 1024)),
    ),
    Row(
        F.permute,
        torch.permute,
        PermuteFunction,
        samples=(
            sample(normal(2, 3, 4), (2, 0, 1)),
            sample(normal(3, 4), (-1, 0)),
            sample(normal(), ()),
            sample(normal(2, 0), (1, 0)),
        ),
        realistic=sample(normal(16, 32, 1024), (2, 0, 1)),
    ),
    Row(
        F.movedim,
        torch.movedim,
        MovedimFunction,
        samples=(sample(normal(2, 3, 4), 0, -1), sample(normal(2, 3, 4), (0, 1), (2, 0)), sample(normal(2, 0), 0, 1)),
        realistic=sample(normal(16, 32, 1024), 2, 0),
    ),
    Row(
        F.expand,
        signed_as(F.expand, Tensor.expand),
        ExpandFunction,
        samples=(
            sample(normal(3, 1), (-1, 4)),
            sample(normal(3, 1), (2, 3, 4)),
            sample(normal(), (2, 3)),
            sample(normal(1), (0,)),
            sample(normal(3), (3,)),
        ),
        realistic=sample(normal(1, 1024), (512, 1024)),
    ),
    Row(
        F.broadcast_to,
        torch.broadcast_to,
        ExpandFunction,
        samples=(sample(normal(3, 1), (2, 3, 4)), sample(normal(), (2, 3))),
        realistic=sample(normal(1, 1024), (512, 1024)),
    ),
    Row(
        F.broadcast_tensors,
        torch.broadcast_tensors,
        ExpandFunction,
        samples=(sample(normal(3, 1), normal(4)), sample(normal(), normal(2, 1), normal(1, 3))),
        realistic=sample(normal(512, 1), normal(1024)),
    ),
    Row(
        F.repeat,
        signed_as(F.repeat, Tensor.repeat),
        RepeatFunction,
        samples=(
            sample(normal(2, 3), (2, 1)),
            sample(normal(3), (2, 4, 1)),
            sample(normal(), (3,)),
            sample(normal(), ()),
            sample(normal(2, 3), (0, 2)),
        ),
        realistic=sample(normal(16, 1024), (32, 1)),
    ),
    Row(
        F.flip,
        torch.flip,
        FlipFunction,
        samples=(
            sample(normal(3, 4), (0,)),
            sample(normal(2, 3, 4), (0, -1)),
            sample(normal(), ()),
            sample(normal(2, 0), (0,)),
        ),
        realistic=sample(normal(512, 1024), (1,)),
    ),
    Row(
        F.roll,
        torch.roll,
        RollFunction,
        samples=(
            sample(normal(3, 4), 1),
            sample(normal(3, 4), (1, -2), (0, 1)),
            sample(normal(3, 4), 2, -1),
            sample(normal(2, 0), 1, 0),
        ),
        realistic=sample(normal(512, 1024), 3, 1),
    ),
    Row(
        F.tile,
        torch.tile,
        RepeatFunction,
        samples=(sample(normal(2, 3), (2,)), sample(normal(3), (2, 2)), sample(normal(), (2,))),
        realistic=sample(normal(16, 1024), (32, 1)),
    ),
    Row(
        F.clone,
        torch.clone,
        CloneFunction,
        samples=(
            sample(normal(3, 4)),
            sample(normal()),
            sample(normal(2, 0)),
            sample(normal(3, 4), memory_format=torch.contiguous_format),
        ),
        realistic=sample(normal(512, 1024)),
    ),
    Row(
        F.contiguous,
        signed_as(F.contiguous, Tensor.contiguous),
        CloneFunction,
        samples=(sample(_transposed(3, 4)), sample(_transposed(2, 3, 4))),
        realistic=sample(_transposed(512, 1024)),
    ),
    Row(
        F.to,
        signed_as(F.to, Tensor.to),
        ToFunction,
        samples=(
            sample(normal(3, 4), copy=True),
            sample(normal(2, 3, 4, 5), memory_format=torch.channels_last),
            sample(normal(), torch.float64, copy=True),
            sample(SINGLE, torch.float64),
            sample(SINGLE, torch.zeros((), dtype=torch.float64)),
            sample(SINGLE, "cpu", torch.float64),
        ),
        realistic=sample(normal(512, 1024), torch.float32),
    ),
    Row(
        F.diagonal,
        torch.diagonal,
        DiagonalFunction,
        samples=(
            sample(normal(3, 4)),
            sample(normal(2, 3, 4), 1, -1, 0),
            sample(normal(3, 4), -1),
            sample(normal(2, 3), 3),
        ),
        realistic=sample(normal(512, 1024)),
    ),
    Row(
        F.diag_embed,
        torch.diag_embed,
        DiagEmbedFunction,
        samples=(sample(normal(2, 3)), sample(normal(2, 3), -1, 0, 2), sample(normal(0))),
        realistic=sample(normal(8, 256)),
    ),
    Row(
        F.diag,
        torch.diag,
        DiagonalFunction,
        samples=(sample(normal(3, 4)), sample(normal(3, 4), 1)),
        realistic=sample(normal(512, 1024)),
    ),
)
