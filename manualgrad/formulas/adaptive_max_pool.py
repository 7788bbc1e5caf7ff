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

from torch import Tensor, nn
from torch.nn import functional as F

from manualgrad.formula import Formula, call, save

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


def adaptive_max_pool1d(input: Tensor, output_size: Sizes, return_indices: bool = False) -> Any:
    """The largest value in each of `output_size` windows. As `torch.nn.functional.adaptive_max_pool1d`.

    input (N, C, L) or (C, L); the result is (N, C, output_size) or (C, output_size), with `return_indices` a pair of it
    and of the positions that the values were found at. Raises RuntimeError for another number of dimensions.

    >>> import torch
    >>> x = torch.tensor([[1.0, 3.0, 2.0, 0.0, 5.0]], requires_grad=True)
    >>> adaptive_max_pool1d(x, 2).sum().backward()  # of the first three and of the last three
    >>> x.grad
    tensor([[0., 1., 0., 0., 1.]])
    """
    result = call(AdaptiveMaxPoolFunction, input, output_size, 1)
    return result if return_indices else result[0]


def adaptive_max_pool2d(input: Tensor, output_size: Sizes, return_indices: bool = False) -> Any:
    """The largest value in each window: as `adaptive_max_pool1d`.

    input (N, C, H, W) or (C, H, W), `output_size` a number or a pair; None in it keeps a size.

    >>> import torch
    >>> adaptive_max_pool2d(torch.arange(12.0).reshape(1, 3, 4), (None, 2))
    tensor([[[ 1.,  3.],
             [ 5.,  7.],
             [ 9., 11.]]])
    """
    result = call(AdaptiveMaxPoolFunction, input, output_size, 2)
    return result if return_indices else result[0]


def adaptive_max_pool3d(input: Tensor, output_size: Sizes, return_indices: bool = False) -> Any:
    """The largest value in each window: as `adaptive_max_pool2d`. input (N, C, D, H, W) or (C, D, H, W).

    >>> import torch
    >>> adaptive_max_pool3d(torch.arange(8.0).reshape(1, 2, 2, 2), 1)
    tensor([[[[7.]]]])
    """
    result = call(AdaptiveMaxPoolFunction, input, output_size, 3)
    return result if return_indices else result[0]


def adaptive_max_pool1d_with_indices(
    input: Tensor, output_size: Sizes, return_indices: bool = False
) -> tuple[Tensor, Tensor]:
    """`adaptive_max_pool1d` with the positions that the values were found at, whatever `return_indices` says.

    >>> import torch
    >>> adaptive_max_pool1d_with_indices(torch.tensor([[1., 3., 2., 5.]]), 1)[1]
    tensor([[3]])
    """
    return call(AdaptiveMaxPoolFunction, input, output_size, 1)


def adaptive_max_pool2d_with_indices(
    input: Tensor, output_size: Sizes, return_indices: bool = False
) -> tuple[Tensor, Tensor]:
    """`adaptive_max_pool2d` with the positions that the values were found at, whatever `return_indices` says.

    >>> import torch
    >>> adaptive_max_pool2d_with_indices(torch.tensor([[[1., 3.], [2., 5.]]]), 1)[1]
    tensor([[[3]]])
    """
    return call(AdaptiveMaxPoolFunction, input, output_size, 2)


def adaptive_max_pool3d_with_indices(
    input: Tensor, output_size: Sizes, return_indices: bool = False
) -> tuple[Tensor, Tensor]:
    """`adaptive_max_pool3d` with the positions that the values were found at, whatever `return_indices` says.

    >>> import torch
    >>> adaptive_max_pool3d_with_indices(torch.tensor([[[[1., 3.], [2., 5.]]]]), 1)[1]
    tensor([[[[3]]]])
    """
    return call(AdaptiveMaxPoolFunction, input, output_size, 3)


class AdaptiveMaxPool1d(nn.AdaptiveMaxPool1d):
    """Drop-in `torch.nn.AdaptiveMaxPool1d` computed by `manualgrad.functional.adaptive_max_pool1d`."""

    def forward(self, input: Tensor) -> Any:
        return adaptive_max_pool1d(input, self.output_size, self.return_indices)


class AdaptiveMaxPool2d(nn.AdaptiveMaxPool2d):
    """Drop-in `torch.nn.AdaptiveMaxPool2d` computed by `manualgrad.functional.adaptive_max_pool2d`."""

    def forward(self, input: Tensor) -> Any:
        return adaptive_max_pool2d(input, self.output_size, self.return_indices)


class AdaptiveMaxPool3d(nn.AdaptiveMaxPool3d):
    """Drop-in `torch.nn.AdaptiveMaxPool3d` computed by `manualgrad.functional.adaptive_max_pool3d`."""

    def forward(self, input: Tensor) -> Any:
        return adaptive_max_pool3d(input, self.output_size, self.return_indices)
