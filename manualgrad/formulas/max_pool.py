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

from collections.abc import Sequence
from typing import Any

from torch import Tensor, nn
from torch.nn import functional as F

from manualgrad.formula import Formula, call, save

_MAX_POOL: dict[int, Any] = {
    1: F.max_pool1d_with_indices,
    2: F.max_pool2d_with_indices,
    3: F.max_pool3d_with_indices,
}
Numbers = int | Sequence[int]


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


def max_pool1d(
    input: Tensor,
    kernel_size: Numbers,
    stride: Numbers | None = None,
    padding: Numbers = 0,
    dilation: Numbers = 1,
    ceil_mode: bool = False,
    return_indices: bool = False,
) -> Any:
    """The largest value in each window. Same values and gradients as `torch.nn.functional.max_pool1d`.

    input (N, C, L) or (C, L); the result is (N, C, L') or (C, L'), with `return_indices` a pair of it and of the
    positions that the values were found at. `stride` is `kernel_size` unless given, `padding` at most half the kernel.
    Raises RuntimeError where sizes do not fit.

    >>> import torch
    >>> x = torch.tensor([[1.0, 3.0, 2.0, 5.0]], requires_grad=True)
    >>> max_pool1d(x, 2).sum().backward()
    >>> x.grad
    tensor([[0., 1., 0., 1.]])
    """
    result = call(MaxPoolFunction, input, kernel_size, stride, padding, dilation, ceil_mode, 1)
    return result if return_indices else result[0]


def max_pool2d(
    input: Tensor,
    kernel_size: Numbers,
    stride: Numbers | None = None,
    padding: Numbers = 0,
    dilation: Numbers = 1,
    ceil_mode: bool = False,
    return_indices: bool = False,
) -> Any:
    """The largest value in each window: as `max_pool1d`, with numbers or pairs. input (N, C, H, W) or (C, H, W).

    >>> import torch
    >>> max_pool2d(torch.arange(16.0).reshape(1, 4, 4), 2)
    tensor([[[ 5.,  7.],
             [13., 15.]]])
    """
    result = call(MaxPoolFunction, input, kernel_size, stride, padding, dilation, ceil_mode, 2)
    return result if return_indices else result[0]


def max_pool3d(
    input: Tensor,
    kernel_size: Numbers,
    stride: Numbers | None = None,
    padding: Numbers = 0,
    dilation: Numbers = 1,
    ceil_mode: bool = False,
    return_indices: bool = False,
) -> Any:
    """The largest value in each window: as `max_pool1d`, with numbers or triples. input ([N,] C, D, H, W).

    >>> import torch
    >>> max_pool3d(torch.arange(8.0).reshape(1, 2, 2, 2), 2)
    tensor([[[[7.]]]])
    """
    result = call(MaxPool3dFunction, input, kernel_size, stride, padding, dilation, ceil_mode, 3)
    return result if return_indices else result[0]


def max_pool1d_with_indices(
    input: Tensor,
    kernel_size: Numbers,
    stride: Numbers | None = None,
    padding: Numbers = 0,
    dilation: Numbers = 1,
    ceil_mode: bool = False,
    return_indices: bool = False,
) -> tuple[Tensor, Tensor]:
    """`max_pool1d` with the positions that the values were found at, whatever `return_indices` says.

    >>> import torch
    >>> max_pool1d_with_indices(torch.tensor([[1., 3., 2., 5.]]), 2)[1]
    tensor([[1, 3]])
    """
    return call(MaxPoolFunction, input, kernel_size, stride, padding, dilation, ceil_mode, 1)


def max_pool2d_with_indices(
    input: Tensor,
    kernel_size: Numbers,
    stride: Numbers | None = None,
    padding: Numbers = 0,
    dilation: Numbers = 1,
    ceil_mode: bool = False,
    return_indices: bool = False,
) -> tuple[Tensor, Tensor]:
    """`max_pool2d` with the positions that the values were found at, whatever `return_indices` says.

    >>> import torch
    >>> max_pool2d_with_indices(torch.tensor([[[1., 3.], [2., 5.]]]), 2)[1]
    tensor([[[3]]])
    """
    return call(MaxPoolFunction, input, kernel_size, stride, padding, dilation, ceil_mode, 2)


def max_pool3d_with_indices(
    input: Tensor,
    kernel_size: Numbers,
    stride: Numbers | None = None,
    padding: Numbers = 0,
    dilation: Numbers = 1,
    ceil_mode: bool = False,
    return_indices: bool = False,
) -> tuple[Tensor, Tensor]:
    """`max_pool3d` with the positions that the values were found at, whatever `return_indices` says.

    >>> import torch
    >>> max_pool3d_with_indices(torch.tensor([[[[1., 3.], [2., 5.]]]]), (1, 2, 2))[1]
    tensor([[[[3]]]])
    """
    return call(MaxPool3dFunction, input, kernel_size, stride, padding, dilation, ceil_mode, 3)


def _layer(layer: Any, input: Tensor, dims: int) -> Any:
    settings = layer.kernel_size, layer.stride, layer.padding, layer.dilation, layer.ceil_mode, dims
    result = call(MaxPool3dFunction if dims == 3 else MaxPoolFunction, input, *settings)
    return result if layer.return_indices else result[0]


class MaxPool1d(nn.MaxPool1d):
    """Drop-in `torch.nn.MaxPool1d` computed by `manualgrad.functional.max_pool1d`."""

    def forward(self, input: Tensor) -> Any:
        return _layer(self, input, 1)


class MaxPool2d(nn.MaxPool2d):
    """Drop-in `torch.nn.MaxPool2d` computed by `manualgrad.functional.max_pool2d`."""

    def forward(self, input: Tensor) -> Any:
        return _layer(self, input, 2)


class MaxPool3d(nn.MaxPool3d):
    """Drop-in `torch.nn.MaxPool3d` computed by `manualgrad.functional.max_pool3d`."""

    def forward(self, input: Tensor) -> Any:
        return _layer(self, input, 3)
