"""What a Function does besides numbers, and what it does in the other modes that torch has.

Each function here takes a `Point` whose numbers are known and yields findings. One rule decides their severity: a
silently wrong result is an error; so is an exception in a mode that the Function says it supports (it has a `jvp`, a
`vmap` rule, `custom_fwd`); an exception in a mode that it never claimed is a note.
"""

from __future__ import annotations

import itertools
import warnings
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.autograd import forward_ad

from manualgrad.checking.numeric import COARSE, EPS, Array, decimals, slope
from manualgrad.checking.point import UNIT_ROWS, Point, expandable
from manualgrad.checking.report import Finding
from manualgrad.checking.target import Target, Trace, custom_nodes, forward_parameters

Gradients = list[Tensor | None]


# ---------------------------------------------------------------------------------------------------------- upstream


def upstream(point: Point) -> Iterator[Finding]:
    """The first backward runs: overwritten tensors, randomness, and whether the result is linear in what comes in.

    Leaves `point.sample`, the upstream gradient and the gradients that the other checks compare with.
    """
    leaves, outputs = point.trace.leaves, point.trace.outputs
    before = [t.detach().clone() for t in (*leaves, *outputs)]
    one, two = point.random_upstream(1), point.random_upstream(2)
    given = point.upstream(one)
    kept = [g.clone() for g in given]
    state = torch.get_rng_state()
    first = [None if g is None else g.clone() for g in point.trace.gradients(given)]
    point.sample = one, first
    g1 = point.flatten(first)
    if not torch.equal(state, torch.get_rng_state()):
        yield Finding(
            "nondeterministic",
            "error",
            None,
            None,
            "backward draws random numbers: it does not use those that forward drew.",
            "Draw the mask in forward, save it, and use it in backward.",
        )
        return
    if any(not _identical(a, b) for a, b in zip(given, kept, strict=True)):
        yield Finding(
            "mutates-upstream",
            "error",
            None,
            None,
            "backward overwrites the upstream gradient; where the output is used twice, other gradients become wrong.",
            "Work on a new tensor: dy * x in the place of dy.mul_(x).",
        )
    changed = [k for k, (t, b) in enumerate(zip((*leaves, *outputs), before, strict=True)) if not _identical(t.detach(), b)]
    if changed:
        k = changed[0]
        name = point.target.leaves[k].name if k < len(leaves) else point.output_name(k - len(leaves))
        yield Finding(
            "mutates-input",
            "error",
            name if k < len(leaves) else None,
            None,
            f"backward overwrites {name}; whoever uses it afterwards gets other values.",
            "Work on a new tensor in backward: no method that ends in _, no out=.",
        )
        point.fresh = True
    overwrites = False
    try:
        again = point.flatten(point.backward(one))
    except RuntimeError as error:  # it can run only once after each forward, as checkpointing can
        point.fresh = True
        overwrites = "modified by an inplace operation" in str(error)
        again = point.flatten(point.backward(one))
    if overwrites or not _close(again, g1, point):
        point.fresh = True
        if overwrites or _close(point.flatten(point.backward(one)), g1, point):
            if not changed:
                yield Finding(
                    "mutates-input",
                    "error",
                    None,
                    None,
                    "backward overwrites a tensor that it saved: a second backward through the same graph differs.",
                    "Work on a new tensor in backward: no method that ends in _, no out=.",
                )
        else:
            yield Finding(
                "nondeterministic",
                "error",
                None,
                None,
                "two backward runs with the same values give different gradients.",
                "Draw random numbers in forward only and save them.",
            )
            return
    g2 = point.flatten(point.backward(two))
    v, claimed = point.claims
    unit = len(v) == point.rows <= UNIT_ROWS
    if unit:
        mixed, expected = g1, one.numpy() @ claimed
    else:
        mixed, expected = point.flatten(point.backward(one - 2 * two)), g1 - 2 * g2
    for k, (leaf, span) in enumerate(zip(point.target.leaves, point.spans(), strict=True)):
        a, b = g1[span], g2[span]
        finite = np.isfinite(a) & np.isfinite(b) & np.isfinite(mixed[span]) & np.isfinite(expected[span])
        if not finite.any() or not (np.abs(a[finite]).max() or np.abs(b[finite]).max()):
            continue
        if _close(a[finite], b[finite], point) and _close(a[finite], point.flatten(point.backward(3 * one))[span][finite], point):
            point.excluded.add(k)
            yield Finding(
                "ignores-upstream",
                "error",
                leaf.name,
                None,
                f"the gradient of {leaf.name} is the same whatever upstream gradient comes in.",
                "Multiply by the upstream gradient; also the gradient of a loss, whose upstream gradient need not be 1.",
            )
        elif not _close(mixed[span][finite], expected[span][finite], point, loose=1e4):  # room for a float32 backward
            point.excluded.add(k)
            yield _nonlinear(point, leaf.name, span, one, a)


