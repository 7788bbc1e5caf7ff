"""One input and one output that disagree: the Jacobian as claimed and as measured, and all that may say why."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import numpy as np

from manualgrad.checking.expressions import Operand, Vocabulary, name_constant
from manualgrad.checking.numeric import Array, Index, Mask
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
    rows: Index
    cols: Index
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
    def in_index(self) -> tuple[Index, ...]:
        """The index of each column's element, one array for each dimension."""
        return np.unravel_index(self.cols, self.in_shape) if self.in_shape else ()

    @cached_property
    def out_index(self) -> tuple[Index, ...]:
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
        output = f" (of {self.output}{at(row)})" if row and (b.in_shape != b.out_shape or row != self.index(c)) else ""
        bar = max(float(b.limit[r, c]) / 10, 1e-16)
        return (
            f"at {self.input}{at(self.index(c))} backward gives {number(b.got[r, c])}, "
            f"the derivative{output} is {number(b.true[r, c])} (\u00b1 {bar:.0e})"
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
            operands.append(operands_at(b, r, c, self.input))
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
    def vocabulary(self) -> Vocabulary:
        """Simple expressions of everything at hand, in the cells."""
        return Vocabulary(self.cells[2])

    def simplicity(self, numbers: Array) -> float:
        """The cost of the simplest expression, or product of two, that these values are proportional to."""
        nonzero = numbers[numbers != 0]
        if len(nonzero) and np.allclose(np.abs(nonzero), np.abs(nonzero[0]), rtol=1e-6):
            return 0.0
        costs = [e.cost for e, _, _ in self.vocabulary.singles(numbers)]
        return min(costs or [a.cost + b.cost + 5 for a, b, _, _ in self.vocabulary.pairs(numbers)] or [np.inf])

    def constant(self, c: float) -> str:
        """The name of `c`, or its digits."""
        return name_constant(c, self.sizes, self.scalars) or number(c)

    def natural(self, c: float) -> bool:
        """Whether `c` is a constant with a name."""
        return name_constant(c, self.sizes, self.scalars) is not None


def operands_at(b: Block, r: Any, c: Any, own: str) -> dict[str, tuple[Array, float]]:
    """The quantities at each cell, by name, with how far-fetched they are: as they stand at the input's and, where
    that is somewhere else, at the output's place; and a few that formulas are often made of."""
    found: dict[str, tuple[Array, float]] = {}
    for name, t in b.tensors.items():
        if t.size < 2 or not np.isfinite(t).all():
            continue
        at_input = [v.reshape(-1)[b.cols[c]] for v in placements(t, b.in_shape)]
        at_output = [v.reshape(-1)[b.rows[r]] for v in placements(t, b.out_shape)]
        first, second = (at_output, at_input) if name == "output" else (at_input, at_output)
        kept: list[Array] = []
        for k, spread in enumerate(first + second):
            if not any(np.array_equal(spread, other) for other in kept):
                kept.append(spread)
                place = "" if k < len(first) or not first else " (at the other place)"
                label = name + place + ("" if len(kept) < 3 or place else f" ({len(kept)})")
                if label not in found:
                    found[label] = (spread, 0.0 if not place else 1.0)
    mine = b.tensors.get(own)
    if mine is not None and mine.size > 1 and np.isfinite(mine).all():
        derived: dict[str, Array] = {f"sigmoid({own})": 0.5 * (1 + np.tanh(mine / 2)), f"tanh({own})": np.tanh(mine)}
        if np.abs(mine).max() < 50:
            derived[f"exp({own})"] = np.exp(mine)
        if mine.ndim:
            shifted = np.exp(mine - mine.max(-1, keepdims=True))
            derived[f"softmax({own})"] = shifted / shifted.sum(-1, keepdims=True)
        if mine.ndim == 1:
            for name, m in b.tensors.items():
                if m.shape == (len(mine), len(mine)):
                    derived[f"{name} {own}"], derived[f"{name}^T {own}"] = m @ mine, m.T @ mine
        for label, elements in derived.items():
            found[label] = (elements.reshape(-1)[b.cols[c]], 2.0)
    return found


def placements(t: Array, shape: tuple[int, ...]) -> list[Array]:
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


def at(index: Sequence[int]) -> str:
    return f"[{', '.join(map(str, index))}]" if len(index) else ""


def number(value: float) -> str:
    return f"{float(value):.6g}"
