"""Windows over positions and padding around them: what the formulas of convolution, pooling and padding share."""

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F

Numbers = int | Sequence[int]  # one for all dimensions, or one for each

CONV: dict[int, Any] = {1: F.conv1d, 2: F.conv2d, 3: F.conv3d}
CONV_TRANSPOSE: dict[int, Any] = {1: F.conv_transpose1d, 2: F.conv_transpose2d, 3: F.conv_transpose3d}


def each(value: Numbers, dims: int) -> list[int]:
    """One number per dimension."""
    return [value] * dims if not isinstance(value, Sequence) else list(value) * (dims if len(value) == 1 else 1)


def kernel_gradient(
    wide: Tensor, narrow: Tensor, weight: Tensor, stride: Numbers, padding: Numbers, dilation: Numbers, groups: int
) -> Tensor:
    """dW[o, c, k] = sum over n, l of narrow[n, o, l] wide[n, c, s l + d k - p]: the gradient of a convolution's kernel.

    `wide` (N, C, *in) is what the kernel slides over and `narrow` (N, O, *out) what is at each of its places: input and
    gradient of a convolution, gradient and input of a transposed one. That is a convolution of `wide` with `narrow` in
    which samples and channels change places, and so do s and d. Returns the shape of `weight`, (O, C/g, *kernel).
    """
    if wide.numel() == 0 or narrow.numel() == 0:
        return torch.zeros_like(weight)
    dims = weight.dim() - 2
    # (N, g C/g, *in) -> (C/g, g N, *in): the samples of a group are the channels that it sums over.
    grouped = wide.reshape(wide.shape[0], groups, wide.shape[1] // groups, *wide.shape[2:])
    swapped = grouped.permute(2, 1, 0, *range(3, dims + 3)).reshape(-1, groups * wide.shape[0], *wide.shape[2:])
    dw = CONV[dims](swapped, narrow.transpose(0, 1), None, dilation, padding, stride, groups).transpose(0, 1)
    for axis, size in enumerate(weight.shape[2:], start=2):
        dw = dw.narrow(axis, 0, size)  # the rest belongs to positions that no stride reaches, or to output padding
    return dw.reshape(weight.shape)  # with the strides of a weight too, where a size is 1: DDP's buckets ask


def unpad(dy: Tensor, shape: Sequence[int], pads: Sequence[int], mode: str) -> Tensor:
    """The adjoint of `F.pad(x, pads, mode)`, x having this shape: what flowed to a copy goes to where it came from."""
    if mode == "constant":
        return F.pad(dy, [-p for p in pads])
    dx = dy
    for k in range(len(pads) // 2):  # the last dimension comes first
        axis = dy.dim() - 1 - k
        dx = _unpad_one(dx, axis, shape[axis], pads[2 * k], pads[2 * k + 1], mode)
    return dx


def _unpad_one(dy: Tensor, axis: int, n: int, before: int, after: int, mode: str) -> Tensor:
    source = torch.arange(-before, n + after, device=dy.device)
    if mode == "reflect":
        source = n - 1 - (n - 1 - source.abs()).abs()
    elif mode == "replicate":
        source = source.clamp(0, n - 1)
    else:  # circular: around what is left where padding is negative
        low, high = max(-before, 0), n + min(after, 0)
        source = (source - low).remainder(high - low) + low
    dx = F.pad(dy, [0, 0] * (dy.dim() - 1 - axis) + [-before, -after])
    for start, count in ((0, before), (n + before, after)):
        if count > 0:
            dx = dx.index_add(axis, source.narrow(0, start, count), dy.narrow(axis, start, count))
    return dx


def fill_windows(u: Tensor, sizes: Sequence[int], kernel: list[int], step: list[int], padding: list[int]) -> Tensor:
    """Give what each window has to all of its positions, and add up: the adjoint of sums over windows.

    u (N, C, *windows) or (C, *windows); the last dimensions of the result are `sizes`.
    """
    dims = len(sizes)
    before, out = u.shape[:-dims], u.shape[-dims:]
    reached = [(o - 1) * s + k for o, s, k in zip(out, step, kernel, strict=True)]
    if step == kernel:  # each position is in one window: repeat
        repeated = u.reshape(*before, *[size for o in out for size in (o, 1)])
        repeated = repeated.expand(*before, *[size for pair in zip(out, kernel, strict=True) for size in pair])
        dx = repeated.reshape(*before, *reached)
    else:
        dx = CONV_TRANSPOSE[dims](u, u.new_ones(before[-1], 1, *kernel), None, step, 0, 0, before[-1])
    beyond = [n + q - r for n, q, r in zip(sizes, padding, reached, strict=True)]  # below 0: cut off, above: unreached
    edges = [e for q, rest in zip(reversed(padding), reversed(beyond), strict=True) for e in (-q, rest)]
    return F.pad(dx, edges) if any(edges) else dx
