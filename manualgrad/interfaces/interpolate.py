"""Layers of upsampling, and interpolation by its old names; `formulas/interpolate.py` has the mathematics."""

import warnings

import torch
from torch import Tensor, nn

from manualgrad.formula import call
from manualgrad.formulas.interpolate import Factors, InterpolateFunction, Sizes
from manualgrad.public import public


def _warn_of_old_name(name: str) -> None:
    if not torch.compiler.is_compiling():  # torch.compile cannot warn in the midst of a graph
        warnings.warn(f"{name} is an old name of interpolate", stacklevel=4)


@public
def upsample(
    input: Tensor,
    size: Sizes = None,
    scale_factor: Factors = None,
    mode: str = "nearest",
    align_corners: bool | None = None,
) -> Tensor:
    """`interpolate` by its old name, of which it warns as torch does. input (N, C, *), of one to three sizes.

    >>> import torch, warnings
    >>> warnings.simplefilter("ignore")
    >>> upsample(torch.tensor([[[1.0, 2.0]]]), scale_factor=2).flatten()
    tensor([1., 1., 2., 2.])
    """
    _warn_of_old_name("upsample")
    return call(InterpolateFunction, input, size, scale_factor, mode, align_corners, None, False)


@public
def upsample_nearest(input: Tensor, size: Sizes = None, scale_factor: Factors = None) -> Tensor:
    """`interpolate(mode="nearest")` by its old name, of which it warns as torch does. input (N, C, *).

    >>> import torch, warnings
    >>> warnings.simplefilter("ignore")
    >>> upsample_nearest(torch.tensor([[[1.0, 2.0]]]), 4).flatten()
    tensor([1., 1., 2., 2.])
    """
    _warn_of_old_name("upsample_nearest")
    return call(InterpolateFunction, input, size, scale_factor, "nearest", None, None, False)


@public
def upsample_bilinear(input: Tensor, size: Sizes = None, scale_factor: Factors = None) -> Tensor:
    """`interpolate(mode="bilinear", align_corners=True)` by its old name, of which it warns. input (N, C, H, W).

    >>> import torch, warnings
    >>> warnings.simplefilter("ignore")
    >>> upsample_bilinear(torch.tensor([[[[0.0, 2.0]]]]), (1, 3)).flatten()
    tensor([0., 1., 2.])
    """
    _warn_of_old_name("upsample_bilinear")
    return call(InterpolateFunction, input, size, scale_factor, "bilinear", True, None, False)


class Upsample(nn.Upsample):
    """Drop-in `torch.nn.Upsample` computed by `manualgrad.functional.interpolate`."""

    def forward(self, input: Tensor) -> Tensor:
        settings = self.size, self.scale_factor, self.mode, self.align_corners, self.recompute_scale_factor
        return call(InterpolateFunction, input, *settings, False)


class UpsamplingNearest2d(nn.UpsamplingNearest2d):
    """Drop-in `torch.nn.UpsamplingNearest2d` computed by `manualgrad.functional.interpolate`."""

    forward = Upsample.forward


class UpsamplingBilinear2d(nn.UpsamplingBilinear2d):
    """Drop-in `torch.nn.UpsamplingBilinear2d` computed by `manualgrad.functional.interpolate`."""

    forward = Upsample.forward
