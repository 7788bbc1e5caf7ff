"""Every argument of every module's constructor is tried at a value that is not its default, beside torch's module."""

from __future__ import annotations

import copy
import inspect
from collections.abc import Callable, Iterator
from types import ModuleType
from typing import Any

import pytest
import torch
from torch import Tensor
from torch.nn.modules.rnn import RNNBase

from manualgrad import nn
from manualgrad.catalogue import ROWS, Sample
from manualgrad.catalogue.row import Drop, normal

OURS = {
    name: kind for name, kind in vars(nn).items() if isinstance(kind, type) and kind.__module__.startswith("manualgrad")
}
OWN = ("HalfMSELoss", "HingeLoss")  # torch has no such modules; tests/test_losses.py has their arguments

# The modules of the catalogue, by class; those that find their sizes out at the first call, from those that are told.
DROPS: dict[str, list[Drop]] = {}
for _drop in (d for row in ROWS for d in row.modules):
    DROPS.setdefault(_drop.module.__name__, []).append(_drop)


# What the catalogue does not try: added to the arguments of the first of its modules of that class.
def _more() -> dict[str, list[dict[str, Any]]]:
    found: dict[str, list[dict[str, Any]]] = {}
    for name, kind in OURS.items():
        parameters = inspect.signature(kind).parameters
        if "inplace" in parameters:
            found.setdefault(name, []).append({"inplace": True})
        if "size_average" in parameters:
            found.setdefault(name, []).extend(({"size_average": False}, {"reduce": False}))
    still: dict[str, Any] = {"affine": False, "track_running_stats": False}
    for dims in (1, 2, 3):
        found[f"BatchNorm{dims}d"] = [{"bias": False, "eps": 0.1, "momentum": 0.3}, still]
        found[f"InstanceNorm{dims}d"] = [
            {"bias": False, "affine": True, "eps": 0.1},
            {"track_running_stats": True, "momentum": 0.3},
        ]
        found[f"ConvTranspose{dims}d"] = [{"bias": False}]
    found["GroupNorm"] = [{"bias": False}]
    found["Hardtanh"].append({"min_value": -0.5, "max_value": 0.25})
    for name, more in (("Embedding", {"_freeze": True}), ("EmbeddingBag", {})):
        found[name] = [{"_weight": normal(*DROPS[name][0].arguments[:2]), **more}]
    # The defaults of these are the opposite.
    lazy = {f"LazyInstanceNorm{d}d": [{"bias": False, "eps": 0.1, "momentum": 0.3}, still] for d in (1, 2, 3)}
    return (
        found
        | lazy
        | {f"Lazy{name}": more for name, more in found.items() if f"Lazy{name}" in OURS and "Instance" not in name}
    )


MORE = _more()

X, CONTEXT = normal(2, 3, 4), normal(2, 5, 4)
_LAYER = {
    "d_model": 4,
    "nhead": 2,
    "dim_feedforward": 6,
    "dropout": 0.3,
    "activation": "gelu",
    "layer_norm_eps": 1e-3,
    "batch_first": True,
    "norm_first": True,
    "bias": False,
}
# Modules that have other modules as arguments, or no row: their arguments, given the library, and their inputs.
BUILT: dict[str, list[tuple[Callable[[Any], dict[str, Any]], tuple[Any, ...]]]] = {
    "MultiheadAttention": [
        (
            lambda _: {
                "embed_dim": 4,
                "num_heads": 2,
                "dropout": 0.3,
                "bias": False,
                "add_zero_attn": True,
                "kdim": 3,
                "vdim": 5,
                "batch_first": True,
            },
            (X, normal(2, 5, 3), normal(2, 5, 5)),
        ),
        (lambda _: {"embed_dim": 4, "num_heads": 2, "add_bias_kv": True}, (X, X, X)),
    ],
    "RNN": [(lambda _: {"input_size": 4, "hidden_size": 3, "batch_first": True}, (X,))],
    "TransformerEncoderLayer": [(lambda _: _LAYER, (X,))],
    "TransformerDecoderLayer": [(lambda _: _LAYER, (X, CONTEXT))],
    "TransformerEncoder": [
        (
            lambda library: {
                "encoder_layer": library.TransformerEncoderLayer(**_LAYER),
                "num_layers": 2,
                "norm": library.LayerNorm(4),
                "enable_nested_tensor": False,
                "mask_check": False,
            },
            (X,),
        )
    ],
    "TransformerDecoder": [
        (
            lambda library: {
                "decoder_layer": library.TransformerDecoderLayer(**_LAYER),
                "num_layers": 2,
                "norm": library.LayerNorm(4),
            },
            (X, CONTEXT),
        )
    ],
    "Transformer": [
        (lambda _: {**_LAYER, "num_encoder_layers": 1, "num_decoder_layers": 2}, (X, CONTEXT)),
        (
            lambda library: {
                "d_model": 4,
                "nhead": 2,
                "custom_encoder": library.TransformerEncoder(library.TransformerEncoderLayer(4, 2, 6), 1),
                "custom_decoder": library.TransformerDecoder(library.TransformerDecoderLayer(4, 2, 6), 1),
            },
            (normal(3, 2, 4), normal(5, 2, 4)),
        ),
    ],
}


