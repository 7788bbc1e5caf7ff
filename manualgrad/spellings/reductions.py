"""What makes one of many elements, or puts them in order."""

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from manualgrad import functional as F


def _with_unbiased(function: Callable[..., Any]) -> Callable[..., Any]:
    """`var` or `std` with torch's older arguments too: `x.var(unbiased=False)`, `x.var(False)`, `x.var(0, False)`."""

    def spelled(input: Tensor, dim: Any = None, unbiased: bool = True, keepdim: bool = False, **named: Any) -> Any:
        if isinstance(dim, bool):
            dim, unbiased = None, dim
        correction = named.get("correction")
        return function(input, dim, keepdim=keepdim, correction=int(unbiased) if correction is None else correction)

    return spelled


def _in_rows(input: Tensor) -> Any:
    """`torch.msort`."""
    return F.sort(input, 0).values


def _shortened(input: Tensor, p: float, dim: int, maxnorm: float) -> Any:
    """`torch.renorm`, which shortens the slices of `dim` that are longer than `maxnorm`."""
    others = [d for d in range(input.dim()) if d != dim % input.dim()]
    norm = F.vector_norm(input, p, others, True)
    return F.mul(input, F.where(norm > maxnorm, F.div(maxnorm, F.add(norm, 1e-7)), 1.0))


SPELLINGS: tuple[tuple[Callable[..., Any], ...], ...] = (
    (F.sum, torch.sum, Tensor.sum),
    (F.mean, torch.mean, Tensor.mean),
    (_with_unbiased(F.var), torch.var, Tensor.var),
    (_with_unbiased(F.std), torch.std, Tensor.std),
    (_with_unbiased(F.var_mean), torch.var_mean),
    (_with_unbiased(F.std_mean), torch.std_mean),
    (F.logsumexp, torch.logsumexp, Tensor.logsumexp, torch.special.logsumexp),
    (F.cumsum, torch.cumsum, Tensor.cumsum),
    (F.prod, torch.prod, Tensor.prod),
    (F.cumprod, torch.cumprod, Tensor.cumprod),
    (F.max, torch.max, Tensor.max),
    (F.min, torch.min, Tensor.min),
    (F.amax, torch.amax, Tensor.amax),
    (F.amin, torch.amin, Tensor.amin),
    (F.sort, torch.sort, Tensor.sort),
    (F.topk, torch.topk, Tensor.topk),
    (F.nansum, torch.nansum, Tensor.nansum),
    (F.nanmean, torch.nanmean, Tensor.nanmean),
    (F.aminmax, torch.aminmax, Tensor.aminmax),
    (F.cov, torch.cov, Tensor.cov),
    (F.corrcoef, torch.corrcoef, Tensor.corrcoef),
    (F.quantile, torch.quantile, Tensor.quantile),
    (F.nanquantile, torch.nanquantile, Tensor.nanquantile),
    (F.diff, torch.diff, Tensor.diff),
    (F.trapezoid, torch.trapezoid, torch.trapz),
    (F.cumulative_trapezoid, torch.cumulative_trapezoid),
    (_in_rows, torch.msort, Tensor.msort),
    (F.logcumsumexp, torch.logcumsumexp, Tensor.logcumsumexp),
    (F.cummax, torch.cummax, Tensor.cummax),
    (F.cummin, torch.cummin, Tensor.cummin),
    (F.kthvalue, torch.kthvalue, Tensor.kthvalue),
    (F.median, torch.median, Tensor.median),
    (F.nanmedian, torch.nanmedian, Tensor.nanmedian),
    (F.mode, torch.mode, Tensor.mode),
    (_shortened, torch.renorm, Tensor.renorm),
)
