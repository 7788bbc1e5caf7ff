r"""Solution of linear equations with a triangular matrix, x y = b or, with the unknowns on the left, y x = b.

    forward    y  = x^-1 b
    backward   db = x^-H dy,  dx = the triangle of -db y^H      -y^H db, with the unknowns on the left
    tangent    y' = x^-1 (b' - x' y)                            of the triangle of x'

A diagonal that is taken to be 1 has the gradient 0.
Shapes: x (..., n, n), b, y (..., n, k); the leading dimensions broadcast. Saves x and y.
Source: Giles (2008), An extended collection of matrix derivative results for forward and reverse mode AD, sec. 2.2.4.
"""

from typing import Any

import torch
from torch import Tensor

from manualgrad.formula import Formula, call, save, unbroadcast
from manualgrad.public import public


class SolveTriangularFunction(Formula):
    @staticmethod
    def forward(x: Tensor, b: Tensor, upper: bool, left: bool, unitriangular: bool) -> Tensor:
        return torch.linalg.solve_triangular(x, b, upper=upper, left=left, unitriangular=unitriangular)

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Tensor, Tensor, bool, bool, bool], output: Tensor) -> None:
        x, b, ctx.upper, ctx.left, ctx.unit = inputs
        save(ctx, x, output)
        ctx.shapes = x.shape, b.shape

    @staticmethod
    def backward(ctx: Any, dy: Tensor) -> tuple[Tensor | None, Tensor | None, None, None, None]:
        x, y = ctx.saved_tensors
        x_shape, b_shape = ctx.shapes
        needs_x, needs_b, *_ = ctx.needs_input_grad
        db = SolveTriangularFunction.forward(x.mH, dy, not ctx.upper, ctx.left, ctx.unit)
        dx = None
        if needs_x:
            dx = unbroadcast(_triangle(ctx, -(db @ y.mH if ctx.left else y.mH @ db)), x_shape)
        return dx, unbroadcast(db, b_shape) if needs_b else None, None, None, None

    @staticmethod
    def jvp(ctx: Any, x_t: Tensor | None, b_t: Tensor | None, *_: None) -> Tensor:
        x, y = ctx.saved_tensors
        right = torch.zeros_like(y) if b_t is None else b_t
        if x_t is not None:
            x_t = _triangle(ctx, x_t)
            right = right - (x_t @ y if ctx.left else y @ x_t)
        return SolveTriangularFunction.forward(x, right, ctx.upper, ctx.left, ctx.unit)


def _triangle(ctx: Any, d: Tensor) -> Tensor:
    return d.triu(1 if ctx.unit else 0) if ctx.upper else d.tril(-1 if ctx.unit else 0)


@public
def solve_triangular(
    input: Tensor,
    B: Tensor,  # torch's name
    *,
    upper: bool,
    left: bool = True,
    unitriangular: bool = False,
) -> Tensor:
    """The y of `input @ y = B`, of whose matrix the triangle is read that `upper` says.

    Without `left` it is the y of `y @ input = B`; with `unitriangular` the diagonal is taken to be 1. Same values and
    gradients as `torch.linalg.solve_triangular`.

    >>> import torch
    >>> x = torch.tensor([[2.0, 9.0], [1.0, 4.0]])  # of which the 9 does not count
    >>> solve_triangular(x, torch.tensor([[2.0], [5.0]]), upper=False)
    tensor([[1.],
            [1.]])
    """
    return call(SolveTriangularFunction, input, B, upper, left, unitriangular)
