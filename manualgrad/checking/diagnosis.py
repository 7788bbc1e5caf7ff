"""From a claimed and a true Jacobian to the mistake: the list of causes, each fitted to the numbers.

A `Case` is the Jacobian of one output by one input, as backward claims it and as differences measure it. `diagnose`
goes through the causes from the most specific to the vaguest and returns the first that explains every cell.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import numpy as np

from manualgrad.checking.expressions import Expression, Library, Operand, name_constant, proportion, separating
from manualgrad.checking.numeric import Array, Mask
from manualgrad.checking.report import Finding

_CELLS = 96  # how many cells the search for expressions looks at


@dataclass
class Block:
    """Rows and columns of the Jacobian of one output by one input, at one point.

    `got` is what backward claims, `true` what differences measure, `limit` how far apart they may be, `usable` where
    the derivative exists. `tensors` are the quantities at this point, by name, the output among them as "output".
    """

    in_shape: tuple[int, ...]
    out_shape: tuple[int, ...]
    rows: np.ndarray[Any, Any]
    cols: np.ndarray[Any, Any]
    got: Array
    true: Array
    limit: Array
    usable: Mask
    tensors: Mapping[str, Array]
    is_complex: bool = False  # the input's last dimension holds real and imaginary part

    @cached_property
    def wrong(self) -> Mask:
        """Where the two differ by more than they may; NaN where the truth is finite differs."""
        with np.errstate(invalid="ignore"):
            return self.usable & ~(np.abs(self.got - self.true) <= self.limit)

    @cached_property
    def top(self) -> float:
        """The largest entry of either."""
        return float(max(np.abs(a[np.isfinite(a) & self.usable]).max(initial=0.0) for a in (self.got, self.true)))

    @property
    def full(self) -> bool:
        """Whether every row and every column is there, in order."""
        return len(self.rows) == int(np.prod(self.out_shape)) and len(self.cols) == int(np.prod(self.in_shape))

    def fits(self, candidate: Array) -> bool:
        """Whether `candidate` explains what backward claims, in every usable cell."""
        size = np.maximum(np.abs(self.got), np.abs(candidate))
        close = np.abs(self.got - candidate) <= self.limit + 1e-6 * size + 1e-9 * self.top
        return bool((close | ~self.usable).all())

    def significant(self, a: Array) -> Mask:
        """Where `a` is clearly not zero."""
        return self.usable & (np.abs(a) > np.maximum(self.limit, 1e-8 * self.top))

    @cached_property
    def in_index(self) -> tuple[np.ndarray[Any, Any], ...]:
        """The index of each column's element, one array for each dimension."""
        return np.unravel_index(self.cols, self.in_shape) if self.in_shape else ()

    @cached_property
    def out_index(self) -> tuple[np.ndarray[Any, Any], ...]:
        """The index of each row's element, one array for each dimension."""
        return np.unravel_index(self.rows, self.out_shape) if self.out_shape else ()


