r"""Another shape for the same elements in the same order: reshape, view, flatten, unflatten, squeeze, unsqueeze.

    forward    y  = x in the new shape
    backward   dx = dy in the shape of x
    tangent    y' = x' in the new shape

Shapes: x (*) any shape, y as the operation says, with as many elements. Saves nothing.
Source: the Jacobian is the identity, since the elements and their order stay.
"""

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor
from torch.autograd import forward_ad

from manualgrad.formula import Formula, call
from manualgrad.public import public


class ReshapeFunction(Formula):
    opmath = False

    @staticmethod
    def forward(x: Tensor, method: str, args: tuple[Any, ...]) -> Tensor:
        y: Tensor = getattr(Tensor, method)(x, *args)
        if forward_ad._current_level >= 0:
            return y.clone()  # the tangent may be laid out otherwise, and a view of it not possible
        return y.view_as(y) if y is x else y  # a Function must not return its own input

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Tensor, str, tuple[Any, ...]], output: Tensor) -> None:
        ctx.x_shape, ctx.y_shape = inputs[0].shape, output.shape

    @staticmethod
    def backward(ctx: Any, dy: Tensor) -> tuple[Tensor, None, None]:
        return dy.reshape(ctx.x_shape), None, None

    @staticmethod
    def jvp(ctx: Any, x_t: Tensor, *_: None) -> Tensor:
        return x_t.reshape(ctx.y_shape)


def reshape(input: Tensor, shape: Sequence[int]) -> Tensor:
    """The elements of `input` in another shape, in which one size may be -1. Same gradients as `torch.reshape`.

    >>> import torch
    >>> x = torch.zeros(2, 3, requires_grad=True)
    >>> reshape(x, (3, -1)).sum().backward()
    >>> x.grad.shape
    torch.Size([2, 3])
    """
    return call(ReshapeFunction, input, "reshape", (tuple(shape),))


@public
def view(input: Tensor, shape: Sequence[int] | torch.dtype) -> Tensor:
    """`input` in another shape without a copy, as `torch.Tensor.view`; RuntimeError where its strides do not allow it.

    Given a dtype, the memory of `input` read in that dtype, which has no derivative.

    >>> import torch
    >>> view(torch.arange(4.0), (2, 2))
    tensor([[0., 1.],
            [2., 3.]])
    """
    if isinstance(shape, torch.dtype):
        return input.view(shape)
    return call(ReshapeFunction, input, "view", (tuple(shape),))


@public
def flatten(input: Tensor, start_dim: int = 0, end_dim: int = -1) -> Tensor:
    """The dimensions from `start_dim` to `end_dim` made one. Same values and gradients as `torch.flatten`.

    >>> import torch
    >>> flatten(torch.zeros(2, 3, 4), 1).shape
    torch.Size([2, 12])
    """
    return call(ReshapeFunction, input, "flatten", (start_dim, end_dim))


@public
def unflatten(input: Tensor, dim: int, sizes: Sequence[int]) -> Tensor:
    """One dimension made several. Same values and gradients as `torch.unflatten`.

    >>> import torch
    >>> unflatten(torch.zeros(2, 12), 1, (3, 4)).shape
    torch.Size([2, 3, 4])
    """
    return call(ReshapeFunction, input, "unflatten", (dim, tuple(sizes)))


@public
def squeeze(input: Tensor, dim: int | Sequence[int] | None = None) -> Tensor:
    """`input` without its dimensions of size 1, or without those among `dim`. Same as `torch.squeeze`.

    >>> import torch
    >>> squeeze(torch.zeros(1, 3, 1)).shape
    torch.Size([3])
    """
    return call(ReshapeFunction, input, "squeeze", () if dim is None else (dim,))


@public
def unsqueeze(input: Tensor, dim: int) -> Tensor:
    """`input` with a new dimension of size 1 at `dim`. Same as `torch.unsqueeze`.

    >>> import torch
    >>> unsqueeze(torch.zeros(3), -1).shape
    torch.Size([3, 1])
    """
    return call(ReshapeFunction, input, "unsqueeze", (dim,))
