r"""Cross product of vectors of three elements.

    forward    y  = x cross other               y_1 = x_2 other_3 - x_3 other_2, and so on around
    backward   dx = other cross dy,  dother = dy cross x
    tangent    y' = x' cross other + x cross other'

Shapes: x, other (*) with size 3 at `dim`; they broadcast to y, and one that was repeated receives the sum over its
copies. Saves x and other.
Source: Petersen & Pedersen (2012), The matrix cookbook, sec. 10.4: a . (b cross c) = b . (c cross a) = c . (a cross b).
"""

from typing import Any

import torch
from torch import Tensor

from manualgrad.formula import Formula, call, save, unbroadcast
from manualgrad.public import public


class CrossFunction(Formula):
    complex = "holomorphic"
    autocast = "promote on cuda"

    @staticmethod
    def forward(x: Tensor, other: Tensor, dim: int) -> Tensor:
        return torch.linalg.cross(x, other, dim=dim)

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Tensor, Tensor, int], output: Tensor) -> None:
        x, other, ctx.dim = inputs
        save(ctx, x, other)

    @staticmethod
    def backward(ctx: Any, dy: Tensor) -> tuple[Tensor | None, Tensor | None, None]:
        x, other = ctx.saved_tensors
        needs_x, needs_other, _ = ctx.needs_input_grad
        dx = unbroadcast(torch.linalg.cross(other.expand_as(dy), dy, dim=ctx.dim), x.shape) if needs_x else None
        if not needs_other:
            return dx, None, None
        return dx, unbroadcast(torch.linalg.cross(dy, x.expand_as(dy), dim=ctx.dim), other.shape), None

    @staticmethod
    def jvp(ctx: Any, x_t: Tensor | None, other_t: Tensor | None, _: None) -> Tensor:
        x, other = ctx.saved_tensors
        terms = [(x_t, other), (x, other_t)]
        moved = [torch.linalg.cross(a, b, dim=ctx.dim) for a, b in terms if a is not None and b is not None]
        return moved[0] if len(moved) == 1 else moved[0] + moved[1]


@public
def cross(input: Tensor, other: Tensor, dim: int | None = None) -> Tensor:
    """The cross products of the vectors along `dim`, which is the first of size 3 where it is not told.

    Same values and gradients as `torch.cross`. Raises RuntimeError for vectors that have not three elements.

    >>> import torch
    >>> x = torch.tensor([1.0, 0.0, 0.0], requires_grad=True)
    >>> y = cross(x, torch.tensor([0.0, 1.0, 0.0]))
    >>> y[2].backward()
    >>> y.detach(), x.grad
    (tensor([0., 0., 1.]), tensor([1., 0., 0.]))
    """
    if dim is None:
        common = torch.broadcast_shapes(input.shape, other.shape)
        dim = next((d for d, n in enumerate(common) if n == 3), None)
    if dim is None or input.dim() != other.dim():
        raise RuntimeError(
            "cross: input and other must have as many dimensions, one of size 3, "
            f"got {tuple(input.shape)} and {tuple(other.shape)}"
        )
    return call(CrossFunction, input, other, dim)
