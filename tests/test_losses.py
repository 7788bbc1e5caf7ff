"""The losses: fused formulas against the chains that they replace, what torch refuses, and the messages."""

import itertools
import math
import warnings
from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor
from torch.autograd import forward_ad
from torch.utils._python_dispatch import TorchDispatchMode

from manualgrad import functional as F
from manualgrad import nn, proof
from manualgrad.catalogue import Row
from manualgrad.catalogue.row import normal, sample, uniform
from manualgrad.formulas.l1_loss import L1LossFunction
from manualgrad.interfaces import linear_cross_entropy as wide
from manualgrad.parts import rows_at_a_time
from manualgrad.tape import Tape

T = torch.nn.functional


def leaf(*shape: int, seed: int = 0, low: float | None = None, high: float = 1.0) -> Tensor:
    generator = torch.Generator().manual_seed(seed)
    if low is None:
        return torch.randn(shape, generator=generator, dtype=torch.float64).requires_grad_()
    return (torch.rand(shape, generator=generator, dtype=torch.float64) * (high - low) + low).requires_grad_()


def gradients(loss: Tensor, *inputs: Tensor) -> tuple[Tensor, ...]:
    return torch.autograd.grad(loss.sum(), inputs, create_graph=True)


def assert_same(a: Tensor, b: Tensor) -> None:
    torch.testing.assert_close(a, b, rtol=1e-12, atol=1e-14)


# ------------------------------------------------------------------------------------------------- fused = unfused


@pytest.mark.parametrize("reduction", ["mean", "sum"])
def test_sigmoid_and_bce_fused(reduction: str) -> None:
    z, t = leaf(4, 3), leaf(4, 3, seed=1, low=0.0)
    fused = F.binary_cross_entropy_with_logits(z, t, reduction=reduction)
    chain = F.binary_cross_entropy(F.sigmoid(z), t, reduction=reduction)
    assert_same(fused, chain)
    (dz,), (dz_chain,) = gradients(fused, z), gradients(chain, z)
    assert_same(dz, dz_chain)
    assert_same(dz, (z.sigmoid() - t) / (12 if reduction == "mean" else 1))
    for ours, theirs in zip(gradients(dz**2, z, t), gradients(dz_chain**2, z, t), strict=True):
        assert_same(ours, theirs)


@pytest.mark.parametrize("smoothing", [0.0, 0.2])
@pytest.mark.parametrize("weighted", [False, True])
def test_softmax_and_cross_entropy_fused(smoothing: float, weighted: bool) -> None:
    z, t = leaf(5, 3), torch.tensor([0, 2, 1, 1, 0])
    w = torch.tensor([0.5, 2.0, 1.0], dtype=torch.float64) if weighted else None
    fused = F.cross_entropy(z, t, w, label_smoothing=smoothing)
    log_p = F.log_softmax(z, -1)
    chain = (1 - smoothing) * F.nll_loss(log_p, t, w)
    if smoothing:
        ones = torch.ones(3, dtype=torch.float64) if w is None else w
        chain = chain - smoothing / 3 * (log_p * ones).sum() / ones[t].sum()
    assert_same(fused, chain)
    (dz,), (dz_chain,) = gradients(fused, z), gradients(chain, z)
    assert_same(dz, dz_chain)
    assert_same(*gradients(dz**2, z), *gradients(dz_chain**2, z))
    if not smoothing and not weighted:
        assert_same(dz, (z.softmax(-1) - torch.eye(3, dtype=torch.float64)[t]) / 5)


@pytest.mark.parametrize("reduction", ["mean", "sum", "none"])
def test_class_numbers_are_onehot_probabilities(reduction: str) -> None:
    z, t, w = leaf(5, 3, 2), torch.randint(0, 3, (5, 2), generator=torch.Generator().manual_seed(0)), leaf(3, low=0.5)
    onehot = T.one_hot(t, 3).movedim(-1, 1).double()
    numbers = F.cross_entropy(z, t, w, reduction=reduction, label_smoothing=0.1)
    rows = F.cross_entropy(z, onehot, w, reduction=reduction, label_smoothing=0.1)
    if reduction == "mean":  # the means differ: by the weights of the targets, and by the number of samples
        rows = rows * 10 / w[t].sum()
    assert_same(numbers, rows)
    for ours, theirs in zip(gradients(numbers, z, w), gradients(rows, z, w), strict=True):
        assert_same(ours, theirs)


def test_half_mse_is_half_of_mse() -> None:
    x, t = leaf(4, 3), leaf(4, 3, seed=1)
    for reduction in ("mean", "sum", "none"):
        half, full = F.half_mse_loss(x, t, reduction), F.mse_loss(x, t, reduction=reduction)
        assert_same(2 * half, full)
        assert_same(2 * gradients(half, x)[0], gradients(full, x)[0])


# ------------------------------------------------------- gradients that torch has none for, against plain expressions


def check_weight(loss: Callable[..., Tensor], plain: Callable[..., Tensor], *inputs: Tensor) -> None:
    """Values, first and second gradients of every input, and forward mode."""
    assert_same(loss(*inputs), plain(*inputs))
    for ours, theirs in zip(gradients(loss(*inputs), *inputs), gradients(plain(*inputs), *inputs), strict=True):
        assert_same(ours, theirs)
    assert torch.autograd.gradcheck(loss, inputs, check_forward_ad=True, check_batched_grad=True)
    assert torch.autograd.gradgradcheck(loss, inputs)


def reduced(loss: Tensor, reduction: str, n: Any = None) -> Tensor:
    return loss if reduction == "none" else loss.sum() / (1 if reduction == "sum" else loss.numel() if n is None else n)


