r"""Reductions: sum, mean, var, std, logsumexp; and the running sum.

`dim` is one dimension, several, or None for all; `keepdim` leaves them in the result with size 1.
In the formulas n is the number of elements that meet in one, and dy the upstream gradient copied to each of them.
Shapes: x (*) any shape, y as x without its dimensions `dim`, or with size 1 there.
Source: any calculus book; the gradient of a standard deviation of 0 is 0, torch's convention.
"""

import math
from typing import Any

import torch
from torch import Tensor

from manualgrad.formula import Formula, call, save
from manualgrad.parts.dims import Dim, kept_dims, reduced


class SumFunction(Formula):
    r"""Sum.

        forward    y    = sum of x_i
        backward   dx_i = dy
        tangent    y'   = sum of x'_i

    Saves nothing.
    """

    autocast = "float32 on cuda"
    opmath = False

    @staticmethod
    def forward(x: Tensor, dim: Dim, keepdim: bool, dtype: torch.dtype | None) -> Tensor:
        return torch.sum(x, dim, keepdim, dtype=dtype)

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Tensor, Dim, bool, torch.dtype | None], output: Tensor) -> None:
        x, ctx.dim, ctx.keepdim, ctx.dtype = inputs
        ctx.shape = x.shape

    @staticmethod
    def backward(ctx: Any, dy: Tensor) -> tuple[Tensor, None, None, None]:
        return dy.reshape(kept_dims(ctx.shape, ctx.dim)).expand(ctx.shape), None, None, None

    @staticmethod
    def jvp(ctx: Any, x_t: Tensor, *_: None) -> Tensor:
        return torch.sum(x_t, ctx.dim, ctx.keepdim, dtype=ctx.dtype)


class MeanFunction(Formula):
    r"""Mean.

        forward    y    = 1/n sum of x_i
        backward   dx_i = dy / n
        tangent    y'   = 1/n sum of x'_i

    Saves nothing.
    """

    opmath = False

    @staticmethod
    def forward(x: Tensor, dim: Dim, keepdim: bool, dtype: torch.dtype | None) -> Tensor:
        return torch.mean(x, dim, keepdim, dtype=dtype)

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Tensor, Dim, bool, torch.dtype | None], output: Tensor) -> None:
        x, ctx.dim, ctx.keepdim, ctx.dtype = inputs
        ctx.shape = x.shape

    @staticmethod
    def backward(ctx: Any, dy: Tensor) -> tuple[Tensor, None, None, None]:
        dy = dy.reshape(kept_dims(ctx.shape, ctx.dim)) / max(_count(ctx.shape, ctx.dim), 1)
        return dy.expand(ctx.shape), None, None, None

    @staticmethod
    def jvp(ctx: Any, x_t: Tensor, *_: None) -> Tensor:
        return torch.mean(x_t, ctx.dim, ctx.keepdim, dtype=ctx.dtype)


class VarFunction(Formula):
    r"""Variance, m being the mean and c the correction (1: unbiased, 0: of the sample as it is).

        forward    y    = 1/(n - c) sum of (x_i - m)^2
        backward   dx_i = dy 2 (x_i - m) / (n - c)                 m moves too, but to no effect: sum of (x_i - m) = 0
        tangent    y'   = 2/(n - c) sum of x'_i (x_i - m)

    Saves x.
    """

    opmath = False

    @staticmethod
    def forward(x: Tensor, dim: Dim, correction: float, keepdim: bool) -> Tensor:
        return torch.var(x, dim, correction=correction, keepdim=keepdim)

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Tensor, Dim, float, bool], output: Tensor) -> None:
        x, ctx.dim, correction, ctx.keepdim = inputs
        save(ctx, x)
        ctx.twice = _twice_over(_count(x.shape, ctx.dim) - correction)

    @staticmethod
    def backward(ctx: Any, dy: Tensor) -> tuple[Tensor, None, None, None]:
        (x,) = ctx.saved_tensors
        return dy.reshape(kept_dims(x.shape, ctx.dim)) * (ctx.twice * _centred(x, ctx.dim)), None, None, None

    @staticmethod
    def jvp(ctx: Any, x_t: Tensor, *_: None) -> Tensor:
        (x,) = ctx.saved_tensors
        return (x_t * (ctx.twice * _centred(x, ctx.dim).conj())).sum(ctx.dim, ctx.keepdim).real


