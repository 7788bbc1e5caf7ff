"""Shape, order, diagonals, copies, dtype."""

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from manualgrad import functional as F
from manualgrad.spellings.adapting import getter, like, with_sizes


def _reversed_dimensions(input: Tensor) -> Tensor:
    """`x.T`."""
    return F.permute(input, range(input.dim())[::-1])


def _adjoint(input: Tensor) -> Tensor:
    """`x.mH`."""
    return F.matrix_transpose(F.conj(input) if input.is_complex() else input)


def _hermitian(input: Tensor) -> Tensor:
    """`x.H`."""
    return F.t(F.conj(input) if input.is_complex() else input)


def _linalg_diagonal(input: Tensor, *, offset: int = 0, dim1: int = -2, dim2: int = -1) -> Any:
    """`torch.linalg.diagonal`, of the last two dimensions."""
    return F.diagonal(input, offset, dim1, dim2)


def _repeat_interleave(input: Tensor, repeats: Any = None, dim: Any = None, *, output_size: Any = None) -> Any:
    """`torch.repeat_interleave`, which given numbers alone repeats their places."""
    if repeats is None:
        return torch.repeat_interleave(input, output_size=output_size)
    return F.repeat_interleave(input, repeats, dim, output_size=output_size)


def _to(place: Any) -> Callable[..., Any]:
    """`x.double()`, `x.cpu()` and the like."""

    def spelled(input: Tensor, **keywords: Any) -> Any:
        return F.to(input, place, **keywords)

    return spelled


def _type(input: Tensor, dtype: Any = None, **keywords: Any) -> Any:
    """`x.type(dtype)`; `x.type()` tells the name of the type."""
    return F.to(input, torch.empty(0).type(dtype).dtype, **keywords) if dtype else input.type()


def _summed_to(input: Tensor, size: Any) -> Any:
    """`x.sum_to_size(size)`, the transpose of broadcasting."""
    extra = input.dim() - len(size)
    dims = [d for d, n in enumerate(input.shape) if d < extra or (size[d - extra] == 1 and n != 1)]
    return F.reshape(F.sum(input, dims, True), size) if dims else F.reshape(input, size)


_METHODS: Any = Tensor  # of which torch's annotations do not know all

SPELLINGS: tuple[tuple[Callable[..., Any], ...], ...] = (
    (F.reshape, torch.reshape),
    (with_sizes(F.reshape), Tensor.reshape),
    (like(F.reshape), Tensor.reshape_as),
    (with_sizes(F.view), Tensor.view),
    (like(F.view), Tensor.view_as),
    (F.flatten, torch.flatten, Tensor.flatten, torch.ravel, Tensor.ravel),
    (F.unflatten, torch.unflatten, Tensor.unflatten),
    (F.squeeze, torch.squeeze, Tensor.squeeze),
    (F.unsqueeze, torch.unsqueeze, Tensor.unsqueeze),
    (F.transpose, torch.transpose, Tensor.transpose, torch.swapaxes, Tensor.swapaxes),
    (F.transpose, torch.swapdims, Tensor.swapdims),
    (F.t, torch.t, Tensor.t),
    (F.matrix_transpose, getter("mT")),
    (_adjoint, getter("mH"), torch.adjoint, Tensor.adjoint),
    (_reversed_dimensions, getter("T")),
    (_hermitian, getter("H")),
    (F.permute, torch.permute),
    (with_sizes(F.permute), Tensor.permute),
    (F.movedim, torch.movedim, Tensor.movedim, torch.moveaxis, Tensor.moveaxis),
    (with_sizes(F.expand), Tensor.expand),
    (like(F.expand), Tensor.expand_as),
    (F.broadcast_to, torch.broadcast_to),
    (with_sizes(F.broadcast_to), Tensor.broadcast_to),
    (F.broadcast_tensors, torch.broadcast_tensors),
    (with_sizes(F.repeat), Tensor.repeat),
    (F.tile, torch.tile),
    (with_sizes(F.tile), Tensor.tile),
    (_repeat_interleave, torch.repeat_interleave, Tensor.repeat_interleave),
    (F.roll, torch.roll, Tensor.roll),
    (F.tril, torch.tril, Tensor.tril),
    (F.triu, torch.triu, Tensor.triu),
    (F.flip, torch.flip),
    (with_sizes(F.flip), Tensor.flip),
    (F.diagonal, torch.diagonal, Tensor.diagonal),
    (_linalg_diagonal, torch.linalg.diagonal),
    (F.diag_embed, torch.diag_embed, Tensor.diag_embed),
    (F.diag, torch.diag, Tensor.diag),
    (F.clone, torch.clone, Tensor.clone),
    (F.contiguous, Tensor.contiguous),
    (F.to, Tensor.to, Tensor.type_as),
    (_to(torch.float64), Tensor.double),
    (_to(torch.float32), Tensor.float),
    (_to(torch.float16), Tensor.half),
    (_to(torch.bfloat16), Tensor.bfloat16),
    (_to(torch.complex64), _METHODS.cfloat),
    (_to(torch.complex128), _METHODS.cdouble),
    (_to("cpu"), Tensor.cpu),
    (_type, Tensor.type),
    (F.fliplr, torch.fliplr, Tensor.fliplr),
    (F.flipud, torch.flipud, Tensor.flipud),
    (F.rot90, torch.rot90, Tensor.rot90),
    (F.diagflat, torch.diagflat, Tensor.diagflat),
    (with_sizes(_summed_to), Tensor.sum_to_size),
)
