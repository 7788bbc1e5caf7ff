"""Convolution over one, two or three dimensions; `formulas/conv.py` has the mathematics."""

from typing import Any

from torch import Tensor, nn

from manualgrad.formula import call
from manualgrad.formulas.conv import ConvFunction
from manualgrad.parts.windows import Numbers
from manualgrad.public import public


@public
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
    return call(ConvFunction, input, weight, bias, stride, padding, dilation, groups, "constant", 1)


@public
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
    return call(ConvFunction, input, weight, bias, stride, padding, dilation, groups, "constant", 2)


@public
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
    return call(ConvFunction, input, weight, bias, stride, padding, dilation, groups, "constant", 3)


def _layer(layer: Any, input: Tensor) -> Tensor:
    mode, padding = "constant", layer.padding
    if layer.padding_mode != "zeros":
        mode, padding = layer.padding_mode, layer._reversed_padding_repeated_twice
    settings = layer.stride, padding, layer.dilation, layer.groups, mode, len(layer.kernel_size)
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
