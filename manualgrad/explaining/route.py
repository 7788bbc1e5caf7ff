r"""The chain rule along every path from one element of a parameter to the loss.

    dE/dw  =  sum over the paths from w to E of the product of the local derivatives along the path

A path goes from element to element of the tensors on the tape. There can be very many; the number of paths and the sum
of their products are found without listing them (each element passes on what reached it), and the largest are listed.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import NamedTuple

import torch

from manualgrad.explaining.expression import DOT, EQUALS, PLUS, D, Part, Word, joined, text
from manualgrad.explaining.local import local_derivatives
from manualgrad.explaining.trace import Quantity, Trace, exact_name
from manualgrad.explaining.wording import count, nearest, size

MOST_SLOPES = 300_000  # local derivatives that a route may run through


class Link(NamedTuple):
    """One factor of a product: d `above` / d `below` = slope."""

    above: str
    below: str
    slope: float


@dataclass(frozen=True)
class Path:
    """One path, from the loss down to the parameter, and the product of the local derivatives along it."""

    links: tuple[Link, ...]
    product: float

    @property
    def names(self) -> list[str]:
        """The elements that it runs through, from the loss down."""
        return [self.links[0].above, *(link.below for link in self.links)]

    @property
    def line(self) -> list[Part]:
        """`dE/dout . dout/dnet . dnet/dw = 0.7414 . 0.1868 . 0.5933 = 0.0822`."""
        symbols = joined([D(link.above, link.below) for link in self.links], DOT)
        numbers = [*joined([link.slope for link in self.links], DOT), EQUALS] if len(self.links) > 1 else []
        return [*symbols, EQUALS, *numbers, self.product]


@dataclass(frozen=True)
class Route:
    """All paths from one element to the loss: `paths` are the largest of `number_of_paths`, `total` is the sum of all.

    `gradient` is what back-propagation found; the two agree up to rounding.
    """

    name: str
    loss: str
    paths: tuple[Path, ...]
    number_of_paths: int
    total: float
    gradient: float

    def text(self, digits: int = 4) -> str:
        """The product of every listed path in symbols and in numbers, and their sum."""
        whole = D(self.loss, self.name)
        if not self.paths:
            return f"{text((whole,))} = 0: no path leads from {self.name} to {self.loss}"
        if self.number_of_paths == 1:
            return text([whole, EQUALS, *self.paths[0].line], digits)
        few = "" if len(self.paths) == self.number_of_paths else f"; the {len(self.paths)} largest are"
        lines = [
            f"{text((whole,))}: {count(self.number_of_paths, 'path')} lead from {self.name} to {self.loss}{few}",
            *(f"  path {i}: {text(path.line, digits)}" for i, path in enumerate(self.paths, 1)),
        ]
        rest: list[Part] = [PLUS, Word("...")] if few else []
        sums = joined([p.product for p in self.paths], PLUS)
        lines.append(text([whole, EQUALS, *sums, *rest, EQUALS, self.total], digits))
        return "\n".join(lines)

    def __str__(self) -> str:
        return self.text()


class _Reached:
    """What has come to one element: the number of paths, the sum of their products, and the largest of them."""

    __slots__ = ("best", "paths", "total")

    def __init__(self) -> None:
        self.paths = 0
        self.total = 0.0
        self.best: list[tuple[float, tuple[Link, ...]]] = []


def find_route(trace: Trace, name: str, listed: int = 20) -> Route:
    """The route of the element called `name`; at most `listed` of its paths are listed.

    Raises ValueError for a name that does not exist (with the nearest that does), or that is of more than one element,
    IndexError for an index out of range.
    """
    start, index = find_element(trace, name)
    begun = _Reached()
    begun.paths, begun.total, begun.best = 1, 1.0, [(1.0, ())]
    reached: dict[Quantity, dict[int, _Reached]] = {start: {index: begun}}
    slopes_seen = 0
    for operation in trace.operations:
        for position, source in operation.moving:
            if not reached.get(source):
                continue
            here = reached[source]
            sources = torch.tensor(sorted(here), dtype=torch.long, device=source.value.device)
            for number_of_output, result in enumerate(operation.outputs):
                if result.gradient is None:
                    continue
                slopes = local_derivatives(operation, position, sources, number_of_output)
                slopes_seen += len(slopes.slope)
                if slopes_seen > MOST_SLOPES:
                    raise ValueError(
                        f"route: more than {MOST_SLOPES} local derivatives lead from {name} to {trace.loss.name}; "
                        "explain fewer examples"
                    )
                there = reached.setdefault(result, {})
                for i, k, slope in zip(
                    slopes.source.tolist(), slopes.target.tolist(), slopes.slope.tolist(), strict=True
                ):
                    link = Link(trace.element(result, k), trace.element(source, i), slope)
                    _pass_on(here[i], there.setdefault(k, _Reached()), link, listed)
    return _gathered(trace, start, index, reached.get(trace.loss, {}), listed)


def _pass_on(here: _Reached, there: _Reached, link: Link, listed: int) -> None:
    there.paths += here.paths
    there.total += link.slope * here.total
    there.best += [(product * link.slope, (link, *links)) for product, links in here.best]
    if len(there.best) > 4 * listed:
        there.best = _largest(there.best, listed)


def _largest(paths: list[tuple[float, tuple[Link, ...]]], listed: int) -> list[tuple[float, tuple[Link, ...]]]:
    return sorted(paths, key=lambda p: -abs(p[0]))[:listed]


def _gathered(trace: Trace, start: Quantity, index: int, ends: dict[int, _Reached], listed: int) -> Route:
    """The paths to all elements of the loss; for a loss of several, each path also has its upstream gradient."""
    loss, upstream = trace.loss, trace.loss.gradient
    assert upstream is not None
    weights = upstream.flatten().tolist()
    best, total, paths = [], 0.0, 0
    for k, end in ends.items():
        paths += end.paths
        total += weights[k] * end.total
        given = () if loss.one else (Link(trace.objective, trace.element(loss, k), weights[k]),)
        best += [(weights[k] * product, (*given, *links)) for product, links in end.best]
    gradient = 0.0 if start.gradient is None else start.gradient.flatten()[index].item()
    shown = tuple(Path(links, product) for product, links in _largest(best, listed) if links)
    return Route(trace.element(start, index), trace.objective, shown, paths, total, gradient)


def find_element(trace: Trace, name: str) -> tuple[Quantity, int]:
    """The quantity and the flat index that `layer.weight[0, 1]`, or a label, stands for."""
    exact = next((key for key, label in trace.labels.items() if label == name), name)
    for quantity in trace.quantities:
        if exact == quantity.name and quantity.one:
            return quantity, 0
        if exact.startswith(quantity.name + "[") and re.fullmatch(r"\[[-\d, ]+\]", exact[len(quantity.name) :]):
            return quantity, _flat(quantity, exact[len(quantity.name) + 1 : -1], name)
    for quantity in trace.quantities:
        if exact == quantity.name:
            raise ValueError(
                f"route: {name} has {quantity.value.numel()} elements ({size(quantity.value.shape)}); "
                f"name one of them, as in {exact_name(quantity, 0)}"
            )
    known = [*(q.name for q in trace.quantities), *trace.labels.values()]
    leaf = name.partition("[")[0]
    shown = ", ".join(q.name for q in trace.parameters[:8]) + (", ..." if len(trace.parameters) > 8 else "")
    raise ValueError(f"route: there is no parameter {leaf}{nearest(leaf, known)} (the parameters are {shown})")


def _flat(quantity: Quantity, inside: str, name: str) -> int:
    shape = list(quantity.value.shape)
    place = [int(part) for part in inside.split(",")]
    if len(place) == len(shape) - 1 and shape[0] == 1:  # the only example's number may be left out
        place = [0, *place]
    if len(place) != len(shape):
        raise ValueError(
            f"route: {quantity.name} has {len(shape)} dimensions ({size(shape)}), {name} gives {len(place)}"
        )
    flat = 0
    for i, extent in zip(place, shape, strict=True):
        if not -extent <= i < extent:
            raise IndexError(f"route: {name} is out of range: {quantity.name} is {size(shape)}")
        flat = flat * extent + i % extent
    return flat
