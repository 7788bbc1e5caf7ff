"""The trace as one self-contained HTML page: drawing, steps, routes, update and what was kept for the backward pass.

Everything is written here; `page.js` steps through it and recomputes the update. The page loads nothing from anywhere,
and its content security policy forbids it to.
"""

from __future__ import annotations

import html
import json
import re
from collections.abc import Iterable, Sequence
from importlib.resources import files
from pathlib import Path
from typing import Any

import torch

from manualgrad.explaining import expression
from manualgrad.explaining.drawing import Drawing, Edge, Node, Text, Timetable, draw
from manualgrad.explaining.expression import DOT, EQUALS, D, Part, joined
from manualgrad.explaining.formula_text import formula_lines, formula_mathml
from manualgrad.explaining.groups import MOST
from manualgrad.explaining.local import few_derivatives, local_derivatives
from manualgrad.explaining.narrative import UPDATE_RULE, Moment, Table, chain, fewer_moments, meeting, update_tables
from manualgrad.explaining.text import facts, with_update
from manualgrad.explaining.trace import Operation, Quantity, Trace
from manualgrad.explaining.wording import count, number, size, summary

MOST_BYTES = 300_000  # of a page, as long as summarising helps
DETAIL = ((MOST, True), (MOST, False), (MOST // 2, False), (MOST // 4, False), (MOST // 8, False))  # steps, routes
MOST_LINKS = 2000  # element-to-element derivatives that the page carries, for its routes
MOST_ELEMENTS = 256  # of a tensor on the way, for the same
MOST_RULES = 4  # steps whose rules the panel spells out
MOST_STARTS = 200  # parameters that the page offers routes for
ROWS, ALL_ROWS, TENSORS = 40, 240, 40  # of a table of parameters, of all of them, and how many tables
KEPT = 120  # rows of the table of what is kept


def write(trace: Trace, title: str, learning_rate: float | None, path: Path) -> Path:
    path.write_text(page(trace, title, learning_rate), encoding="utf-8")
    return path


def page(trace: Trace, title: str, learning_rate: float | None) -> str:
    """The whole page; what makes it larger than MOST_BYTES is summarised."""
    for most, with_routes in DETAIL:
        written = _page(trace, title, learning_rate, most, with_routes)
        if len(written.encode()) < MOST_BYTES:
            break
    return written


def _page(trace: Trace, title: str, learning_rate: float | None, most: int, with_routes: bool) -> str:
    drawing = draw(trace, most)
    told = list(fewer_moments(trace, learning_rate, most))
    items = {f"n{i}": n for i, n in enumerate(drawing.nodes)} | {f"e{i}": e for i, e in enumerate(drawing.edges)}
    links = _links(trace) if with_routes else {}
    data: dict[str, Any] = {
        "headings": ["the inputs and the parameters", *(f"{m.phase}: {m.heading}" for m in told)],
        "opening": len(told) - (told[-1].phase == "update"),
        "update": told[-1].phase == "update",
        "loss": trace.loss.name,
        "links": links,
        "starts": _starts(trace, links),
        "items": {key: _item_data(trace, item) if links else {} for key, item in items.items()},
    }
    here = files("manualgrad.explaining")
    parts = {
        "title": html.escape(title),
        "facts": html.escape(facts(trace, learning_rate)),
        "steps": str(len(told)),
        "css": here.joinpath("page.css").read_text(encoding="utf-8"),
        "js": here.joinpath("page.js").read_text(encoding="utf-8"),
        "drawing": _svg(drawing, items, Timetable(trace, most)),
        "moments": "\n".join(_moment(i, m) for i, m in enumerate([_start(trace), *told])),
        "routes": _routes(data["starts"], bool(links)),
        "update": _update(trace, learning_rate),
        "saved": _saved(trace.operations),
        "templates": "\n".join(
            f'<template id="about-{key}">{_about(trace, item)}</template>' for key, item in items.items()
        ),
        # No "</script>" can end the data early, whatever a name holds.
        "data": json.dumps(data, ensure_ascii=False, separators=(",", ":")).replace("<", "\\u003c"),
    }
    template = here.joinpath("page.html").read_text(encoding="utf-8")
    return re.sub(r"{{(\w+)}}", lambda m: parts[m[1]], template)


# ------------------------------------------------------------------------------------------------------------- drawing


def _svg(drawing: Drawing, items: dict[str, Node | Edge], time: Timetable) -> str:
    keys = {id(item): key for key, item in items.items()}
    parts = [
        f'<svg width="{drawing.width:.0f}" height="{drawing.height:.0f}" '
        f'viewBox="0 0 {drawing.width:.0f} {drawing.height:.0f}" role="group" aria-label="The network">'
    ]
    for edge in drawing.edges:
        points = " ".join(f"{x:.1f},{y:.1f}" for x, y in edge.points)
        lines = "".join(f'<polyline class="{c}" points="{points}"/>' for c in ("reach", "line"))
        parts.append(_item(keys[id(edge)], "edge", edge, time, lines))
    for node in drawing.nodes:
        left, top = node.x - node.width / 2, node.y - node.height / 2
        box = f'<rect x="{left:.1f}" y="{top:.1f}" width="{node.width:.1f}" height="{node.height:.1f}" rx="7"/>'
        parts.append(_item(keys[id(node)], f"node {node.kind}", node, time, box))
    return "\n".join([*parts, "</svg>"])


def _item(key: str, kind: str, item: Node | Edge, time: Timetable, shape: str) -> str:
    steps = [a for a in item.about if isinstance(a, Operation)] if isinstance(item, Node) else []
    when = " ".join(str(t) for op in steps for t in time.both(op))
    label = html.escape(_spoken(item), quote=True)
    texts = "".join(map(_text, item.texts))
    return (
        f'<g id="{key}" class="item {kind}" tabindex="0" role="button" aria-label="{label}" data-moments="{when}">'
        f"{shape}{texts}</g>"
    )


def _spoken(item: Node | Edge) -> str:
    names = item.elements or [a.name if isinstance(a, Quantity) else a.title for a in item.about]
    values = [f"{t.kind} {t.text}" for t in item.texts if t.kind != "name"]
    return ", ".join([*names[:4], *values])


def _text(text: Text) -> str:
    changing = ""
    if text.element:
        element = html.escape(text.element, quote=True)
        changing = f' data-element="{element}" data-value="{text.text}" data-room="{text.room}"'
    place = f'x="{text.x:.1f}" y="{text.y:.1f}" data-at="{text.at}"'
    return f'<text class="{text.kind}" {place}{changing}>{html.escape(text.text)}</text>'


def _item_data(trace: Trace, item: Node | Edge) -> dict[str, Any]:
    """What the script needs to know whether a route runs through the item."""
    steps = [a.number for a in item.about if isinstance(a, Operation)]
    if isinstance(item, Node):
        return {"elements": item.elements, "steps": steps}
    if item.end.kind == "loss" and item.start.kind == "neuron":  # into the loss, through all of its steps
        steps = [op.number for op in trace.operations[trace.loss_starts_at :]]
        return {"elements": [], "steps": steps, "ends": [item.start.elements, []]}
    ends = [item.start.elements, item.end.elements] if item.end.kind == "neuron" else [[], []]
    return {"elements": item.elements, "steps": steps, "ends": ends}


# -------------------------------------------------------------------------------------------------------------- routes


def _links(trace: Trace) -> dict[str, list[list[Any]]]:
    """below -> [above, slope, step] of every element on the way; empty where there are too many, or no single loss."""
    if not trace.loss.one:
        return {}
    found: dict[str, list[list[Any]]] = {}
    total = 0
    for operation in trace.operations:
        for position, quantity in operation.moving:
            if max(quantity.value.numel(), *(o.value.numel() for o in operation.outputs)) > MOST_ELEMENTS:
                return {}
            everything = torch.arange(quantity.value.numel(), device=quantity.value.device)
            for j, result in enumerate(operation.outputs):
                if result.gradient is None:
                    continue
                slopes = local_derivatives(operation, position, everything, j)
                total += len(slopes.slope)
                if total > MOST_LINKS:
                    return {}
                for i, k, s in zip(slopes.source.tolist(), slopes.target.tolist(), slopes.slope.tolist(), strict=True):
                    below, above = trace.element(quantity, i), trace.element(result, k)
                    found.setdefault(below, []).append([above, s, operation.number])
    return found


def _starts(trace: Trace, links: dict[str, list[list[Any]]]) -> list[str]:
    names = [trace.element(q, i) for q in trace.parameters for i in range(min(q.value.numel(), MOST_STARTS))]
    return [n for n in names if n in links][:MOST_STARTS]


def _routes(starts: Sequence[str], small: bool) -> str:
    if not small:
        return (
            '<p class="note">There are too many paths for a page. '
            "<code>explanation.route(&quot;layer.weight[0, 0]&quot;)</code> counts them and lists the largest.</p>"
        )
    options = "".join(f'<option value="{html.escape(s, quote=True)}">{html.escape(s)}</option>' for s in starts)
    return (
        '<p class="control"><label for="route">All paths to the loss from</label> '
        f'<select id="route"><option value="">…</option>{options}</select></p>'
        '<div id="paths" aria-live="polite"></div>'
    )


# ------------------------------------------------------------------------------------------------------------- moments


def _start(trace: Trace) -> Moment:
    """The moment before anything has happened."""
    return Moment(
        "start", "the inputs and the parameters",
        note=f"{count(len(trace.operations), 'step')} forward, then back again in reverse order.",
    )  # fmt: skip


def _moment(step: int, moment: Moment) -> str:
    parts = [f'<p class="phase">{moment.phase}</p><h3>{html.escape(moment.heading)}</h3>']
    parts += [_math(formula_mathml(rule)) for rule in moment.rules]
    parts += [_math(expression.mathml(line)) for line in moment.lines]
    parts += [_table(table) for table in moment.tables if not table.update]  # these have a section of their own
    if moment.note:
        parts.append(f'<p class="note">{html.escape(moment.note)}</p>')
    return f'<article class="moment {moment.phase}" data-step="{step}">{"".join(parts)}</article>'


def _math(mathml: str) -> str:
    return f'<div class="math">{mathml}</div>'


def _table(table: Table) -> str:
    head = _header(table)
    body = "".join(f"<tr>{''.join(map(_cell, row))}</tr>" for row in table.rows)
    caption = html.escape(table.caption) + (f" … and {html.escape(table.left_out)}" if table.left_out else "")
    return f'<div class="wide"><table><caption>{caption}</caption><tr>{head}</tr>{body}</table></div>'


def _header(table: Table) -> str:
    """The head of a table; over figures it stands on the right, as they do."""
    first = table.rows[0] if table.rows else []
    sides = [' class="figure"' * (i >= len(first) or not isinstance(first[i], str)) for i in range(len(table.header))]
    return "".join(f'<th scope="col"{side}>{html.escape(h)}</th>' for h, side in zip(table.header, sides, strict=True))


def _cell(value: str | float) -> str:
    return f"<td>{html.escape(value)}</td>" if isinstance(value, str) else f'<td class="figure">{number(value)}</td>'


# -------------------------------------------------------------------------------------------------- update and saved


def _update(trace: Trace, learning_rate: float | None) -> str:
    if learning_rate is None or not trace.parameters:
        return ""
    shown = min(len(trace.parameters), TENSORS)
    tables = update_tables(trace, min(ROWS, ALL_ROWS // shown), shown)
    rest = len(trace.parameters) - shown
    is_large = sum(len(t.rows) for t in tables) > 24
    parts = [
        '<section class="update" aria-label="Update"><h2>Update</h2>',
        '<p class="control"><label for="rate">Learning rate</label> '
        f'<input type="number" id="rate" min="0" step="any" value="{learning_rate!r}" inputmode="decimal"></p>',
        _math(formula_mathml(UPDATE_RULE)),
    ]
    for table in tables:
        head = _header(table)
        rows = "".join(_update_row(row, learning_rate) for row in table.rows)
        left_out = f'<p class="note">… and {html.escape(table.left_out)}</p>' if table.left_out else ""
        parts.append(
            f"<details{'' if is_large else ' open'}><summary>{html.escape(table.caption)}</summary>"
            f'<div class="wide"><table><tr>{head}</tr>{rows}</table></div>{left_out}</details>'
        )
    if rest:
        parts.append(f'<p class="note">… and {count(rest, "tensor")} with smaller gradients</p>')
    return "\n".join([*parts, "</section>"])


def _update_row(row: list[str | float], learning_rate: float) -> str:
    cells = "".join(map(_cell, with_update(row, learning_rate)))
    name, before, gradient = row
    attributes = (
        f'data-name="{html.escape(str(name), quote=True)}" data-before="{before!r}" data-gradient="{gradient!r}"'
    )
    return f"<tr {attributes}>{cells}</tr>"


def _saved(operations: Iterable[Operation]) -> str:
    rows: list[list[str | float]] = [
        [f"{op.number} {op.title}", op.layer, name, size(shape), float(n_bytes)]
        for op in operations
        for name, shape, n_bytes in op.saved()
    ]
    if not rows:
        return '<p class="note">No step keeps anything.</p>'
    total = len(rows)
    if total > KEPT:
        rows = sorted(rows, key=lambda row: -float(row[-1]))[:KEPT]
    left_out = count(total - len(rows), "smaller one") if total > len(rows) else ""
    header = ["step", "layer", "tensor", "shape", "bytes"]
    table = Table("a tensor that several steps keep is there once", header, rows, left_out)
    return f"<details><summary>{count(total, 'tensor')}</summary>{_table(table)}</details>"


# --------------------------------------------------------------------------------------------------------------- about


def _about(trace: Trace, item: Node | Edge) -> str:
    """What the panel says when the item is pointed at: values, local derivative, chain, and what is kept."""
    parts = [f"<h3>{html.escape(_heading(trace, item))}</h3>"]
    weight = _weight_of(trace, item)
    if weight is not None:
        operation, index = weight
        parts.append(_facts_of(trace, operation.inputs[1], index))
        if operation.downstream[1] is not None:
            line = chain(trace, operation, index)
            parts += ["<p class='phase'>chain</p>", _math(expression.mathml(line))]
        parts.append(_kept([operation]))
        return "".join(parts)
    for about in item.about:
        if isinstance(about, Quantity):
            index = next(
                (i for i in range(min(about.value.numel(), 64)) if trace.element(about, i) in item.elements), 0
            )
            drawn_alone = isinstance(item, Node) and item.kind in ("input", "neuron", "loss") and bool(item.elements)
            parts.append(_facts_of(trace, about, index if about.one or drawn_alone else None))
            if about.uses > 1 and about.gradient is not None and about.one:
                parts += ["<p class='phase'>used more than once</p>", _math(expression.mathml(meeting(trace, about)))]
    steps = [a for a in item.about if isinstance(a, Operation)]
    if isinstance(item, Edge):
        moved = next(a for a in item.about if isinstance(a, Quantity))
        few = range(moved.value.numel() if moved.value.numel() <= 4 else 0)
        parts += [_chains(trace, op, position, q, few) for op in steps for position, q in op.moving if q is moved]
    else:
        parts += [_local(trace, operation, item) for operation in steps if len(steps) <= MOST_RULES]
    if len(steps) > MOST_RULES:
        parts.append(_list((f"{op.number} {op.title}", f"keeps {op.step.saved_bytes} bytes") for op in steps))
    elif steps:
        parts.append(_kept(steps))
    return "".join(parts)


def _heading(trace: Trace, item: Node | Edge) -> str:
    if isinstance(item, Node) and item.kind == "operation":
        steps = [a for a in item.about if isinstance(a, Operation)]
        first = steps[0]
        what = f"step {first.number}: {first.title}" if len(steps) == 1 else f"{len(steps)} steps"
        return f"{what} in {first.layer}" if first.layer else what
    if isinstance(item, Edge) and not _weight_of(trace, item):
        return next(a.name for a in item.about if isinstance(a, Quantity))
    return (
        " and ".join(item.elements[:2])
        if item.elements
        else next((a.name for a in item.about if isinstance(a, Quantity)), "")
    )


def _weight_of(trace: Trace, item: Node | Edge) -> tuple[Operation, int] | None:
    """The linear step and the flat index of the weight that an edge between two units stands for."""
    if not isinstance(item, Edge) or item.end.kind != "neuron":
        return None
    operation = next(a for a in item.about if isinstance(a, Operation))
    weight = operation.inputs[1]
    index = next(i for i in range(weight.value.numel()) if trace.element(weight, i) == item.elements[0])
    return operation, index


def _facts_of(trace: Trace, quantity: Quantity, index: int | None) -> str:
    """Value and gradient of an element, or of the whole tensor."""
    name = quantity.name if index is None else trace.element(quantity, index)
    if index is None:
        value, gradient = summary(quantity), summary(quantity, gradient=True)
    else:
        value = number(quantity.value.flatten()[index].item())
        g = quantity.gradient
        gradient = "none" if g is None else number(g.flatten()[index].item())
    return _list(
        [
            ("name", html.escape(name)),
            (
                "what",
                html.escape(quantity.role if index is not None else f"{quantity.role}, {size(quantity.value.shape)}"),
            ),
            ("value", f'<span class="value">{html.escape(value)}</span>'),
            (f"d{trace.objective} / d{name}", f'<span class="gradient">{html.escape(gradient)}</span>'),
        ]
    )


def _list(rows: Iterable[tuple[str, str]]) -> str:
    """A list of terms; the terms are escaped here, what they stand for is HTML already."""
    return f"<dl>{''.join(f'<dt>{html.escape(t)}</dt><dd>{d}</dd>' for t, d in rows)}</dl>"


def _local(trace: Trace, operation: Operation, node: Node) -> str:
    """The rule of a step, and the chain through it: dE/dx = dE/dy . dy/dx, for the elements that the node shows."""
    rules = formula_lines(operation.formula)["backward"]
    parts = [
        f"<p class='phase'>{html.escape(operation.title)}, backward</p>",
        *(_math(formula_mathml(r)) for r in rules),
    ]
    for position, quantity in operation.moving:
        shown = [i for i in range(min(quantity.value.numel(), 64)) if trace.element(quantity, i) in node.elements]
        if not shown and node.kind == "operation" and quantity.value.numel() <= 4:
            shown = list(range(quantity.value.numel()))
        parts.append(_chains(trace, operation, position, quantity, shown))
    return "".join(parts)


def _chains(trace: Trace, operation: Operation, position: int, quantity: Quantity, elements: Iterable[int]) -> str:
    lines = (_through(trace, operation, position, quantity, i) for i in elements)
    return "".join(_math(expression.mathml(line)) for line in lines if line)


def _through(trace: Trace, operation: Operation, position: int, quantity: Quantity, i: int) -> list[Part]:
    """`dE/dx = dE/dy . dy/dx = 0.7 . 0.2 = 0.14`, summed over the results that the element reaches."""
    loss = trace.objective
    place = torch.tensor([i], device=quantity.value.device)
    slopes = few_derivatives(operation, position, place)
    output, downstream = operation.output, operation.downstream[position]
    if downstream is None or output.gradient is None or len(operation.outputs) > 1:
        return []
    if slopes is None or not 0 < len(slopes.slope) <= 6:
        return []
    x = trace.element(quantity, i)
    symbols: list[Part] = []
    numbers: list[Part] = []
    for k, slope in zip(slopes.target.tolist(), slopes.slope.tolist(), strict=True):
        y = trace.element(output, k)
        symbols += [*([expression.PLUS] if symbols else []), *joined([D(loss, y), D(y, x)], DOT)]
        upstream = output.gradient.flatten()[k].item()
        numbers += [*([expression.PLUS] if numbers else []), *joined([upstream, slope], DOT)]
    return [D(loss, x), EQUALS, *symbols, EQUALS, *numbers, EQUALS, downstream.flatten()[i].item()]


def _kept(operations: Iterable[Operation]) -> str:
    rows = [
        (f"{op.title} keeps", f"{html.escape(name)} ({size(shape)}), {n_bytes} bytes")
        for op in operations
        for name, shape, n_bytes in op.saved()
    ]
    return _list(rows) if rows else "<p class='note'>Keeps nothing for the backward pass.</p>"
