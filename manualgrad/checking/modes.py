"""The other ways in which torch differentiates: twice, forwards, under vmap, compiled.

One rule decides the severity: a silently wrong result is an error; so is an exception in a mode that the Function says
it supports (it has a `jvp`, a `vmap` rule); an exception in a mode that it never claimed is a note or nothing.
"""

from __future__ import annotations

import warnings
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.autograd import forward_ad

from manualgrad.checking.numeric import EPS, Array, decimals, slope
from manualgrad.checking.point import UNIT_ROWS, Gradients, Point, flat
from manualgrad.checking.report import Finding, error, first_line, note, warning
from manualgrad.checking.target import custom_nodes


def double_backward(point: Point) -> Iterator[Finding]:
    """The derivative of w . backward(x, dy) along a direction of x, against differences of backward itself."""
    vector, _ = point.sample
    target = point.target
    trace = point.traced()
    dys = [d.requires_grad_() for d in point.upstream(vector)]
    weights = [point.direction(k, 51) for k in range(len(point.values))]
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            grads = trace.gradients(dys, create_graph=True)
            total = _dot(weights, grads)
            wanted = [*trace.leaves, *dys]
            if total is None or not total.requires_grad:
                second: Gradients = [None] * len(wanted)
            else:
                second = list(torch.autograd.grad(total, wanted, retain_graph=True, allow_unused=True))
                for node in _nodes([total]):
                    if "Error" in node.name():  # @once_differentiable puts it there, beside the way that we went
                        raise RuntimeError("backward is marked @once_differentiable")
    except Exception as raised:  # once_differentiable, numpy in backward, an operation without a derivative
        yield note(
            "double-backward",
            f"there is no second derivative: {first_line(raised)}.",
        )
        return
    by_x, by_dy = second[: len(trace.leaves)], second[len(trace.leaves) :]
    advice = (
        "Write backward in differentiable operations on saved inputs and outputs: no detach, no .data, no no_grad, "
        "nothing saved that forward computed on the way. Or mark it @once_differentiable."
    )
    base = torch.cat([v.reshape(-1) for v in point.values])
    # Backward is linear in dy, so its derivative by dy is backward itself.
    q = [decimals(d.numel(), 61 + k).reshape(d.shape).to(d.dtype) for k, d in enumerate(dys)]
    linear = _dot(weights, point.backward(torch.cat([p.reshape(-1) for p in q]).double()))
    want = 0.0 if linear is None else float(linear)
    found = _dot(q, by_dy)
    have = 0.0 if found is None else float(found)
    size = sum(float((g * w).abs().sum()) for g, w in zip(point.sample[1], weights, strict=True) if g is not None)
    floor = point.grain * base.numel()
    if abs(have - want) > 1e-7 * max(size, abs(want)) * (point.slack / 1e-9) + floor:
        cut = "silently cut from the upstream gradient" if have == 0 else "wrong by the upstream gradient"
        yield error(
            "double-backward",
            f"the second derivative is {cut}: {have:.6g}, should be {want:.6g}.",
            advice,
        )
        return
    scale = point.differences.scale if not point.symmetric else 1.0
    u = scale * torch.cat([point.direction(k, 71).reshape(-1) for k in range(len(point.values))])
    split = [v.numel() for v in point.values]
    shapes = [v.shape for v in point.values]

    here = _dot(weights, point.sample[1])
    y0 = np.array([0.0 if here is None else float(here)])
    if not np.isfinite(y0).all():
        return

    def along(k: int | None) -> tuple[float, float, float]:
        """Claimed and measured second derivative by leaf `k` or by all, and the error bar."""
        step = u if k is None else torch.where(_inside(split, k), u, 0.0)
        directions = [s.view(shape) for s, shape in zip(step.split(split), shapes, strict=True)]
        claimed = _dot(directions, by_x)

        def phi(t: float) -> Array:
            moved = [v.view(s) for v, s in zip((base + t * step).split(split), shapes, strict=True)]
            try:
                again = target.trace(moved)
                value = _dot(weights, again.gradients(point.upstream(vector), keep=False))
            except (RuntimeError, ValueError, ArithmeticError):
                return np.full(1, np.nan)
            return np.array([0.0 if value is None else float(value)])

        if not point.differences.coarse:
            # Two points are enough to see that it is right; how wrong it is takes more.
            h = 2.0**-12
            rough, got = float((phi(h) - phi(-h))[0]) / (2 * h), 0.0 if claimed is None else float(claimed)
            if abs(got - rough) <= 1e-6 * abs(got) + floor:
                return got, got, 0.0
        noise = max(EPS, point.differences.relative_noise) * np.full(1, 4 * size)
        s = slope(phi, y0, noise, refine=False, coarse=point.differences.coarse)
        if not s.error[0] <= 1e-4 * abs(s.value[0]) + 1e-8:
            s = slope(phi, y0, noise, coarse=point.differences.coarse)
        bar = np.inf if s.kink[0] else float(s.error[0])  # a kink of the gradient has no second derivative
        return 0.0 if claimed is None else float(claimed), float(s.value[0]), bar

    claimed, true, bar = along(None)
    if not _differ(claimed, true, bar + floor):
        return
    for k, leaf in enumerate(target.leaves):
        claimed, true, bar = along(k)
        if _differ(claimed, true, bar + floor):
            cut = "silently zero" if claimed == 0 else "wrong"
            if claimed and true:
                cut += f" ({claimed / true:.4g} times the true one)"
            yield error(
                "double-backward",
                f"the second derivative by {leaf.name} is {cut}: along a random direction {claimed:.6g}, "
                f"should be {true:.6g}.",
                advice,
                input=leaf.name,
            )
            return


