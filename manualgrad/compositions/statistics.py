"""Statistics that are several elementary formulas in a row.

Source: what torch's documentation says of each; Hyndman & Fan (1996), Sample quantiles in statistical packages.
"""

from __future__ import annotations

import warnings
from typing import Any

import torch
from torch import Tensor

from manualgrad.formula import values_are_visible
from manualgrad.formulas.arithmetic import div, mul, sub
from manualgrad.formulas.choice import clamp, masked_fill
from manualgrad.formulas.conj import conj
from manualgrad.formulas.diagonals import diagonal
from manualgrad.formulas.elementwise import lerp
from manualgrad.formulas.extremes import amax, amin
from manualgrad.formulas.gathering import gather
from manualgrad.formulas.matmul import matmul
from manualgrad.formulas.ordering import sort
from manualgrad.formulas.powers import sqrt
from manualgrad.formulas.reductions import sum
from manualgrad.formulas.repeating import broadcast_to
from manualgrad.formulas.reshaping import reshape, squeeze, unsqueeze
from manualgrad.formulas.transposing import movedim, t
from manualgrad.parts.dims import Dim
from manualgrad.public import public


@public
def nansum(input: Tensor, dim: Dim = None, keepdim: bool = False, *, dtype: torch.dtype | None = None) -> Tensor:
    """The sum of the elements that are numbers. Same values and gradients as `torch.nansum`.

    >>> import torch
    >>> nansum(torch.tensor([1.0, torch.nan, 2.0]))
    tensor(3.)
    """
    return sum(masked_fill(input, input.isnan(), 0), dim, keepdim, dtype=dtype)


@public
def nanmean(input: Tensor, dim: Dim = None, keepdim: bool = False, *, dtype: torch.dtype | None = None) -> Tensor:
    """The mean of the elements that are numbers. Same values and gradients as `torch.nanmean`.

    >>> import torch
    >>> nanmean(torch.tensor([1.0, torch.nan, 2.0]))
    tensor(1.5000)
    """
    count = (~input.isnan()).sum(dim, keepdim)
    return div(nansum(input, dim, keepdim, dtype=dtype), count)


@public
def aminmax(input: Tensor, *, dim: int | None = None, keepdim: bool = False) -> Any:
    """The smallest and the largest element; those that tie share the gradient. Same as `torch.aminmax`.

    >>> import torch
    >>> low, high = aminmax(torch.tensor([2.0, 1.0, 3.0]))
    >>> low, high
    (tensor(1.), tensor(3.))
    """
    return torch.return_types.aminmax((amin(input, dim, keepdim), amax(input, dim, keepdim)))


@public
def cov(
    input: Tensor, *, correction: int = 1, fweights: Tensor | None = None, aweights: Tensor | None = None
) -> Tensor:
    """The covariances of the rows, each of which is a variable. Same values and gradients as `torch.cov`.

    forward    y  = (x - m) w (x - m)^H / n,  m the weighted mean of each row
    backward   dx = (dy + dy^H) (x - m) w / n               m moves too, but to no effect
    tangent    y' = (x' w (x - m)^H + (x - m) w x'^H) / n

    w is how often each observation counts (`fweights`, whole numbers) and how much (`aweights`); n is their sum less
    the correction. Shapes: x (variables, observations) or one variable, y (variables, variables) or (). Saves x - m.

    >>> import torch
    >>> cov(torch.tensor([[1.0, 2.0, 3.0], [3.0, 2.0, 1.0]]))
    tensor([[ 1., -1.],
            [-1.,  1.]])
    """
    if input.dim() > 2:
        raise RuntimeError(f"cov: input must have at most two dimensions, got shape {tuple(input.shape)}")
    x = input if input.dim() == 2 else reshape(input, (1, -1))
    weights = [w for w in (fweights, aweights) if w is not None]
    w = None if not weights else weights[0] if len(weights) == 1 else mul(weights[0], weights[1])
    total: Any = x.shape[1] if w is None else sum(w)
    centre = div(sum(x if w is None else mul(x, w), 1, True), total)
    n = sub(total, correction) if isinstance(total, Tensor) else total - correction
    if w is not None and aweights is not None and correction:
        n = sub(total, div(mul(sum(mul(w, aweights)), correction), total))
    if not isinstance(n, Tensor):
        if n <= 0:
            warnings.warn("cov: the number of observations less the correction is not positive", stacklevel=2)
        n = max(n, 0)
    x = sub(x, centre)
    right = x if w is None else mul(x, w)
    products = matmul(x, t(conj(right) if right.is_complex() else right))
    return squeeze(div(products, n if not isinstance(n, Tensor) else clamp(n, min=0)))


