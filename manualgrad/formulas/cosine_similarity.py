r"""Cosine similarity: the cosine of the angle between two vectors.

    forward    y   = u1 . u2,  u = x / n,  n = max(|x|, eps)
    backward   dx1 = dy (u2 - y u1) / n1
               dx2 = dy (u1 - y u2) / n2
    tangent    y'  = x1' . (u2 - y u1) / n1 + x2' . (u1 - y u2) / n2

Where |x| < eps, u in the subtracted term is x / |x|: as in torch, eps bounds the value of the norm and not its slope.

Shapes: x1, x2 (*) any that broadcast together; y that shape without the dimension of the vectors. Saves x1 and x2.
Source: Luo, Zhan, Wang & Yang (2018), Cosine normalization: using cosine similarity instead of dot product, section 2.
"""

from typing import Any

import torch
from torch import Tensor, nn

from manualgrad.formula import Formula, broadcast_shape, call, save, unbroadcast


class CosineSimilarityFunction(Formula):
    autocast = "float32 on cuda"

    @staticmethod
    def forward(x1: Tensor, x2: Tensor, dim: int, eps: float) -> Tensor:
        return torch.cosine_similarity(x1, x2, dim, eps)

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Tensor, Tensor, int, float], output: Tensor) -> None:
        x1, x2, ctx.dim, ctx.eps = inputs
        save(ctx, x1, x2)

    @staticmethod
    def backward(ctx: Any, dy: Tensor) -> tuple[Tensor | None, Tensor | None, None, None]:
        x1, x2 = ctx.saved_tensors
        needs_x1, needs_x2, _, _ = ctx.needs_input_grad
        (u1, n1, k1), (u2, n2, k2), y = _units(ctx, x1, x2)
        dy = dy.unsqueeze(ctx.dim)
        dx1 = unbroadcast(dy / n1 * (u2 - y * k1 * u1), x1.shape) if needs_x1 else None
        return dx1, unbroadcast(dy / n2 * (u1 - y * k2 * u2), x2.shape) if needs_x2 else None, None, None

    @staticmethod
    def jvp(ctx: Any, x1_t: Tensor | None, x2_t: Tensor | None, _: None, __: None) -> Tensor:
        x1, x2 = ctx.saved_tensors
        (u1, n1, k1), (u2, n2, k2), y = _units(ctx, x1, x2)
        y_t = torch.zeros_like(y)
        if x1_t is not None:
            y_t = y_t + (x1_t * (u2 - y * k1 * u1)).sum(ctx.dim, keepdim=True) / n1
        if x2_t is not None:
            y_t = y_t + (x2_t * (u1 - y * k2 * u2)).sum(ctx.dim, keepdim=True) / n2
        return y_t.squeeze(ctx.dim)


def _units(ctx: Any, x1: Tensor, x2: Tensor) -> tuple[Any, Any, Tensor]:
    """For each vector u, n and what makes x / |x| of u; and y. All keep the dimension of the vectors."""
    shape = broadcast_shape(x1, x2)
    dtype = torch.promote_types(x1.dtype, x2.dtype)  # one of the two may hold integers
    parts = []
    for x in (x1.to(dtype).expand(shape), x2.to(dtype).expand(shape)):
        size = torch.linalg.vector_norm(x, dim=ctx.dim, keepdim=True)
        n = size.clamp(min=ctx.eps)
        parts.append((x / n, n, n / size.masked_fill(size == 0, 1)))
    return parts[0], parts[1], (parts[0][0] * parts[1][0]).sum(ctx.dim, keepdim=True)


def cosine_similarity(x1: Tensor, x2: Tensor, dim: int = 1, eps: float = 1e-8) -> Tensor:
    """Cosine of the angle between vectors along `dim`. Values and gradients of `torch.nn.functional.cosine_similarity`.

    x1 and x2 broadcast together, and dim counts in that shape; a norm below eps counts as eps. Raises RuntimeError
    for shapes that do not broadcast and for integer inputs, IndexError for a dim that is not there.

    >>> import torch
    >>> x = torch.tensor([[1.0, 0.0]], requires_grad=True)
    >>> y = cosine_similarity(x, torch.tensor([[1.0, 1.0]]))
    >>> y.backward()
    >>> y, x.grad
    (tensor([0.7071], grad_fn=<CosineSimilarityFunctionBackward>), tensor([[0.0000, 0.7071]]))
    """
    return call(CosineSimilarityFunction, x1, x2, dim, eps)


class CosineSimilarity(nn.CosineSimilarity):
    """Drop-in `torch.nn.CosineSimilarity` computed by `manualgrad.functional.cosine_similarity`."""

    def forward(self, x1: Tensor, x2: Tensor) -> Tensor:
        return cosine_similarity(x1, x2, self.dim, self.eps)