def _nodes(outputs: Sequence[Tensor]) -> Iterator[Any]:
    """Every node of the graph above `outputs`."""
    seen: set[Any] = set()
    todo = [o.grad_fn for o in outputs if o.grad_fn is not None]
    while todo:
        node = todo.pop()
        if node not in seen:
            seen.add(node)
            yield node
            todo += [n for n, _ in node.next_functions if n is not None]


def _differ(claimed: float, true: float, bar: float) -> bool:
    if not np.isfinite(bar) or bar > 1e-2 * max(abs(true), abs(claimed)):
        return False
    return not abs(claimed - true) <= 10 * bar + 1e-6 * max(abs(true), abs(claimed))


def _inside(split: list[int], k: int) -> Tensor:
    mask = torch.zeros(sum(split), dtype=torch.bool)
    mask[sum(split[:k]) : sum(split[: k + 1])] = True
    return mask


def _dot(weights: Sequence[Tensor], grads: Sequence[Tensor | None]) -> Tensor | None:
    parts = [(w.to(g.dtype) * g).sum() for w, g in zip(weights, grads, strict=True) if g is not None]
    return sum(parts[1:], start=parts[0]) if parts else None


def forward_mode(point: Point) -> Iterator[Finding]:
    """`jvp`, along all inputs together and along each alone, against the Jacobian that backward claims."""
    function = point.target.function
    claims_it = function is not None and function.jvp is not torch.autograd.Function.jvp
    if function is not None and not claims_it:
        return
    v, claimed = point.claims
    unit = len(v) == point.rows <= UNIT_ROWS
    n = len(point.values)
    # Torch's own rules take any choice of tangents; one that is written by hand may forget that there can be none.
    by_hand = any(True for _ in custom_nodes(point.trace.outputs))
    for choice in [None, *range(n)] if by_hand and 1 < n <= 6 else [None]:
        tangents = [point.direction(k, 81) if choice in (None, k) else None for k in range(n)]
        named = "" if choice is None else f" when only {point.target.leaves[choice].name} moves"
        try:
            with forward_ad.dual_level(), torch.no_grad():
                duals = [
                    x if t is None else forward_ad.make_dual(x, t) for x, t in zip(point.values, tangents, strict=True)
                ]
                outputs = point.target.run(duals)
                tangent = [forward_ad.unpack_dual(outputs[k]).tangent for k in point.target.tracked]
        except Exception as raised:  # no forward-mode rule, or one that fails
            if claims_it:
                yield error(
                    "forward-ad",
                    f"jvp{named} raises {first_line(raised)}.",
                )
            return
        moved = np.concatenate(
            [
                np.zeros(x.numel()) if t is None else t.reshape(-1).numpy()
                for x, t in zip(point.values, tangents, strict=True)
            ]
        )
        parts = [np.zeros(size) if t is None else flat(t) for t, size in zip(tangent, point.sizes, strict=True)]
        got = np.concatenate(parts) if unit else v @ np.concatenate(parts)
        expected = claimed @ moved
        known = np.isfinite(expected)  # backward multiplies a slope of inf or NaN by zeros, jvp does not
        if got.shape == expected.shape:
            got, expected = got[known], expected[known]
        size = float((np.abs(claimed) @ np.abs(moved))[known].max(initial=0.0))
        wrong_shape = any(t is not None and tuple(t.shape) != s for t, s in zip(tangent, point.shapes, strict=True))
        if wrong_shape or not point.close(got, expected, size, floor=point.grain):
            yield error(
                "forward-ad",
                f"jvp{named} gives another derivative than backward, which is right"
                + (f": {_ratio(got, expected)} times it." if _ratio(got, expected) else "."),
                "jvp is the Jacobian times the tangents: the sum, over the inputs, of slope times tangent.",
            )
            return


