r"""Fractional max pooling in two or three dimensions: windows of one size whose steps are drawn at random.

    forward    y[l]  = max over k of x[start(u, l) + k] = x[i(l)]
    backward   dx[j] = sum over l with i(l) = j of dy[l]
    tangent    y'[l] = x'[i(l)]

where start(u, l) = floor((l + u) a) - floor(u a), a = (in - kernel) / (out - 1), and in - kernel for the last window.
l and j have a component per dimension; u is drawn from [0, 1), for every sample, channel and dimension, and is an
input of the formula without a gradient (in two dimensions, that of the last one comes first). i(l) is where the largest
value of window l is, the first of several, counted through the last dimensions as if they were one.

Shapes: x (N, C, *in) or (C, *in), u (N, C, dimensions) or (1, C, dimensions), y and i (N, C, *out) or (C, *out).
Saves i only: no value is needed again.
Source: Graham (2014), Fractional max-pooling, section 2.
"""

from collections.abc import Sequence
from typing import Any

from torch import Tensor
from torch.nn import functional as F

from manualgrad.formula import Formula, save
from manualgrad.parts.windows import Numbers

_FRACTIONAL_MAX_POOL: dict[int, Any] = {
    2: F.fractional_max_pool2d_with_indices,
    3: F.fractional_max_pool3d_with_indices,
}
Ratios = float | Sequence[float]


class FractionalMaxPoolFunction(Formula):
    @staticmethod
    def forward(
        x: Tensor, u: Tensor, kernel_size: Numbers, output_size: Numbers | None, output_ratio: Ratios | None, dims: int
    ) -> tuple[Tensor, Tensor]:
        return _FRACTIONAL_MAX_POOL[dims](x, kernel_size, output_size, output_ratio, True, u)

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Any, ...], output: tuple[Tensor, Tensor]) -> None:
        x, dims, i = inputs[0], inputs[-1], output[1]
        ctx.shape = x.shape
        ctx.planes = *x.shape[:-dims], x.shape[-dims:].numel()  # the shape of x with its last dimensions as one
        ctx.windows = *i.shape[:-dims], i.shape[-dims:].numel()
        ctx.mark_non_differentiable(i)
        ctx.set_materialize_grads(False)
        save(ctx, i)

    @staticmethod
    def backward(ctx: Any, dy: Tensor | None, _: None) -> tuple[Tensor | None, ...]:
        (i,) = ctx.saved_tensors
        dx = None
        if dy is not None:
            dx = dy.new_zeros(ctx.planes).scatter_add_(-1, i.reshape(ctx.windows), dy.reshape(ctx.windows))
            dx = dx.reshape(ctx.shape)
        return dx, None, None, None, None, None

    @staticmethod
    def jvp(ctx: Any, x_t: Tensor, *_: None) -> tuple[Tensor, None]:
        (i,) = ctx.saved_tensors
        return x_t.reshape(ctx.planes).gather(-1, i.reshape(ctx.windows)).reshape(i.shape), None
