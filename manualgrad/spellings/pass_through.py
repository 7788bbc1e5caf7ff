"""Functions of torch that the tape runs as they are."""

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from manualgrad.spellings.adapting import getter

_METHODS: Any = Tensor  # of which torch's annotations do not know all

# Functions whose floating-point result does not depend on the values of their arguments in a differentiable way, and
# the questions about a tensor that code asks most.
PASS_THROUGH: frozenset[Callable[..., Any]] = frozenset(
    (
        *map(getter, ("shape", "dtype", "device", "ndim", "layout", "is_cuda", "is_sparse", "is_nested", "is_leaf")),
        Tensor.size,
        Tensor.dim,
        Tensor.numel,
        Tensor.stride,
        Tensor.is_contiguous,
        Tensor.is_floating_point,
        Tensor.detach,
        torch.detach,
        getter("data"),
        getter("grad"),
        torch.tensor,
        torch.zeros_like,
        torch.ones_like,
        torch.empty_like,
        torch.full_like,
        torch.rand_like,
        torch.randn_like,
        _METHODS.new,
        Tensor.new_zeros,
        Tensor.new_ones,
        Tensor.new_empty,
        Tensor.new_full,
        Tensor.new_tensor,
    )
)
