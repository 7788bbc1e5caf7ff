r"""Putting values into a tensor by number: scatter, scatter_add, index_add.

    forward    y  = x, but values put at, or added to, the places that the index says
    backward   dx = dy, 0 where a value replaced x;  the gradient of a value is dy at its place
    tangent    y' = x', but the tangents of the values put or added likewise

Shapes: x, y (*); the index says, for each place of the source or for each of its slices, where along `dim` it goes.
Saves the index.
Source: the transpose of a matrix of zeros and ones; torch's convention where several values replace one element: each
of them receives its gradient.
"""

from typing import Any

import torch
from torch import Tensor

from manualgrad.formula import Formula, call, save
from manualgrad.public import public


class ScatterFunction(Formula):
    r"""A copy with elements replaced, each by its own number along one dimension.

        forward    y    = x, but y_i(j,k)k = v_jk
        backward   dx   = dy, but dx_i(j,k)k = 0;  dv_jk = dy_i(j,k)k
        tangent    y'   = x', but y'_i(j,k)k = v'_jk

    Shapes: v is a number, or a tensor no smaller than the index. Saves the index.
    """

    opmath = False

    @staticmethod
    def forward(x: Tensor, dim: int, index: Tensor, src: Any) -> Tensor:
        return torch.scatter(x, dim, index, src)

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Tensor, int, Tensor, Any], output: Tensor) -> None:
        _, ctx.dim, index, src = inputs
        save(ctx, index)
        ctx.src_shape = src.shape if isinstance(src, Tensor) else None
        ctx.shape, ctx.dtype = output.shape, output.dtype

    @staticmethod
    def backward(ctx: Any, dy: Tensor) -> tuple[Tensor | None, None, None, Tensor | None]:
        (index,) = ctx.saved_tensors
        needs_x, _, _, needs_src = ctx.needs_input_grad
        dx = dy.scatter(ctx.dim, index, 0) if needs_x else None
        return dx, None, None, _gathered(dy, ctx.dim, index, ctx.src_shape) if needs_src else None

    @staticmethod
    def jvp(ctx: Any, x_t: Tensor | None, _: None, index_t: None, src_t: Any) -> Tensor:
        (index,) = ctx.saved_tensors
        if x_t is None:
            x_t = src_t.new_zeros(ctx.shape, dtype=ctx.dtype)
        return x_t.scatter(ctx.dim, index, 0) if src_t is None else x_t.scatter(ctx.dim, index, src_t)


class ScatterAddFunction(Formula):
    r"""Values added to elements, each by its own number along one dimension.

        forward    y_ik  = x_ik + sum of v_jk where i(j,k) = i
        backward   dx    = dy,  dv_jk = dy_i(j,k)k
        tangent    y'_ik = x'_ik + sum of v'_jk where i(j,k) = i

    Shapes: v no smaller than the index. Saves the index.
    """

    autocast = "promote on cuda"
    opmath = False

    @staticmethod
    def forward(x: Tensor, dim: int, index: Tensor, src: Tensor) -> Tensor:
        return torch.scatter_add(x, dim, index, src)

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Tensor, int, Tensor, Tensor], output: Tensor) -> None:
        _, ctx.dim, index, src = inputs
        save(ctx, index)
        ctx.src_shape, ctx.shape = src.shape, output.shape

    @staticmethod
    def backward(ctx: Any, dy: Tensor) -> tuple[Tensor | None, None, None, Tensor | None]:
        (index,) = ctx.saved_tensors
        needs_x, _, _, needs_src = ctx.needs_input_grad
        dsrc = _gathered(dy, ctx.dim, index, ctx.src_shape) if needs_src else None
        return dy if needs_x else None, None, None, dsrc

    @staticmethod
    def jvp(ctx: Any, x_t: Any, _: None, index_t: None, src_t: Tensor | None) -> Tensor:
        (index,) = ctx.saved_tensors
        if src_t is None:
            return x_t.clone()
        x_t = src_t.new_zeros(ctx.shape) if x_t is None else x_t
        return x_t.scatter_add(ctx.dim, index, src_t)


