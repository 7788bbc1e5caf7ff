r"""One element that is chosen by its place in the order: cummax, cummin, kthvalue, median, mode.

    forward    y    = x_j
    backward   dx_i = dy where i = j, else 0
    tangent    y'   = x'_j

Where several tie, the one whose index j is told has the gradient, as in torch; the median of all elements, which tells
no index, shares it equally among them.
Shapes: x (*) any shape, y as x without `dim`, or with size 1 there. Saves j.
Source: any calculus book; the choice among equals is torch's.
"""

from typing import Any

import torch
from torch import Tensor

from manualgrad.formula import Formula, call, gated, save
from manualgrad.public import public


class CummaxFunction(Formula):
    r"""Largest, or smallest, of the elements so far.

        forward    y_k  = x_j(k), the largest of x_1 ... x_k
        backward   dx_i = sum of dy_k where j(k) = i
        tangent    y'_k = x'_j(k)

    Shapes: x, y, j (*), along `dim`. Saves j.
    """

    opmath = False

    @staticmethod
    def forward(x: Tensor, dim: int, largest: bool) -> tuple[Tensor, Tensor]:
        y, j = (torch.cummax if largest else torch.cummin)(x, dim)
        return y, j

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Tensor, int, bool], output: tuple[Tensor, Tensor]) -> None:
        _, ctx.dim, _ = inputs
        save(ctx, output[1])
        ctx.mark_non_differentiable(output[1])

    @staticmethod
    def backward(ctx: Any, dy: Tensor, _: Tensor) -> tuple[Tensor, None, None]:
        (j,) = ctx.saved_tensors
        return dy.new_zeros(j.shape).scatter_add(ctx.dim, j, dy), None, None

    @staticmethod
    def jvp(ctx: Any, x_t: Tensor, *_: None) -> tuple[Tensor, None]:
        (j,) = ctx.saved_tensors
        return x_t.gather(ctx.dim, j), None


class SelectionFunction(Formula):
    r"""The element of a certain place in the order along a dimension, and its index j.

        forward    y    = x_j
        backward   dx_i = dy where i = j, else 0
        tangent    y'   = x'_j

    `how` is "kthvalue", whose k is told, "median", "nanmedian" or "mode". Saves j.
    """

    opmath = False

    @staticmethod
    def forward(x: Tensor, how: str, k: tuple[int, ...], dim: int, keepdim: bool) -> tuple[Tensor, Tensor]:
        y, j = getattr(torch, how)(x, *k, dim, keepdim)
        return y, j

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Any, ...], output: tuple[Tensor, Tensor]) -> None:
        x, _, _, dim, _ = inputs
        save(ctx, output[1])
        ctx.mark_non_differentiable(output[1])
        ctx.shape, ctx.dim = x.shape, dim % max(x.dim(), 1)
        ctx.kept = [1 if d == ctx.dim else n for d, n in enumerate(x.shape)]

    @staticmethod
    def backward(ctx: Any, dy: Tensor, _: Tensor) -> tuple[Tensor, None, None, None, None]:
        (j,) = ctx.saved_tensors
        dx = dy.new_zeros(ctx.shape).scatter(ctx.dim, j.reshape(ctx.kept), dy.reshape(ctx.kept))
        return dx, None, None, None, None

    @staticmethod
    def jvp(ctx: Any, x_t: Tensor, *_: None) -> tuple[Tensor, None]:
        (j,) = ctx.saved_tensors
        return x_t.gather(ctx.dim, j.reshape(ctx.kept)).reshape(j.shape), None


class MedianFunction(Formula):
    r"""Median of all elements, or of those that are numbers; of two in the middle the smaller one.

        forward    y    = the element in the middle
        backward   dx_i = dy / k where x_i = y, else 0             k: how many tie
        tangent    y'   = 1/k sum of x'_i where x_i = y

    Shapes: x (*) any shape, y (). Saves x and y.
    """

    opmath = False

    @staticmethod
    def forward(x: Tensor, ignores_nan: bool) -> Tensor:
        return torch.nanmedian(x) if ignores_nan else torch.median(x)

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Tensor, bool], output: Tensor) -> None:
        save(ctx, inputs[0], output)

    @staticmethod
    def backward(ctx: Any, dy: Tensor) -> tuple[Tensor, None]:
        shares = _shared(*ctx.saved_tensors)
        return gated(shares * dy, shares), None

    @staticmethod
    def jvp(ctx: Any, x_t: Tensor, _: None) -> Tensor:
        return (_shared(*ctx.saved_tensors) * x_t).sum()


def _shared(x: Tensor, y: Tensor) -> Tensor:
    """1 / k where x_i = y, or where both are no numbers."""
    ties = ((x == y) | (x.isnan() & y.isnan())).to(x.dtype)
    return ties / ties.sum()


@public
def cummax(input: Tensor, dim: int) -> Any:
    """The largest element so far along `dim`, and its index. Same values and gradients as `torch.cummax`.

    >>> import torch
    >>> x = torch.tensor([2.0, 1.0, 3.0], requires_grad=True)
    >>> cummax(x, 0).values.sum().backward()
    >>> x.grad
    tensor([2., 0., 1.])
    """
    return torch.return_types.cummax(call(CummaxFunction, input, dim, True))


@public
def cummin(input: Tensor, dim: int) -> Any:
    """The smallest element so far along `dim`, and its index. Same values and gradients as `torch.cummin`.

    >>> import torch
    >>> cummin(torch.tensor([2.0, 1.0, 3.0]), 0).values
    tensor([2., 1., 1.])
    """
    return torch.return_types.cummin(call(CummaxFunction, input, dim, False))


@public
def kthvalue(input: Tensor, k: int, dim: int = -1, keepdim: bool = False) -> Any:
    """The element of number `k`, counted from 1, in the order of size along `dim`, and its index. `torch.kthvalue`.

    >>> import torch
    >>> kthvalue(torch.tensor([2.0, 1.0, 3.0]), 2).values
    tensor(2.)
    """
    return torch.return_types.kthvalue(call(SelectionFunction, input, "kthvalue", (k,), dim, keepdim))


@public
def median(input: Tensor, dim: int | None = None, keepdim: bool = False) -> Any:
    """The median of all elements, or along `dim` with its index. Same values and gradients as `torch.median`.

    >>> import torch
    >>> median(torch.tensor([2.0, 1.0, 3.0]))
    tensor(2.)
    """
    if dim is None:
        return call(MedianFunction, input, False)
    return torch.return_types.median(call(SelectionFunction, input, "median", (), dim, keepdim))


@public
def nanmedian(input: Tensor, dim: int | None = None, keepdim: bool = False) -> Any:
    """The median of the elements that are numbers, as `median`. Same values and gradients as `torch.nanmedian`.

    >>> import torch
    >>> nanmedian(torch.tensor([2.0, torch.nan, 3.0]))
    tensor(2.)
    """
    if dim is None:
        return call(MedianFunction, input, True)
    return torch.return_types.nanmedian(call(SelectionFunction, input, "nanmedian", (), dim, keepdim))


@public
def mode(input: Tensor, dim: int = -1, keepdim: bool = False) -> Any:
    """The element that is there most often along `dim`, and its index. Same values and gradients as `torch.mode`.

    >>> import torch
    >>> mode(torch.tensor([2.0, 1.0, 2.0])).values
    tensor(2.)
    """
    return torch.return_types.mode(call(SelectionFunction, input, "mode", (), dim, keepdim))
