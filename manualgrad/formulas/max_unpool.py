r"""Max unpooling in one, two or three dimensions: values put back to the positions that max pooling found them at.

    forward    y[i[l]] = x[l], and 0 elsewhere
    backward   dx[l]   = dy[i[l]]
    tangent    y'[i[l]] = x'[l], and 0 elsewhere

l has a component per dimension; positions i are counted through the last dimensions as if they were one, and are an
input without a gradient. Where several l share a position, one of them stays, yet each takes the gradient from there.

Shapes: x, i (N, C, *in) or (C, *in), y (N, C, *out) or (C, *out), where out = (in - 1) stride - 2 padding + kernel
unless another size is asked for. Saves i only: the formula is linear in x.
Source: Zeiler & Fergus (2014), Visualizing and understanding convolutional networks, section 2.1.
"""

from collections.abc import Sequence
from typing import Any

from torch import Tensor
from torch.nn import functional as F

from manualgrad.formula import Formula, save
from manualgrad.parts.windows import Numbers

_MAX_UNPOOL: dict[int, Any] = {1: F.max_unpool1d, 2: F.max_unpool2d, 3: F.max_unpool3d}


class MaxUnpoolFunction(Formula):
    @staticmethod
    def forward(
        x: Tensor,
        i: Tensor,
        kernel_size: Numbers,
        stride: Numbers | None,
        padding: Numbers,
        output_size: Sequence[int] | None,
        dims: int,
    ) -> Tensor:
        return _MAX_UNPOOL[dims](x, i, kernel_size, stride, padding, output_size)

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Any, ...], output: Tensor) -> None:
        _, i, *ctx.settings = inputs
        save(ctx, i)

    @staticmethod
    def backward(ctx: Any, dy: Tensor) -> tuple[Tensor | None, ...]:
        (i,) = ctx.saved_tensors
        dims = ctx.settings[-1]
        planes = *dy.shape[:-dims], dy.shape[-dims:].numel()  # the shape of dy with its last dimensions as one
        windows = *i.shape[:-dims], i.shape[-dims:].numel()
        dx = dy.reshape(planes).gather(-1, i.reshape(windows)).reshape(i.shape)
        return dx, None, None, None, None, None, None

    @staticmethod
    def jvp(ctx: Any, x_t: Tensor, *_: None) -> Tensor:
        (i,) = ctx.saved_tensors
        return MaxUnpoolFunction.forward(x_t, i, *ctx.settings)