@pytest.mark.parametrize("reduction", ["mean", "sum", "none"])
def test_gradients_of_weights(reduction: str) -> None:
    p, t, w, q = (
        leaf(3, 4, low=0.1, high=0.9),
        leaf(3, 4, seed=1, low=0.1),
        leaf(4, seed=2, low=0.5),
        leaf(3, 1, low=0.5),
    )

    def bce(p: Tensor, t: Tensor, w: Tensor) -> Tensor:
        return reduced(-w * (t * p.log() + (1 - t) * (1 - p).log()), reduction)

    check_weight(lambda p, t, w: F.binary_cross_entropy(p, t, w, reduction=reduction), bce, p, t, w)

    def with_logits(z: Tensor, t: Tensor, w: Tensor, q: Tensor) -> Tensor:
        return reduced(-w * (q * t * z.sigmoid().log() + (1 - t) * (1 - z.sigmoid()).log()), reduction)

    z = leaf(3, 4)
    check_weight(
        lambda z, t, w, q: F.binary_cross_entropy_with_logits(z, t, w, pos_weight=q, reduction=reduction),
        with_logits,
        *(z, t, w, q),
    )


@pytest.mark.parametrize("reduction", ["mean", "sum", "none"])
@pytest.mark.parametrize("p", [1, 2])
def test_gradients_of_class_weights_of_margins(reduction: str, p: int) -> None:
    x, w, t = leaf(5, 3), leaf(3, seed=2, low=0.5), torch.tensor([0, 2, 1, 1, 0])

    def plain(x: Tensor, w: Tensor) -> Tensor:
        excess = torch.relu(0.5 - x.gather(1, t[:, None]) + x).scatter(1, t[:, None], 0.0)
        return reduced(w[t] * (excess**p).sum(1) / 3, reduction)

    check_weight(lambda x, w: F.multi_margin_loss(x, t, p, 0.5, w, reduction=reduction), plain, x, w)


def test_gradient_of_the_target_of_soft_margin_loss() -> None:
    check_weight(F.soft_margin_loss, lambda x, t: T.softplus(-t * x).mean(), leaf(3, 4), leaf(3, 1, seed=1))


def test_gradient_of_a_count_of_zero() -> None:
    """torch gives NaN."""
    t = torch.tensor([0.0, 0.5, 2.0], dtype=torch.float64, requires_grad=True)
    loss = F.poisson_nll_loss(torch.ones_like(t), t, full=True, reduction="sum")
    (dt,) = gradients(loss, t)
    assert_same(dt, torch.tensor([-1.0, -1.0, math.log(2) + 0.25 - 1], dtype=torch.float64))


@pytest.mark.parametrize("reduction", ["mean", "sum", "none"])
@pytest.mark.parametrize("smoothing", [0.0, 0.2])
def test_gradients_of_class_weights(reduction: str, smoothing: float) -> None:
    z, w, t = leaf(5, 3), leaf(3, seed=2, low=0.5), torch.tensor([0, 2, -100, 1, 0])
    kept = t != -100

    def nll(x: Tensor, w: Tensor) -> Tensor:
        picked = torch.where(kept, w[t * kept], 0.0)
        return reduced(-picked * x.gather(1, (t * kept)[:, None])[:, 0], reduction, picked.sum())

    def cross_entropy(z: Tensor, w: Tensor) -> Tensor:
        picked = torch.where(kept, w[t * kept], 0.0).sum()
        spread = torch.where(kept, -(w * z.log_softmax(1)).sum(1), 0.0)
        hard = (1 - smoothing) * nll(z.log_softmax(1), w)
        return hard + reduced(spread, reduction, picked) * smoothing / 3

    check_weight(lambda x, w: F.nll_loss(x, t, w, reduction=reduction), nll, z, w)
    check_weight(
        lambda z, w: F.cross_entropy(z, t, w, reduction=reduction, label_smoothing=smoothing), cross_entropy, z, w
    )
    check_weight(
        lambda x, w: F.nll_loss(x, t[1], w, reduction=reduction),
        lambda x, w: -w[2] * x[2] / (w[2] if reduction == "mean" else 1),
        *(leaf(3), w),
    )


def weighted_l1(input: Tensor, target: Tensor, reduction: str = "mean", weight: Tensor | None = None) -> Tensor:
    """torch's l1_loss, which forgets `weight` when a torch-function mode such as the tape calls it again."""
    assert weight is not None
    loss = torch.abs(input - target) * weight
    return loss if reduction == "none" else loss.sum() if reduction == "sum" else loss.sum() / weight.sum()


WEIGHTED_L1 = Row(
    F.l1_loss,
    weighted_l1,
    L1LossFunction,
    samples=tuple(
        sample(normal(3, columns), normal(3, 4), weight=uniform(3, columns, low=0.5, high=1.5), reduction=reduction)
        for columns, reduction in itertools.product((4, 1), ("mean", "sum", "none"))
    ),
)


@pytest.mark.parametrize("check", proof.CHECKS, ids=lambda check: check.__name__)
def test_weights_of_l1_loss(check: Callable[[Row], None]) -> None:
    check(WEIGHTED_L1)


# ---------------------------------------------------------------------------------------------------------- distances


@pytest.mark.parametrize("swap", [False, True])
@pytest.mark.parametrize("p", [1.0, 2.0, 3.0])
def test_triplet_margin_loss_is_a_hinge_of_distances(swap: bool, p: float) -> None:
    triplet = leaf(5, 4), leaf(5, 4, seed=1), leaf(5, 4, seed=2)
    fused = F.triplet_margin_loss(*triplet, p=p, swap=swap, reduction="none")
    chain = F.triplet_margin_with_distance_loss(
        *triplet, distance_function=lambda x, y: F.pairwise_distance(x, y, p), swap=swap, reduction="none"
    )
    assert_same(fused, chain)
    firsts = [gradients(loss, *triplet) for loss in (fused, chain)]
    for ours, theirs in zip(*firsts, strict=True):
        assert_same(ours, theirs)
    seconds = [gradients(sum(g.square().sum() for g in first), *triplet) for first in firsts]  # type: ignore[arg-type]
    for ours, theirs in zip(*seconds, strict=True):
        torch.testing.assert_close(ours, theirs, rtol=1e-10, atol=1e-12)


