"""The shelf of functions: names and signatures of `torch.nn.functional` and of torch's elementary operations.

`import manualgrad.functional as F` in place of `import torch.nn.functional as F` is enough to have every gradient computed
by a formula that can be read. `TWINS` maps torch's functions to ours; the tape looks operations up in it.
"""

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as _F

from manualgrad.formulas.linear import linear as linear
from manualgrad.formulas.sigmoid import sigmoid as sigmoid

# torch's function -> ours, of the same arguments. One line per formula, every spelling that torch has for it.
TWINS: dict[Callable[..., Any], Callable[..., Any]] = {
    _F.linear: linear,
    torch.sigmoid: sigmoid,
    Tensor.sigmoid: sigmoid,
    torch.special.expit: sigmoid,
}

# torch's in-place function -> the key in TWINS of its out-of-place twin.
IN_PLACE: dict[Callable[..., Any], Callable[..., Any]] = {
    torch.sigmoid_: torch.sigmoid,
    Tensor.sigmoid_: torch.sigmoid,
}

# Functions whose floating-point result does not depend on the values of their arguments in a differentiable way.
PASS_THROUGH: frozenset[Callable[..., Any]] = frozenset(
    (
        Tensor.detach,
        torch.detach,
        Tensor.data.__get__,
        Tensor.grad.__get__,
        torch.zeros_like,
        torch.ones_like,
        torch.empty_like,
        torch.full_like,
        torch.rand_like,
        torch.randn_like,
        Tensor.new_zeros,
        Tensor.new_ones,
        Tensor.new_empty,
        Tensor.new_full,
        Tensor.new_tensor,
    )
)
