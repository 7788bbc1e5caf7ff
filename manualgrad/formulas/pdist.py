r"""Distances of all pairs of rows, in the p-norm.

    forward    y_ij = |x_i - x_j|_p                                     for i < j
    backward   dx_i = sum_j dy_ij sign(e) (|e| / y_ij)^(p-1),  e = x_i - x_j
    tangent    y_ij' = (x_i' - x_j') . sign(e) (|e| / y_ij)^(p-1)

Where y_ij is 0, and where e is for p < 1, the slope is 0. For p = inf each entry of the largest size has slope
sign(e), as in torch, and for p = 0, which counts entries, the slope is 0.

Shapes: x (N, D), y (N (N - 1) / 2), in the order (0, 1), (0, 2), ... Saves x and y.
Source: Boyd & Vandenberghe (2004), Convex Optimization, appendix A.1.2.
"""

from typing import Any

import torch
from torch import Tensor

from manualgrad.formula import Formula, call, gated, norm_slope, save


class PdistFunction(Formula):
    autocast = "float32 on cuda"

    @staticmethod
    def forward(x: Tensor, p: float) -> Tensor:
        return torch.pdist(x, p)

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Tensor, float], output: Tensor) -> None:
        x, ctx.p = inputs
        save(ctx, x, output)

    @staticmethod
    def backward(ctx: Any, dy: Tensor) -> tuple[Tensor, None]:
        x, y = ctx.saved_tensors
        i, j = torch.triu_indices(len(x), len(x), 1, device=x.device)
        empty, dy = x.new_zeros(len(x), len(x)), gated(dy, y) if ctx.p else torch.zeros_like(dy)
        if ctx.p == 2:  # sign(e) (|e| / y) = e / y: the division is cheapest here
            dy = dy / y.masked_fill(y == 0, 1)
        dy = empty.index_put((i, j), dy)
        slope = x.unsqueeze(1) - x
        if ctx.p != 2:
            y = empty.index_put((i, j), y)
            slope = _slope(slope, y + y.t(), ctx.p)
        return torch.matmul((dy + dy.t()).unsqueeze(1), slope).squeeze(1), None

    @staticmethod
    def jvp(ctx: Any, x_t: Tensor, _: None) -> Tensor:
        x, y = ctx.saved_tensors
        i, j = torch.triu_indices(len(x), len(x), 1, device=x.device)
        return (_slope(x[i] - x[j], y, ctx.p) * (x_t[i] - x_t[j])).sum(-1)


def _slope(e: Tensor, y: Tensor, p: float) -> Tensor:
    y = y.unsqueeze(-1)
    return e.sign() * (e.abs() == y) if p == float("inf") else norm_slope(e, y, p)


def pdist(input: Tensor, p: float = 2.0) -> Tensor:
    """p-norm distances of all pairs of rows. Same values and gradients as `torch.nn.functional.pdist`.

    input (N, D) gives (N (N - 1) / 2), in the order (0, 1), (0, 2), ... Raises RuntimeError for another number of
    dimensions and for a negative p.

    >>> import torch
    >>> x = torch.tensor([[0.0, 0.0], [3.0, 4.0]], requires_grad=True)
    >>> y = pdist(x)
    >>> y.backward()
    >>> y.item(), x.grad
    (5.0, tensor([[-0.6000, -0.8000],
            [ 0.6000,  0.8000]]))
    """
    return call(PdistFunction, input, p)
