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

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from manualgrad.formula import Formula, call, save

_CONV: dict[int, Any] = {1: F.conv1d, 2: F.conv2d, 3: F.conv3d}
_CONV_TRANSPOSE: dict[int, Any] = {1: F.conv_transpose1d, 2: F.conv_transpose2d, 3: F.conv_transpose3d}
Numbers = int | Sequence[int]


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
        return _CONV_TRANSPOSE[dims](x, weight, bias, stride, padding, output_padding, groups, dilation)

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
            dx = _CONV[dims](dy, weight, None, stride, padding, dilation, groups)
            for axis, size in enumerate(x.shape[2:], start=2):
                dx = dx.narrow(axis, 0, size)  # the rest belongs to the output padding, where it is a stride or more
            if unbatched:
                dx = dx.squeeze(0)
        if needs_weight and x.numel() == 0:
            dw = torch.zeros_like(weight)
        elif needs_weight:
            # (N, g O/g, *out) -> (O/g, g N, *out): the samples of a group are the channels that it sums over.
            grouped = dy.reshape(dy.shape[0], groups, dy.shape[1] // groups, *dy.shape[2:])
            swapped = grouped.permute(2, 1, 0, *range(3, dims + 3)).reshape(-1, groups * dy.shape[0], *dy.shape[2:])
            dw = _CONV[dims](swapped, x.transpose(0, 1), None, dilation, padding, stride, groups).transpose(0, 1)
            for axis, size in enumerate(weight.shape[2:], start=2):
                dw = dw.narrow(axis, 0, size)  # the rest belongs to the output padding
            dw = dw.reshape(weight.shape)  # with the strides of a weight too, where a size is 1: DDP's buckets ask
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


def conv_transpose1d(
    input: Tensor,
    weight: Tensor,
    bias: Tensor | None = None,
    stride: Numbers = 1,
    padding: Numbers = 0,
    output_padding: Numbers = 0,
    groups: int = 1,
    dilation: Numbers = 1,
) -> Tensor:
    """Transposed convolution over one dimension. Same values and gradients as `torch.nn.functional.conv_transpose1d`.

    input (N, C, L) or (C, L), weight (C, O/groups, K), bias (O); the result is (N, O, L') or (O, L'). `padding` cuts so
    many positions off either side of the result, `output_padding` (below stride or dilation) adds some at its end.
    Raises RuntimeError where shapes or dtypes do not fit.

    >>> import torch
    >>> x, w = torch.tensor([[1.0, 10.0]]), torch.tensor([[[1.0, 2.0]]], requires_grad=True)
    >>> y = conv_transpose1d(x, w)
    >>> y
    tensor([[ 1., 12., 20.]], grad_fn=<ConvTransposeFunctionBackward>)
    >>> y.sum().backward()
    >>> w.grad
    tensor([[[11., 11.]]])
    """
    return call(ConvTransposeFunction, input, weight, bias, stride, padding, output_padding, groups, dilation, 1)


def conv_transpose2d(
    input: Tensor,
    weight: Tensor,
    bias: Tensor | None = None,
    stride: Numbers = 1,
    padding: Numbers = 0,
    output_padding: Numbers = 0,
    groups: int = 1,
    dilation: Numbers = 1,
) -> Tensor:
    """Transposed convolution over two dimensions: as `conv_transpose1d`, with numbers or pairs of them.

    input (N, C, H, W) or (C, H, W), weight (C, O/groups, K, K').

    >>> import torch
    >>> conv_transpose2d(torch.ones(1, 2, 2), torch.ones(1, 1, 2, 2))
    tensor([[[1., 2., 1.],
             [2., 4., 2.],
             [1., 2., 1.]]])
    """
    return call(ConvTransposeFunction, input, weight, bias, stride, padding, output_padding, groups, dilation, 2)


def conv_transpose3d(
    input: Tensor,
    weight: Tensor,
    bias: Tensor | None = None,
    stride: Numbers = 1,
    padding: Numbers = 0,
    output_padding: Numbers = 0,
    groups: int = 1,
    dilation: Numbers = 1,
) -> Tensor:
    """Transposed convolution over three dimensions: as `conv_transpose1d`. input (N, C, D, H, W) or (C, D, H, W).

    >>> import torch
    >>> conv_transpose3d(torch.ones(1, 1, 1, 1), torch.ones(1, 1, 2, 2, 2), stride=2, output_padding=1).shape
    torch.Size([1, 3, 3, 3])
    """
    return call(ConvTransposeFunction, input, weight, bias, stride, padding, output_padding, groups, dilation, 3)


def _layer(layer: Any, input: Tensor, output_size: list[int] | None) -> Tensor:
    dims = len(layer.kernel_size)
    output_padding = layer._output_padding(
        input, output_size, layer.stride, layer.padding, layer.kernel_size, dims, layer.dilation
    )
    settings = layer.stride, layer.padding, output_padding, layer.groups, layer.dilation, dims
    return call(ConvTransposeFunction, input, layer.weight, layer.bias, *settings)


class ConvTranspose1d(nn.ConvTranspose1d):
    """Drop-in `torch.nn.ConvTranspose1d` computed by `manualgrad.functional.conv_transpose1d`."""

    def forward(self, input: Tensor, output_size: list[int] | None = None) -> Tensor:
        return _layer(self, input, output_size)


class ConvTranspose2d(nn.ConvTranspose2d):
    """Drop-in `torch.nn.ConvTranspose2d` computed by `manualgrad.functional.conv_transpose2d`."""

    def forward(self, input: Tensor, output_size: list[int] | None = None) -> Tensor:
        return _layer(self, input, output_size)


class ConvTranspose3d(nn.ConvTranspose3d):
    """Drop-in `torch.nn.ConvTranspose3d` computed by `manualgrad.functional.conv_transpose3d`."""

    def forward(self, input: Tensor, output_size: list[int] | None = None) -> Tensor:
        return _layer(self, input, output_size)


class LazyConvTranspose1d(nn.LazyConvTranspose1d):
    """Drop-in `torch.nn.LazyConvTranspose1d`: a `ConvTranspose1d` once it has seen its first input."""

    cls_to_become = ConvTranspose1d

    def forward(self, input: Tensor, output_size: list[int] | None = None) -> Tensor:
        return _layer(self, input, output_size)


class LazyConvTranspose2d(nn.LazyConvTranspose2d):
    """Drop-in `torch.nn.LazyConvTranspose2d`: a `ConvTranspose2d` once it has seen its first input."""

    cls_to_become = ConvTranspose2d

    def forward(self, input: Tensor, output_size: list[int] | None = None) -> Tensor:
        return _layer(self, input, output_size)


class LazyConvTranspose3d(nn.LazyConvTranspose3d):
    """Drop-in `torch.nn.LazyConvTranspose3d`: a `ConvTranspose3d` once it has seen its first input."""

    cls_to_become = ConvTranspose3d

    def forward(self, input: Tensor, output_size: list[int] | None = None) -> Tensor:
        return _layer(self, input, output_size)
