"""How two ways of doing the same thing are timed against each other.

Machines are shared and their speed drifts, so no absolute time is reported as a result: the two run in turn, A B, B A,
..., and what counts is the ratio within each pair. Its median is quoted, with the quartiles as the error bar.
"""

from __future__ import annotations

import gc
import statistics
import time
from collections.abc import Callable
from dataclasses import dataclass

import torch


@dataclass(frozen=True)
class Ratio:
    """Time of ours over time of torch's: the median over pairs, its quartiles, and torch's time for one call."""

    median: float
    low: float
    high: float
    torch_microseconds: float


def paired(ours: Callable[[], object], theirs: Callable[[], object], pairs: int = 31, window: float = 0.004) -> Ratio:
    """Time `ours` against `theirs`: `pairs` pairs, each call repeated to fill about `window` seconds.

    Time is that of the process on the CPU, so that what others do on the machine counts less; on CUDA it is the wall
    clock around synchronised work.
    """
    clock = _cuda_clock if torch.cuda.is_available() and torch.cuda.is_initialized() else time.process_time
    for call in (ours, theirs):
        _time(call, 3, clock)
    repeats = max(1, round(window / max(min(_time(theirs, 3, clock) / 3, window), 1e-7)))
    ratios, times = [], []
    enabled = gc.isenabled()
    gc.disable()
    try:
        for k in range(pairs + 2):
            first, second = (ours, theirs) if k % 2 == 0 else (theirs, ours)
            a, b = _time(first, repeats, clock), _time(second, repeats, clock)
            mine, torchs = (a, b) if k % 2 == 0 else (b, a)
            if k >= 2:  # the first two pairs warm caches up
                ratios.append(mine / torchs)
                times.append(torchs / repeats)
    finally:
        if enabled:
            gc.enable()
    low, median, high = statistics.quantiles(ratios, n=4)
    return Ratio(median, low, high, statistics.median(times) * 1e6)


def _time(call: Callable[[], object], repeats: int, clock: Callable[[], float]) -> float:
    start = clock()
    for _ in range(repeats):
        call()
    return max(clock() - start, 1e-9)


def _cuda_clock() -> float:
    torch.cuda.synchronize()
    return time.perf_counter()
