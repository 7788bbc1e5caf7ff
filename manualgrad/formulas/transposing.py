r"""Operations that give the dimensions another order: transpose, permute, movedim.

    forward    y_j  = x_i                        j is i, its indices in another order
    backward   dx_i = dy_j
    tangent    y_j' = x_i'

Shapes: x (*) any shape, y as the operation says. Saves nothing: what takes the dimensions back undoes it for gradients.
Source: the transpose of a matrix of zeros and ones, one in each row and column, is its inverse.
"""

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from manualgrad.formula import Formula, call
from manualgrad.public import public


class TransposeFunction(Formula):
    r"""Two dimensions swapped.

        forward    y_ji  = x_ij
        backward   dx_ij = dy_ji
        tangent    y'_ji = x'_ij

    Saves nothing.
    """

    opmath = False

    @staticmethod
    def forward(x: Tensor, dim0: int, dim1: int) -> Tensor:
        return torch.transpose(x, dim0, dim1)

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Tensor, int, int], output: Tensor) -> None:
        ctx.dims = inputs[1:]

    @staticmethod
    def backward(ctx: Any, dy: Tensor) -> tuple[Tensor, None, None]:
        return dy.transpose(*ctx.dims), None, None

    @staticmethod
    def jvp(ctx: Any, x_t: Tensor, *_: None) -> Tensor:
        return x_t.transpose(*ctx.dims)


class PermuteFunction(Formula):
    r"""The dimensions in another order.

        forward    y  = x, its dimensions in the order `dims`
        backward   dx = dy, its dimensions in the inverse order
        tangent    y' = x', its dimensions in the order `dims`

    Saves nothing.
    """

    opmath = False

    @staticmethod
    def forward(x: Tensor, dims: tuple[int, ...]) -> Tensor:
        return x.permute(dims)

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Tensor, tuple[int, ...]], output: Tensor) -> None:
        x, ctx.dims = inputs
        positive = [d % x.dim() for d in ctx.dims]
        ctx.inverse = [positive.index(d) for d in range(x.dim())]

    @staticmethod
    def backward(ctx: Any, dy: Tensor) -> tuple[Tensor, None]:
        return dy.permute(ctx.inverse), None

    @staticmethod
    def jvp(ctx: Any, x_t: Tensor, _: None) -> Tensor:
        return x_t.permute(ctx.dims)


class MovedimFunction(Formula):
    r"""Some dimensions moved to other places.

        forward    y  = x, its dimension source[k] now at destination[k]
        backward   dx = dy, its dimension destination[k] back at source[k]
        tangent    y' = x', its dimension source[k] now at destination[k]

    Saves nothing.
    """

    opmath = False

    @staticmethod
    def forward(x: Tensor, source: int | tuple[int, ...], destination: int | tuple[int, ...]) -> Tensor:
        return x.movedim(source, destination)  # type: ignore[arg-type]  # torch takes both alike

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Tensor, Any, Any], output: Tensor) -> None:
        _, ctx.source, ctx.destination = inputs

    @staticmethod
    def backward(ctx: Any, dy: Tensor) -> tuple[Tensor, None, None]:
        return dy.movedim(ctx.destination, ctx.source), None, None

    @staticmethod
    def jvp(ctx: Any, x_t: Tensor, *_: None) -> Tensor:
        return x_t.movedim(ctx.source, ctx.destination)


def transpose(input: Tensor, dim0: int, dim1: int) -> Tensor:
    """`input` with two dimensions swapped. Same as `torch.transpose`.

    >>> import torch
    >>> transpose(torch.zeros(2, 3, 4), 0, 2).shape
    torch.Size([4, 3, 2])
    """
    return call(TransposeFunction, input, dim0, dim1)


@public
def t(input: Tensor) -> Tensor:
    """The transpose of a matrix; a vector or a 0-d tensor stays as it is. Same as `torch.t`.

    Raises RuntimeError for more than two dimensions.

    >>> import torch
    >>> t(torch.zeros(2, 3)).shape
    torch.Size([3, 2])
    """
    if input.dim() > 2:
        raise RuntimeError(f"t: input must have at most two dimensions, got shape {tuple(input.shape)}")
    return call(TransposeFunction, input, 0, 1) if input.dim() == 2 else input


@public
def matrix_transpose(input: Tensor) -> Tensor:
    """The transpose of the last two dimensions: `input.mT`. Raises RuntimeError where there are fewer.

    >>> import torch
    >>> matrix_transpose(torch.zeros(5, 2, 3)).shape
    torch.Size([5, 3, 2])
    """
    if input.dim() < 2:
        raise RuntimeError(f"mT: input must have at least two dimensions, got shape {tuple(input.shape)}")
    return call(TransposeFunction, input, -2, -1)


def permute(input: Tensor, dims: Sequence[int]) -> Tensor:
    """`input` with its dimensions in the order `dims`. Same as `torch.permute`.

    >>> import torch
    >>> permute(torch.zeros(2, 3, 4), (2, 0, 1)).shape
    torch.Size([4, 2, 3])
    """
    return call(PermuteFunction, input, tuple(dims))


def movedim(input: Tensor, source: int | Sequence[int], destination: int | Sequence[int]) -> Tensor:
    """`input` with the dimensions `source` moved to `destination`. Same as `torch.movedim`.

    >>> import torch
    >>> movedim(torch.zeros(2, 3, 4), 0, -1).shape
    torch.Size([3, 4, 2])
    """
    places = [d if isinstance(d, int) else tuple(d) for d in (source, destination)]
    return call(MovedimFunction, input, *places)
