r"""Diagonals: taken out of matrices, and laid into them.

    forward    y    = the elements x_k,k+offset, or the matrix that has them there and is 0 elsewhere
    backward   the one is the other's transpose

Shapes: the matrices (..., n, m), or with any other two dimensions; the diagonals (..., length), or the other way round.
Source: the transpose of a matrix of zeros and ones, at most one in each row and column.
"""

from typing import Any

import torch
from torch import Tensor

from manualgrad.formula import Formula, call
from manualgrad.public import public


class DiagonalFunction(Formula):
    r"""The diagonal of matrices.

        forward    y_k  = x_k,k+offset
        backward   dx   = 0, but dx_k,k+offset = dy_k
        tangent    y'_k = x'_k,k+offset

    Saves nothing.
    """

    opmath = False

    @staticmethod
    def forward(x: Tensor, offset: int, dim1: int, dim2: int) -> Tensor:
        return torch.diagonal(x, offset, dim1, dim2)

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Tensor, int, int, int], output: Tensor) -> None:
        x, *ctx.where = inputs
        ctx.shape = x.shape

    @staticmethod
    def backward(ctx: Any, dy: Tensor) -> tuple[Tensor, None, None, None]:
        dx = dy.new_zeros(ctx.shape)
        dx.diagonal(*ctx.where).copy_(dy)
        return dx, None, None, None

    @staticmethod
    def jvp(ctx: Any, x_t: Tensor, *_: None) -> Tensor:
        return x_t.diagonal(*ctx.where)


class DiagEmbedFunction(Formula):
    r"""Matrices that have the elements on a diagonal.

        forward    y    = 0, but y_k,k+offset = x_k
        backward   dx_k = dy_k,k+offset
        tangent    y'   = 0, but y'_k,k+offset = x'_k

    Saves nothing.
    """

    opmath = False

    @staticmethod
    def forward(x: Tensor, offset: int, dim1: int, dim2: int) -> Tensor:
        return torch.diag_embed(x, offset, dim1, dim2)

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Tensor, int, int, int], output: Tensor) -> None:
        _, *ctx.where = inputs

    @staticmethod
    def backward(ctx: Any, dy: Tensor) -> tuple[Tensor, None, None, None]:
        return dy.diagonal(*ctx.where), None, None, None

    @staticmethod
    def jvp(ctx: Any, x_t: Tensor, *_: None) -> Tensor:
        return torch.diag_embed(x_t, *ctx.where)


def diagonal(input: Tensor, offset: int = 0, dim1: int = 0, dim2: int = 1) -> Tensor:
    """The diagonal of the matrices in dimensions `dim1` and `dim2`, as last dimension. Same as `torch.diagonal`.

    >>> import torch
    >>> x = torch.zeros(2, 3, requires_grad=True)
    >>> diagonal(x, 1).sum().backward()
    >>> x.grad
    tensor([[0., 1., 0.],
            [0., 0., 1.]])
    """
    return call(DiagonalFunction, input, offset, dim1, dim2)


def diag_embed(input: Tensor, offset: int = 0, dim1: int = -2, dim2: int = -1) -> Tensor:
    """Square matrices whose diagonals are the last dimension of `input`. Same as `torch.diag_embed`.

    >>> import torch
    >>> diag_embed(torch.tensor([1.0, 2.0]))
    tensor([[1., 0.],
            [0., 2.]])
    """
    return call(DiagEmbedFunction, input, offset, dim1, dim2)


@public
def diag(input: Tensor, diagonal: int = 0) -> Tensor:
    """The diagonal of a matrix, or the matrix of which a vector is the diagonal. Same as `torch.diag`.

    Raises RuntimeError for other than one or two dimensions.

    >>> import torch
    >>> diag(torch.tensor([[1.0, 2.0], [3.0, 4.0]]))
    tensor([1., 4.])
    """
    if input.dim() not in (1, 2):
        raise RuntimeError(f"diag: input must be a vector or a matrix, got shape {tuple(input.shape)}")
    formula, dims = (DiagEmbedFunction, (-2, -1)) if input.dim() == 1 else (DiagonalFunction, (0, 1))
    return call(formula, input, diagonal, *dims)