@dataclass
class Case:
    """One input and one output that disagree, with all that may help to say why."""

    input: str
    output: str
    block: Block
    nearby: list[Block] = field(default_factory=list)  # the same Jacobian at other points
    others: dict[str, Block] = field(default_factory=dict)  # of this output by the other inputs, by name
    siblings: dict[str, Block] = field(default_factory=dict)  # of the other outputs by this input, by name
    integers: Mapping[str, Array] = field(default_factory=dict)
    scalars: Mapping[str, float] = field(default_factory=dict)
    depends: Callable[[], bool] = lambda: True  # whether a large change of the input changes the output
    constants: tuple[str, ...] = ()  # inputs that are not differentiated by: masks, targets, weights

    @cached_property
    def sizes(self) -> dict[str, int]:
        """The sizes that a wrong constant may come from."""
        b = self.block
        found = {}
        many = int(np.prod(b.in_shape))
        found[f"the number of elements of {self.input}"] = many
        found[f"the number of elements of the {self.output}"] = int(np.prod(b.out_shape))
        for what, shape in ((self.input, b.in_shape), (f"the {self.output}", b.out_shape)):
            for d, n in enumerate(shape):
                found[f"the size of dimension {d} of {what}"] = n
        for name, t in b.tensors.items():
            if name not in (self.input, "output") and t.shape:
                found[f"the number of elements of {name}"] = t.size
                for d, n in enumerate(t.shape):
                    found.setdefault(f"the size of dimension {d} of {name}", n)
        return found

    # ---------------------------------------------------------------------------------------------- saying it

    def worst(self, mask: Mask | None = None) -> tuple[int, int]:
        """Row and column of the cell that is furthest off."""
        b = self.block
        mask = b.wrong if mask is None else mask
        with np.errstate(invalid="ignore"):
            gap = np.where(mask, np.nan_to_num(np.abs(b.got - b.true), nan=np.inf, posinf=np.inf), -1.0)
        r, c = np.unravel_index(int(np.argmax(gap)), gap.shape)
        return int(r), int(c)

    def index(self, column: int) -> tuple[int, ...]:
        """The index of this column's element in the input's shape."""
        return tuple(int(i[column]) for i in self.block.in_index)

    def evidence(self, cell: tuple[int, int]) -> str:
        """`at x[1, 2] backward gives 0.84, the derivative is 0.42`."""
        r, c = cell
        b = self.block
        row = tuple(int(i[r]) for i in b.out_index)
        output = f" (of {self.output}{_at(row)})" if row and (b.in_shape != b.out_shape or row != self.index(c)) else ""
        bar = max(float(b.limit[r, c]) / 10, 1e-16)
        return (
            f"at {self.input}{_at(self.index(c))} backward gives {_number(b.got[r, c])}, "
            f"the derivative{output} is {_number(b.true[r, c])} (\u00b1 {bar:.0e})"
        )

    def finding(self, code: str, what: str, advice: str, mask: Mask | None = None, severity: str = "error") -> Finding:
        """A finding on this input, with its worst cell as evidence."""
        cell = self.worst(mask)
        return Finding(code, severity, self.input, self.index(cell[1]), f"{what}: {self.evidence(cell)}.", advice)

    @property
    def gradient(self) -> str:
        """How messages call the Jacobian."""
        return f"the gradient of {self.input}"

    # ------------------------------------------------------------------------------------------ cells for fitting

    @cached_property
    def cells(self) -> tuple[Array, Array, list[Operand]]:
        """Claimed and true values of cells that are clearly not zero in both or either, and the operands there."""
        got, true, operands = [], [], []
        for b in (self.block, *self.nearby):
            alive = b.significant(b.got) | b.significant(b.true)
            alive &= np.isfinite(b.got)
            r, c = np.nonzero(alive)
            if not len(r):
                continue
            if len(r) > _CELLS:
                pick = np.random.default_rng(0).choice(len(r), _CELLS, replace=False)
                r, c = r[pick], c[pick]
            got.append(b.got[r, c])
            true.append(b.true[r, c])
            operands.append(_operands(b, r, c, self.input))
        if not got:
            return np.zeros(0), np.zeros(0), []
        names = [n for n in operands[0] if all(n in o for o in operands)]
        merged: list[Operand] = []
        for name in names:
            values = np.concatenate([o[name][0] for o in operands])
            if not any(np.array_equal(values, m.values) for m in merged):
                merged.append(Operand(name, values, operands[0][name][1]))
        return np.concatenate(got), np.concatenate(true), merged

    @cached_property
    def library(self) -> Library:
        """Simple expressions of everything at hand, in the cells."""
        return Library(self.cells[2])

    def simplicity(self, numbers: Array) -> float:
        """The cost of the simplest expression, or product of two, that these values of the cells are proportional to."""
        nonzero = numbers[numbers != 0]
        if len(nonzero) and np.allclose(nonzero, nonzero[0], rtol=1e-6):
            return 0.0
        costs = [e.cost for e, _, _ in self.library.singles(numbers)]
        return min(costs or [a.cost + b.cost + 5 for a, b, _, _ in self.library.pairs(numbers)] or [np.inf])

    def constant(self, c: float) -> str:
        """The name of `c`, or its digits."""
        return name_constant(c, self.sizes, self.scalars) or _number(c)

    def natural(self, c: float) -> bool:
        """Whether `c` is a constant with a name."""
        return name_constant(c, self.sizes, self.scalars) is not None


def diagnose(case: Case) -> Finding:
    """The most likely mistake. `case.block` must be wrong somewhere."""
    for cause in _CAUSES:
        finding = cause(case)
        if finding is not None:
            return finding
    return _mismatch(case)


# ----------------------------------------------------------------------------------------------------- whole Jacobian


def _not_finite(case: Case) -> Finding | None:
    b = case.block
    mask = b.wrong & ~np.isfinite(b.got)
    if not mask.any():
        return None
    kind = "NaN" if np.isnan(b.got[mask]).any() else "infinite"
    return case.finding(
        "unstable",
        f"{case.gradient} is {kind} where the derivative is finite",
        "Look for 0/0, inf - inf or 0 * inf in backward; divide by a value that cannot be zero, or select before dividing.",
        mask,
    )


def _missing(case: Case) -> Finding | None:
    b = case.block
    if b.significant(b.got).any():
        return None
    if case.siblings and all(s.significant(s.got).any() for s in case.siblings.values()):
        return case.finding(
            "ignores-upstream",
            f"the upstream gradient of the {case.output} never reaches {case.input}",
            "backward receives one upstream gradient for each output; use them all and add what they contribute.",
        )
    return case.finding(
        "missing", f"{case.gradient} is zero or None", f"Return the derivative by {case.input} in its place."
    )


