r"""Distance between vectors, in the p-norm.

    forward    y   = (sum_k |e_k|^p)^(1/p),  e = x1 - x2 + eps
    backward   dx1 = dy sign(e) (|e| / y)^(p-1)
               dx2 = -dx1
    tangent    y'  = (x1' - x2') . sign(e) (|e| / y)^(p-1)

Where y is 0, and where e is for p < 1, the slope is 0. For p = inf it is shared out among the entries of the largest
size, and for p = 0, which counts entries, it is 0.

Shapes: x1, x2 (*, D), which broadcast together; y (*) or, with keepdim, (*, 1). Saves e and y. The formula returns e
too, so that what is saved is an output, and second derivatives see where it is from.
Source: Boyd & Vandenberghe (2004), Convex Optimization, appendix A.1.2.
"""

from typing import Any

import torch
from torch import Tensor, nn

from manualgrad.formula import Formula, call, gated, moving, norm_slope, save, unbroadcast


class PairwiseDistanceFunction(Formula):
    autocast = "float32 on cuda"

    @staticmethod
    def forward(x1: Tensor, x2: Tensor, p: float, eps: float, keepdim: bool) -> tuple[Tensor, Tensor]:
        e = torch.sub(x1, x2) + eps
        return torch.linalg.vector_norm(e, p, -1, keepdim), e

    @staticmethod
    def setup_context(
        ctx: Any, inputs: tuple[Tensor, Tensor, float, float, bool], output: tuple[Tensor, Tensor]
    ) -> None:
        x1, x2, ctx.p, _, ctx.keepdim = inputs
        ctx.operands = (x1.shape, x1.is_complex()), (x2.shape, x2.is_complex())
        ctx.set_materialize_grads(False)
        save(ctx, *output)

    @staticmethod
    def backward(
        ctx: Any, dy: Tensor | None, de: Tensor | None
    ) -> tuple[Tensor | None, Tensor | None, None, None, None]:
        y, e = ctx.saved_tensors
        needs_x1, needs_x2, *_ = ctx.needs_input_grad
        if dy is not None:
            kept = ctx.keepdim or not e.dim()
            slope = norm_slope(e, y if kept else y.unsqueeze(-1), ctx.p)
            dy = gated(dy, y)
            de = (dy if kept else dy.unsqueeze(-1)) * slope + (0 if de is None else de)
        if de is None:
            return None, None, None, None, None
        dx1, dx2 = (
            unbroadcast(de if is_complex or not de.is_complex() else de.real, shape) if needed else None
            for (shape, is_complex), needed in zip(ctx.operands, (needs_x1, needs_x2), strict=True)
        )
        return dx1, None if dx2 is None else -dx2, None, None, None

    @staticmethod
    def jvp(ctx: Any, x1_t: Tensor | None, x2_t: Tensor | None, *_: None) -> tuple[Tensor, Tensor]:
        y, e = ctx.saved_tensors
        x1_t, x2_t = moving(x1_t, x2_t)
        e_t = torch.zeros_like(e) + x1_t - x2_t
        slope = norm_slope(e, y if ctx.keepdim or not e.dim() else y.unsqueeze(-1), ctx.p)
        return (slope.conj() * e_t).real.sum(-1, ctx.keepdim), e_t


def pairwise_distance(x1: Tensor, x2: Tensor, p: float = 2.0, eps: float = 1e-6, keepdim: bool = False) -> Tensor:
    """p-norm of `x1 - x2 + eps` along the last dimension. As `torch.nn.functional.pairwise_distance`.

    x1 and x2 (*, D) broadcast together; the result is (*), or with keepdim (*, 1). Raises RuntimeError for shapes
    that do not broadcast and for integer inputs.

    >>> import torch
    >>> x = torch.tensor([[3.0, 4.0]], requires_grad=True)
    >>> y = pairwise_distance(x, torch.zeros(1, 2), eps=0.0)
    >>> y.backward()
    >>> y.item(), x.grad
    (5.0, tensor([[0.6000, 0.8000]]))
    """
    distance: Tensor = call(PairwiseDistanceFunction, x1, x2, p, eps, keepdim)[0]
    return distance


class PairwiseDistance(nn.PairwiseDistance):
    """Drop-in `torch.nn.PairwiseDistance` computed by `manualgrad.functional.pairwise_distance`."""

    def forward(self, x1: Tensor, x2: Tensor) -> Tensor:
        return pairwise_distance(x1, x2, self.norm, self.eps, self.keepdim)
