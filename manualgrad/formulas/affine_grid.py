r"""Affine grid: where the points of an image come from under an affine map, as `grid_sample` takes them.

    forward    g[n, i] = theta[n] (b[i], 1)
    backward   dtheta[n] = sum over i of dg[n, i] (b[i], 1)^T
    tangent    g'[n, i] = theta'[n] (b[i], 1)

b[i] is point i of the result, the last dimension first, from -1 to 1: the middles of the outermost of n pixels are at
-1 and 1 with align_corners, else at (1 - n) / n and (n - 1) / n.

Shapes: theta (N, 2, 3) or (N, 3, 4), g (N, H, W, 2) or (N, D, H, W, 3). Saves nothing: the formula is linear in theta.
Source: Jaderberg et al. (2015), Spatial transformer networks, eq. 1.
"""

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F

from manualgrad.formula import Formula, call, save


class AffineGridFunction(Formula):
    @staticmethod
    def forward(theta: Tensor, size: Sequence[int], align_corners: bool | None) -> Tensor:
        return F.affine_grid(theta, size, align_corners)  # type: ignore[arg-type]  # torch takes any sequence

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Any, ...], output: Tensor) -> None:
        theta, ctx.size, ctx.corners = inputs
        ctx.shape = theta.shape
        save(ctx)

    @staticmethod
    def backward(ctx: Any, dg: Tensor) -> tuple[Tensor, None, None]:
        points = _points(ctx.size[2:], bool(ctx.corners), dg)
        return dg.reshape(dg.shape[0], points.shape[0], dg.shape[-1]).transpose(1, 2) @ points, None, None

    @staticmethod
    def jvp(ctx: Any, theta_t: Tensor, *_: None) -> Tensor:
        points = _points(ctx.size[2:], bool(ctx.corners), theta_t)
        return (points @ theta_t.transpose(1, 2)).reshape(theta_t.shape[0], *ctx.size[2:], theta_t.shape[1])


def _points(sizes: Sequence[int], corners: bool, like: Tensor) -> Tensor:
    """(b, 1) for every point: (points, dimensions + 1)."""
    b = []
    for k, n in enumerate(sizes):
        line = torch.linspace(-1, 1, n, dtype=like.dtype, device=like.device) if n > 1 else like.new_zeros(n)
        line = line if corners else line * (n - 1) / n
        b.append(line.reshape(-1, *[1] * (len(sizes) - 1 - k)).expand(*sizes).reshape(-1))
    return torch.stack([*reversed(b), torch.ones_like(b[0])], 1)


def affine_grid(theta: Tensor, size: Sequence[int], align_corners: bool | None = None) -> Tensor:
    """The grid on which `grid_sample` gives an image moved by `theta`. As `torch.nn.functional.affine_grid`.

    theta (N, 2, 3) with `size` (N, C, H, W), or (N, 3, 4) with (N, C, D, H, W); the result is (N, H, W, 2) or
    (N, D, H, W, 3). Raises ValueError where shapes do not fit, NotImplementedError for other numbers of dimensions.

    >>> import torch
    >>> theta = torch.tensor([[[1.0, 0.0, 0.5], [0.0, 1.0, 0.0]]], requires_grad=True)
    >>> g = affine_grid(theta, (1, 1, 2, 2), align_corners=True)
    >>> g[0, 0].tolist()
    [[-0.5, -1.0], [1.5, -1.0]]
    >>> g[0, 0].sum().backward()
    >>> theta.grad.tolist()
    [[[0.0, -2.0, 2.0], [0.0, -2.0, 2.0]]]
    """
    return call(AffineGridFunction, theta, size, align_corners)