def _spurious(case: Case) -> Finding | None:
    b = case.block
    if b.significant(b.true).any() or (np.abs(b.true[b.usable]) > b.limit[b.usable]).any():
        return None
    if case.depends():
        return case.finding(
            "surrogate",
            f"forward is constant around every element, so the derivative by {case.input} is zero, "
            "and backward gives something else",
            "If that is meant (straight-through, a surrogate slope), declare it: check(..., surrogate=function) "
            "where `function` has the gradient that backward should give.",
        )
    for name, sibling in case.siblings.items():
        if sibling.wrong.any() and sibling.true.shape == b.got.shape and b.fits(sibling.true):
            return case.finding(
                "swapped",
                f"{case.gradient} belongs to the {name}, not to the {case.output}",
                "Check the order of backward's upstream gradients: one for each output, in the order of forward.",
            )
    return case.finding(
        "spurious",
        f"the {case.output} does not depend on {case.input}, and backward gives it a gradient",
        f"Return None in the place of {case.input}.",
    )


def _scale(case: Case) -> Finding | None:
    b = case.block
    if b.fits(-b.true):
        return case.finding("sign", f"{case.gradient} has the wrong sign", "Negate it.")
    clear = b.significant(b.true)
    if not clear.any():
        return None
    cell = np.unravel_index(int(np.argmax(np.where(clear, np.abs(b.true), 0))), b.true.shape)
    c = float(b.got[cell] / b.true[cell])
    if c == 0 or not b.fits(c * b.true) or not all(n.fits(c * n.true) for n in case.nearby):
        return None
    name = case.constant(c)
    inverse = case.constant(1 / c)
    advice = f"Divide by {name.split(',')[0]}." if abs(c) > 1 else f"Multiply by {inverse.split(',')[0]}."
    if "being" in name and abs(c) < 1:
        advice += " A sum may have been written as a mean, or a mean's division done twice."
    elif "being" in name:
        advice += " A mean's gradient is divided by the number of its elements."
    return case.finding("scale", f"{case.gradient} is {name} times the derivative", advice)


def _conjugate(case: Case) -> Finding | None:
    b = case.block
    if not b.is_complex:
        return None
    by_input = np.where(b.in_index[-1] == 1, -1.0, 1.0)[None, :]
    by_output = np.where(b.out_index[-1] == 1, -1.0, 1.0)[:, None] if b.out_shape[-1:] == (2,) else 1.0
    for flips in (by_input, by_output, by_input * by_output):
        if b.fits(flips * b.true):
            return case.finding(
                "sign",
                f"an imaginary part of {case.gradient} has the wrong sign",
                "torch's gradient of a complex input is dy times the conjugate of the slope.",
            )
    return None


def _swapped(case: Case) -> Finding | None:
    b = case.block
    for name, other in case.others.items():
        if other.true.shape == b.got.shape and b.fits(other.true) and other.wrong.any() and other.fits(b.true):
            return case.finding(
                "swapped",
                f"the gradients of {case.input} and {name} are exchanged",
                "Return the gradients in the order of forward's arguments.",
            )
    for name, sibling in case.siblings.items():
        if sibling.wrong.any() and sibling.true.shape == b.got.shape and b.fits(sibling.true):
            return case.finding(
                "swapped",
                f"{case.gradient} uses the upstream gradient of the {name} in the place of that of the {case.output}",
                "Check the order of backward's upstream gradients: one for each output, in the order of forward.",
            )
    return None


# -------------------------------------------------------------------------------------------- moved along dimensions


def _moved(case: Case) -> Finding | None:
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
                        return case.finding(
                            "shifted",
                            f"{what or case.gradient}{case.input if what else ''} is moved by {abs(step)} along dimension "
                            f"{d - (0 if what else n)}",
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
            if cube.shape[j] == cube.shape[k] and cube.shape[i] == cube.shape[h]:
                if fits(np.swapaxes(np.swapaxes(cube, j, k), i, h)):
                    return _exchanged(case, j - n, k - n, reduces=_ties(b, b.true) != _ties(b, b.got))
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
        "transpose", f"{case.gradient} is transposed (dimensions {j} and {k})", "Transpose it: dW = dy^T x has W's shape."
    )


# ------------------------------------------------------------------------------------------------- who influences whom


def _ties(b: Block, a: Array) -> set[tuple[int, int]] | None:
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


def _cross_terms(case: Case) -> Finding | None:
    b = case.block
    true, got = _ties(b, b.true), _ties(b, b.got)
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
        if b.in_shape == b.out_shape and b.in_shape and coupled and b.wrong.any() and not b.wrong[~off].any():
            if b.significant(b.true)[~off].any():
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


