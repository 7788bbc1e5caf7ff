r"""Division by a norm: vectors are brought to length 1.

    forward    y   = x / n                                n = max(||x||_p, eps), the norm along `dim`
    backward   dx  = dy / n - u sum(dy y) / n             u = d||x||_p / dx where ||x||_p >= eps,  else 0
    tangent    y'  = x' / n - y sum(u x') / n

    u_i = sign(x_i) (|x_i| / ||x||_p)^(p - 1)             x / ||x|| for p = 2, the sign for p = 1;
                                                          for p = inf the sign of the largest, shared among several

Where the norm has no derivative u is 0, as in torch: at x = 0, and where an element is 0 for p <= 1.
Shapes: x, y (*) any shape; the sums run over `dim`, one dimension or several. Saves x only.
Source: the slope of a norm, e.g. Petersen & Pedersen (2012), The matrix cookbook, section 2.6 and 10.
"""

import math
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F

from manualgrad.formula import Formula, call, gated, save


class NormalizeFunction(Formula):
    @staticmethod
    def forward(x: Tensor, p: float, dim: int | tuple[int, ...], eps: float) -> Tensor:
        return F.normalize(x, p, dim, eps)  # type: ignore[arg-type]  # several dimensions are documented

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Any, ...], output: Tensor) -> None:
        save(ctx, inputs[0])
        _, ctx.p, ctx.dim, ctx.eps = inputs

    @staticmethod
    def backward(ctx: Any, dy: Tensor) -> tuple[Tensor | None, ...]:
        (x,) = ctx.saved_tensors
        y, n, u, moves = _parts(x, ctx.p, ctx.dim, ctx.eps)
        return (dy - u * gated((dy * y.conj()).real.sum(ctx.dim, keepdim=True), moves)) / n, None, None, None

    @staticmethod
    def jvp(ctx: Any, x_t: Tensor, *_: None) -> Tensor:
        (x,) = ctx.saved_tensors
        y, n, u, moves = _parts(x, ctx.p, ctx.dim, ctx.eps)
        return (x_t - y * gated((u.conj() * x_t).real.sum(ctx.dim, keepdim=True), moves)) / n


def _parts(x: Tensor, p: float, dim: int | tuple[int, ...], eps: float) -> tuple[Tensor, ...]:
    """y, n, u where the norm is not below eps, and whether it is not, so that n moves."""
    norm = torch.linalg.vector_norm(x, p, dim, keepdim=True)
    n = norm.clamp_min(eps)
    y = x / n
    moves = norm >= eps
    if p == 2:
        return y, n, y, moves
    if p == 0:
        return y, n, torch.zeros_like(x), torch.zeros_like(moves)
    if math.isinf(p):
        largest = (x.abs() == norm).to(x.dtype)
        slope = largest / largest.sum(dim, keepdim=True)
    else:
        slope = y.abs().pow(p - 1)
        slope = slope if p > 1 else slope.masked_fill(x == 0, 0)
    return y, n, torch.sgn(x) * slope, moves


def normalize(
    input: Tensor, p: float = 2.0, dim: int | tuple[int, ...] = 1, eps: float = 1e-12, out: Tensor | None = None
) -> Tensor:
    """`input / max(norm, eps)`, with the p-norm along `dim`; as `torch.nn.functional.normalize`.

    input (*) any shape; `dim` may be several dimensions. With `out` the result is written there, without a gradient.
    Raises IndexError for a dim out of range, RuntimeError for `out` where a gradient would be needed.

    >>> import torch
    >>> x = torch.tensor([[3.0, 4.0]], requires_grad=True)
    >>> y = normalize(x)
    >>> y.detach()
    tensor([[0.6000, 0.8000]])
    >>> y[0, 0].backward()
    >>> x.grad
    tensor([[ 0.1280, -0.0960]])
    """
    if out is not None:
        return F.normalize(input, p, dim, eps, out)  # type: ignore[arg-type]  # torch refuses a gradient here
    return call(NormalizeFunction, input, p, dim, eps)
