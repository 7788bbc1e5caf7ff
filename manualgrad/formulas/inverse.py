r"""Inverse of a matrix, and the solution of linear equations.

    forward    y  = x^-1,  or y = x^-1 b
    backward   the conjugate transpose of y, on both sides of -dy
    tangent    y' = -y x' y

Shapes: x (..., n, n).
Source: Giles (2008), An extended collection of matrix derivative results for forward and reverse mode AD, sec. 2.2.3 f.
"""

from typing import Any

import torch
from torch import Tensor

from manualgrad.formula import Formula, call, save, unbroadcast
from manualgrad.public import public


class InverseFunction(Formula):
    r"""Inverse of a matrix.

        forward    y  = x^-1
        backward   dx = -y^H dy y^H
        tangent    y' = -y x' y

    Saves y.
    """

    @staticmethod
    def forward(x: Tensor) -> Tensor:
        return torch.linalg.inv(x)

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Tensor], output: Tensor) -> None:
        save(ctx, output)

    @staticmethod
    def backward(ctx: Any, dy: Tensor) -> Tensor:
        (y,) = ctx.saved_tensors
        return -(y.mH @ dy @ y.mH)

    @staticmethod
    def jvp(ctx: Any, x_t: Tensor) -> Tensor:
        (y,) = ctx.saved_tensors
        return -(y @ x_t @ y)


class SolveFunction(Formula):
    r"""Solution of the linear equations x y = b or, with the unknowns on the left, y x = b.

        forward    y  = x^-1 b
        backward   db = x^-H dy,  dx = -db y^H              -y^H db, with the unknowns on the left
        tangent    y' = x^-1 (b' - x' y)

    Shapes: b, y (..., n, k), or (n), or (..., n) as many as there are matrices; the leading dimensions broadcast.
    Saves x and y.
    """

    @staticmethod
    def forward(x: Tensor, b: Tensor, left: bool) -> Tensor:
        return torch.linalg.solve(x, b, left=left)

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Tensor, Tensor, bool], output: Tensor) -> None:
        x, b, ctx.left = inputs
        save(ctx, x, output)
        ctx.shapes = x.shape, b.shape
        ctx.is_vector = b.dim() == 1 or (b.dim() == x.dim() - 1 and b.shape == x.shape[:-1])

    @staticmethod
    def backward(ctx: Any, dy: Tensor) -> tuple[Tensor | None, Tensor | None, None]:
        x, y = ctx.saved_tensors
        x_shape, b_shape = ctx.shapes
        needs_x, needs_b, _ = ctx.needs_input_grad
        db = torch.linalg.solve(x.mH, dy, left=ctx.left)
        dx = None
        if needs_x:
            column, z = (db.unsqueeze(-1), y.unsqueeze(-1)) if ctx.is_vector else (db, y)
            dx = unbroadcast(-(column @ z.mH if ctx.left else z.mH @ column), x_shape)
        return dx, unbroadcast(db, b_shape) if needs_b else None, None

    @staticmethod
    def jvp(ctx: Any, x_t: Tensor | None, b_t: Tensor | None, _: None) -> Tensor:
        x, y = ctx.saved_tensors
        right: Any = 0 if b_t is None else b_t
        if x_t is not None:
            z = y.unsqueeze(-1) if ctx.is_vector else y
            moved = x_t @ z if ctx.left else z @ x_t
            right = right - (moved.squeeze(-1) if ctx.is_vector else moved)
        return torch.linalg.solve(x, right.expand(y.shape), left=ctx.left)


@public
def inv(input: Tensor) -> Tensor:
    """The inverse of square matrices (..., n, n). Same values and gradients as `torch.linalg.inv`.

    Raises torch.linalg.LinAlgError for a matrix that has none.

    >>> import torch
    >>> x = torch.tensor([[2.0]], requires_grad=True)
    >>> y = inv(x)
    >>> y.backward()
    >>> y.item(), x.grad
    (0.5, tensor([[-0.2500]]))
    """
    return call(InverseFunction, input)


@public
def solve(input: Tensor, B: Tensor, *, left: bool = True) -> Tensor:  # torch's name
    """The y of `input @ y = B` or, without `left`, `y @ input = B`. Same values and gradients as `torch.linalg.solve`.

    >>> import torch
    >>> solve(torch.tensor([[2.0, 0.0], [0.0, 4.0]]), torch.tensor([2.0, 2.0]))
    tensor([1.0000, 0.5000])
    """
    return call(SolveFunction, input, B, left)