class StdFunction(Formula):
    r"""Standard deviation, m being the mean and c the correction (1: unbiased, 0: of the sample as it is).

        forward    y    = (1/(n - c) sum of (x_i - m)^2)^(1/2)
        backward   dx_i = dy (x_i - m) / ((n - c) y)               0 where y = 0
        tangent    y'   = sum of x'_i (x_i - m) / ((n - c) y)      0 where y = 0

    Saves x and y.
    """

    opmath = False

    @staticmethod
    def forward(x: Tensor, dim: Dim, correction: float, keepdim: bool) -> Tensor:
        return torch.std(x, dim, correction=correction, keepdim=keepdim)

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Tensor, Dim, float, bool], output: Tensor) -> None:
        x, ctx.dim, correction, ctx.keepdim = inputs
        save(ctx, x, output)
        ctx.twice = _twice_over(_count(x.shape, ctx.dim) - correction)

    @staticmethod
    def backward(ctx: Any, dy: Tensor) -> tuple[Tensor, None, None, None]:
        x, y = ctx.saved_tensors
        dvar = torch.where(y == 0, 0.0, dy / (2 * y))
        return dvar.reshape(kept_dims(x.shape, ctx.dim)) * (ctx.twice * _centred(x, ctx.dim)), None, None, None

    @staticmethod
    def jvp(ctx: Any, x_t: Tensor, *_: None) -> Tensor:
        x, y = ctx.saved_tensors
        var_t = (x_t * (ctx.twice * _centred(x, ctx.dim).conj())).sum(ctx.dim, ctx.keepdim).real
        return torch.where(y == 0, 0.0, var_t / (2 * y))


class LogsumexpFunction(Formula):
    r"""Logarithm of the sum of exponentials.

        forward    y    = ln sum of e^x_i
        backward   dx_i = dy e^(x_i - y)                           the softmax of x
        tangent    y'   = sum of x'_i e^(x_i - y)

    Saves x and y.
    """

    complex = "holomorphic"

    @staticmethod
    def forward(x: Tensor, dim: int | tuple[int, ...] | list[int], keepdim: bool) -> Tensor:
        return torch.logsumexp(x, dim, keepdim)

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Tensor, Dim, bool], output: Tensor) -> None:
        x, ctx.dim, ctx.keepdim = inputs
        save(ctx, x, output)

    @staticmethod
    def backward(ctx: Any, dy: Tensor) -> tuple[Tensor, None, None]:
        x, y = ctx.saved_tensors
        kept = kept_dims(x.shape, ctx.dim)
        return dy.reshape(kept) * (x - y.reshape(kept)).exp(), None, None

    @staticmethod
    def jvp(ctx: Any, x_t: Tensor, *_: None) -> Tensor:
        x, y = ctx.saved_tensors
        return (x_t * (x - y.reshape(kept_dims(x.shape, ctx.dim))).exp()).sum(ctx.dim, ctx.keepdim)


class CumsumFunction(Formula):
    r"""Running sum along one dimension.

        forward    y_j  = sum of x_i, i <= j
        backward   dx_i = sum of dy_j, j >= i
        tangent    y'_j = sum of x'_i, i <= j

    Saves nothing.
    """

    autocast = "float32 on cuda"
    opmath = False

    @staticmethod
    def forward(x: Tensor, dim: int, dtype: torch.dtype | None) -> Tensor:
        return torch.cumsum(x, dim, dtype=dtype)

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Tensor, int, torch.dtype | None], output: Tensor) -> None:
        x, ctx.dim, ctx.dtype = inputs
        ctx.x_dtype = x.dtype

    @staticmethod
    def backward(ctx: Any, dy: Tensor) -> tuple[Tensor, None, None]:
        return dy.to(ctx.x_dtype).flip(ctx.dim).cumsum(ctx.dim).flip(ctx.dim), None, None

    @staticmethod
    def jvp(ctx: Any, x_t: Tensor, *_: None) -> Tensor:
        return torch.cumsum(x_t, ctx.dim, dtype=ctx.dtype)


