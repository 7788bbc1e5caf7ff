"""What the rows of the images cannot say: torch's own first gradients of grid_sample, rounding, old names, errors."""

import itertools
import math
from typing import Any

import pytest
import torch

from manualgrad import functional as F

GRIDS = [
    (mode, padding, corners, dims)
    for mode, padding, corners, dims in itertools.product(
        ("bilinear", "nearest", "bicubic"), ("zeros", "border", "reflection"), (True, False), (2, 3)
    )
    if (mode, dims) != ("bicubic", 3)
]


@pytest.mark.parametrize(("mode", "padding", "corners", "dims"), GRIDS)
def test_grid_sample_has_torchs_gradients_even_where_there_is_no_derivative(
    mode: str, padding: str, corners: bool, dims: int
) -> None:
    """On pixels, on edges, where reflections turn and far outside."""
    torch.manual_seed(0)
    x = torch.randn(1, 2, *(5, 4, 3)[:dims], dtype=torch.float64, requires_grad=True)
    places = torch.tensor([-3.0, -2.0, -1.5, -1.0, -0.5, 0.0, 0.3, 0.75, 1.0, 2.0, 1e6], dtype=torch.float64)
    grid = torch.stack(torch.meshgrid([places] * dims, indexing="ij"), -1).unsqueeze(0).requires_grad_()
    mine, torchs = (f(x, grid, mode, padding, corners) for f in (F.grid_sample, torch.nn.functional.grid_sample))
    dy = torch.randn_like(mine)
    for a, b in zip(torch.autograd.grad(mine, (x, grid), dy), torch.autograd.grad(torchs, (x, grid), dy), strict=True):
        torch.testing.assert_close(a, b, rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize("padding", ["zeros", "border", "reflection"])
@pytest.mark.parametrize("mode", ["bilinear", "nearest", "bicubic"])
def test_a_point_that_is_nowhere_has_no_gradient(mode: str, padding: str) -> None:
    """torch's backward pass reads and writes outside of its memory there."""
    x = torch.randn(1, 1, 3, 3, requires_grad=True)
    grid = torch.tensor([[[[math.nan, 0.2], [0.1, math.nan]]]], requires_grad=True)
    y = F.grid_sample(x, grid, mode, padding, align_corners=False)
    dx, _ = torch.autograd.grad(y, (x, grid), torch.ones_like(y))
    assert not dx.any()


@pytest.mark.parametrize("mode", ["nearest", "nearest-exact"])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_nearest_takes_the_gradient_where_it_took_the_value(mode: str, dtype: torch.dtype) -> None:
    """For every pair of sizes: a rounding error decides between two neighbours where the ratio is odd."""
    for n, m in itertools.product(range(1, 40, 3), range(1, 60, 2)):
        x = torch.arange(n, dtype=dtype).reshape(1, 1, n).requires_grad_()
        y = F.interpolate(x, m, mode=mode)
        (dx,) = torch.autograd.grad(y, x, torch.ones_like(y))
        assert torch.equal(dx.flatten(), torch.bincount(y.flatten().long(), minlength=n).to(dtype))


@pytest.mark.parametrize("mode", ["bilinear", "bicubic"])
def test_large_images_in_single_precision(mode: str) -> None:
    x = torch.randn(1, 1, 3, 700, requires_grad=True)
    mine, torchs = (f(x, (5, 1001), mode=mode) for f in (F.interpolate, torch.nn.functional.interpolate))
    dy = torch.randn_like(mine)
    torch.testing.assert_close(
        torch.autograd.grad(mine, x, dy)[0], torch.autograd.grad(torchs, x, dy)[0], rtol=1e-3, atol=1e-3
    )


@pytest.mark.parametrize("name", ["upsample", "upsample_nearest", "upsample_bilinear"])
def test_old_names_warn(name: str) -> None:
    with pytest.warns(UserWarning, match=f"{name} is an old name of interpolate"):
        getattr(F, name)(torch.ones(1, 1, 2, 2), 4)


@pytest.mark.parametrize(
    ("keywords", "error", "message"),
    [
        ({}, ValueError, "size or scale_factor"),
        ({"size": 4, "scale_factor": 2}, ValueError, "size or scale_factor"),
        ({"size": (4, 4, 4)}, ValueError, "spatial dimensions"),
        ({"size": 4, "mode": "bilinear", "antialias": True, "align_corners": None}, None, ""),
        ({"size": 4, "mode": "nearest", "align_corners": True}, ValueError, "align_corners"),
        ({"size": 4, "mode": "area", "antialias": True}, ValueError, "restricted"),
        ({"size": 4, "mode": "sharp"}, NotImplementedError, "mode|modes"),
        ({"size": 4, "mode": "linear"}, NotImplementedError, "3D"),
        ({"size": 4, "recompute_scale_factor": True}, ValueError, "recompute_scale_factor"),
    ],
)
def test_interpolate_takes_and_refuses_what_torch_does(
    keywords: dict[str, Any], error: type[Exception] | None, message: str
) -> None:
    x = torch.ones(1, 1, 2, 2)
    if error is None:
        torch.testing.assert_close(F.interpolate(x, **keywords), torch.nn.functional.interpolate(x, **keywords))
        return
    for function in (F.interpolate, torch.nn.functional.interpolate):
        with pytest.raises(error, match=message):
            function(x, **keywords)


def test_pixel_shuffle_of_no_image_has_a_gradient() -> None:
    """torch's raises: it gives it the shape of the result."""
    x = torch.zeros(0, 4, 1, 2, requires_grad=True)
    (dx,) = torch.autograd.grad(F.pixel_shuffle(x, 2).sum(), x)
    assert dx.shape == x.shape


@pytest.mark.parametrize(
    ("name", "arguments", "message"),
    [
        ("pixel_shuffle", (torch.ones(1, 3, 2, 2), 2), r"pixel_shuffle: .*input \(1, 3, 2, 2\)"),
        ("pixel_unshuffle", (torch.ones(1, 1, 3, 2), 2), "pixel_unshuffle"),
        ("channel_shuffle", (torch.ones(1, 3, 2, 2), 2), "channel_shuffle"),
        ("fold", (torch.ones(1, 5, 3), (1, 4), (1, 2)), "fold"),
        ("unfold", (torch.ones(1, 1, 1, 1), 2), "unfold"),
        ("grid_sample", (torch.ones(1, 1, 2, 2), torch.ones(2, 1, 1, 2)), "grid_sample"),
        ("pad", (torch.ones(1, 3), (3, 0), "reflect"), "pad"),
    ],
)
@pytest.mark.filterwarnings("ignore:Default grid_sample")
def test_shapes_that_do_not_fit_are_named(name: str, arguments: Any, message: str) -> None:
    with pytest.raises(RuntimeError, match=message):
        getattr(F, name)(*arguments)
    with pytest.raises(RuntimeError):
        getattr(torch.nn.functional, name)(*arguments)