def _nonlinear(point: Point, name: str, span: slice, one: Tensor, g: Array) -> Finding:
    doubled = point.flatten(point.backward(2 * one))[span]
    zero = point.flatten(point.backward(0 * one))[span]
    if _close(doubled, 4 * g, point):
        how, advice = "multiplies by the upstream gradient twice", "Use it once."
    elif np.abs(np.nan_to_num(zero)).max() > 1e-9 * np.abs(np.nan_to_num(g)).max():
        how = "adds something that does not carry the upstream gradient"
        advice = "Multiply every term by it: for an upstream gradient of zero the result must be zero."
    else:
        how, advice = "is not linear in the upstream gradient", "A derivative is: no clamping, no sign, no norm of it."
    return Finding("nonlinear-upstream", "error", name, None, f"the gradient of {name} {how}.", advice)


def stale_state(point: Point) -> Iterator[Finding]:
    """Two forwards, then the backward of the first."""
    vector, expected = point.sample
    trace = point.target.trace(point.values)
    for factor in (1.05, 0.8):
        try:
            point.target.trace([v * factor for v in point.values])
        except (RuntimeError, ValueError, ArithmeticError):
            continue
        break
    try:
        got = trace.gradients(point.upstream(vector))
    except Exception as error:  # whatever its backward does with another call's state
        got, why = None, f"raises {_first_line(error)}"
    else:
        why = "gives another gradient"
    if got is None or not _close(point.flatten(got), point.flatten(expected), point):
        yield Finding(
            "stale-state",
            "error",
            None,
            None,
            f"after a second forward, the backward of the first {why}: something is kept on the class or the object.",
            "Keep it on ctx: save_for_backward for inputs and outputs, attributes for the rest.",
        )


def subsets(point: Point) -> Iterator[Finding]:
    """Every choice of inputs that require a gradient gives the gradients that all together give."""
    n = len(point.values)
    if n < 2:
        return
    vector, expected = point.sample
    flat = [None if g is None else _array(g) for g in expected]
    if n <= 3:
        choices = [c for c in itertools.product((True, False), repeat=n) if 0 < sum(c) < n]
    else:
        choices = [tuple(k == j for k in range(n)) for j in range(n)] + [tuple(k != j for k in range(n)) for j in range(n)]
    wasted: set[int] = set()
    for choice in choices[:16]:
        named = ", ".join(leaf.name for leaf, c in zip(point.target.leaves, choice, strict=True) if c)
        try:
            trace = point.target.trace(point.values, choice)
            got = trace.gradients(point.upstream(vector))
        except Exception as error:  # backward may do anything with what it did not save
            yield Finding(
                "partial",
                "error",
                None,
                None,
                f"with a gradient asked for {named} only, backward raises {_first_line(error)}.",
                "Check every branch on ctx.needs_input_grad, and that what it needs is saved in that case.",
            )
            return
        for k, (g, e) in enumerate(zip(got, flat, strict=True)):
            if choice[k] and e is not None and not _close(np.zeros_like(e) if g is None else _array(g), e, point):
                yield Finding(
                    "partial",
                    "error",
                    point.target.leaves[k].name,
                    None,
                    f"the gradient of {point.target.leaves[k].name} is right when every input asks for one, and "
                    f"wrong when only {named} {'does' if sum(choice) == 1 else 'do'}.",
                    "Check every branch on ctx.needs_input_grad: each gradient must be complete by itself.",
                )
                return
        if point.target.function is not None and sum(choice) == 1:
            wasted |= _computed_for_nothing(point, trace, choice)
    if wasted:
        yield _wasteful(point, sorted(wasted))


def _computed_for_nothing(point: Point, trace: Trace, choice: Sequence[bool]) -> set[int]:
    trace = point.target.trace(point.values, choice)
    try:
        result = raw_backward(point.target, trace, point.upstream(point.sample[0])) or ()
    except Exception:  # some only run inside of the engine; nothing can be said about those
        return set()
    arguments = {leaf.argument: k for k, leaf in enumerate(point.target.leaves) if leaf.argument is not None}
    return {arguments[a] for a, g in enumerate(result) if a in arguments and g is not None and not choice[arguments[a]]}


def _wasteful(point: Point, wasted: list[int]) -> Finding:
    names = ", ".join(point.target.leaves[k].name for k in wasted)
    return Finding(
        "ignores-needs-input-grad",
        "note",
        point.target.leaves[wasted[0]].name,
        None,
        f"backward computes the gradient of {names} even when nobody asks for it.",
        "Look at ctx.needs_input_grad and return None where it is False.",
    )