@pytest.mark.parametrize("reduction", ["mean", "sum", "none"])
@pytest.mark.parametrize("swap", [False, True])
def test_triplet_margin_loss_with_a_distance_of_the_user(reduction: str, swap: bool) -> None:
    triplet = leaf(5, 4), leaf(5, 4, seed=1), leaf(5, 4, seed=2)

    def distance(x: Tensor, y: Tensor) -> Tensor:
        return 1 - torch.cosine_similarity(x, y)

    losses = [
        f(*triplet, distance_function=distance, margin=0.4, swap=swap, reduction=reduction)
        for f in (F.triplet_margin_with_distance_loss, T.triplet_margin_with_distance_loss)
    ]
    assert_same(*losses)
    for ours, theirs in zip(*(gradients(loss, *triplet) for loss in losses), strict=True):
        assert_same(ours, theirs)


def test_pdist_is_pairwise_distance_of_all_pairs() -> None:
    x = leaf(5, 3)
    i, j = torch.triu_indices(5, 5, 1)
    for p in (0.5, 1.0, 2.0, 3.0, math.inf):
        all_pairs, pairs = F.pdist(x, p), F.pairwise_distance(x[i], x[j], p, eps=0.0)
        assert_same(all_pairs, pairs)
        assert_same(gradients(all_pairs, x)[0], gradients(pairs, x)[0])


# ------------------------------------------------------------------------------------------- rows of a wide vocabulary


class _Sizes(TorchDispatchMode):
    """The number of elements of the largest tensor that any operation made."""

    largest = 0

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        result = func(*args, **(kwargs or {}))
        tensors = [r for r in (result if isinstance(result, (list, tuple)) else (result,)) if isinstance(r, Tensor)]
        self.largest = max([self.largest, *(t.numel() for t in tensors)])
        return result


def in_rows(monkeypatch: pytest.MonkeyPatch) -> None:
    """Five rows at a time, and gradients made along with the loss although the logits are few."""
    monkeypatch.setattr(wide, "FEWEST", 5)
    monkeypatch.setattr(wide, "MEMORY", 0)
    monkeypatch.setattr(wide, "SMALL", 0)


@pytest.mark.parametrize("reduction", ["mean", "sum"])
@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("biased", [False, True])
def test_gradients_made_along_with_the_loss(
    monkeypatch: pytest.MonkeyPatch, reduction: str, weighted: bool, biased: bool
) -> None:
    in_rows(monkeypatch)
    x, w, b = leaf(13, 2), leaf(9, 2, seed=1), leaf(9, seed=2)
    t = torch.randint(0, 9, (13,), generator=torch.Generator().manual_seed(0)).index_fill(0, torch.tensor([3, 7]), 4)
    class_weight = leaf(9, seed=3, low=0.5).detach() if weighted else None
    leaves = (x, w, b) if biased else (x, w)

    def ours(x: Tensor, w: Tensor, b: Tensor | None = None) -> Tensor:
        return F.linear_cross_entropy(x, w, t, linear_bias=b, weight=class_weight, reduction=reduction, ignore_index=4)

    def plain(x: Tensor, w: Tensor, b: Tensor | None = None) -> Tensor:
        return T.cross_entropy(T.linear(x, w, b), t, class_weight, reduction=reduction, ignore_index=4)

    loss, expected = ours(*leaves), plain(*leaves)
    assert_same(loss, expected)
    truth = torch.autograd.grad(expected, leaves, torch.tensor(-3.0, dtype=torch.float64), create_graph=True)
    for _ in range(2):  # made already, then computed again
        found = torch.autograd.grad(loss, leaves, torch.tensor(-3.0, dtype=torch.float64), retain_graph=True)
        for a, e in zip(found, truth, strict=True):
            assert_same(a, e)
    found = torch.autograd.grad(ours(*leaves), leaves, torch.tensor(-3.0, dtype=torch.float64), create_graph=True)
    seconds = [torch.autograd.grad([g.square().sum() for g in first], leaves) for first in (found, truth)]
    for a, e in zip(*seconds, strict=True):
        torch.testing.assert_close(a, e, rtol=1e-10, atol=1e-12)
    with forward_ad.dual_level():
        duals = [forward_ad.make_dual(leaf, leaf.detach().cos()) for leaf in leaves]
        tangents = [forward_ad.unpack_dual(f(*duals)).tangent for f in (ours, plain)]
        assert_same(*tangents)
    loss = ours(*leaves)
    many = torch.randn(4, generator=torch.Generator().manual_seed(1), dtype=torch.float64)
    batched = torch.autograd.grad(loss, leaves, many, is_grads_batched=True)
    for a, e in zip(batched, truth, strict=True):
        assert_same(a, many.view(-1, *[1] * e.dim()) * e / -3)


