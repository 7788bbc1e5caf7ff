"""Complex numbers put together of two real ones, and taken apart.

Source: what torch's documentation says of each.
"""

from __future__ import annotations

import math

from torch import Tensor

from manualgrad.formulas.arithmetic import mul
from manualgrad.formulas.choice import masked_fill
from manualgrad.formulas.complex_parts import view_as_complex, view_as_real
from manualgrad.formulas.elementwise import atan2
from manualgrad.formulas.indexing import select
from manualgrad.formulas.joining import stack
from manualgrad.formulas.repeating import broadcast_tensors
from manualgrad.formulas.rounding import floor
from manualgrad.formulas.trigonometry import cos, sin
from manualgrad.public import public


@public
def real(input: Tensor) -> Tensor:
    """The real parts; real numbers are theirs. Same values and gradients as `torch.real`.

    >>> import torch
    >>> real(torch.tensor(1 + 2j))
    tensor(1.)
    """
    return select(view_as_real(input), -1, 0) if input.is_complex() else input


@public
def imag(input: Tensor) -> Tensor:
    """The imaginary parts. Same values and gradients as `torch.imag`; RuntimeError for real numbers, as in torch.

    >>> import torch
    >>> imag(torch.tensor(1 + 2j))
    tensor(2.)
    """
    return select(view_as_real(input), -1, 1)


@public
def complex(real: Tensor, imag: Tensor) -> Tensor:
    """The complex numbers of these parts, which broadcast. Same values and gradients as `torch.complex`.

    >>> import torch
    >>> complex(torch.tensor(1.0), torch.tensor(2.0))
    tensor(1.+2.j)
    """
    return view_as_complex(stack(broadcast_tensors(real, imag), -1))


@public
def polar(abs: Tensor, angle: Tensor) -> Tensor:
    """The complex numbers of this size and angle. Same values and gradients as `torch.polar`.

    >>> import torch
    >>> polar(torch.tensor(2.0), torch.tensor(0.0))
    tensor(2.+0.j)
    """
    abs, angle = broadcast_tensors(abs, angle)
    return complex(mul(abs, cos(angle)), mul(abs, sin(angle)))


@public
def angle(input: Tensor) -> Tensor:
    """The angles with the positive real axis, 0 for 0; of real numbers 0 or pi. Same as `torch.angle`.

    >>> import torch
    >>> angle(torch.tensor([1j, -2.0 + 0j]))
    tensor([1.5708, 3.1416])
    """
    if input.is_complex():
        return atan2(imag(input), real(input))
    return masked_fill(masked_fill(floor(input), ~input.isnan(), 0.0), input < 0, math.pi)
