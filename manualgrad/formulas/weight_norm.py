r"""Weight normalisation: a weight as a length times a direction.

    forward    w  = g u                             u = v / n, n = ||v|| over all dimensions but `dim`
    backward   dg = sum(dw u)
               dv = g / n (dw - u sum(dw u))        across the direction only: the length of v does not matter
    tangent    w' = g' u + g / n (v' - u sum(u v'))

Shapes: v, w any shape; g that of v with every size but that of `dim` 1, or, with dim -1, one number for all of v.
Saves v and g: n is one cheap sum again.
Source: Salimans & Kingma (2016), Weight normalization, eqs. 2 and 3.
"""

from typing import Any

import torch
from torch import Tensor

from manualgrad.formula import Formula, call, save


class WeightNormFunction(Formula):
    complex = "refused"

    @staticmethod
    def forward(v: Tensor, g: Tensor, dim: int) -> Tensor:
        return torch._weight_norm(v, g, dim)

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Tensor, Tensor, int], output: Tensor) -> None:
        v, g, dim = inputs
        save(ctx, v, g)
        ctx.over = [d for d in range(v.dim()) if dim == -1 or d != dim]

    @staticmethod
    def backward(ctx: Any, dw: Tensor) -> tuple[Tensor | None, Tensor | None, None]:
        v, g = ctx.saved_tensors
        n, u = _norm_and_direction(v, ctx.over)
        along = _sum(dw * u, ctx.over)
        dv = g / n * (dw - u * along) if ctx.needs_input_grad[0] else None
        return dv, along.reshape(g.shape) if ctx.needs_input_grad[1] else None, None

    @staticmethod
    def jvp(ctx: Any, v_t: Tensor | None, g_t: Tensor | None, _: None) -> Tensor:
        v, g = ctx.saved_tensors
        n, u = _norm_and_direction(v, ctx.over)
        w_t: Any = 0 if g_t is None else g_t * u
        if v_t is not None:
            w_t = w_t + g / n * (v_t - u * _sum(u * v_t, ctx.over))
        return w_t


def _norm_and_direction(v: Tensor, over: list[int]) -> tuple[Tensor, Tensor]:
    n = _sum(v.square(), over).sqrt()
    return n, v / n


def _sum(x: Tensor, over: list[int]) -> Tensor:
    """The sum over the given dimensions; torch takes an empty list for all of them."""
    return x.sum(over, keepdim=True) if over else x


def weight_norm(v: Tensor, g: Tensor, dim: int = 0) -> Tensor:
    """`g * v / ||v||`, the norm over all dimensions but `dim`, or with dim -1 over all; as `torch._weight_norm`.

    v any shape, g of size 1 in every dimension but `dim`. Raises RuntimeError where the shapes do not fit.

    >>> import torch
    >>> v, g = torch.tensor([[3.0, 4.0]], requires_grad=True), torch.tensor([[10.0]])
    >>> w = weight_norm(v, g)
    >>> w.detach()
    tensor([[6., 8.]])
    >>> w[0, 0].backward()
    >>> v.grad
    tensor([[ 1.2800, -0.9600]])
    """
    return call(WeightNormFunction, v, g, dim)
