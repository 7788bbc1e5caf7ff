r"""Convolution in one, two or three dimensions.

    forward    y[n, o, l]  = b[o] + sum over c, k of W[o, c, k] x[n, c, s l + d k - p]
    backward   dx[n, c, i] = sum over o, l, k with s l + d k - p = i of W[o, c, k] dy[n, o, l]
               dW[o, c, k] = sum over n, l of dy[n, o, l] x[n, c, s l + d k - p]
               db[o]       = sum over n, l of dy[n, o, l]
    tangent    y'          = x' * W + x * W' + b'

Stride s, dilation d, padding p; l, k and i have a component per dimension. dx is the transposed convolution of dy with
W. dW is the convolution of x with dy in which samples and channels change places, and so do s and d. With g groups of
channels, each group of outputs sees its own group of inputs. Positions outside of x hold zero or, with another padding
mode, the value that the mode copies there from x; its gradient is added to the place it came from.

Shapes: x (N, C, *in) or (C, *in), W (O, C/g, *kernel), b (O), y (N, O, *out) or (O, *out), where
out = floor((in + p_before + p_after - d (kernel - 1) - 1) / s) + 1.
Saves x, unpadded, and W: each is the other's slope.
Source: LeCun et al. (1989), Backpropagation applied to handwritten zip code recognition;
Dumoulin & Visin (2016), A guide to convolution arithmetic for deep learning, section 4.
"""

from collections.abc import Sequence
from typing import Any

from torch import Tensor
from torch.nn import functional as F

from manualgrad.formula import Formula, save
from manualgrad.parts.windows import CONV, CONV_TRANSPOSE, Numbers, each, kernel_gradient, unpad


class ConvFunction(Formula):
    autocast = "lower"
    opmath = False

    @staticmethod
    def forward(
        x: Tensor,
        weight: Tensor,
        bias: Tensor | None,
        stride: Numbers,
        padding: str | Numbers,
        dilation: Numbers,
        groups: int,
        mode: str,
        dims: int,
    ) -> Tensor:
        if mode != "constant":  # padding counts the positions before and after, last dimension first, as F.pad does
            x, padding = F.pad(x, padding, mode), 0  # type: ignore[arg-type]  # no word here
        return CONV[dims](x, weight, bias, stride, padding, dilation, groups)

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Any, ...], output: Tensor) -> None:
        x, weight, _, *ctx.settings = inputs
        save(ctx, x, weight)
        ctx.shape = output.shape

    @staticmethod
    def backward(ctx: Any, dy: Tensor) -> tuple[Tensor | None, ...]:
        x, weight = (t.conj() for t in ctx.saved_tensors)  # complex numbers only; real ones are themselves
        needs_x, needs_weight, needs_bias = ctx.needs_input_grad[:3]
        stride, padding, dilation, groups, mode, dims = ctx.settings
        stride, dilation = each(stride, dims), each(dilation, dims)
        if unbatched := x.dim() == dims + 1:
            x, dy = x.unsqueeze(0), dy.unsqueeze(0)
        shape, kernel = x.shape, weight.shape[2:]
        pads = _pads(padding, dilation, kernel, mode)
        p = pads[-2::-2]
        if apart := mode != "constant" or p != pads[::-2]:
            # The kernels know only zeros, as many on either side: other padding is done by itself.
            x, p = F.pad(x, pads, mode), [0] * dims
        dx = dw = None
        if needs_x:
            geometry = zip(x.shape[2:], dy.shape[2:], kernel, stride, p, dilation, strict=True)
            rest = [n - ((o - 1) * s - 2 * q + d * (k - 1) + 1) for n, o, k, s, q, d in geometry]  # < s: no stride left
            dx = CONV_TRANSPOSE[dims](dy, weight, None, stride, p, rest, groups, dilation)
            if apart:
                dx = unpad(dx, shape, pads, mode)
            if unbatched:
                dx = dx.squeeze(0)
        if needs_weight:
            dw = kernel_gradient(x, dy, weight, stride, p, dilation, groups)
        db = dy.sum((0, *range(2, dims + 2))) if needs_bias else None
        return dx, dw, db, None, None, None, None, None, None

    @staticmethod
    def jvp(ctx: Any, x_t: Tensor | None, weight_t: Tensor | None, bias_t: Tensor | None, *_: None) -> Tensor:
        x, weight = ctx.saved_tensors
        y_t: Any = None
        if x_t is not None:
            y_t = ConvFunction.forward(x_t, weight, None, *ctx.settings)
        if weight_t is not None:
            term = ConvFunction.forward(x, weight_t, None, *ctx.settings)
            y_t = term if y_t is None else y_t + term
        if bias_t is not None:
            bias_t = bias_t.reshape(-1, *[1] * ctx.settings[-1])
            y_t = bias_t.expand(ctx.shape) if y_t is None else y_t + bias_t
        return y_t


def _pads(padding: str | Numbers, dilation: list[int], kernel: Sequence[int], mode: str) -> list[int]:
    """How many positions are added before and after each dimension, the last one first, as F.pad takes them."""
    if mode != "constant":
        return list(padding)  # type: ignore[arg-type]  # no word with such a mode
    if padding == "same":
        totals = [d * (k - 1) for d, k in zip(dilation, kernel, strict=True)]
    else:
        numbers: Any = 0 if padding == "valid" else padding
        totals = [2 * p for p in each(numbers, len(kernel))]
    return [p for total in reversed(totals) for p in (total // 2, total - total // 2)]