def _count(shape: torch.Size, dim: Dim) -> int:
    """How many elements meet in one."""
    return math.prod(shape[d] for d in reduced(shape, dim))


def _twice_over(n: float) -> float:
    """`2 / n`, and infinite where so few elements have no variance."""
    return 2 / n if n > 0 else math.inf


def _centred(x: Tensor, dim: Dim) -> Tensor:
    return x - x.mean(reduced(x.shape, dim), keepdim=True)


def sum(input: Tensor, dim: Dim = None, keepdim: bool = False, *, dtype: torch.dtype | None = None) -> Tensor:
    """The sum of all elements, or of those along `dim`. Same values and gradients as `torch.sum`.

    >>> import torch
    >>> x = torch.zeros(2, 3, requires_grad=True)
    >>> (sum(x, 1) * torch.tensor([1.0, 2.0])).sum().backward()
    >>> x.grad
    tensor([[1., 1., 1.],
            [2., 2., 2.]])
    """
    return call(SumFunction, input, dim, keepdim, dtype)


def mean(input: Tensor, dim: Dim = None, keepdim: bool = False, *, dtype: torch.dtype | None = None) -> Tensor:
    """The mean of all elements, or of those along `dim`. Same values and gradients as `torch.mean`.

    >>> import torch
    >>> x = torch.zeros(4, requires_grad=True)
    >>> mean(x).backward()
    >>> x.grad
    tensor([0.2500, 0.2500, 0.2500, 0.2500])
    """
    return call(MeanFunction, input, dim, keepdim, dtype)


def var(input: Tensor, dim: Dim = None, *, correction: float | None = 1, keepdim: bool = False) -> Tensor:
    """The variance of all elements, or of those along `dim`. Same values and gradients as `torch.var`.

    `correction` is subtracted from the number of elements: 1 for the unbiased variance, 0 for that of the sample.

    >>> import torch
    >>> var(torch.tensor([1.0, 2.0, 3.0]))
    tensor(1.)
    """
    return call(VarFunction, input, dim, 1 if correction is None else correction, keepdim)


def std(input: Tensor, dim: Dim = None, *, correction: float | None = 1, keepdim: bool = False) -> Tensor:
    """The standard deviation of all elements, or of those along `dim`. Same values and gradients as `torch.std`.

    `correction` is subtracted from the number of elements: 1 for the unbiased variance, 0 for that of the sample.

    >>> import torch
    >>> std(torch.tensor([1.0, 2.0, 3.0]))
    tensor(1.)
    """
    return call(StdFunction, input, dim, 1 if correction is None else correction, keepdim)


def logsumexp(input: Tensor, dim: int | tuple[int, ...] | list[int], keepdim: bool = False) -> Tensor:
    """`log(sum(exp(input)))` along `dim`, without overflow. Same values and gradients as `torch.logsumexp`.

    >>> import torch
    >>> x = torch.zeros(4, requires_grad=True)
    >>> logsumexp(x, 0).backward()
    >>> x.grad
    tensor([0.2500, 0.2500, 0.2500, 0.2500])
    """
    return call(LogsumexpFunction, input, dim, keepdim)


def cumsum(input: Tensor, dim: int, *, dtype: torch.dtype | None = None) -> Tensor:
    """The running sum along `dim`. Same values and gradients as `torch.cumsum`.

    >>> import torch
    >>> x = torch.zeros(3, requires_grad=True)
    >>> cumsum(x, 0).sum().backward()
    >>> x.grad
    tensor([3., 2., 1.])
    """
    return call(CumsumFunction, input, dim, dtype)