def saved_on_ctx(point: Point) -> Iterator[Finding]:
    """Inputs and outputs that are kept as attributes of ctx."""
    tensors = [(leaf.name, t) for leaf, t in zip(point.target.leaves, point.trace.leaves, strict=True)]
    tensors += [(point.output_name(k), t) for k, t in enumerate(point.trace.outputs)]
    for node in custom_nodes(point.trace.outputs):
        for attribute, value in list(vars(node).items()):
            for held in _held(value):
                for k, (name, t) in enumerate(tensors):
                    same = held is t or (t.numel() and held.data_ptr() == t.data_ptr() and held.shape == t.shape)
                    if same or held.grad_fn is node:
                        is_output = k >= len(point.trace.leaves) or held.grad_fn is node
                        what = name if same else "its output"
                        harm = (
                            "a reference cycle that keeps the memory until the garbage collector runs"
                            if is_output
                            else "a change in place between forward and backward goes unnoticed"
                        )
                        yield Finding(
                            "saved-on-ctx",
                            "warning",
                            name if k < len(point.trace.leaves) and same else None,
                            None,
                            f"forward keeps {what} as ctx.{attribute}: {harm}.",
                            "Use ctx.save_for_backward for inputs and outputs.",
                        )
                        return


def _held(value: Any) -> Iterator[Tensor]:
    if isinstance(value, Tensor):
        yield value
    elif isinstance(value, (list, tuple)):
        for v in value:
            yield from _held(v)
    elif isinstance(value, dict):
        for v in value.values():
            yield from _held(v)


# ---------------------------------------------------------------------------------------------------- strange tensors


def non_contiguous(point: Point) -> Iterator[Finding]:
    """Inputs and upstream gradients with other strides, and an upstream gradient that is one expanded number."""
    vector, expected = point.sample
    flat = point.flatten(expected)
    outputs = point.trace.outputs
    message = advice = ""
    trace = None
    try:
        if not point.target.random:  # random numbers are drawn in the order of the memory
            values = [v if n.is_complex else _strided(v) for n, v in zip(point.target.leaves, point.values, strict=True)]
            trace = point.target.trace(values, copy=False)
    except Exception as error:  # the function's own complaint
        deliberate = isinstance(error, AssertionError) or "must be contiguous" in str(error)
        yield Finding(
            "noncontiguous",
            "note" if deliberate else "error",
            None,
            None,
            f"forward refuses an input that is not contiguous: {_first_line(error)}.",
            "" if deliberate else "Use reshape in the place of view, or call contiguous() first.",
        )
    if trace is not None:
        for k, (a, b) in enumerate(zip(trace.outputs, outputs, strict=True)):
            if a.shape != b.shape or not _close(_array(a), _array(b), point):
                yield Finding(
                    "noncontiguous",
                    "error",
                    None,
                    None,
                    f"the {point.output_name(k)} is another when the inputs are not contiguous.",
                    "Call contiguous() before reading a tensor's memory by hand.",
                )
                return
    for what, used, upstreams, want in (
        ("inputs that are not contiguous", trace, [point.upstream(vector)], flat),
        ("an upstream gradient that is not contiguous", None, [[_strided(v) for v in point.upstream(vector)]], flat),
        ("an expanded upstream gradient, as sum() sends it", None, None, None),
    ):
        if used is None and what.startswith("inputs"):
            continue
        try:
            if upstreams is None:
                ones = torch.ones(point.rows, dtype=torch.float64)
                want = point.flatten(point.backward(ones))
                upstreams = [[torch.ones((), dtype=o.dtype).expand(o.shape) for o in outputs]]
            used = used or point.target.trace(point.values)
            got = point.flatten(used.gradients(upstreams[0]))
        except Exception as error:  # e.g. view, or an in-place operation on expanded memory
            message, advice = f"with {what}, backward raises {_first_line(error)}", "Use reshape in the place of view."
        else:
            if want is not None and not _close(got, want, point):
                message = f"with {what}, backward gives another gradient"
                advice = "Call contiguous() before reading a tensor's memory by hand."
        if message:
            yield Finding("noncontiguous", "error", None, None, message + ".", advice)
            return


def _strided(t: Tensor) -> Tensor:
    """The same values at every other place of a larger memory, the dimensions stored in reverse order."""
    dims = tuple(reversed(range(t.dim())))
    memory = torch.full((*reversed(t.shape), 2), torch.nan, dtype=t.dtype)
    memory[..., 0] = t.detach().permute(dims)
    return memory[..., 0].permute(dims)


class _Cut(torch.autograd.Function):
    """The identity, whose backward sends no gradient at all."""

    @staticmethod
    def forward(ctx: Any, x: Tensor) -> Tensor:
        return x.clone()

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> None:
        return None