def _ratio(got: Array, expected: Array) -> str:
    clear = np.abs(expected) > 1e-6 * np.abs(expected).max(initial=0.0)
    if got.shape != expected.shape or not clear.any():
        return ""
    ratio = got[clear] / expected[clear]
    return f"{ratio[0]:.4g}" if np.allclose(ratio, ratio[0], rtol=1e-6) else ""


def vmapped(point: Point) -> Iterator[Finding]:
    """torch.vmap of forward and of the gradient, against a loop."""
    function, target = point.target.function, point.target
    claims_it = function is not None and (
        bool(getattr(function, "generate_vmap_rule", False)) or function.vmap is not torch.autograd.Function.vmap
    )
    if (function is not None and not claims_it) or target.random or target.native:
        return
    vector, _ = point.sample
    batch = [torch.stack([v, v * 0.9]) for v in point.values]
    dys = point.upstream(vector)

    def forward(*values: Tensor) -> tuple[Tensor, ...]:
        outputs = target.run(values)
        return tuple(outputs[k] for k in target.tracked)

    def forward_and_gradient(*values: Tensor) -> tuple[Tensor, ...]:
        outputs, pullback = torch.func.vjp(forward, *values)[:2]
        return (*outputs, *pullback(tuple(dys)))

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            together = torch.func.vmap(forward_and_gradient)(*batch)
        except Exception as raised:  # a branch on values, an operation without a batching rule
            if claims_it:
                yield error(
                    "vmap",
                    f"torch.vmap raises {first_line(raised)}.",
                    "No branches on values, no .item(), no random draws, no writing into tensors; save the same "
                    "tensors with save_for_backward and save_for_forward.",
                )
            return
    other = target.trace([b[1] for b in batch])
    loop: list[list[Tensor]] = []
    for trace, gradients in ((point.trace, point.sample[1]), (other, other.gradients(dys))):
        given = [torch.zeros_like(v) if g is None else g for g, v in zip(gradients, point.values, strict=True)]
        loop.append([*(o.detach() for o in trace.outputs), *given])
    for k, t in enumerate(together):
        what = "forward" if k < len(point.sizes) else "the gradient"
        stacked = torch.stack([one[k] for one in loop])
        if t.shape != stacked.shape or not point.close(flat(t), flat(stacked), floor=point.grain):
            yield error(
                "vmap",
                f"torch.vmap of {what} gives other results than a loop.",
                "A formula under vmap sees one example: no sizes or dimensions counted from the left.",
            )
            return


def compiled(point: Point) -> Iterator[Finding]:
    """torch.compile of forward and backward, and of torch.func.grad, which drops a custom backward in some versions."""
    target = point.target
    vector, expected = point.sample
    dys = point.upstream(vector)

    def total(*values: Tensor) -> Tensor:
        outputs = target.raw(values)
        floating = [t for t in (outputs if isinstance(outputs, (tuple, list)) else [outputs]) if t.is_floating_point()]
        parts = [(floating[k] * d).sum() for k, d in zip(point.target.tracked, dys, strict=True)]
        return sum(parts[1:], start=parts[0])

    def through_backward() -> list[Tensor | None]:
        leaves = [v.clone().requires_grad_() for v in point.values]
        value = torch.compile(total, backend="aot_eager")(*leaves)
        return list(torch.autograd.grad(value, leaves, allow_unused=True))

    def through_func() -> list[Tensor | None]:
        everything = tuple(range(len(point.values)))
        return list(torch.compile(torch.func.grad(total, everything), backend="aot_eager")(*point.copies()))

    claims_func = target.function is None or target.function.setup_context is not torch.autograd.Function.setup_context
    for what, run in (("torch.compile", through_backward), ("torch.compile(torch.func.grad(...))", through_func)):
        if run is through_func and not claims_func:
            continue
        torch._dynamo.reset()
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                got = run()
        except Exception as raised:  # dynamo's refusals have many types
            yield warning(
                "compile",
                f"{what} raises {first_line(raised)}.",
            )
            continue
        finally:
            torch._dynamo.reset()
        if not point.close(point.flatten(got), point.flatten(expected), loose=1e3, floor=point.grain):
            yield error(
                "compile",
                f"{what} gives another gradient: the backward that runs is not the one that is written.",
                "torch.compiler.allow_in_graph(YourFunction) keeps the backward; formulas must then be pure.",
            )