@public
def corrcoef(input: Tensor) -> Tensor:
    """The correlations of the rows, each of which is a variable. Same values and gradients as `torch.corrcoef`.

    >>> import torch
    >>> corrcoef(torch.tensor([[1.0, 2.0, 3.0], [3.0, 2.0, 1.0]])).round()
    tensor([[ 1., -1.],
            [-1.,  1.]])
    """
    c = cov(input)
    if not c.dim():
        return div(c, c)
    spread = sqrt(diagonal(c))
    return clamp(div(div(c, unsqueeze(spread, 1)), unsqueeze(spread, 0)), -1, 1)


@public
def quantile(
    input: Tensor, q: float | Tensor, dim: int | None = None, keepdim: bool = False, *, interpolation: str = "linear"
) -> Tensor:
    """The value below which a share `q` (in [0, 1]; a number or a vector) of the elements lies. As `torch.quantile`.

    forward    y  = x_i + w (x_j - x_i),  i and j the places next to q (n - 1) in the order of size
    backward   dx_i = dy (1 - w),  dx_j = dy w                  and dw = dy (x_j - x_i) to q, if it is a tensor
    tangent    y' = x'_i + w (x'_j - x'_i)

    Shapes: y as x without `dim`, or with size 1 there; for a vector q with its size in front. Saves the order.
    `interpolation` is "linear", "lower", "higher", "nearest" or "midpoint". Where one is NaN, so is the result.

    >>> import torch
    >>> quantile(torch.tensor([1.0, 2.0, 3.0, 5.0]), 0.5)
    tensor(2.5000)
    """
    return _quantile(input, q, dim, keepdim, interpolation, False)


@public
def nanquantile(
    input: Tensor, q: float | Tensor, dim: int | None = None, keepdim: bool = False, *, interpolation: str = "linear"
) -> Tensor:
    """`quantile` of the elements that are numbers. Same values and gradients as `torch.nanquantile`.

    >>> import torch
    >>> nanquantile(torch.tensor([1.0, torch.nan, 3.0]), 0.5)
    tensor(2.)
    """
    return _quantile(input, q, dim, keepdim, interpolation, True)


def _quantile(
    x: Tensor, q: float | Tensor, dim: int | None, keepdim: bool, interpolation: str, ignores_nan: bool
) -> Tensor:
    if interpolation not in ("linear", "lower", "higher", "nearest", "midpoint"):
        raise RuntimeError(
            "quantile: interpolation must be 'linear', 'lower', 'higher', 'nearest' or 'midpoint', "
            f"got {interpolation!r}"
        )
    share = torch.scalar_tensor(q, dtype=x.dtype, device=x.device) if not isinstance(q, Tensor) else q
    if share.dim() > 1:
        raise RuntimeError(f"quantile: q must be a number or a vector, got shape {tuple(share.shape)}")
    if values_are_visible() and not ((share >= 0) & (share <= 1)).all():
        raise RuntimeError(f"quantile: q must be in the range [0, 1], got {q}")
    if not x.numel():
        raise RuntimeError(f"quantile: input must not be empty, got shape {tuple(x.shape)}")
    rows = reshape(x, (-1,)) if dim is None or not x.dim() else movedim(x, dim, -1)
    ordered = sort(rows, -1).values  # those that are no numbers come last
    is_nan, size = ordered.isnan(), rows.shape[-1]
    last: Any = ((~is_nan).sum(-1, keepdim=True) - 1).clamp(min=0) if ignores_nan else size - 1
    rank = broadcast_to(mul(reshape(share, (-1,)), last), (*rows.shape[:-1], share.numel()))
    if not ignores_nan:
        rank = masked_fill(rank, is_nan.any(-1, keepdim=True), size - 1)
    place = rank.detach()
    below = (
        place.ceil() if interpolation == "higher" else place.round() if interpolation == "nearest" else place
    ).long()
    y = gather(ordered, -1, below)
    if interpolation in ("linear", "midpoint"):
        way = 0.5 if interpolation == "midpoint" else sub(rank, below.to(rank.dtype))
        y = lerp(y, gather(ordered, -1, place.ceil().long()), way)
    y = movedim(y, -1, 0) if share.dim() else squeeze(y, -1)
    kept = [1 if dim is None or d == dim % x.dim() else n for d, n in enumerate(x.shape)]
    return reshape(y, (*share.shape, *kept)) if keepdim else y
