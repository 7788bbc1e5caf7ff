"""Max pooling over one, two or three dimensions; `formulas/max_pool.py` has the mathematics."""

from typing import Any

from torch import Tensor, nn

from manualgrad.formula import call
from manualgrad.formulas.max_pool import MaxPool3dFunction, MaxPoolFunction
from manualgrad.parts.windows import Numbers
from manualgrad.public import expect_floating, public


@public
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
    if not return_indices:
        expect_floating("max_pool1d: input", input)  # torch's kernel with indices takes integers
    result = call(MaxPoolFunction, input, kernel_size, stride, padding, dilation, ceil_mode, 1)
    return result if return_indices else result[0]


@public
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


@public
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


@public
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


@public
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
