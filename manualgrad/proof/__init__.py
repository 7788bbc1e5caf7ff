"""What every row of the catalogue must satisfy: one function per claim, run by the tests and by `manualgrad demo`.

Each takes a `Row` and raises AssertionError, naming the arguments, where the row does not keep the claim.
`CHECKS` lists them in the order in which they are best read; `QUICK` are those that take milliseconds.
"""

from collections.abc import Callable

from manualgrad.catalogue import Row
from manualgrad.proof.gradients import double_backward, equal_to_torch, gradcheck, kinks, non_contiguous, ours, subsets
from manualgrad.proof.modes import compiled, on_the_tape, transforms
from manualgrad.proof.modules import exported, module
from manualgrad.proof.precision import autocast, bytes_saved, complex_numbers, extremes, low_precision
from manualgrad.proof.precision import saved_bytes as saved_bytes

QUICK: tuple[Callable[[Row], None], ...] = (
    ours,
    equal_to_torch,
    subsets,
    double_backward,
    low_precision,
    bytes_saved,
    kinks,
    extremes,
    on_the_tape,
    module,
)
CHECKS: tuple[Callable[[Row], None], ...] = (
    *QUICK,
    gradcheck,
    transforms,
    non_contiguous,
    complex_numbers,
    autocast,
    compiled,
    exported,
)
