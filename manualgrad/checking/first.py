"""The first runs of forward: what it needs, what it returns, whether it is right, and where its graph ends."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor

from manualgrad.checking.numeric import Differences, decimals
from manualgrad.checking.point import Point
from manualgrad.checking.report import CheckError, Finding, error, note, warning
from manualgrad.checking.target import Target, floating_in, reaches, tensors_in


def runs(target: Target, values: list[Tensor]) -> Iterator[Finding]:
    """Run forward a few times: does it write to its inputs, does it return the same again?"""
    state = torch.get_rng_state()
    leaves, result = attempt(target, values)
    _describe(target, result)
    target.random = not torch.equal(state, torch.get_rng_state())
    if target.random:
        leaves = [v.clone().requires_grad_() for v in values]
    outputs = target.run(leaves) if target.random else floating_in(result)
    target.tracked = [k for k, o in enumerate(outputs) if o.requires_grad]
    target.floating = len(outputs)
    for leaf, before, after in zip(target.leaves, values, leaves, strict=True):
        if not torch.equal(before.nan_to_num(), after.detach().nan_to_num()):
            yield error(
                "mutates-input",
                f"forward overwrites {leaf.name}, and autograd is not told.",
                "Call ctx.mark_dirty on it and return it, or work on a new tensor.",
                input=leaf.name,
            )
    again = target.run(target.point())
    if [o.shape for o in again] != [o.shape for o in outputs]:
        raise CheckError(f"{target.title}: two calls with the same input return different shapes")
    for a, b in zip(outputs, again, strict=True):
        if not torch.allclose(a.detach().double(), b.detach().double(), rtol=1e-12, atol=0, equal_nan=True):
            yield error(
                "nondeterministic",
                "two forward runs on the same values give different results, and torch's seed does not decide which.",
                "Use torch's random generator, or pass what is random in as an input.",
            )
            return


def attempt(target: Target, values: list[Tensor]) -> tuple[list[Tensor], Any]:
    """The first call of forward, with a graph: finds out whether it writes in place and whether it takes float64.

    Returns the leaves of the graph and what forward made of them.
    """
    problem: Exception | None = None
    for target.native in (False, True):
        for target.inplace in (False, True):
            try:
                leaves = [v.clone().requires_grad_() for v in values]
                return leaves, target.raw(leaves)
            except Exception as raised:  # the user's function may raise anything
                problem = raised
                if "in-place operation" not in str(raised):
                    break
    shown = ", ".join(f"{leaf.name} {tuple(leaf.value.shape)} {str(leaf.dtype)[6:]}" for leaf in target.leaves)
    what = str(problem).strip().split("\n")[0]
    raise CheckError(f"{target.title} raised {type(problem).__name__}: {what} (given {shown})") from problem


def _describe(target: Target, result: Any) -> None:
    """How many outputs there are, and which of them are floating-point."""
    outputs = result if isinstance(result, (tuple, list)) else [result]
    target.outputs = len(outputs)
    target.positions = [k for k, t in enumerate(outputs) if isinstance(t, Tensor) and _is_floating(t)]
    tensors = list(tensors_in(result))
    if not tensors:
        raise CheckError(f"{target.title} returned {type(result).__name__}, not a tensor")
    if not any(map(_is_floating, tensors)):
        raise CheckError(f"{target.title} returned {str(tensors[0].dtype)[6:]} only: there is no derivative")


def _is_floating(t: Tensor) -> bool:
    return t.is_floating_point() or t.is_complex()


def twin(target: Target, fn: Callable[..., Any], inputs: Sequence[Any], what: str) -> Target:
    """The reference or the surrogate, ready to run on the same leaves (of a module: on its inputs)."""
    result = Target(fn, inputs, target.names)
    if result.module is not None or (target.module is not None and what == "surrogate"):
        raise CheckError(f"{what}: expected a function of the inputs of a function, got a module")
    result.random, result.native = target.random, target.native
    values = target.point()
    try:
        _describe(result, result.raw(values[: len(result.leaves)]))
        shapes = [tuple(o.shape) for o in result.run(values[: len(result.leaves)])]
    except CheckError:
        raise
    except Exception as raised:  # the user's function may raise anything
        raise CheckError(f"{what} raised {type(raised).__name__}: {str(raised).strip()}") from raised
    expected = [tuple(o.shape) for o in target.run(values)]
    if shapes != expected:
        raise CheckError(f"{what} returns {_listed(shapes)}, {target.title} returns {_listed(expected)}")
    result.tracked = target.tracked
    return result


def _listed(shapes: list[tuple[int, ...]]) -> str:
    return "shape " + str(shapes[0]) if len(shapes) == 1 else f"{len(shapes)} outputs of shapes {shapes}"


def compare(target: Target, right: Target, values: list[Tensor]) -> Iterator[Finding]:
    """Forward's values beside the reference's."""
    for k, (a, b) in enumerate(zip(target.run(values), right.run(values[: len(right.leaves)]), strict=True)):
        if a.dtype != b.dtype:
            yield warning(
                "dtype",
                f"forward returns {str(a.dtype)[6:]}, the reference {str(b.dtype)[6:]}.",
                "Keep the dtype of the input.",
            )
        digits = 1e-9 if a.dtype == torch.float64 else 100 * torch.finfo(a.dtype).eps
        a, b = a.detach().double(), b.detach().double()
        gap = (a - b).abs()
        room = digits * b.abs() + 1e-3 * digits * b.nan_to_num(0.0, 0.0, 0.0).abs().amax() if b.numel() else gap
        wrong = ~(gap <= room) & (a != b) & ~(a.isnan() & b.isnan())
        if wrong.any():
            masked = torch.where(wrong, gap.nan_to_num(nan=torch.inf), -1.0)
            index = tuple(int(i) for i in np.unravel_index(int(masked.argmax()), tuple(gap.shape)))
            name = "output" if target.floating == 1 else f"output {k}"
            place = name + (f"[{', '.join(map(str, index))}]" if index else "")
            yield error(
                "forward",
                f"forward differs from the reference in {int(wrong.sum())} of {wrong.numel()} elements: {place} is "
                f"{float(a[index]):.6g}, should be {float(b[index]):.6g}.",
                "Correct forward first: the gradient is judged by forward's own values.",
                index=index,
            )


def cut_off(target: Target, values: list[Tensor]) -> Iterator[Finding]:
    """No output carries a gradient: wrong if one of them depends on the inputs."""
    if _moves(Differences(target, range(target.floating), values)):
        yield error(
            "detached",
            "no output carries a gradient, and forward depends on the inputs.",
            "No detach(), .data, no_grad or numpy on the way; mark_non_differentiable only for what has no derivative.",
        )


def loose_ends(point: Point) -> Iterator[Finding]:
    """Inputs that the graph does not reach although the output depends on them; outputs without a gradient."""
    target = point.target
    if target.function is not None:
        return
    for k, (leaf, tensor) in enumerate(zip(target.leaves, point.trace.leaves, strict=True)):
        unreached = tensor.numel() and not reaches(point.trace.outputs, tensor)
        if unreached and _moves(point.differences, point.spans()[k]):
            point.excluded.add(k)
            yield error(
                "detached",
                f"{leaf.name} is cut off: the output depends on it and no gradient flows back to it.",
                "Look for detach(), .data, no_grad, numpy or a new tensor made from its values.",
                input=leaf.name,
            )
    rest = [k for k in range(target.floating) if k not in target.tracked]
    if rest and _moves(Differences(target, rest, point.values)):
        yield note(
            "detached",
            f"output {rest[0]} depends on the inputs and carries no gradient.",
            "If it should, look for detach(), no_grad or mark_non_differentiable.",
        )


def _moves(differences: Differences, span: slice = slice(None)) -> bool:
    """Whether the outputs have a slope in a random direction of these inputs."""
    u = torch.zeros_like(differences.base)
    u[span] = decimals(len(u), 11)[span]
    s = differences.along(u)
    return bool((np.abs(s.value) > 10 * s.error + 1e-12).any())
