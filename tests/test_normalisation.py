"""What the catalogue's checks do not reach: running statistics, lazy layers, one example alone, and errors."""

from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor
from torch.nn import functional as torch_F
from torch.nn.utils import parametrizations as utils

from manualgrad import Tape, convert, nn
from manualgrad import functional as F


def draw(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def same_buffers(ours: torch.nn.Module, theirs: torch.nn.Module) -> None:
    mine = dict(ours.named_buffers())
    for name, buffer in theirs.named_buffers():
        torch.testing.assert_close(mine[name], buffer, rtol=1e-12, atol=1e-13)


LAYERS: list[tuple[str, tuple[int, ...], dict[str, Any]]] = [
    ("BatchNorm1d", (5, 3), {}),
    ("BatchNorm1d", (5, 3, 4), {"momentum": None, "eps": 0.1}),
    ("BatchNorm2d", (2, 3, 4, 4), {"momentum": 0.4}),
    ("BatchNorm2d", (2, 3, 4, 4), {"track_running_stats": False}),
    ("BatchNorm3d", (2, 3, 2, 2, 2), {"affine": False}),
    ("InstanceNorm1d", (2, 3, 4), {"track_running_stats": True, "affine": True}),
    ("InstanceNorm1d", (3, 4), {"track_running_stats": True}),
    ("InstanceNorm2d", (2, 3, 4, 4), {"track_running_stats": True, "momentum": None}),
    ("InstanceNorm3d", (2, 3, 2, 2, 2), {"track_running_stats": True, "momentum": 0.4}),
]
layers = pytest.mark.parametrize(("name", "shape", "keywords"), LAYERS)


@layers
def test_running_statistics_over_training_and_evaluation(
    name: str, shape: tuple[int, ...], keywords: dict[str, Any]
) -> None:
    ours, theirs = (getattr(shelf, name)(3, **keywords).double() for shelf in (nn, torch.nn))
    for step in range(5):
        for m in (ours, theirs):
            m.train(step != 3)
        x = draw(*shape, seed=step) + step
        torch.testing.assert_close(ours(x), theirs(x), rtol=1e-12, atol=1e-13)
        same_buffers(ours, theirs)


@layers
def test_on_the_tape(name: str, shape: tuple[int, ...], keywords: dict[str, Any]) -> None:
    """The statistics are counted once, and the gradients are autograd's."""
    ours, theirs = (getattr(shelf, name)(3, **keywords).double() for shelf in (nn, torch.nn))
    x, expected = draw(*shape).requires_grad_(), draw(*shape).requires_grad_()
    with Tape() as tape:
        y = ours(x)
    tape.backward(y, draw(*shape, seed=1))
    theirs(expected).backward(draw(*shape, seed=1))
    torch.testing.assert_close(x.grad, expected.grad, rtol=1e-11, atol=1e-12)
    same_buffers(ours, theirs)


@layers
def test_compiled_training_moves_the_running_statistics(
    name: str, shape: tuple[int, ...], keywords: dict[str, Any]
) -> None:
    if keywords.get("momentum", 0.1) is None and name.startswith("Batch"):
        pytest.skip("torch compiles no cumulative average in one graph: it reads the number of batches")
    torch._dynamo.reset()
    ours, theirs = (getattr(shelf, name)(3, **keywords).double() for shelf in (nn, torch.nn))
    compiled = torch.compile(ours, fullgraph=True, backend="aot_eager")
    for step in range(2):
        x, expected = draw(*shape, seed=step).requires_grad_(), draw(*shape, seed=step).requires_grad_()
        compiled(x).backward(draw(*shape, seed=9))
        theirs(expected).backward(draw(*shape, seed=9))
        torch.testing.assert_close(x.grad, expected.grad, rtol=1e-11, atol=1e-12)
        same_buffers(ours, theirs)


LAZY = [(f"Lazy{kind}Norm{d}d", (2, 3, 4, 5, 6)[: d + 2]) for kind in ("Batch", "Instance") for d in (1, 2, 3)]


@pytest.mark.parametrize(("name", "shape"), LAZY)
def test_lazy_layers_become_ours(name: str, shape: tuple[int, ...]) -> None:
    layer = getattr(nn, name)(eps=0.1)
    y = layer(draw(*shape).float())
    assert type(layer) is getattr(nn, name.removeprefix("Lazy"))
    assert y.grad_fn is None or "Norm" in y.grad_fn.name()
    twin = getattr(torch.nn, name)(eps=0.1)
    torch.testing.assert_close(y, twin(draw(*shape).float()))


def test_half_precision_layer_with_float32_statistics() -> None:
    x = draw(8, 3).bfloat16()
    results = []
    for kind in (nn.BatchNorm1d, torch.nn.BatchNorm1d):
        layer, leaf = kind(3), x.clone().requires_grad_()
        y = layer(leaf)
        y.backward(draw(8, 3, seed=1).to(y.dtype))
        results.append((y, leaf.grad, layer.weight.grad, layer.bias.grad))
    for a, b in zip(*results, strict=True):
        torch.testing.assert_close(a, b, rtol=2e-2, atol=2e-2)


PARAMETRIZATIONS = [
    (utils.weight_norm, {}),
    (utils.weight_norm, {"dim": None}),
    (utils.weight_norm, {"dim": 1}),
    (utils.spectral_norm, {}),
    (utils.spectral_norm, {"n_power_iterations": 3, "dim": 1}),
]


@pytest.mark.parametrize(("wrap", "keywords"), PARAMETRIZATIONS)
@pytest.mark.parametrize("name", ["Linear", "Conv2d", "ConvTranspose2d"])
@pytest.mark.parametrize("converted", [False, True])
def test_parametrised_weights(wrap: Callable[..., Any], keywords: dict[str, Any], name: str, converted: bool) -> None:
    """On our layers, and converted, when the weight is computed by our formulas too."""
    sizes, shape = ((3, 4), (5, 3)) if name == "Linear" else ((3, 4, 3), (2, 3, 5, 5))
    results = []
    for shelf in (nn, torch.nn):
        torch.manual_seed(0)
        layer: Any = wrap(getattr(torch.nn if converted else shelf, name)(*sizes), **keywords).double()
        if converted and shelf is nn:
            assert not convert(layer, strict=True).left
        y = layer(draw(*shape))
        y.square().sum().backward()
        layer.eval()  # in training, every look at the weight is a step of the power iteration
        if converted and shelf is nn:
            assert "Function" in layer.weight.grad_fn.name()
        results.append([y, layer(draw(*shape)), *(p.grad for p in layer.parameters())])
    for a, b in zip(*results, strict=True):
        torch.testing.assert_close(a, b, rtol=1e-11, atol=1e-12)


def test_spectral_norm_of_a_vector_is_its_length() -> None:
    layer: Any = utils.spectral_norm(torch.nn.PReLU(3))
    convert(layer)
    assert layer.weight.grad_fn.name() == "NormalizeFunctionBackward"
    torch.testing.assert_close(layer.weight.norm(), torch.tensor(1.0))


def test_instance_norm_of_another_number_of_channels() -> None:
    with pytest.raises(ValueError, match=r"size of input along dim 1 must be num_features, 3, got \(2, 4, 5\)"):
        nn.InstanceNorm1d(3, affine=True)(torch.ones(2, 4, 5))
    with pytest.warns(UserWarning, match="must be num_features, 3") as caught:
        nn.InstanceNorm1d(3)(torch.ones(2, 4, 5))
    assert len(caught) == 1


def test_normalize_writes_to_out() -> None:
    x, out = draw(3, 4), torch.empty(3, 4, dtype=torch.float64)
    assert F.normalize(x, out=out) is out
    assert torch.equal(out, torch_F.normalize(x))
    with pytest.raises(RuntimeError, match="out="):
        F.normalize(x.requires_grad_(), out=out)


BAD: list[tuple[Callable[..., Any], Callable[..., Any], tuple[Any, ...], str]] = [
    (F.layer_norm, torch_F.layer_norm, (torch.ones(2, 3), (4,)), r"layer_norm: .*given input \(2, 3\) float32"),
    (F.layer_norm, torch_F.layer_norm, (torch.ones(2, 3), (3,), torch.ones(2)), r"layer_norm: .*weight \(2,\) float32"),
    (F.rms_norm, torch_F.rms_norm, (torch.ones(2, 3), (4,)), "rms_norm: "),
    (F.group_norm, torch_F.group_norm, (torch.ones(2, 3), 2), "group_norm: "),
    (F.group_norm, torch_F.group_norm, (torch.ones(3), 1), "group_norm: "),
    (F.batch_norm, torch_F.batch_norm, (torch.ones(1, 3), None, None, None, None, True), "batch_norm: Expected more"),
    (F.batch_norm, torch_F.batch_norm, (torch.ones(2, 3), torch.ones(2), torch.ones(2)), "batch_norm: "),
    (F.instance_norm, torch_F.instance_norm, (torch.ones(2, 3, 1),), "instance_norm: Expected more than 1 spatial"),
    (F.local_response_norm, torch_F.local_response_norm, (torch.ones(2, 3), 3), r"3 dimensions or more, got \(2, 3\)"),
    (F.normalize, torch_F.normalize, (torch.ones(3),), "normalize: "),
]


@pytest.mark.parametrize(("ours", "theirs", "args", "message"), BAD)
def test_errors_are_of_torchs_type_and_say_more(
    ours: Callable[..., Any], theirs: Callable[..., Any], args: tuple[Any, ...], message: str
) -> None:
    with pytest.raises(Exception) as expected:  # noqa: PT011  whatever torch raises
        theirs(*args)
    with pytest.raises(expected.type, match=message):
        ours(*args)
