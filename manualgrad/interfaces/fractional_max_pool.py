"""Fractional max pooling over two or three dimensions; `formulas/fractional_max_pool.py` has the mathematics."""

from typing import Any

import torch
from torch import Tensor, nn

from manualgrad.formula import call
from manualgrad.formulas.fractional_max_pool import FractionalMaxPoolFunction, Ratios
from manualgrad.parts.windows import Numbers
from manualgrad.public import public


def _pool(
    x: Tensor,
    kernel_size: Numbers,
    output_size: Numbers | None,
    output_ratio: Ratios | None,
    u: Tensor | None,
    dims: int,
) -> tuple[Tensor, Tensor]:
    if u is None:  # drawn as torch draws them, so that a seed gives the same windows
        samples = x.shape[0] if x.dim() == dims + 2 else 1
        u = torch.rand(samples, x.shape[-dims - 1], dims, dtype=x.dtype, device=x.device)
    return call(FractionalMaxPoolFunction, x, u, kernel_size, output_size, output_ratio, dims)


@public
def fractional_max_pool2d(
    input: Tensor,
    kernel_size: Numbers,
    output_size: Numbers | None = None,
    output_ratio: Ratios | None = None,
    return_indices: bool = False,
    _random_samples: Tensor | None = None,
) -> Any:
    """The largest value in each of randomly placed windows. As `torch.nn.functional.fractional_max_pool2d`.

    input (N, C, H, W) or (C, H, W). The number of windows is `output_size`, or `output_ratio` (0 to 1) of the input's
    sizes. `_random_samples` (N, C, 2) in [0, 1) places them; without it they are drawn, and a seed gives what it gives
    torch. With `return_indices` the result is a pair of the values and the positions that they were found at.
    Raises ValueError if neither size nor ratio is given, RuntimeError where sizes do not fit.

    >>> import torch
    >>> u = torch.tensor([[[0.0, 0.0]]])
    >>> fractional_max_pool2d(torch.arange(20.0).reshape(1, 4, 5), 2, output_size=2, _random_samples=u)
    tensor([[[ 6.,  9.],
             [16., 19.]]])
    """
    result = _pool(input, kernel_size, output_size, output_ratio, _random_samples, 2)
    return result if return_indices else result[0]


@public
def fractional_max_pool2d_with_indices(
    input: Tensor,
    kernel_size: Numbers,
    output_size: Numbers | None = None,
    output_ratio: Ratios | None = None,
    return_indices: bool = False,
    _random_samples: Tensor | None = None,
) -> tuple[Tensor, Tensor]:
    """`fractional_max_pool2d` with the positions that the values were found at, whatever `return_indices` says.

    >>> import torch
    >>> fractional_max_pool2d_with_indices(torch.zeros(1, 3, 3), 3, output_size=1)[1]
    tensor([[[0]]])
    """
    return _pool(input, kernel_size, output_size, output_ratio, _random_samples, 2)


@public
def fractional_max_pool3d(
    input: Tensor,
    kernel_size: Numbers,
    output_size: Numbers | None = None,
    output_ratio: Ratios | None = None,
    return_indices: bool = False,
    _random_samples: Tensor | None = None,
) -> Any:
    """The largest value in each of randomly placed windows: as `fractional_max_pool2d`.

    input (N, C, D, H, W) or (C, D, H, W), `_random_samples` (N, C, 3).

    >>> import torch
    >>> fractional_max_pool3d(torch.zeros(2, 1, 8, 8, 8), 2, output_ratio=0.5).shape
    torch.Size([2, 1, 4, 4, 4])
    """
    result = _pool(input, kernel_size, output_size, output_ratio, _random_samples, 3)
    return result if return_indices else result[0]


@public
def fractional_max_pool3d_with_indices(
    input: Tensor,
    kernel_size: Numbers,
    output_size: Numbers | None = None,
    output_ratio: Ratios | None = None,
    return_indices: bool = False,
    _random_samples: Tensor | None = None,
) -> tuple[Tensor, Tensor]:
    """`fractional_max_pool3d` with the positions that the values were found at, whatever `return_indices` says.

    >>> import torch
    >>> fractional_max_pool3d_with_indices(torch.zeros(1, 4, 4, 4), 2, output_size=1)[1]
    tensor([[[[42]]]])
    """
    return _pool(input, kernel_size, output_size, output_ratio, _random_samples, 3)


def _layer(layer: Any, input: Tensor, dims: int) -> Any:
    size, ratio = layer.output_size, layer.output_ratio
    result = _pool(input, layer.kernel_size, size, ratio, layer._random_samples, dims)
    return result if layer.return_indices else result[0]


class FractionalMaxPool2d(nn.FractionalMaxPool2d):
    """Drop-in `torch.nn.FractionalMaxPool2d` computed by `manualgrad.functional.fractional_max_pool2d`."""

    def forward(self, input: Tensor) -> Any:
        return _layer(self, input, 2)


class FractionalMaxPool3d(nn.FractionalMaxPool3d):
    """Drop-in `torch.nn.FractionalMaxPool3d` computed by `manualgrad.functional.fractional_max_pool3d`."""

    def forward(self, input: Tensor) -> Any:
        return _layer(self, input, 3)
