"""torch's functions and ours, put together from the tables of the other files.

A table has one line per function of ours, with every spelling that torch has for it.
"""

from collections.abc import Callable
from typing import Any

from manualgrad.spellings import algebra, indexing, kernels, layers, losses, pointwise, reductions, shape

_TABLES = (layers, losses, kernels, pointwise, algebra, reductions, shape, indexing)

# torch's function -> ours, of the same arguments.
TWINS: dict[Callable[..., Any], Callable[..., Any]] = {
    theirs: f for table in _TABLES for f, *spellings in table.SPELLINGS for theirs in spellings
}

# Those of them that call what the user gives them: the tape has to see what that does.
COMPOSITIONS: frozenset[Callable[..., Any]] = frozenset(
    f for f in TWINS.values() if f.__module__.startswith("manualgrad.compositions")
)
