"""What is no tensor is refused where a tensor belongs: by every public function, with its name and the argument's."""

from __future__ import annotations

import inspect
import pickle
import re
import warnings
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from manualgrad import functional
from manualgrad.catalogue import BY_NAME, Sample
from manualgrad.catalogue.row import complex_normal, integers, normal, sample

WRONG = {"None": None, "string": "x", "list": [1.0, 2.0], "number": 1.5, "array": np.ones((2, 3))}

# Functions without a row, which are made of others.
COMPOSED: dict[str, tuple[Callable[..., Any], tuple[Sample, ...]]] = {
    "index_copy": (torch.index_copy, (sample(normal(3, 2), 0, integers([1]), normal(1, 2)),)),
    "index_fill": (torch.index_fill, (sample(normal(3, 2), 0, integers([1]), normal()),)),
    "masked_select": (torch.masked_select, (sample(normal(2), integers([True, False])),)),
    "meshgrid": (torch.meshgrid, (sample(normal(2), normal(3), indexing="ij"),)),
    "multi_head_attention_forward": (
        torch.nn.functional.multi_head_attention_forward,
        (
            sample(
                *(normal(3, 2, 4) for _ in range(3)),
                *(4, 2, normal(12, 4), normal(12), None, None, False, 0.0, normal(4, 4), normal(4)),
                attn_mask=normal(3, 3),
            ),
        ),
    ),
    "outer": (torch.outer, (sample(normal(2), normal(3)),)),
    "repeat_interleave": (torch.repeat_interleave, (sample(normal(2), integers([2, 3])),)),
    "std_mean": (torch.std_mean, (sample(normal(3)), sample(normal(3, 2), 0))),
    "triplet_margin_with_distance_loss": (
        torch.nn.functional.triplet_margin_with_distance_loss,
        (sample(normal(2, 3), normal(2, 3), normal(2, 3)),),
    ),
    "var_mean": (torch.var_mean, (sample(normal(3)), sample(normal(3, 2), 0))),
}

_X, _A, _V = normal(3, 4), normal(3, 3), normal(4)
_TWO = integers([0, 2])
COMPOSED |= {
    name: (next(getattr(place, name) for place in (torch.fft, torch, torch.linalg) if hasattr(place, name)), (case,))
    for name, case in {
        **dict.fromkeys(("hstack", "vstack", "dstack"), sample([_X, _X])),
        **dict.fromkeys(("fft", "ifft", "rfft", "fftn", "ifftn", "rfftn", "ihfft", "ihfftn"), sample(_X)),
        **dict.fromkeys(("irfft", "irfftn", "hfft", "hfftn", "fftshift", "ifftshift"), sample(_X)),
        **dict.fromkeys(("fliplr", "flipud", "rot90", "diagflat", "trace", "diff", "angle", "real"), sample(_X)),
        **dict.fromkeys(("nansum", "nanmean", "aminmax", "corrcoef", "combinations"), sample(_V)),
        "addbmm": sample(_A, normal(2, 3, 4), normal(2, 4, 3)),
        "addmv": sample(normal(3), _X, _V),
        "addr": sample(_X, normal(3), _V),
        "atleast_1d": sample(_X),
        "atleast_2d": sample(_X),
        "atleast_3d": sample(_X),
        "block_diag": sample(_X, _A),
        "cartesian_prod": sample(_V, _V),
        **dict.fromkeys(("det", "logdet", "svdvals", "cholesky_inverse"), sample(_A)),
        "eigvalsh": sample(_A),
        "cholesky_solve": sample(_X, _A),
        "matrix_power": sample(_A, 2),
        "chain_matmul": sample(_A, _X),
        "column_stack": sample([_X, _A]),
        "complex": sample(_X, _X),
        "cumulative_trapezoid": sample(_X),
        "diagonal_scatter": sample(_X, normal(3)),
        "dsplit": sample(normal(2, 2, 2), 2),
        "hsplit": sample(_X, 2),
        "imag": sample(complex_normal(3)),
        "index_put": sample(_X, [_TWO], _V),
        "inner": sample(_X, _V),
        "masked_scatter": sample(_V, integers([True, False, True, False]), _V),
        "multi_dot": sample([_A, _X]),
        "nanquantile": sample(_V, 0.5),
        "polar": sample(_X, _X),
        "put": sample(_X, _TWO, normal(2)),
        "select_scatter": sample(_X, _V, 0, 1),
        "slice_scatter": sample(_X, normal(1, 4), 0, 1, 2),
        "stft": sample(normal(8), 4, return_complex=True),
        "istft": sample(complex_normal(3, 4), 4),
        "take": sample(_X, _TWO),
        "take_along_dim": sample(_X, integers([[0], [1], [2]]), 1),
        "tensor_split": sample(_X, 2),
        "trapezoid": sample(_X),
        "vander": sample(_V),
        "vecdot": sample(_X, _X),
        "vsplit": sample(_X, 3),
    }.items()
}


