r"""Operations that move elements along dimensions: flip, roll.

    forward    y_j  = x_i                        j a place for every i
    backward   dx_i = dy_j                       moved the other way
    tangent    y_j' = x_i'

Shapes: x, y (*) any shape. Saves nothing.
Source: the transpose of a matrix of zeros and ones, one in each row and column, is its inverse.
"""

from collections.abc import Sequence
from typing import Any

from torch import Tensor

from manualgrad.formula import Formula, call


class FlipFunction(Formula):
    r"""The order of the elements reversed along some dimensions.

        forward    y  = x, back to front along `dims`
        backward   dx = dy, back to front along `dims`
        tangent    y' = x', back to front along `dims`

    Saves nothing.
    """

    opmath = False

    @staticmethod
    def forward(x: Tensor, dims: tuple[int, ...]) -> Tensor:
        return x.flip(dims)

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Tensor, tuple[int, ...]], output: Tensor) -> None:
        ctx.dims = inputs[1]

    @staticmethod
    def backward(ctx: Any, dy: Tensor) -> tuple[Tensor, None]:
        return dy.flip(ctx.dims), None

    @staticmethod
    def jvp(ctx: Any, x_t: Tensor, _: None) -> Tensor:
        return x_t.flip(ctx.dims)


class RollFunction(Formula):
    r"""Elements moved along some dimensions; those that leave at the end come in at the beginning.

        forward    y_(i+shift) = x_i
        backward   dx_i  = dy_(i+shift)
        tangent    y'_(i+shift) = x'_i

    Saves nothing.
    """

    opmath = False

    @staticmethod
    def forward(x: Tensor, shifts: tuple[int, ...], dims: tuple[int, ...]) -> Tensor:
        return x.roll(shifts, dims)

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Tensor, tuple[int, ...], tuple[int, ...]], output: Tensor) -> None:
        _, ctx.shifts, ctx.dims = inputs

    @staticmethod
    def backward(ctx: Any, dy: Tensor) -> tuple[Tensor, None, None]:
        return dy.roll([-shift for shift in ctx.shifts], ctx.dims), None, None

    @staticmethod
    def jvp(ctx: Any, x_t: Tensor, *_: None) -> Tensor:
        return x_t.roll(ctx.shifts, ctx.dims)


def flip(input: Tensor, dims: Sequence[int]) -> Tensor:
    """`input` back to front along `dims`. Same values and gradients as `torch.flip`.

    >>> import torch
    >>> flip(torch.arange(3.0), (0,))
    tensor([2., 1., 0.])
    """
    return call(FlipFunction, input, tuple(dims))


def roll(
    input: Tensor, shifts: int | tuple[int, ...] | list[int], dims: int | tuple[int, ...] | list[int] | None = None
) -> Tensor:
    """The elements `shifts` places further along `dims`, in a circle. Same gradients as `torch.roll`.

    Without `dims` they move through the flattened tensor, whose shape comes back.

    >>> import torch
    >>> roll(torch.tensor([1.0, 2.0, 3.0]), 1)
    tensor([3., 1., 2.])
    """
    given = () if dims is None else dims
    shifts, given = ((v,) if isinstance(v, int) else tuple(v) for v in (shifts, given))
    return call(RollFunction, input, shifts, given)
