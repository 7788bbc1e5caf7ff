r"""Average pooling in one, two or three dimensions.

    forward    y[l]  = 1 / c(l) sum over k of x[s l + k - p]
    backward   dx[j] = sum over l, k with s l + k - p = j of dy[l] / c(l)
    tangent    y'[l] = 1 / c(l) sum over k of x'[s l + k - p]

Stride s, padding p with zeros; l, k and j have a component per dimension. c(l) is the number of positions of window l,
padded ones included or, with count_include_pad off, not; a divisor that is given takes its place. dx is the transposed
convolution of dy / c with a kernel of ones, channel by channel.

Shapes: x (N, C, *in) or (C, *in), y (N, C, *out) or (C, *out), where out = floor or, with ceil_mode,
ceil((in + 2 p - kernel) / s) + 1. Saves nothing: the formula is linear in x.
Source: LeCun et al. (1998), Gradient-based learning applied to document recognition, section II B.
"""

import math
from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from manualgrad.formula import Formula, call, save

_AVG_POOL: dict[int, Any] = {1: F.avg_pool1d, 2: F.avg_pool2d, 3: F.avg_pool3d}
_CONV_TRANSPOSE: dict[int, Any] = {1: F.conv_transpose1d, 2: F.conv_transpose2d, 3: F.conv_transpose3d}
Numbers = int | Sequence[int]


class AvgPoolFunction(Formula):
    @staticmethod
    def forward(
        x: Tensor,
        kernel_size: Numbers,
        stride: Numbers | None,
        padding: Numbers,
        ceil_mode: bool,
        count_include_pad: bool,
        divisor_override: int | None,
        dims: int,
    ) -> Tensor:
        divisor = () if dims == 1 else (divisor_override,)  # of which torch has none in one dimension
        return _AVG_POOL[dims](x, kernel_size, stride, padding, ceil_mode, count_include_pad, *divisor)

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Any, ...], output: Tensor) -> None:
        x, *ctx.settings = inputs
        ctx.sizes = x.shape[-inputs[-1] :]
        save(ctx)

    @staticmethod
    def backward(ctx: Any, dy: Tensor) -> tuple[Tensor | None, ...]:
        kernel_size, stride, padding, ceil_mode, count_include_pad, divisor, dims = ctx.settings
        kernel, p = _each(kernel_size, dims), _each(padding, dims)
        step = _each(stride, dims) if stride else kernel
        c: Any = divisor
        if divisor is None and not ceil_mode and (count_include_pad or not any(p)):
            c = math.prod(kernel)
        elif divisor is None:  # the windows at the edges have fewer positions
            c = 1
            for n, o, k, s, q in zip(ctx.sizes, dy.shape[-dims:], kernel, step, p, strict=True):
                start = torch.arange(o, device=dy.device, dtype=dy.dtype) * s - q
                end = (start + k).clamp(max=n + q)
                if not count_include_pad:
                    start, end = start.clamp(min=0), end.clamp(max=n)
                c = (end - start) * (c if isinstance(c, int) else c.unsqueeze(-1))
        return _spread(dy / c, ctx.sizes, kernel, step, p), None, None, None, None, None, None, None

    @staticmethod
    def jvp(ctx: Any, x_t: Tensor, *_: None) -> Tensor:
        return AvgPoolFunction.forward(x_t, *ctx.settings)


def _each(value: Numbers, dims: int) -> list[int]:
    """One number per dimension."""
    return [value] * dims if not isinstance(value, Sequence) else list(value) * (dims if len(value) == 1 else 1)


def _spread(u: Tensor, sizes: Sequence[int], kernel: list[int], step: list[int], p: list[int]) -> Tensor:
    """Give what each window has to all of its positions, and add up; the last dimensions of the result are `sizes`."""
    dims = len(sizes)
    before, out = u.shape[:-dims], u.shape[-dims:]
    reached = [(o - 1) * s + k for o, s, k in zip(out, step, kernel, strict=True)]
    if step == kernel:  # each position is in one window: repeat
        repeated = u.reshape(*before, *[size for o in out for size in (o, 1)])
        repeated = repeated.expand(*before, *[size for pair in zip(out, kernel, strict=True) for size in pair])
        dx = repeated.reshape(*before, *reached)
    else:
        ones = u.new_ones(before[-1], 1, *kernel)
        dx = _CONV_TRANSPOSE[dims](u, ones, None, step, 0, 0, before[-1])
    beyond = [n + q - r for n, q, r in zip(sizes, p, reached, strict=True)]  # below 0: padding, above: in no window
    edges = [e for q, rest in zip(reversed(p), reversed(beyond), strict=True) for e in (-q, rest)]
    return F.pad(dx, edges) if any(edges) else dx


