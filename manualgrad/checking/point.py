"""One point: what forward gives there, what backward claims there, and what differences measure there.

`Point.disagreements` compares the two, first along random directions, which costs a few runs of forward, and entry by
entry only where that shows a difference or cannot decide. The result is a list of `Case`s for the diagnosis.
"""

from __future__ import annotations

import functools
import itertools
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

import numpy as np
import torch
from torch import Tensor

from manualgrad.checking.case import Block, Case
from manualgrad.checking.numeric import Array, Differences, Index, Slope, decimals
from manualgrad.checking.target import Leaf, Target, Trace

UNIT_ROWS = 40  # with at most this many output elements, backward is asked for every row of the Jacobian
_ENTRIES = 2_000_000  # of a Jacobian that is held in memory
_SECONDS = 1.5  # for measuring one input entry by entry
_FEW = 3  # entries that are measured one by one sooner than they are asked about together
_SAMPLE = 96  # rows and columns that are sampled where all would take too long


Gradients = list[Tensor | None]


@dataclass
class Kink:
    """An entry of the Jacobian where the derivative does not exist: the element, the claim and the slopes."""

    index: tuple[int, ...]
    got: float
    left: float
    right: float


@dataclass
class Kinks:
    """The kinks of one output by one input."""

    leaf: Leaf
    output: str
    entries: list[Kink]


