"""What torch.nn has, and what of it is written by hand here.

Everything is read from torch itself: a class or function that a new version of torch brings shows up as missing until
it has a formula, or a reason in `REASONS`.
"""

from __future__ import annotations

from collections.abc import Iterator
from types import ModuleType
from typing import Any, NamedTuple

from torch import nn as torch_nn
from torch.nn import functional as torch_functional
from torch.nn.utils import parametrizations

from manualgrad import functional, nn
from manualgrad.conversion import MODULE_TWINS
from manualgrad.spellings import TWINS

# Helpers that torch.nn.functional imports; no functions of its own.
_IMPORTED = frozenset(("typing", "torch._C", "torch._jit_internal", "torch.overrides"))

_CONTAINER = "holds modules or parameters; no mathematics of its own"
_SHAPE = "torch's own, made of reshape, which `by_hand` and `Tape` differentiate by our formula"
_BASE = "abstract base class; its subclasses are ours"
_FLOAT8 = "products of quantised matrices, without a derivative"

# Why something of torch.nn has no formula here.
REASONS: dict[str, str] = {
    "Buffer": _CONTAINER,
    "Container": _CONTAINER,
    "CrossMapLRN2d": "undocumented, and wrong: the first channel never leaves its window; LocalResponseNorm is ours",
    "DataParallel": _CONTAINER,
    "Flatten": _SHAPE,
    "Identity": "returns its input; nothing to differentiate",
    "LinearCrossEntropyOptions": "settings, no module",
    "Module": _CONTAINER,
    "ModuleDict": _CONTAINER,
    "ModuleList": _CONTAINER,
    "NLLLoss2d": "deprecated name of NLLLoss, which is ours",
    "Parameter": _CONTAINER,
    "ParameterDict": _CONTAINER,
    "ParameterList": _CONTAINER,
    "RNNBase": _BASE,
    "RNNCellBase": _BASE,
    "Sequential": _CONTAINER,
    "SyncBatchNorm": "batch_norm with statistics gathered from several GPUs: its derivative is a communication too",
    "Unflatten": _SHAPE,
    "UninitializedBuffer": _CONTAINER,
    "UninitializedParameter": _CONTAINER,
    "assert_int_or_pair": "checks an argument",
    "grouped_mm": "products of groups of rows, bfloat16 on recent GPUs only; elsewhere a loop over mm",
    "one_hot": "integers to integers; no derivative",
    "orthogonal": "may be a product of reflections, which has no formula yet; torch's is used",
    "scaled_grouped_mm": _FLOAT8,
    "scaled_mm": _FLOAT8,
}


class Entry(NamedTuple):
    """One class or function of torch: where torch has it, ours in its place, or why there is none."""

    place: str
    name: str
    ours: str
    reason: str

    @property
    def missing(self) -> bool:
        """Whether there is neither a formula nor a reason."""
        return not self.ours and not self.reason


def coverage() -> list[Entry]:
    """Every public class of torch.nn, function of torch.nn.functional and parametrisation, and what stands for it here.

    >>> next(entry for entry in coverage() if entry.name == "Linear")
    Entry(place='torch.nn', name='Linear', ours='manualgrad.nn.Linear', reason='')
    >>> [entry.name for entry in coverage() if entry.missing]
    []
    """
    return [*_classes(), *_functions(), *_parametrizations()]


def _classes() -> Iterator[Entry]:
    for name, theirs in _public(torch_nn):
        if isinstance(theirs, type):
            mine = getattr(nn, name, theirs)
            yield _entry("torch.nn", name, "" if mine is theirs else f"manualgrad.nn.{name}")


def _functions() -> Iterator[Entry]:
    for name, theirs in _public(torch_functional):
        if callable(theirs) and not isinstance(theirs, type) and theirs.__module__ not in _IMPORTED:
            mine = getattr(functional, name, None) or TWINS.get(theirs)
            mine = None if mine is theirs else mine
            yield _entry("torch.nn.functional", name, f"manualgrad.functional.{mine.__name__}" if mine else "")


def _parametrizations() -> Iterator[Entry]:
    """torch's functions that put a computed weight in the place of a parameter; `convert` changes the computation."""
    for name in parametrizations.__all__:
        layer = getattr(parametrizations, name)(torch_nn.Linear(2, 2))
        mine = next((MODULE_TWINS[type(m)] for m in layer.parametrizations.weight if type(m) in MODULE_TWINS), None)
        place = "torch.nn.utils.parametrizations"
        yield _entry(place, name, f"{mine.__module__}.{mine.__name__}" if mine else "")


def _public(module: ModuleType) -> list[tuple[str, Any]]:
    return [(name, value) for name, value in sorted(vars(module).items()) if not name.startswith("_")]


def _entry(place: str, name: str, ours: str) -> Entry:
    return Entry(place, name, ours, "" if ours else REASONS.get(name, ""))
