"""Names for numbers: which constant, and which simple expression of the quantities at hand, a list of numbers is.

`name_constant` knows 2, 1/2, pi, ln 2, the sizes of the tensors and the scalar arguments. `Vocabulary` holds simple
expressions (y, 1 - y, x^2, exp(x), the slope of a sigmoid ...) of operands, and finds those that are proportional to
given numbers, alone, as products and as quotients of two.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from manualgrad.checking.numeric import Array, Mask

_CLOSE = 2e-6  # relative; what is measured by differences is good to about 1e-10

_PURE = {
    "2": 2.0,
    "3": 3.0,
    "4": 4.0,
    "10": 10.0,
    "100": 100.0,
    "pi": math.pi,
    "2 pi": 2 * math.pi,
    "sqrt(2)": math.sqrt(2),
    "sqrt(pi)": math.sqrt(math.pi),
    "sqrt(2 pi)": math.sqrt(2 * math.pi),
    "sqrt(2 / pi)": math.sqrt(2 / math.pi),
    "ln 2": math.log(2),
    "ln 10": math.log(10),
    "e": math.e,
    "180 / pi": 180 / math.pi,
    "3/2": 1.5,
    "2/3": 2 / 3,
    "4/3": 4 / 3,
    "3/4": 3 / 4,
    "1.702": 1.702,
}


def name_constant(c: float, sizes: Mapping[str, int], scalars: Mapping[str, float]) -> str | None:
    """What `c` is: "2", "1/12 (12: the number of elements of x)", "alpha", or None where no name fits."""
    a = abs(c)
    if not math.isfinite(c) or a == 0:
        return None
    sign = "-" if c < 0 else ""

    def fits(value: float) -> bool:
        return math.isclose(a, abs(value), rel_tol=_CLOSE)

    if fits(1):
        return sign + "1"
    # a size of 2 says less than the number 2 does; a size of 7 says more than the number 7
    if fits(2):
        return sign + "2"
    if fits(0.5):
        return sign + "1/2"
    for what, n in sizes.items():
        if n < 3:
            continue
        for text, value in (
            (f"{n}", n),
            (f"1/{n}", 1 / n),
            (f"2/{n}", 2 / n),
            (f"{n}/2", n / 2),
            (f"sqrt({n})", math.sqrt(n)),
            (f"1/sqrt({n})", 1 / math.sqrt(n)),
            (f"{n - 1}/{n}", (n - 1) / n),
            (f"{n}/{n - 1}", n / (n - 1)),
        ):
            if fits(value):
                return f"{sign}{text} ({what})" if text == str(n) else f"{sign}{text} ({n}: {what})"
    for name, s in scalars.items():
        if s in (0.0, 1.0, -1.0, 2.0):
            continue
        for text, value in (
            (name, s),
            (f"1 / {name}", 1 / s),
            (f"{name}^2", s * s),
            (f"1 / {name}^2", 1 / (s * s)),
            (f"1 - {name}", 1 - s),
            (f"1 / (1 - {name})", 1 / (1 - s)),
            (f"2 {name}", 2 * s),
            (f"{name} / 2", s / 2),
            (f"1 / (2 {name})", 1 / (2 * s)),
            (f"sqrt(|{name}|)", math.sqrt(abs(s))),
            (f"ln({name})", math.log(s) if s > 0 else math.nan),
            (f"1 / ln({name})", 1 / math.log(s) if s > 0 else math.nan),
        ):
            if fits(value):
                return sign + text
    for text, value in _PURE.items():
        if fits(value):
            return sign + text
    for text, value in _PURE.items():
        if fits(1 / value):
            return f"{sign}1/{text}" if text.isalnum() else f"{sign}1/({text})"
    for small in range(3, 17):
        if fits(small):
            return f"{sign}{small}"
        if fits(1 / small):
            return f"{sign}1/{small}"
    return None


@dataclass(frozen=True)
class Operand:
    """A quantity that a formula can use, one value for each cell that is looked at. `form` groups what looks alike."""

    name: str
    values: Array
    cost: float = 0.0


@dataclass(frozen=True)
class Expression:
    """A simple expression of an operand: its text, its value for each cell, its form and how complicated it is."""

    text: str
    values: Array
    form: str
    operand: str
    cost: float


def _sigmoid(v: Array) -> Array:
    return 0.5 * (1 + np.tanh(0.5 * v))


_UNARY: tuple[tuple[str, float, Callable[[Array], Array]], ...] = (
    ("{}", 1, lambda v: v),
    ("1 - {}", 2, lambda v: 1 - v),
    ("1 + {}", 2, lambda v: 1 + v),
    ("{}^2", 2, lambda v: v * v),
    ("{}^3", 3, lambda v: v**3),
    ("{} (1 - {})", 2.5, lambda v: v * (1 - v)),
    ("1 - {}^2", 2.5, lambda v: 1 - v * v),
    ("1 + {}^2", 2.5, lambda v: 1 + v * v),
    ("1 - 2 {}", 3, lambda v: 1 - 2 * v),
    ("sqrt({})", 2.5, np.sqrt),
    ("sqrt(1 - {}^2)", 3, lambda v: np.sqrt(1 - v * v)),
    ("sqrt(1 + {}^2)", 3, lambda v: np.sqrt(1 + v * v)),
    ("|{}|", 2, np.abs),
    ("1 + |{}|", 3, lambda v: 1 + np.abs(v)),
    ("(1 + |{}|)^2", 3.5, lambda v: (1 + np.abs(v)) ** 2),
    ("sign({})", 2, np.sign),
    ("exp({})", 2, np.exp),
    ("1 + exp({})", 3, lambda v: 1 + np.exp(v)),
    ("1 + exp(-{})", 3, lambda v: 1 + np.exp(-v)),
    ("exp(-{}^2)", 3, lambda v: np.exp(-v * v)),
    ("exp(-{}^2 / 2)", 3, lambda v: np.exp(-v * v / 2)),
    ("log({})", 2.5, np.log),
    ("log(1 - {})", 3, lambda v: np.log(1 - v)),
    ("1 + log({})", 3, lambda v: 1 + np.log(v)),
    ("log(1 + exp({}))", 3.5, lambda v: np.logaddexp(0, v)),
    ("sin({})", 2, np.sin),
    ("cos({})", 2, np.cos),
    ("sinh({})", 2.5, np.sinh),
    ("cosh({})", 2.5, np.cosh),
    ("tanh({})", 2, np.tanh),
    ("1 - tanh({})^2", 3, lambda v: 1 / np.cosh(v) ** 2),
    ("sigmoid({})", 2, _sigmoid),
    ("1 - sigmoid({})", 2.5, lambda v: _sigmoid(-v)),
    ("sigmoid'({})", 3, lambda v: _sigmoid(v) * _sigmoid(-v)),
    ("1 + {} (1 - sigmoid({}))", 4.5, lambda v: 1 + v * _sigmoid(-v)),
)


class Vocabulary:
    """Simple expressions of the operands, and the search for those that are proportional to given numbers."""

    def __init__(self, operands: list[Operand]) -> None:
        self.expressions: list[Expression] = []
        with np.errstate(all="ignore"):
            for op in operands:
                for text, cost, function in _UNARY:
                    self._add(text.replace("{}", op.name), function(op.values), text, op.name, cost + op.cost)
            for k, a in enumerate(operands):
                for b in operands[k + 1 :]:
                    if a.name == b.name:
                        continue
                    pair = f"{a.name}, {b.name}"
                    for text, values, cost in (
                        (f"({a.name} - {b.name})", a.values - b.values, 3.0),
                        (f"({a.name} + {b.name})", a.values + b.values, 3.5),
                        (f"({a.name}^2 + {b.name}^2)", a.values**2 + b.values**2, 4.0),
                        (f"({a.name} - {b.name})^2", (a.values - b.values) ** 2, 4.0),
                        (f"|{a.name} - {b.name}|", np.abs(a.values - b.values), 4.0),
                        (f"sign({a.name} - {b.name})", np.sign(a.values - b.values), 3.5),
                    ):
                        self._add(
                            text, values, text.replace(a.name, "{}").replace(b.name, "{}"), pair, cost + a.cost + b.cost
                        )

    def _add(self, text: str, values: Array, form: str, operand: str, cost: float) -> None:
        if np.isfinite(values).all() and (values != 0).any() and not np.allclose(values, values[0], rtol=1e-6):
            self.expressions.append(Expression(text, values, form, operand, cost))

    def singles(self, numbers: Array) -> Iterator[tuple[Expression, float, int]]:
        """Expressions E and constants c with numbers = c E (power 1) or numbers = c / E (power -1)."""
        for e in self.expressions:
            for power in (1, -1):
                c = proportion(numbers, e.values, power)
                if c is not None:
                    yield e, c, power

    def pairs(self, numbers: Array) -> Iterator[tuple[Expression, Expression, int, int]]:
        """Expressions and powers of 1 or -1 with numbers = c E1^p E2^q."""
        usable, logs, products = self._logarithms
        if not usable or (numbers == 0).any():
            return
        wanted = np.log(np.abs(numbers))
        wanted -= wanted.mean()
        size, along = np.diag(products), logs @ wanted
        for p, q in ((1, 1), (1, -1), (-1, 1), (-1, -1)):
            # |wanted - p log E1 - q log E2|^2 for all pairs at once
            distance = (size - 2 * p * along)[:, None] + (size - 2 * q * along) + 2 * p * q * products + wanted @ wanted
            for j, k in zip(*np.nonzero(distance < 1e-8), strict=True):
                first, second = usable[j], usable[k]
                if j < k and proportion(numbers, first.values**p * second.values**q, 1) is not None:
                    yield first, second, p, q
                if j == k and p == q and proportion(numbers, first.values ** (2 * p), 1) is not None:
                    yield first, second, p, q

    @cached_property
    def _logarithms(self) -> tuple[list[Expression], Array, Array]:
        """The expressions that are nowhere zero, the logarithms of their sizes less the mean, and those' products."""
        usable = [e for e in self.expressions if (e.values != 0).all()]
        if not usable:
            return [], np.zeros((0, 0)), np.zeros((0, 0))
        logs = np.log(np.abs(np.stack([e.values for e in usable])))
        logs -= logs.mean(1, keepdims=True)
        return usable, logs, logs @ logs.T


