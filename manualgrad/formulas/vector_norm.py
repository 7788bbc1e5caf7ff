r"""Vector norm, of all elements or of those along some dimensions.

    forward    y    = (sum of |x_i|^p)^(1/p)
    backward   dx_i = dy sign(x_i) (|x_i| / y)^(p-1)
    tangent    y'   = sum of x'_i sign(x_i) (|x_i| / y)^(p-1)

For p = inf, y is the largest |x_i|, for -inf the smallest, and dy is shared among the x_i of that size; for p = 0, y is
the number of x_i that are not 0, and dx is 0.
Where y = 0 there is no derivative, nor is there where x_i = 0 for p < 1; torch and we say 0.
Shapes: x (*) any shape, y as x without its dimensions `dim`, or with size 1 there. Saves x and y.
Source: Petersen & Pedersen (2012), The matrix cookbook, sec. 2.6.1 and 10.3; the convention at 0 is torch's.
"""

from typing import Any

import torch
from torch import Tensor

from manualgrad.formula import Formula, call, gated, norm_slope, save
from manualgrad.parts.dims import Dim


class VectorNormFunction(Formula):
    autocast = "float32 on cuda"

    @staticmethod
    def forward(x: Tensor, p: float, dim: Dim, keepdim: bool, dtype: torch.dtype | None) -> Tensor:
        return torch.linalg.vector_norm(x, p, dim, keepdim, dtype=dtype)

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Tensor, float, Dim, bool, torch.dtype | None], output: Tensor) -> None:
        x, ctx.p, dim, ctx.keepdim, ctx.dtype = inputs
        save(ctx, x, output)
        every = tuple(range(x.dim()))
        ctx.dim = every if dim is None else (dim,) if isinstance(dim, int) else tuple(dim)
        reduced = [d % x.dim() for d in ctx.dim] if x.dim() else []
        ctx.kept = [1 if d in reduced else n for d, n in enumerate(x.shape)]

    @staticmethod
    def backward(ctx: Any, dy: Tensor) -> tuple[Tensor, None, None, None, None]:
        x, y = ctx.saved_tensors
        dx = gated(dy, y).reshape(ctx.kept) * _slope(ctx, x, y)
        return dx.to(x.dtype), None, None, None, None

    @staticmethod
    def jvp(ctx: Any, x_t: Tensor, *_: None) -> Tensor:
        x, y = ctx.saved_tensors
        slope = _slope(ctx, x, y)
        return (slope.conj() * x_t).real.sum(ctx.dim, ctx.keepdim)


def _slope(ctx: Any, x: Tensor, y: Tensor) -> Tensor:
    return norm_slope(x if ctx.dtype is None else x.to(ctx.dtype), y.reshape(ctx.kept), ctx.p, ctx.dim)


def vector_norm(
    input: Tensor, ord: float = 2, dim: Dim = None, keepdim: bool = False, *, dtype: torch.dtype | None = None
) -> Tensor:
    """The norm `sum(abs(input)**ord)**(1/ord)` of all elements, or of those along `dim`; for every real `ord`.

    Same values and gradients as `torch.linalg.vector_norm`: `dtype` is what the sum is computed in and what comes out,
    IndexError for a dimension that is not there. `torch.norm` is spelled by it too.

    >>> import torch
    >>> x = torch.tensor([3.0, 4.0], requires_grad=True)
    >>> y = vector_norm(x)
    >>> y.backward()
    >>> y.item(), x.grad
    (5.0, tensor([0.6000, 0.8000]))
    """
    return call(VectorNormFunction, input, ord, dim, keepdim, dtype)
