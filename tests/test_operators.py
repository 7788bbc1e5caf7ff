"""Every differentiable operator that torch's own tests know, on the tape and by hand: as in torch, or refused by name.

`python -m tests.test_operators` prints what comes of each.
"""

from __future__ import annotations

import itertools
import sys
import types
import unittest
import warnings
from collections.abc import Callable, Iterator
from typing import Any

import pytest
import torch
from torch import Tensor
from torch.utils._pytree import tree_flatten, tree_map

from manualgrad import Tape, by_hand
from manualgrad.formula import FormulaError

_KERNELS = "torch's own kernel of something that has a formula by the name that models call"
_COPIES = "a copy of what a view of another name shows"
_DECOMPOSITIONS = "a decomposition without a formula yet"
_SPARSE = "of sparse tensors"

# The operators without a formula, and those that have one for some of their arguments only: why.
REFUSED: dict[str, str] = {
    name: reason
    for reason, names in {
        _KERNELS: "_softmax_backward_data native_group_norm native_layer_norm native_batch_norm "
        "_batch_norm_with_update _native_batch_norm_legit _upsample_bilinear2d_aa max_pool2d_with_indices_backward "
        "slice _unsafe_masked_index torch.ops.aten._safe_softmax.default _unsafe_masked_index_put_accumulate "
        "native_dropout_backward grid_sampler_2d grid_sampler_3d",
        _COPIES: "expand_copy diagonal_copy alias_copy as_strided_copy narrow_copy view_copy permute_copy unbind_copy "
        "split_with_sizes_copy unfold_copy squeeze_copy unsqueeze_copy transpose_copy t_copy",
        _DECOMPOSITIONS: "lu lu_solve lu_unpack linalg.lu linalg.lu_factor linalg.lu_factor_ex linalg.lu_solve ormqr "
        "linalg.householder_product linalg.eig linalg.eigvals linalg.lstsq linalg.lstsq.grad_oriented linalg.pinv "
        "linalg.pinv.singular linalg.pinv.hermitian pinverse linalg.tensorinv linalg.tensorsolve triangular_solve",
        _SPARSE: "sparse.sampled_addmm sparse.mm.reduce to_sparse",
        "complex numbers of half size": "chalf",
        "QR of a matrix with more columns than rows": "qr linalg.qr",
        "all singular vectors of a matrix that is not square": "linalg.svd",
        "places in memory": "as_strided as_strided.partial_views as_strided_scatter",
        "a special function without a formula yet": "special.i0e special.i1 special.i1e special.xlog1py special.ndtri "
        "special.log_ndtr special.erfcx frexp nextafter",
        "not called by models": "gradient _segment_reduce.lengths _segment_reduce.offsets",
    }.items()
    for name in names.split()
}

# Those whose values or gradients are not torch's: why.
DIFFERENT: dict[str, str] = {
    "nn.functional.hardsigmoid": "torch multiplies by 1 / 6 in single precision",
    "nn.functional.ctc_loss": "torch's gradient is right for logarithms of probabilities only, with sum 1",
    "nn.functional.batch_norm": "torch takes an empty tensor without channels",
    "cholesky_solve": "torch has a gradient for the triangle that is not read",
    "cholesky_inverse": "torch has a gradient for the triangle that is not read",
    **dict.fromkeys(("normal", "normal.number_mean", "bernoulli"), "a draw has no gradient, where torch has 0"),
    "zero_": "what was set to 0 is constant, where torch has the gradient 0",
    "linalg.matrix_power": "the power 0 is constant, where torch has the gradient 0",
}


def operators() -> list[Any]:
    """torch's table. It imports a library of torch's own tests, of which it needs one class."""
    stub = types.ModuleType("expecttest")
    stub.TestCase = unittest.TestCase  # type: ignore[attr-defined]
    sys.modules.setdefault("expecttest", stub)
    from torch.testing._internal.common_methods_invocations import op_db

    return [op for op in op_db if op.supports_autograd]


def copied(arguments: Any) -> Any:
    """Leaves of their own."""
    return tree_map(
        lambda a: a.detach().clone().requires_grad_(a.requires_grad) if isinstance(a, Tensor) else a, arguments
    )


