"""Distributions over classes as the targets of cross-entropy: written out, or as class numbers with weights."""

from typing import Any, NamedTuple

import torch
from torch import Tensor

from manualgrad.formula import MINUS_ONE, ZERO, values_are_visible


class Numbers(NamedTuple):
    """Class numbers that stand for onehot rows: which of them count, what they are, any where they do not, and w_t.

    The weights are 0 where a number does not count, and None where all others are 1.
    """

    kept: Tensor
    at: Tensor
    weights: Tensor | None

    def total(self) -> Tensor:
        """The sum of the weights, by which a mean divides."""
        return torch.count_nonzero(self.kept) if self.weights is None else self.weights.sum()


def numbers(t: Tensor, w: Tensor | None, ignore_index: int, classes: int) -> Numbers:
    """`t` read as class numbers, of which `ignore_index` does not count; w (classes) are weights."""
    kept = t != ignore_index
    index = t.clamp(0, classes - 1)  # an ignored number may lie anywhere
    return Numbers(kept, index, None if w is None else torch.where(kept, w[index], 0.0))


def along(values: Tensor, z: Tensor, dim: int) -> Tensor:
    """One value per class, shaped to meet z, whose classes are in dimension `dim`."""
    return values.view(-1, *[1] * (z.dim() - 1 - dim))


def onehot_slope(z: Tensor, dim: int, targets: Numbers, dl: Tensor, w: Tensor | None, s: float) -> Tensor:
    """The gradient of logits z, given that of every loss, `dl`, in which the classes have size 1.

    That is dl (p sum_c q_c - q), q being the onehot row times w, smoothed by s. The onehot rows are not written out:
    all but one entry of p - onehot is that of p.
    """
    kept, index, weights = targets
    g = torch.where(kept, dl if weights is None else dl * weights, 0.0)
    p = z.softmax(dim)
    if not s:
        return (p * g).scatter_add_(dim, index, -g)
    spread = torch.where(kept, dl * (s / z.shape[dim]), 0.0)  # what smoothing gives to every class
    dz = p * g - spread if w is None else p * ((1 - s) * g + spread * w.sum()) - spread * along(w, z, dim)
    return dz.scatter_add_(dim, index, (s - 1) * g)


def onehot_gradient(ctx: Any, dy: Tensor, z: Tensor, t: Tensor, w: Tensor | None) -> Tensor:
    """dz for class numbers t, of a loss with the settings of `ctx`."""
    dim = 1 if z.dim() > 1 else 0
    t = t if t.dtype is torch.int64 else t.long()
    t = t.unsqueeze(1) if dim else t.reshape(1)
    if w is None and not ctx.s and _is_plain(z, t, ctx.ignore_index):  # the same in half as many kernels
        e = z.softmax(dim).scatter_add(dim, t, MINUS_ONE[z.dtype].expand_as(t))
        if ctx.reduction == "mean":
            return torch.addcmul(ZERO[z.dtype], e, dy, value=1 / t.numel())
        return e * (dy.reshape(t.shape) if ctx.reduction == "none" else dy)
    targets = numbers(t, w, ctx.ignore_index, z.shape[dim])
    dl = dy.reshape(t.shape) if ctx.reduction == "none" else dy
    dl = dl / targets.total() if ctx.reduction == "mean" else dl
    return onehot_slope(z, dim, targets, dl, w, ctx.s)


def _is_plain(z: Tensor, t: Tensor, ignore_index: int) -> bool:
    """Whether no class is ignored, if a look at the numbers may tell: on a CPU, where looking costs no waiting."""
    may_look = type(t) is Tensor and t.is_cpu and t.numel() > 0 and z.dtype in ZERO and values_are_visible()
    return may_look and ignore_index < 0 and t.min().item() >= 0


def distributions(ctx: Any, z: Tensor, t: Tensor, w: Tensor | None) -> tuple[int, Tensor, Tensor, Tensor, Any]:
    """The dimension of the classes; t, u and q written out for every class; and n."""
    dim = 1 if z.dim() > 1 else 0
    kept: Any = 1
    if t.shape != z.shape:
        t = t.unsqueeze(1) if dim else t.reshape(1)
        kept = (t != ctx.ignore_index).to(z.dtype)
        t = (t == along(torch.arange(z.shape[dim], device=z.device), z, dim)) * kept
    u = (1 - ctx.s) * t + ctx.s / z.shape[dim] * kept if ctx.s else t
    if w is not None:
        w = along(w, z, dim)
    n: Any = 1
    if ctx.reduction == "mean":
        n = z.numel() // z.shape[dim] if isinstance(kept, int) else (t if w is None else w * t).sum()
    return dim, t, u, u if w is None else w * u, n
