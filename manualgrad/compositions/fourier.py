"""Fourier transforms by the names and the arguments of `torch.fft`, of the three formulas in `formulas/fourier.py`."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from manualgrad.formula import call
from manualgrad.formulas.conj import conj
from manualgrad.formulas.flipping import roll
from manualgrad.formulas.fourier import FftFunction, IrfftFunction, RfftFunction
from manualgrad.public import public

Dim = int | Sequence[int] | None
_OPPOSITE = {None: "forward", "backward": "forward", "ortho": "ortho", "forward": "backward"}


@public
def fft(input: Tensor, n: int | None = None, dim: int = -1, norm: str | None = None) -> Tensor:
    """The Fourier transform along `dim`, of `n` points. Same values and gradients as `torch.fft.fft`.

    `norm` is "backward" (no factor, the default), "ortho" or "forward" (1 / n); RuntimeError for another word.

    >>> import torch
    >>> x = torch.tensor([1.0, 0.0, 0.0, 0.0], requires_grad=True)
    >>> y = fft(x)
    >>> y.real.sum().backward()
    >>> y.detach(), x.grad
    (tensor([1.+0.j, 1.+0.j, 1.+0.j, 1.+0.j]), tensor([4., 0., 0., 0.]))
    """
    return _transformed(FftFunction, "fft", input, n, dim, norm, False)


@public
def ifft(input: Tensor, n: int | None = None, dim: int = -1, norm: str | None = None) -> Tensor:
    """The inverse of `fft`, with the factor 1 / n. Same values and gradients as `torch.fft.ifft`.

    >>> import torch
    >>> ifft(torch.ones(4)).real
    tensor([1., 0., 0., 0.])
    """
    return _transformed(FftFunction, "ifft", input, n, dim, norm, True)


@public
def rfft(input: Tensor, n: int | None = None, dim: int = -1, norm: str | None = None) -> Tensor:
    """The first half, n // 2 + 1 numbers, of the Fourier transform of real numbers. Same as `torch.fft.rfft`.

    >>> import torch
    >>> rfft(torch.ones(4)).real
    tensor([4., 0., 0.])
    """
    return _transformed(RfftFunction, "rfft", input, n, dim, norm)


@public
def irfft(input: Tensor, n: int | None = None, dim: int = -1, norm: str | None = None) -> Tensor:
    """The inverse of `rfft`, of `n` numbers, an even number by default. Same as `torch.fft.irfft`.

    >>> import torch
    >>> irfft(torch.tensor([4.0 + 0j, 0, 0]))
    tensor([1., 1., 1., 1.])
    """
    return _transformed(IrfftFunction, "irfft", input, n, dim, norm)


@public
def hfft(input: Tensor, n: int | None = None, dim: int = -1, norm: str | None = None) -> Tensor:
    """The Fourier transform, real, of the first half of a signal whose second is its mirror image. `torch.fft.hfft`.

    >>> import torch
    >>> hfft(torch.tensor([1.0 + 0j, 0, 0]))
    tensor([1., 1., 1., 1.])
    """
    return _transformed(IrfftFunction, "hfft", conj(input), n, dim, _OPPOSITE.get(norm, norm))


@public
def ihfft(input: Tensor, n: int | None = None, dim: int = -1, norm: str | None = None) -> Tensor:
    """The inverse of `hfft`. Same values and gradients as `torch.fft.ihfft`.

    >>> import torch
    >>> ihfft(torch.ones(4)).real
    tensor([1., 0., 0.])
    """
    return conj(_transformed(RfftFunction, "ihfft", input, n, dim, _OPPOSITE.get(norm, norm)))


@public
def fftn(input: Tensor, s: Sequence[int] | None = None, dim: Dim = None, norm: str | None = None) -> Tensor:
    """`fft` along several dimensions, to the sizes `s`; along all by default. Same as `torch.fft.fftn`.

    >>> import torch
    >>> fftn(torch.ones(2, 2)).real
    tensor([[4., 0.],
            [0., 0.]])
    """
    return _transformed(FftFunction, "fftn", input, s, dim, norm, False)


@public
def ifftn(input: Tensor, s: Sequence[int] | None = None, dim: Dim = None, norm: str | None = None) -> Tensor:
    """`ifft` along several dimensions. Same values and gradients as `torch.fft.ifftn`.

    >>> import torch
    >>> ifftn(torch.ones(2, 2)).real
    tensor([[1., 0.],
            [0., 0.]])
    """
    return _transformed(FftFunction, "ifftn", input, s, dim, norm, True)


@public
def rfftn(input: Tensor, s: Sequence[int] | None = None, dim: Dim = None, norm: str | None = None) -> Tensor:
    """`rfft` along the last of several dimensions, `fft` along the others. Same as `torch.fft.rfftn`.

    >>> import torch
    >>> rfftn(torch.ones(2, 4)).shape
    torch.Size([2, 3])
    """
    return _transformed(RfftFunction, "rfftn", input, s, dim, norm)


@public
def irfftn(input: Tensor, s: Sequence[int] | None = None, dim: Dim = None, norm: str | None = None) -> Tensor:
    """`irfft` along the last of several dimensions, `ifft` along the others. Same as `torch.fft.irfftn`.

    >>> import torch
    >>> irfftn(torch.ones(2, 3) + 0j).shape
    torch.Size([2, 4])
    """
    return _transformed(IrfftFunction, "irfftn", input, s, dim, norm)


@public
def hfftn(input: Tensor, s: Sequence[int] | None = None, dim: Dim = None, norm: str | None = None) -> Tensor:
    """`hfft` along the last of several dimensions, `fft` along the others. Same as `torch.fft.hfftn`.

    >>> import torch
    >>> hfftn(torch.ones(2, 3) + 0j).shape
    torch.Size([2, 4])
    """
    return _transformed(IrfftFunction, "hfftn", conj(input), s, dim, _OPPOSITE.get(norm, norm))


@public
def ihfftn(input: Tensor, s: Sequence[int] | None = None, dim: Dim = None, norm: str | None = None) -> Tensor:
    """`ihfft` along the last of several dimensions, `ifft` along the others. Same as `torch.fft.ihfftn`.

    >>> import torch
    >>> ihfftn(torch.ones(2, 4)).shape
    torch.Size([2, 3])
    """
    return conj(_transformed(RfftFunction, "ihfftn", input, s, dim, _OPPOSITE.get(norm, norm)))


@public
def fftshift(input: Tensor, dim: Dim = None) -> Tensor:
    """The zero frequency in the middle of `dim`, of all dimensions by default. Same as `torch.fft.fftshift`.

    >>> import torch
    >>> fftshift(torch.tensor([0.0, 1.0, -1.0]))
    tensor([-1.,  0.,  1.])
    """
    dims = _dims(input, dim)
    return roll(input, [input.shape[d] // 2 for d in dims], list(dims)) if dims else input


@public
def ifftshift(input: Tensor, dim: Dim = None) -> Tensor:
    """The way back from `fftshift`. Same values and gradients as `torch.fft.ifftshift`.

    >>> import torch
    >>> ifftshift(torch.tensor([-1.0, 0.0, 1.0]))
    tensor([ 0.,  1., -1.])
    """
    dims = _dims(input, dim)
    return roll(input, [-(input.shape[d] // 2) for d in dims], list(dims)) if dims else input


def _transformed(
    formula: Any, name: str, x: Tensor, sizes: int | Sequence[int] | None, dim: Dim, norm: str | None, *more: Any
) -> Tensor:
    """`formula` with its sizes and dimensions written out."""
    given = (sizes,) if isinstance(sizes, int) else None if sizes is None else tuple(sizes)
    dims = tuple(range(x.dim()))[-len(given) :] if dim is None and given else _dims(x, dim)
    if given is not None and len(given) != len(dims):
        raise RuntimeError(f"{name}: {len(given)} sizes for {len(dims)} dimensions")
    if norm not in _OPPOSITE:
        raise RuntimeError(f"{name}: norm must be 'backward', 'ortho' or 'forward', got {norm!r}")
    if not x.is_floating_point() and not x.is_complex():
        x = x.to(torch.get_default_dtype())
    full = list(given) if given is not None else [-1] * len(dims)
    for k, d in enumerate(dims):
        if full[k] == -1:
            is_half = name.startswith(("irfft", "hfft")) and k == len(dims) - 1
            full[k] = 2 * (x.shape[d] - 1) if is_half else x.shape[d]
        if full[k] < 1:
            raise RuntimeError(f"{name}: there must be at least one point, got {full[k]} in dimension {d}")
    return call(formula, x, tuple(full), dims, norm or "backward", *more)


def _dims(x: Tensor, dim: Dim) -> tuple[int, ...]:
    """Dimensions counted from the front; all of them for None."""
    given = range(x.dim()) if dim is None else (dim,) if isinstance(dim, int) else dim
    for d in given:
        if not -x.dim() <= d < x.dim():
            raise IndexError(f"dim {d} is out of range for a tensor of shape {tuple(x.shape)}")
    return tuple(d % x.dim() for d in given)