def avg_pool1d(
    input: Tensor,
    kernel_size: Numbers,
    stride: Numbers | None = None,
    padding: Numbers = 0,
    ceil_mode: bool = False,
    count_include_pad: bool = True,
) -> Tensor:
    """The mean of each window. Same values and gradients as `torch.nn.functional.avg_pool1d`.

    input (N, C, L) or (C, L); the result is (N, C, L') or (C, L'). `stride` is `kernel_size` unless given, `padding` at
    most half the kernel; padded zeros count, unless `count_include_pad` is off.
    Raises RuntimeError where sizes do not fit.

    >>> import torch
    >>> x = torch.tensor([[1.0, 3.0, 2.0, 6.0]], requires_grad=True)
    >>> avg_pool1d(x, 2).sum().backward()
    >>> x.grad
    tensor([[0.5000, 0.5000, 0.5000, 0.5000]])
    """
    settings = kernel_size, stride, padding, ceil_mode, count_include_pad, None, 1
    return call(AvgPoolFunction, input, *settings)


def avg_pool2d(
    input: Tensor,
    kernel_size: Numbers,
    stride: Numbers | None = None,
    padding: Numbers = 0,
    ceil_mode: bool = False,
    count_include_pad: bool = True,
    divisor_override: int | None = None,
) -> Tensor:
    """The mean of each window: as `avg_pool1d`, with numbers or pairs. input (N, C, H, W) or (C, H, W).

    With `divisor_override` the sum is divided by it instead of the number of positions.

    >>> import torch
    >>> avg_pool2d(torch.arange(16.0).reshape(1, 4, 4), 2)
    tensor([[[ 2.5000,  4.5000],
             [10.5000, 12.5000]]])
    """
    settings = kernel_size, stride, padding, ceil_mode, count_include_pad, divisor_override, 2
    return call(AvgPoolFunction, input, *settings)


def avg_pool3d(
    input: Tensor,
    kernel_size: Numbers,
    stride: Numbers | None = None,
    padding: Numbers = 0,
    ceil_mode: bool = False,
    count_include_pad: bool = True,
    divisor_override: int | None = None,
) -> Tensor:
    """The mean of each window: as `avg_pool2d`, with numbers or triples. input (N, C, D, H, W) or (C, D, H, W).

    >>> import torch
    >>> avg_pool3d(torch.arange(8.0).reshape(1, 2, 2, 2), 2)
    tensor([[[[3.5000]]]])
    """
    settings = kernel_size, stride, padding, ceil_mode, count_include_pad, divisor_override, 3
    return call(AvgPoolFunction, input, *settings)


class AvgPool1d(nn.AvgPool1d):
    """Drop-in `torch.nn.AvgPool1d` computed by `manualgrad.functional.avg_pool1d`."""

    def forward(self, input: Tensor) -> Tensor:
        settings = self.kernel_size, self.stride, self.padding, self.ceil_mode, self.count_include_pad
        return call(AvgPoolFunction, input, *settings, None, 1)


class AvgPool2d(nn.AvgPool2d):
    """Drop-in `torch.nn.AvgPool2d` computed by `manualgrad.functional.avg_pool2d`."""

    def forward(self, input: Tensor) -> Tensor:
        settings = self.kernel_size, self.stride, self.padding, self.ceil_mode, self.count_include_pad
        return call(AvgPoolFunction, input, *settings, self.divisor_override, 2)


class AvgPool3d(nn.AvgPool3d):
    """Drop-in `torch.nn.AvgPool3d` computed by `manualgrad.functional.avg_pool3d`."""

    def forward(self, input: Tensor) -> Tensor:
        settings = self.kernel_size, self.stride, self.padding, self.ceil_mode, self.count_include_pad
        return call(AvgPoolFunction, input, *settings, self.divisor_override, 3)
