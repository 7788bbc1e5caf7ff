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
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F

from manualgrad.formula import Formula, save
from manualgrad.parts.windows import Numbers, each, fill_windows

_AVG_POOL: dict[int, Any] = {1: F.avg_pool1d, 2: F.avg_pool2d, 3: F.avg_pool3d}


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
        kernel, p = each(kernel_size, dims), each(padding, dims)
        step = each(stride, dims) if stride else kernel
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
        return fill_windows(dy / c, ctx.sizes, kernel, step, p), None, None, None, None, None, None, None

    @staticmethod
    def jvp(ctx: Any, x_t: Tensor, *_: None) -> Tensor:
        return AvgPoolFunction.forward(x_t, *ctx.settings)
