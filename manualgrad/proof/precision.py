"""Other numbers: half precision, autocast, the very large and the very small; and the bytes that are kept."""

from __future__ import annotations

import contextlib
import math
from typing import Any

import torch
from torch import Tensor

from manualgrad.catalogue import Row, Sample
from manualgrad.formula import HALF
from manualgrad.proof.comparing import (
    Arguments,
    Function,
    call,
    each,
    gradients_of,
    leaves_of,
    random_like,
    same,
    with_leaves,
)

# What torch says where it has no kernel for half precision.
_NO_KERNEL = (
    *("not implemented for", "Unsupported dtype", "only supported for", "must be either float or double"),
    "Low precision dtypes not supported",
)


def low_precision(row: Row) -> None:
    """In bfloat16 and float16 the error of values and gradients is at most 1.5 times torch's."""
    for dtype in sorted(HALF, key=str):
        for what, s in each(row.samples[:2], row):
            arguments = s.draw(seed=row.seed)
            if any(t.is_complex() for t in (*leaves_of(arguments), *call(row.twin, arguments))):
                continue  # there are no halves of them
            errors, scales = [[0.0, 0.0], [0.0, 0.0]], [0.0, 0.0]  # of squares: torch's, ours; values, gradients
            for seed in range(20):
                try:
                    rounded = [_in_dtype(f, s, dtype, row.seed + seed) for f in (row.twin, row.function)]
                except RuntimeError as error:
                    if any(words in str(error) for words in _NO_KERNEL):  # of this dtype: nothing to compare
                        break
                    raise
                truth = _in_dtype(row.truth, s, dtype, row.seed + seed, exact=True)
                for k in range(2):
                    scales[k] += sum(float(t.square().sum()) for t in truth[k])
                    for total, result in zip(errors, rounded, strict=True):
                        pairs = zip(result[k], truth[k], strict=True)
                        total[k] += sum(float((r.double() - t).square().sum()) for r, t in pairs)
                if seed >= 4 and all(mine <= torchs for torchs, mine in zip(*errors, strict=True)):
                    break  # no worse than torch so far: only a formula that is needs the other draws
            for k, part in enumerate(("values", "gradients")):
                torchs, mine = (math.sqrt(e[k]) for e in errors)
                limit = 1.5 * torchs + torch.finfo(dtype).eps / 8 * math.sqrt(scales[k])
                assert mine <= limit or math.isnan(torchs), (
                    f"{what}, {dtype}: error of the {part} {mine:.3g}, torch's {torchs:.3g}"
                )


def _in_dtype(function: Function, s: Sample, dtype: torch.dtype, seed: int, exact: bool = False) -> list[list[Tensor]]:
    """Values and gradients computed in `dtype`, or exactly (in float64) from the same rounded arguments."""
    args, keywords = s.draw(dtype, seed)
    if exact:
        leaves = [leaf.detach().double().requires_grad_() for leaf in leaves_of((args, keywords))]
        args, keywords = with_leaves((args, keywords), leaves)
        args = [a.double() if isinstance(a, Tensor) and a.dtype == dtype else a for a in args]
        keywords = {k: v.double() if isinstance(v, Tensor) and v.dtype == dtype else v for k, v in keywords.items()}
    outputs = call(function, (args, keywords))
    flowing = [o for o in outputs if o.requires_grad]
    dys = [d.to(o.dtype) for o, d in zip(flowing, random_like(flowing, seed, dtype), strict=True)]
    dxs = torch.autograd.grad(flowing, leaves_of((args, keywords)), dys, allow_unused=True)
    return [[o.detach() for o in outputs], [d for d in dxs if d is not None]]


def autocast(row: Row) -> None:
    """Under torch.autocast: the same dtypes as torch's function, and the gradients arrive in the inputs' dtype."""
    for what, s in each(row.samples[:2], row):
        results: list[Any] = []
        for f in (row.function, row.twin, row.truth):
            arguments = s.draw(torch.float32, row.seed)
            try:
                with torch.autocast("cpu", dtype=torch.bfloat16):
                    outputs = call(f, arguments)
            except RuntimeError as error:
                results.append(type(error))
                continue
            flowing = [o for o in outputs if o.requires_grad]
            dxs = torch.autograd.grad(flowing, leaves_of(arguments), random_like(flowing, 1), allow_unused=True)
            results.append([*outputs, *(d for d in dxs if d is not None)])
        if isinstance(results[1], type):
            continue
        for a, b, c in zip(*results, strict=True):
            assert a.dtype == b.dtype, f"{what}: {a.dtype} for {b.dtype}"
            torch.testing.assert_close(a.detach(), c.detach().to(a.dtype), rtol=0.1, atol=0.1, equal_nan=True)


def extremes(row: Row) -> None:
    """Large and small arguments give what torch gives, finite wherever torch is, in float64 and float32."""
    for dtype in (torch.float64, torch.float32):
        for what, s in each(row.extremes, row):
            results = [gradients_of(f, s.draw(dtype, row.seed)) for f in (row.function, row.truth)]
            for a, b in zip((*results[0][0], *results[0][1]), (*results[1][0], *results[1][1]), strict=True):
                assert (a is None) == (b is None), f"{what}: {a} for {b}"
                if a is not None and b is not None:
                    finite = torch.isfinite(b)
                    assert torch.isfinite(a)[finite].all(), f"{what}, {dtype}: {a} where torch has {b}"
                    same(a[finite], b[finite], what, rtol=1e-5, atol=1e-6)


def bytes_saved(row: Row) -> None:
    """The bytes kept for the backward pass are at most torch's."""
    for what, s in each(row.samples, row):
        mine, torchs = (saved_bytes(f, s.draw(torch.float32, row.seed)) for f in (row.function, row.twin))
        assert mine <= torchs, f"{what}: {mine} bytes, torch {torchs}"


def saved_bytes(function: Function, arguments: Arguments) -> int:
    """Bytes of the storages that autograd keeps alive for the backward pass, each counted once."""
    kept: dict[int, int] = {}

    def pack(tensor: Tensor) -> Tensor:
        storage = tensor.untyped_storage()
        kept[storage._cdata] = storage.nbytes()
        alive.append(tensor)
        return tensor

    alive: list[Tensor] = []
    with torch.autograd.graph.saved_tensors_hooks(pack, lambda t: t):
        outputs = call(function, arguments)
    del outputs
    return sum(kept.values())


def complex_numbers(row: Row) -> None:
    """Complex arguments: the gradients are torch's and, where torch has none, right; or the function refuses them."""
    for what, s in each(row.samples[:3], row):
        try:
            call(row.function, s.draw(torch.complex128, row.seed))
        except (RuntimeError, TypeError, ValueError):  # that the backward pass raises would not do
            continue
        y, dx = gradients_of(row.function, s.draw(torch.complex128, row.seed))
        with contextlib.suppress(RuntimeError):  # torch's own derivative may be for real numbers only
            y_torch, dx_torch = gradients_of(row.twin, s.draw(torch.complex128, row.seed))
            for a, b in zip((*y, *dx), (*y_torch, *dx_torch), strict=True):
                same(a, b, f"{what}, complex", rtol=1e-9, atol=1e-11)
        arguments = s.draw(torch.complex128, row.seed)
        leaves = leaves_of(arguments)
        if s is row.samples[0] and not row.surrogate:

            def f(*values: Tensor, arguments: Arguments = arguments) -> Any:
                return tuple(call(row.function, with_leaves(arguments, values)))

            torch.autograd.gradcheck(f, leaves, check_forward_ad=True, fast_mode=True)
