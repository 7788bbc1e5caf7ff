"""Short-time Fourier transforms: those of overlapping pieces of a signal, and the way back.

Source: Allen & Rabiner (1977), A unified approach to short-time Fourier analysis and synthesis; Griffin & Lim (1984),
Signal estimation from modified short-time Fourier transform, for the way back.
"""

from __future__ import annotations

import torch
from torch import Tensor

from manualgrad.compositions.fourier import fft, ifft, irfft, rfft
from manualgrad.formula import FormulaError, values_are_visible
from manualgrad.formulas.arithmetic import div, mul
from manualgrad.formulas.complex_parts import view_as_real
from manualgrad.formulas.indexing import narrow
from manualgrad.formulas.pad import pad
from manualgrad.formulas.reshaping import reshape
from manualgrad.formulas.scatter import index_add
from manualgrad.formulas.transposing import transpose
from manualgrad.formulas.windows import windows
from manualgrad.public import public


@public
def stft(
    input: Tensor,
    n_fft: int,
    hop_length: int | None = None,
    win_length: int | None = None,
    window: Tensor | None = None,
    center: bool = True,
    pad_mode: str = "reflect",
    normalized: bool = False,
    onesided: bool | None = None,
    return_complex: bool | None = None,
    align_to_window: bool | None = None,
) -> Tensor:
    """The Fourier transforms of pieces of a signal, `hop_length` apart. Same values and gradients as `torch.stft`.

    input (L) or (N, L) gives (frequencies, frames), with N in front. RuntimeError where torch raises it, FormulaError
    for `align_to_window`.

    >>> import torch
    >>> stft(torch.ones(8), 4, window=torch.ones(4), return_complex=True).shape
    torch.Size([3, 9])
    """
    if align_to_window:
        raise FormulaError("stft: there is no formula for align_to_window=True")
    is_complex = input.is_complex() or (window is not None and window.is_complex())
    if return_complex is None and not is_complex:
        raise RuntimeError("stft: return_complex must be given for real input")
    if input.dim() not in (1, 2):
        raise RuntimeError(f"stft: input must have 1 or 2 dimensions, got shape {tuple(input.shape)}")
    x = input
    if center:
        whole = reshape(x, (1,) * (3 - x.dim()) + tuple(x.shape))
        whole = pad(whole, [n_fft // 2, n_fft // 2], pad_mode)
        x = reshape(whole, whole.shape[-x.dim() :])
    hop_length = n_fft // 4 if hop_length is None else hop_length
    if hop_length < 1 or not 0 < n_fft <= x.shape[-1]:
        raise RuntimeError(f"stft: n_fft {n_fft} and hop_length {hop_length} do not fit a signal of {x.shape[-1]}")
    frames = windows(x, -1, n_fft, hop_length)
    shape = _shape("stft", window, win_length, n_fft)
    frames = frames if shape is None else mul(frames, shape)
    halved = not is_complex if onesided is None else onesided
    transform = rfft if halved else fft
    y = transpose(transform(frames, norm="ortho" if normalized else "backward"), -2, -1)
    return view_as_real(y) if return_complex is False else y


@public
def istft(
    input: Tensor,
    n_fft: int,
    hop_length: int | None = None,
    win_length: int | None = None,
    window: Tensor | None = None,
    center: bool = True,
    normalized: bool = False,
    onesided: bool | None = None,
    length: int | None = None,
    return_complex: bool = False,
) -> Tensor:
    """The signal that has these short-time Fourier transforms, or comes nearest. Same gradients as `torch.istft`.

    input (frequencies, frames), complex, with N in front perhaps, gives (L) or (N, L). RuntimeError for a window that
    leaves a place of the signal out.

    >>> import torch
    >>> x, window = torch.arange(8.0), torch.hann_window(4)
    >>> istft(stft(x, 4, window=window, return_complex=True), 4, window=window).round()
    tensor([0., 1., 2., 3., 4., 5., 6., 7.])
    """
    if not input.is_complex() or input.dim() not in (2, 3):
        raise RuntimeError(f"istft: input must be complex, with 2 or 3 dimensions, got {tuple(input.shape)}")
    hop_length = n_fft // 4 if hop_length is None else hop_length
    halved = input.shape[-2] != n_fft if onesided is None else onesided
    norm, x = "ortho" if normalized else "backward", transpose(input, -2, -1)
    if return_complex:
        frames = ifft(x, n_fft, norm=norm)
    else:
        frames = irfft(x if halved else narrow(x, -1, 0, n_fft // 2 + 1), n_fft, norm=norm)
    shape = _shape("istft", window, win_length, n_fft)
    shape = torch.ones(n_fft, dtype=frames.dtype, device=frames.device) if shape is None else shape
    frames, count = mul(frames, shape), frames.shape[-2]
    whole = n_fft + hop_length * (count - 1)
    places = torch.arange(whole, device=input.device).unfold(0, n_fft, hop_length).reshape(-1)
    batch = tuple(input.shape[:-2])
    y = index_add(frames.new_zeros(*batch, whole), -1, places, reshape(frames, (*batch, count * n_fft)))
    squares = reshape(mul(mul(shape, shape), torch.ones_like(shape).expand(count, n_fft)), (-1,))
    weight = index_add(shape.new_zeros(whole), 0, places, squares)
    start = n_fft // 2 if center else 0
    size = length if length is not None else whole - 2 * start
    y, weight = (narrow(v, -1, start, min(size, whole - start)) for v in (y, weight))
    if values_are_visible() and weight.detach().abs().min() < 1e-11:
        raise RuntimeError("istft: window leaves a place of the signal out")
    y = div(y, weight)
    return y if y.shape[-1] == size else pad(y, [0, size - y.shape[-1]])


def _shape(name: str, window: Tensor | None, win_length: int | None, n_fft: int) -> Tensor | None:
    """The window in the middle of `n_fft` places; None for one that is 1 everywhere."""
    size = n_fft if win_length is None else win_length
    if not 0 < size <= n_fft or (window is not None and tuple(window.shape) != (size,)):
        given = None if window is None else tuple(window.shape)
        raise RuntimeError(f"{name}: window must have the shape (win_length), at most ({n_fft}), got {given}")
    if window is None:
        if size == n_fft:
            return None
        window = torch.ones(size)
    left = (n_fft - size) // 2
    return pad(window, [left, n_fft - size - left]) if size < n_fft else window
