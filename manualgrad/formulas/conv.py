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

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from manualgrad.formula import Formula, call, save

_CONV: dict[int, Any] = {1: F.conv1d, 2: F.conv2d, 3: F.conv3d}
_CONV_TRANSPOSE: dict[int, Any] = {1: F.conv_transpose1d, 2: F.conv_transpose2d, 3: F.conv_transpose3d}
Numbers = int | Sequence[int]


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
        if mode != "zeros":  # padding counts the positions before and after, last dimension first, as F.pad does
            x, padding = F.pad(x, padding, mode), 0  # type: ignore[arg-type]
        return _CONV[dims](x, weight, bias, stride, padding, dilation, groups)

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
        stride, dilation = _each(stride, dims), _each(dilation, dims)
        if unbatched := x.dim() == dims + 1:
            x, dy = x.unsqueeze(0), dy.unsqueeze(0)
        sizes, kernel = x.shape[2:], weight.shape[2:]
        pads = _pads(padding, dilation, kernel, mode)
        p: Sequence[int] = [before for before, _ in pads]
        if apart := mode != "zeros" or any(before != after for before, after in pads):
            # The kernels know only zeros, as many on either side: other padding is done by itself.
            x, p = F.pad(x, _flat(pads), "constant" if mode == "zeros" else mode), [0] * dims
        dx = dw = None
        if needs_x:
            geometry = zip(x.shape[2:], dy.shape[2:], kernel, stride, p, dilation, strict=True)
            rest = [n - ((o - 1) * s - 2 * q + d * (k - 1) + 1) for n, o, k, s, q, d in geometry]  # < s: no stride left
            dx = _CONV_TRANSPOSE[dims](dy, weight, None, stride, p, rest, groups, dilation)
            if apart:
                for axis, (n, (before, after)) in enumerate(zip(sizes, pads, strict=True), start=2):
                    dx = _fold_back(dx, axis, n, before, after, mode)
            if unbatched:
                dx = dx.squeeze(0)
        if needs_weight and x.numel() == 0:
            dw = torch.zeros_like(weight)
        elif needs_weight:
            # (N, g C/g, *in) -> (C/g, g N, *in): the samples of a group are the channels that it sums over.
            grouped = x.reshape(x.shape[0], groups, x.shape[1] // groups, *x.shape[2:])
            swapped = grouped.permute(2, 1, 0, *range(3, dims + 3)).reshape(-1, groups * x.shape[0], *x.shape[2:])
            dw = _CONV[dims](swapped, dy.transpose(0, 1), None, dilation, p, stride, groups).transpose(0, 1)
            for axis, size in enumerate(kernel, start=2):
                dw = dw.narrow(axis, 0, size)  # the rest belongs to positions of x that no stride reaches
            dw = dw.reshape(weight.shape)  # with the strides of a weight too, where a size is 1: DDP's buckets ask
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


def _each(value: Numbers, dims: int) -> list[int]:
    """One number per dimension."""
    return [value] * dims if not isinstance(value, Sequence) else list(value) * (dims if len(value) == 1 else 1)


def _pads(padding: str | Numbers, dilation: list[int], kernel: Sequence[int], mode: str) -> list[tuple[int, int]]:
    """How many positions are added before and after each dimension."""
    if padding == "valid":
        padding = 0
    if padding == "same":
        return [((total := d * (k - 1)) // 2, total - total // 2) for d, k in zip(dilation, kernel, strict=True)]
    if mode != "zeros":
        return list(zip(padding[-2::-2], padding[::-2], strict=True))  # type: ignore[index, arg-type]
    return [(p, p) for p in _each(padding, len(kernel))]  # type: ignore[arg-type]


def _flat(pads: list[tuple[int, int]]) -> list[int]:
    """`pads` as F.pad takes them: last dimension first."""
    return [p for pair in reversed(pads) for p in pair]


def _fold_back(dy: Tensor, axis: int, n: int, before: int, after: int, mode: str) -> Tensor:
    """The adjoint of padding one dimension: what flowed to a copy is added to the position it was copied from."""
    source = torch.arange(-before, n + after, device=dy.device)
    if mode == "reflect":
        source = n - 1 - (n - 1 - source.abs()).abs()
    elif mode == "replicate":
        source = source.clamp(0, n - 1)
    else:
        source = source.remainder(n)
    dx = F.pad(dy, [0, 0] * (dy.dim() - 1 - axis) + [-before, -after])
    for start, count in ((0, before), (n + before, after)):
        if count > 0 and mode != "zeros":
            dx = dx.index_add(axis, source.narrow(0, start, count), dy.narrow(axis, start, count))
    return dx


def conv1d(
    input: Tensor,
    weight: Tensor,
    bias: Tensor | None = None,
    stride: Numbers = 1,
    padding: str | Numbers = 0,
    dilation: Numbers = 1,
    groups: int = 1,
) -> Tensor:
    """Convolution over one dimension. Same values and gradients as `torch.nn.functional.conv1d`.

    input (N, C, L) or (C, L), weight (O, C/groups, K), bias (O); the result is (N, O, L') or (O, L'). `padding` is a
    number of zeros on either side, "valid" for none, or "same" for L' = L (stride 1 only).
    Raises RuntimeError where shapes or dtypes do not fit, and for another word.

    >>> import torch
    >>> x, w = torch.tensor([[1.0, 2.0, 4.0]]), torch.zeros(1, 1, 2, requires_grad=True)
    >>> conv1d(x, w).sum().backward()
    >>> w.grad  # sums of the first two and of the last two
    tensor([[[3., 6.]]])
    """
    return call(ConvFunction, input, weight, bias, stride, padding, dilation, groups, "zeros", 1)


def conv2d(
    input: Tensor,
    weight: Tensor,
    bias: Tensor | None = None,
    stride: Numbers = 1,
    padding: str | Numbers = 0,
    dilation: Numbers = 1,
    groups: int = 1,
) -> Tensor:
    """Convolution over two dimensions: as `conv1d`, with numbers or pairs of them. input (N, C, H, W) or (C, H, W).

    >>> import torch
    >>> conv2d(torch.ones(1, 3, 3), torch.ones(1, 1, 3, 3), padding="same")
    tensor([[[4., 6., 4.],
             [6., 9., 6.],
             [4., 6., 4.]]])
    """
    return call(ConvFunction, input, weight, bias, stride, padding, dilation, groups, "zeros", 2)


def conv3d(
    input: Tensor,
    weight: Tensor,
    bias: Tensor | None = None,
    stride: Numbers = 1,
    padding: str | Numbers = 0,
    dilation: Numbers = 1,
    groups: int = 1,
) -> Tensor:
    """Convolution over three dimensions: as `conv1d`. input (N, C, D, H, W) or (C, D, H, W).

    >>> import torch
    >>> conv3d(torch.ones(1, 2, 2, 2), torch.ones(1, 1, 2, 2, 2)).shape
    torch.Size([1, 1, 1, 1])
    """
    return call(ConvFunction, input, weight, bias, stride, padding, dilation, groups, "zeros", 3)


def _layer(layer: Any, input: Tensor) -> Tensor:
    mode, dims = layer.padding_mode, len(layer.kernel_size)
    padding = layer.padding if mode == "zeros" else layer._reversed_padding_repeated_twice
    settings = layer.stride, padding, layer.dilation, layer.groups, mode, dims
    return call(ConvFunction, input, layer.weight, layer.bias, *settings)


class Conv1d(nn.Conv1d):
    """Drop-in `torch.nn.Conv1d` computed by `ConvFunction`, in every padding mode."""

    def forward(self, input: Tensor) -> Tensor:
        return _layer(self, input)


class Conv2d(nn.Conv2d):
    """Drop-in `torch.nn.Conv2d` computed by `ConvFunction`, in every padding mode."""

    def forward(self, input: Tensor) -> Tensor:
        return _layer(self, input)


class Conv3d(nn.Conv3d):
    """Drop-in `torch.nn.Conv3d` computed by `ConvFunction`, in every padding mode."""

    def forward(self, input: Tensor) -> Tensor:
        return _layer(self, input)


class LazyConv1d(nn.LazyConv1d):
    """Drop-in `torch.nn.LazyConv1d`: a `Conv1d` once it has seen its first input."""

    cls_to_become = Conv1d

    def forward(self, input: Tensor) -> Tensor:
        return _layer(self, input)


class LazyConv2d(nn.LazyConv2d):
    """Drop-in `torch.nn.LazyConv2d`: a `Conv2d` once it has seen its first input."""

    cls_to_become = Conv2d

    def forward(self, input: Tensor) -> Tensor:
        return _layer(self, input)


class LazyConv3d(nn.LazyConv3d):
    """Drop-in `torch.nn.LazyConv3d`: a `Conv3d` once it has seen its first input."""

    cls_to_become = Conv3d

    def forward(self, input: Tensor) -> Tensor:
        return _layer(self, input)
