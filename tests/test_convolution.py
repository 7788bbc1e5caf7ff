"""What the rows of the convolutions cannot say: lazy layers, `output_size`, memory formats, dynamic shapes, errors."""

from typing import Any

import pytest
import torch

from manualgrad import functional as F
from manualgrad import nn

LAZY = [
    (kind, dims, getattr(nn, f"Lazy{kind}{dims}d"), getattr(nn, f"{kind}{dims}d"))
    for kind in ("Conv", "ConvTranspose")
    for dims in (1, 2, 3)
]


@pytest.mark.parametrize(
    ("kind", "dims", "lazy", "becomes"), LAZY, ids=lambda v: str(v) if isinstance(v, str | int) else ""
)
def test_lazy_layers_are_ours_from_the_first_call(
    kind: str, dims: int, lazy: type[torch.nn.Module], becomes: type[torch.nn.Module]
) -> None:
    layer = lazy(4, 3, padding=1)
    x = torch.randn(2, 3, *[5] * dims)
    y = layer(x)
    assert type(layer) is becomes
    assert y.grad_fn is not None
    assert type(y.grad_fn).__name__ == f"{kind}FunctionBackward"
    twin = getattr(torch.nn, f"{kind}{dims}d")(3, 4, 3, padding=1)
    twin.load_state_dict(layer.state_dict())
    torch.testing.assert_close(y, twin(x))


@pytest.mark.parametrize("size", [9, 10])
def test_transposed_convolution_to_a_given_size(size: int) -> None:
    layer, twin = (
        nn.ConvTranspose2d(3, 2, 3, stride=2, padding=1),
        torch.nn.ConvTranspose2d(3, 2, 3, stride=2, padding=1),
    )
    twin.load_state_dict(layer.state_dict())
    x = torch.randn(2, 3, 5, 5)
    y = layer(x, output_size=[size, size])
    assert y.shape[2:] == (size, size)
    torch.testing.assert_close(y, twin(x, output_size=[size, size]))


def test_a_size_out_of_reach_is_refused_as_torch_does() -> None:
    with pytest.raises(ValueError, match="requested an output size"):
        nn.ConvTranspose2d(3, 2, 3, stride=2)(torch.randn(2, 3, 5, 5), output_size=[30, 30])


@pytest.mark.parametrize("function", [F.conv2d, F.conv_transpose2d])
def test_channels_last_stays_so(function: Any) -> None:
    x = torch.randn(2, 4, 6, 6).to(memory_format=torch.channels_last).requires_grad_()
    y = function(x, torch.randn(4, 4, 3, 3).to(memory_format=torch.channels_last))
    assert y.is_contiguous(memory_format=torch.channels_last)
    (dx,) = torch.autograd.grad(y.sum(), x)
    assert dx.is_contiguous(memory_format=torch.channels_last)


def test_compiled_with_symbolic_sizes() -> None:
    torch._dynamo.reset()
    weight = torch.randn(4, 3, 3, 3, requires_grad=True)

    @torch.compile(backend="aot_eager", dynamic=True, fullgraph=True)
    def loss(x: torch.Tensor) -> torch.Tensor:
        return F.conv2d(x, weight, stride=2, padding=1).square().sum()

    for n, size in ((2, 8), (3, 9), (5, 12)):
        x = torch.randn(n, 3, size, size)
        (dw,) = torch.autograd.grad(loss(x), weight)
        (expected,) = torch.autograd.grad(
            torch.nn.functional.conv2d(x, weight, stride=2, padding=1).square().sum(), weight
        )
        torch.testing.assert_close(dw, expected, rtol=1e-4, atol=1e-3)


@pytest.mark.parametrize(
    ("arguments", "keywords", "message"),
    [
        ((torch.zeros(2, 3, 5, 5), torch.zeros(4, 2, 3, 3)), {}, r"conv: .*channels.*input \(2, 3, 5, 5\)"),
        ((torch.zeros(2, 3, 5, 5), torch.zeros(4, 3, 3)), {}, r"conv: .*weight \(4, 3, 3\)"),
        ((torch.zeros(2, 3, 2, 2), torch.zeros(4, 3, 3, 3)), {}, "Kernel size can't be greater"),
        ((torch.zeros(2, 3, 5, 5), torch.zeros(4, 3, 3, 3)), {"padding": "full"}, "padding"),
        ((torch.zeros(2, 3, 5, 5), torch.zeros(4, 3, 3, 3)), {"padding": "same", "stride": 2}, "strided"),
        ((torch.zeros(2, 3, 5, 5), torch.zeros(4, 3, 3, 3).double()), {}, "float64"),
        ((torch.zeros(2, 3, 5, 5), torch.zeros(4, 3, 3, 3)), {"stride": 0}, "stride"),
    ],
)
def test_what_does_not_fit_is_named(arguments: tuple[Any, Any], keywords: dict[str, Any], message: str) -> None:
    with pytest.raises(RuntimeError, match=message):
        F.conv2d(*arguments, **keywords)


@pytest.mark.parametrize("name", ["conv2d", "conv_transpose2d"])
def test_complex_numbers(name: str) -> None:
    torch.manual_seed(0)
    x, w = (torch.randn(2, 2, 3, 3, dtype=torch.complex128, requires_grad=True) for _ in range(2))
    mine, torchs = (getattr(package, name)(x, w) for package in (F, torch.nn.functional))
    dy = torch.randn_like(mine)
    for a, b in zip(torch.autograd.grad(mine, (x, w), dy), torch.autograd.grad(torchs, (x, w), dy), strict=True):
        torch.testing.assert_close(a, b)
