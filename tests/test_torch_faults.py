"""Where torch is wrong or raises and this package is right: the table of the README, each line of it shown.

A test here fails when torch mends a fault: then its line goes, and a reference in the catalogue may go with it.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any, NamedTuple

import pytest
import torch
from torch import Tensor
from torch.autograd import grad
from torch.func import hessian, jacrev, jvp
from torch.nn import functional as T

from manualgrad import functional as F


class Fault(NamedTuple):
    """A function, what torch does, and a demonstration: given a library, whether that is right."""

    function: str
    torch_does: str
    is_right: Callable[[Any], bool]


def drawn(*shape: int) -> Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(sum(shape)), dtype=torch.float64)


def close(ours: Any, theirs: Any) -> bool:
    pairs = zip(torch.utils._pytree.tree_leaves(ours), torch.utils._pytree.tree_leaves(theirs), strict=True)
    return all(torch.allclose(a, b, rtol=1e-9, atol=1e-9) for a, b in pairs)


def standard(x: Tensor, dim: int) -> Tensor:
    centred = x - x.mean(dim, keepdim=True)
    return centred * torch.rsqrt(centred.square().mean(dim, keepdim=True) + 1e-5)


def twice(f: Callable[[Tensor], Tensor], x: Tensor) -> Tensor:
    """The gradient of the sum of the gradient of f(x)^2."""
    x = x.clone().requires_grad_()
    (dx,) = grad(f(x).square().sum(), x, create_graph=True)
    return grad(dx.sum(), x)[0]


def layer_norm_hessian(library: Any) -> bool:
    arguments = drawn(3, 4), drawn(4), drawn(4).exp()
    ours = hessian(lambda x, w, b: library.layer_norm(x, (4,), w, b).pow(3).sum(), (0, 1, 2))(*arguments)
    truth = hessian(lambda x, w, b: (standard(x, -1) * w + b).pow(3).sum(), (0, 1, 2))(*arguments)
    return close(ours, truth)


def weight_norm_second(library: Any) -> bool:
    normed = library.weight_norm if library is F else torch._weight_norm
    arguments = drawn(3, 4), drawn(3, 1).exp()

    def ours(v: Tensor, g: Tensor) -> Tensor:
        w: Tensor = normed(v, g, 0)
        return w.pow(3).sum()

    def truth(v: Tensor, g: Tensor) -> Tensor:
        return (g * v / v.norm(dim=1, keepdim=True)).pow(3).sum()

    return close(*(jacrev(torch.func.grad(f, (0, 1)), (0, 1))(*arguments) for f in (ours, truth)))


def with_bias_alone(norm: Callable[[Any, Tensor, Tensor], Tensor], order: int) -> Callable[[Any], bool]:
    """Whether the gradients of x and bias, without a weight, are there; to the given order."""

    def is_right(library: Any) -> bool:
        x, b = drawn(3, 4).requires_grad_(), drawn(4).requires_grad_()
        first = grad(norm(library, x, b).pow(3).sum(), (x, b), create_graph=True)
        if order == 1:
            return True
        return all(g.isfinite().all() for g in grad(first[0].square().sum() + first[1].square().sum(), (x, b)))

    return is_right


def constants_of(name: str, x: float, slope: float, *arguments: float) -> Callable[[Any], bool]:
    def is_right(library: Any) -> bool:
        leaf = torch.tensor(x, dtype=torch.float64, requires_grad=True)
        return abs(grad(getattr(library, name)(leaf, *arguments), leaf)[0].item() - slope) < 1e-14

    return is_right


def embedding_frequency(library: Any) -> bool:
    weight, dy = torch.ones(3, 2, requires_grad=True), torch.ones(3, 2, requires_grad=True)
    y = library.embedding(torch.tensor([0, 0, 1]), weight, scale_grad_by_freq=True)
    (dw,) = grad(y, weight, dy, create_graph=True)
    return grad(dw.sum(), dy)[0][:, 0].tolist() == [0.5, 0.5, 1.0]


def bag_forward(library: Any) -> bool:
    weight, numbers = drawn(5, 3), torch.tensor([[0, 1], [2, 0]])
    y_t = jvp(lambda w: library.embedding_bag(numbers, w, mode="sum"), (weight,), (weight,))[1]
    return close(y_t, weight[numbers].sum(1))


def attention(library: Any) -> bool:
    def f(q: Tensor) -> Tensor:
        y: Tensor = library.scaled_dot_product_attention(q, q, q)
        return y

    def truth(q: Tensor) -> Tensor:
        return (q @ q.mT / q.shape[-1] ** 0.5).softmax(-1) @ q

    q = drawn(1, 1, 4, 8)
    return close((twice(f, q), jvp(f, (q,), (q,))), (twice(truth, q), jvp(truth, (q,), (q,))))


def ctc(library: Any) -> bool:
    x = drawn(4, 1, 3).log_softmax(2).requires_grad_()
    arguments = torch.tensor([[1, 2]]), torch.tensor([4]), torch.tensor([2])
    return torch.autograd.gradcheck(lambda x: library.ctc_loss(x, *arguments), x, raise_exception=False)


def poisson(library: Any) -> bool:
    t = torch.tensor([0.0, 2.0], requires_grad=True)
    return bool(grad(library.poisson_nll_loss(torch.zeros(2), t, full=True), t)[0].isfinite().all())


def soft_margin(library: Any) -> bool:
    x = torch.tensor(800.0, requires_grad=True)
    return grad(library.soft_margin_loss(x, torch.tensor(-1.0)), x)[0].item() == 1


def class_weight(library: Any) -> bool:
    w = torch.ones(3, requires_grad=True)
    return grad(library.nll_loss(torch.eye(3), torch.tensor([0, 1, 1]), w), w)[0].shape == (3,)


def mixed_where(library: Any) -> bool:
    where = F.where if library is F else torch.where
    a, b = torch.ones(2, requires_grad=True), torch.ones(2, dtype=torch.complex64, requires_grad=True)
    da, _ = grad(where(torch.tensor([True, False]), a, b).abs().sum(), (a, b))
    return da.tolist() == [1, 0]


def compiled_multilabel(library: Any) -> bool:
    x, t = drawn(2, 3), torch.tensor([[0, -1, 1], [2, 1, -1]])
    torch._dynamo.reset()
    compiled = torch.compile(library.multilabel_margin_loss, backend="aot_eager")
    return close(compiled(x, t), library.multilabel_margin_loss(x, t))


GRID = drawn(1, 3, 3, 2).tanh()
BAGS = torch.tensor([[0, 1], [2, 0]])


def torch_or(library: Any) -> Any:
    """Where torch has functions that are not of networks."""
    return library if library is F else torch


def cdist_second(library: Any) -> bool:
    return bool(twice(lambda x: torch_or(library).cdist(x, drawn(2, 3)), drawn(3, 3)).isfinite().all())


def number_by_tensor(library: Any) -> bool:
    x = drawn(3).requires_grad_()
    (dx,) = grad(torch_or(library).remainder(2, x).sum(), x)
    return close(dx, -torch.div(2, x.detach()).floor())


def larger_source(library: Any) -> bool:
    v = drawn(3, 2).requires_grad_()
    y = torch_or(library).scatter_reduce(drawn(2), 0, torch.tensor([1]), v[:, 0], "sum")
    return close(grad(y.sum(), v)[0], torch.tensor([[1.0, 0.0], [0.0, 0.0], [0.0, 0.0]]).double())


FAULTS = (
    Fault("layer_norm", "`torch.func.hessian` of input, weight and bias is wrong", layer_norm_hessian),
    Fault(
        "layer_norm, batch_norm",
        "second derivatives raise with a bias and no weight",
        with_bias_alone(lambda library, x, b: library.layer_norm(x, (4,), None, b), 2),
    ),
    Fault(
        "group_norm",
        "the first derivative raises with a bias and no weight",
        with_bias_alone(lambda library, x, b: library.group_norm(x, 2, None, b), 1),
    ),
    Fault("weight_norm", "`torch.func.jacrev` of the gradient is wrong", weight_norm_second),
    Fault(
        "hardsigmoid",
        "has no second derivative",
        lambda library: close(twice(library.hardsigmoid, torch.zeros(1)), torch.ones(1) / 18),
    ),
    Fault("hardsigmoid", "1/6 is rounded to float32 in float64", constants_of("hardsigmoid", 0.5, 1 / 6)),
    Fault("celu", "1/alpha is rounded to float32 in float64", constants_of("celu", -0.5, math.exp(-0.5 / 0.3), 0.3)),
    Fault("softsign", "the slope at infinity is NaN; it is 0", constants_of("softsign", torch.inf, 0)),
    Fault(
        "grid_sample",
        "has no forward mode",
        lambda library: bool(
            jvp(lambda g: library.grid_sample(drawn(1, 1, 4, 4), g, align_corners=False), (GRID,), (GRID,))[1].any()
        ),
    ),
    Fault("embedding", "with scale_grad_by_freq, the second derivative forgets the frequency", embedding_frequency),
    Fault(
        "embedding_bag",
        "has no second derivative",
        lambda library: close(
            twice(lambda w: library.embedding_bag(BAGS, w, mode="sum"), drawn(5, 3)),
            twice(lambda w: w[BAGS].sum(1), drawn(5, 3)),
        ),
    ),
    Fault("embedding_bag", "has no forward mode", bag_forward),
    Fault("scaled_dot_product_attention", "has no second derivative and no forward mode on a CPU", attention),
    Fault("ctc_loss", "the gradient is right behind log_softmax only, and is no derivative", ctc),
    Fault("poisson_nll_loss", "the target's gradient is NaN at 0 with full=True", poisson),
    Fault(
        "pdist", "has no second derivative", lambda library: bool(twice(library.pdist, drawn(3, 2)).isfinite().all())
    ),
    Fault("cdist", "has no second derivative", cdist_second),
    Fault("remainder", "of a number by a tensor it has no derivative", number_by_tensor),
    Fault("scatter_reduce", "the gradient raises where the source is larger than the index", larger_source),
    Fault("soft_margin_loss", "the gradient overflows to NaN for a badly wrong input", soft_margin),
    Fault("nll_loss, cross_entropy, binary_cross_entropy", "the weight has no gradient", class_weight),
    Fault("where", "the gradient of a real operand beside a complex one raises", mixed_where),
    Fault("multilabel_margin_loss", "`torch.compile` changes its value", compiled_multilabel),
)


def markdown() -> str:
    """The table of the README."""
    lines = ["| function | what torch does |", "| --- | --- |"]
    lines += [f"| {', '.join(f'`{n}`' for n in f.function.split(', '))} | {f.torch_does} |" for f in FAULTS]
    return "\n".join(lines)


@pytest.mark.filterwarnings("ignore:There is a performance drop")
@pytest.mark.parametrize("fault", FAULTS, ids=lambda fault: f"{fault.function}: {fault.torch_does}"[:60])
def test_ours_is_right_where_torch_is_not(fault: Fault) -> None:
    assert fault.is_right(F)
    try:
        mended = fault.is_right(T)
    except RuntimeError:  # torch raises
        mended = False
    assert not mended, "torch has mended this: take the line away"


def test_torchs_cross_map_normalisation_keeps_its_first_channel_for_ever() -> None:
    """The reason why `manualgrad list --coverage` has none of ours for it."""
    sums = torch.nn.CrossMapLRN2d(3, alpha=3.0, beta=-1.0, k=0.0)(torch.ones(1, 5, 1, 1)).flatten()
    assert sums.tolist() == [2, 3, 4, 4, 3], "of windows of three ones it is 2, 3, 3, 3, 2"
