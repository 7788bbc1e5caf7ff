"""Adaptive average pooling over one to three dimensions; `formulas/adaptive_avg_pool.py` has the mathematics."""

from torch import Tensor, nn

from manualgrad.formula import call
from manualgrad.formulas.adaptive_avg_pool import AdaptiveAvgPoolFunction, Sizes
from manualgrad.public import public


@public
def adaptive_avg_pool1d(input: Tensor, output_size: Sizes) -> Tensor:
    """The mean of each of `output_size` windows. As `torch.nn.functional.adaptive_avg_pool1d`.

    input (N, C, L) or (C, L); the result is (N, C, output_size) or (C, output_size).
    Raises RuntimeError for another number of dimensions.

    >>> import torch
    >>> x = torch.tensor([[1.0, 3.0, 2.0]], requires_grad=True)
    >>> adaptive_avg_pool1d(x, 2).sum().backward()  # of the first two and of the last two
    >>> x.grad
    tensor([[0.5000, 1.0000, 0.5000]])
    """
    return call(AdaptiveAvgPoolFunction, input, output_size, 1)


@public
def adaptive_avg_pool2d(input: Tensor, output_size: Sizes) -> Tensor:
    """The mean of each window: as `adaptive_avg_pool1d`.

    input (N, C, H, W) or (C, H, W), `output_size` a number or a pair; None in it keeps a size.

    >>> import torch
    >>> adaptive_avg_pool2d(torch.arange(6.0).reshape(1, 2, 3), (None, 1))
    tensor([[[1.],
             [4.]]])
    """
    return call(AdaptiveAvgPoolFunction, input, output_size, 2)


@public
def adaptive_avg_pool3d(input: Tensor, output_size: Sizes) -> Tensor:
    """The mean of each window: as `adaptive_avg_pool2d`. input (N, C, D, H, W) or (C, D, H, W).

    >>> import torch
    >>> adaptive_avg_pool3d(torch.arange(8.0).reshape(1, 2, 2, 2), 1)
    tensor([[[[3.5000]]]])
    """
    return call(AdaptiveAvgPoolFunction, input, output_size, 3)


class AdaptiveAvgPool1d(nn.AdaptiveAvgPool1d):
    """Drop-in `torch.nn.AdaptiveAvgPool1d` computed by `manualgrad.functional.adaptive_avg_pool1d`."""

    def forward(self, input: Tensor) -> Tensor:
        return adaptive_avg_pool1d(input, self.output_size)


class AdaptiveAvgPool2d(nn.AdaptiveAvgPool2d):
    """Drop-in `torch.nn.AdaptiveAvgPool2d` computed by `manualgrad.functional.adaptive_avg_pool2d`."""

    def forward(self, input: Tensor) -> Tensor:
        return adaptive_avg_pool2d(input, self.output_size)


class AdaptiveAvgPool3d(nn.AdaptiveAvgPool3d):
    """Drop-in `torch.nn.AdaptiveAvgPool3d` computed by `manualgrad.functional.adaptive_avg_pool3d`."""

    def forward(self, input: Tensor) -> Tensor:
        return adaptive_avg_pool3d(input, self.output_size)