class IndexAddFunction(Formula):
    r"""Slices added to slices, by number.

        forward    y_i  = x_i + alpha sum of v_j where i(j) = i
        backward   dx   = dy,  dv_j = alpha dy_i(j)
        tangent    y'_i = x'_i + alpha sum of v'_j where i(j) = i

    Shapes: index (m), v as x with size m at `dim`. Saves the index.
    """

    complex = "holomorphic"
    opmath = False

    @staticmethod
    def forward(x: Tensor, dim: int, index: Tensor, source: Tensor, alpha: float) -> Tensor:
        return torch.index_add(x, dim, index, source, alpha=alpha)

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Tensor, int, Tensor, Tensor, float], output: Tensor) -> None:
        _, ctx.dim, index, source, ctx.alpha = inputs
        save(ctx, index)
        ctx.source_shape, ctx.shape = source.shape, output.shape

    @staticmethod
    def backward(ctx: Any, dy: Tensor) -> tuple[Tensor | None, None, None, Tensor | None, None]:
        (index,) = ctx.saved_tensors
        needs_x, _, _, needs_source, _ = ctx.needs_input_grad
        dsource = None
        if needs_source:
            dsource = dy.index_select(ctx.dim, index).reshape(ctx.source_shape) * ctx.alpha
        return dy if needs_x else None, None, None, dsource, None

    @staticmethod
    def jvp(ctx: Any, x_t: Any, _: None, index_t: None, source_t: Tensor | None, alpha_t: None) -> Tensor:
        (index,) = ctx.saved_tensors
        if source_t is None:
            return x_t.clone()
        x_t = source_t.new_zeros(ctx.shape) if x_t is None else x_t
        return x_t.index_add(ctx.dim, index, source_t, alpha=ctx.alpha)


def _gathered(dy: Tensor, dim: int, index: Tensor, shape: torch.Size) -> Tensor:
    """The gradient of a source of `shape`, of which only what the index is as large as was used."""
    picked = dy.gather(dim, index)
    if picked.shape == shape:
        return picked
    room = [side for used, n in zip(picked.shape[::-1], shape[::-1], strict=True) for side in (0, n - used)]
    return torch.nn.functional.pad(picked, room)


@public
def scatter(input: Tensor, dim: int, index: Tensor, src: Tensor | float) -> Tensor:
    """A copy of `input` with `src` at the places of number `index` along `dim`. Same gradients as `torch.scatter`.

    `src` is a number, or a tensor no smaller than `index`. RuntimeError for numbers that are not there.

    >>> import torch
    >>> v = torch.tensor([[5.0], [7.0]], requires_grad=True)
    >>> y = scatter(torch.zeros(2, 3), 1, torch.tensor([[2], [0]]), v)
    >>> y.detach()
    tensor([[0., 0., 5.],
            [7., 0., 0.]])
    """
    return call(ScatterFunction, input, dim, index, src)


def scatter_add(input: Tensor, dim: int, index: Tensor, src: Tensor) -> Tensor:
    """`input` with `src` added at the places of number `index` along `dim`. Same gradients as `torch.scatter_add`.

    >>> import torch
    >>> scatter_add(torch.zeros(3), 0, torch.tensor([0, 2, 2]), torch.tensor([1.0, 2.0, 3.0]))
    tensor([1., 0., 5.])
    """
    return call(ScatterAddFunction, input, dim, index, src)


def index_add(input: Tensor, dim: int, index: Tensor, source: Tensor, *, alpha: float = 1) -> Tensor:
    """`input` with `alpha * source` added to the slices of number `index` along `dim`. Same as `torch.index_add`.

    >>> import torch
    >>> v = torch.ones(2, 2, requires_grad=True)
    >>> index_add(torch.zeros(3, 2), 0, torch.tensor([2, 2]), v, alpha=3).sum().backward()
    >>> v.grad.unique()
    tensor([3.])
    """
    return call(IndexAddFunction, input, dim, index, source, alpha)
