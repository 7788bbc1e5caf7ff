"""Rows of Fourier transforms, of complex numbers taken apart, and of windows."""

import torch

from manualgrad import functional as F
from manualgrad.catalogue.row import Row, complex_normal, normal, sample, signed_as
from manualgrad.formulas.complex_parts import ViewAsComplexFunction, ViewAsRealFunction
from manualgrad.formulas.fourier import FftFunction, IrfftFunction, RfftFunction
from manualgrad.formulas.windows import WindowsFunction

ROWS: tuple[Row, ...] = (
    Row(
        F.fft,
        torch.fft.fft,
        FftFunction,
        samples=(
            sample(complex_normal(3, 5)),
            sample(normal(3, 4)),
            sample(complex_normal(3, 4), 6, 0, norm="ortho"),
            sample(normal(3, 4), 2, norm="forward"),
        ),
        realistic=sample(complex_normal(256, 1024)),
    ),
    Row(
        F.ifftn,
        torch.fft.ifftn,
        FftFunction,
        samples=(
            sample(complex_normal(3, 4)),
            sample(complex_normal(3, 4), (2, 5), norm="ortho"),
            sample(complex_normal(2, 3, 4), dim=(0, -1), norm="forward"),
            sample(complex_normal(2, 3, 4), (4,), (1,)),
        ),
        realistic=sample(complex_normal(256, 512)),
    ),
    Row(
        F.rfft,
        torch.fft.rfft,
        RfftFunction,
        samples=(
            sample(normal(3, 4)),
            sample(normal(3, 5)),
            sample(normal(3, 4), 6, 0, norm="ortho"),
            sample(normal(3, 4), 3, norm="forward"),
            sample(normal(1), 1),
        ),
        realistic=sample(normal(256, 1024)),
    ),
    Row(
        F.irfftn,
        torch.fft.irfftn,
        IrfftFunction,
        samples=(
            sample(complex_normal(3, 4)),
            sample(complex_normal(3, 4), (4, 5), norm="ortho"),
            sample(complex_normal(2, 3, 4), dim=(0, 1), norm="forward"),
            sample(complex_normal(2, 3), (3,), -1),
        ),
        realistic=sample(complex_normal(256, 513)),
    ),
    Row(
        F.view_as_real,
        torch.view_as_real,
        ViewAsRealFunction,
        samples=(sample(complex_normal(3, 4)), sample(complex_normal()), sample(complex_normal(2, 0))),
        realistic=sample(complex_normal(512, 1024)),
    ),
    Row(
        F.view_as_complex,
        torch.view_as_complex,
        ViewAsComplexFunction,
        samples=(sample(normal(3, 4, 2)), sample(normal(2)), sample(normal(0, 2))),
        realistic=sample(normal(512, 512, 2)),
    ),
    Row(
        F.windows,
        signed_as(F.windows, torch.Tensor.unfold),
        WindowsFunction,
        samples=(
            sample(normal(3, 7), 1, 3, 2),
            sample(normal(5, 3), 0, 2, 1),
            sample(normal(2, 6, 3), -2, 2, 3),
            sample(normal(4), 0, 4, 1),
            sample(normal(), 0, 1, 1),
            sample(normal(0, 3), 1, 2, 1),
        ),
        realistic=sample(normal(64, 4096), 1, 256, 64),
    ),
)