def _missing_sum(case: Case) -> Finding | None:
    """One of the places where the input was repeated is there, and their sum is needed."""
    b = case.block
    true = _ties(b, b.true)
    alive = b.significant(b.got)
    if true is None or not alive.any() or not (b.wrong <= ~alive).all():
        return None
    r = np.nonzero(alive.any(1))[0]
    for d, n in enumerate(b.out_shape):
        if n > 1 and d not in {t[0] for t in true} and len(b.out_shape) > len(true):
            where = np.unique(b.out_index[d][r])
            columns = b.significant(b.true)
            repeated = all(
                len(np.unique(b.out_index[d][columns[:, c]])) == n for c in np.flatnonzero(columns.any(0))
            )
            if not repeated:
                continue
            kept = np.isin(b.out_index[d], where)
            if len(where) < n and not b.wrong[kept].any():
                return case.finding(
                    "missing-sum",
                    f"{case.gradient} takes only index {', '.join(map(str, where))} of dimension {d} of the {case.output}",
                    f"{case.input} is used at every index of that dimension; its gradient is the sum over them.",
                )
    return None


# ------------------------------------------------------------------------------------------------------ right in places


@dataclass
class _Condition:
    text: str
    mask: Mask  # where the gradient is wrong, among the cells


def _partial(case: Case) -> Finding | None:
    b = case.block
    considered = b.significant(b.true) | b.significant(b.got) | b.wrong
    r, c = np.nonzero(considered)
    wrong = b.wrong[r, c]
    if wrong.all() or len(r) < 2:
        return None
    share = f"{int((~wrong).sum())} of {len(wrong)} entries are right"
    text = _condition(case, r, c, wrong)
    if text is not None:
        return case.finding(
            "partial",
            f"{case.gradient} is right on some elements only: it is wrong {text} ({share})",
            "Give that case its own branch (torch.where, a mask) in backward, as forward has.",
        )
    return None


def _partial_unexplained(case: Case) -> Finding | None:
    b = case.block
    considered = b.significant(b.true) | b.significant(b.got) | b.wrong
    r, c = np.nonzero(considered)
    wrong = b.wrong[r, c]
    if (~wrong).sum() < max(2, 0.2 * len(wrong)):
        return None
    places = list(dict.fromkeys(case.index(int(k)) for k in c[wrong]))
    listed = ", ".join(f"{case.input}{_at(p)}" for p in places[:4]) + (" ..." if len(places) > 4 else "")
    return case.finding(
        "partial",
        f"{case.gradient} is right on some elements only: {int((~wrong).sum())} of {len(wrong)} entries are right; "
        f"wrong at {listed}",
        "Look for what sets these elements apart: a branch, a boundary, a tie, a duplicate index.",
    )


def _condition(case: Case, r: Any, c: Any, wrong: Mask) -> str | None:
    """What the wrong cells have in common and the right ones do not; the most natural condition first."""
    b = case.block
    for found in (_by_class(case, r, c, wrong), _by_value(case, r, c, wrong, natural=True), _by_place(case, r, c, wrong)):
        if found:
            return found
    if len(wrong) >= 5:
        return _by_value(case, r, c, wrong, natural=False)
    del b
    return None


def _by_class(case: Case, r: Any, c: Any, wrong: Mask) -> str | None:
    """In the target's column, or in the rows of one class."""
    b = case.block
    for name, t in case.integers.items():
        for shape, index, size in ((b.in_shape, b.in_index, len(b.cols)), (b.out_shape, b.out_index, len(b.rows))):
            pick = c if size == len(b.cols) and index is b.in_index else r
            for d in range(len(shape)):
                if t.shape == shape[:d] + shape[d + 1 :]:
                    rest = tuple(i[pick] for k, i in enumerate(index) if k != d)
                    if np.array_equal(index[d][pick] == t[rest], wrong):
                        return f"in the column that {name} names"
            if t.shape == shape[: t.ndim] and t.ndim:
                labels = t[tuple(i[pick] for i in index[: t.ndim])]
                bad = set(np.unique(labels[wrong]).tolist())
                if bad.isdisjoint(labels[~wrong].tolist()):
                    return f"where {name} is {', '.join(map(str, sorted(bad)))}"
    return None


