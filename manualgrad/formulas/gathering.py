r"""Elements picked by number along one dimension: index_select, gather.

    forward    y_j  = x_i(j)
    backward   dx_i = sum of dy_j where i(j) = i         an element that was picked twice receives both gradients
    tangent    y'_j = x'_i(j)

Shapes: x (*) any shape, y as the index says. Saves the index.
Source: the transpose of a matrix of zeros and ones, one in each row.
"""

from typing import Any

from torch import Tensor

from manualgrad.formula import Formula, call, save


class IndexSelectFunction(Formula):
    r"""Rows picked by number, along any dimension.

        forward    y_j  = x_i(j)
        backward   dx_i = sum of dy_j where i(j) = i
        tangent    y'_j = x'_i(j)

    Shapes: index (m), y as x with size m at `dim`. Saves the index.
    """

    opmath = False

    @staticmethod
    def forward(x: Tensor, dim: int, index: Tensor) -> Tensor:
        return x.index_select(dim, index)

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Tensor, int, Tensor], output: Tensor) -> None:
        x, ctx.dim, index = inputs
        save(ctx, index)
        ctx.shape = x.shape

    @staticmethod
    def backward(ctx: Any, dy: Tensor) -> tuple[Tensor, None, None]:
        (index,) = ctx.saved_tensors
        return dy.new_zeros(ctx.shape).index_add(ctx.dim, index, dy), None, None

    @staticmethod
    def jvp(ctx: Any, x_t: Tensor, *_: None) -> Tensor:
        (index,) = ctx.saved_tensors
        return x_t.index_select(ctx.dim, index)


class GatherFunction(Formula):
    r"""Elements picked by number along one dimension, for each place its own.

        forward    y_jk  = x_i(j,k)k
        backward   dx_ik = sum of dy_jk where i(j,k) = i
        tangent    y'_jk = x'_i(j,k)k

    Shapes: y as the index, no larger than x but at `dim`. Saves the index.
    """

    opmath = False

    @staticmethod
    def forward(x: Tensor, dim: int, index: Tensor) -> Tensor:
        return x.gather(dim, index)

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Tensor, int, Tensor], output: Tensor) -> None:
        x, ctx.dim, index = inputs
        save(ctx, index)
        ctx.shape = x.shape

    @staticmethod
    def backward(ctx: Any, dy: Tensor) -> tuple[Tensor, None, None]:
        (index,) = ctx.saved_tensors
        return dy.new_zeros(ctx.shape).scatter_add(ctx.dim, index, dy), None, None

    @staticmethod
    def jvp(ctx: Any, x_t: Tensor, *_: None) -> Tensor:
        (index,) = ctx.saved_tensors
        return x_t.gather(ctx.dim, index)


def index_select(input: Tensor, dim: int, index: Tensor) -> Tensor:
    """The slices of dimension `dim` whose numbers are in `index`. Same values and gradients as `torch.index_select`.

    >>> import torch
    >>> x = torch.zeros(3, requires_grad=True)
    >>> index_select(x, 0, torch.tensor([2, 0, 2])).sum().backward()
    >>> x.grad
    tensor([1., 0., 2.])
    """
    return call(IndexSelectFunction, input, dim, index)


def gather(input: Tensor, dim: int, index: Tensor, *, sparse_grad: bool = False) -> Tensor:
    """For each place of `index`, the element of that number along `dim`. Same values and gradients as `torch.gather`.

    The gradient is dense: `sparse_grad=True` is refused with ValueError.

    >>> import torch
    >>> x = torch.tensor([[1.0, 2.0], [3.0, 4.0]])
    >>> gather(x, 1, torch.tensor([[1], [0]]))
    tensor([[2.],
            [3.]])
    """
    if sparse_grad:
        raise ValueError("gather: sparse_grad=True is not supported; the gradient is dense")
    return call(GatherFunction, input, dim, index)
