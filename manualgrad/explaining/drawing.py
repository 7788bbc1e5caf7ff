"""Where everything goes in the drawing of a network: one layout, for the figure and for the page.

A small network of linear and pointwise layers is drawn unit by unit, its weights on the edges. Everything else is
drawn step by step, its tensors on the edges: scalar graphs with their numbers, large layers with their shapes. Values
are written above an edge and gradients below it. No two texts overlap: columns move apart until every label has found
a place.

Sizes are in pixels; texts are set in a monospaced font, so that their widths are known.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from itertools import pairwise

import torch

from manualgrad.explaining.groups import MOST, Group, grouped
from manualgrad.explaining.local import is_pointwise
from manualgrad.explaining.trace import OUT, PARAMETER, Operation, Quantity, Trace
from manualgrad.explaining.wording import number, size

FONT = 13.0  # numbers
SMALL = 11.5  # names
ADVANCE = 0.62  # width of a character in units of the font's size; common monospaced fonts have 0.6
LINE = 16.0
MARGIN = 16.0
UPDATED = 7  # characters of a value after the update, as in -0.1234
GAP = 70.0  # between columns, at least
_PLACES = [i / 50 for i in range(6, 45)]  # where on a line its texts may be

MOST_UNITS, MOST_EDGES, MOST_COPIES = 6, 20, 3

VALUE, GRADIENT, NAME = "value", "gradient", "name"
SIGNS = {"add": "+", "sub": "−", "mul": "×", "div": "÷", "neg": "−", "matmul": "@"}


@dataclass(frozen=True)
class Box:
    left: float
    top: float
    right: float
    bottom: float

    def overlaps(self, other: Box) -> bool:
        return (
            self.left < other.right and other.left < self.right and self.top < other.bottom and other.top < self.bottom
        )

    def wider(self, by: float) -> Box:
        return Box(self.left - by, self.top, self.right + by, self.bottom)


@dataclass(frozen=True)
class Text:
    """A centred text, to be seen from the moment `at`.

    `element` is the parameter whose value it is, if any: that one changes with the update, and is given room for it.
    """

    text: str
    kind: str
    x: float = 0.0
    y: float = 0.0
    at: int = 0
    element: str = ""

    @property
    def width(self) -> float:
        return self.room * ADVANCE * (SMALL if self.kind == NAME else FONT)

    @property
    def room(self) -> int:
        """The characters that there is room for."""
        return max(len(self.text), UPDATED if self.element else 0)

    @property
    def box(self) -> Box:
        return Box(self.x - self.width / 2, self.y - LINE / 2, self.x + self.width / 2, self.y + LINE / 2)

    def moved(self, x: float, y: float) -> Text:
        return replace(self, x=self.x + x, y=self.y + y)


@dataclass(eq=False)
class Node:
    """A box and its texts, which lie relative to its centre until `draw` has found the place of that.

    `about` are the quantities and steps that it stands for, `elements` the names of the elements in it. `below` is the
    room that texts under the box take. A node without a kind is a bend of an edge.
    """

    kind: str
    width: float
    height: float
    texts: list[Text] = field(default_factory=list)
    about: list[Quantity | Operation] = field(default_factory=list)
    elements: list[str] = field(default_factory=list)
    below: float = 0.0
    x: float = 0.0
    y: float = 0.0

    @property
    def box(self) -> Box:
        half = self.width / 2
        return Box(self.x - half, self.y - self.height / 2, self.x + half, self.y + self.height / 2 + self.below)


@dataclass(eq=False)
class Edge:
    """A line from one node to another through `bends`, its value above and its gradient below one place on it."""

    start: Node
    end: Node
    texts: list[Text] = field(default_factory=list)
    about: list[Quantity | Operation] = field(default_factory=list)
    elements: list[str] = field(default_factory=list)
    bends: list[Node] = field(default_factory=list)
    prefers: float = 0.5  # where on the line its texts would best be

    @property
    def points(self) -> list[tuple[float, float]]:
        ends = (self.start.x + self.start.width / 2, self.start.y), (self.end.x - self.end.width / 2, self.end.y)
        return [ends[0], *((b.x, b.y) for b in self.bends), ends[1]]


@dataclass
class Drawing:
    width: float
    height: float
    nodes: list[Node]
    edges: list[Edge]

    @property
    def texts(self) -> Iterator[Text]:
        for node in self.nodes:
            yield from node.texts
        for edge in self.edges:
            yield from edge.texts


class Timetable:
    """When everything is to be seen: moment 0 is the start, then every group forward, then every group backward."""

    def __init__(self, trace: Trace, most: int = MOST) -> None:
        self._trace = trace
        groups = grouped(trace.operations, most)
        self._forward = {op: i for i, group in enumerate(groups, 1) for op in group.steps}
        back = [group for group in reversed(groups) if group.goes_back]
        self._backward = {op: i for i, group in enumerate(back, len(groups) + 1) for op in group.steps}
        self._turn = len(groups) + 1

    def value(self, quantity: Quantity) -> int:
        maker = self._trace.made_by(quantity)
        return 0 if maker is None else self._forward[maker]

    def gradient(self, quantity: Quantity) -> int:
        """When every step that used it has sent back its share."""
        users = [self._backward.get(op, 0) for op in self._trace.operations if any(q is quantity for _, q in op.moving)]
        return max(users, default=self._turn)

    def both(self, operation: Operation) -> list[int]:
        """When the step runs forward and, if it does, backward."""
        return [self._forward[operation], *([self._backward[operation]] if operation in self._backward else [])]

    def share(self, operation: Operation) -> int:
        return self._backward.get(operation, 0)


def draw(trace: Trace, most: int = MOST) -> Drawing:
    """The drawing of a trace, of at most `most` boxes for its steps."""
    layers = unit_layers(trace) if len(trace.operations) <= most else []
    if layers:
        return _placed(*_Units(trace, layers).build(), between=56.0)
    columns, edges = _Steps(trace, most).build()
    _order(columns, edges)
    return _placed(columns, edges, between=30.0)


# -------------------------------------------------------------------------------------------------------- unit by unit


@dataclass(frozen=True)
class UnitLayer:
    """A linear step, and the activation that follows it, if one does."""

    linear: Operation
    activation: Operation | None

    @property
    def output(self) -> Quantity:
        return (self.activation or self.linear).output


def unit_layers(trace: Trace) -> list[UnitLayer]:
    """The layers of a small network of linear and pointwise layers; empty if the trace is anything else, or large."""
    layers: list[UnitLayer] = []
    current: Quantity | None = None
    for op in trace.operations[: trace.loss_starts_at]:
        if op.is_linear and (current is None or op.inputs[0] is current):
            units, width = op.inputs[1].value.shape
            if units > MOST_UNITS or width > MOST_UNITS or units * width > MOST_EDGES:
                return []
            layers.append(UnitLayer(op, None))
        elif layers and layers[-1].activation is None and op.output.role == OUT and is_pointwise(op):
            layers[-1] = UnitLayer(layers[-1].linear, op)
        else:
            return []
        current = op.output
    return layers if trace.loss.one and len(trace.operations) > trace.loss_starts_at else []


class _Units:
    def __init__(self, trace: Trace, layers: list[UnitLayer]) -> None:
        self.trace, self.layers, self.time = trace, layers, Timetable(trace)

    def build(self) -> tuple[list[list[Node]], list[Edge]]:
        x = self.layers[0].linear.inputs[0]
        columns = [[self._input(x, j) for j in range(x.value.shape[-1])]]
        edges: list[Edge] = []
        for layer in self.layers:
            units = [self._neuron(layer, k) for k in range(layer.linear.inputs[1].value.shape[0])]
            widest = max(unit.width for unit in units)
            for unit in units:
                unit.width = widest
            edges += [
                self._weight(layer, k, j, start, unit)
                for j, start in enumerate(columns[-1])
                for k, unit in enumerate(units)
            ]
            columns.append(units)
        loss = self._loss()
        edges += [Edge(unit, loss, about=[self.layers[-1].output]) for unit in columns[-1]]
        return [*columns, [loss]], edges

    def _texts(self, quantity: Quantity, index: int) -> list[Text]:
        """Name, value and gradient of an element, one below the other."""
        element = self.trace.element(quantity, index)
        texts = [
            Text(_short(element), NAME, y=-LINE),
            Text(number(quantity.value.flatten()[index].item()), VALUE, at=self.time.value(quantity)),
        ]
        if quantity.gradient is not None:
            g = number(quantity.gradient.flatten()[index].item())
            texts.append(Text(g, GRADIENT, y=LINE, at=self.time.gradient(quantity)))
        return texts

    def _input(self, x: Quantity, j: int) -> Node:
        texts = self._texts(x, j)
        if x.gradient is None:
            texts = [t.moved(0, LINE / 2) for t in texts]
        return _boxed("input", texts, [x], [self.trace.element(x, j)])

    def _neuron(self, layer: UnitLayer, k: int) -> Node:
        parts = [layer.linear.output, *([layer.activation.output] if layer.activation else [])]
        columns = [self._texts(q, k) for q in parts]
        widths = [max(t.width for t in texts) + 16 for texts in columns]
        steps = [op for op in (layer.linear, layer.activation) if op is not None]
        node = Node("neuron", sum(widths), 3 * LINE + 12, about=[*steps, *parts])
        node.elements = [self.trace.element(q, k) for q in parts]
        left = -node.width / 2
        for texts, width in zip(columns, widths, strict=True):
            node.texts += [t.moved(left + width / 2, 0) for t in texts]
            left += width
        bias = layer.linear.inputs[2]
        if isinstance(bias, Quantity):
            self._add_bias(node, bias, 0 if bias.one else k)
        return node

    def _add_bias(self, node: Node, bias: Quantity, k: int) -> None:
        element = self.trace.element(bias, k)
        value = number(bias.value.flatten()[k].item())
        texts = [Text("+ b", NAME), Text(value, VALUE, element=element)]
        if bias.gradient is not None:
            texts.append(Text(number(bias.gradient.flatten()[k].item()), GRADIENT, at=self.time.gradient(bias)))
        total = sum(t.width for t in texts) + 10 * (len(texts) - 1)
        left, y = -total / 2, node.height / 2 + LINE / 2 + 2
        for t in texts:
            node.texts.append(t.moved(left + t.width / 2, y))
            left += t.width + 10
        node.width, node.below = max(node.width, total), LINE + 2
        node.about.append(bias)
        node.elements.append(element)

    def _weight(self, layer: UnitLayer, k: int, j: int, start: Node, end: Node) -> Edge:
        weight = layer.linear.inputs[1]
        index = k * weight.value.shape[1] + j
        element = self.trace.element(weight, index)
        texts = [Text(number(weight.value.flatten()[index].item()), VALUE, y=-LINE / 2 - 1, element=element)]
        if weight.gradient is not None:
            g = number(weight.gradient.flatten()[index].item())
            texts.append(Text(g, GRADIENT, y=LINE / 2 + 1, at=self.time.gradient(weight)))
        if element in self.trace.labels.values() and len(element) <= 5:  # room for a name as short as w5
            name = Text(element, NAME, y=texts[0].y)
            together = name.width + 6 + texts[0].width
            texts[0] = texts[0].moved((together - texts[0].width) / 2, 0)
            texts.append(name.moved((name.width - together) / 2, 0))
        # The weights of one input stand in a column of their own, so that it is plain which line each belongs to.
        units, width = weight.value.shape
        return Edge(
            start, end, texts, [weight, layer.linear], [element], prefers=(j + 1) / (width + 1) if units > 1 else 0.4
        )

    def _loss(self) -> Node:
        loss = self.trace.loss
        steps = self.trace.operations[self.trace.loss_starts_at :]
        return _boxed("loss", self._texts(loss, 0), [loss, *steps], [loss.name])


# -------------------------------------------------------------------------------------------------------- step by step


class _Steps:
    def __init__(self, trace: Trace, most: int) -> None:
        self.trace, self.time = trace, Timetable(trace, most)
        self.groups = grouped(trace.operations, most)

    def build(self) -> tuple[list[list[Node]], list[Edge]]:
        columns: dict[int, list[Node]] = {}
        edges: list[Edge] = []
        made: dict[Quantity, tuple[Node, int]] = {}
        leaves: dict[Quantity, tuple[Node, int]] = {}
        for group in self.groups:
            node = self._operation(group)
            taken = group.takes
            column = 1 + max((made[q][1] for q in taken if q in made), default=0)
            columns.setdefault(column, []).append(node)
            for q in taken:
                source = made.get(q) or leaves.get(q)
                if source is None:
                    source = self._leaf(q), column - 1
                    columns.setdefault(column - 1, []).append(source[0])
                    if q.uses <= MOST_COPIES:
                        leaves[q] = source
                edge = Edge(source[0], node, self._label(q, group), [q, *group.steps[:1]], self._elements(q))
                edge.bends = [Node("", 0, LINE) for _ in range(source[1] + 1, column)]
                for i, bend in enumerate(edge.bends, source[1] + 1):
                    columns.setdefault(i, []).append(bend)
                edges.append(edge)
            made.update((q, (node, column)) for q in group.makes)
        loss = self.trace.loss
        last, column = made[loss]
        end = _boxed("loss", [Text(_short(loss.name), NAME)], [loss], self._elements(loss))
        columns.setdefault(column + 1, []).append(end)
        edges.append(Edge(last, end, self._label(loss, None), [loss], self._elements(loss)))
        return [columns[c] for c in sorted(columns)], edges

    def _elements(self, quantity: Quantity) -> list[str]:
        if quantity.value.numel() > 64:
            return []
        return [self.trace.element(quantity, i) for i in range(quantity.value.numel())]

    def _leaf(self, quantity: Quantity) -> Node:
        kind = "parameter" if quantity.role == PARAMETER else "input"
        return _boxed(kind, [Text(_short(quantity.name), NAME)], [quantity], self._elements(quantity))

    def _operation(self, group: Group) -> Node:
        title = SIGNS.get(group.title, group.title)
        texts = [Text(_short(title, 22), NAME)]
        if group.layer:
            texts = [texts[0].moved(0, -LINE / 2), Text(_short(group.layer, 22), NAME, y=LINE / 2)]
        return _boxed("operation", texts, list(group.steps), [])

    def _label(self, quantity: Quantity, group: Group | None) -> list[Text]:
        """Value and gradient: on the way into a group, the share of the gradient that comes back from there."""
        element = self.trace.element(quantity) if quantity.role == PARAMETER and quantity.one else ""
        texts = [Text(brief(quantity.value), VALUE, y=-LINE / 2 - 1, at=self.time.value(quantity), element=element)]
        if group is None:
            gradient, at = quantity.gradient, self.time.gradient(quantity)
        else:
            shares = [
                dx
                for op in group.steps
                for q, dx in zip(op.inputs, op.downstream, strict=True)
                if q is quantity and dx is not None
            ]
            gradient = torch.stack([s.expand(quantity.value.shape) for s in shares]).sum(0) if shares else None
            at = max(self.time.share(op) for op in group.steps)
        if gradient is not None:
            texts.append(Text(brief(gradient), GRADIENT, y=LINE / 2 + 1, at=at))
        return texts


def brief(tensor: torch.Tensor) -> str:
    """A number, up to three numbers, or a shape and the largest magnitude."""
    if tensor.numel() == 1:
        return number(tensor.item())
    if 0 < tensor.numel() <= 3:
        return "[" + ", ".join(number(v, 3) for v in tensor.flatten().tolist()) + "]"
    if not tensor.numel():
        return size(tensor.shape)
    return f"{size(tensor.shape)}, max {number(tensor.double().abs().max().item(), 3)}"


# ------------------------------------------------------------------------------------------------------------- placing


def _short(text: str, most: int = 18) -> str:
    return text if len(text) <= most else text[: most - 1] + "…"


def _boxed(kind: str, texts: list[Text], about: Sequence[Quantity | Operation], elements: list[str]) -> Node:
    """A node just large enough for its texts."""
    high = max(t.y for t in texts) - min(t.y for t in texts) + LINE
    return Node(kind, max(max(t.width for t in texts) + 18, 34), high + 12, texts, list(about), elements)


def _order(columns: list[list[Node]], edges: list[Edge]) -> None:
    """Sort every column by where its neighbours are, so that few edges cross."""
    neighbours: dict[Node, list[Node]] = {}
    for edge in edges:
        chain = [edge.start, *edge.bends, edge.end]
        for a, b in pairwise(chain):
            neighbours.setdefault(a, []).append(b)
            neighbours.setdefault(b, []).append(a)
    for column in [*columns[1:], *columns[-2::-1], *columns[1:]]:
        place = {n: i - (len(c) - 1) / 2 for c in columns for i, n in enumerate(c)}
        column.sort(key=lambda n: sum(place[m] for m in neighbours[n]) / len(neighbours[n]))


def _placed(columns: list[list[Node]], edges: list[Edge], between: float) -> Drawing:
    """Columns from left to right, each centred; the gaps between them widen until every label has a place."""
    heights = [sum(n.height + n.below for n in c) + between * (len(c) - 1) for c in columns]
    total = max(heights)
    for column, height in zip(columns, heights, strict=True):
        spare = total - height
        spread = min(spare / len(column), 60.0)  # a short column takes some of the room that it has
        y = MARGIN + (spare - spread * (len(column) - 1)) / 2
        for node in column:
            node.y = y + node.height / 2
            y += node.height + node.below + between + spread
    gaps = _gaps(columns, edges)
    while True:
        x = MARGIN
        for i, column in enumerate(columns):
            width = max(n.width for n in column)
            for node in column:
                node.x = x + width / 2
            x += width + (gaps[i] if i < len(gaps) else 0)
        crowded = _label(columns, edges)
        if crowded is None:
            break
        gaps[crowded] *= 1.2
    nodes = [n for c in columns for n in c if n.kind]
    for node in nodes:
        node.texts = [t.moved(node.x, node.y) for t in node.texts]
    return Drawing(x + MARGIN, total + 2 * MARGIN, nodes, edges)


def _gaps(columns: list[list[Node]], edges: list[Edge]) -> list[float]:
    """Gaps in which texts that prefer different places can stand side by side."""
    number_of = {node: i for i, column in enumerate(columns) for node in column}
    widths: list[dict[float, float]] = [{} for _ in columns[1:]]
    for edge in edges:
        if edge.texts:
            width = max(t.box.right for t in edge.texts) - min(t.box.left for t in edge.texts)
            there = widths[number_of[edge.start]]
            there[edge.prefers] = max(there.get(edge.prefers, 0.0), width)
    return [max(GAP, max(side.values(), default=0) * (len(side) + 0.6) + 12) for side in widths]


def _label(columns: list[list[Node]], edges: list[Edge]) -> int | None:
    """Find a place on every edge for its texts; the number of a gap that is too narrow, or None if all have one."""
    number_of = {node: i for i, column in enumerate(columns) for node in column}
    taken = [n.box for c in columns for n in c if n.kind]
    places: list[tuple[Edge, tuple[float, float]]] = []
    for edge in edges:
        if not edge.texts:
            continue
        (x0, y0), (x1, y1) = edge.points[:2]
        for t in _from_best(edge.prefers):
            x, y = x0 + t * (x1 - x0), y0 + t * (y1 - y0)
            boxes = [text.moved(x, y).box.wider(4) for text in edge.texts]
            if not any(b.overlaps(other) for b in boxes for other in taken):
                break
        else:
            return number_of[edge.start]
        taken += boxes
        places.append((edge, (x, y)))
    for edge, (x, y) in places:
        edge.texts = [t.moved(x, y) for t in edge.texts]
    return None


def _from_best(best: float) -> list[float]:
    return sorted(_PLACES, key=lambda t: abs(t - best))
