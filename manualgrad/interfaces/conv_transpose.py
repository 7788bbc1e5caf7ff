"""Transposed convolution over one to three dimensions; `formulas/conv_transpose.py` has the mathematics."""

from typing import Any

from torch import Tensor, nn

from manualgrad.formula import call
from manualgrad.formulas.conv_transpose import ConvTransposeFunction
from manualgrad.parts.windows import Numbers
from manualgrad.public import public


@public
def conv_transpose1d(
    input: Tensor,
    weight: Tensor,
    bias: Tensor | None = None,
    stride: Numbers = 1,
    padding: Numbers = 0,
    output_padding: Numbers = 0,
    groups: int = 1,
    dilation: Numbers = 1,
) -> Tensor:
    """Transposed convolution over one dimension. Same values and gradients as `torch.nn.functional.conv_transpose1d`.

    input (N, C, L) or (C, L), weight (C, O/groups, K), bias (O); the result is (N, O, L') or (O, L'). `padding` cuts so
    many positions off either side of the result, `output_padding` (below stride or dilation) adds some at its end.
    Raises RuntimeError where shapes or dtypes do not fit.

    >>> import torch
    >>> x, w = torch.tensor([[1.0, 10.0]]), torch.tensor([[[1.0, 2.0]]], requires_grad=True)
    >>> y = conv_transpose1d(x, w)
    >>> y
    tensor([[ 1., 12., 20.]], grad_fn=<ConvTransposeFunctionBackward>)
    >>> y.sum().backward()
    >>> w.grad
    tensor([[[11., 11.]]])
    """
    return call(ConvTransposeFunction, input, weight, bias, stride, padding, output_padding, groups, dilation, 1)


@public
def conv_transpose2d(
    input: Tensor,
    weight: Tensor,
    bias: Tensor | None = None,
    stride: Numbers = 1,
    padding: Numbers = 0,
    output_padding: Numbers = 0,
    groups: int = 1,
    dilation: Numbers = 1,
) -> Tensor:
    """Transposed convolution over two dimensions: as `conv_transpose1d`, with numbers or pairs of them.

    input (N, C, H, W) or (C, H, W), weight (C, O/groups, K, K').

    >>> import torch
    >>> conv_transpose2d(torch.ones(1, 2, 2), torch.ones(1, 1, 2, 2))
    tensor([[[1., 2., 1.],
             [2., 4., 2.],
             [1., 2., 1.]]])
    """
    return call(ConvTransposeFunction, input, weight, bias, stride, padding, output_padding, groups, dilation, 2)


@public
def conv_transpose3d(
    input: Tensor,
    weight: Tensor,
    bias: Tensor | None = None,
    stride: Numbers = 1,
    padding: Numbers = 0,
    output_padding: Numbers = 0,
    groups: int = 1,
    dilation: Numbers = 1,
) -> Tensor:
    """Transposed convolution over three dimensions: as `conv_transpose1d`. input (N, C, D, H, W) or (C, D, H, W).

    >>> import torch
    >>> conv_transpose3d(torch.ones(1, 1, 1, 1), torch.ones(1, 1, 2, 2, 2), stride=2, output_padding=1).shape
    torch.Size([1, 3, 3, 3])
    """
    return call(ConvTransposeFunction, input, weight, bias, stride, padding, output_padding, groups, dilation, 3)


def _layer(layer: Any, input: Tensor, output_size: list[int] | None) -> Tensor:
    dims = len(layer.kernel_size)
    output_padding = layer._output_padding(
        input, output_size, layer.stride, layer.padding, layer.kernel_size, dims, layer.dilation
    )
    settings = layer.stride, layer.padding, output_padding, layer.groups, layer.dilation, dims
    return call(ConvTransposeFunction, input, layer.weight, layer.bias, *settings)


class ConvTranspose1d(nn.ConvTranspose1d):
    """Drop-in `torch.nn.ConvTranspose1d` computed by `manualgrad.functional.conv_transpose1d`."""

    def forward(self, input: Tensor, output_size: list[int] | None = None) -> Tensor:
        return _layer(self, input, output_size)


class ConvTranspose2d(nn.ConvTranspose2d):
    """Drop-in `torch.nn.ConvTranspose2d` computed by `manualgrad.functional.conv_transpose2d`."""

    def forward(self, input: Tensor, output_size: list[int] | None = None) -> Tensor:
        return _layer(self, input, output_size)


class ConvTranspose3d(nn.ConvTranspose3d):
    """Drop-in `torch.nn.ConvTranspose3d` computed by `manualgrad.functional.conv_transpose3d`."""

    def forward(self, input: Tensor, output_size: list[int] | None = None) -> Tensor:
        return _layer(self, input, output_size)


class LazyConvTranspose1d(nn.LazyConvTranspose1d):
    """Drop-in `torch.nn.LazyConvTranspose1d`: a `ConvTranspose1d` once it has seen its first input."""

    cls_to_become = ConvTranspose1d

    def forward(self, input: Tensor, output_size: list[int] | None = None) -> Tensor:
        return _layer(self, input, output_size)


class LazyConvTranspose2d(nn.LazyConvTranspose2d):
    """Drop-in `torch.nn.LazyConvTranspose2d`: a `ConvTranspose2d` once it has seen its first input."""

    cls_to_become = ConvTranspose2d

    def forward(self, input: Tensor, output_size: list[int] | None = None) -> Tensor:
        return _layer(self, input, output_size)


class LazyConvTranspose3d(nn.LazyConvTranspose3d):
    """Drop-in `torch.nn.LazyConvTranspose3d`: a `ConvTranspose3d` once it has seen its first input."""

    cls_to_become = ConvTranspose3d

    def forward(self, input: Tensor, output_size: list[int] | None = None) -> Tensor:
        return _layer(self, input, output_size)
