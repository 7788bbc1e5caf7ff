r"""Root-mean-square normalisation: each example is divided by its root mean square, then scaled.

    forward    h  = x r                               r = 1 / sqrt(mean(x^2) + eps), the mean over the last dimensions
               y  = h w
    backward   dh = dy w
               dx = r (dh - h mean(dh h))
               dw = dy h                              summed over the leading dimensions
    tangent    h' = r (x' - h mean(h x'))
               y' = h' w + h w'

Without eps, the machine epsilon of the dtype that is computed in is taken: that of float32 for half precision.
Shapes: x, y (*, D), w (D), where D may be several dimensions. Saves x and w: r is one cheap sum again.
Source: Zhang & Sennrich (2019), Root mean square layer normalization, eq. 4.
"""

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from manualgrad.formula import HALF, Formula, call, save


class RmsNormFunction(Formula):
    complex = "refused"
    autocast = "float32 on cuda"

    @staticmethod
    def forward(x: Tensor, normalized_shape: Sequence[int], weight: Tensor | None, eps: float | None) -> Tensor:
        return F.rms_norm(x, normalized_shape, weight, eps)

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Any, ...], output: Tensor) -> None:
        x, shape, weight, eps = inputs
        save(ctx, x, weight)
        ctx.shape, ctx.size = tuple(shape), torch.Size(shape).numel()
        ctx.eps = torch.finfo(torch.float32 if x.dtype in HALF else x.dtype).eps if eps is None else eps

    @staticmethod
    def backward(ctx: Any, dy: Tensor) -> tuple[Tensor | None, ...]:
        x, weight = ctx.saved_tensors
        size, rows = ctx.size, x.numel() // max(ctx.size, 1)
        weight = None if weight is None else weight.to(dy.dtype)
        dy, xs = dy.reshape(rows, size), x.to(dy.dtype).reshape(rows, size)
        r = _scale(xs, size, ctx.eps)
        products = dy * xs
        dx = dw = None
        if ctx.needs_input_grad[2]:
            dw = (r.t() @ products).reshape(ctx.shape)
        if ctx.needs_input_grad[0]:
            inner = products.sum(1, keepdim=True) if weight is None else products @ weight.reshape(size, 1)
            del products  # its memory, and dx in place since it is our own: on a CPU new memory is what costs most
            dx = dy if weight is None else dy * weight.reshape(size)
            dx = torch.addcmul(dx, xs, inner * (r * r), value=-1 / max(size, 1)).mul_(r).reshape(x.shape)
        return dx, None, dw, None

    @staticmethod
    def jvp(ctx: Any, x_t: Tensor | None, _: None, weight_t: Tensor | None, __: None) -> Tensor:
        x, weight = ctx.saved_tensors
        size, rows = ctx.size, x.numel() // max(ctx.size, 1)
        xs = x.reshape(rows, size)
        r = _scale(xs, size, ctx.eps)
        h, y_t = xs * r, torch.zeros_like(xs)
        if x_t is not None:
            x_t = x_t.reshape(rows, size)
            y_t = (x_t - h * ((h * x_t).sum(1, keepdim=True) / size)) * r
            y_t = y_t if weight is None else y_t * weight.reshape(size)
        if weight_t is not None:
            y_t = y_t + h * weight_t.reshape(size)
        return y_t.reshape(x.shape)


def _scale(x: Tensor, size: int, eps: float) -> Tensor:
    """r, of the rows of x."""
    return torch.rsqrt(x.square().sum(1, keepdim=True) / size + eps)


def rms_norm(
    input: Tensor, normalized_shape: Sequence[int], weight: Tensor | None = None, eps: float | None = None
) -> Tensor:
    """Divide by the root mean square over the last dimensions, `normalized_shape`; as `torch.nn.functional.rms_norm`.

    input (*, *normalized_shape), weight of normalized_shape. Raises RuntimeError where shapes do not fit.

    >>> import torch
    >>> x = torch.tensor([[3.0, 4.0]], requires_grad=True)
    >>> y = rms_norm(x, (2,))
    >>> y.detach()
    tensor([[0.8485, 1.1314]])
    >>> y[0, 0].backward()
    >>> x.grad
    tensor([[ 0.1810, -0.1358]])
    """
    return call(RmsNormFunction, input, normalized_shape, weight, eps)


class RMSNorm(nn.RMSNorm):
    """Drop-in `torch.nn.RMSNorm` computed by `manualgrad.functional.rms_norm`."""

    def forward(self, x: Tensor) -> Tensor:
        return rms_norm(x, self.normalized_shape, self.weight, self.eps)
