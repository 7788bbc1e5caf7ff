r"""Sorting, and the few largest; triangles of matrices.

    forward    y  = some of the elements of x, or all, elsewhere
    backward   dx = dy, each element back where it came from, 0 for those that were left out
    tangent    y' = x', moved likewise

Where several elements tie, the one whose index is told has the gradient, as in torch.
Source: any calculus book; the choice among equals is torch's.
"""

from typing import Any

import torch
from torch import Tensor

from manualgrad.formula import Formula, call, save
from manualgrad.public import public


class SortFunction(Formula):
    r"""Elements in order along a dimension, the first k of them or all.

        forward    y_j    = x_i(j)
        backward   dx_i(j) = dy_j,  0 for the others
        tangent    y'_j   = x'_i(j)

    Shapes: x (*) any shape, y and i as x, with size k along `dim`. Saves i.
    """

    opmath = False

    @staticmethod
    def forward(x: Tensor, k: int | None, dim: int, largest: bool, is_ordered: bool) -> tuple[Tensor, Tensor]:
        if k is None:  # here `is_ordered` asks for the order of equals to be kept
            values, indices = torch.sort(x, stable=is_ordered, dim=dim, descending=largest)
        else:
            values, indices = torch.topk(x, k, dim, largest, is_ordered)
        return values, indices

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Any, ...], output: tuple[Tensor, Tensor]) -> None:
        x, _, ctx.dim, _, _ = inputs
        ctx.shape = x.shape
        ctx.mark_non_differentiable(output[1])
        ctx.set_materialize_grads(False)
        save(ctx, output[1])

    @staticmethod
    def backward(ctx: Any, dy: Tensor | None, _: None) -> tuple[Tensor | None, None, None, None, None]:
        (i,) = ctx.saved_tensors
        dx = None if dy is None else dy.new_zeros(ctx.shape).scatter(ctx.dim, i, dy)
        return dx, None, None, None, None

    @staticmethod
    def jvp(ctx: Any, x_t: Tensor, *_: None) -> tuple[Tensor, None]:
        (i,) = ctx.saved_tensors
        return x_t.gather(ctx.dim, i), None


class TriangleFunction(Formula):
    r"""The part of a matrix on and below a diagonal, or on and above it; 0 elsewhere.

        forward    y  = x below, 0 above
        backward   dx = dy below, 0 above
        tangent    y' = x' below, 0 above

    Shapes: x, y (*, n, m). Saves nothing.
    """

    opmath = False

    @staticmethod
    def forward(x: Tensor, diagonal: int, lower: bool) -> Tensor:
        return torch.tril(x, diagonal) if lower else torch.triu(x, diagonal)

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Tensor, int, bool], output: Tensor) -> None:
        _, ctx.diagonal, ctx.lower = inputs

    @staticmethod
    def backward(ctx: Any, dy: Tensor) -> tuple[Tensor, None, None]:
        return TriangleFunction.forward(dy, ctx.diagonal, ctx.lower), None, None

    @staticmethod
    def jvp(ctx: Any, x_t: Tensor, *_: None) -> Tensor:
        return TriangleFunction.forward(x_t, ctx.diagonal, ctx.lower)


def sort(input: Tensor, dim: int = -1, descending: bool = False, *, stable: bool = False) -> Any:
    """The elements in order along `dim`, and where each was. Same values and gradients as `torch.sort`.

    >>> import torch
    >>> x = torch.tensor([3.0, 1.0, 2.0], requires_grad=True)
    >>> y = sort(x)
    >>> (y.values * torch.tensor([1.0, 2.0, 3.0])).sum().backward()
    >>> y.indices, x.grad
    (tensor([1, 2, 0]), tensor([3., 1., 2.]))
    """
    return torch.return_types.sort(call(SortFunction, input, None, dim, descending, stable))


@public
def topk(input: Tensor, k: int, dim: int = -1, largest: bool = True, sorted: bool = True) -> Any:
    """The `k` largest elements along `dim`, or smallest, and where each was. Same values and gradients as `torch.topk`.

    >>> import torch
    >>> x = torch.tensor([3.0, 1.0, 2.0], requires_grad=True)
    >>> topk(x, 2).values.sum().backward()
    >>> x.grad
    tensor([1., 0., 1.])
    """
    return torch.return_types.topk(call(SortFunction, input, k, dim, largest, sorted))


@public
def tril(input: Tensor, diagonal: int = 0) -> Tensor:
    """The matrices with 0 above a diagonal. input (*, n, m). Same values and gradients as `torch.tril`.

    >>> import torch
    >>> tril(torch.ones(2, 2))
    tensor([[1., 0.],
            [1., 1.]])
    """
    return call(TriangleFunction, input, diagonal, True)


@public
def triu(input: Tensor, diagonal: int = 0) -> Tensor:
    """The matrices with 0 below a diagonal. input (*, n, m). Same values and gradients as `torch.triu`.

    >>> import torch
    >>> triu(torch.ones(2, 2), 1)
    tensor([[0., 1.],
            [0., 0.]])
    """
    return call(TriangleFunction, input, diagonal, False)