def _by_place(case: Case, r: Any, c: Any, wrong: Mask) -> str | None:
    """At one index, or on one side of an index, of one dimension; on or off the diagonal."""
    b = case.block
    for what, shape, index, pick in (
        (case.input, b.in_shape, b.in_index, c),
        (f"the {case.output}", b.out_shape, b.out_index, r),
    ):
        for d, i in enumerate(index):
            places = i[pick]
            bad, good = np.unique(places[wrong]), np.unique(places[~wrong])
            if len(good) and not np.intersect1d(bad, good).size and (len(bad) <= 2 or len(good) <= 2):
                if len(bad) <= len(good):
                    return f"at index {_listed(bad)} of dimension {d} of {what} {tuple(shape)}"
                return f"at every index of dimension {d} of {what} {tuple(shape)} but {_listed(good)}"
        for d, e in itertools.combinations(range(len(index)), 2):
            if shape[d] == shape[e]:
                i, j = index[d][pick], index[e][pick]
                for text, mask in (
                    ("on the diagonal", i == j),
                    ("off the diagonal", i != j),
                    ("below the diagonal", i > j),
                    ("above the diagonal", i < j),
                    ("on and below the diagonal", i >= j),
                    ("on and above the diagonal", i <= j),
                ):
                    if np.array_equal(mask, wrong):
                        return f"{text} of {what}"
    corners = [
        np.logical_or.reduce([(i[c] == 0) | (i[c] == n - 1) for i, n in zip(b.in_index[k:], b.in_shape[k:], strict=True)])
        for k in range(len(b.in_shape))
    ]
    if any(np.array_equal(edge, wrong) for edge in corners):
        return f"at the border of {case.input}"
    return None


def _by_value(case: Case, r: Any, c: Any, wrong: Mask, natural: bool) -> str | None:
    """Below, above, inside or outside of a threshold: of the input, the output, another input or a difference of two."""
    b = case.block
    named = _operands(b, r, c, case.input)
    order = [case.input, "output"]
    names = [n for n in order if n in named] + [n for n in named if n not in order and "(" not in n]
    variables = [(n, named[n][0]) for n in names]
    pairs = [(f"{p} - {q}", x - y) for (p, x), (q, y) in itertools.combinations(variables, 2) if p != q]
    pairs += [(f"{p} {q}", x * y) for (p, x), (q, y) in itertools.combinations(variables, 2) if p != q]
    for name, values in variables + pairs:
        if not np.isfinite(values).all() or np.ptp(values) == 0:
            continue
        for text, v in ((name, values), (f"|{name}|", np.abs(values))):
            found = separating(v, wrong)
            if found is None:
                # equal to one number wherever it is wrong and never where it is right: padding, exact zeros, ties
                bad = np.unique(v[wrong])
                if len(bad) == 1 and not (v[~wrong] == bad[0]).any() and natural:
                    return f"where {text} = {_number(float(bad[0]))}"
                continue
            kind, low, high = found
            if kind in ("below", "above"):
                border = _border(case, low, high)
                if natural and border is None:
                    continue
                sign = "<" if kind == "below" else ">"
                if border is not None:
                    return f"where {text} {sign} {border}"
                return f"where {text} {sign} about {_number((low + high) / 2)}"
            if natural and name != case.input:
                continue
            if kind == "outside":
                beyond = [v[wrong & (v < low)].max(), v[wrong & (v > high)].min()]
                edges = _border(case, float(beyond[0]), low), _border(case, high, float(beyond[1]))
            else:
                within = v[~wrong]
                lower, upper = within[within < low], within[within > high]
                if not len(lower) or not len(upper):
                    continue
                edges = _border(case, float(lower.max()), low), _border(case, high, float(upper.min()))
            if natural and None in edges:
                continue
            a, z = (e or f"about {_number(x)}" for e, x in zip(edges, (low, high), strict=True))
            return f"where {text} is {'outside of' if kind == 'outside' else 'between'} {a} {'...' if kind == 'outside' else 'and'} {z}"
    return None


def _border(case: Case, low: float, high: float) -> str | None:
    """A number with a meaning between `low` and `high`: a scalar argument, 0, or a small round number."""
    for name, s in case.scalars.items():
        for text, value in ((name, s), (f"-{name}", -s)):
            if low <= value <= high:
                return f"{text} ({_number(value)})" if value == s else text
    for value in (0.0, 1.0, -1.0, 0.5, -0.5, 2.0, -2.0, 3.0, -3.0, 6.0):
        if low <= value <= high:
            return _number(value)
    return None


# --------------------------------------------------------------------------------------------------- factors and terms


def _input_factor(case: Case) -> Finding | None:
    """A factor that is an input by itself: a mask, a weight, the other operand."""
    return _factor(case, lambda e: e.form == "{}" and e.operand in case.constants)