def undefined(point: Point) -> Iterator[Finding]:
    """Outputs whose upstream gradient does not exist: those that the loss does not use, or none at all."""
    vector, _ = point.sample
    advice = "Handle None for each upstream gradient, or leave ctx.set_materialize_grads alone."
    if len(point.target.tracked) > 1:
        parts = point.upstream(vector)
        for k, output in enumerate(point.trace.outputs):
            alone = torch.zeros_like(vector)
            start = sum(point.sizes[:k])
            alone[start : start + point.sizes[k]] = vector[start : start + point.sizes[k]]
            trace = point.target.trace(point.values)
            try:
                got = Trace(trace.leaves, [trace.outputs[k]]).gradients([parts[k]])
            except Exception as error:  # None times something, mostly
                yield Finding(
                    "undefined-grad",
                    "error",
                    None,
                    None,
                    f"when only the {point.output_name(k)} is used, backward raises {_first_line(error)}.",
                    advice,
                )
                return
            if not _close(point.flatten(got), point.flatten(point.backward(alone)), point):
                yield Finding(
                    "undefined-grad",
                    "error",
                    None,
                    None,
                    f"when only the {point.output_name(k)} is used, backward gives another gradient.",
                    advice,
                )
                return
            del output
    trace = point.target.trace(point.values)
    try:
        cut = [_Cut.apply(o) for o in trace.outputs]
        got = Trace(trace.leaves, cut).gradients(point.upstream(vector))
    except Exception as error:  # as above
        yield Finding(
            "undefined-grad",
            "error",
            None,
            None,
            f"without any upstream gradient, backward raises {_first_line(error)}.",
            advice,
        )
        return
    if any(g is not None and bool((g.nan_to_num() != 0).any()) for g in got):  # NaN times zero is NaN
        yield Finding(
            "undefined-grad", "error", None, None, "without any upstream gradient, backward gives one that is not zero.", advice
        )


# ------------------------------------------------------------------------------------------------------ second order


