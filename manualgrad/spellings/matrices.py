"""Inverses, determinants and decompositions of matrices."""

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from manualgrad import functional as F
from manualgrad.spellings.algebra import matrix_norm

_types: Any = torch.return_types


def _with_info(function: Callable[..., Any], result: Any) -> Callable[..., Any]:
    """`inv_ex` and its kin, which tell of each matrix whether it has a result; ours raise an error where it has not."""

    def spelled(*args: Any, check_errors: bool = False, **keywords: Any) -> Any:
        y = function(*args, **keywords)
        return result((y, torch.zeros(args[0].shape[:-2], dtype=torch.int32, device=y.device)))

    return spelled


def _older_cholesky(input: Tensor, upper: bool = False) -> Any:
    """`torch.cholesky`."""
    return F.cholesky(input, upper=upper)


def _condition(input: Tensor, p: Any = None) -> Any:
    """`torch.linalg.cond`: the norm of a matrix times that of its inverse."""
    if p in (None, 2, -2):
        values = F.svdvals(input)
        largest, smallest = F.amax(values, -1), F.amin(values, -1)
        return F.div(smallest, largest) if p == -2 else F.div(largest, smallest)
    return F.mul(matrix_norm(input, p), matrix_norm(F.inv(input), p))


def _older_svd(input: Tensor, some: bool = True, compute_uv: bool = True) -> Any:
    """`torch.svd`, which gives the right singular vectors as columns, or zeros in place of all singular vectors."""
    if not compute_uv:
        *batch, rows, columns = input.shape
        zeros = (input.new_zeros(*batch, size, size) for size in (rows, columns))
        return _types.svd((next(zeros), F.svdvals(input), next(zeros)))
    u, s, v = F.svd(input, not some)
    return _types.svd((u, s, F.matrix_transpose(v)))


def _older_qr(input: Tensor, some: bool = True) -> Any:
    """`torch.qr`."""
    return _types.qr(F.qr(input, "reduced" if some else "complete"))


SPELLINGS: tuple[tuple[Callable[..., Any], ...], ...] = (
    (F.inv, torch.linalg.inv, torch.inverse, Tensor.inverse),
    (_with_info(F.inv, _types.linalg_inv_ex), torch.linalg.inv_ex),
    (F.solve, torch.linalg.solve),
    (_with_info(F.solve, _types.linalg_solve_ex), torch.linalg.solve_ex),
    (F.solve_triangular, torch.linalg.solve_triangular),
    (F.slogdet, torch.linalg.slogdet, torch.slogdet, Tensor.slogdet),
    (F.det, torch.linalg.det, torch.det, Tensor.det),
    (F.logdet, torch.logdet, Tensor.logdet),
    (F.cholesky, torch.linalg.cholesky),
    (_with_info(F.cholesky, _types.linalg_cholesky_ex), torch.linalg.cholesky_ex),
    (_older_cholesky, torch.cholesky, Tensor.cholesky),
    (F.cholesky_solve, torch.cholesky_solve, Tensor.cholesky_solve),
    (F.cholesky_inverse, torch.cholesky_inverse, Tensor.cholesky_inverse),
    (F.eigh, torch.linalg.eigh),
    (F.eigvalsh, torch.linalg.eigvalsh),
    (F.svd, torch.linalg.svd),
    (F.svdvals, torch.linalg.svdvals),
    (_older_svd, torch.svd, Tensor.svd),
    (_condition, torch.linalg.cond),
    (F.qr, torch.linalg.qr),
    (_older_qr, torch.qr, Tensor.qr),
    (F.matrix_exp, torch.linalg.matrix_exp, torch.matrix_exp, Tensor.matrix_exp),
    (F.matrix_power, torch.linalg.matrix_power, torch.matrix_power, Tensor.matrix_power),
)
