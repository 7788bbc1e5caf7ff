"""What a Function's own backward returns, before autograd sums it, casts it or refuses it."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence
from typing import Any

import torch
from torch import Tensor

from manualgrad.checking.point import Point, expandable
from manualgrad.checking.report import Finding, error, first_line, note, warning
from manualgrad.checking.target import Target, Trace, custom_nodes, forward_parameters


def raw_backward(target: Target, trace: Trace, dys: Sequence[Tensor]) -> tuple[Any, ...] | None:
    """What the Function's own backward returns, before autograd sums, casts or refuses it; None for no Function."""
    function = target.function
    if function is None:
        return None
    node = next((n for n in custom_nodes(trace.outputs) if type(n)._forward_cls is function), None)
    if node is None:
        return None
    given: list[Tensor | None] = [None] * target.outputs
    for position, d in zip((target.positions[k] for k in target.tracked), dys, strict=True):
        given[position] = d
    with torch.no_grad():
        result = function.backward(node, *given)
    return result if isinstance(result, tuple) else tuple(result) if isinstance(result, list) else (result,)


def refused(point: Point, raised: Exception) -> Iterator[Finding]:
    """Autograd refused what backward returned, or backward raised: which, and for which input."""
    vector = point.random_upstream(1)
    target = point.target
    try:
        result = raw_backward(target, point.trace, point.upstream(vector))
    except Exception as inner:  # backward itself fails, in whichever way
        yield error(
            "missing",
            f"backward raises {first_line(inner)}.",
        )
        return
    text = str(raised)
    if result is None or target.function is None:
        code = "arity" if "number of gradients" in text else "shape" if "invalid gradient" in text else "missing"
        yield error(
            code,
            f"backward fails: {first_line(raised)}.",
        )
        return
    parameters = len(target.names)
    if len(result) < parameters or any(g is not None for g in result[parameters:]):
        names = ", ".join(p.name for p in forward_parameters(target.function))
        yield error(
            "arity",
            f"backward returns {len(result)} gradient{'s' * (len(result) != 1)}, "
            f"forward takes {parameters} arguments ({names}).",
            "Return one gradient for each argument of forward, None for those that have none.",
        )
        if len(result) < parameters:
            return
    found = False
    for k, leaf in enumerate(target.leaves):
        g = result[leaf.argument] if leaf.argument is not None else None
        if isinstance(g, Tensor) and not expandable(leaf.value.shape, g.shape):
            found = True
            point.excluded.add(k)
            yield _wrong_shape(point, k, g, vector, result)
        elif g is not None and not isinstance(g, Tensor):
            found = True
            point.excluded.add(k)
            yield error(
                "missing",
                f"backward returns {type(g).__name__} for {leaf.name}, not a tensor.",
                input=leaf.name,
            )
    if not found and len(result) >= parameters:
        yield error(
            "dtype" if "type" in text else "shape",
            f"autograd refuses the gradient: {first_line(raised)}.",
        )


def _wrong_shape(point: Point, k: int, g: Tensor, vector: Tensor, result: tuple[Any, ...]) -> Finding:
    """A gradient of the wrong shape: transposed, another input's, not summed, not expanded, or just wrong."""
    target = point.target
    leaf = target.leaves[k]
    shape, got = tuple(leaf.value.shape), tuple(g.shape)
    span = point.spans()[k]
    truth = point.differences.columns(range(span.start, span.stop), vector.numpy()[None])
    true = torch.from_numpy(truth.value[0].reshape(shape))
    head = f"the gradient of {leaf.name} has shape {got}, {leaf.name} has {shape}"

    def same(a: Tensor) -> bool:
        return a.shape == true.shape and torch.allclose(a.double(), true, rtol=1e-5, atol=1e-7)

    for i, other in enumerate(target.leaves):
        if i != k and other.argument is not None and tuple(other.value.shape) == got:
            h = result[other.argument]
            span_i = point.spans()[i]
            theirs = point.differences.columns(range(span_i.start, span_i.stop), vector.numpy()[None])
            wanted = torch.from_numpy(theirs.value[0].reshape(got))
            if torch.allclose(g.double(), wanted, rtol=1e-5, atol=1e-7) and isinstance(h, Tensor) and same(h):
                return error(
                    "swapped",
                    f"the gradients of {leaf.name} and {other.name} are exchanged: {head}.",
                    "Return the gradients in the order of forward's arguments.",
                    input=leaf.name,
                )
    if sorted(got) == sorted(shape) and len(got) > 1:
        for dims in itertools.permutations(range(len(got))):
            if same(g.permute(dims)):
                return error(
                    "transpose",
                    f"the gradient of {leaf.name} is transposed: {head}.",
                    f"Transpose it to {shape}.",
                    input=leaf.name,
                )
    if len(got) >= len(shape):
        for count in range(1, len(got) + 1):
            for dims in itertools.combinations(range(len(got)), count):
                summed = g.sum(dims)
                if summed.numel() == true.numel() and same(summed.reshape(shape)):
                    over = dims[0] if count == 1 else dims
                    return error(
                        "missing-sum",
                        f"the gradient of {leaf.name} is not summed over dimension {over}: {head}.",
                        f"Sum it over the dimensions in which {leaf.name} was repeated: .sum({over}).",
                        input=leaf.name,
                    )
    if g.numel() == true.numel() and same(g.reshape(shape)):
        return error(
            "shape",
            f"{head}; the values are right.",
            f"Reshape it to {shape}.",
            input=leaf.name,
        )
    if len(got) <= len(shape):
        spread = [
            (*(1,) * before, *got, *(1,) * (len(shape) - len(got) - before))
            for before in range(len(shape) - len(got) + 1)
        ]
        for view in spread:
            if all(a in (1, b) for a, b in zip(view, shape, strict=True)) and same(g.reshape(view).expand(shape)):
                return error(
                    "shape",
                    f"{head}; it has to be spread over them.",
                    f"Return dy.reshape({view}).expand({shape}).",
                    input=leaf.name,
                )
    return error(
        "shape",
        f"{head}.",
        "Return a gradient of the argument's own shape.",
        input=leaf.name,
    )


def raw_results(point: Point) -> Iterator[Finding]:
    """What autograd mends without a word: a dtype that it casts, a shape that it sums."""
    try:
        result = raw_backward(point.target, point.trace, point.upstream(point.random_upstream(1))) or ()
    except Exception:  # some only run inside of the engine
        return
    for leaf in point.target.leaves:
        g = result[leaf.argument] if leaf.argument is not None and leaf.argument < len(result) else None
        if not isinstance(g, Tensor) or leaf.is_complex:
            continue
        here = point.trace.leaves[point.target.leaves.index(leaf)]
        if g.dtype != here.dtype and not point.target.native:
            yield warning(
                "dtype",
                f"backward returns {_dtype(g)} for {leaf.name}, which is {_dtype(here)}; autograd casts it.",
                "Keep the computation in the dtype of the input.",
                input=leaf.name,
            )
        if tuple(g.shape) != tuple(leaf.value.shape) and g.numel() != leaf.value.numel():
            yield note(
                "missing-sum",
                f"backward returns shape {tuple(g.shape)} for {leaf.name} of {tuple(leaf.value.shape)}; "
                "autograd sums it.",
                input=leaf.name,
            )


def _dtype(t: Tensor) -> str:
    return str(t.dtype).removeprefix("torch.")
