"""Rows of the products of matrices."""

import torch

from manualgrad import functional as F
from manualgrad.catalogue.row import Row, normal, sample, signed_as
from manualgrad.formulas.arithmetic import MulFunction
from manualgrad.formulas.cross import CrossFunction
from manualgrad.formulas.matmul import AddmmFunction, DotFunction, MatmulFunction, MvFunction

ROWS: tuple[Row, ...] = (
    Row(
        F.matmul,
        torch.matmul,
        MatmulFunction,
        samples=(
            sample(normal(3, 4), normal(4, 2)),
            sample(normal(4), normal(4)),
            sample(normal(4), normal(4, 2)),
            sample(normal(3, 4), normal(4)),
            sample(normal(2, 3, 4), normal(4, 2)),
            sample(normal(2, 3, 4), normal(2, 4, 2)),
            sample(normal(5, 1, 3, 4), normal(2, 4, 2)),
            sample(normal(3, 4), normal(2, 4, 2)),
            sample(normal(2, 3, 4), normal(4)),
            sample(normal(4), normal(2, 4, 3)),
            sample(normal(0, 4), normal(4, 2)),
            sample(normal(3, 0), normal(0, 2)),
        ),
        realistic=sample(normal(256, 512), normal(512, 256)),
    ),
    Row(
        F.mm,
        torch.mm,
        MatmulFunction,
        samples=(sample(normal(3, 4), normal(4, 2)), sample(normal(3, 0), normal(0, 2))),
        realistic=sample(normal(256, 512), normal(512, 256)),
    ),
    Row(
        F.bmm,
        torch.bmm,
        MatmulFunction,
        samples=(sample(normal(5, 3, 4), normal(5, 4, 2)), sample(normal(0, 3, 4), normal(0, 4, 2))),
        realistic=sample(normal(16, 128, 64), normal(16, 64, 128)),
    ),
    Row(
        F.mv,
        torch.mv,
        MvFunction,
        samples=(sample(normal(3, 4), normal(4)), sample(normal(0, 4), normal(4))),
        realistic=sample(normal(1024, 1024), normal(1024)),
    ),
    Row(
        F.dot,
        torch.dot,
        DotFunction,
        samples=(sample(normal(4), normal(4)), sample(normal(0), normal(0))),
        realistic=sample(normal(65536), normal(65536)),
    ),
    Row(
        F.einsum,
        torch.einsum,
        MatmulFunction,
        samples=(
            sample("bij,bjk->bik", normal(2, 3, 4), normal(2, 4, 2)),
            sample("...i,ij", normal(2, 3, 4), normal(4, 2)),
            sample("ij,kj,k->i", normal(3, 4), normal(2, 4), normal(2)),
        ),
        realistic=sample("bhqd,bhkd->bhqk", normal(4, 8, 64, 32), normal(4, 8, 64, 32)),
    ),
    Row(
        F.addmm,
        torch.addmm,
        AddmmFunction,
        samples=(
            sample(normal(3, 2), normal(3, 4), normal(4, 2)),
            sample(normal(2), normal(3, 4), normal(4, 2), beta=0.3, alpha=-2),
            sample(normal(3, 1), normal(3, 4), normal(4, 2), beta=2),
            sample(normal(), normal(0, 4), normal(4, 2)),
            sample(normal(2), normal(3, 0), normal(0, 2)),
        ),
        realistic=sample(normal(256), normal(256, 512), normal(512, 256)),
    ),
    Row(
        F.baddbmm,
        torch.baddbmm,
        AddmmFunction,
        samples=(
            sample(normal(5, 3, 2), normal(5, 3, 4), normal(5, 4, 2)),
            sample(normal(3, 1), normal(5, 3, 4), normal(5, 4, 2), beta=0.3, alpha=-2),
        ),
        realistic=sample(normal(16, 128, 128), normal(16, 128, 64), normal(16, 64, 128)),
    ),
    Row(
        F.tensordot,
        signed_as(F.tensordot, torch.tensordot),
        MatmulFunction,
        samples=(
            sample(normal(2, 3, 4), normal(3, 4, 2)),
            sample(normal(3, 4), normal(4, 2), dims=1),
            sample(normal(3, 4, 2), normal(2, 5, 3), dims=([0, -1], [2, 0])),
            sample(normal(3, 1), normal(4, 2), 1),
            sample(normal(2), normal(3), 0),
            sample(normal(0, 4), normal(4, 2), 1),
        ),
        realistic=sample(normal(16, 64, 128), normal(64, 128, 256)),
    ),
    Row(
        F.kron,
        torch.kron,
        MulFunction,
        samples=(
            sample(normal(2, 3), normal(3, 2)),
            sample(normal(2), normal(3, 1, 2)),
            sample(normal(), normal(3)),
            sample(normal(2, 0), normal(2, 2)),
        ),
        realistic=sample(normal(32, 32), normal(24, 24)),
    ),
    Row(
        F.cross,
        signed_as(F.cross, torch.cross),
        CrossFunction,
        samples=(
            sample(normal(4, 3), normal(4, 3), dim=1),
            sample(normal(3, 4, 2), normal(3, 1, 2), 0),
            sample(normal(2, 3, 4), normal(2, 3, 4), -2),
            sample(normal(3), normal(3), 0),
            sample(normal(0, 3), normal(0, 3), 1),
        ),
        realistic=sample(normal(65536, 3), normal(65536, 3), 1),
    ),
)