def tensors_in(value: Any) -> list[Tensor]:
    return [t for t in tree_flatten(value)[0] if isinstance(t, Tensor) and (t.is_floating_point() or t.is_complex())]


def leaves_in(arguments: Any) -> list[Tensor]:
    return [t for t in tensors_in(arguments) if t.requires_grad]


def cases(op: Any) -> Iterator[tuple[Callable[..., Any], Any]]:
    """The function, the method and the operator, each with a dozen arguments of torch's."""
    dtype = torch.float64 if torch.float64 in op.dtypes else torch.complex128
    if dtype not in op.dtypes:
        return
    for call in dict.fromkeys(f for f in (op.op, op.method_variant, op.operator_variant) if f):
        for s in itertools.islice(op.sample_inputs("cpu", dtype, requires_grad=True), 12):
            yield call, ((s.input, *s.args), s.kwargs)


def outcome(op: Any) -> str:
    """ "right", "refused", "different", or "" where torch has nothing to compare with."""
    seen = set()
    for call, arguments in cases(op):
        try:
            args, keywords = copied(arguments)
            torch.manual_seed(0)
            y = [o for o in tensors_in(call(*args, **keywords)) if o.requires_grad]
            dys = [torch.linspace(0.5, 1.5, o.numel(), dtype=o.dtype).view(o.shape) for o in y]
            dxs = torch.autograd.grad(y, leaves_in((args, keywords)), dys, allow_unused=True)
        except Exception:  # torch has no derivative, or none here
            continue
        for gradients in (on_the_tape, under_by_hand):
            args, keywords = copied(arguments)
            try:
                torch.manual_seed(0)
                ours, ours_dxs = gradients(call, args, keywords, dys)
            except FormulaError:
                seen.add("refused")
                continue
            except Exception:
                seen.add("different")
                continue
            pairs = [*zip(ours, y, strict=False), *zip(ours_dxs, dxs, strict=True)]
            is_same = len(ours) == len(y) and all(itertools.starmap(close, pairs))
            seen.add("right" if is_same else "different")
    return next((word for word in ("different", "refused", "right") if word in seen), "")


def on_the_tape(call: Any, args: Any, keywords: Any, dys: list[Tensor]) -> tuple[list[Tensor], list[Any]]:
    with Tape() as tape:
        y = call(*args, **keywords)
    ours = [o for o in tensors_in(y) if tape.tracks(o)]
    for k, (o, dy) in enumerate(zip(ours, dys, strict=True)):
        tape.backward(o, dy, retain=k + 1 < len(dys))
    return ours, [leaf.grad for leaf in leaves_in((args, keywords))]


def under_by_hand(call: Any, args: Any, keywords: Any, dys: list[Tensor]) -> tuple[list[Tensor], list[Any]]:
    with by_hand():
        y = call(*args, **keywords)
    ours = [o for o in tensors_in(y) if o.requires_grad]
    return ours, list(torch.autograd.grad(ours, leaves_in((args, keywords)), dys, allow_unused=True))


def close(a: Tensor | None, b: Tensor | None) -> bool:
    """Whether two tensors are equal, but for rounding; no gradient is as good as 0."""
    if a is None or b is None:
        return not any(t.any() for t in (a, b) if t is not None)
    return a.shape == b.shape and torch.allclose(a, b, rtol=1e-8, atol=1e-9, equal_nan=True)


def outcomes() -> dict[str, str]:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return {
            f"{op.name}.{op.variant_test_name}" if op.variant_test_name else op.name: outcome(op) for op in operators()
        }


@pytest.mark.slow
def test_every_operator_of_torch_is_right_or_refused() -> None:
    found = outcomes()
    assert {name for name, word in found.items() if word == "refused"} == set(REFUSED)
    assert {name for name, word in found.items() if word == "different"} == set(DIFFERENT)
    assert sum(word == "right" for word in found.values()) >= 450


if __name__ == "__main__":
    found = outcomes()
    for word in ("right", "different", "refused", ""):
        names = [name for name, w in found.items() if w == word]
        print(f"{word or 'nothing to compare with'}: {len(names)}\n    {' '.join(names)}\n")
