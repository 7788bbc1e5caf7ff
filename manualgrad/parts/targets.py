"""Targets that are class numbers: what losses of scores share."""

import torch
from torch import Tensor


def as_rows(x: Tensor) -> Tensor:
    """Scores (C) of one sample, or (N, C) of several, as (N, C)."""
    return x if x.dim() == 2 else x.reshape(1, -1)


def check_one_each(x: Tensor, t: Tensor) -> None:
    """Raise RuntimeError if `t`, () or (N), does not hold the number of one class for each sample of x, (C) or (N, C).

    One sample may have its number in a dimension of its own.
    """
    if x.dim() > 2 or x.shape[-1:] == (0,):
        raise RuntimeError(f"input must have shape (C) or (N, C), with at least one class, got {tuple(x.shape)}")
    if t.shape != x.shape[:-1] and not (x.dim() < 2 and t.shape == (1,)):
        raise RuntimeError(
            f"target must have shape {tuple(x.shape[:-1])} for input {tuple(x.shape)}, got {tuple(t.shape)}"
        )
    check_numbers(x, t)


def check_numbers(x: Tensor, t: Tensor, least: int = 0) -> None:
    """Raise RuntimeError if `t` does not hold numbers of the classes in the last dimension of x, or from `least` on."""
    if t.dtype != torch.int64:
        raise RuntimeError(f"target must hold class numbers, of dtype int64, got {t.dtype}")
    classes = x.shape[-1] if x.dim() else 1
    wrong = t[(t < least) | (t >= classes)]
    if wrong.numel():
        raise RuntimeError(
            f"target holds {wrong.flatten()[0].item()}, which is no class number{' and not -1' * (least < 0)}: "
            f"input {tuple(x.shape)} has {classes} classes, numbered from 0"
        )
