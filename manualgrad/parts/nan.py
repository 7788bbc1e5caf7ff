"""What is no number among the inputs of activations."""

import math

import torch
from torch import Tensor

from manualgrad.formula import values_are_visible


def nan_as(x: Tensor, value: float) -> Tensor:
    """`x` with `value` where it is no number, in memory of its own; what is larger than `value` may become it, too.

    On a CPU nan_to_num is the fastest, but of the two it is fmin that torch.compile makes vector instructions of.
    """
    if values_are_visible():
        return x.nan_to_num(value, math.inf, -math.inf)
    return torch.fmin(x, x.new_full((), value))
