r"""Fourier transforms, of complex numbers, of real ones, and back to real ones.

    forward    y  = F x                      y_k = sum over j of x_j e^(-2 pi i j k / n), times what `norm` says
    backward   dx = F^H dy                   the inverse transform, but for the factor
    tangent    y' = F x'

A transform is linear: the backward pass is its conjugate transpose, and that of norm "backward" is the inverse of norm
"forward". Of several dimensions, one after another is transformed. Saves nothing.
Shapes: x, y (*); the transformed dimensions of x are cut off, or filled up with 0, to the sizes asked for.
Source: Brigham (1988), The fast Fourier transform and its applications, ch. 6; gradients of complex numbers as torch
has them: of the real part, plus i times that of the imaginary part.
"""

from typing import Any

import torch
from torch import Tensor

from manualgrad.formula import Formula

Sizes = tuple[int, ...]  # of the transformed dimensions; Dims are counted from the front
Dims = tuple[int, ...]
_TRANSPOSED = {"backward": "forward", "ortho": "ortho", "forward": "backward"}


class FftFunction(Formula):
    r"""Fourier transform, or its inverse, to complex numbers.

        forward    y  = F x
        backward   dx = F^H dy                the real part, for a real x
        tangent    y' = F x'

    Saves nothing.
    """

    opmath = False

    @staticmethod
    def forward(x: Tensor, sizes: Sizes, dims: Dims, norm: str, inverse: bool) -> Tensor:
        return (torch.fft.ifftn if inverse else torch.fft.fftn)(x, sizes, dims, norm)

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Tensor, Sizes, Dims, str, bool], output: Tensor) -> None:
        x, *ctx.how = inputs
        ctx.shape, ctx.is_real = x.shape, not x.is_complex()

    @staticmethod
    def backward(ctx: Any, dy: Tensor) -> tuple[Tensor, None, None, None, None]:
        sizes, dims, norm, inverse = ctx.how
        dx = FftFunction.forward(dy, sizes, dims, _TRANSPOSED[norm], not inverse)
        return _resized(dx.real if ctx.is_real else dx, ctx.shape, dims), None, None, None, None

    @staticmethod
    def jvp(ctx: Any, x_t: Tensor, *_: None) -> Tensor:
        return FftFunction.forward(x_t, *ctx.how)


class RfftFunction(Formula):
    r"""Fourier transform of real numbers: the first half of it, of which the second is the mirror image.

        forward    y  = F x                   for k up to n / 2, in the last transformed dimension
        backward   dx = real part of F^H dy   with 0 for the second half
        tangent    y' = F x'

    The backward pass is an inverse transform to real numbers of dy / 2, which counts each number and its mirror image;
    those without one, k = 0 and k = n / 2, are not halved. Saves nothing.
    """

    opmath = False

    @staticmethod
    def forward(x: Tensor, sizes: Sizes, dims: Dims, norm: str) -> Tensor:
        return torch.fft.rfftn(x, sizes, dims, norm)

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Tensor, Sizes, Dims, str], output: Tensor) -> None:
        x, *ctx.how = inputs
        ctx.shape = x.shape

    @staticmethod
    def backward(ctx: Any, dy: Tensor) -> tuple[Tensor, None, None, None]:
        sizes, dims, norm = ctx.how
        dx = torch.fft.irfftn(_mirrored(dy, sizes, dims, 0.5), sizes, dims, _TRANSPOSED[norm])
        return _resized(dx, ctx.shape, dims), None, None, None

    @staticmethod
    def jvp(ctx: Any, x_t: Tensor, *_: None) -> Tensor:
        return torch.fft.rfftn(x_t, *ctx.how)


class IrfftFunction(Formula):
    r"""Inverse Fourier transform to real numbers, of the first half: the second is taken to be its mirror image.

        forward    y  = x_0 + ... + 2 real part of x_k e^(2 pi i j k / n) + ..., times what `norm` says
        backward   dx = F dy,  twice that where there is a mirror image
        tangent    y' of x' likewise

    Saves nothing.
    """

    opmath = False

    @staticmethod
    def forward(x: Tensor, sizes: Sizes, dims: Dims, norm: str) -> Tensor:
        return torch.fft.irfftn(x, sizes, dims, norm)

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Tensor, Sizes, Dims, str], output: Tensor) -> None:
        x, *ctx.how = inputs
        ctx.shape, ctx.is_real = x.shape, not x.is_complex()

    @staticmethod
    def backward(ctx: Any, dy: Tensor) -> tuple[Tensor, None, None, None]:
        sizes, dims, norm = ctx.how
        dx = _mirrored(torch.fft.rfftn(dy, sizes, dims, _TRANSPOSED[norm]), sizes, dims, 2.0)
        return _resized(dx.real if ctx.is_real else dx, ctx.shape, dims), None, None, None

    @staticmethod
    def jvp(ctx: Any, x_t: Tensor, *_: None) -> Tensor:
        return torch.fft.irfftn(x_t, *ctx.how)


def _mirrored(d: Tensor, sizes: Sizes, dims: Dims, factor: float) -> Tensor:
    """`d` with what has a mirror image in the second half of the last transformed dimension multiplied."""
    k = torch.arange(d.shape[dims[-1]], device=d.device)
    factors = torch.where((k > 0) & (2 * k < sizes[-1]), factor, 1.0).to(d.real.dtype)
    return d * factors.view([-1 if axis == dims[-1] else 1 for axis in range(d.dim())])


def _resized(d: Tensor, shape: torch.Size, dims: Dims) -> Tensor:
    """The gradient of what was cut off or filled up: filled up with 0, or cut off."""
    for dim in dims:
        size, wanted = d.shape[dim], shape[dim]
        if size > wanted:
            d = d.narrow(dim, 0, wanted)
        elif size < wanted:
            d = torch.cat([d, d.new_zeros([wanted - size if k == dim else n for k, n in enumerate(d.shape)])], dim)
    return d
