"""Rows of inverses, determinants and decompositions of matrices."""

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from manualgrad import functional as F
from manualgrad.catalogue.row import Draw, Row, definite, normal, sample, signed_as
from manualgrad.formulas.cholesky import CholeskyFunction
from manualgrad.formulas.eigh import EighFunction
from manualgrad.formulas.inverse import InverseFunction, SolveFunction
from manualgrad.formulas.matrix_exp import MatrixExpFunction
from manualgrad.formulas.qr import QrFunction
from manualgrad.formulas.slogdet import SlogdetFunction
from manualgrad.formulas.solve_triangular import SolveTriangularFunction
from manualgrad.formulas.svd import SvdFunction

_linalg = torch.linalg


def _by_position(twin: Callable[..., Any]) -> Callable[..., Any]:
    """torch's function, whose first argument it calls A."""

    def torchs(x: Tensor, *rest: Any, **keywords: Any) -> Any:
        return twin(x, *rest, **keywords)

    return torchs


def _reduced_svd(x: Tensor, full_matrices: bool = True, **keywords: Any) -> Any:
    return _linalg.svd(x, full_matrices, **keywords)


def _triangular(*shape: int) -> Draw:
    """Matrices whose diagonal is far from 0."""
    return Draw(lambda g, d: (torch.randn(shape, generator=g, dtype=torch.float64) + 3 * torch.eye(shape[-1])).to(d))


ROWS: tuple[Row, ...] = (
    Row(
        F.inv,
        signed_as(F.inv, _by_position(_linalg.inv)),
        InverseFunction,
        samples=(
            sample(_triangular(3, 3)),
            sample(_triangular(2, 1, 3, 3)),
            sample(normal(1, 1)),
            sample(normal(0, 2, 2)),
        ),
        realistic=sample(definite(128, 128)),
    ),
    Row(
        F.solve,
        signed_as(F.solve, _by_position(_linalg.solve)),
        SolveFunction,
        samples=(
            sample(_triangular(3, 3), normal(3, 2)),
            sample(_triangular(3, 3), normal(3)),
            sample(_triangular(2, 3, 3), normal(2, 3)),
            sample(_triangular(3, 3), normal(4, 2, 3), left=False),
            sample(_triangular(2, 3, 3), normal(3, 2)),
        ),
        realistic=sample(definite(128, 128), normal(128, 64)),
    ),
    Row(
        F.solve_triangular,
        signed_as(F.solve_triangular, _by_position(_linalg.solve_triangular)),
        SolveTriangularFunction,
        samples=(
            sample(_triangular(3, 3), normal(3, 2), upper=False),
            sample(_triangular(2, 3, 3), normal(3, 2), upper=True),
            sample(_triangular(3, 3), normal(4, 2, 3), upper=True, left=False),
            sample(_triangular(3, 3), normal(3, 1), upper=False, unitriangular=True),
        ),
        realistic=sample(_triangular(128, 128), normal(128, 64), upper=False),
    ),
    Row(
        F.slogdet,
        signed_as(F.slogdet, _by_position(_linalg.slogdet)),
        SlogdetFunction,
        samples=(sample(_triangular(3, 3)), sample(_triangular(2, 1, 3, 3)), sample(normal(1, 1))),
        realistic=sample(definite(128, 128)),
    ),
    Row(
        F.cholesky,
        signed_as(F.cholesky, _by_position(_linalg.cholesky)),
        CholeskyFunction,
        samples=(sample(definite(3, 3)), sample(definite(2, 3, 3), upper=True), sample(definite(1, 1))),
        symmetric=True,
        realistic=sample(definite(128, 128)),
    ),
    Row(
        F.eigh,
        signed_as(F.eigh, _by_position(_linalg.eigh)),
        EighFunction,
        samples=(sample(definite(3, 3)), sample(definite(2, 3, 3), "U"), sample(definite(1, 1))),
        symmetric=True,
        realistic=sample(definite(64, 64)),
    ),
    Row(
        F.svd,
        signed_as(F.svd, _reduced_svd),
        SvdFunction,
        samples=(
            sample(normal(3, 3)),
            sample(normal(2, 4, 3), full_matrices=False),
            sample(normal(3, 4), False),
            sample(normal(1, 1)),
        ),
        realistic=sample(normal(64, 64), False),
    ),
    Row(
        F.qr,
        signed_as(F.qr, _by_position(_linalg.qr)),
        QrFunction,
        samples=(sample(normal(4, 3)), sample(normal(2, 3, 3), "complete"), sample(normal(2, 1))),
        realistic=sample(normal(128, 64)),
    ),
    Row(
        F.matrix_exp,
        signed_as(F.matrix_exp, _by_position(_linalg.matrix_exp)),
        MatrixExpFunction,
        samples=(sample(normal(3, 3, scale=0.5)), sample(normal(2, 2, 2)), sample(normal(1, 1))),
        realistic=sample(normal(64, 64, scale=0.1)),
    ),
)