def proportion(numbers: Array, values: Array, power: int) -> float | None:
    """c with numbers = c values^power, to about six digits in every cell, or None."""
    with np.errstate(all="ignore"):
        left, right = (numbers, values) if power == 1 else (numbers * values, np.ones_like(values))
        k = int(np.argmax(np.abs(right)))
        c = float(left[k] / right[k])
        if not math.isfinite(c) or c == 0:
            return None
        size = np.maximum(np.abs(left), np.abs(c * right))
        close = np.abs(left - c * right) <= _CLOSE * size + 1e-12 * size.max()
    return c if bool(close.all()) else None


def separating(values: Array, wrong: Mask) -> tuple[str, float, float] | None:
    """How the wrong cells lie among `values`: ("below", lowest right, highest wrong), "above", "inside" or "outside".

    The two numbers are the edges between which the border lies; for intervals those of the lower and the upper border.
    """
    bad, good = values[wrong], values[~wrong]
    if not len(bad) or not len(good):
        return None
    if bad.max() < good.min():
        return "below", float(bad.max()), float(good.min())
    if bad.min() > good.max():
        return "above", float(good.max()), float(bad.min())
    if len(good) > 1 and ((bad < good.min()) | (bad > good.max())).all():
        return "outside", float(good.min()), float(good.max())
    if len(bad) > 1 and ((good < bad.min()) | (good > bad.max())).all():
        return "inside", float(bad.min()), float(bad.max())
    return None
