"""Average pooling over one, two or three dimensions; `formulas/avg_pool.py` has the mathematics."""

from torch import Tensor, nn

from manualgrad.formula import call
from manualgrad.formulas.avg_pool import AvgPoolFunction
from manualgrad.parts.windows import Numbers
from manualgrad.public import public


@public
def avg_pool1d(
    input: Tensor,
    kernel_size: Numbers,
    stride: Numbers | None = None,
    padding: Numbers = 0,
    ceil_mode: bool = False,
    count_include_pad: bool = True,
) -> Tensor:
    """The mean of each window. Same values and gradients as `torch.nn.functional.avg_pool1d`.

    input (N, C, L) or (C, L); the result is (N, C, L') or (C, L'). `stride` is `kernel_size` unless given, `padding` at
    most half the kernel; padded zeros count, unless `count_include_pad` is off.
    Raises RuntimeError where sizes do not fit.

    >>> import torch
    >>> x = torch.tensor([[1.0, 3.0, 2.0, 6.0]], requires_grad=True)
    >>> avg_pool1d(x, 2).sum().backward()
    >>> x.grad
    tensor([[0.5000, 0.5000, 0.5000, 0.5000]])
    """
    settings = kernel_size, stride, padding, ceil_mode, count_include_pad, None, 1
    return call(AvgPoolFunction, input, *settings)


@public
def avg_pool2d(
    input: Tensor,
    kernel_size: Numbers,
    stride: Numbers | None = None,
    padding: Numbers = 0,
    ceil_mode: bool = False,
    count_include_pad: bool = True,
    divisor_override: int | None = None,
) -> Tensor:
    """The mean of each window: as `avg_pool1d`, with numbers or pairs. input (N, C, H, W) or (C, H, W).

    With `divisor_override` the sum is divided by it instead of the number of positions.

    >>> import torch
    >>> avg_pool2d(torch.arange(16.0).reshape(1, 4, 4), 2)
    tensor([[[ 2.5000,  4.5000],
             [10.5000, 12.5000]]])
    """
    settings = kernel_size, stride, padding, ceil_mode, count_include_pad, divisor_override, 2
    return call(AvgPoolFunction, input, *settings)


@public
def avg_pool3d(
    input: Tensor,
    kernel_size: Numbers,
    stride: Numbers | None = None,
    padding: Numbers = 0,
    ceil_mode: bool = False,
    count_include_pad: bool = True,
    divisor_override: int | None = None,
) -> Tensor:
    """The mean of each window: as `avg_pool2d`, with numbers or triples. input (N, C, D, H, W) or (C, D, H, W).

    >>> import torch
    >>> avg_pool3d(torch.arange(8.0).reshape(1, 2, 2, 2), 2)
    tensor([[[[3.5000]]]])
    """
    settings = kernel_size, stride, padding, ceil_mode, count_include_pad, divisor_override, 3
    return call(AvgPoolFunction, input, *settings)


class AvgPool1d(nn.AvgPool1d):
    """Drop-in `torch.nn.AvgPool1d` computed by `manualgrad.functional.avg_pool1d`."""

    def forward(self, input: Tensor) -> Tensor:
        settings = self.kernel_size, self.stride, self.padding, self.ceil_mode, self.count_include_pad
        return call(AvgPoolFunction, input, *settings, None, 1)


class AvgPool2d(nn.AvgPool2d):
    """Drop-in `torch.nn.AvgPool2d` computed by `manualgrad.functional.avg_pool2d`."""

    def forward(self, input: Tensor) -> Tensor:
        settings = self.kernel_size, self.stride, self.padding, self.ceil_mode, self.count_include_pad
        return call(AvgPoolFunction, input, *settings, self.divisor_override, 2)


class AvgPool3d(nn.AvgPool3d):
    """Drop-in `torch.nn.AvgPool3d` computed by `manualgrad.functional.avg_pool3d`."""

    def forward(self, input: Tensor) -> Tensor:
        settings = self.kernel_size, self.stride, self.padding, self.ceil_mode, self.count_include_pad
        return call(AvgPoolFunction, input, *settings, self.divisor_override, 3)
