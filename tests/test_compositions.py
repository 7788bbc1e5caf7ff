"""Functions of torch that are several of our formulas: values and gradients by the tape and by hand are torch's."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor

from manualgrad import Tape, by_hand
from manualgrad.formula import FormulaError


def drawn(*shape: int, seed: int = 0) -> Tensor:
    generator = torch.Generator().manual_seed(seed + sum(shape))
    return torch.randn(shape, generator=generator, dtype=torch.float64).requires_grad_()


def tensors_of(y: Any) -> list[Tensor]:
    return [o for o in (y if isinstance(y, (tuple, list)) else (y,)) if o.is_floating_point() or o.is_complex()]


def upstream(y: Tensor) -> Tensor:
    return torch.linspace(0.5, 1.5, y.numel(), dtype=y.dtype).view(y.shape)


def assert_as_torch(code: Callable[..., Any]) -> None:
    """`code` of a matrix, a square one and a vector: values and gradients are torch's on the tape and by hand."""

    def fresh() -> list[Tensor]:
        return [drawn(3, 4), drawn(3, 3), drawn(4)]

    leaves = fresh()
    torch.manual_seed(0)
    expected = tensors_of(code(*leaves))
    dys = list(map(upstream, expected))
    gradients = torch.autograd.grad(expected, leaves, dys, allow_unused=True)

    by_us = fresh()
    torch.manual_seed(0)
    with by_hand():
        ours = tensors_of(code(*by_us))
    ours_gradients = torch.autograd.grad(ours, by_us, dys, allow_unused=True)

    taped = fresh()
    torch.manual_seed(0)
    with Tape() as tape:
        recorded = tensors_of(code(*taped))
    for k, (y, dy) in enumerate(zip(recorded, dys, strict=True)):
        tape.backward(y, dy, retain=k + 1 < len(dys))

    for found, found_gradients in ((ours, ours_gradients), (recorded, [leaf.grad for leaf in taped])):
        torch.testing.assert_close([y.detach() for y in found], [y.detach() for y in expected], equal_nan=True)
        for a, b in zip(found_gradients, gradients, strict=True):
            if a is None or b is None:
                assert not any(g.any() for g in (a, b) if g is not None)
            else:
                torch.testing.assert_close(a, b, equal_nan=True)


ONES = torch.ones(3, 4, dtype=torch.float64)
EVERY_SECOND = torch.arange(12).view(3, 4) % 2 == 0
PLACES = torch.tensor([[0, 3], [1, -1], [2, 2]])
WITH_NAN = torch.tensor([[torch.nan, 0.0, 0.0, 0.0]]).expand(3, 4).double()