def calls(name: str) -> Iterator[tuple[tuple[Any, ...], dict[str, Any]]]:
    """The arguments that a class is tried with, in the catalogue or here."""
    told = DROPS.get(name.removeprefix("Lazy"), [])
    for d in told:
        yield d.arguments[name.startswith("Lazy") :], d.keywords
    for more in MORE.get(name, []):
        yield told[0].arguments[name.startswith("Lazy") :], {**told[0].keywords, **more}
    for keywords, _ in BUILT.get(name, []):
        yield (), keywords(torch.nn)


# torch warns of size_average and reduce, and tells when its encoder will not take its fast path.
pytestmark = pytest.mark.filterwarnings("ignore")


@pytest.mark.parametrize("name", [name for name in OURS if name not in OWN])
def test_every_argument_is_tried(name: str) -> None:
    kind: Any = RNNBase if issubclass(OURS[name], RNNBase) else OURS[name]
    parameters = {
        n: p
        for n, p in list(inspect.signature(kind).parameters.items())
        if n not in ("device", "dtype", "mode", "options") and p.kind not in (p.VAR_POSITIONAL, p.VAR_KEYWORD)
    }
    order = [n for n, p in parameters.items() if p.kind is not p.KEYWORD_ONLY]
    tried = set()
    for arguments, keywords in calls(name):
        for n, value in (dict(zip(order, arguments, strict=False)) | keywords).items():
            default = parameters[n].default if n in parameters else None
            if isinstance(value, Tensor) or (value is not default and value != default):
                tried.add(n)
    only = {"padding_mode"} if "ConvTranspose" in name else {"proj_size"} if name in ("RNN", "GRU") else set()
    assert set(parameters) - tried <= only, "torch takes one value for these only"


def compared(build: Callable[[ModuleType], torch.nn.Module], inputs: tuple[Any, ...], what: str) -> None:
    """The module of ours beside that of torch: values, buffers, and gradients of inputs and parameters."""
    results = []
    for library in (nn, torch.nn):
        torch.manual_seed(0)
        module = build(library)
        module = module.double() if not isinstance(module, torch.nn.modules.lazy.LazyModuleMixin) else module
        arguments = Sample(inputs).draw(torch.float64 if "Lazy" not in what else torch.float32, 0)[0]
        leaves = [a for a in arguments if isinstance(a, Tensor) and a.requires_grad]
        torch.manual_seed(1)
        given = [a.clone() if isinstance(a, Tensor) and a.requires_grad else a for a in arguments]
        outputs = module(*given)
        outputs = [o for o in (outputs if isinstance(outputs, tuple) else (outputs,)) if o.requires_grad]
        wanted = [*leaves, *(p for p in module.parameters() if p.requires_grad)]
        losses = [(o * o.detach().cos()).sum() for o in outputs]
        gradients = torch.autograd.grad(losses, wanted, allow_unused=True) if losses else ()
        results.append((repr(module), outputs, list(gradients), copy.deepcopy(list(module.buffers()))))
    ours, theirs = results
    assert ours[0] == theirs[0]
    for a, b in zip(ours[1:], theirs[1:], strict=True):
        for x, y in zip(a, b, strict=True):
            if x is not None or y is not None:
                torch.testing.assert_close(x, y, msg=lambda m: f"{what}: {m}")


@pytest.mark.parametrize(("name", "number"), [(name, k) for name, more in MORE.items() for k in range(len(more))])
def test_what_the_catalogue_leaves_is_as_in_torch(name: str, number: int) -> None:
    drop, more = DROPS[name.removeprefix("Lazy")][0], MORE[name][number]

    def build(library: Any) -> torch.nn.Module:
        keywords = {k: Sample((v,)).draw()[0][0].detach() for k, v in more.items() if k == "_weight"}
        module: torch.nn.Module = getattr(library, name)(
            *drop.arguments[name.startswith("Lazy") :], **{**drop.keywords, **more, **keywords}
        )
        return module

    compared(build, drop.inputs, name)


@pytest.mark.parametrize(("name", "number"), [(name, k) for name, built in BUILT.items() for k in range(len(built))])
def test_modules_of_modules_are_as_in_torch(name: str, number: int) -> None:
    keywords, inputs = BUILT[name][number]
    compared(lambda library: getattr(library, name)(**keywords(library)), inputs, name)


@pytest.mark.parametrize("name", [name for name in OURS if name.startswith("Lazy")])
def test_modules_that_wait_for_their_first_input_are_as_in_torch(name: str) -> None:
    drops = DROPS[name.removeprefix("Lazy")]
    if "InstanceNorm" in name:  # which reads the wrong dimension off a sample without a batch
        drops = [drop for drop in drops if Sample(drop.inputs).draw()[0][0].dim() == int(name[-2]) + 2]
    for drop in drops:
        compared(lambda library, d=drop: getattr(library, name)(*d.arguments[1:], **d.keywords), drop.inputs, name)  # type: ignore[misc]
    assert drops
