"""Causes that lie in the arrangement: the right numbers in the wrong places, or sums over the wrong ones."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence

import numpy as np

from manualgrad.checking.case import Block, Case
from manualgrad.checking.numeric import Array
from manualgrad.checking.report import Finding


def moved(case: Case) -> Finding | None:
    b = case.block
    if not b.full or b.true.size > 4_000_000:
        return None
    cube = b.true.reshape(*b.out_shape, *b.in_shape)
    n, m = len(b.out_shape), len(b.in_shape)
    if m == 0:
        return None

    def fits(candidate: Array) -> bool:
        return candidate.shape == cube.shape and b.fits(candidate.reshape(b.true.shape))

    out_dims = [d for d in range(n) if b.out_shape[d] > 1]
    in_dims = [n + d for d in range(m) if b.in_shape[d] > 1]
    for some in _subsets(in_dims, 3):
        if fits(np.flip(cube, some)):
            return _reversed(case, [d - n for d in some], "")
    for some in _subsets(out_dims, 3):
        if fits(np.flip(cube, some)):
            return _reversed(case, some, "the upstream gradient of ")
    for dims, what in ((in_dims, ""), (out_dims, "the upstream gradient of ")):
        for d in dims:
            for step in (1, -1, 2, -2):
                rolled = np.roll(cube, step, d)
                for candidate in (rolled, _emptied(rolled, step, d)):
                    if fits(candidate) and not b.fits(0 * b.true):
                        subject = f"{what}{case.input}" if what else case.gradient
                        return case.finding(
                            "shifted",
                            f"{subject} is moved by {abs(step)} along dimension {d if what else d - n}",
                            "Check where the slice, the padding or the index starts: off by one.",
                        )
    for some in _subsets(in_dims, 3):
        for other in _subsets(out_dims, 3):
            if len(some) == len(other) and fits(np.flip(cube, (*some, *other))):
                return _reversed(case, [d - n for d in some], "")
    for j, k in itertools.combinations(in_dims, 2):
        if b.in_shape[j - n] == b.in_shape[k - n] and fits(np.swapaxes(cube, j, k)):
            spread = n > 0 and any(np.ptp(cube, d).max() < 1e-9 * b.top for d in (j, k))
            return _exchanged(case, j - n, k - n, reduces=n < m and spread)
    for j, k in itertools.combinations(out_dims, 2):
        if b.out_shape[j] == b.out_shape[k] and fits(np.swapaxes(cube, j, k)):
            return _exchanged(case, j, k, reduces=n != m)
    for j, k in itertools.combinations(in_dims, 2):
        for i, h in itertools.combinations(out_dims, 2):
            if fits(np.swapaxes(np.swapaxes(cube, j, k), i, h)):
                return _exchanged(case, j - n, k - n, reduces=ties(b, b.true) != ties(b, b.got))
    if b.true.shape[0] == b.true.shape[1] and b.fits(b.true.T):
        return case.finding(
            "transpose",
            f"{case.gradient} is made with the transpose of what it needs",
            "With y = x W the gradient is dx = dy W^T; with y = x W^T it is dx = dy W.",
        )
    # matrix products: one operand of several is transposed, so that dimensions of different tensors change places
    for j in in_dims:
        for k in out_dims:
            if cube.shape[j] == cube.shape[k] and fits(np.swapaxes(cube, j, k)):
                return case.finding(
                    "transpose",
                    f"{case.gradient} is made with the transpose of what it needs",
                    "With y = x W the gradient is dx = dy W^T; with y = x W^T it is dx = dy W.",
                )
    return None


def _subsets(dims: Sequence[int], most: int) -> Iterator[tuple[int, ...]]:
    for size in range(1, min(len(dims), most) + 1):
        yield from itertools.combinations(dims, size)


def _emptied(cube: Array, step: int, d: int) -> Array:
    """`cube`, rolled by `step` along `d`, with zeros where the roll brought in what fell off the other end."""
    result = cube.copy()
    part: list[slice] = [slice(None)] * cube.ndim
    part[d] = slice(0, step) if step > 0 else slice(step, None)
    result[tuple(part)] = 0
    return result


def _reversed(case: Case, dims: Sequence[int], what: str) -> Finding:
    along = " and ".join(map(str, dims))
    return case.finding(
        "reversed",
        f"{what or 'the gradient of '}{case.input} runs backwards along dimension{'s' * (len(dims) > 1)} {along}",
        "A running sum's gradient runs from the end; a convolution's kernel is flipped. Flip where the formula does.",
    )


def _exchanged(case: Case, j: int, k: int, reduces: bool) -> Finding:
    if reduces:
        return case.finding(
            "wrong-axis",
            f"{case.gradient} is spread or summed along dimension {k if k else j} in the place of the other one",
            "Check `dim` of the sum, and where unsqueeze puts the dimension that the reduction took away.",
        )
    return case.finding(
        "transpose",
        f"{case.gradient} is transposed (dimensions {j} and {k})",
        "Transpose it: dW = dy^T x has W's shape.",
    )


def ties(b: Block, a: Array) -> set[tuple[int, int]] | None:
    """The pairs (output dimension, input dimension) whose indexes agree wherever `a` is not zero."""
    r, c = np.nonzero(b.significant(a))
    if not len(r):
        return None
    return {
        (d, e)
        for d, n in enumerate(b.out_shape)
        for e, m in enumerate(b.in_shape)
        if n == m > 1 and bool((b.out_index[d][r] == b.in_index[e][c]).all())
    }


def cross_terms(case: Case) -> Finding | None:
    b = case.block
    true, got = ties(b, b.true), ties(b, b.got)
    if true is None or got is None:
        return None
    off, coupled = np.zeros((1, 1), bool), False
    if b.in_shape == b.out_shape and b.in_shape:
        off = b.rows[:, None] != b.cols[None, :]
        coupled = bool(b.significant(b.true)[off].any())
        if coupled and not b.significant(b.got)[off].any() and b.wrong[off].any():
            return case.finding(
                "cross-terms",
                f"{case.gradient} takes each element by itself, and forward couples them{_coupling(b, true)}",
                "Only the diagonal of the Jacobian is there; add what each element contributes to the others "
                "(for softmax: minus y times the sum of dy y).",
                off,
            )
    if true == got:
        if coupled and b.wrong.any() and not b.wrong[~off].any() and b.significant(b.true)[~off].any():
            return case.finding(
                "cross-terms",
                f"{case.gradient} is right where an element influences itself and wrong where it influences others",
                "Check the part of the gradient that sums over the other elements.",
            )
        return None
    if got > true and len(got) == len(b.in_shape):
        lost = ", ".join(str(e) for _, e in sorted(got - true))
        return case.finding(
            "cross-terms",
            f"{case.gradient} leaves out how elements influence one another along dimension {lost}",
            "Add what each element contributes to the others: the terms through the sum, mean or norm.",
        )
    if not b.full:
        return None
    if len(b.in_shape) < 2 and len(b.out_shape) < 2:
        return None
    wanted = ", ".join(sorted({str(e) for e in range(len(b.in_shape)) if e not in {t[1] for t in true}}))
    used = ", ".join(sorted({str(e) for e in range(len(b.in_shape)) if e not in {t[1] for t in got}}))
    return case.finding(
        "wrong-axis",
        f"{case.gradient} couples elements along dimension {used or 'none'}, and forward along {wanted or 'none'}",
        "Check `dim` (and keepdim) of every sum and mean in backward.",
    )


def _coupling(b: Block, ties: set[tuple[int, int]]) -> str:
    dims = [str(e) for e in range(len(b.in_shape)) if e not in {t[1] for t in ties} and b.in_shape[e] > 1]
    return f" along dimension {', '.join(dims)}" if dims and len(b.in_shape) > 1 else ""


def missing_sum(case: Case) -> Finding | None:
    """One of the places where the input was repeated is there, and their sum is needed."""
    b = case.block
    true = ties(b, b.true)
    alive = b.significant(b.got)
    if true is None or not alive.any() or not (b.wrong <= ~alive).all():
        return None
    r = np.nonzero(alive.any(1))[0]
    for d, n in enumerate(b.out_shape):
        if n > 1 and d not in {t[0] for t in true} and len(b.out_shape) > len(true):
            where = np.unique(b.out_index[d][r])
            columns = b.significant(b.true)
            repeated = all(len(np.unique(b.out_index[d][columns[:, c]])) == n for c in np.flatnonzero(columns.any(0)))
            if not repeated:
                continue
            kept = np.isin(b.out_index[d], where)
            if len(where) < n and not b.wrong[kept].any():
                return case.finding(
                    "missing-sum",
                    f"{case.gradient} takes only index {', '.join(map(str, where))} of dimension {d} of the output",
                    f"{case.input} is used at every index of that dimension; its gradient is the sum over them.",
                )
    return None
