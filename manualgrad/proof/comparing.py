"""What the checks are written with: calling, differentiating, comparing."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator
from typing import Any

import torch
from torch import Tensor

from manualgrad.catalogue import Row, Sample
from manualgrad.formula import Formula

Function = Callable[..., Any]
Arguments = tuple[list[Any], dict[str, Any]]


def leaves_of(arguments: Arguments) -> list[Tensor]:
    """The tensors among the arguments that require a gradient."""
    args, keywords = arguments
    flat = [a for v in (*args, *keywords.values()) for a in (v if isinstance(v, (list, tuple)) else (v,))]
    return [a for a in flat if isinstance(a, Tensor) and a.requires_grad]


def with_leaves(arguments: Arguments, leaves: tuple[Tensor, ...] | list[Tensor]) -> Arguments:
    """`arguments` with `leaves` in the place of those that require a gradient."""
    args, keywords = arguments
    rest = iter(leaves)

    def swap(value: Any) -> Any:
        if isinstance(value, (list, tuple)):
            return type(value)(swap(v) for v in value)
        return next(rest) if isinstance(value, Tensor) and value.requires_grad else value

    return [swap(a) for a in args], {k: swap(v) for k, v in keywords.items()}


def outputs_of(result: Any) -> list[Tensor]:
    """The differentiable tensors of a result."""
    results = result if isinstance(result, (list, tuple)) else (result,)
    return [r for r in results if isinstance(r, Tensor) and (r.is_floating_point() or r.is_complex())]


def parts_of(tensors: list[Tensor]) -> list[Tensor]:
    """Complex tensors as pairs of real ones, which torch.func differentiates."""
    return [torch.stack([t.real, t.imag], -1) if t.is_complex() else t for t in tensors]


def wholes_of(parts: tuple[Tensor, ...] | list[Tensor], like: list[Tensor]) -> list[Tensor]:
    """The way back from `parts_of`."""
    pairs = zip(parts, like, strict=True)
    return [torch.complex(p[..., 0], p[..., 1]) if t.is_complex() else p for p, t in pairs]


def call(function: Function, arguments: Arguments) -> list[Tensor]:
    args, keywords = arguments
    torch.manual_seed(0)  # formulas of chance draw what their twins draw
    with warnings.catch_warnings():  # the twin's warnings about broadcasting are ours too, and tested elsewhere
        warnings.simplefilter("ignore")
        return outputs_of(function(*args, **keywords))


def is_random(function: Function, arguments: Arguments) -> bool:
    """Whether `function` draws random numbers."""
    call(function, arguments)
    after = torch.get_rng_state()
    torch.manual_seed(0)
    return not torch.equal(torch.get_rng_state(), after)


def random_like(tensors: list[Tensor], seed: int, dtype: torch.dtype | None = None) -> list[Tensor]:
    generator = torch.Generator().manual_seed(seed)
    return [
        torch.randn(t.shape, generator=generator, dtype=torch.complex128 if t.is_complex() else torch.float64).to(
            dtype or t.dtype
        )
        for t in tensors
    ]


def gradients_of(function: Function, arguments: Arguments, seed: int = 1) -> tuple[list[Tensor], list[Tensor | None]]:
    """Outputs, and the gradients of a random upstream gradient with respect to every leaf."""
    outputs, leaves = call(function, arguments), leaves_of(arguments)
    flowing = [o for o in outputs if o.requires_grad]
    if not flowing:
        return outputs, [None] * len(leaves)
    dys = random_like(flowing, seed)
    return outputs, list(torch.autograd.grad(flowing, leaves, dys, allow_unused=True))


def second_derivatives(function: Function, arguments: Arguments) -> list[Tensor | None]:
    outputs, leaves = [o for o in call(function, arguments) if o.requires_grad], leaves_of(arguments)
    dys = [d.requires_grad_() for d in random_like(outputs, 1)]
    dxs = torch.autograd.grad(outputs, leaves, dys, create_graph=True, allow_unused=True)
    flowing = [d for d in dxs if d is not None and d.requires_grad]
    if not flowing:
        return [None] * (len(leaves) + len(dys))
    seconds = torch.autograd.grad(flowing, [*leaves, *dys], random_like(flowing, 2), allow_unused=True)
    return list(seconds)


def same(ours: Tensor | None, theirs: Tensor | None, what: str, rtol: float = 1e-11, atol: float = 1e-12) -> None:
    if ours is None or theirs is None:
        given = ours if theirs is None else theirs
        assert ours is theirs or (given is not None and not given.any()), f"{what}: {ours} for {theirs}"
        return
    assert ours.shape == theirs.shape, f"{what}: shape {tuple(ours.shape)} for {tuple(theirs.shape)}"
    assert ours.dtype == theirs.dtype, f"{what}: {ours.dtype} for {theirs.dtype}"
    torch.testing.assert_close(ours, theirs, rtol=rtol, atol=atol, equal_nan=True, msg=lambda m: f"{what}: {m}")


def each(samples: tuple[Sample, ...], row: Row) -> Iterator[tuple[str, Sample]]:
    for number, s in enumerate(samples):
        yield f"{row.name}, sample {number}", s


def reaches(node: Any, formula: type[Formula]) -> bool:
    """Whether `formula`'s backward is in the graph, and nothing but formulas, leaves and views are."""
    seen, queue, found = set(), [node], False
    while queue:
        n = queue.pop()
        if n is None or n in seen:
            continue
        seen.add(n)
        forward_class = getattr(n, "_forward_cls", None)
        assert forward_class is not None or "AccumulateGrad" in type(n).__name__, f"{type(n).__name__} is torch's own"
        found |= forward_class is not None and issubclass(forward_class, formula)
        queue += [parent for parent, _ in n.next_functions]
    return found