def _factor(case: Case, only: Callable[[Expression], bool] = lambda e: True) -> Finding | None:
    got, true, _ = case.cells
    if len(got) < 3:
        return None
    best: tuple[float, Expression, float, bool] | None = None
    for e in case.library.expressions:
        if not only(e):
            continue
        for extra in (False, True):
            # missing: true = c e got; extra: got = c e true. Either side may be zero where e is.
            whole, part = (got, true) if extra else (true, got)
            c = proportion(whole, e.values * part, 1)
            if c is None:
                continue
            cost = e.cost + (0 if abs(abs(c) - 1) < 1e-5 else 1 if case.natural(c) else 4)
            if best is None or cost < best[0]:
                best = cost, e, c, extra
    if best is None:
        return None
    _, e, c, extra = best
    times = "" if abs(c - 1) < 1e-5 else f"{case.constant(c)} times "
    # got = c e true also says that 1 / e is missing. The simpler of the two is the one that somebody wrote first.
    if extra and case.simplicity(got) < case.simplicity(true):
        return case.finding(
            "missing-factor",
            f"{case.gradient} lacks a factor: 1 / ({e.text})" + (f", and is {case.constant(c)} times too large" if times else ""),
            f"Divide by {e.text}.",
        )
    if extra:
        return case.finding(
            "extra-factor",
            f"{case.gradient} has a factor too many: {times}{e.text}",
            f"Divide by {e.text}: it is there once too often, or is multiplied where it should divide.",
        )
    return case.finding(
        "missing-factor", f"{case.gradient} lacks a factor: {times}{e.text}", f"Multiply by {times}{e.text}."
    )


def _operand(case: Case) -> Finding | None:
    """The same expression of another quantity: x (1 - x) where y (1 - y) is needed."""
    got, true, operands = case.cells
    if len(got) < 3 or (got == 0).any() or (true == 0).any():
        return None
    if len(operands) < 2:
        return None
    ratio = got / true
    best: tuple[float, Expression, Expression] | None = None
    for first, second, p, q in case.library.pairs(ratio):
        if p == q:
            continue
        used, needed = (first, second) if p == 1 else (second, first)
        same_form = used.form == needed.form and used.operand != needed.operand
        c = proportion(ratio * needed.values, used.values, 1)
        if not same_form or c is None or not case.natural(c):
            continue
        cost = used.cost + needed.cost
        if best is None or cost < best[0]:
            best = cost, used, needed
    if best is None:
        return None
    _, used, needed = best
    return case.finding(
        "wrong-operand",
        f"{case.gradient} uses {used.text} where {needed.text} is needed",
        f"Save and use {needed.operand}; check the order in which saved tensors are unpacked.",
    )


def _quotient(case: Case) -> Finding | None:
    """Two expressions: one too many and one missing, two missing, or two too many."""
    got, true, _ = case.cells
    if len(got) < 4 or (got == 0).any() or (true == 0).any():
        return None
    ratio = got / true
    best: tuple[float, Expression, Expression, int, int] | None = None
    for first, second, p, q in case.library.pairs(ratio):
        c = proportion(ratio, first.values**p * second.values**q, 1)
        if c is None:
            continue
        cost = first.cost + second.cost + (0 if abs(abs(c) - 1) < 1e-5 else 1 if case.natural(c) else 4)
        if best is None or cost < best[0]:
            best = cost, first, second, p, q
    if best is None or best[0] > 11:
        return None
    _, first, second, p, q = best
    if p == q:
        code = "extra-factor" if p == 1 else "missing-factor"
        verb = "has factors too many" if p == 1 else "lacks factors"
        return case.finding(
            code, f"{case.gradient} {verb}: {first.text} and {second.text}", "Derive the local slope again."
        )
    used, needed = (first, second) if p == 1 else (second, first)
    return case.finding(
        "wrong-operand",
        f"{case.gradient} uses {used.text} where {needed.text} is needed",
        f"Replace {used.text} by {needed.text}.",
    )


def _term(case: Case, pairs: bool = False) -> Finding | None:
    """true - got is a simple expression: a term of a sum, or of the product rule, is missing."""
    got, true, _ = case.cells
    if len(got) < 4:
        return None
    difference = true - got
    size = np.maximum(np.abs(true), np.abs(got))
    difference[np.abs(difference) < 1e-9 * size.max()] = 0
    if not difference.any() or not got.any():
        return None
    best: tuple[float, str, float] | None = None
    c = proportion(difference, np.ones_like(difference), 1)
    if c is not None and case.natural(c):
        best = 0.0, "1", c
    for e, c, p in case.library.singles(difference):
        cost = e.cost + (0 if abs(abs(c) - 1) < 1e-5 else 1 if case.natural(c) else 3) + (p == -1)
        if best is None or cost < best[0]:
            best = cost, e.text if p == 1 else f"1 / ({e.text})", c
    if best is None and pairs:
        for first, second, p, q in case.library.pairs(difference):
            product = first.values**p * second.values**q
            found = proportion(difference, product, 1)
            if found is None:
                continue
            cost = first.cost + second.cost + (0 if case.natural(found) else 3)
            if best is None or cost < best[0]:
                text = " ".join(f"{'1 / ' if k == -1 else ''}({e.text})" for e, k in ((first, p), (second, q)))
                best = cost, text, found
        if best is not None and best[0] > 11:
            best = None
    if best is None:
        return None
    _, text, c = best
    named = text if abs(c - 1) < 1e-5 else f"{case.constant(c)} times {text}" if text != "1" else case.constant(c)
    return case.finding(
        "missing-term", f"{case.gradient} lacks a term: {named}", "Differentiate every factor that depends on the input and add."
    )


