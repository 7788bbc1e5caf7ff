r"""Cosine embedding loss: like pairs (t = 1) are to point the same way, others (t = -1) at an angle of cosine <= m.

    forward    y   = mean of  1 - c           where t = 1
                              max(0, c - m)   where t = -1,   c = x1 . x2 / sqrt(q1 q2),  q = |x|^2 + 1e-12
    backward   dc  = dy . s / n,  s = -1 where t = 1, [c >= m] where t = -1
               dx1 = dc (x2 / sqrt(q1 q2) - c x1 / q1)
               dx2 = dc (x1 / sqrt(q1 q2) - c x2 / q2)
    tangent    y'  = mean s c',  c' = x1' . (x2 / sqrt(q1 q2) - c x1 / q1) + x2' . (x1 / sqrt(q1 q2) - c x2 / q2)

Reduction 'sum' leaves out 1/n, and 'none' the sum as well. A t that is neither counts 0. Targets are labels: no
gradient flows to them.

Shapes: x1, x2 (N, D) or (D), which broadcast together; t (N) or (); y () or, with 'none', (N) or (). Saves all three.
Source: Hadsell, Chopra & LeCun (2006), Dimensionality reduction by learning an invariant mapping, with cosines.
"""

from typing import Any

from torch import Tensor, nn
from torch.nn import _reduction
from torch.nn import functional as F

from manualgrad.formula import Formula, call, gated, reduce, save, spread, unbroadcast
from manualgrad.public import public

EPSILON = 9.999999960041972e-13  # 1e-12 in float32: what torch adds, in float64 as well


class CosineEmbeddingLossFunction(Formula):
    autocast = "float32"

    @staticmethod
    def forward(x1: Tensor, x2: Tensor, t: Tensor, margin: float, reduction: str) -> Tensor:
        return F.cosine_embedding_loss(x1, x2, t, margin, reduction=reduction)

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Tensor, Tensor, Tensor, float, str], output: Tensor) -> None:
        x1, x2, t, ctx.margin, ctx.reduction = inputs
        save(ctx, x1, x2, t)

    @staticmethod
    def backward(ctx: Any, dy: Tensor) -> tuple[Tensor | None, Tensor | None, None, None, None]:
        x1, x2, t = ctx.saved_tensors
        needs_x1, needs_x2, *_ = ctx.needs_input_grad
        s, dc1, dc2 = _slopes(ctx, x1, x2, t)
        dc = (s * gated(spread(dy, s.shape, ctx.reduction), s.abs())).unsqueeze(-1)
        dx1 = unbroadcast(dc * dc1, x1.shape) if needs_x1 else None
        return dx1, unbroadcast(dc * dc2, x2.shape) if needs_x2 else None, None, None, None

    @staticmethod
    def jvp(ctx: Any, x1_t: Tensor | None, x2_t: Tensor | None, *_: None) -> Tensor:
        s, dc1, dc2 = _slopes(ctx, *ctx.saved_tensors)
        c_t = (0 if x1_t is None else (x1_t * dc1).sum(-1)) + (0 if x2_t is None else (x2_t * dc2).sum(-1))
        return reduce(s * c_t, ctx.reduction)


def _slopes(ctx: Any, x1: Tensor, x2: Tensor, t: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Of the loss with respect to c, and of c with respect to x1 and x2."""
    q1, q2 = ((x * x).sum(-1, keepdim=True) + EPSILON for x in (x1, x2))
    root = (q1 * q2).sqrt()
    c = (x1 * x2).sum(-1, keepdim=True) / root
    near = c.squeeze(-1)
    s = ((t == -1) & (near >= ctx.margin)).to(c.dtype) - (t == 1).to(c.dtype)
    return s, x2 / root - c / q1 * x1, x1 / root - c / q2 * x2


@public
def cosine_embedding_loss(
    input1: Tensor,
    input2: Tensor,
    target: Tensor,
    margin: float = 0,
    size_average: bool | None = None,
    reduce: bool | None = None,
    reduction: str = "mean",
) -> Tensor:
    """Like pairs are to point the same way. As `torch.nn.functional.cosine_embedding_loss`.

    input1 and input2 (N, D) or (D), which broadcast together; target (N) or (), 1 (like) or -1 (unlike). Gradients
    flow to the inputs. Raises RuntimeError for shapes that do not fit, ValueError for an unknown reduction.

    >>> import torch
    >>> x = torch.tensor([[0.6, 0.8]], requires_grad=True)
    >>> loss = cosine_embedding_loss(x, torch.tensor([[1.0, 0.0]]), torch.tensor([1]))
    >>> loss.backward()
    >>> loss, x.grad
    (tensor(0.4000, grad_fn=<CosineEmbeddingLossFunctionBackward>), tensor([[-0.6400,  0.4800]]))
    """
    if size_average is not None or reduce is not None:
        reduction = _reduction.legacy_get_string(size_average, reduce)
    return call(CosineEmbeddingLossFunction, input1, input2, target, margin, reduction)


class CosineEmbeddingLoss(nn.CosineEmbeddingLoss):
    """Drop-in `torch.nn.CosineEmbeddingLoss` computed by `manualgrad.functional.cosine_embedding_loss`."""

    def forward(self, input1: Tensor, input2: Tensor, target: Tensor) -> Tensor:
        return cosine_embedding_loss(input1, input2, target, margin=self.margin, reduction=self.reduction)
