"""Adaptive max pooling over one to three dimensions; `formulas/adaptive_max_pool.py` has the mathematics."""

from typing import Any

from torch import Tensor, nn

from manualgrad.formula import call
from manualgrad.formulas.adaptive_max_pool import AdaptiveMaxPoolFunction, Sizes
from manualgrad.public import public


@public
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


@public
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


@public
def adaptive_max_pool3d(input: Tensor, output_size: Sizes, return_indices: bool = False) -> Any:
    """The largest value in each window: as `adaptive_max_pool2d`. input (N, C, D, H, W) or (C, D, H, W).

    >>> import torch
    >>> adaptive_max_pool3d(torch.arange(8.0).reshape(1, 2, 2, 2), 1)
    tensor([[[[7.]]]])
    """
    result = call(AdaptiveMaxPoolFunction, input, output_size, 3)
    return result if return_indices else result[0]


@public
def adaptive_max_pool1d_with_indices(
    input: Tensor, output_size: Sizes, return_indices: bool = False
) -> tuple[Tensor, Tensor]:
    """`adaptive_max_pool1d` with the positions that the values were found at, whatever `return_indices` says.

    >>> import torch
    >>> adaptive_max_pool1d_with_indices(torch.tensor([[1., 3., 2., 5.]]), 1)[1]
    tensor([[3]])
    """
    return call(AdaptiveMaxPoolFunction, input, output_size, 1)


@public
def adaptive_max_pool2d_with_indices(
    input: Tensor, output_size: Sizes, return_indices: bool = False
) -> tuple[Tensor, Tensor]:
    """`adaptive_max_pool2d` with the positions that the values were found at, whatever `return_indices` says.

    >>> import torch
    >>> adaptive_max_pool2d_with_indices(torch.tensor([[[1., 3.], [2., 5.]]]), 1)[1]
    tensor([[[3]]])
    """
    return call(AdaptiveMaxPoolFunction, input, output_size, 2)


@public
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
