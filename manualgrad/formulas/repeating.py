r"""Operations that use elements several times: expand, broadcast_to, repeat, tile.

    forward    y_j  = x_i(j)                     several j have the same i
    backward   dx_i = sum of dy_j over the j that come from i
    tangent    y_j' = x'_i(j)

Shapes: x (*) any shape, y as the operation says. Saves nothing.
Source: the transpose of a matrix of zeros and ones, one in each row.
"""

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from manualgrad.formula import Formula, call, unbroadcast
from manualgrad.public import public


class ExpandFunction(Formula):
    r"""Dimensions of size 1, and new leading ones, repeated without a copy.

        forward    y  = x, repeated to the new shape
        backward   dx = dy summed over the repetitions
        tangent    y' = x', repeated to the new shape

    Saves nothing.
    """

    opmath = False

    @staticmethod
    def forward(x: Tensor, shape: tuple[int, ...]) -> Tensor:
        return x.expand(shape)

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Tensor, tuple[int, ...]], output: Tensor) -> None:
        ctx.x_shape, ctx.y_shape = inputs[0].shape, output.shape

    @staticmethod
    def backward(ctx: Any, dy: Tensor) -> tuple[Tensor, None]:
        return unbroadcast(dy, ctx.x_shape), None

    @staticmethod
    def jvp(ctx: Any, x_t: Tensor, _: None) -> Tensor:
        return x_t.expand(ctx.y_shape)


class RepeatFunction(Formula):
    r"""The whole tensor repeated along each dimension, copied.

        forward    y  = x, laid side by side repeats[d] times along dimension d
        backward   dx = dy summed over the copies
        tangent    y' = x', laid side by side likewise

    Saves nothing.
    """

    opmath = False

    @staticmethod
    def forward(x: Tensor, repeats: tuple[int, ...]) -> Tensor:
        return Tensor.repeat(x, repeats)

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Tensor, tuple[int, ...]], output: Tensor) -> None:
        x, ctx.repeats = inputs
        ctx.shape = x.shape

    @staticmethod
    def backward(ctx: Any, dy: Tensor) -> tuple[Tensor, None]:
        sizes = (1,) * (len(ctx.repeats) - len(ctx.shape)) + tuple(ctx.shape)
        copies = dy.reshape([n for pair in zip(ctx.repeats, sizes, strict=True) for n in pair])
        dx = copies.sum(list(range(0, copies.dim(), 2))) if sizes else dy
        return dx.reshape(ctx.shape), None

    @staticmethod
    def jvp(ctx: Any, x_t: Tensor, _: None) -> Tensor:
        return x_t.repeat(ctx.repeats)


def expand(input: Tensor, size: Sequence[int]) -> Tensor:
    """`input` repeated without a copy to `size`, where -1 keeps a dimension. Same as `torch.Tensor.expand`.

    >>> import torch
    >>> x = torch.zeros(3, 1, requires_grad=True)
    >>> expand(x, (-1, 4)).sum().backward()
    >>> x.grad.flatten()
    tensor([4., 4., 4.])
    """
    return call(ExpandFunction, input, tuple(size))


@public
def broadcast_to(input: Tensor, shape: Sequence[int]) -> Tensor:
    """`input` repeated without a copy to `shape`. Same as `torch.broadcast_to`.

    >>> import torch
    >>> broadcast_to(torch.zeros(3), (2, 3)).shape
    torch.Size([2, 3])
    """
    return call(ExpandFunction, input, tuple(shape))


@public
def broadcast_tensors(*tensors: Tensor) -> tuple[Tensor, ...]:
    """The tensors, each repeated without a copy to their common shape. Same as `torch.broadcast_tensors`.

    >>> import torch
    >>> a, b = broadcast_tensors(torch.zeros(3, 1), torch.zeros(2))
    >>> a.shape, b.shape
    (torch.Size([3, 2]), torch.Size([3, 2]))
    """
    shape = tuple(torch.broadcast_shapes(*(tensor.shape for tensor in tensors)))
    return tuple(call(ExpandFunction, tensor, shape) for tensor in tensors)


def repeat(input: Tensor, repeats: Sequence[int]) -> Tensor:
    """`input` copied `repeats[d]` times along each dimension. Same values and gradients as `torch.Tensor.repeat`.

    >>> import torch
    >>> x = torch.zeros(2, requires_grad=True)
    >>> repeat(x, (3,)).sum().backward()
    >>> x.grad
    tensor([3., 3.])
    """
    return call(RepeatFunction, input, tuple(repeats))


@public
def tile(input: Tensor, dims: Sequence[int]) -> Tensor:
    """`input` laid side by side `dims[d]` times along dimension d, the last first. Same gradients as `torch.tile`.

    >>> import torch
    >>> tile(torch.tensor([[1.0], [2.0]]), (3,))
    tensor([[1., 1., 1.],
            [2., 2., 2.]])
    """
    return call(RepeatFunction, input, (1,) * (input.dim() - len(dims)) + tuple(dims))
