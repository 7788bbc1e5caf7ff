"""torch's in-place functions: what each leaves in the tensor that it changes."""

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as T

from manualgrad import functional as F
from manualgrad.spellings.twins import TWINS


def _copied(input: Tensor, src: Tensor, non_blocking: bool = False) -> Any:
    """What `x.copy_(src)` leaves in x."""
    return F.to(F.broadcast_to(src, input.shape), input.device, input.dtype, non_blocking=non_blocking)


def _filled(input: Tensor, value: Any) -> Any:
    """What `x.fill_(value)` leaves in x."""
    return _copied(input, value) if isinstance(value, Tensor) else torch.full_like(input, value)


# torch's in-place function -> ours, which returns a new tensor: `add_` stands for `add`, `__iadd__` for `__add__`.
IN_PLACE: dict[Callable[..., Any], Callable[..., Any]] = {
    getattr(owner, name): f
    for theirs, f in TWINS.items()
    for name in (f"{theirs.__name__}_", theirs.__name__.replace("__", "__i", 1))
    for owner in (torch, Tensor, T)
    if name != theirs.__name__ and hasattr(owner, name)
}
IN_PLACE |= {
    Tensor.__ipow__: F.pow,
    Tensor.__setitem__: F.setitem,
    Tensor.copy_: _copied,
    Tensor.fill_: _filled,
    torch.fill_: _filled,
    Tensor.zero_: torch.zeros_like,
    torch.zero_: torch.zeros_like,
}
for _change_of_shape in ("squeeze_", "unsqueeze_", "transpose_", "t_", "swapaxes_", "swapdims_"):
    IN_PLACE.pop(getattr(Tensor, _change_of_shape))  # they change no value
