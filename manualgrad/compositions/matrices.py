"""Functions of matrices that are made of their decompositions.

Source: what torch's documentation says of each; Golub & Van Loan (2013), Matrix computations.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor

from manualgrad.formulas.arithmetic import mul
from manualgrad.formulas.choice import masked_fill
from manualgrad.formulas.eigh import eigh
from manualgrad.formulas.exponentials import exp
from manualgrad.formulas.inverse import inv
from manualgrad.formulas.matmul import matmul
from manualgrad.formulas.slogdet import slogdet
from manualgrad.formulas.solve_triangular import solve_triangular
from manualgrad.formulas.svd import svd
from manualgrad.formulas.transposing import matrix_transpose
from manualgrad.public import public


@public
def det(input: Tensor) -> Tensor:
    """The determinant of matrices (..., n, n) that have an inverse. Same values and gradients as `torch.linalg.det`.

    The gradient of a matrix without an inverse is no number, and its values differ from torch's by rounding.

    >>> import torch
    >>> round(det(torch.tensor([[2.0, 0.0], [0.0, 4.0]])).item(), 4)
    8.0
    """
    sign, logarithm = slogdet(input)
    return mul(sign, exp(logarithm))


@public
def logdet(input: Tensor) -> Tensor:
    """The logarithm of the determinant, NaN where that is negative. Same values and gradients as `torch.logdet`.

    >>> import torch
    >>> logdet(torch.eye(2))
    tensor(0.)
    """
    sign, logarithm = slogdet(input)
    return masked_fill(logarithm, sign < 0, math.nan)


@public
def eigvalsh(input: Tensor, UPLO: str = "L") -> Tensor:  # torch's name
    """The eigenvalues of symmetric matrices, in order of size. Same as `torch.linalg.eigvalsh`.

    >>> import torch
    >>> eigvalsh(torch.tensor([[2.0, 0.0], [0.0, 1.0]]))
    tensor([1., 2.])
    """
    values: Tensor = eigh(input, UPLO)[0]
    return values


@public
def svdvals(input: Tensor, *, driver: str | None = None) -> Tensor:
    """The singular values of matrices (..., m, n), in order of size. Same as `torch.linalg.svdvals`.

    >>> import torch
    >>> svdvals(torch.tensor([[1.0, 0.0], [0.0, -2.0]]))
    tensor([2., 1.])
    """
    values: Tensor = svd(input, False, driver=driver)[1]
    return values


@public
def cholesky_solve(B: Tensor, L: Tensor, upper: bool = False) -> Tensor:  # torch's names
    """The y of `L @ L.mT @ y = B` or, with `upper`, `L.mT @ L @ y = B`, for real numbers: `torch.cholesky_solve`.

    The gradient of the triangle of L that is not read is 0, where torch has one for it.

    >>> import torch
    >>> cholesky_solve(torch.tensor([[8.0]]), torch.tensor([[2.0]]))
    tensor([[2.]])
    """
    transposed = matrix_transpose(L)
    lower, above = (transposed, L) if upper else (L, transposed)
    return solve_triangular(above, solve_triangular(lower, B, upper=False), upper=True)


@public
def cholesky_inverse(L: Tensor, upper: bool = False) -> Tensor:  # torch's name
    """The inverse of the matrix of which this is the Cholesky factor. Same as `torch.cholesky_inverse`.

    >>> import torch
    >>> cholesky_inverse(torch.tensor([[2.0]]))
    tensor([[0.2500]])
    """
    return cholesky_solve(torch.eye(L.shape[-1], dtype=L.dtype, device=L.device).expand(L.shape), L, upper)


@public
def matrix_power(input: Tensor, n: int) -> Tensor:
    """The product of `n` times the matrix, or of its inverse for a negative n. Same as `torch.linalg.matrix_power`.

    >>> import torch
    >>> matrix_power(torch.tensor([[2.0]]), 3)
    tensor([[8.]])
    """
    if n < 0:
        return matrix_power(inv(input), -n)
    if n == 0:
        return torch.eye(input.shape[-1], dtype=input.dtype, device=input.device).expand(input.shape)
    if n == 1:
        return input
    half = matrix_power(input, n // 2)
    square = matmul(half, half)
    return matmul(square, input) if n % 2 else square
