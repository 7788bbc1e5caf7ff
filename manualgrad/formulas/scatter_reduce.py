r"""Values brought together with elements, each by its own number along one dimension, and reduced to one.

    forward    y_ik  = sum, mean, product, largest or smallest of x_ik and all v_jk where i(j,k) = i
    backward   dx_ik = dy_ik s_ik,  dv_jk = dy_i(j,k)k t_jk
    tangent    y'_ik = x'_ik s_ik + sum of v'_jk t_jk where i(j,k) = i

The slopes s and t are 1 for a sum and 1 / n for a mean of n; for a product they are the product of the others; for the
largest or smallest 1 / n where the element or the value is y, n of them, and 0 elsewhere. An element that is not to be
included has the slope 0 where a value comes in its place. Second derivatives of a product at elements that are 0 lack
the terms of those.

Shapes: x, y (*); v no smaller than the index. Saves x, v and y, of which a sum and a mean need none, and the index.
Source: any calculus book; the subgradients at ties are torch's.
"""

from typing import Any

import torch
from torch import Tensor

from manualgrad.formula import Formula, call, gated, save
from manualgrad.public import public


class ScatterReduceFunction(Formula):
    complex = "refused"

    @staticmethod
    def forward(x: Tensor, v: Tensor, dim: int, index: Tensor, how: str, includes_x: bool) -> Tensor:
        return torch.scatter_reduce(x, dim, index, v, how, include_self=includes_x)

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Any, ...], output: Tensor) -> None:
        x, v, ctx.dim, index, ctx.how, ctx.includes_x = inputs
        needed = ctx.how not in ("sum", "mean")
        save(ctx, index, *((x, v, output) if needed else (None, None, None)))
        ctx.shape, ctx.v_shape = x.shape, v.shape

    @staticmethod
    def backward(ctx: Any, dy: Tensor) -> tuple[Tensor, Tensor, None, None, None, None]:
        index, *saved = ctx.saved_tensors
        s, t = _slopes(ctx, dy, index, *saved)
        dx, dv = gated(dy * s, s.abs()), gated(dy.gather(ctx.dim, index) * t, t.abs())
        if dv.shape != ctx.v_shape:
            dv = torch.nn.functional.pad(
                dv, [n for a, b in zip(ctx.v_shape, dv.shape, strict=True) for n in (a - b, 0)][::-1]
            )
        return dx, dv, None, None, None, None

    @staticmethod
    def jvp(ctx: Any, x_t: Tensor | None, v_t: Tensor | None, *_: None) -> Tensor:
        index, *saved = ctx.saved_tensors
        moving: Any = x_t if x_t is not None else v_t
        s, t = _slopes(ctx, moving, index, *saved)
        y_t = moving.new_zeros(ctx.shape) if x_t is None else x_t * s
        return y_t if v_t is None else y_t.scatter_add(ctx.dim, index, _cut(v_t, index) * t)


def _slopes(ctx: Any, like: Any, index: Tensor, x: Any, v: Any, y: Any) -> tuple[Any, Any]:
    """The slopes of y with respect to x and, in the shape of the index, to the values."""
    dim, ones = ctx.dim, like.new_ones(index.shape)
    kept = like.new_ones(ctx.shape)
    if not ctx.includes_x:
        kept = kept.scatter(dim, index, 0)
    if ctx.how == "sum":
        return kept, ones
    if ctx.how == "mean":
        n = kept.scatter_add(dim, index, ones).clamp(min=1)
        return kept / n, 1 / n.gather(dim, index)
    v = _cut(v, index)
    if ctx.how == "prod":
        return _prod_slopes(dim, index, x, v, kept)
    s, t = (x == y).to(y.dtype), (v == y.gather(dim, index)).to(y.dtype)
    n = s.scatter_add(dim, index, t)
    return s * kept / n, t / n.gather(dim, index)


def _prod_slopes(dim: int, index: Tensor, x: Tensor, v: Tensor, kept: Tensor) -> tuple[Tensor, Tensor]:
    """The product of all the others: that of those that are not 0, and 0 where one of the others is."""
    here = x * kept + (1 - kept)  # 1 where x does not count
    zeros = (here == 0).to(x.dtype).scatter_add(dim, index, (v == 0).to(x.dtype))
    product = torch.where(here == 0, 1, here).scatter_reduce(dim, index, torch.where(v == 0, 1, v), "prod")

    def others(own: Tensor, zeros: Tensor, product: Tensor) -> Tensor:
        is_zero = own == 0
        return product / own.masked_fill(is_zero, 1) * (zeros == is_zero.to(zeros.dtype)).to(product.dtype)

    return others(here, zeros, product) * kept, others(v, zeros.gather(dim, index), product.gather(dim, index))


def _cut(v: Tensor, index: Tensor) -> Tensor:
    return v if v.shape == index.shape else v[tuple(slice(n) for n in index.shape)]


@public
def scatter_reduce(
    input: Tensor, dim: int, index: Tensor, src: Tensor, reduce: str, *, include_self: bool = True
) -> Tensor:
    """`input` with each value of `src` brought to the place along `dim` that `index` tells, and reduced there to one.

    reduce is "sum", "prod", "mean", "amax" or "amin"; without include_self, `input` does not count where a value comes.
    Same values and gradients as `torch.scatter_reduce`. Raises RuntimeError for another word.

    >>> import torch
    >>> v = torch.tensor([1.0, 3.0, 5.0], requires_grad=True)
    >>> y = scatter_reduce(torch.zeros(2), 0, torch.tensor([0, 0, 1]), v, "mean", include_self=False)
    >>> y.sum().backward()
    >>> y.detach(), v.grad
    (tensor([2., 5.]), tensor([0.5000, 0.5000, 1.0000]))
    """
    return call(ScatterReduceFunction, input, src, dim, index, reduce, include_self)