@pytest.mark.parametrize("needed", [(True, False), (False, True)])
def test_only_gradients_that_are_wanted_are_made(monkeypatch: pytest.MonkeyPatch, needed: tuple[bool, bool]) -> None:
    in_rows(monkeypatch)
    inputs = [leaf(13, 2).detach(), leaf(9, 2, seed=1).detach()]
    wanted = [x.requires_grad_() for x, need in zip(inputs, needed, strict=True) if need]
    t = torch.arange(13) % 9
    results = [
        torch.autograd.grad(loss, wanted)[0]
        for loss in (F.linear_cross_entropy(inputs[0], inputs[1], t), T.cross_entropy(T.linear(*inputs), t))
    ]
    assert_same(*results)


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
def test_gradients_made_in_half_precision(monkeypatch: pytest.MonkeyPatch, dtype: torch.dtype) -> None:
    in_rows(monkeypatch)
    t = torch.arange(60) % 90
    errors = []
    x, w = leaf(60, 16).detach().to(dtype), leaf(90, 16, seed=1).detach().to(dtype)
    wide = [v.double().requires_grad_() for v in (x, w)]
    truth = torch.autograd.grad(T.cross_entropy(T.linear(*wide), t), wide)
    for in_one in (True, False):
        leaves = [v.clone().requires_grad_() for v in (x, w)]
        loss = F.linear_cross_entropy(leaves[0], leaves[1], t) if in_one else T.cross_entropy(T.linear(*leaves), t)
        found = torch.autograd.grad(loss, leaves)
        errors.append(sum((a.double() - e).norm().item() / e.norm().item() for a, e in zip(found, truth, strict=True)))
    assert errors[0] <= 1.5 * errors[1]


