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

from torch import Tensor, nn
from torch.nn import functional as F

from manualgrad.formula import Formula, call, save

_MAX_UNPOOL: dict[int, Any] = {1: F.max_unpool1d, 2: F.max_unpool2d, 3: F.max_unpool3d}
Numbers = int | Sequence[int]


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


def max_unpool1d(
    input: Tensor,
    indices: Tensor,
    kernel_size: Numbers,
    stride: Numbers | None = None,
    padding: Numbers = 0,
    output_size: Sequence[int] | None = None,
) -> Tensor:
    """The inverse of `max_pool1d`, but for what it dropped. As `torch.nn.functional.max_unpool1d`.

    input (N, C, L) or (C, L) and indices of its shape, as `max_pool1d` returned them; the result is (N, C, L') or
    (C, L'). `output_size` says which L' was pooled where several give L. Raises RuntimeError for positions outside of
    the result, ValueError for a size that does not fit.

    >>> import torch
    >>> x = torch.tensor([[3.0, 5.0]], requires_grad=True)
    >>> y = max_unpool1d(x, torch.tensor([[1, 2]]), 2)
    >>> y
    tensor([[0., 3., 5., 0.]], grad_fn=<MaxUnpoolFunctionBackward>)
    >>> (y * torch.tensor([[1.0, 2.0, 3.0, 4.0]])).sum().backward()
    >>> x.grad
    tensor([[2., 3.]])
    """
    return call(MaxUnpoolFunction, input, indices, kernel_size, stride, padding, output_size, 1)


def max_unpool2d(
    input: Tensor,
    indices: Tensor,
    kernel_size: Numbers,
    stride: Numbers | None = None,
    padding: Numbers = 0,
    output_size: Sequence[int] | None = None,
) -> Tensor:
    """The inverse of `max_pool2d`, but for what it dropped: as `max_unpool1d`. input (N, C, H, W) or (C, H, W).

    >>> import torch
    >>> max_unpool2d(torch.tensor([[[7.0]]]), torch.tensor([[[2]]]), 2)
    tensor([[[0., 0.],
             [7., 0.]]])
    """
    return call(MaxUnpoolFunction, input, indices, kernel_size, stride, padding, output_size, 2)


def max_unpool3d(
    input: Tensor,
    indices: Tensor,
    kernel_size: Numbers,
    stride: Numbers | None = None,
    padding: Numbers = 0,
    output_size: Sequence[int] | None = None,
) -> Tensor:
    """The inverse of `max_pool3d`, but for what it dropped: as `max_unpool1d`. input ([N,] C, D, H, W).

    >>> import torch
    >>> max_unpool3d(torch.tensor([[[[7.0]]]]), torch.tensor([[[[2]]]]), (1, 2, 2))
    tensor([[[[0., 0.],
              [7., 0.]]]])
    """
    return call(MaxUnpoolFunction, input, indices, kernel_size, stride, padding, output_size, 3)


class MaxUnpool1d(nn.MaxUnpool1d):
    """Drop-in `torch.nn.MaxUnpool1d` computed by `manualgrad.functional.max_unpool1d`."""

    def forward(self, input: Tensor, indices: Tensor, output_size: list[int] | None = None) -> Tensor:
        return max_unpool1d(input, indices, self.kernel_size, self.stride, self.padding, output_size)


class MaxUnpool2d(nn.MaxUnpool2d):
    """Drop-in `torch.nn.MaxUnpool2d` computed by `manualgrad.functional.max_unpool2d`."""

    def forward(self, input: Tensor, indices: Tensor, output_size: list[int] | None = None) -> Tensor:
        return max_unpool2d(input, indices, self.kernel_size, self.stride, self.padding, output_size)


class MaxUnpool3d(nn.MaxUnpool3d):
    """Drop-in `torch.nn.MaxUnpool3d` computed by `manualgrad.functional.max_unpool3d`."""

    def forward(self, input: Tensor, indices: Tensor, output_size: list[int] | None = None) -> Tensor:
        return max_unpool3d(input, indices, self.kernel_size, self.stride, self.padding, output_size)