@dataclass
class Point:
    """See the module. The Jacobian is that of the outputs that carry a gradient, flattened."""

    target: Target
    values: list[Tensor]
    truth: Target  # the function itself or, for a declared surrogate, the function that has the gradient
    fresh: bool = False  # backward can be run only once after each forward
    raw: bool = False  # autograd refuses what backward returns: ask the Function itself
    excluded: set[int] = field(default_factory=set)  # leaves about which enough has been said
    kinked: bool = False  # a derivative does not exist, among the entries that were looked at one by one
    symmetric: set[int] = field(default_factory=set)  # leaves that may only be changed symmetrically
    single: tuple[Array, Array] | None = None  # outputs and gradients in float32, once that has been run

    def __post_init__(self) -> None:
        self.trace = self.target.trace(self.values)
        self.shapes = [tuple(o.shape) for o in self.trace.outputs]
        self.sizes = [o.numel() for o in self.trace.outputs]
        self.rows = sum(self.sizes)
        self._claims: tuple[Array, Array] | None = None
        self._differences: Differences | None = None
        # an upstream gradient and what backward makes of it, which the checks of behaviour compare with
        self.sample: tuple[Tensor, list[Tensor | None]] = (self.random_upstream(1), [])

    def copies(self) -> list[Tensor]:
        """The values of the leaves, in memory of their own."""
        return [v.clone() for v in self.values]

    # -------------------------------------------------------------------------------------------------- upstream

    def upstream(self, vector: Tensor) -> list[Tensor]:
        """One upstream gradient for each tracked output, from one vector; own memory."""
        parts = (vector,) if len(self.sizes) == 1 else vector.split(self.sizes)
        return [
            p.reshape(shape).clone() if o.dtype == torch.float64 else p.reshape(shape).to(o.dtype)
            for p, shape, o in zip(parts, self.shapes, self.trace.outputs, strict=True)
        ]

    def random_upstream(self, seed: int) -> Tensor:
        """A vector for `upstream`."""
        return decimals(self.rows, seed)

    def backward(self, vector: Tensor, trace: Trace | None = None) -> list[Tensor | None]:
        """What backward gives each leaf for this upstream gradient."""
        if trace is None:
            if self.fresh:
                self.trace = self.target.trace(self.values)
            trace = self.trace
        if self.raw:
            return self._raw_backward(vector)
        return trace.gradients(self.upstream(vector))

    def traced(self) -> Trace:
        """A forward run to go backward from: another one only where backward spoils it."""
        return self.target.trace(self.values) if self.fresh else self.trace

    def _raw_backward(self, vector: Tensor) -> list[Tensor | None]:
        from manualgrad.checking.refusals import raw_backward

        result = raw_backward(self.target, self.trace, self.upstream(vector)) or ()
        gradients: list[Tensor | None] = []
        for k, leaf in enumerate(self.target.leaves):
            g = result[leaf.argument] if leaf.argument is not None and leaf.argument < len(result) else None
            fits = isinstance(g, Tensor) and k not in self.excluded and expandable(leaf.value.shape, g.shape)
            gradients.append(g.sum_to_size(leaf.value.shape) if fits and isinstance(g, Tensor) else None)
        return gradients

    def flatten(self, gradients: Sequence[Tensor | None]) -> Array:
        """The gradients of all leaves in one vector, zeros for None."""
        parts = [np.zeros(v.numel()) if g is None else flat(g) for g, v in zip(gradients, self.values, strict=True)]
        return np.concatenate(parts)

    @functools.cached_property
    def grain(self) -> float:
        """The size below which a gradient is rounding: of terms as large as output over input, which may cancel."""
        largest = [float(v.abs().nan_to_num(0.0, 0.0, 0.0).max()) for v in self.values if v.numel()]
        top = max(
            (float(o.detach().abs().nan_to_num(0.0, 0.0, 0.0).max()) for o in self.trace.outputs if o.numel()),
            default=0.0,
        )
        return 1e-13 * top / (min((x for x in largest if x), default=1.0))

    def close(self, a: Array, b: Array, size: float | None = None, loose: float = 1.0, floor: float = 0.0) -> bool:
        """Equal up to rounding, by the size of `b` or by `size`, and up to `floor`; NaN equals NaN."""
        if a.shape != b.shape:
            return False
        if bool((a == b).all()):
            return True
        finite = np.isfinite(b)
        if not np.array_equal(np.isfinite(a), finite):
            return False
        a, b = a[finite], b[finite]
        if size is None:
            size = float(np.abs(b).max(initial=0.0))
        return bool((np.abs(a - b) <= loose * self.slack * size + floor).all())

    # ------------------------------------------------------------------------------------------ claimed, measured

    @property
    def claims(self) -> tuple[Array, Array]:
        """V (rows, outputs) and V times the claimed Jacobian (rows, inputs).

        V is the identity for few outputs and random otherwise.
        """
        if self._claims is None:
            if self.rows <= UNIT_ROWS:
                v = np.eye(self.rows)
            else:
                v = np.stack([self.random_upstream(100 + k).numpy() for k in range(4)])
            self._claims = v, self.claim(v)
        return self._claims

    def claim(self, v: Array) -> Array:
        """v times the claimed Jacobian."""
        if not len(v):
            return np.zeros((0, sum(leaf.value.numel() for leaf in self.target.leaves)))
        return np.stack([self.flatten(self.backward(torch.from_numpy(row))) for row in v])

    @property
    def differences(self) -> Differences:
        """The measured side."""
        if self._differences is None:
            self._differences = Differences(self.truth, self.target.tracked, self.values)
        return self._differences

    @property
    def slack(self) -> float:
        """The relative error that a right backward may have: rounding, and the narrowest dtype on the way."""
        return 100 * self.differences.relative_noise if self.differences.coarse else 1e-9

    def spans(self) -> list[slice]:
        """Where each leaf lies in a flat vector of all inputs."""
        edges = np.cumsum([0] + [v.numel() for v in self.values])
        return [slice(int(a), int(b)) for a, b in itertools.pairwise(edges)]

    # -------------------------------------------------------------------------------------------------- comparing

    def agree_along(self, u: Tensor) -> tuple[bool, float, float]:
        """Whether claim and measurement agree along `u`, surely; the largest gap in error bars, and the largest bar."""
        d = self.differences
        agreed, sure, units, bar = self._compare_along(u, d.along(u, refine=False))
        if not (agreed or sure or d.coarse):  # a corner or a pole is near: smaller steps may get around it
            agreed, _, units, bar = self._compare_along(u, d.along(u))
        return agreed, units, bar

    def _compare_along(self, u: Tensor, s: Slope) -> tuple[bool, bool, float, float]:
        """Whether they agree and whether the measurement is sharp enough to say so; gap and bar as `agree_along`."""
        d = self.differences
        v, claimed = self.claims
        step = (u * d.scale).numpy()
        used = step != 0
        with np.errstate(all="ignore"):
            part = claimed[:, used] * step[used]
            got, size = part.sum(1), np.abs(part).sum(1)
            unit = len(v) == self.rows <= UNIT_ROWS
            true = s.value if unit else v @ s.value
            bar = s.error if unit else np.abs(v) @ s.error
            gap = np.abs(got - true)
            limit = 10 * bar + self.slack * size
            sure = bar <= 1e-6 * size + 1e-10 * max(1.0, float(np.abs(d.y0).max(initial=0)))
            if d.coarse:
                sure = bar <= 0.2 * size.max(initial=0.0) + 1e-10
            agreed = bool(((gap <= limit) & sure).all()) and not s.kink.any()
            units = float(np.nan_to_num(gap / np.maximum(limit / 10, 1e-300), nan=np.inf).max(initial=0.0))
        return agreed, bool(sure.all()), units, float(bar.max(initial=0.0))

    def disagreements(self, tried: list[str]) -> tuple[list[Case], list[Kinks]]:
        """The inputs about whose gradient claim and measurement differ, and the kinks among the entries."""
        d = self.differences
        n = d.base.numel()
        asked = torch.ones(n, dtype=torch.float64)
        for k in self.excluded:
            asked[self.spans()[k]] = 0.0
        if not asked.any():
            return [], []
        results = [self.agree_along(asked * decimals(n, 11))]
        if results[0][0] and n > 1:
            results.append(self.agree_along(asked * decimals(n, 12)))
        self._say(tried, results)
        if all(ok for ok, _, _ in results):
            return [], []
        suspects = []
        for k, span in enumerate(self.spans()) if len(self.values) > 1 else ():
            if span.stop == span.start or k in self.excluded:
                continue
            if span.stop - span.start <= _FEW:
                suspects.append(k)
                continue
            for seed in (11, 12):
                u = torch.zeros(n, dtype=torch.float64)
                u[span] = decimals(n, seed)[span]
                if not self.agree_along(u)[0]:
                    suspects.append(k)
                    break
        if not suspects:
            suspects = [k for k, s in enumerate(self.spans()) if s.stop > s.start and k not in self.excluded]
        return self._entry_by_entry(suspects, tried)

    def _say(self, tried: list[str], results: list[tuple[bool, float, float]]) -> None:
        d = self.differences
        v = self.claims[0]
        how = (
            "every row of the Jacobian" if len(v) == self.rows <= UNIT_ROWS else f"{len(v)} random rows of the Jacobian"
        )
        worst = max(units for _, units, _ in results)
        lines = "1 random direction" if len(results) == 1 else f"{len(results)} random directions"
        tried.append(
            f"{how} ({self.rows} x {d.base.numel()}) along {lines}: error bars up to "
            f"{max(bar for _, _, bar in results):.0e}, largest difference {worst:.1g} of them"
        )

    def _entry_by_entry(self, suspects: list[int], tried: list[str]) -> tuple[list[Case], list[Kinks]]:
        d = self.differences
        start = time.perf_counter()
        d.values(d.base)
        seconds = time.perf_counter() - start + 2e-5
        most = max(16, int(_SECONDS / (6 * seconds * len(suspects))))
        columns = {k: self._choose_columns(k, most) for k in suspects}
        width = sum(len(c) for c in columns.values())
        rows = np.arange(self.rows)
        if self.rows > UNIT_ROWS and (self.rows > 600 or self.rows * width > _ENTRIES):
            rows = self._choose_rows(columns)
        wanted = np.unique(np.concatenate([np.array(c, dtype=np.int64) for c in columns.values()]))
        claimed = self._claimed_rows(rows, wanted)
        blocks: dict[tuple[int, int], Block] = {}
        kinks: list[Kinks] = []
        for k in suspects:
            for o, (block, kink) in enumerate(
                self._blocks(k, columns[k], rows, claimed[:, np.searchsorted(wanted, columns[k])])
            ):
                blocks[k, o] = block
                kinks += kink
        tried.append(
            f"{len(rows)} x {width} entries one by one"
            + (" by the complex step" if d.complex_step_works() else " by differences")
            + f", {time.perf_counter() - start:.2f} s"
        )
        self.kinked = bool(kinks) or not all(block.usable.all() for block in blocks.values())
        wrong = [(k, o) for (k, o), block in blocks.items() if block.wrong.any()]
        return [self._case(k, o, blocks) for k, o in wrong if not self._right_for_symmetric(k, blocks[k, o])], kinks

    def _claimed_rows(self, rows: Index, cols: Index) -> Array:
        """These rows and columns of the claimed Jacobian."""
        v, claimed = self.claims
        if len(v) == self.rows <= UNIT_ROWS:
            return claimed[:, cols]
        found = []
        for row in rows:
            unit = torch.zeros(self.rows, dtype=torch.float64)
            unit[row] = 1.0
            found.append(self.flatten(self.backward(unit))[cols])
        return np.stack(found)

    def _choose_columns(self, k: int, most: int) -> list[int]:
        """All elements of a leaf or, where that would take too long, those that are wrong and some others."""
        span = self.spans()[k]
        everything = range(span.start, span.stop)
        size = len(everything)
        if size <= most and size * self.rows <= _ENTRIES:
            return list(everything)
        wrong: list[int] = []
        v, claimed = self.claims
        if size <= 2 * most:
            s = self.differences.columns(everything, v)
            gap = np.abs(claimed[:, span] - s.value) > 10 * s.error + 1e-9 * np.abs(s.value)
            wrong = [span.start + int(j) for j in np.flatnonzero(gap.any(0))]
        else:
            found = self._bisect(list(everything))
            wrong = [] if found is None else [found]
        rng = np.random.default_rng(k)
        sample = min(size, max(most // 4, 16), _SAMPLE)
        if len(wrong) > sample:
            wrong = sorted(rng.choice(wrong, sample, replace=False).tolist())
        others = rng.choice(size, sample, replace=False) + span.start
        return sorted({*wrong, *others.tolist()})

    def _bisect(self, elements: list[int]) -> int | None:
        """One element whose gradient is wrong, found by halving."""
        n = self.differences.base.numel()
        u = decimals(n, 13)

        def differs(part: list[int]) -> bool:
            some = torch.zeros(n, dtype=torch.float64)
            some[part] = u[part]
            return not self.agree_along(some)[0]

        if not differs(elements):
            return None
        while len(elements) > 1:
            half = elements[: len(elements) // 2]
            elements = half if differs(half) else elements[len(elements) // 2 :]
        return elements[0]

    def _choose_rows(self, columns: dict[int, list[int]]) -> Index:
        """Rows in which the chosen columns have their largest entries, and some others."""
        d = self.differences
        rng = np.random.default_rng(0)
        rows = set(rng.choice(self.rows, min(16, self.rows), replace=False).tolist())
        for chosen in columns.values():
            some = chosen if len(chosen) <= 2 * _SAMPLE else rng.choice(chosen, 2 * _SAMPLE, replace=False).tolist()
            for j in some:
                u = torch.zeros_like(d.base)
                u[j] = 1.0
                moved = np.abs(d.values(d.base + 2.0**-9 * d.scale * u) - d.y0)
                rows.update(np.argpartition(np.nan_to_num(moved, posinf=0.0), -2)[-2:].tolist())
        return np.array(sorted(rows), dtype=np.int64)

    # ------------------------------------------------------------------------------------------------------- cases

    def _blocks(self, k: int, columns: list[int], rows: Index, claimed: Array) -> Iterator[tuple[Block, list[Kinks]]]:
        """Leaf `k` against each output in turn: these columns and rows, as claimed and as measured now."""
        measured = self.differences.columns(columns, rows if len(rows) < self.rows else None)
        place = np.array(columns, dtype=np.int64)
        start = 0
        for o, size in enumerate(self.sizes):
            inside = (rows >= start) & (rows < start + size)
            got = claimed[inside]
            yield self._block(k, o, rows[inside] - start, place - self.spans()[k].start, got, measured.rows(inside))
            start += size

    def _block(self, k: int, o: int, rows: Index, cols: Index, got: Array, s: Slope) -> tuple[Block, list[Kinks]]:
        leaf = self.target.leaves[k]
        with np.errstate(all="ignore"):
            top = np.abs(s.value[np.isfinite(s.error)]).max(initial=0.0)
            limit = 10 * s.error + self.slack * np.abs(s.value) + 1e-11 * top
            known = np.isfinite(s.error) & (
                s.error <= 0.05 * np.maximum(np.abs(s.value), np.nan_to_num(np.abs(got))) + 1e-9
            )
        if self.differences.coarse:
            limit += self.slack * top
            known = np.isfinite(s.error)
        # Beside an infinite slope, 0 / 0 is NaN for every output that the upstream gradient leaves out, in torch too.
        known &= ~(np.isnan(got) & (~known & ~s.kink).any(0))
        tensors = dict(self.tensors(), output=flat(self.trace.outputs[o]).reshape(self.shapes[o]))
        block = Block(
            in_shape=tuple(leaf.value.shape),
            out_shape=self.shapes[o],
            rows=rows,
            cols=cols,
            got=got,
            true=s.value,
            limit=limit,
            usable=known & ~s.kink,
            tensors=tensors,
            is_complex=leaf.is_complex,
        )
        r, c = np.nonzero(s.kink)
        if not len(r):
            return block, []
        places = [tuple(int(i[j]) for i in block.in_index) for j in c]
        found = zip(places, got[r, c].tolist(), s.left[r, c].tolist(), s.right[r, c].tolist(), strict=True)
        return block, [Kinks(leaf, self.output_name(o), [Kink(*k) for k in found])]

    def output_name(self, o: int) -> str:
        """`output`, or `output 1` where there are several."""
        return "output" if len(self.target.tracked) == 1 else f"output {self.target.tracked[o]}"

    def tensors(self) -> dict[str, Array]:
        """The floating-point quantities at this point, by name."""
        found = {leaf.name: flat(v).reshape(v.shape) for leaf, v in zip(self.target.leaves, self.values, strict=True)}
        found.update(
            {name: flat(t).reshape(t.shape) for name, t in self.target.constants.items() if not t.is_complex()}
        )
        return found

    def _case(self, k: int, o: int, blocks: dict[tuple[int, int], Block]) -> Case:
        target, block = self.target, blocks[k, o]
        clear = block.significant(block.true) | block.significant(block.got)
        few = int(clear.sum()) < 6 and block.full and len(block.cols) <= 16 and self.rows <= 64
        single = {leaf.name: leaf.value for leaf in target.leaves if leaf.value.numel() == 1}
        single.update({name: t for name, t in target.constants.items() if t.numel() == 1 and not t.is_complex()})
        return Case(
            target.leaves[k].name,
            self.output_name(o),
            block,
            nearby=self._nearby(k, o) if few else [],
            others={target.leaves[i].name: b for (i, p), b in blocks.items() if p == o and i != k},
            siblings={self.output_name(p): b for (i, p), b in blocks.items() if i == k and p != o},
            integers={name: t.numpy() for name, t in target.integers.items()},
            scalars=target.scalars | {name: float(t) for name, t in single.items()},
            depends=lambda: self._depends(k, o),
            constants=tuple(target.constants),
        )

    def _nearby(self, k: int, o: int) -> list[Block]:
        """The same block at other points, where there are too few entries to tell a factor from a constant."""
        found = []
        span = self.spans()[k]
        for seed in range(4):
            moved = list(self.values)
            moved[k] = moved[k] * (1 + 0.1 * decimals(moved[k].numel(), 31 + seed).reshape(moved[k].shape))
            try:
                point = Point(self.target, moved, self.truth, self.fresh, self.raw, self.excluded)
                if point.shapes == self.shapes and all(bool(t.isfinite().all()) for t in point.trace.outputs):
                    rows = np.arange(point.rows)
                    cols = np.arange(span.start, span.stop)
                    blocks = point._blocks(k, cols.tolist(), rows, point._claimed_rows(rows, cols))
                    found.append(next(itertools.islice(blocks, o, None))[0])
            except (RuntimeError, ValueError, ArithmeticError):
                continue  # out of the function's domain
        return found

    def _depends(self, k: int, o: int) -> bool:
        """Whether a large change of leaf `k` changes output `o`: a step function does, an unused input does not."""
        d = self.differences
        span = self.spans()[k]
        start = sum(self.sizes[:o])
        here = slice(start, start + self.sizes[o])
        for seed, factor in ((21, 1.0), (22, 5.0), (23, -3.0)):
            moved = d.base.clone()
            moved[span] += factor * decimals(len(d.base), seed)[span]
            y = d.values(moved)[here]
            if np.isfinite(y).all() and not np.array_equal(y, d.y0[here]):
                return True
        return False

    def _right_for_symmetric(self, k: int, block: Block) -> bool:
        """A function of symmetric matrices is only asked about symmetric changes (Cholesky reads one triangle)."""
        shape = block.in_shape
        value = self.values[k]
        if not block.full or len(shape) < 2 or shape[-1] != shape[-2] or shape[-1] < 2:
            return False
        if not torch.equal(value, value.mT):
            return False

        def symmetric(a: Array) -> Array:
            cube = a.reshape(len(a), *shape)
            return (cube + np.swapaxes(cube, -1, -2)).reshape(a.shape)

        with np.errstate(invalid="ignore"):
            gap = np.abs(symmetric(block.got) - symmetric(block.true))
            right = bool((gap <= symmetric(block.limit))[block.usable].all())
        if right:
            self.symmetric.add(k)
        return right

    def beside_kinks(self) -> Point:
        """This point or, where a derivative does not exist here, one close by where it does."""
        if not self.kinked:
            return self
        moved = [v + 0.01 * decimals(v.numel(), 41 + k).reshape(v.shape) for k, v in enumerate(self.values)]
        point = Point(self.target, moved, self.truth, self.fresh, symmetric=self.symmetric)
        point._differences = self.differences  # so close by, values carry the same noise
        vector = point.random_upstream(1)
        point.sample = vector, point.backward(vector)
        return point

    def direction(self, k: int, seed: int) -> Tensor:
        """A random change of leaf `k`."""
        u = decimals(self.values[k].numel(), seed + k).reshape(self.values[k].shape)
        return u + u.mT if k in self.symmetric else u


def expandable(shape: Sequence[int], desired: Sequence[int]) -> bool:
    """Whether autograd would sum a gradient of shape `desired` to an input of `shape`."""
    if len(shape) > len(desired):
        return False
    return all(a in (1, b) for a, b in zip(reversed(shape), reversed(desired), strict=False))


def flat(t: Tensor) -> Array:
    """The elements as float64, in one dimension; not a copy where that can be avoided."""
    t = t.detach()
    result: Array = (
        (t if t.dtype == torch.float64 else t.to(torch.float64)).reshape(-1).numpy(force=True)
    )  # a ZeroTensor too
    return result
