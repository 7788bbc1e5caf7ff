r"""Layer normalisation: each example is brought to mean 0 and variance 1, then scaled and shifted.

    forward    h  = (x - m) r                           m the mean over the last dimensions, v the mean of (x - m)^2,
               y  = h w + b                             r = 1 / sqrt(v + eps)
    backward   dh = dy w
               dx = r (dh - mean(dh) - h mean(dh h))    what changes m or v is taken out of dh
               dw = dy h,  db = dy                      summed over the leading dimensions
    tangent    h' = r (x' - mean(x') - h mean(h x'))
               y' = h' w + h w' + b'

Shapes: x, y (*, D), w and b (D), where D may be several dimensions. Saves x and w: m and r are two cheap sums again.
Source: Ba, Kiros & Hinton (2016), Layer normalization, eqs. 3 and 4.
"""

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from manualgrad.formula import Formula, call, save


class LayerNormFunction(Formula):
    autocast = "float32 on cuda"

    @staticmethod
    def forward(
        x: Tensor, normalized_shape: Sequence[int], weight: Tensor | None, bias: Tensor | None, eps: float
    ) -> Tensor:
        return F.layer_norm(x, normalized_shape, weight, bias, eps)

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Any, ...], output: Tensor) -> None:
        x, shape, weight, _, eps = inputs
        save(ctx, x, weight)
        ctx.shape, ctx.size, ctx.eps = tuple(shape), torch.Size(shape).numel(), eps

    @staticmethod
    def backward(ctx: Any, dy: Tensor) -> tuple[Tensor | None, ...]:
        x, weight = ctx.saved_tensors
        needs_x, _, needs_weight, needs_bias, _ = ctx.needs_input_grad
        size, rows = ctx.size, x.numel() // max(ctx.size, 1)
        dy = dy.reshape(rows, size)
        dx = dw = db = None
        if needs_x or needs_weight:
            xc, r = _centred(x.reshape(rows, size), size, ctx.eps)
            products = dy * xc
            if needs_weight:
                dw = (r.t() @ products).reshape(ctx.shape)
            if weight is None:
                mean, inner = dy.sum(1, keepdim=True), products.sum(1, keepdim=True)
            else:  # sums of dh = dy w and dh xc, without making either
                mean, inner = (dy @ weight.reshape(size, 1)), (products @ weight.reshape(size, 1))
            del products  # its memory, and dx in place since it is our own: on a CPU new memory is what costs most
            if needs_x:
                dx = dy if weight is None else dy * weight.reshape(size)
                dx = torch.addcmul(dx, xc, inner * (r * r), value=-1 / max(size, 1))
                dx = dx.sub_(mean / size).mul_(r).reshape(x.shape)
        if needs_bias:
            db = dy.sum(0).reshape(ctx.shape)
        return dx, None, dw, db, None

    @staticmethod
    def jvp(ctx: Any, x_t: Tensor | None, _: None, weight_t: Tensor | None, bias_t: Tensor | None, __: None) -> Tensor:
        x, weight = ctx.saved_tensors
        size, rows = ctx.size, x.numel() // max(ctx.size, 1)
        xc, r = _centred(x.reshape(rows, size), size, ctx.eps)
        h, y_t = xc * r, torch.zeros_like(xc)
        if x_t is not None:
            x_t = x_t.reshape(rows, size)
            inner = (h * x_t).sum(1, keepdim=True) / size
            y_t = (x_t - x_t.sum(1, keepdim=True) / size - h * inner) * r
            y_t = y_t if weight is None else y_t * weight.reshape(size)
        if weight_t is not None:
            y_t = y_t + h * weight_t.reshape(size)
        if bias_t is not None:
            y_t = y_t + bias_t.reshape(size)
        return y_t.reshape(x.shape)


def _centred(x: Tensor, size: int, eps: float) -> tuple[Tensor, Tensor]:
    """x - m and r, of the rows of x. torch.var would do it, in ten times the time on a CPU."""
    xc = x - x.sum(1, keepdim=True) / size
    return xc, torch.rsqrt(xc.square().sum(1, keepdim=True) / size + eps)


def layer_norm(
    input: Tensor,
    normalized_shape: Sequence[int],
    weight: Tensor | None = None,
    bias: Tensor | None = None,
    eps: float = 1e-5,
) -> Tensor:
    """Normalise over the last dimensions, which are `normalized_shape`; as `torch.nn.functional.layer_norm`.

    input (*, *normalized_shape), weight and bias of normalized_shape. Raises RuntimeError where shapes do not fit.

    >>> import torch
    >>> x = torch.tensor([[1.0, 2.0, 6.0]], requires_grad=True)
    >>> y = layer_norm(x, (3,))
    >>> y.detach()
    tensor([[-0.9258, -0.4629,  1.3887]])
    >>> y[0, 0].backward()
    >>> x.grad
    tensor([[ 0.1763, -0.2204,  0.0441]])
    """
    return call(LayerNormFunction, input, normalized_shape, weight, bias, eps)


class LayerNorm(nn.LayerNorm):
    """Drop-in `torch.nn.LayerNorm` computed by `manualgrad.functional.layer_norm`."""

    def forward(self, input: Tensor) -> Tensor:
        return layer_norm(input, self.normalized_shape, self.weight, self.bias, self.eps)
