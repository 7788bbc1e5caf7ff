r"""Max pooling in one, two or three dimensions.

    forward    y[l]  = max over k of x[s l + d k - p] = x[i(l)]
    backward   dx[j] = sum over l with i(l) = j of dy[l]
    tangent    y'[l] = x'[i(l)]

Stride s, dilation d, padding p with -infinity; l, k and j have a component per dimension. i(l) is where the largest
value of window l is, the first of them if there are several, counted through the last dimensions as if they were one.

Shapes: x (N, C, *in) or (C, *in), y and i (N, C, *out) or (C, *out), where
out = floor or, with ceil_mode, ceil((in + 2 p - d (kernel - 1) - 1) / s) + 1. Saves i only: no value is needed again.
Source: Ranzato et al. (2007), Unsupervised learning of invariant feature hierarchies, section 3.
"""

from typing import Any

from torch import Tensor
from torch.nn import functional as F

from manualgrad.formula import Formula, save
from manualgrad.parts.windows import Numbers

_MAX_POOL: dict[int, Any] = {
    1: F.max_pool1d_with_indices,
    2: F.max_pool2d_with_indices,
    3: F.max_pool3d_with_indices,
}


class MaxPoolFunction(Formula):
    @staticmethod
    def forward(
        x: Tensor,
        kernel_size: Numbers,
        stride: Numbers | None,
        padding: Numbers,
        dilation: Numbers,
        ceil_mode: bool,
        dims: int,
    ) -> tuple[Tensor, Tensor]:
        return _MAX_POOL[dims](x, kernel_size, stride, padding, dilation, ceil_mode)

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
        return dx, None, None, None, None, None, None

    @staticmethod
    def jvp(ctx: Any, x_t: Tensor, *_: None) -> tuple[Tensor, None]:
        (i,) = ctx.saved_tensors
        return x_t.reshape(ctx.planes).gather(-1, i.reshape(ctx.windows)).reshape(i.shape), None


class MaxPool3dFunction(MaxPoolFunction):
    """In three dimensions, where torch's autocast wants float32 on a CPU."""

    autocast = "float32 on cpu"
