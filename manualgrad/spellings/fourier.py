"""Fourier transforms, and complex numbers."""

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from manualgrad import functional as F
from manualgrad.spellings.adapting import getter


def _of_two(function: Callable[..., Any]) -> Callable[..., Any]:
    """`fft2` and its kin: a transform of the last two dimensions."""

    def spelled(input: Tensor, s: Any = None, dim: Any = (-2, -1), norm: Any = None) -> Any:
        return function(input, s, dim, norm)

    return spelled


def _short_time(
    input: Tensor,
    n_fft: int,
    hop_length: Any = None,
    win_length: Any = None,
    window: Any = None,
    center: bool = True,
    pad_mode: str = "reflect",
    normalized: bool = False,
    onesided: Any = None,
    return_complex: Any = None,
    align_to_window: Any = None,
) -> Any:
    """`x.stft(...)`, of the arguments of `torch.stft`."""
    return F.stft(
        *(input, n_fft, hop_length, win_length, window, center, pad_mode),
        *(normalized, onesided, return_complex, align_to_window),
    )


SPELLINGS: tuple[tuple[Callable[..., Any], ...], ...] = (
    (F.fft, torch.fft.fft),
    (F.ifft, torch.fft.ifft),
    (F.rfft, torch.fft.rfft),
    (F.irfft, torch.fft.irfft),
    (F.hfft, torch.fft.hfft),
    (F.ihfft, torch.fft.ihfft),
    (F.fftn, torch.fft.fftn),
    (F.ifftn, torch.fft.ifftn),
    (F.rfftn, torch.fft.rfftn),
    (F.irfftn, torch.fft.irfftn),
    (F.hfftn, torch.fft.hfftn),
    (F.ihfftn, torch.fft.ihfftn),
    (_of_two(F.fftn), torch.fft.fft2),
    (_of_two(F.ifftn), torch.fft.ifft2),
    (_of_two(F.rfftn), torch.fft.rfft2),
    (_of_two(F.irfftn), torch.fft.irfft2),
    (_of_two(F.hfftn), torch.fft.hfft2),
    (_of_two(F.ihfftn), torch.fft.ihfft2),
    (F.fftshift, torch.fft.fftshift),
    (F.ifftshift, torch.fft.ifftshift),
    (F.view_as_complex, torch.view_as_complex),
    (F.view_as_real, torch.view_as_real),
    (F.real, torch.real, getter("real")),
    (F.imag, torch.imag, getter("imag")),
    (F.complex, torch.complex),
    (F.polar, torch.polar),
    (F.angle, torch.angle, Tensor.angle),
    (F.stft, torch.stft),
    (_short_time, Tensor.stft),
    (F.istft, torch.istft, Tensor.istft),
)
