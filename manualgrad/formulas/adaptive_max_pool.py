r"""Adaptive max pooling in one, two or three dimensions: as many windows as are asked for, whatever the input's size.

    forward    y[l]  = max of x over floor(l in / out) <= j < ceil((l + 1) in / out) = x[i(l)]
    backward   dx[j] = sum over l with i(l) = j of dy[l]
    tangent    y'[l] = x'[i(l)]

l and j have a component per dimension. i(l) is where the largest value of window l is, the first of them if there are
several, counted through the last dimensions as if they were one.

Shapes: x (N, C, *in) or (C, *in), y and i (N, C, *out) or (C, *out). Saves i only: no value is needed again.
Source: He et al. (2014), Spatial pyramid pooling in deep convolutional networks, section 2.
"""

from collections.abc import Sequence
from typing import Any

from torch import Tensor
from torch.nn import functional as F

from manualgrad.formula import Formula, save

_ADAPTIVE_MAX_POOL: dict[int, Any] = {
    1: F.adaptive_max_pool1d_with_indices,
    2: F.adaptive_max_pool2d_with_indices,
    3: F.adaptive_max_pool3d_with_indices,
}
Sizes = int | Sequence[int | None] | None


class AdaptiveMaxPoolFunction(Formula):
    @staticmethod
    def forward(x: Tensor, output_size: Sizes, dims: int) -> tuple[Tensor, Tensor]:
        return _ADAPTIVE_MAX_POOL[dims](x, output_size)

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
        return dx, None, None

    @staticmethod
    def jvp(ctx: Any, x_t: Tensor, *_: None) -> tuple[Tensor, None]:
        (i,) = ctx.saved_tensors
        return x_t.reshape(ctx.planes).gather(-1, i.reshape(ctx.windows)).reshape(i.shape), None
