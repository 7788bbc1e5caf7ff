r"""Exponential of a matrix.

    forward    y  = 1 + x + x^2 / 2 + x^3 / 6 + ...
    backward   dx = the upper right block of the exponential of [x^H, dy; 0, x^H]
    tangent    y' = the upper right block of the exponential of [x, x'; 0, x]

Shapes: x, y (..., n, n). Saves x.
Source: Najfeld & Havel (1995), Derivatives of the matrix exponential and their computation, theorem 4.13.
"""

from typing import Any

import torch
from torch import Tensor

from manualgrad.formula import Formula, call, save


class MatrixExpFunction(Formula):
    @staticmethod
    def forward(x: Tensor) -> Tensor:
        return torch.linalg.matrix_exp(x)

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Tensor], output: Tensor) -> None:
        save(ctx, *inputs)

    @staticmethod
    def backward(ctx: Any, dy: Tensor) -> Tensor:
        (x,) = ctx.saved_tensors
        return _moved(x.mH, dy)

    @staticmethod
    def jvp(ctx: Any, x_t: Tensor) -> Tensor:
        (x,) = ctx.saved_tensors
        return _moved(x, x_t)


def _moved(x: Tensor, d: Tensor) -> Tensor:
    n = x.shape[-1]
    blocks = torch.cat([torch.cat([x, d], -1), torch.cat([torch.zeros_like(x), x], -1)], -2)
    return torch.linalg.matrix_exp(blocks)[..., :n, n:]


def matrix_exp(input: Tensor) -> Tensor:
    """The exponential of square matrices (..., n, n). Same values and gradients as `torch.linalg.matrix_exp`.

    >>> import torch
    >>> matrix_exp(torch.zeros(2, 2))
    tensor([[1., 0.],
            [0., 1.]])
    """
    return call(MatrixExpFunction, input)