@pytest.mark.parametrize("smoothing", [0.0, 0.1])
def test_logits_are_never_held_whole(smoothing: float) -> None:
    x, w, t = leaf(600, 4).float(), leaf(5000, 4, seed=1).float(), torch.arange(600)
    leaves = [v.detach().requires_grad_() for v in (x, w)]
    options = torch.nn.LinearCrossEntropyOptions(batch_chunk_size=100)
    with _Sizes() as sizes:
        loss = F.linear_cross_entropy(leaves[0], leaves[1], t, label_smoothing=smoothing, options=options)
        found = torch.autograd.grad(loss, leaves)
    assert sizes.largest == 100 * 5000
    truth = torch.autograd.grad(T.cross_entropy(T.linear(*leaves), t, label_smoothing=smoothing), leaves)
    for a, e in zip(found, truth, strict=True):
        torch.testing.assert_close(a, e, rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize("onednn", [True, False])
@pytest.mark.parametrize("biased", [True, False])
def test_rows_with_and_without_onednn(monkeypatch: pytest.MonkeyPatch, onednn: bool, biased: bool) -> None:
    in_rows(monkeypatch)
    if not onednn:
        monkeypatch.setattr(rows_at_a_time, "_ONEDNN", None)
    leaves = [leaf(*shape, seed=len(shape)).detach().float().requires_grad_() for shape in ((13, 5), (9, 5), (9,))]
    t = torch.arange(13) % 9
    x, w, b = leaves[0], leaves[1], leaves[2] if biased else None
    losses = F.linear_cross_entropy(x, w, t, linear_bias=b), T.cross_entropy(T.linear(x, w, b), t)
    torch.testing.assert_close(*losses)
    for ours, theirs in zip(*(torch.autograd.grad(loss, leaves[: 2 + biased]) for loss in losses), strict=True):
        torch.testing.assert_close(ours, theirs)


def test_rows_of_half_precision_under_autocast() -> None:
    x, w, t = leaf(6, 2).detach(), leaf(7, 2, seed=1).detach(), torch.arange(6)
    for dtypes in itertools.product((torch.float32, torch.bfloat16), repeat=2):
        pair = [v.to(d).requires_grad_() for v, d in zip((x, w), dtypes, strict=True)]
        with torch.autocast("cpu", dtype=torch.bfloat16):
            losses = [f(pair[0], pair[1], t) for f in (F.linear_cross_entropy, T.linear_cross_entropy)]
        assert losses[0].dtype == losses[1].dtype == torch.float32
        torch.testing.assert_close(*losses, rtol=1e-6, atol=1e-6)
        for ours, theirs in zip(*(torch.autograd.grad(loss, pair) for loss in losses), strict=True):
            assert ours.dtype == theirs.dtype
            torch.testing.assert_close(ours, theirs, rtol=2e-2, atol=2e-2)


def test_no_rows_at_all() -> None:
    x, w = leaf(0, 2), leaf(7, 2)
    loss = F.linear_cross_entropy(x, w, torch.zeros(0, dtype=torch.int64), reduction="sum")
    assert loss == 0
    assert [g.shape for g in torch.autograd.grad(loss, (x, w))] == [x.shape, w.shape]


def test_rows_on_the_tape_have_their_gradients_made_too(monkeypatch: pytest.MonkeyPatch) -> None:
    in_rows(monkeypatch)
    monkeypatch.setattr(rows_at_a_time.Rows, "gradients", None)  # what would go through the rows again
    x, w, t = leaf(13, 2), leaf(9, 2, seed=1), torch.arange(13) % 9
    with Tape() as tape:
        loss = F.linear_cross_entropy(F.sigmoid(x), w, t)
    tape.backward(loss)
    truth = torch.autograd.grad(T.cross_entropy(T.linear(x.sigmoid(), w), t), (x, w))
    for leaf_, e in zip((x, w), truth, strict=True):
        assert leaf_.grad is not None
        assert_same(leaf_.grad, e)


# -------------------------------------------------------------------------------------------------- adaptive softmax


def adaptive(seed: int = 0) -> tuple[torch.nn.AdaptiveLogSoftmaxWithLoss, torch.nn.AdaptiveLogSoftmaxWithLoss]:
    torch.manual_seed(seed)
    theirs = torch.nn.AdaptiveLogSoftmaxWithLoss(16, 9, [3, 6], div_value=2.0, head_bias=True).double()
    ours = nn.AdaptiveLogSoftmaxWithLoss(16, 9, [3, 6], div_value=2.0, head_bias=True).double()
    ours.load_state_dict(theirs.state_dict())
    return ours, theirs


@pytest.mark.parametrize("target", [[0, 8, 4, 2, 3, 7], [0, 1, 2, 2], [8, 8], [5, 0, 3]], ids=str)
def test_adaptive_softmax(target: list[int]) -> None:
    results = []
    for module in adaptive():
        x = leaf(len(target), 16)
        output, loss = module(x, torch.tensor(target))
        first = torch.autograd.grad(loss + output[0], [x, *module.parameters()], create_graph=True, allow_unused=True)
        second = torch.autograd.grad(first[0].square().sum(), module.head.weight)
        results.append([output, loss, *(torch.zeros(0) if g is None or not g.any() else g for g in first), *second])
        results[-1] += [module.log_prob(x), module.predict(x)]
    for ours, theirs in zip(*results, strict=True):
        assert_same(ours, theirs)


def test_adaptive_softmax_is_by_hand_on_the_tape_too() -> None:
    ours, theirs = adaptive()
    x, target = leaf(5, 16), torch.tensor([0, 8, 4, 2, 3])
    with Tape() as tape:
        loss = ours(x, target).loss
    tape.backward(loss)
    theirs(x.detach(), target).loss.backward()
    for a, b in zip(ours.parameters(), theirs.parameters(), strict=True):
        assert a.grad is not None
        assert b.grad is not None
        assert_same(a.grad, b.grad)


def test_adaptive_softmax_learns_from_all_log_probabilities() -> None:
    results = []
    for module in adaptive():
        x = leaf(4, 16)
        log_p = module.log_prob(x)
        results.append(torch.autograd.grad(log_p.square().sum(), [x, *module.parameters()]))
    for ours, theirs in zip(*results, strict=True):
        assert_same(ours, theirs)


@pytest.mark.parametrize(
    ("shape", "target", "message"),
    [
        ((3, 16), [0, 1], r"got \(3, 16\) and \(2,\)"),
        ((16,), [0], r"got \(16,\) and \(1,\)"),
        ((2, 16), [[0], [1]], r"got \(2, 16\) and \(2, 1\)"),
        ((2, 16), [0, 9], r"target must be a class number, in \[0, 9\), got 9"),
        ((2, 16), [-1, 0], r"target must be a class number, in \[0, 9\), got -1"),
    ],
    ids=str,
)
def test_messages_of_adaptive_softmax(shape: tuple[int, ...], target: Any, message: str) -> None:
    ours, theirs = adaptive()
    with pytest.raises(RuntimeError):
        theirs(leaf(*shape), torch.tensor(target))
    with pytest.raises(RuntimeError, match=f"^AdaptiveLogSoftmaxWithLoss: .*{message}"):
        ours(leaf(*shape), torch.tensor(target))


# ---------------------------------------------------------------------------------------------------------------- CTC


def test_ctc_loss_of_many_alignments_against_torch() -> None:
    """Through log_softmax, behind which torch's gradient is right: long rows, repeated labels, certain symbols."""
    generator = torch.Generator().manual_seed(0)
    for scale in (1.0, 30.0, 1000.0):
        z = (torch.randn(40, 6, 5, generator=generator, dtype=torch.float64) * scale).requires_grad_()
        targets = torch.randint(1, 5, (6, 12), generator=generator)
        times, lengths = torch.tensor([40, 40, 33, 25, 24, 0]), torch.tensor([12, 1, 7, 12, 0, 0])
        results = []
        for ctc, log_softmax in ((F.ctc_loss, F.log_softmax), (T.ctc_loss, T.log_softmax)):
            loss = ctc(log_softmax(z, -1), targets, times, lengths, reduction="none")
            results.append((loss, *torch.autograd.grad(loss.sum(), z)))
        for ours, theirs in zip(*results, strict=True):
            torch.testing.assert_close(ours, theirs, rtol=1e-9, atol=1e-9)


def test_ctc_loss_without_an_alignment() -> None:
    x = leaf(3, 2, 4)
    targets, times, lengths = torch.tensor([[1, 1, 2], [1, 2, 3]]), (3, 3), (3, 3)
    loss = F.ctc_loss(x, targets, times, lengths, reduction="none")
    assert loss[0] == math.inf
    (dx,) = torch.autograd.grad(loss.sum(), x)
    assert dx[:, 0, :3].isnan().all()  # of the blank and of the labels; the fourth symbol has no part in it
    assert dx[:, 1].isfinite().all()
    loss = F.ctc_loss(x, targets, times, lengths, reduction="none", zero_infinity=True)
    assert loss[0] == 0
    (dx,) = torch.autograd.grad(loss.sum(), x)
    assert not dx[:, 0].any()
    assert dx[:, 1].any()


def test_ctc_loss_of_an_impossible_symbol() -> None:
    """A probability of 0 is a logarithm of -inf: it is walked around, and its gradient is 0."""
    x = torch.tensor([[0.5, 0.5], [0.0, 1.0], [0.5, 0.5]], dtype=torch.float64).log().requires_grad_()
    loss = F.ctc_loss(x, torch.tensor([1]), (3,), (1,))
    loss.backward()
    assert x.grad is not None
    assert_same(loss, torch.tensor(0.0, dtype=torch.float64))
    assert_same(x.grad, torch.tensor([[-0.5, -0.5], [0.0, -1.0], [-0.5, -0.5]], dtype=torch.float64))


# ----------------------------------------------------------------------------------------------------- odds and ends


def test_vmap_over_targets() -> None:
    z, t = leaf(2, 5, 3), torch.tensor([[0, 2, -100, 1, 0], [1, 1, 1, -100, -100]])
    for ours, theirs in ((F.cross_entropy, T.cross_entropy), (F.nll_loss, T.nll_loss)):

        def gradient(function: Callable[..., Tensor]) -> Tensor:
            return torch.func.vmap(torch.func.grad(function))(z, t)

        assert_same(gradient(ours), gradient(theirs))


@pytest.mark.parametrize("reduction", ["mean", "sum", "none"])
def test_one_sample_with_a_target_of_one_dimension(reduction: str) -> None:
    """torch computes the loss and then fails in its backward pass."""
    z, t, w = leaf(3), torch.tensor([1]), leaf(3, seed=1, low=0.5)
    for function in (F.cross_entropy, F.nll_loss):
        ours, plain = function(z, t, w, reduction=reduction), function(z, t[0], w, reduction=reduction)
        assert_same(ours, plain)
        for a, b in zip(gradients(ours, z, w), gradients(plain, z, w), strict=True):
            assert_same(a, b)


def test_every_target_ignored() -> None:
    z, t = leaf(2, 3), torch.tensor([-100, -100])
    loss = F.cross_entropy(z, t)
    assert loss.isnan()
    assert not gradients(loss, z)[0].any()


@pytest.mark.parametrize("name", ["mse_loss", "l1_loss", "smooth_l1_loss", "huber_loss", "half_mse_loss"])
def test_broadcasting_warns(name: str) -> None:
    with pytest.warns(UserWarning, match="different to the input size"):
        getattr(F, name)(leaf(3, 1), leaf(3))


@pytest.mark.parametrize("name", ["mse_loss", "l1_loss", "smooth_l1_loss", "hinge_embedding_loss", "kl_div"])
@pytest.mark.parametrize(
    ("legacy", "reduction"),
    [({"size_average": False}, "sum"), ({"reduce": False}, "none"), ({"size_average": True}, "mean")],
)
def test_legacy_arguments(name: str, legacy: dict[str, bool], reduction: str) -> None:
    x, t = leaf(3, 2), leaf(3, 2, seed=1, low=0.1).sign()
    with pytest.warns(UserWarning, match=f"reduction='{reduction}'"):
        old = getattr(F, name)(x, t, **legacy)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        assert_same(old, getattr(F, name)(x, t, reduction=reduction))


def test_modules_without_a_twin() -> None:
    x, t = leaf(3, 2), leaf(3, 2, seed=1).sign()
    assert_same(nn.HalfMSELoss(reduction="sum")(x, t), (x - t).square().sum() / 2)
    assert_same(nn.HingeLoss(squared=True, reduction="none")(x, t), (1 - x * t).clamp(min=0) ** 2)
    assert repr(nn.HalfMSELoss()) == "HalfMSELoss(reduction='mean')"
    assert repr(nn.HingeLoss()) == "HingeLoss(squared=False, reduction='mean')"
    for module in (nn.HalfMSELoss, nn.HingeLoss):
        with pytest.raises(ValueError, match=f"{module.__name__}: reduction must be .*, got 'avg'"):
            module(reduction="avg")


# ---------------------------------------------------------------------------------------------------------- messages

X, N, Y = torch.zeros(3, 4), torch.tensor([0, 1, 2]), torch.zeros(3, 3, dtype=torch.int64)
BAD: dict[str, tuple[str, tuple[Any, ...], dict[str, Any], str]] = {
    "class number": ("cross_entropy", (X, torch.tensor([0, 4, 1])), {}, r"target holds 4, .*\(3, 4\) has 4 classes"),
    "negative class number": ("nll_loss", (X, torch.tensor([0, -1, 1])), {}, "target holds -1, .*ignore_index is -100"),
    "batch size": ("cross_entropy", (X, torch.tensor([0, 1])), {}, r"target must have shape \(3,\).*got \(2,\)"),
    "nll batch size": ("nll_loss", (X, torch.tensor([0, 1])), {}, r"target must have shape \(3,\).*got \(2,\)"),
    "target with too many dimensions": ("nll_loss", (X, N.view(3, 1)), {}, r"target must have shape \(3,\)"),
    "spatial target": ("cross_entropy", (X.view(3, 2, 2), N), {}, r"target must have shape \(3, 2\).*got \(3,\)"),
    "unbatched target": ("cross_entropy", (X[0], N), {}, r"target must have shape \(\).*got \(3,\)"),
    "no dimension": (
        "nll_loss",
        (X[0, 0], N[0]),
        {},
        r"input needs a dimension",
    ),
    "short target": ("nll_loss", (X, N[0]), {}, r"target must have shape \(3,\) for input \(3, 4\), got \(\)"),
    "size of spatial target": ("nll_loss", (X.view(3, 2, 2), Y), {}, r"target must have shape \(3, 2\)"),
    "two targets of one sample": ("nll_loss", (X[0], N[:1, None]), {}, r"target must have shape \(\) .*got \(1, 1\)"),
    "narrow class numbers": ("cross_entropy", (X, N.int()), {}, "class numbers, of dtype int64, got torch.int32"),
    "floating class numbers": ("cross_entropy", (X, N.float()), {}, "class numbers, of dtype int64, got torch.float32"),
    "nll floating class numbers": ("nll_loss", (X, N.float()), {}, "class numbers, of dtype int64, got torch.float32"),
    "integer probabilities": ("cross_entropy", (X, X.long()), {}, "must hold probabilities.*got torch.int64"),
    "smoothing": ("cross_entropy", (X, N), {"label_smoothing": 1.5}, "label_smoothing must be between .*1.5"),
    "class weights": ("cross_entropy", (X, N, torch.ones(3)), {}, r"weight.*\(3,\)|weight .*all 4 classes.*\[3\]"),
    "integer input": ("mse_loss", (X.long(), X.long()), {}, r"\(given input \(3, 4\) int64"),
    "shapes": ("mse_loss", (X, torch.zeros(3)), {}, r"\(given input \(3, 4\) float32, target \(3,\) float32\)"),
    "weight": ("mse_loss", (X, X), {"weight": torch.ones(3)}, r"same size.*weight \(3,\) float32"),
    "l1 weight": ("l1_loss", (X, X), {"weight": torch.ones(3)}, r"weight must have .* \(3, 4\), got \(3,\)"),
    "huber weight": ("huber_loss", (X, X), {"weight": torch.ones(3)}, r"weight must have .* \(3, 4\), got \(3,\)"),
    "delta": ("huber_loss", (X, X), {"delta": -1.0}, "delta must be positive, got -1.0"),
    "beta": ("smooth_l1_loss", (X, X), {"beta": -1.0}, "beta must not be negative, got -1.0"),
    "logits": ("binary_cross_entropy", (X + 1.5, X), {}, r"input must be probabilities, in \[0, 1\], got 1.5"),
    "BCE shapes": ("binary_cross_entropy", (X, X[0]), {}, r"target must have .* \(3, 4\), got \(4,\)"),
    "BCE logits shapes": (
        "binary_cross_entropy_with_logits",
        (X, X[0]),
        {},
        r"target must have .*\(3, 4\), got \(4,\)",
    ),
    "kl shapes": ("kl_div", (X, torch.zeros(3)), {"reduction": "batchmean"}, r"got \(3, 4\) and \(3,\)"),
    "kl reduction": ("kl_div", (X, X), {"reduction": "avg"}, "'sum' or 'batchmean', got 'avg'"),
    "ranking dimensions": ("margin_ranking_loss", (X, X[0], X), {}, r"as many dimensions, got \(3, 4\) and \(4,\)"),
    "soft margin shapes": ("soft_margin_loss", (X, X[:, 0]), {}, r"given input \(3, 4\) float32, target \(3,\)"),
    "margin class number": ("multi_margin_loss", (X, N + 2), {}, "target holds 4, .*has 4 classes"),
    "margin negative class number": ("multi_margin_loss", (X, N - 1), {}, "target holds -1, .*has 4 classes"),
    "margin target": ("multi_margin_loss", (X, N[:2]), {}, r"Expected target size \[3\], but got \[2\]"),
    "margin input": ("multi_margin_loss", (X[None], N[:1]), {}, r"input must have shape .*got \(1, 3, 4\)"),
    "margin dtype": ("multi_margin_loss", (X, N.int()), {}, "dtype int64, got torch.int32"),
    "margin p": ("multi_margin_loss", (X, N), {"p": 3}, "p must be 1 or 2, got 3"),
    "margin weight": ("multi_margin_loss", (X, N), {"weight": X}, r"weight must have one dimension, got \(3, 4\)"),
    "labels shape": ("multilabel_margin_loss", (X, Y), {}, r"target the shape of input, got \(3, 4\) and \(3, 3\)"),
    "labels": ("multilabel_margin_loss", (X, X.long() + 4), {}, "target holds 4, .*has 4 classes"),
    "labels dtype": ("multilabel_margin_loss", (X, X), {}, "dtype int64, got torch.float32"),
    "variance shape": ("gaussian_nll_loss", (X, X, X[:, :3]), {}, r"var must have .*\(3, 4\).*got \(3, 3\)"),
    "variance": ("gaussian_nll_loss", (X, X, X - 1), {}, "var must not be negative, got -1"),
    "variance as a number": ("gaussian_nll_loss", (X, X, -2.0), {}, "var must not be negative, got -2"),
    "anchor dimensions": ("triplet_margin_loss", (X, X, X[0]), {}, r"dimensions, got \(3, 4\) and \(3, 4\) and \(4,\)"),
    "triplet margin": ("triplet_margin_loss", (X, X, X), {"margin": -1.0}, "margin must be greater than 0, got -1.0"),
    "triplet reduction": ("triplet_margin_loss", (X, X, X), {"reduction": "avg"}, "reduction must be .*, got 'avg'"),
    **{
        f"{kind} of any distance": ("triplet_margin_with_distance_loss", args, keywords, message)
        for kind, args, keywords, message in (
            ("dimensions", (X, X, X[0]), {}, r"as many dimensions, got \(3, 4\) and \(3, 4\) and \(4,\)"),
            ("margin", (X, X, X), {"margin": 0.0}, "margin must be greater than 0, got 0.0"),
            ("reduction", (X, X, X), {"reduction": "avg"}, "reduction must be .*, got 'avg'"),
        )
    },
    "distances": ("pairwise_distance", (X, X[:, :3]), {}, r"given x1 \(3, 4\) float32, x2 \(3, 3\) float32"),
    "cosines": ("cosine_similarity", (X, X[:, :3]), {}, r"given x1 \(3, 4\) float32, x2 \(3, 3\) float32"),
    "cosines of integers": ("cosine_similarity", (X.long(), X.long()), {}, "floating point"),
    "dimension of cosines": ("cosine_similarity", (X, X), {"dim": 2}, "Dimension out of range .*got 2"),
    "like or unlike": ("cosine_embedding_loss", (X, X, X), {}, r"target \(3, 4\) float32"),
    **{
        f"alignments: {kind}": ("ctc_loss", args, keywords, message)
        for kind, args, keywords, message in (
            ("samples", (X[:, None], Y[:1], (3, 3), (1, 1)), {}, "must hold 1 numbers each"),
            ("times", (X[:, None], Y[:1], (4,), (1,)), {}, r"input_lengths must lie in \[0, 3\], got \(4,\)"),
            ("labels", (X[:, None], Y[:1], (3,), (4,)), {}, r"targets must have shape \(1, 4 or more\), got \(1, 3\)"),
            ("flat labels", (X[:, None], N, (3,), (2,)), {}, "targets must hold 2 labels, .* got 3"),
            ("blank", (X[:, None], Y[:1], (3,), (1,), 4), {}, r"blank must be a class number, in \[0, 4\), got 4"),
            (
                "fractions",
                (X[:, None], Y[:1], X[:1, 0], N[1:2]),
                {},
                "input_lengths must be integers, got torch.float32",
            ),
            ("nothing", (X[:0, None], Y[:1], (0,), (1,)), {}, r"log_probs must have shape .*got \(0, 1, 4\)"),
            ("reduction", (X[:, None], Y[:1], (3,), (1,)), {"reduction": "avg"}, "reduction must be .*, got 'avg'"),
        )
    },
    **{
        f"wide vocabulary: {kind}": ("linear_cross_entropy", args, keywords, message)
        for kind, args, keywords, message in (
            ("input", (X[None], X, N), {}, r"input must have shape \(N, H\) or \(H\), got \(1, 3, 4\)"),
            ("weight", (X, X[:, :2], N), {}, r"linear_weight must have shape \(C, ..., 4\) .*got \(3, 2\)"),
            ("bias", (X, X, N), {"linear_bias": X[0]}, r"linear_bias must have shape \(3,\), got \(4,\)"),
            ("one row", (X[0], X[None], N), {}, r"input \(H\) goes with linear_weight \(C, H\), got \(1, 3, 4\)"),
            ("class number", (X, X, N + 1), {}, "target holds 3, .* has 3 classes"),
            ("batch size", (X, X, N[:2]), {}, r"target must have shape \(3,\) or \(3, 3\) .*got \(2,\)"),
            ("probabilities", (X, X, Y), {}, "must hold probabilities.*got torch.int64"),
            ("ignored", (X, X, Y.float()), {"ignore_index": 1}, "ignore_index does not go with probabilities"),
            ("smoothing", (X, X, N), {"label_smoothing": 2.0}, "label_smoothing must be between 0 and 1, got 2.0"),
            ("reduction", (X, X, N), {"reduction": "avg"}, "reduction must be .*, got 'avg'"),
            ("gradient of weight", (X, X, N), {"weight": leaf(3).float()}, "weight of class numbers has no gradient"),
        )
    },
    "pairs of rows": ("pdist", (X[0],), {}, r"given input \(4,\) float32"),
    "norm of rows": ("pdist", (X, -1.0), {}, "non-negative p"),
    **{
        f"{name} reduction": (name, (X, X), {"reduction": "avg"}, "reduction must be .*, got 'avg'")
        for name in (
            *("mse_loss", "l1_loss", "huber_loss", "smooth_l1_loss", "hinge_embedding_loss", "cross_entropy"),
            *("soft_margin_loss", "multilabel_soft_margin_loss", "poisson_nll_loss"),
        )
    },
    "ranking reduction": ("margin_ranking_loss", (X, X, X), {"reduction": "avg"}, "reduction must be .*, got 'avg'"),
    "normal reduction": ("gaussian_nll_loss", (X, X, X + 1), {"reduction": "avg"}, "reduction must be .*, got 'avg'"),
    "labels reduction": ("multilabel_margin_loss", (X, X.long()), {"reduction": "avg"}, "reduction must be .*'avg'"),
    "nll_loss reduction": ("nll_loss", (X, N), {"reduction": "avg"}, "reduction must be .*, got 'avg'"),
}


@pytest.mark.filterwarnings("ignore:Using a target size")
@pytest.mark.parametrize("case", BAD)
def test_messages(case: str) -> None:
    name, args, keywords, message = BAD[case]
    with pytest.raises((RuntimeError, ValueError, IndexError)) as theirs:
        getattr(T, name)(*args, **keywords)
    with pytest.raises(theirs.type, match=f"^{name}: .*({message})") as ours:
        getattr(F, name)(*args, **keywords)
    assert ours.type is theirs.type


def test_a_label_out_of_range() -> None:
    """torch reads past the end of its input."""
    with pytest.raises(IndexError, match=r"^ctc_loss: targets must be class numbers, in \[0, 4\), got 7"):
        F.ctc_loss(X[:, None], torch.tensor([[7]]), (3,), (1,))


def test_messages_of_our_own_losses() -> None:
    for name in ("hinge_loss", "half_mse_loss"):
        with pytest.raises(ValueError, match=f"^{name}: reduction must be 'none', 'mean' or 'sum', got 'avg'"):
            getattr(F, name)(X, X, reduction="avg")
    with pytest.raises(RuntimeError, match=r"^hinge_loss: .*given input \(3, 4\) float32, target \(3,\) float32"):
        F.hinge_loss(X, torch.zeros(3))


@pytest.mark.parametrize("reduction", ["none", "sum", "mean"])
@pytest.mark.parametrize(("ours", "target"), [(F.multi_margin_loss, (0,)), (F.multilabel_margin_loss, (0, 3))])
def test_margins_of_no_samples_are_defined(ours: Callable[..., Tensor], target: tuple[int], reduction: str) -> None:
    """torch returns what happens to lie in memory."""
    x = torch.zeros(0, 3, requires_grad=True)
    loss = ours(x, torch.zeros(target, dtype=torch.int64), reduction=reduction)
    if reduction == "none":
        assert loss.shape == (0,)
    else:
        assert loss.isnan() if reduction == "mean" else loss == 0
    (dx,) = torch.autograd.grad(loss.sum(), x)
    assert dx.shape == (0, 3)


@pytest.mark.parametrize("name", ["mse_loss", "l1_loss", "huber_loss"])
@pytest.mark.parametrize("reduction", ["none", "mean", "sum"])
@pytest.mark.parametrize("weighted", [False, True])
def test_half_precision_under_autocast_comes_out_as_torchs(name: str, reduction: str, weighted: bool) -> None:
    draws = torch.Generator().manual_seed(0)
    x, t, w = (torch.rand(3, 4, generator=draws).bfloat16().requires_grad_() for _ in range(3))
    given = {"reduction": reduction, "weight": w if weighted else None}
    with torch.autocast("cpu", torch.bfloat16):
        y, y_torch = (getattr(shelf, name)(x, t, **given) for shelf in (F, T))
    assert y.dtype == y_torch.dtype
    torch.testing.assert_close(y, y_torch)
    leaves = [x, t, w][: 3 if weighted else 2]
    torch.testing.assert_close(
        *(torch.autograd.grad(value.sum(), leaves) for value in (y, y_torch)), rtol=0.02, atol=1e-3
    )
