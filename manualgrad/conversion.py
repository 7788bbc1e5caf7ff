"""Swap the torch.nn layers of an existing model for ours, and back.

A module of ours is its torch twin with another `forward`, so the swap is a change of class in place: parameters,
buffers, hooks, training mode, device and dtype are not touched, optimizers that hold the parameters stay valid, and
`state_dict` is the same before and after.
"""

from __future__ import annotations

from typing import NamedTuple, TypeGuard

import torch
from torch import nn as torch_nn
from torch.nn.modules.linear import NonDynamicallyQuantizableLinear
from torch.nn.utils import parametrizations, parametrize

from manualgrad import nn
from manualgrad.composed import SpectralNorm, WeightNorm


def _twins() -> dict[type[torch_nn.Module], type[torch_nn.Module]]:
    """torch's module class -> ours, read off the shelf: every class of ours that bears its torch parent's name."""
    pairs: dict[type[torch_nn.Module], type[torch_nn.Module]] = {}
    for name, ours in vars(nn).items():
        twin = getattr(torch_nn, name, None)
        if _is_module(ours) and _is_module(twin) and ours is not twin and issubclass(ours, twin):
            pairs[twin] = ours
    return pairs


def _is_module(value: object) -> TypeGuard[type[torch_nn.Module]]:
    return isinstance(value, type) and issubclass(value, torch_nn.Module)


MODULE_TWINS: dict[type[torch_nn.Module], type[torch_nn.Module]] = {
    **_twins(),
    parametrizations._WeightNorm: WeightNorm,
    parametrizations._SpectralNorm: SpectralNorm,
}
_BACK = {ours: twin for twin, ours in MODULE_TWINS.items()}


class Conversion(NamedTuple):
    """What `convert` or `revert` did: names of the modules that it changed, and of those it left, with the reason."""

    changed: dict[str, str]
    left: dict[str, str]

    def __str__(self) -> str:
        lines = [f"{len(self.changed)} modules changed, {len(self.left)} left"]
        lines += [f"  left {name or '(the model itself)'}: {reason}" for name, reason in self.left.items()]
        return "\n".join(lines)


def convert(model: torch_nn.Module, strict: bool = False) -> Conversion:
    """Make every torch.nn layer of `model` compute its gradient by our formula. In place; shapes and dtypes are any.

    Returns what was changed and what was left, as `load_state_dict` does. Left are layers that have no formula here,
    subclasses of torch's layers, and layers whose `forward` was replaced. Functions that a model calls in its own
    `forward`, such as `F.relu`, are not layers: import them from `manualgrad.functional`, or run the model under a
    `Tape`.

    Raises TypeError if `model` is not a module and, with `strict`, RuntimeError if anything is left; then nothing was
    changed.

    >>> import torch
    >>> model = torch.nn.Sequential(torch.nn.Linear(4, 3), torch.nn.Sigmoid())
    >>> print(convert(model))
    2 modules changed, 0 left
    >>> type(model[0])
    <class 'manualgrad.formulas.linear.Linear'>
    """
    return _swap(model, MODULE_TWINS, strict)


def revert(model: torch_nn.Module) -> Conversion:
    """The inverse of `convert`: every layer of ours is torch's again. In place.

    Raises TypeError if `model` is not a module.

    >>> from manualgrad import nn
    >>> model = nn.Sequential(nn.Linear(4, 3), nn.Sigmoid())
    >>> print(revert(model))
    2 modules changed, 0 left
    """
    return _swap(model, _BACK, strict=False)


def _swap(
    model: torch_nn.Module, twins: dict[type[torch_nn.Module], type[torch_nn.Module]], strict: bool
) -> Conversion:
    if not isinstance(model, torch_nn.Module):
        raise TypeError(f"model must be a torch.nn.Module, got {type(model).__name__}")
    changes: list[tuple[str, torch_nn.Module, type[torch_nn.Module]]] = []
    left: dict[str, str] = {}
    for name, module in model.named_modules():
        kind = _kind(module)
        if kind in twins and "forward" not in vars(module):
            changes.append((name, module, twins[kind]))
        elif kind in twins:
            left[name] = f"{kind.__name__} whose forward was replaced on the instance"
        elif twins is MODULE_TWINS and (reason := _why_left(kind)):
            left[name] = reason
    if strict and left:
        raise RuntimeError(
            f"convert(strict=True): {len(left)} modules have no twin here; nothing was changed\n"
            + "\n".join(f"  {name or '(the model itself)'}: {reason}" for name, reason in left.items())
        )
    for _, module, new in changes:
        if parametrize.is_parametrized(module):
            type(module).__bases__ = (new,)
        else:
            module.__class__ = new
    return Conversion({name: new.__name__ for name, _, new in changes}, left)


def _kind(module: torch_nn.Module) -> type[torch_nn.Module]:
    """The class that says how the module computes; torch gives a parametrised module a class of its own around it."""
    kind = type(module)
    return kind.__bases__[0] if parametrize.is_parametrized(module) else kind


def _why_left(kind: type[torch_nn.Module]) -> str:
    """Why a module of this class stays torch's; empty if there is nothing in it to convert."""
    if kind in _BACK or getattr(nn, kind.__name__, None) is kind:
        return ""  # ours already, or a container without mathematics of its own
    if kind is NonDynamicallyQuantizableLinear:
        return ""  # holds parameters for MultiheadAttention, which never calls it
    for base in kind.__mro__[1:]:
        if base in MODULE_TWINS or base in _BACK:
            return f"{kind.__name__} is a subclass of {base.__name__}; only torch's own classes are changed"
    if kind.__module__.startswith(("torch.nn.modules", parametrizations.__name__)):
        return f"{kind.__name__} has no formula here"
    if isinstance(kind, type) and issubclass(kind, torch.jit.ScriptModule):
        return f"{kind.__name__} is compiled by TorchScript"
    return ""
