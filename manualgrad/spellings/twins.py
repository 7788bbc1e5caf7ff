"""torch's functions and ours, put together from the tables of the other files.

A table has one line per function of ours, with every spelling that torch has for it.
"""

from collections.abc import Callable
from typing import Any

from manualgrad import functional as F
from manualgrad.spellings import (
    algebra,
    fourier,
    indexing,
    kernels,
    layers,
    losses,
    matrices,
    pointwise,
    reductions,
    shape,
)

_TABLES = (layers, losses, kernels, pointwise, algebra, matrices, reductions, shape, indexing, fourier)

# torch's function -> ours, of the same arguments.
TWINS: dict[Callable[..., Any], Callable[..., Any]] = {
    theirs: f for table in _TABLES for f, *spellings in table.SPELLINGS for theirs in spellings
}

# Those of them that call what the user gives them: the tape has to see what that does.
COMPOSITIONS: frozenset[Callable[..., Any]] = frozenset((F.triplet_margin_with_distance_loss,))
