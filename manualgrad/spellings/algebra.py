"""Products of matrices and vectors, and norms."""

import math
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from manualgrad import functional as F
from manualgrad.spellings.adapting import swapped


def _vdot(input: Tensor, other: Tensor) -> Tensor:
    """`torch.vdot`, which conjugates its first argument."""
    return F.dot(F.conj(input) if input.is_complex() else input, other)


def _norm(input: Tensor, p: Any = "fro", dim: Any = None, keepdim: bool = False, dtype: Any = None) -> Any:
    """`torch.norm`, to which a matrix is a vector, but for the nuclear norm."""
    if p == "nuc":
        return matrix_norm(input, "nuc", range(input.dim()) if dim is None else dim, keepdim, dtype=dtype)
    return F.vector_norm(input, 2 if p in (None, "fro") else p, dim, keepdim, dtype=dtype)


def _linalg_norm(input: Tensor, ord: Any = None, dim: Any = None, keepdim: bool = False, *, dtype: Any = None) -> Any:
    """`torch.linalg.norm`, which is a vector's norm or a matrix's."""
    dims = range(input.dim()) if dim is None else (dim,) if isinstance(dim, int) else dim
    if ord is None or (len(dims) == 1 and not isinstance(ord, str)):
        return F.vector_norm(input, 2 if ord is None else ord, dim, keepdim, dtype=dtype)
    return matrix_norm(input, ord, tuple(dims), keepdim, dtype=dtype)


def matrix_norm(
    input: Tensor, ord: Any = "fro", dim: Any = (-2, -1), keepdim: bool = False, *, dtype: Any = None
) -> Any:
    """`torch.linalg.matrix_norm`."""
    if len(dim) != 2:
        raise RuntimeError(f"matrix_norm: dim must be two dimensions, got {tuple(dim)}")
    if ord == "fro":
        return F.vector_norm(input, 2, dim, keepdim, dtype=dtype)
    if ord in ("nuc", 2, -2):  # the sum, the largest or the smallest of the singular values
        values = F.svdvals(F.movedim(input if dtype is None else F.to(input, dtype), tuple(dim), (-2, -1)))
        y = {"nuc": F.sum, 2: F.amax, -2: F.amin}[ord](values, -1)
        kept = [1 if d in [k % input.dim() for k in dim] else n for d, n in enumerate(input.shape)]
        return F.reshape(y, kept) if keepdim else y
    if ord not in (1, -1, math.inf, -math.inf):
        raise RuntimeError(f"matrix_norm: ord must be 'fro', 'nuc', 1, -1, 2, -2, inf or -inf, got {ord!r}")
    rows, columns = (d % input.dim() for d in dim)
    summed, other = (rows, columns) if abs(ord) == 1 else (columns, rows)  # of sizes, in each column or each row
    sums = F.vector_norm(input, 1, summed, True, dtype=dtype)
    y = (F.amax if ord > 0 else F.amin)(sums, other, True)
    return y if keepdim else F.squeeze(y, (rows, columns))


def _linalg_cross(input: Tensor, other: Tensor, *, dim: int = -1) -> Any:
    """`torch.linalg.cross`, of the last dimension."""
    return F.cross(input, other, dim)


SPELLINGS: tuple[tuple[Callable[..., Any], ...], ...] = (
    (F.outer, torch.outer, Tensor.outer, torch.ger, Tensor.ger),
    (F.matmul, torch.matmul, Tensor.matmul, Tensor.__matmul__, torch.linalg.matmul),
    (swapped(F.matmul), Tensor.__rmatmul__),
    (F.mm, torch.mm, Tensor.mm),
    (F.bmm, torch.bmm, Tensor.bmm),
    (F.mv, torch.mv, Tensor.mv),
    (F.dot, torch.dot, Tensor.dot),
    (_vdot, torch.vdot, Tensor.vdot),
    (F.einsum, torch.einsum),
    (F.addmm, torch.addmm, Tensor.addmm),
    (F.baddbmm, torch.baddbmm, Tensor.baddbmm),
    (F.vector_norm, torch.linalg.vector_norm),
    (_norm, torch.norm, Tensor.norm),
    (_linalg_norm, torch.linalg.norm),
    (matrix_norm, torch.linalg.matrix_norm),
    (F.addmv, torch.addmv, Tensor.addmv),
    (F.addr, torch.addr, Tensor.addr),
    (F.addbmm, torch.addbmm, Tensor.addbmm),
    (F.tensordot, torch.tensordot),
    (F.inner, torch.inner, Tensor.inner),
    (F.vecdot, torch.linalg.vecdot),
    (F.kron, torch.kron, Tensor.kron),
    (F.multi_dot, torch.linalg.multi_dot),
    (F.chain_matmul, torch.chain_matmul),
    (F.vander, torch.linalg.vander),
    (F.trace, torch.trace, Tensor.trace),
    (F.cross, torch.cross, Tensor.cross),
    (_linalg_cross, torch.linalg.cross),
)
