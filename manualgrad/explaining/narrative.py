"""The story of a trace, told once: forward, loss, backward and update as numbered moments with their lines and tables.

The text prints the moments one after the other, the page steps through them. The words are those of the textbooks: net
input, output, upstream gradient, local derivative, error term, gradient, adjustment.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

import torch

from manualgrad.explaining.expression import CLOSE, COMMA, DOT, EQUALS, OPEN, PLUS, D, Op, Part, Word, joined
from manualgrad.explaining.formula_text import formula_lines
from manualgrad.explaining.groups import MOST, Group, grouped
from manualgrad.explaining.local import few_derivatives, is_pointwise, local_derivatives
from manualgrad.explaining.trace import LOSS, NET, OUT, PARAMETER, Operation, Quantity, Trace
from manualgrad.explaining.wording import count, size, summary

LISTED = 8  # rows of a table, and lines of a moment; what is larger is summarised
UPDATE_RULE = "after = before - learning rate . gradient"
TERMS = 6  # products in the sum of a net input

_INFIX = {"add": "+", "sub": "-", "mul": ".", "div": "/", "pow": "^", "matmul": "@"}


@dataclass
class Table:
    """`rows` of text and numbers under `header`; `left_out` says what is not shown."""

    caption: str
    header: Sequence[str]
    rows: list[list[str | float]]
    left_out: str = ""
    update: bool = False  # rows are (parameter, before, gradient): the reader of the page changes the learning rate


@dataclass
class Moment:
    """One step of the story. `rules` say it in general, `lines` with the numbers put in."""

    phase: str
    heading: str
    rules: list[str] = field(default_factory=list)
    lines: list[list[Part]] = field(default_factory=list)
    tables: list[Table] = field(default_factory=list)
    note: str = ""


def moments(trace: Trace, learning_rate: float | None) -> Iterator[Moment]:
    """A moment for every step, forward and backward. Without a learning rate there is no update."""
    return _told([Group([op], op.layer) for op in trace.operations], trace, learning_rate)


def fewer_moments(trace: Trace, learning_rate: float | None, most: int = MOST) -> Iterator[Moment]:
    """The same story with a moment for every group of steps, where more than `most` steps are too many."""
    return _told(grouped(trace.operations, most), trace, learning_rate)


def _told(groups: Sequence[Group], trace: Trace, learning_rate: float | None) -> Iterator[Moment]:
    for group in groups:
        yield _forward(trace, group.steps[0]) if len(group.steps) == 1 else _group_forward(trace, group)
    for group in reversed(groups):
        if group.goes_back:
            yield _backward(trace, group.steps[0]) if len(group.steps) == 1 else _group_backward(group)
    if learning_rate is not None and trace.parameters:
        yield _update(trace)


def _group_forward(trace: Trace, group: Group) -> Moment:
    first, last = group.steps[0], group.steps[-1]
    moment = Moment(
        "loss" if first.number > trace.loss_starts_at else "forward",
        f"{_layer(group.layer)}steps {first.number} to {last.number}",
        note=f"{_titles(group)} keep {sum(op.step.saved_bytes for op in group.steps)} bytes for the backward pass",
    )
    moment.lines = [[q.name, EQUALS, Word(summary(q))] for q in last.outputs]
    return moment


def _group_backward(group: Group) -> Moment:
    first, last = group.steps[0], group.steps[-1]
    moment = Moment("backward", f"{_layer(group.layer)}back through steps {last.number} to {first.number}")
    parameters = list(dict.fromkeys(q for op in group.steps for _, q in op.moving if q.trained))
    rows: list[list[str | float]] = [
        [q.name, size(q.value.shape), summary(q, gradient=True)] for q in parameters[:LISTED]
    ]
    rest = len(parameters) - len(rows)
    if rows:
        left_out = count(rest, "more parameter") if rest else ""
        moment.tables = [Table("gradients", ["parameter", "shape", "gradient"], rows, left_out)]
    return moment


def _titles(group: Group) -> str:
    titles = list(dict.fromkeys(op.title for op in group.steps))
    return ", ".join(titles[:5]) + (", ..." if len(titles) > 5 else "")


def _layer(name: str) -> str:
    return f"layer {name}: " if name else ""


# ------------------------------------------------------------------------------------------------------------ forward


def _forward(trace: Trace, operation: Operation) -> Moment:
    output = operation.output
    is_loss = operation.number > trace.loss_starts_at
    what = output.role if output.role in (NET, OUT) else "loss" if output is trace.loss and is_loss else "result"
    moment = Moment(
        "loss" if is_loss else "forward",
        f"{_layer(output.layer)}{what} {output.name}",
        formula_lines(operation.formula)["forward"],
        note=_saved(operation),
    )
    shown = _first_example(output)
    if operation.is_linear and len(shown) <= LISTED:
        moment.lines = [_net_input(trace, operation, k) for k in shown]
    elif len(shown) <= LISTED and _element_by_element(operation):
        moment.lines = [_pointwise(trace, operation, k) for k in shown]
    else:
        moment.lines = [_whole(operation)]
    return moment


def _element_by_element(operation: Operation) -> bool:
    shape = operation.output.value.shape
    arithmetic = operation.title in _INFIX and operation.title != "matmul"
    return (arithmetic and all(q.value.shape == shape for _, q in operation.tensors)) or is_pointwise(operation)


def _saved(operation: Operation) -> str:
    kept = operation.saved()
    if not kept:
        return f"{operation.title} keeps nothing for the backward pass"
    names = ", ".join(name for name, _, _ in kept)
    return f"{operation.title} keeps {names} for the backward pass ({operation.step.saved_bytes} bytes)"


def _first_example(quantity: Quantity) -> list[int]:
    """The flat indices of what is shown of a quantity: all of a small one, of a larger batch its first example."""
    shape = quantity.value.shape
    if len(shape) > 1 and shape.numel() > LISTED:
        return list(range(quantity.value[0].numel()))
    return list(range(quantity.value.numel()))


def _net_input(trace: Trace, operation: Operation, k: int) -> list[Part]:
    """`net_h1 = 0.05 . 0.15 + 0.1 . 0.2 + 0.35 = 0.3775`."""
    x, weight = operation.inputs[0].value, operation.inputs[1].value
    bias = operation.inputs[2]
    line: list[Part] = [trace.element(operation.output, k), EQUALS]
    units, width = weight.shape
    example, unit = divmod(k, units)
    row = x.reshape(-1, width)[example]
    for j in range(min(width, TERMS)):
        line += [PLUS] * (j > 0) + [row[j].item(), DOT, weight[unit, j].item()]
    if width > TERMS:
        line += [PLUS, Word(f"... ({width} products)")]
    if isinstance(bias, Quantity):
        line += [PLUS, bias.value.expand(units)[unit].item()]
    return [*line, EQUALS, operation.output.value.flatten()[k].item()]


def _pointwise(trace: Trace, operation: Operation, k: int) -> list[Part]:
    """`out_h1 = sigmoid(0.3775) = 0.5933`, `q = x + y = -2 + 5 = 3`."""
    output = operation.output
    line: list[Part] = [trace.element(output, k), EQUALS]
    if all(q.value.shape == output.value.shape for _, q in operation.tensors):
        if len(operation.tensors) > 1 or operation.title in _INFIX:
            line += [*_expression(operation, [trace.element(q, k) for _, q in operation.tensors]), EQUALS]
        line += _expression(operation, [q.value.flatten()[k].item() for _, q in operation.tensors])
    else:
        line += _expression(operation, [trace.element(q, k) if q.value.shape else q.name for _, q in operation.tensors])
    return [*line, EQUALS, output.value.flatten()[k].item()]


def _whole(operation: Operation) -> list[Part]:
    """`E = half_mse_loss(out_output, t, reduction=sum) = 0.2984`."""
    output = operation.output
    line: list[Part] = [output.name, EQUALS, *_expression(operation, [q.name for _, q in operation.tensors]), EQUALS]
    return [*line, output.value.item() if output.one else Word(summary(output))]


def _expression(operation: Operation, tensors: Sequence[Part]) -> list[Part]:
    """The operation on its tensors as a book writes it: `x + y`, `x ^ 2`, `sigmoid(x)`."""
    given = iter(tensors)
    arguments: list[Part] = [next(given) if isinstance(a, Quantity) else a for a in operation.inputs if a is not None]
    if operation.title in _INFIX and all(isinstance(a, (str, int, float)) for a in arguments[:2]):
        extra = [a for a in arguments[2:] if a != 1]  # alpha = 1 of a sum
        if not extra:
            return [arguments[0], Op(_INFIX[operation.title]), arguments[1]]
    if operation.title == "neg":
        return [Op("-"), arguments[0]]
    settings = [Word(s) for s in operation.settings if not s.endswith(("=False", "=True"))]
    return [Word(operation.title), OPEN, *joined([*tensors, *settings], COMMA), CLOSE]


# ----------------------------------------------------------------------------------------------------------- backward


def _backward(trace: Trace, operation: Operation) -> Moment:
    loss = trace.objective
    moment = Moment(
        "backward",
        f"{_layer(operation.output.layer)}back through {operation.title}",
        formula_lines(operation.formula)["backward"],
    )
    if operation is trace.operations[-1] and trace.loss.one:
        moment.lines.append([D(loss, loss), EQUALS, 1.0])
    if operation.is_linear:
        _back_through_linear(trace, operation, moment)
    else:
        for position, quantity in operation.moving:
            moment.tables.append(_three_columns(trace, operation, position, quantity))
    for _, quantity in operation.moving:
        if quantity.uses > 1 and operation is _first_use(trace, quantity):
            moment.lines.append(meeting(trace, quantity))
    return moment


def _back_through_linear(trace: Trace, operation: Operation, moment: Moment) -> None:
    x, weight = operation.inputs[0], operation.inputs[1]
    output = operation.output
    batch = output.value.numel() // weight.value.shape[0]
    for position, quantity in operation.moving:
        if position == 0:
            few = _first_example(x)
            if len(few) <= LISTED and weight.value.shape[0] <= TERMS:
                moment.lines += [_sum_over_units(trace, operation, j) for j in few]
            else:
                moment.tables.append(_listing(trace, quantity, operation.downstream[position], "gradient"))
        elif batch == 1:
            moment.tables.append(_three_columns(trace, operation, position, quantity))
        else:
            caption = f"gradient of {quantity.name}, summed over {batch} examples"
            moment.tables.append(_listing(trace, quantity, operation.downstream[position], caption))
    if any(p == 1 for p, _ in operation.moving) and batch <= TERMS:
        moment.lines.append(chain(trace, operation) if batch == 1 else _sum_over_examples(trace, operation))


def chain(trace: Trace, operation: Operation, index: int = 0) -> list[Part]:
    """`dE/dw5 = dE/dout_o1 . dout_o1/dnet_o1 . dnet_o1/dw5 = 0.7414 . 0.1868 . 0.5933 = 0.0822` for a weight of a
    layer.

    Where more than one path leads to the loss, the error term stands for all that lies above the net input.
    """
    weight, output = operation.inputs[1], operation.output
    w, net, loss = trace.element(weight, index), trace.element(output, index // weight.value.shape[1]), trace.objective
    k = index // weight.value.shape[1]
    links: list[tuple[D, float]] = []
    after = [op for op in trace.operations if any(q is output for _, q in op.moving)]
    activation = after[0] if len(after) == 1 and after[0].output.role == OUT and is_pointwise(after[0]) else None
    if activation is not None and activation.output.gradient is not None:
        out = activation.output
        place = torch.tensor([k], device=out.value.device)
        slopes = local_derivatives(activation, activation.moving[0][0], place)
        if slopes.target.tolist() == [k]:
            upstream = out.gradient.flatten()[k].item()  # type: ignore[union-attr]
            y = trace.element(out, k)
            links = [(D(loss, y), upstream), (D(y, net), slopes.slope.item())]
    if not links:
        assert output.gradient is not None
        links = [(D(loss, net), output.gradient.flatten()[k].item())]
    x = operation.inputs[0].value.flatten()[index % weight.value.shape[1]].item()
    links.append((D(net, w), x))
    gradient = operation.downstream[1].flatten()[index].item()  # type: ignore[union-attr]
    symbols, numbers = joined([d for d, _ in links], DOT), joined([v for _, v in links], DOT)
    return [D(loss, w), EQUALS, *symbols, EQUALS, *numbers, EQUALS, gradient]


def _sum_over_units(trace: Trace, operation: Operation, j: int) -> list[Part]:
    """`dE/dout_h1 = 0.1385 . 0.4 + (-0.0381) . 0.5 = 0.0364`: what an output gets back from all that it feeds."""
    x, weight, output = operation.inputs[0], operation.inputs[1].value, operation.output
    line: list[Part] = [D(trace.objective, trace.element(x, j)), EQUALS]
    units, width = weight.shape
    assert output.gradient is not None
    for k in range(units):
        error = output.gradient.flatten()[j // width * units + k].item()
        line += [PLUS] * (k > 0) + [error, DOT, weight[k, j % width].item()]
    return [*line, EQUALS, operation.downstream[0].flatten()[j].item()]  # type: ignore[union-attr]


def _sum_over_examples(trace: Trace, operation: Operation) -> list[Part]:
    """`dE/dw = 1 . 2 + 0.5 . 3 = 3.5`: every example adds its error term times its input."""
    x, weight, output = operation.inputs[0].value, operation.inputs[1], operation.output
    units, width = weight.value.shape
    assert output.gradient is not None
    errors, rows = output.gradient.reshape(-1, units), x.reshape(-1, width)
    line: list[Part] = [D(trace.objective, trace.element(weight, 0)), EQUALS]
    for n in range(len(rows)):
        line += [PLUS] * (n > 0) + [errors[n, 0].item(), DOT, rows[n, 0].item()]
    return [*line, EQUALS, operation.downstream[1].flatten()[0].item()]  # type: ignore[union-attr]


def _three_columns(trace: Trace, operation: Operation, position: int, quantity: Quantity) -> Table:
    """Upstream, local derivative, downstream, where every element of the argument reaches one of the result."""
    downstream = operation.downstream[position]
    result, loss = operation.output, trace.objective
    last = {NET: "error term", LOSS: "gradient"}.get(quantity.role, "downstream")
    last = "gradient" if quantity.trained else last
    caption = f"{last} of {quantity.name}"
    if downstream is None or quantity.value.numel() > 512 or len(operation.outputs) > 1:
        return _listing(trace, quantity, downstream, caption)
    shown = list(range(quantity.value.numel())) if quantity.role == PARAMETER else _first_example(quantity)
    shown = shown[:LISTED]
    slopes = few_derivatives(operation, position, torch.tensor(shown, device=quantity.value.device))
    if slopes is None or slopes.source.tolist() != shown:
        return _listing(trace, quantity, downstream, caption)
    assert result.gradient is not None
    rows: list[list[str | float]] = []
    for i, k, slope in zip(slopes.source.tolist(), slopes.target.tolist(), slopes.slope.tolist(), strict=True):
        upstream = result.gradient.flatten()[k].item()
        rows.append([trace.element(quantity, i), upstream, slope, downstream.flatten()[i].item()])
    above = "error term" if result.role == NET else "upstream"
    header = [quantity.role, f"{above} d{loss}/d{result.name}", "local derivative", last]
    return Table(caption, header, rows, _left_out(quantity, len(rows)))


def _listing(
    trace: Trace, quantity: Quantity, gradient: torch.Tensor | None, caption: str, listed: int = LISTED
) -> Table:
    """The elements of a quantity with their gradients; of a large one those with the largest gradients."""
    if gradient is None:
        return Table(caption, [quantity.role, "value", "gradient"], [])
    flat = gradient.flatten()
    order = flat.abs().argsort(descending=True, stable=True) if flat.numel() > listed else torch.arange(flat.numel())
    values = quantity.value.flatten()
    rows: list[list[str | float]] = [
        [trace.element(quantity, i), values[i].item(), flat[i].item()] for i in order[:listed].tolist()
    ]
    return Table(caption, [quantity.role, "value", "gradient"], rows, _left_out(quantity, len(rows)))


def _left_out(quantity: Quantity, shown: int) -> str:
    rest = quantity.value.numel() - shown
    return f"{count(rest, 'more element')} of {quantity.name} ({size(quantity.value.shape)})" if rest else ""


def _first_use(trace: Trace, quantity: Quantity) -> Operation:
    return next(op for op in trace.operations if any(q is quantity for _, q in op.moving))


def meeting(trace: Trace, quantity: Quantity) -> list[Part]:
    """What is used more than once gets the sum of its gradients: `dE/dtheta = 3 + 2 = 5`."""
    shares = [
        share
        for op in reversed(trace.operations)
        for q, share in zip(op.inputs, op.downstream, strict=True)
        if q is quantity and share is not None
    ]
    line: list[Part] = [D(trace.objective, quantity.name), EQUALS]
    assert quantity.gradient is not None
    if quantity.one and len(shares) <= TERMS:
        return [*line, *joined([s.item() for s in shares], PLUS), EQUALS, quantity.gradient.item()]
    return [*line, Word(f"the sum of its {len(shares)} uses"), EQUALS, Word(summary(quantity, gradient=True))]


# ------------------------------------------------------------------------------------------------------------- update


def _update(trace: Trace) -> Moment:
    return Moment("update", "every parameter, at once", [UPDATE_RULE], tables=update_tables(trace, LISTED))


def update_tables(trace: Trace, listed: int, most: int | None = None) -> list[Table]:
    """A table of rows (name, before, gradient) for every parameter, or for the `most` with the largest gradients."""
    chosen = trace.parameters
    if most is not None and len(chosen) > most:
        steepest = sorted(chosen, key=lambda q: -q.gradient.abs().max().item())[:most]  # type: ignore[union-attr]
        chosen = [q for q in chosen if q in steepest]
    tables = []
    for q in chosen:
        table = _listing(trace, q, q.gradient, q.name, listed)
        table.header, table.update = ["parameter", "before", "gradient", "adjustment", "after"], True
        tables.append(table)
    return tables
