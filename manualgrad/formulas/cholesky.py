r"""Cholesky factor of a symmetric positive definite matrix.

    forward    y  = the lower triangular matrix of which y y^T = x
    backward   dx = (s + s^T) / 2,  s = y^-T h y^-1,  h = the lower triangle of y^T dy, its diagonal halved
    tangent    y' = y h,  h = the lower triangle of y^-1 x' y^-T, its diagonal halved

The gradient is symmetric, as x is. The upper factor is y^T.
Shapes: x, y (..., n, n). Saves y. Real numbers only.
Source: Murray (2016), Differentiation of the Cholesky decomposition, eqs. 8 and 10.
"""

from typing import Any

import torch
from torch import Tensor

from manualgrad.formula import Formula, call, save


class CholeskyFunction(Formula):
    complex = "refused"

    @staticmethod
    def forward(x: Tensor, upper: bool) -> Tensor:
        return torch.linalg.cholesky(x, upper=upper)

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Tensor, bool], output: Tensor) -> None:
        _, ctx.upper = inputs
        save(ctx, output)

    @staticmethod
    def backward(ctx: Any, dy: Tensor) -> tuple[Tensor, None]:
        (y,) = ctx.saved_tensors
        y, dy = (y.mT, dy.mT) if ctx.upper else (y, dy)
        s = torch.linalg.solve_triangular(y.mT, _half(y.mT @ dy), upper=True)
        s = torch.linalg.solve_triangular(y, s, upper=False, left=False)
        return (s + s.mT) / 2, None

    @staticmethod
    def jvp(ctx: Any, x_t: Tensor, _: None) -> Tensor:
        (y,) = ctx.saved_tensors
        y = y.mT if ctx.upper else y
        h = torch.linalg.solve_triangular(y, x_t, upper=False)
        h = torch.linalg.solve_triangular(y.mT, h, upper=True, left=False)
        y_t = y @ _half(h)
        return y_t.mT if ctx.upper else y_t


def _half(d: Tensor) -> Tensor:
    """The lower triangle, its diagonal halved."""
    return (d.tril() + d.tril(-1)) / 2


def cholesky(input: Tensor, *, upper: bool = False) -> Tensor:
    """The Cholesky factor of symmetric positive definite matrices (..., n, n). Same as `torch.linalg.cholesky`.

    Raises torch.linalg.LinAlgError for a matrix that is not positive definite.

    >>> import torch
    >>> x = torch.tensor([[4.0]], requires_grad=True)
    >>> y = cholesky(x)
    >>> y.backward()
    >>> y.item(), x.grad
    (2.0, tensor([[0.2500]]))
    """
    return call(CholeskyFunction, input, upper)