def _term_pair(case: Case) -> Finding | None:
    return _term(case, pairs=True)


def _coupled_term(case: Case) -> Finding | None:
    """In a coupled Jacobian, every row of true - got is proportional to one simple quantity at the input's place.

    The mean's term is proportional to 1, the variance's to the centred input, the norm's to the input.
    """
    b = case.block
    ties = _ties(b, b.true)
    difference = b.true - b.got
    alive = b.significant(difference)
    if ties is None or not b.in_shape or not b.significant(b.got).any() or np.median(alive.sum(1)[alive.any(1)]) < 3:
        return None
    inner = tuple(e for e in range(len(b.in_shape)) if e not in {t[1] for t in ties})
    candidates: list[tuple[str, Array]] = [("a sum or mean of the upstream gradient", np.ones(b.in_shape))]
    for name, t in b.tensors.items():
        for values in _placements(t, b.in_shape):
            candidates.append((name, values))
            if inner:
                candidates.append((f"{name} less its mean", values - values.mean(inner, keepdims=True)))
    for name, values in candidates:
        v = values.reshape(-1)[b.cols]
        ratio = np.where(alive, difference / v[None, :], 0.0)
        largest = np.abs(ratio).max(1, keepdims=True)
        expected = np.take_along_axis(ratio, np.abs(ratio).argmax(1)[:, None], 1)
        if not np.isfinite(ratio).all() or not (np.abs(ratio - expected)[alive] <= (1e-5 * largest * alive)[alive]).all():
            continue
        return case.finding(
            "missing-term",
            f"{case.gradient} lacks a term of the coupling, proportional to {name}",
            "A statistic (sum, mean, variance, norm) depends on the input too; differentiate through it.",
        )
    return None


def _group_factor(case: Case) -> Finding | None:
    """got / true depends on the place along some dimensions only: on a statistic of the others."""
    b = case.block
    alive = b.significant(b.true)
    if not np.array_equal(alive, b.significant(b.got)):
        return None
    r, c = np.nonzero(alive)
    ratio = b.got[r, c] / b.true[r, c]
    for what, index, pick in ((case.input, b.in_index, c), (f"the {case.output}", b.out_index, r)):
        for d, i in enumerate(index):
            places = i[pick]
            groups = [ratio[places == g] for g in np.unique(places)]
            if len(groups) > 1 and min(map(len, groups)) > 1 and all(np.allclose(g, g[0], rtol=1e-6) for g in groups):
                extra = _within_any(b.true[alive], b) and not _within_any(b.got[alive], b)
                return case.finding(
                    "extra-factor" if extra else "missing-factor",
                    f"{case.gradient} is off by a factor that depends on the index along dimension {d} of {what} only",
                    "Look for a statistic of the other dimensions: a norm, a standard deviation, a sum of weights.",
                )
    return None


def _within_any(values: Array, b: Block) -> bool:
    return any(_within(np.unique(values), t) for t in b.tensors.values())


def _operand_values(case: Case) -> Finding | None:
    """Every entry is found among the elements of one tensor, and the true ones among those of another."""
    b = case.block
    got, true = (np.unique(a[b.significant(a)]) for a in (b.got, b.true))
    if len(got) < 3 or len(true) < 3:
        return None
    for sign in (1, -1):
        used = [n for n, t in b.tensors.items() if _within(sign * got, t)]
        needed = [n for n, t in b.tensors.items() if _within(sign * true, t)]
        for name in used:
            if name in needed and len(needed) == 1:
                continue
            other = next((n for n in needed if n != name), None)
            return case.finding(
                "wrong-operand",
                f"{case.gradient} is made of the elements of {name}" + (f" where those of {other} are needed" if other else ""),
                "Check what was saved for backward and the order in which it is unpacked.",
            )
    return None


def _within(values: Array, tensor: Array) -> bool:
    elements = np.sort(tensor.reshape(-1))
    if len(elements) < 2:
        return False
    at = np.clip(np.searchsorted(elements, values), 1, len(elements) - 1)
    nearest = np.minimum(np.abs(elements[at] - values), np.abs(elements[at - 1] - values))
    return bool((nearest <= 1e-7 * np.abs(values)).all())


