"""In the other ways that torch has to run a function, and on the tape."""

from __future__ import annotations

import functools
import warnings

import torch
from torch import Tensor

from manualgrad.catalogue import Row
from manualgrad.proof.comparing import (
    Function,
    call,
    each,
    gradients_of,
    leaves_of,
    outputs_of,
    parts_of,
    random_like,
    same,
    wholes_of,
    with_leaves,
)
from manualgrad.tape import Tape


def transforms(row: Row) -> None:
    """torch.func: vmap, grad, jacrev, jacfwd and hessian give what they give for torch's function."""
    s = row.samples[0]
    arguments = s.draw(seed=row.seed)
    given = leaves_of(arguments)
    leaves = parts_of([leaf.detach() for leaf in given])
    everything = tuple(range(len(leaves)))
    batch = [torch.stack([leaf, leaf * 0.5 + 0.1]) for leaf in leaves]

    def vector(function: Function) -> Function:
        return lambda *values: tuple(parts_of(call(function, with_leaves(arguments, wholes_of(values, given)))))

    def scalar(function: Function) -> Function:
        def f(*values: Tensor) -> Tensor:
            outputs = vector(function)(*values)
            return torch.stack([(o * (torch.arange(o.numel()) + 1).cos().view(o.shape)).sum() for o in outputs]).sum()

        return f

    vmap = functools.partial(torch.func.vmap, randomness="different")  # for formulas of chance
    jacfwd = functools.partial(torch.func.jacfwd, argnums=everything, randomness="same")
    jacrev = functools.partial(torch.func.jacrev, argnums=everything)
    transforms: dict[str, tuple[Function, Function, list[Tensor]]] = {
        "vmap": (vmap, vector, batch),
        "grad": (lambda f: torch.func.grad(f, everything), scalar, leaves),
        "vmap(grad)": (lambda f: vmap(torch.func.grad(f, everything)), scalar, batch),
        "grad(vmap)": (lambda f: torch.func.grad(lambda *v: vmap(f)(*v).sum(), everything), scalar, batch),
        "jacrev": (jacrev, vector, leaves),
        "jacfwd": (jacfwd, vector, leaves),
        "hessian": (lambda f: jacfwd(jacrev(f)), scalar, leaves),
    }
    for name, (transform, view, values) in transforms.items():
        with warnings.catch_warnings():  # torch warns of kernels that it batches slowly
            warnings.filterwarnings("ignore", "There is a performance drop")
            result = torch.utils._pytree.tree_leaves(transform(view(row.function))(*values))
            expected = torch.utils._pytree.tree_leaves(transform(view(row.truth))(*values))
        for a, b in zip(result, expected, strict=True):
            same(a, b, f"{row.name}, {name}", rtol=1e-9, atol=1e-11)


def compiled(row: Row) -> None:
    """torch.compile in one graph, of the function and of its torch.func.grad: same values and gradients.

    Of the typical sample, without code generation: what is proved is that torch can trace the formula.
    """
    torch._dynamo.reset()
    args, keywords = row.samples[0].draw(seed=row.seed)

    def scalar(leaves: list[Tensor]) -> Tensor:
        values, named = with_leaves((args, keywords), leaves)
        outputs = parts_of(outputs_of(row.function(*values, **named)))
        total = outputs[0].square().sum()
        for o in outputs[1:]:
            total = total + o.square().sum()
        return total

    def both(leaves: list[Tensor]) -> tuple[Tensor, list[Tensor]]:
        return scalar(leaves), torch.func.grad(scalar)([leaf.detach() for leaf in leaves])

    leaves = leaves_of((args, keywords))
    with warnings.catch_warnings():  # the function's own, and torch's where it compiles a transform
        warnings.simplefilter("ignore")
        torch.manual_seed(0)
        expected, gradients = both(leaves)
        torch.manual_seed(0)
        fast, inside = torch.compile(both, fullgraph=True, backend="aot_eager")(leaves)
    same(fast.detach(), expected.detach(), row.name)
    truth = torch.autograd.grad(expected, leaves, allow_unused=True)
    for a, b in zip(torch.autograd.grad(fast, leaves, allow_unused=True), truth, strict=True):
        same(a, b, f"{row.name}, compiled", rtol=1e-9, atol=1e-11)
    for a, b in zip(inside, gradients, strict=True):
        same(a, b, f"{row.name}, compile(func.grad)", rtol=1e-9, atol=1e-11)


def on_the_tape(row: Row) -> None:
    """The tape gives the gradients of autograd, whether our function is called or torch's."""
    for what, s in each((*row.samples, *row.kinks), row):
        expected = gradients_of(row.function, s.draw(seed=row.seed))[1]
        for function in (row.function,) if row.surrogate else (row.function, row.twin):
            arguments = s.draw(seed=row.seed)
            with Tape() as tape:
                outputs = [o for o in call(function, arguments) if tape.tracks(o)]
            for k, (output, dy) in enumerate(zip(outputs, random_like(outputs, 1), strict=True)):
                tape.backward(output, dy, retain=k + 1 < len(outputs))
            for leaf, b in zip(leaves_of(arguments), expected, strict=True):
                same(
                    leaf.grad,
                    b,
                    f"{what}, {getattr(function, '__name__', function)} on the tape",
                    rtol=1e-12,
                    atol=1e-13,
                )