COMPOSITIONS: dict[str, Callable[[Tensor, Tensor, Tensor], Any]] = {
    # side by side
    "atleast_1d": lambda x, a, v: torch.atleast_1d(v[0] * 2),
    "atleast_2d": lambda x, a, v: torch.atleast_2d(v * 2, x, v[0]),
    "atleast_3d": lambda x, a, v: torch.atleast_3d([v * 2, x, v[0], x.view(1, 3, 4)]),
    "hstack": lambda x, a, v: torch.hstack([x, a]),
    "hstack of vectors": lambda x, a, v: torch.hstack((v, v[0], v[:0])),
    "vstack": lambda x, a, v: torch.vstack([x, v, x[:0]]),
    "row_stack": lambda x, a, v: torch.row_stack([v, v[:1].expand(4)]),
    "dstack": lambda x, a, v: torch.dstack([x, x * 2]),
    "dstack of vectors": lambda x, a, v: torch.dstack([v, v]),
    "column_stack": lambda x, a, v: torch.column_stack([x, a, v[:3]]),
    "block_diag": lambda x, a, v: torch.block_diag(x, a, v, v[0]),
    "x.tensor_split(2)": lambda x, a, v: x.tensor_split(2, 1),
    "tensor_split by indices": lambda x, a, v: torch.tensor_split(x, (1, 3), dim=-1),
    "tensor_split by a tensor": lambda x, a, v: torch.tensor_split(x, torch.tensor([2, 1]), dim=1),
    "x.tensor_split(indices=)": lambda x, a, v: x.tensor_split(indices=(-1,)),
    "hsplit": lambda x, a, v: (*torch.hsplit(x, 2), *v.hsplit([1, 2])),
    "vsplit": lambda x, a, v: x.vsplit(3),
    "dsplit": lambda x, a, v: torch.dsplit(x.view(1, 3, 4), 2),
    "split_with_sizes": lambda x, a, v: x.split_with_sizes((1, 3), 1),
    "unsafe_split": lambda x, a, v: torch.unsafe_split(x, 2, 0),
    "unsafe_chunk": lambda x, a, v: x.unsafe_chunk(2, 1),
    "cartesian_prod": lambda x, a, v: torch.cartesian_prod(v, x[0], a[0]),
    "cartesian_prod of one": lambda x, a, v: torch.cartesian_prod(v * 1),
    "combinations": lambda x, a, v: torch.combinations(v, 3),
    "combinations with replacement": lambda x, a, v: torch.combinations(v, 2, with_replacement=True),
    # elsewhere
    "fliplr": lambda x, a, v: x.fliplr() + torch.flipud(x),
    "rot90": lambda x, a, v: [torch.rot90(x, k) for k in (-1, 0, 1, 2, 7)],
    "rot90 of other dimensions": lambda x, a, v: x.view(3, 2, 2).rot90(1, (2, 0)),
    "diagflat": lambda x, a, v: torch.diagflat(x, -1),
    "sum_to_size": lambda x, a, v: (x.sum_to_size(3, 1), x.sum_to_size((4,)), x.sum_to_size(3, 4)),
    "trace": lambda x, a, v: (torch.trace(x), a.trace()),
    "diff": lambda x, a, v: (torch.diff(x), x.diff(2, 0), v.diff(5), x.diff(dim=1, prepend=x[:, :1], append=a)),
    "trapezoid": lambda x, a, v: (torch.trapezoid(x, v), torch.trapz(x, dx=0.5, dim=0), torch.trapezoid(v)),
    "trapezoid at places of its own": lambda x, a, v: torch.trapezoid(x, x.exp(), dim=0),
    "cumulative_trapezoid": lambda x, a, v: torch.cumulative_trapezoid(x, v),
    "take_along_dim": lambda x, a, v: (torch.take_along_dim(x, PLACES, 1), x.take_along_dim(PLACES[:1], dim=-1)),
    "take_along_dim of all": lambda x, a, v: x.take_along_dim(PLACES + 1),
    "take": lambda x, a, v: x.take(PLACES),
    "put": lambda x, a, v: x.put(torch.tensor([1, -1, 5]), v[:3]),
    "put, added": lambda x, a, v: torch.put(x, torch.tensor([1, 1, -1]), v[:3], accumulate=True),
    "index_put": lambda x, a, v: x.index_put((torch.tensor([0, 2]),), v),
    "index_put, added": lambda x, a, v: torch.index_put(x, [torch.tensor([0, 0, 2])], v, accumulate=True),
    "index_put of one": lambda x, a, v: x.index_put(
        [torch.tensor([0, 0]), torch.tensor([1, 1])], v[0], accumulate=True
    ),
    "select_scatter": lambda x, a, v: torch.select_scatter(x, v, 0, -1),
    "slice_scatter": lambda x, a, v: x.slice_scatter(a[:, :2], 1, start=0, end=4, step=2),
    "diagonal_scatter": lambda x, a, v: torch.diagonal_scatter(x, v[:3], 1) + x.diagonal_scatter(v[:2], -1, 0, 1),
    "masked_scatter": lambda x, a, v: x.masked_scatter(EVERY_SECOND, a),
    "masked_scatter, broadcast": lambda x, a, v: v.masked_scatter(EVERY_SECOND, a),
    "masked_scatter of nothing": lambda x, a, v: torch.masked_scatter(x, EVERY_SECOND & ~EVERY_SECOND, v[:0]),
    "x.unfold": lambda x, a, v: (x.unfold(1, 3, 1), x.unfold(-2, 2, 1), v[0].unfold(0, 1, 1)),
    "index_fill, twice": lambda x, a, v: x.index_fill(1, torch.tensor([1, 1]), v[0]),
    "index_fill of a number": lambda x, a, v: v[0].index_fill(0, torch.tensor([0]), 2.0),
    "index_copy of a number": lambda x, a, v: v[0].index_copy(0, torch.tensor([0]), v[1]),
    "msort": lambda x, a, v: torch.msort(x),
    # products
    "tensordot": lambda x, a, v: (torch.tensordot(a, x, 1), torch.tensordot(x, x, dims=([0], [0]))),
    "inner": lambda x, a, v: (torch.inner(x, v), v.inner(v), torch.inner(v[0], x)),
    "linalg.vecdot": lambda x, a, v: torch.linalg.vecdot(x, v, dim=-1),
    "kron": lambda x, a, v: x.kron(v),
    "multi_dot": lambda x, a, v: torch.linalg.multi_dot([v, x.T, a, x]),
    "chain_matmul": lambda x, a, v: torch.linalg.multi_dot([a, a, x, x.T]),
    "addmv": lambda x, a, v: torch.addmv(a[0], x, v, beta=0.5, alpha=2),
    "addmv, without": lambda x, a, v: torch.tensor(torch.nan).double().addmv(x, v, beta=0),
    "addr": lambda x, a, v: x.addr(a[0], v, alpha=-1),
    "addbmm": lambda x, a, v: x.addbmm(a.expand(2, 3, 3), x.expand(2, 3, 4)),
    "linalg.vander": lambda x, a, v: (torch.linalg.vander(v), torch.linalg.vander(v[0], N=3)),
    "cross": lambda x, a, v: (torch.cross(a, x[:, :3], dim=1), a.cross(a.exp(), dim=0)),
    "linalg.cross": lambda x, a, v: torch.linalg.cross(a, v[:3].unsqueeze(0)),
    "dist": lambda x, a, v: torch.dist(x, v, 3) + x.dist(v),
    "cdist": lambda x, a, v: torch.cdist(x, v.unsqueeze(0), p=1.0),
    # statistics
    "nansum": lambda x, a, v: (x + WITH_NAN).nansum(1),
    "nanmean": lambda x, a, v: torch.nanmean(x + WITH_NAN, 1, keepdim=True),
    "aminmax": lambda x, a, v: (*torch.aminmax(x, dim=1), *x.aminmax()),
    "cov": lambda x, a, v: (torch.cov(x), v.cov(correction=0)),
    "cov, weighted": lambda x, a, v: torch.cov(x, fweights=torch.tensor([1, 2, 0, 3]), aweights=v.exp(), correction=2),
    "corrcoef": lambda x, a, v: (x.corrcoef(), v.corrcoef()),
    "quantile": lambda x, a, v: (x.quantile(0.4), v.quantile(v.sigmoid(), interpolation="linear")),
    "quantile of nothing to speak of": lambda x, a, v: (v[0].quantile(0.4), (x + WITH_NAN).quantile(0.5, 1)),
    "quantile, rounded": lambda x, a, v: [
        torch.quantile(x, 0.4, 1, interpolation=i) for i in ("lower", "higher", "nearest", "midpoint")
    ],
    "nanquantile": lambda x, a, v: (x + WITH_NAN).nanquantile(torch.tensor([0.1, 0.9]).double(), 1, keepdim=True),
    "logcumsumexp of a number": lambda x, a, v: torch.logcumsumexp(v[0], 0),
    "median": lambda x, a, v: (x.median(), x.median(1).values, torch.nanmedian(x + WITH_NAN, dim=0, keepdim=True)[0]),
    "constant_pad_nd": lambda x, a, v: torch.constant_pad_nd(x, (1, 0, 0, 2), 3.0),
    "fill": lambda x, a, v: torch.fill(x, v[0]),
    "renorm": lambda x, a, v: (torch.renorm(x, 2, 0, 1.0), x.renorm(1, -1, 2.5)),
    # matrices
    "inverse": lambda x, a, v: torch.inverse(a) + a.inverse() + torch.linalg.inv(A=a) + torch.linalg.inv_ex(a)[0],
    "solve": lambda x, a, v: (
        torch.linalg.solve(a, x),
        torch.linalg.solve_ex(a, x).result,
        torch.linalg.solve(a, a[0]),
    ),
    "solve_triangular": lambda x, a, v: torch.linalg.solve_triangular(a.tril(-1), x, upper=False, unitriangular=True),
    "det": lambda x, a, v: (torch.det(a), torch.linalg.det(a), a.exp().logdet(), torch.slogdet(a)[1]),
    "cholesky": lambda x, a, v: torch.linalg.cholesky_ex(a @ a.T, upper=True)[0],
    "cholesky_solve": lambda x, a, v: torch.cholesky_solve(x, torch.linalg.cholesky(a @ a.T)),
    "cholesky_inverse": lambda x, a, v: torch.linalg.cholesky(a @ a.T, upper=True).cholesky_inverse(upper=True),
    "eigh": lambda x, a, v: (torch.linalg.eigh(a + a.T)[1].abs(), torch.linalg.eigvalsh(a @ a.T)),
    "svd": lambda x, a, v: (
        x.svd().U.abs(),
        torch.linalg.svd(x, full_matrices=False)[2].abs(),
        torch.linalg.svdvals(x),
    ),
    "qr": lambda x, a, v: (torch.linalg.qr(x.T).Q, torch.linalg.qr(a, mode="complete")[1]),
    "matrix_exp": lambda x, a, v: torch.matrix_exp(a) + a.matrix_exp(),
    "matrix_power": lambda x, a, v: (a.matrix_power(5), torch.linalg.matrix_power(a, -2), torch.matrix_power(a, 1) * 1),
    "cond": lambda x, a, v: (torch.linalg.cond(x), torch.linalg.cond(a, -2)),
    # special functions
    "polygamma": lambda x, a, v: torch.polygamma(1, x.exp()) + x.exp().polygamma(2),
    "mvlgamma": lambda x, a, v: torch.mvlgamma(x.exp() + 2, 3),
    "entr": lambda x, a, v: torch.special.entr(x),
    "ndtr": lambda x, a, v: torch.special.ndtr(x),
    "degrees": lambda x, a, v: torch.deg2rad(x) + x.rad2deg(),
    "frac": lambda x, a, v: x.frac(),
    "ldexp": lambda x, a, v: torch.ldexp(x, v),
    "float_power": lambda x, a, v: x.exp().float_power(v) + torch.float_power(2.0, x),
    "xlogy with a number": lambda x, a, v: torch.xlogy(x, 2.0) + torch.xlogy(2.0, x.exp()),
    "pad_sequence": lambda x, a, v: (
        torch.nn.utils.rnn.pad_sequence([x, a[:2, :1] * x[:2]], batch_first=True, padding_value=2.0),
        torch.nn.utils.rnn.pad_sequence([v, v[:1]], padding_side="left"),
    ),
    "a Laplace distribution": lambda x, a, v: torch.distributions.Laplace(x, v.exp()).rsample(),
    "a beta distribution": lambda x, a, v: torch.distributions.Beta(x.exp(), v.exp()).log_prob(ONES / 3),
    "a draw": lambda x, a, v: x * torch.bernoulli(torch.sigmoid(x * 1e9)) + torch.normal(0 * x, 0.0),
    # Fourier transforms and complex numbers
    "fft": lambda x, a, v: (torch.fft.fft(x), torch.fft.ifft(x, 6, 0, "ortho"), torch.fft.fft(x, 2)),
    "rfft": lambda x, a, v: (torch.fft.rfft(x), torch.fft.irfft(torch.fft.rfft(a), n=3)),
    "fft2": lambda x, a, v: (
        torch.fft.fft2(x),
        torch.fft.ifft2(x, norm="forward"),
        torch.fft.irfft2(torch.fft.rfft2(x)),
    ),
    "fftn": lambda x, a, v: (torch.fft.fftn(x), torch.fft.rfftn(x, (2, 6)), torch.fft.irfftn(x, (5,))),
    "hfft": lambda x, a, v: (torch.fft.hfft(x), torch.fft.ihfft(x, norm="ortho"), torch.fft.ihfftn(a)),
    "fftshift": lambda x, a, v: torch.fft.fftshift(x) + torch.fft.ifftshift(x, 1),
    "stft": lambda x, a, v: (
        torch.stft(x, 3, 1, window=a[0], return_complex=True),
        v.stft(4, window=x[0], return_complex=True, normalized=True, onesided=False),
        torch.stft(x, 4, 2, 2, v[:2], center=False, return_complex=True),
    ),
    "istft": lambda x, a, v: (
        torch.istft(torch.complex(a, a.exp()), 4, 2, window=v.exp()),
        torch.istft(
            torch.complex(x.T, x.T), 4, 1, window=v.exp(), normalized=True, onesided=False, length=3, center=False
        ),
        torch.complex(x.T, x.T).istft(4, 1, 4, v.exp(), return_complex=True, onesided=False),
    ),
    "to complex numbers": lambda x, a, v: (x.to(torch.complex64).abs(), x.to(torch.complex128).angle() + x),
    "a filter": lambda x, a, v: torch.fft.irfft(torch.fft.rfft(x) * torch.fft.rfft(v), n=4),
    "rotary embedding": lambda x, a, v: torch.view_as_real(
        torch.view_as_complex(x.reshape(3, 2, 2)) * torch.polar(torch.ones_like(v[:2]), v[:2])
    ).flatten(1),
    "complex": lambda x, a, v: (
        torch.complex(x, v).abs(),
        torch.complex(x, v).angle(),
        torch.complex(x, v).conj().imag,
    ),
    "real": lambda x, a, v: torch.real(torch.complex(x, v)) + x.real,
    "angle of real numbers": lambda x, a, v: x.angle() + x,
}