def _few_digits(case: Case) -> Finding | None:
    """Right to some digits everywhere: a rounded constant, a detour through float32, an epsilon left out."""
    b = case.block
    off = b.wrong
    with np.errstate(all="ignore"):
        relative = np.abs(b.got - b.true)[off] / b.top
        own = (np.abs(b.got - b.true) / np.abs(b.true))[off & b.significant(b.true)]
    if not len(own) or relative.max() > 3e-4 or np.median(own) > 1e-3:
        return None
    digits = max(1, int(-np.log10(max(relative.max(), 1e-16))))
    cause = "as if it had been computed in float32" if 2e-9 < relative.max() < 1e-6 else "a rounded constant or an epsilon left out"
    return case.finding(
        "precision",
        f"{case.gradient} is right to about {digits} digits only, {cause}",
        "Keep float64 inputs in float64, write constants in full, and use the same epsilon as forward.",
    )


def _mismatch(case: Case) -> Finding:
    b = case.block
    finite = b.usable & np.isfinite(b.got)
    got, true = b.got[finite], b.true[finite]
    length = float(np.linalg.norm(got) * np.linalg.norm(true))
    cosine = float(got @ true) / length if length else 0.0
    return case.finding(
        "mismatch",
        f"{case.gradient} is wrong in {int(b.wrong.sum())} of {int(finite.sum())} entries, and no single mistake "
        f"explains it (cosine {cosine:.3f} with the true one)",
        "Start from the entry named here and derive it by hand.",
    )


_CAUSES: tuple[Callable[[Case], Finding | None], ...] = (
    _not_finite,
    _missing,
    _spurious,
    _few_digits,
    _scale,
    _conjugate,
    _swapped,
    _missing_sum,
    _moved,
    _cross_terms,
    _input_factor,
    _partial,
    _factor,
    _operand,
    _term,
    _coupled_term,
    _group_factor,
    _quotient,
    _term_pair,
    _operand_values,
    _partial_unexplained,
)


# -------------------------------------------------------------------------------------------------------------- helpers


def _operands(b: Block, r: Any, c: Any, own: str) -> dict[str, tuple[Array, float]]:
    """The quantities at each cell, by name, with how far-fetched they are: as they stand at the input's and, where
    that is somewhere else, at the output's place; and a few that formulas are often made of."""
    found: dict[str, tuple[Array, float]] = {}
    for name, t in b.tensors.items():
        if t.size < 2 or not np.isfinite(t).all():
            continue
        at_input = [v.reshape(-1)[b.cols[c]] for v in _placements(t, b.in_shape)]
        at_output = [v.reshape(-1)[b.rows[r]] for v in _placements(t, b.out_shape)]
        first, second = (at_output, at_input) if name == "output" else (at_input, at_output)
        kept: list[Array] = []
        for k, values in enumerate(first + second):
            if not any(np.array_equal(values, other) for other in kept):
                kept.append(values)
                place = "" if k < len(first) or not first else " (at the other place)"
                label = name + place + ("" if len(kept) < 3 or place else f" ({len(kept)})")
                if label not in found:
                    found[label] = (values, 0.0 if not place else 1.0)
    t = b.tensors.get(own)
    if t is not None and t.size > 1 and np.isfinite(t).all():
        derived = {f"sigmoid({own})": 0.5 * (1 + np.tanh(t / 2)), f"tanh({own})": np.tanh(t)}
        if t.ndim:
            shifted = np.exp(t - t.max(-1, keepdims=True))
            derived[f"softmax({own})"] = shifted / shifted.sum(-1, keepdims=True)
        if t.ndim == 1:
            for name, m in b.tensors.items():
                if m.shape == (len(t), len(t)):
                    derived[f"{name} {own}"], derived[f"{name}^T {own}"] = m @ t, m.T @ t
        for label, values in derived.items():
            found[label] = (values.reshape(-1)[b.cols[c]], 2.0)
    return found


def _placements(t: Array, shape: tuple[int, ...]) -> list[Array]:
    """The ways to spread `t` over `shape`, the one of broadcasting first; at most three."""
    found: list[Array] = []
    if t.ndim > len(shape):
        return found
    for dims in itertools.combinations(reversed(range(len(shape))), t.ndim):
        order = tuple(reversed(dims))
        if all(t.shape[k] in (1, shape[d]) for k, d in enumerate(order)):
            spread = [1] * len(shape)
            for k, d in enumerate(order):
                spread[d] = t.shape[k]
            found.append(np.broadcast_to(t.reshape(spread), shape))
            if len(found) == 3:
                break
    return found


def _at(index: Sequence[int]) -> str:
    return f"[{', '.join(map(str, index))}]" if len(index) else ""


def _listed(numbers: Any) -> str:
    return ", ".join(str(int(n)) for n in numbers)


def _number(value: float) -> str:
    return f"{float(value):.6g}"
