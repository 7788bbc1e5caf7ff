r"""Transposed convolution in one, two or three dimensions: the adjoint of convolution.

    forward    y[n, o, i]  = b[o] + sum over c, l, k with s l + d k - p = i of W[c, o, k] x[n, c, l]
    backward   dx[n, c, l] = sum over o, k of W[c, o, k] dy[n, o, s l + d k - p]
               dW[c, o, k] = sum over n, l of x[n, c, l] dy[n, o, s l + d k - p]
               db[o]       = sum over n, i of dy[n, o, i]
    tangent    y'          = x' * W + x * W' + b'

Stride s, dilation d, padding p; l, k and i have a component per dimension. dx is the convolution of dy with W. dW is
the convolution of dy with x in which samples and channels change places, and so do s and d. With g groups of channels,
each group of inputs reaches its own group of outputs.

Shapes: x (N, C, *in) or (C, *in), W (C, O/g, *kernel), b (O), y (N, O, *out) or (O, *out), where
out = (in - 1) s - 2 p + d (kernel - 1) + output_padding + 1. Saves x and W: each is the other's slope.
Source: Zeiler et al. (2010), Deconvolutional networks;
Dumoulin & Visin (2016), A guide to convolution arithmetic for deep learning, section 4.
"""

from typing import Any

from torch import Tensor

from manualgrad.formula import Formula, save
from manualgrad.parts.windows import CONV, CONV_TRANSPOSE, Numbers, kernel_gradient


class ConvTransposeFunction(Formula):
    autocast = "lower"
    opmath = False

    @staticmethod
    def forward(
        x: Tensor,
        weight: Tensor,
        bias: Tensor | None,
        stride: Numbers,
        padding: Numbers,
        output_padding: Numbers,
        groups: int,
        dilation: Numbers,
        dims: int,
    ) -> Tensor:
        return CONV_TRANSPOSE[dims](x, weight, bias, stride, padding, output_padding, groups, dilation)

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Any, ...], output: Tensor) -> None:
        x, weight, _, *ctx.settings = inputs
        save(ctx, x, weight)
        ctx.shape = output.shape

    @staticmethod
    def backward(ctx: Any, dy: Tensor) -> tuple[Tensor | None, ...]:
        x, weight = (t.conj() for t in ctx.saved_tensors)  # complex numbers only; real ones are themselves
        needs_x, needs_weight, needs_bias = ctx.needs_input_grad[:3]
        stride, padding, _, groups, dilation, dims = ctx.settings
        if unbatched := x.dim() == dims + 1:
            x, dy = x.unsqueeze(0), dy.unsqueeze(0)
        dx = dw = None
        if needs_x:
            dx = CONV[dims](dy, weight, None, stride, padding, dilation, groups)
            for axis, size in enumerate(x.shape[2:], start=2):
                dx = dx.narrow(axis, 0, size)  # the rest belongs to the output padding, where it is a stride or more
            if unbatched:
                dx = dx.squeeze(0)
        if needs_weight:
            dw = kernel_gradient(dy, x, weight, stride, padding, dilation, groups)
        db = dy.sum((0, *range(2, dims + 2))) if needs_bias else None
        return dx, dw, db, None, None, None, None, None, None

    @staticmethod
    def jvp(ctx: Any, x_t: Tensor | None, weight_t: Tensor | None, bias_t: Tensor | None, *_: None) -> Tensor:
        x, weight = ctx.saved_tensors
        y_t: Any = None
        if x_t is not None:
            y_t = ConvTransposeFunction.forward(x_t, weight, None, *ctx.settings)
        if weight_t is not None:
            term = ConvTransposeFunction.forward(x, weight_t, None, *ctx.settings)
            y_t = term if y_t is None else y_t + term
        if bias_t is not None:
            bias_t = bias_t.reshape(-1, *[1] * ctx.settings[-1])
            y_t = bias_t.expand(ctx.shape) if y_t is None else y_t + bias_t
        return y_t
