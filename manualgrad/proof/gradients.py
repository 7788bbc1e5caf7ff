"""The gradients are the formula's own, and right: first, second and forward-mode derivatives in float64."""

from __future__ import annotations

import math
from typing import Any

import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode

from manualgrad.catalogue import Row, Sample
from manualgrad.proof.comparing import (
    Arguments,
    call,
    each,
    gradients_of,
    is_random,
    leaves_of,
    random_like,
    reaches,
    same,
    second_derivatives,
    with_leaves,
)


def ours(row: Row) -> None:
    """The backward that runs is the formula's, and it calls none of torch's backward kernels."""
    for what, s in each(row.samples, row):
        arguments = s.draw(seed=row.seed)
        outputs = [o for o in call(row.function, arguments) if o.requires_grad]
        node = outputs[0].grad_fn
        assert reaches(node, row.formula), f"{what}: the graph has no {row.formula.__name__}"
        with _Watch() as watch:
            torch.autograd.grad(outputs, leaves_of(arguments), random_like(outputs, 1), allow_unused=True)
        theirs = [n for n in watch.names if "_backward" in n]
        assert not theirs, f"{what}: the backward pass calls torch's {theirs}"


class _Watch(TorchDispatchMode):
    """Names of the kernels that ran."""

    def __init__(self) -> None:
        super().__init__()
        self.names: list[str] = []

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        self.names.append(func.__name__)
        return func(*args, **(kwargs or {}))


def equal_to_torch(row: Row) -> None:
    """Values, and the gradient of every input that torch differentiates, are torch's in float64."""
    for what, s in each(row.samples, row):
        arguments = s.draw(seed=row.seed)
        y, dx = gradients_of(row.function, arguments)
        y_torch, dx_torch = gradients_of(row.truth, arguments)
        for a, b, c in zip(y, y_torch, call(row.twin, arguments), strict=True):
            same(a, b, f"{what}, value")
            same(a, c, f"{what}, value")
            assert a.requires_grad == b.requires_grad, f"{what}: requires_grad {a.requires_grad} for {b.requires_grad}"
        for k, (g, g_torch) in enumerate(zip(dx, dx_torch, strict=True)):
            same(g, g_torch, f"{what}, gradient {k}")


def subsets(row: Row) -> None:
    """The gradients are the same when only one of the inputs requires one."""
    for what, s in each(row.samples[:4], row):
        count = len(leaves_of(s.draw(seed=row.seed)))
        for alone in range(count if count > 1 else 0):
            arguments = s.draw(seed=row.seed)
            for k, leaf in enumerate(leaves_of(arguments)):
                leaf.requires_grad_(k == alone)
            same(
                gradients_of(row.function, arguments)[1][0],
                gradients_of(row.truth, arguments)[1][0],
                f"{what}, only {alone}",
            )


def double_backward(row: Row) -> None:
    """The gradient of the gradient is torch's in float64, with respect to the inputs and to the upstream gradient."""
    for what, s in each(row.samples, row):
        results = [second_derivatives(f, s.draw(seed=row.seed)) for f in (row.function, row.truth)]
        for k, (a, b) in enumerate(zip(*results, strict=True)):
            same(a, b, f"{what}, second derivative {k}", rtol=1e-9, atol=1e-11)


def kinks(row: Row) -> None:
    """Where the derivative does not exist, our convention is torch's."""
    for what, s in each(row.kinks, row):
        arguments = s.draw(seed=row.seed)
        for a, b in zip(gradients_of(row.function, arguments)[1], gradients_of(row.truth, arguments)[1], strict=True):
            same(a, b, f"{what}, at a kink")


def gradcheck(row: Row, fast: bool = True) -> None:
    """torch's gradcheck with forward-mode AD, batched and undefined gradients; gradgradcheck of the typical sample.

    `fast` compares the Jacobian along random directions, as torch's own tests do, and not element by element, which
    takes six times as long. Every element of first and second derivatives is in `equal_to_torch`, `double_backward`
    and `transforms`.
    """
    for s in row.samples[:3]:
        args, keywords = s.draw(seed=row.seed)
        leaves = leaves_of((args, keywords))
        if not any(leaf.numel() for leaf in leaves):
            continue

        def f(*leaves: Tensor, arguments: Arguments = (args, keywords)) -> Any:
            given = [(x + x.mT) / 2 for x in leaves] if row.symmetric else leaves
            return tuple(call(row.function, with_leaves(arguments, given)))

        is_view = any(o._is_view() for o in f(*leaves))
        batched = not is_view and not is_random(row.function, (args, keywords))  # the old vmap knows neither
        if not row.surrogate:  # whose gradient is not that of its values
            torch.autograd.gradcheck(
                f,
                leaves,
                check_forward_ad=True,
                check_batched_grad=True,
                check_batched_forward_grad=batched,
                fast_mode=fast,
            )
        if s is row.samples[0]:  # the second derivatives of all of them are compared in `double_backward`
            torch.autograd.gradgradcheck(f, leaves, check_fwd_over_rev=_is_smooth(row, s), fast_mode=fast)


def _is_smooth(row: Row, s: Sample) -> bool:
    """Whether the gradient depends on an input at all; forward over reverse refuses one that does not."""
    return any(second is not None for second in second_derivatives(row.function, s.draw(seed=row.seed))[:-1])


def non_contiguous(row: Row) -> None:
    """Inputs and upstream gradients with strange strides change nothing."""
    for what, s in each(row.samples[:4], row):
        plain = s.draw(seed=row.seed)
        strided = with_leaves(
            s.draw(seed=row.seed), [_strided(leaf.detach()).requires_grad_() for leaf in leaves_of(plain)]
        )
        if is_random(row.function, plain):  # torch draws in the order of the elements in memory, and so do we
            y, dx = gradients_of(row.truth, strided)
        else:
            y, dx = gradients_of(row.function, plain)
        outputs, leaves = call(row.function, strided), leaves_of(strided)
        flowing = [o for o in outputs if o.requires_grad]
        dys = [_strided(d) for d in random_like(flowing, 1)]
        for a, b in zip(outputs, y, strict=True):
            same(a, b, f"{what}, value")
        for g, expected in zip(torch.autograd.grad(flowing, leaves, dys, allow_unused=True), dx, strict=True):
            same(g, expected, f"{what}, gradient")


def _strided(tensor: Tensor) -> Tensor:
    """The same values at every other place of a larger memory, the dimensions stored in reverse order."""
    dims = tuple(reversed(range(tensor.dim())))
    memory = torch.full((*reversed(tensor.shape), 2), math.nan, dtype=tensor.dtype)
    memory[..., 0] = tensor.permute(dims)
    return memory[..., 0].permute(dims)