def torchs(name: str) -> tuple[Callable[..., Any], tuple[Sample, ...]]:
    """The twin of a public function, and arguments to try."""
    if name in COMPOSED:
        return COMPOSED[name]
    row = BY_NAME[name.removesuffix("_")]
    return getattr(torch.nn.functional, name) if name.endswith("_") else row.twin, row.samples


def places(value: Any) -> Iterator[Callable[[Any], Any]]:
    """Ways to put something else where the argument, or the arguments in it, are tensors."""
    if isinstance(value, Tensor):
        yield lambda other: other
    elif isinstance(value, (list, tuple)):
        for k, part in enumerate(value):
            if isinstance(part, Tensor):
                yield lambda other, k=k: type(value)([*value[:k], other, *value[k + 1 :]])  # type: ignore[misc]


def outcome(function: Callable[..., Any], given: inspect.BoundArguments) -> Exception | None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            function(*given.args, **given.kwargs)
        except Exception as error:
            return error
    return None


@pytest.mark.parametrize("name", [name for name, thing in vars(functional).items() if inspect.isfunction(thing)])
def test_what_is_no_tensor_is_refused_by_name(name: str) -> None:
    function = getattr(functional, name)
    twin, samples = torchs(name)
    is_torchs = not (twin.__module__ or "").startswith("manualgrad")
    signature = inspect.signature(function)
    for case in samples:
        args, keywords = case.draw(torch.float32)
        given = signature.bind(*args, **keywords)
        for argument, value in list(given.arguments.items()):
            for put in places(value):
                for kind, wrong in WRONG.items():
                    given.arguments[argument] = put(wrong)
                    error, theirs = outcome(function, given), outcome(twin, given)
                    what = f"{argument} is {kind}: {error!r} for {theirs!r}"
                    if error is None or (theirs is None and is_torchs):
                        assert error is theirs, what
                        continue
                    assert isinstance(error, TypeError) or type(error) is type(theirs) is not AttributeError, what
                    if signature.parameters[argument].annotation not in ("Any", Any):
                        assert re.match(rf"{name}: .*\b{argument}\b", str(error)), what
            given.arguments[argument] = value


def test_a_public_function_is_still_the_one_that_it_was() -> None:
    functions = [f for f in vars(functional).values() if inspect.isfunction(f)]
    assert all(pickle.loads(pickle.dumps(f)) is f for f in functions)
    assert len({id(f.__code__) for f in functions}) == len(functions), "Dynamo would take one for another"


@pytest.mark.parametrize(
    "warns",
    [
        lambda: functional.softmax(torch.ones(2)),
        lambda: functional.log_softmax(torch.ones(2)),
        lambda: functional.softmin(torch.ones(2)),
        lambda: functional.dropout2d(torch.ones(2, 2)),
        lambda: functional.dropout3d(torch.ones(2, 2)),
        lambda: functional.gumbel_softmax(torch.ones(2), eps=1e-3),
        lambda: functional.embedding_bag(torch.ones(2, 2), torch.tensor([[0]])),
        lambda: functional.kl_div(torch.ones(2), torch.ones(2)),
        lambda: functional.upsample(torch.ones(1, 1, 2), scale_factor=2),
        lambda: functional.upsample_nearest(torch.ones(1, 1, 2, 2), scale_factor=2),
        lambda: functional.upsample_bilinear(torch.ones(1, 1, 2, 2), scale_factor=2),
    ],
)
def test_a_warning_points_to_the_caller(warns: Callable[[], Any]) -> None:
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        warns()
    assert [warning.filename for warning in caught] == [__file__]