@pytest.mark.filterwarnings("ignore:index_reduce")  # torch's, of a function that may change
@pytest.mark.parametrize("how", ["prod", "mean", "amax", "amin"])
def test_index_reduce(how: str) -> None:
    assert_as_torch(lambda x, a, v: x.index_reduce(1, torch.tensor([0, 2, 0]), a, how, include_self=False))


@pytest.mark.filterwarnings("ignore:A window was not provided")
def test_transforms_without_a_window() -> None:
    assert_as_torch(lambda x, a, v: torch.stft(v, 4, 2, return_complex=True))
    assert_as_torch(lambda x, a, v: torch.istft(torch.complex(a, a), 4, 2))


@pytest.mark.parametrize("name", COMPOSITIONS)
def test_as_in_torch(name: str) -> None:
    assert_as_torch(COMPOSITIONS[name])


REFUSED: dict[str, tuple[Callable[[Tensor, Tensor, Tensor], Any], str]] = {
    "block_diag": (lambda x, a, v: torch.block_diag(x.view(1, 3, 4)), "at most two dimensions"),
    "tensor_split": (lambda x, a, v: torch.tensor_split(x, 0), "at least 1"),
    "hsplit": (lambda x, a, v: torch.hsplit(x, 3), "3 parts do not divide"),
    "dsplit": (lambda x, a, v: torch.dsplit(x, 2), "at least 3 dimensions"),
    "trace": (lambda x, a, v: torch.trace(v), "must be a matrix"),
    "diff": (lambda x, a, v: torch.diff(v[0] * 1), "at least one dimension"),
    "masked_scatter": (lambda x, a, v: torch.masked_scatter(x, EVERY_SECOND, v), "6 places, source only 4"),
    "select_scatter": (lambda x, a, v: torch.select_scatter(x, v[:3], 0, 0), r"the shape \(4,\) of its place"),
    "tensordot": (lambda x, a, v: torch.tensordot(x, a, 1), "must be of one size"),
    "inner": (lambda x, a, v: torch.inner(x, a), "last sizes must be equal"),
    "multi_dot": (lambda x, a, v: torch.linalg.multi_dot([x]), "two matrices or more"),
    "cross": (lambda x, a, v: torch.cross(v, v, dim=0), r"cross: .*given input \(4,\)"),
    "quantile": (lambda x, a, v: torch.quantile(x, 0.5, interpolation="cubic"), "'cubic'"),
    "rfft": (lambda x, a, v: torch.fft.rfft(x, norm="half"), "norm must be"),
    "imag": (lambda x, a, v: torch.imag(x), "only supported for complex"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_does_not_fit_is_refused_with_a_reason(name: str) -> None:
    code, message = REFUSED[name]
    with by_hand(), pytest.raises((RuntimeError, ValueError), match=message):
        code(drawn(3, 4), drawn(3, 3), drawn(4))


def test_a_number_modulo_a_tensor_of_which_torch_has_no_derivative() -> None:
    x = drawn(3, 4)
    expected = torch.remainder(torch.full_like(x, 2.0), x)
    (dx,) = torch.autograd.grad(expected, x, upstream(expected))
    with Tape() as tape:
        y = 2 % x
    tape.backward(y, upstream(y))
    assert torch.equal(y, expected)
    torch.testing.assert_close(x.grad, dx)
    with by_hand():
        y = torch.remainder(2, x)
    torch.testing.assert_close(torch.autograd.grad(y, x, upstream(y)), (dx,))


def test_a_floor_of_a_quotient_has_the_derivative_0_which_torch_has_not() -> None:
    x, v = drawn(3, 4), drawn(4)
    with Tape() as tape:
        y = x + x // 2 + 2 // x + torch.floor_divide(x, v)
    tape.backward(y, upstream(y))
    assert torch.equal(y, x + x // 2 + 2 // x + torch.floor_divide(x, v))
    assert x.grad is not None
    assert torch.equal(x.grad, upstream(y))
    assert v.grad is not None
    assert not v.grad.any()


def test_steps_and_counts_are_constant() -> None:
    x = drawn(3, 4)
    with Tape() as tape:
        y = (x * torch.heaviside(x, torch.zeros_like(x))).sum() + x.histc(3).sum()
    tape.backward(y)
    assert x.grad is not None
    assert torch.equal(x.grad, (x > 0).double())


def test_scatter_reduce_of_more_values_than_it_takes_for_which_torch_fails() -> None:
    x, src, index = drawn(3, 4), drawn(4, 5), torch.tensor([[0, 0], [1, 0], [3, 2]])
    expected = torch.scatter_reduce(x, 1, index, src[:3, :2], "mean")
    gradients = torch.autograd.grad(expected, (x, src), upstream(expected))
    with by_hand():
        y = x.scatter_reduce(1, index, src, "mean")
    torch.testing.assert_close(torch.autograd.grad(y, (x, src), upstream(y)), gradients)


def test_one_hot_has_no_derivative_and_is_on_the_shelf() -> None:
    from manualgrad import functional as F

    classes = torch.tensor([0, 2])
    with Tape():
        assert torch.equal(F.one_hot(classes, 3), torch.nn.functional.one_hot(classes, 3))


def test_what_is_still_without_a_formula_is_refused_by_name() -> None:
    with Tape(), pytest.raises(FormulaError, match=r"torch\.linalg\.eig: the tape has no formula"):
        torch.linalg.eig(drawn(3, 3))
