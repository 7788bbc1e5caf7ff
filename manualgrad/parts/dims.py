"""The dimensions that a reduction goes over."""

import torch

Dim = int | tuple[int, ...] | list[int] | None  # one, several, or None for all


def reduced(shape: torch.Size, dim: Dim) -> tuple[int, ...]:
    """The reduced dimensions, counted from the front."""
    if dim is None or dim == () or dim == []:
        return tuple(range(len(shape)))
    dims = (dim,) if isinstance(dim, int) else dim
    return tuple(d % len(shape) for d in dims) if shape else ()


def kept_dims(shape: torch.Size, dim: Dim) -> list[int]:
    """`shape` with size 1 where it was reduced."""
    dims = reduced(shape, dim)
    return [1 if d in dims else n for d, n in enumerate(shape)]
