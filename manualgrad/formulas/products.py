r"""Products of many elements: prod, and the running product.

No element is divided by, so that the gradients are right where elements are 0: dx_i is made of the elements beside x_i.
Shapes: x (*) any shape, y as x without its dimension `dim`, with size 1 there, or as x.
Source: any calculus book, for the product rule; Hillis & Steele (1986), Data parallel algorithms, for the recurrence.
"""

from typing import Any

import torch
from torch import Tensor

from manualgrad.formula import Formula, call, save


class ProdFunction(Formula):
    r"""Product.

        forward    y    = product of x_i
        backward   dx_i = dy . product of x_j, j != i
        tangent    y'   = sum of x'_i . product of x_j, j != i

    Saves x.
    """

    complex = "holomorphic"
    autocast = "float32"

    @staticmethod
    def forward(x: Tensor, dim: int | None, keepdim: bool, dtype: torch.dtype | None) -> Tensor:
        return torch.prod(x, dtype=dtype) if dim is None else torch.prod(x, dim, keepdim, dtype=dtype)

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Tensor, int | None, bool, torch.dtype | None], output: Tensor) -> None:
        x, ctx.dim, ctx.keepdim, ctx.dtype = inputs
        save(ctx, x)

    @staticmethod
    def backward(ctx: Any, dy: Tensor) -> tuple[Tensor, None, None, None]:
        (x,) = ctx.saved_tensors
        if ctx.dim is not None and not ctx.keepdim and x.dim():
            dy = dy.unsqueeze(ctx.dim)
        return (dy * _others(x.to(dy.dtype), ctx.dim)).to(x.dtype), None, None, None

    @staticmethod
    def jvp(ctx: Any, x_t: Tensor, *_: None) -> Tensor:
        (x,) = ctx.saved_tensors
        moved = x_t * _others(x if ctx.dtype is None else x.to(ctx.dtype), ctx.dim)
        return moved.sum() if ctx.dim is None else moved.sum(ctx.dim, ctx.keepdim)


class CumprodFunction(Formula):
    r"""Running product along one dimension.

        forward    y_j  = product of x_k, k <= j
        backward   dx_i = y_(i-1) s_i,  s_i = dy_i + x_(i+1) s_(i+1)      s_i is the sum of dy_j x_(i+1) ... x_j, j >= i
        tangent    y'_j = x_j y'_(j-1) + x'_j y_(j-1)

    Saves x and y.
    """

    complex = "holomorphic"
    autocast = "float32 on cuda"

    @staticmethod
    def forward(x: Tensor, dim: int, dtype: torch.dtype | None) -> Tensor:
        return torch.cumprod(x, dim, dtype=dtype)

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Tensor, int, torch.dtype | None], output: Tensor) -> None:
        x, ctx.dim, _ = inputs
        save(ctx, x, output)

    @staticmethod
    def backward(ctx: Any, dy: Tensor) -> tuple[Tensor, None, None]:
        x, y = ctx.saved_tensors
        if not x.dim():
            return dy.to(x.dtype), None, None
        factors = _shifted(x.to(dy.dtype).flip(ctx.dim), ctx.dim)
        s = _recurrence(factors, dy.flip(ctx.dim), ctx.dim).flip(ctx.dim)
        return (_shifted(y, ctx.dim) * s).to(x.dtype), None, None

    @staticmethod
    def jvp(ctx: Any, x_t: Tensor, *_: None) -> Tensor:
        x, y = ctx.saved_tensors
        if not x.dim():
            return x_t.to(y.dtype)
        return _recurrence(x.to(y.dtype), x_t * _shifted(y, ctx.dim), ctx.dim)


def _shifted(x: Tensor, dim: int) -> Tensor:
    """Every element one place further along `dim`, the last left out, and a 1 in front."""
    if not x.shape[dim]:
        return x
    return torch.cat([torch.ones_like(x.narrow(dim, 0, 1)), x.narrow(dim, 0, x.shape[dim] - 1)], dim)


def _others(x: Tensor, dim: int | None) -> Tensor:
    """For each element the product of the others along `dim`: of those before it, times of those behind it."""
    if not x.dim():
        return torch.ones_like(x)
    if dim is None:
        return _others(x.reshape(-1), 0).reshape(x.shape)
    before = _shifted(x, dim).cumprod(dim)
    return before * _shifted(x.flip(dim), dim).cumprod(dim).flip(dim)


def _recurrence(a: Tensor, b: Tensor, dim: int) -> Tensor:
    """The s with s_i = b_i + a_i s_(i-1) along `dim`, all at once: each round doubles how far back s_i reaches."""
    reach, size = 1, b.shape[dim]
    while reach < size:
        first_a, first_b = a.narrow(dim, 0, reach), b.narrow(dim, 0, reach)
        rest = a.narrow(dim, reach, size - reach)
        b = torch.cat([first_b, b.narrow(dim, reach, size - reach) + rest * b.narrow(dim, 0, size - reach)], dim)
        a = torch.cat([first_a, rest * a.narrow(dim, 0, size - reach)], dim)
        reach *= 2
    return b


def prod(input: Tensor, dim: int | None = None, keepdim: bool = False, *, dtype: torch.dtype | None = None) -> Tensor:
    """The product of all elements, or of those along `dim`. Same values and gradients as `torch.prod`.

    >>> import torch
    >>> x = torch.tensor([2.0, 0.0, 3.0], requires_grad=True)
    >>> prod(x).backward()
    >>> x.grad
    tensor([0., 6., 0.])
    """
    return call(ProdFunction, input, dim, keepdim, dtype)


def cumprod(input: Tensor, dim: int, *, dtype: torch.dtype | None = None) -> Tensor:
    """The running product along `dim`. Same values and gradients as `torch.cumprod`.

    >>> import torch
    >>> x = torch.tensor([2.0, 0.0, 3.0], requires_grad=True)
    >>> cumprod(x, 0).sum().backward()
    >>> x.grad
    tensor([1., 8., 0.])
    """
    return call(CumprodFunction, input, dim, dtype)