def double_backward(point: Point) -> Iterator[Finding]:
    """The derivative of w . backward(x, dy) along a direction of x, against differences of backward itself."""
    vector, _ = point.sample
    target = point.target
    trace = target.trace(point.values)
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
                second = list(torch.autograd.grad(total, wanted, allow_unused=True))
                for node in _nodes([total]):
                    if "Error" in node.name():  # @once_differentiable puts it there, beside the way that we went
                        raise RuntimeError("backward is marked @once_differentiable")
    except Exception as error:  # once_differentiable, numpy in backward, an operation without a derivative
        yield Finding(
            "double-backward",
            "note",
            None,
            None,
            f"there is no second derivative: {_first_line(error)}.",
            "",
        )
        return
    by_x, by_dy = second[: len(trace.leaves)], second[len(trace.leaves) :]
    advice = (
        "Write backward in differentiable operations on saved inputs and outputs: no detach, no .data, no no_grad, "
        "nothing saved that forward computed on the way. Or mark it @once_differentiable."
    )
    # Backward is linear in dy, so its derivative by dy is backward itself.
    q = [decimals(d.numel(), 61 + k).reshape(d.shape).to(d.dtype) for k, d in enumerate(dys)]
    linear = _dot(weights, point.backward(torch.cat([p.reshape(-1) for p in q]).double()))
    want = 0.0 if linear is None else float(linear)
    found = _dot(q, by_dy)
    have = 0.0 if found is None else float(found)
    size = sum(float((g * w).abs().sum()) for g, w in zip(point.sample[1], weights, strict=True) if g is not None)
    if abs(have - want) > 1e-7 * max(size, abs(want)) * (point.slack / 1e-9):
        cut = "silently cut from the upstream gradient" if have == 0 else "wrong by the upstream gradient"
        yield Finding(
            "double-backward", "error", None, None, f"the second derivative is {cut}: {have:.6g}, should be {want:.6g}.", advice
        )
        return
    base = torch.cat([v.reshape(-1) for v in point.values])
    scale = point.differences.scale if not point.symmetric else 1.0
    u = scale * torch.cat([point.direction(k, 71).reshape(-1) for k in range(len(point.values))])
    split = [v.numel() for v in point.values]
    shapes = [v.shape for v in point.values]

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

        y0 = phi(0.0)
        noise = max(EPS, point.differences.relative_noise) * np.full(1, 4 * size)
        s = slope(phi, y0, noise, refine=False)
        if not s.error[0] <= 1e-4 * abs(s.value[0]) + 1e-8:
            s = slope(phi, y0, noise)
        return 0.0 if claimed is None else float(claimed), float(s.value[0]), float(s.error[0])

    claimed, true, bar = along(None)
    if not _differ(claimed, true, bar):
        return
    for k, leaf in enumerate(target.leaves):
        claimed, true, bar = along(k)
        if _differ(claimed, true, bar):
            cut = "silently zero" if claimed == 0 else "wrong"
            if claimed and true:
                cut += f" ({claimed / true:.4g} times the true one)"
            yield Finding(
                "double-backward",
                "error",
                leaf.name,
                None,
                f"the second derivative by {leaf.name} is {cut}: along a random direction {claimed:.6g}, should be {true:.6g}.",
                advice,
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


# -------------------------------------------------------------------------------------------- forward mode, transforms


def forward_mode(point: Point) -> Iterator[Finding]:
    """`jvp`, along all inputs together and along each alone, against the Jacobian that backward claims."""
    function = point.target.function
    claims_it = function is not None and function.jvp is not torch.autograd.Function.jvp
    if function is not None and not claims_it:
        return
    v, claimed = point.claims
    unit = len(v) == point.rows <= UNIT_ROWS
    n = len(point.values)
    for choice in [None, *range(n)] if 1 < n <= 6 else [None]:
        tangents = [
            point.direction(k, 81) if choice in (None, k) else None for k in range(n)
        ]
        named = "" if choice is None else f" when only {point.target.leaves[choice].name} moves"
        try:
            with forward_ad.dual_level(), torch.no_grad():
                duals = [
                    x if t is None else forward_ad.make_dual(x, t) for x, t in zip(point.values, tangents, strict=True)
                ]
                outputs = point.target.run(duals)
                tangent = [forward_ad.unpack_dual(outputs[k]).tangent for k in point.target.tracked]
        except Exception as error:  # no forward-mode rule, or one that fails
            if claims_it:
                yield Finding("forward-ad", "error", None, None, f"jvp{named} raises {_first_line(error)}.", "")
            return
        moved = np.concatenate(
            [np.zeros(x.numel()) if t is None else t.reshape(-1).numpy() for x, t in zip(point.values, tangents, strict=True)]
        )
        flat = [np.zeros(size) if t is None else _array(t) for t, size in zip(tangent, point.sizes, strict=True)]
        got = np.concatenate(flat) if unit else v @ np.concatenate(flat)
        expected = claimed @ moved
        size = float((np.abs(claimed) @ np.abs(moved)).max(initial=0.0))
        wrong_shape = any(t is not None and tuple(t.shape) != s for t, s in zip(tangent, point.shapes, strict=True))
        if wrong_shape or not _close(got, expected, point, size):
            yield Finding(
                "forward-ad",
                "error",
                None,
                None,
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
    batch = [torch.stack([v, v * 0.9, v * 1.05]) for v in point.values]
    dys = point.upstream(vector)

    def forward(*values: Tensor) -> tuple[Tensor, ...]:
        outputs = target.run(values)
        return tuple(outputs[k] for k in point.target.tracked)

    def gradient(*values: Tensor) -> tuple[Tensor, ...]:
        _, pullback = torch.func.vjp(forward, *values)
        return tuple(pullback(tuple(dys)))

    for what, f in (("forward", forward), ("the gradient", gradient)):
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                together = torch.func.vmap(f)(*batch)
                one_by_one = [f(*(b[k] for b in batch)) for k in range(3)]
        except Exception as error:  # a branch on values, an operation without a batching rule
            if claims_it:
                yield Finding(
                    "vmap",
                    "error",
                    None,
                    None,
                    f"torch.vmap of {what} raises {_first_line(error)}.",
                    "No branches on values, no .item(), no random draws, no writing into tensors; save the same tensors "
                    "with save_for_backward and save_for_forward.",
                )
            return
        for k, t in enumerate(together):
            expected = torch.stack([o[k] for o in one_by_one])
            if t.shape != expected.shape or not _close(_array(t), _array(expected), point):
                yield Finding(
                    "vmap",
                    "error",
                    None,
                    None,
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
        flat = [t for t in (outputs if isinstance(outputs, (tuple, list)) else [outputs]) if t.is_floating_point()]
        parts = [(flat[k] * d).sum() for k, d in zip(point.target.tracked, dys, strict=True)]
        return sum(parts[1:], start=parts[0])

    def through_backward() -> list[Tensor | None]:
        leaves = [v.clone().requires_grad_() for v in point.values]
        value = torch.compile(total, backend="aot_eager")(*leaves)
        return list(torch.autograd.grad(value, leaves, allow_unused=True))

    def through_func() -> list[Tensor | None]:
        everything = tuple(range(len(point.values)))
        return list(torch.compile(torch.func.grad(total, everything), backend="aot_eager")(*point.copies()))

    claims_func = (
        target.function is None or target.function.setup_context is not torch.autograd.Function.setup_context
    )
    for what, run in (("torch.compile", through_backward), ("torch.compile(torch.func.grad(...))", through_func)):
        if run is through_func and not claims_func:
            continue
        torch._dynamo.reset()
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                got = run()
        except Exception as error:  # dynamo's refusals have many types
            yield Finding("compile", "warning", None, None, f"{what} raises {_first_line(error)}.", "")
            continue
        finally:
            torch._dynamo.reset()
        if not _close(point.flatten(got), point.flatten(expected), point, loose=1e3):
            yield Finding(
                "compile",
                "error",
                None,
                None,
                f"{what} gives another gradient: the backward that runs is not the one that is written.",
                "torch.compiler.allow_in_graph(YourFunction) keeps the backward; formulas must then be pure.",
            )


def autocast(point: Point) -> Iterator[Finding]:
    """Under torch.autocast (bfloat16 on the CPU): nothing raises, and the gradients are right to bfloat16's digits."""
    target = point.target
    if target.native or target.random:
        return
    vector, expected = point.sample
    claims_it = any(hasattr(n, "_fwd_used_autocast") for n in custom_nodes(point.trace.outputs))
    try:
        with torch.autocast("cpu", dtype=torch.bfloat16):
            trace = target.trace([v.float() for v in point.values])
    except Exception as error:  # dtypes that do not fit one another, mostly
        if claims_it:
            yield Finding("autocast", "error", None, None, f"under torch.autocast forward raises {_first_line(error)}.", "")
        return
    try:
        dys = [d.to(o.dtype) for d, o in zip(point.upstream(vector), trace.outputs, strict=True)]
        got = trace.gradients(dys)
    except Exception as error:  # the same
        yield Finding(
            "autocast",
            "error" if claims_it else "note",
            None,
            None,
            f"under torch.autocast backward raises {_first_line(error)}.",
            "Decorate forward and backward with torch.amp.custom_fwd and custom_bwd, or cast what is saved to dy's dtype.",
        )
        return
    a, b = point.flatten(got), point.flatten(expected)
    finite = np.isfinite(b)
    size = np.linalg.norm(b[finite])
    if size and not np.linalg.norm((a - b)[finite]) <= 0.25 * size:
        if _well_conditioned(point, b, finite):
            yield Finding(
                "autocast",
                "error",
                None,
                None,
                "under torch.autocast the gradient is wrong by more than rounding.",
                "Decorate forward and backward with torch.amp.custom_fwd and custom_bwd.",
            )


def _well_conditioned(point: Point, b: Array, finite: Array) -> bool:
    """Whether rounding the inputs to bfloat16 leaves the gradient much as it is."""
    rounded = [v.bfloat16().double() for v in point.values]
    try:
        a = point.flatten(point.target.trace(rounded).gradients(point.upstream(point.sample[0])))
    except Exception:  # rounded out of its domain
        return False
    return bool(np.linalg.norm((a - b)[finite]) <= 0.05 * np.linalg.norm(b[finite]))


# ------------------------------------------------------------------------------------------------------ large and small


def sizes(point: Point, reference: Target | None) -> Iterator[Finding]:
    """Values and gradients in float32 beside float64, on inputs as given, large and small.

    float64 holds e^700 and float32 e^88: where float64 gives a modest result and float32 none, the formula overflows on
    its way. Where float32 loses more digits than the conditioning of the problem explains, it cancels.
    """
    target = point.target
    if target.native or target.random:
        return
    noise = point.differences.relative_noise
    if noise > COARSE:
        if noise > 1e-10 and not point.differences.narrow:
            yield Finding(
                "precision",
                "warning",
                None,
                None,
                f"forward keeps about {int(-np.log10(noise))} of float64's 16 digits at the given inputs.",
                "Two large numbers that nearly cancel, or a detour through float32: subtract the mean first, use log1p, expm1.",
            )
        return
    vector, _ = point.sample
    largest = max((float(v.abs().max()) for v in point.values if v.numel()), default=0.0)
    if not largest:
        return
    ordinary = [0.0, 0.0]
    for size in (largest, 25.0, 120.0, 1000.0, 1e-3, 1e-6):
        factor = size / largest
        wide = _run(point, target, [(v * factor).float().double() for v in point.values], vector)
        if wide is None:
            continue
        at = f"with inputs up to {size:.0e}".replace("e+0", "e") if size != largest else "at the given inputs"
        exact = None if reference is None else _run(point, reference, [v * factor for v in point.values], vector)
        truth = exact if exact is not None and all(np.isfinite(x).all() for x in exact) else wide
        modest = [np.isfinite(x) & (np.abs(x) < 1e30) for x in truth]
        for what, a, fine in zip(("value", "gradient"), wide, modest, strict=True):
            if (truth is not wide or what == "gradient") and not np.isfinite(a[fine]).all() or (
                what == "gradient" and np.isfinite(wide[0]).all() and not np.isfinite(a).all() and _flat_enough(point, factor)
            ):
                yield _unstable(what, at, "float64")
                return
        if size == largest:
            ordinary = [_norm(x) for x in wide]
        narrow = _run(point, target, [(v * factor).float() for v in point.values], vector)
        if narrow is None or not all(np.isfinite(x).all() for x in wide):
            continue
        for what, a, fine in zip(("value", "gradient"), narrow, modest, strict=True):
            if not np.isfinite(a[fine]).all():
                yield _unstable(what, at, "float32")
                return
        lost = _digits_lost(point, factor, wide, narrow, vector, ordinary)
        if lost:
            yield Finding(
                "precision",
                "warning",
                None,
                None,
                f"{at} the {lost[0]} keeps {max(0, int(-np.log10(lost[1])))} of float32's 7 digits, "
                "fewer than the inputs' own rounding explains.",
                "Two large numbers that nearly cancel: use log1p, expm1, logsumexp, or subtract the mean first.",
            )
            return


def _unstable(what: str, at: str, dtype: str) -> Finding:
    return Finding(
        "unstable",
        "warning",
        None,
        None,
        f"{at} the {what} is NaN or infinite in {dtype}, and the true one is an ordinary number.",
        "Rewrite what overflows: subtract the maximum before exp, use logsumexp, log1p, softplus, sigmoid.",
    )


def _flat_enough(point: Point, factor: float) -> bool:
    """Whether forward is finite all around, so that its derivative is too."""
    values = [v * factor for v in point.values]
    with torch.no_grad():
        for sign in (1, -1):
            around = point.target.run([v * (1 + sign * 1e-6) + sign * 1e-6 for v in values])
            if not all(bool(around[k].isfinite().all()) for k in point.target.tracked):
                return False
    return True


def _run(point: Point, target: Target, values: list[Tensor], vector: Tensor) -> tuple[Array, Array] | None:
    """Values and gradients, flattened; None where the function refuses these inputs."""
    try:
        trace = target.trace(values)
        dys = [d.to(o.dtype) for d, o in zip(point.upstream(vector), trace.outputs, strict=True)]
        gradients = point.flatten(trace.gradients(dys))
    except Exception:  # integer overflow, an assertion on the range, a dtype that it does not take
        return None
    return np.concatenate([_array(o) for o in trace.outputs]), gradients


def _digits_lost(
    point: Point,
    factor: float,
    wide: tuple[Array, Array],
    narrow: tuple[Array, Array],
    vector: Tensor,
    ordinary: list[float],
) -> tuple[str, float] | None:
    """What loses digits, value or gradient, and its relative error: measured by the size here or, where a function
    saturates and next to nothing is left, by the `ordinary` size at the given inputs."""
    eps = float(torch.finfo(torch.float32).eps)
    moved = None
    for k, (what, a, b) in enumerate(zip(("value", "gradient"), narrow, wide, strict=True)):
        size = max(_norm(b), ordinary[k] if factor > 1 else 0.0)
        error = _norm(a - b)
        if not np.isfinite(error) or not error > 1e-4 * size > 0:
            continue
        if moved is None:
            moved = []
            for seed in (91, 92, 93):  # how far results move when the inputs change by a float32 rounding or four
                nudged = [
                    (v * factor).float().double() * (1 + 4 * eps * decimals(v.numel(), seed + i).reshape(v.shape))
                    for i, v in enumerate(point.values)
                ]
                moved.append(_run(point, point.target, nudged, vector))
        shifts = [_norm(m[k] - b) for m in moved if m is not None]
        if shifts and error > 300 * max(shifts) and error > 300 * eps * np.abs(b).max():
            return what, float(error / size)
    return None


def _norm(a: Array) -> float:
    return float(np.linalg.norm(a))


# ---------------------------------------------------------------------------------------------------------- raw backward


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


def refused(point: Point, error: Exception) -> Iterator[Finding]:
    """Autograd refused what backward returned, or backward raised: which, and for which input."""
    vector = point.random_upstream(1)
    target = point.target
    try:
        result = raw_backward(target, point.trace, point.upstream(vector))
    except Exception as inner:  # backward itself fails, in whichever way
        yield Finding("missing", "error", None, None, f"backward raises {_first_line(inner)}.", "")
        return
    text = str(error)
    if result is None or target.function is None:
        code = "arity" if "number of gradients" in text else "shape" if "invalid gradient" in text else "missing"
        yield Finding(code, "error", None, None, f"backward fails: {_first_line(error)}.", "")
        return
    parameters = len(target.names)
    if len(result) < parameters or any(g is not None for g in result[parameters:]):
        names = ", ".join(p.name for p in forward_parameters(target.function))
        yield Finding(
            "arity",
            "error",
            None,
            None,
            f"backward returns {len(result)} gradient{'s' * (len(result) != 1)}, forward takes {parameters} arguments ({names}).",
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
            yield Finding(
                "missing", "error", leaf.name, None, f"backward returns {type(g).__name__} for {leaf.name}, not a tensor.", ""
            )
    if not found and len(result) >= parameters:
        yield Finding("dtype" if "type" in text else "shape", "error", None, None, f"autograd refuses the gradient: {_first_line(error)}.", "")


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
                return Finding(
                    "swapped",
                    "error",
                    leaf.name,
                    None,
                    f"the gradients of {leaf.name} and {other.name} are exchanged: {head}.",
                    "Return the gradients in the order of forward's arguments.",
                )
    if sorted(got) == sorted(shape) and len(got) > 1:
        for dims in itertools.permutations(range(len(got))):
            if same(g.permute(dims)):
                return Finding(
                    "transpose", "error", leaf.name, None, f"the gradient of {leaf.name} is transposed: {head}.", f"Transpose it to {shape}."
                )
    if len(got) >= len(shape):
        for count in range(1, len(got) + 1):
            for dims in itertools.combinations(range(len(got)), count):
                summed = g.sum(dims)
                if summed.numel() == true.numel() and same(summed.reshape(shape)):
                    return Finding(
                        "missing-sum",
                        "error",
                        leaf.name,
                        None,
                        f"the gradient of {leaf.name} is not summed over dimension {', '.join(map(str, dims))}: {head}.",
                        f"Sum it over the dimensions in which {leaf.name} was repeated: dy.sum({dims[0] if count == 1 else dims}).",
                    )
    if g.numel() == true.numel() and same(g.reshape(shape)):
        return Finding("shape", "error", leaf.name, None, f"{head}; the values are right.", f"Reshape it to {shape}.")
    if len(got) <= len(shape):
        spread = [(*(1,) * before, *got, *(1,) * (len(shape) - len(got) - before)) for before in range(len(shape) - len(got) + 1)]
        for view in spread:
            if all(a in (1, b) for a, b in zip(view, shape, strict=True)) and same(g.reshape(view).expand(shape)):
                return Finding(
                    "shape", "error", leaf.name, None, f"{head}; it has to be spread over them.", f"Return dy.reshape({view}).expand({shape})."
                )
    return Finding("shape", "error", leaf.name, None, f"{head}.", "Return a gradient of the argument's own shape.")


def raw_results(point: Point) -> Iterator[Finding]:
    """What autograd mends without a word: a dtype that it casts, a shape that it sums."""
    try:
        result = raw_backward(point.target, point.trace, point.upstream(point.random_upstream(1)))
    except Exception:  # some only run inside of the engine
        return
    for leaf in point.target.leaves if result is not None else ():
        g = result[leaf.argument] if result is not None and leaf.argument is not None and leaf.argument < len(result) else None
        if not isinstance(g, Tensor) or leaf.is_complex:
            continue
        here = point.trace.leaves[point.target.leaves.index(leaf)]
        if g.dtype != here.dtype and not point.target.native:
            yield Finding(
                "dtype",
                "warning",
                leaf.name,
                None,
                f"backward returns {_dtype(g)} for {leaf.name}, which is {_dtype(here)}; autograd casts it, digits are lost.",
                "Keep the computation in the dtype of the input.",
            )
        if tuple(g.shape) != tuple(leaf.value.shape) and g.numel() != leaf.value.numel():
            yield Finding(
                "missing-sum",
                "note",
                leaf.name,
                None,
                f"backward returns shape {tuple(g.shape)} for {leaf.name} of {tuple(leaf.value.shape)}; autograd sums it.",
                "",
            )


# --------------------------------------------------------------------------------------------------------------- helpers


def _identical(a: Tensor, b: Tensor) -> bool:
    return torch.equal(a, b) or bool(((a == b) | (a.isnan() & b.isnan())).all())


def _close(a: Array, b: Array, point: Point, size: float | None = None, loose: float = 1.0) -> bool:
    """Equal up to rounding; NaN equals NaN."""
    if a.shape != b.shape:
        return False
    finite = np.isfinite(b)
    if not np.array_equal(np.isfinite(a), finite):
        return False
    a, b = a[finite], b[finite]
    if size is None:
        size = float(np.abs(b).max(initial=0.0))
    return bool((np.abs(a - b) <= loose * point.slack * size).all())


def _array(t: Tensor) -> Array:
    result: Array = t.detach().to(torch.float64).reshape(-1).numpy()
    return result


def _dtype(t: Tensor) -> str:
    return str(t.dtype).removeprefix("torch.")


def _first_line(error: BaseException) -> str:
    text = str(error).strip().split("\n")[0]
    return f"{type(error).__name__}: {text[:160].rstrip('.')}" if text else type(error).__name__


