"""What losses of scores ask of targets that are class numbers."""

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


def check_class_targets(x: Tensor, t: Tensor, ignore_index: int) -> None:
    """Raise, as torch does, if `t` neither numbers the classes in dimension 1 of `x` nor has probabilities of them."""
    if t.shape != x.shape:
        check_class_numbers(x, t, ignore_index, otherwise=f" (class numbers) or {tuple(x.shape)} (probabilities)")
    elif not t.is_floating_point():
        raise RuntimeError(
            f"target has the shape of input, {tuple(x.shape)}, so it must hold probabilities, of a floating-point "
            f"dtype, got {t.dtype}"
        )


def check_class_numbers(x: Tensor, t: Tensor, ignore_index: int, otherwise: str = "") -> None:
    """Raise, with the exception type that torch has for it, if `t` does not number the classes in dimension 1 of `x`.

    A one-dimensional x is one sample. `otherwise` says what else a target might be.
    """
    if x.dim() == 0:
        raise ValueError("input needs a dimension for the classes, got shape ()")
    dim = 1 if x.dim() > 1 else 0
    expected = x.shape[:dim] + x.shape[dim + 1 :]
    if t.shape != expected and not (x.dim() == 1 and t.shape == (1,)):
        batch = t.dim() == 1 if x.dim() == 1 else t.dim() == 0 or x.shape[0] != t.shape[0]
        raise (ValueError if batch else RuntimeError)(
            f"target must have shape {tuple(expected)}{otherwise} for input {tuple(x.shape)}, got {tuple(t.shape)}"
        )
    if t.dtype not in (torch.int64, torch.uint8):
        raise RuntimeError(f"target of shape {tuple(t.shape)} must hold class numbers, of dtype int64, got {t.dtype}")
    wrong = t[(t != ignore_index) & ((t < 0) | (t >= x.shape[dim]))]
    if wrong.numel():
        raise IndexError(
            f"target holds {wrong.flatten()[0].item()}, which is no class number: input {tuple(x.shape)} has "
            f"{x.shape[dim]} classes, numbered from 0 (ignore_index is {ignore_index})"
        )
