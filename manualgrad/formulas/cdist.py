r"""Distances of all pairs of rows of two matrices, in the p-norm.

    forward    y_ij = |e|_p,  e = x1_i - x2_j
    backward   dx1_i = sum_j dy_ij sign(e) (|e| / y_ij)^(p-1),  dx2_j = -sum_i of the same
    tangent    y_ij' = (x1_i' - x2_j') . sign(e) (|e| / y_ij)^(p-1)

Where y_ij is 0, and where e is for p < 1, the slope is 0. For p = inf each entry of the largest size has slope
sign(e), as in torch, and for p = 0, which counts entries, the slope is 0. For p = 2 the slope is e / y_ij, and the sums
are matrix products: no tensor of all pairs and all entries is needed.

Shapes: x1 (..., N, D), x2 (..., M, D), y (..., N, M); the leading dimensions broadcast. Saves x1, x2 and y.
Source: Boyd & Vandenberghe (2004), Convex Optimization, appendix A.1.2.
"""

from typing import Any

import torch
from torch import Tensor

from manualgrad.formula import Formula, call, gated, norm_slope, save, unbroadcast


class CdistFunction(Formula):
    autocast = "float32"

    @staticmethod
    def forward(x1: Tensor, x2: Tensor, p: float, compute_mode: str) -> Tensor:
        return torch.cdist(x1, x2, p, compute_mode)

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Tensor, Tensor, float, str], output: Tensor) -> None:
        x1, x2, ctx.p, _ = inputs
        save(ctx, x1, x2, output)

    @staticmethod
    def backward(ctx: Any, dy: Tensor) -> tuple[Tensor | None, Tensor | None, None, None]:
        x1, x2, y = ctx.saved_tensors
        needs_x1, needs_x2, *_ = ctx.needs_input_grad
        dx1 = dx2 = None
        dy = gated(dy, y) if ctx.p else torch.zeros_like(dy)
        if ctx.p == 2:
            d = dy / y.masked_fill(y == 0, torch.inf)
            if needs_x1:
                dx1 = d.sum(-1, keepdim=True) * x1 - d @ x2
            if needs_x2:
                dx2 = d.sum(-2).unsqueeze(-1) * x2 - d.mT @ x1
        else:
            de = dy.unsqueeze(-1) * _slope(x1, x2, y, ctx.p)
            dx1, dx2 = de.sum(-2) if needs_x1 else None, -de.sum(-3) if needs_x2 else None
        dx1 = None if dx1 is None else unbroadcast(dx1, x1.shape)
        return dx1, None if dx2 is None else unbroadcast(dx2, x2.shape), None, None

    @staticmethod
    def jvp(ctx: Any, x1_t: Tensor | None, x2_t: Tensor | None, *_: None) -> Tensor:
        x1, x2, y = ctx.saved_tensors
        slope = _slope(x1, x2, y, ctx.p)
        y_t = torch.zeros_like(y)
        if x1_t is not None:
            y_t = y_t + (slope @ x1_t.unsqueeze(-1)).squeeze(-1)
        if x2_t is not None:
            y_t = y_t - (slope * x2_t.unsqueeze(-3)).sum(-1)
        return y_t


def _slope(x1: Tensor, x2: Tensor, y: Tensor, p: float) -> Tensor:
    e, y = x1.unsqueeze(-2) - x2.unsqueeze(-3), y.unsqueeze(-1)
    return e.sign() * (e.abs() == y) if p == float("inf") else norm_slope(e, y, p)


def cdist(x1: Tensor, x2: Tensor, p: float = 2.0, compute_mode: str = "use_mm_for_euclid_dist_if_necessary") -> Tensor:
    """p-norm distances of every row of x1 to every row of x2. Same values and gradients as `torch.cdist`.

    x1 (..., N, D) and x2 (..., M, D) give (..., N, M). `compute_mode` is torch's, for the Euclidean distance of many
    rows. Raises RuntimeError for rows of different lengths and for a negative p.

    >>> import torch
    >>> x = torch.tensor([[3.0, 4.0]], requires_grad=True)
    >>> y = cdist(x, torch.zeros(1, 2))
    >>> y.backward()
    >>> y.item(), x.grad
    (5.0, tensor([[0.6000, 0.8000]]))
    """
    return call(CdistFunction, x1, x2, p, compute_mode)
