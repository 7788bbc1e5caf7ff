r"""Power-average pooling in one, two or three dimensions: the p-norm of each window, signs kept.

    forward    y[l]  = (K / c(l) sum over j in window l of x[j]^p)^(1 / p)
    backward   dx[j] = x[j]^(p - 1) sum over l with j in window l of dy[l] y[l]^(1 - p) K / c(l)
    tangent    y'[l] = y[l]^(1 - p) K / c(l) sum over j in window l of x[j]^(p - 1) x'[j]

with K the size of the kernel and c(l) <= K the number of positions of window l, less than K at the end with ceil_mode.
j and l have a component per dimension. Where the sum is zero, the slope is taken to be zero. With p infinite, y is the
largest |x| of the window (the smallest with -infinity) and its slope is the sign of that x, zero for the others.

Shapes: x (N, C, *in) or (C, *in), y (N, C, *out) or (C, *out), where out = floor or, with ceil_mode,
ceil((in - kernel) / stride) + 1. Saves x and y, so that no sum is taken again; with p infinite x only.
Source: Gulcehre et al. (2014), Learned-norm pooling for deep feedforward and recurrent neural networks, eq. 1.
"""

import math
from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from manualgrad.formula import Formula, call, save

_LP_POOL: dict[int, Any] = {1: F.lp_pool1d, 2: F.lp_pool2d, 3: F.lp_pool3d}
_AVG_POOL: dict[int, Any] = {1: F.avg_pool1d, 2: F.avg_pool2d, 3: F.avg_pool3d}
_MAX_POOL: dict[int, Any] = {
    1: F.max_pool1d_with_indices,
    2: F.max_pool2d_with_indices,
    3: F.max_pool3d_with_indices,
}
_CONV_TRANSPOSE: dict[int, Any] = {1: F.conv_transpose1d, 2: F.conv_transpose2d, 3: F.conv_transpose3d}
Numbers = int | Sequence[int]


class LpPoolFunction(Formula):
    @staticmethod
    def forward(
        x: Tensor, p: float, kernel_size: Numbers, stride: Numbers | None, ceil_mode: bool, dims: int
    ) -> Tensor:
        return _LP_POOL[dims](x, p, kernel_size, stride, ceil_mode)

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Any, ...], output: Tensor) -> None:
        x, ctx.p, kernel_size, stride, ctx.ceil_mode, ctx.dims = inputs
        ctx.kernel = _each(kernel_size, ctx.dims)
        ctx.step = _each(stride, ctx.dims) if stride else ctx.kernel
        save(ctx, x, None if math.isinf(ctx.p) else output)

    @staticmethod
    def backward(ctx: Any, dy: Tensor) -> tuple[Tensor | None, ...]:
        x, y = ctx.saved_tensors
        if y is None:
            i = _as_one(_extremes(ctx, x), ctx.dims)
            zeros = dy.new_zeros(*x.shape[: -ctx.dims], x.shape[-ctx.dims :].numel())
            dx = zeros.scatter_add_(-1, i, _as_one(dy, ctx.dims)).reshape(x.shape) * x.sign()
        else:
            u = dy * _root_slope(y, ctx.p)
            if ctx.ceil_mode:
                u = u * _full(u, x.shape[-ctx.dims :], ctx.kernel, ctx.step)
            dx = x.pow(ctx.p - 1) * _spread(u, x.shape[-ctx.dims :], ctx.kernel, ctx.step)
        return dx, None, None, None, None, None

    @staticmethod
    def jvp(ctx: Any, x_t: Tensor, *_: None) -> Tensor:
        x, y = ctx.saved_tensors
        if y is None:
            i = _extremes(ctx, x)
            return _as_one(x_t * x.sign(), ctx.dims).gather(-1, _as_one(i, ctx.dims)).reshape(i.shape)
        mean = _AVG_POOL[ctx.dims](x.pow(ctx.p - 1) * x_t, ctx.kernel, ctx.step, 0, ctx.ceil_mode)
        return mean * math.prod(ctx.kernel) * _root_slope(y, ctx.p)


def _root_slope(y: Tensor, p: float) -> Tensor:
    """y^(1 - p), and 0 where y is 0."""
    zero = y == 0
    return torch.where(zero, 0.0, torch.where(zero, 1.0, y).pow(1 - p))


def _extremes(ctx: Any, x: Tensor) -> Tensor:
    """Where the largest |x| of each window is, or the smallest, counted through the last dimensions as if one."""
    size = x.abs() if ctx.p > 0 else -x.abs()
    return _MAX_POOL[ctx.dims](size, ctx.kernel, ctx.step, 0, 1, ctx.ceil_mode)[1]


def _as_one(x: Tensor, dims: int) -> Tensor:
    """`x` with its last `dims` dimensions as one."""
    return x.reshape(*x.shape[:-dims], x.shape[-dims:].numel())


def _full(u: Tensor, sizes: Sequence[int], kernel: list[int], step: list[int]) -> Tensor:
    """K / c(l)."""
    ratio = u.new_ones(())
    for n, o, k, s in zip(sizes, u.shape[-len(sizes) :], kernel, step, strict=True):
        start = torch.arange(o, device=u.device, dtype=u.dtype) * s
        ratio = ratio.unsqueeze(-1) * (k / ((start + k).clamp(max=n) - start))
    return ratio


def _each(value: Numbers, dims: int) -> list[int]:
    """One number per dimension."""
    return [value] * dims if not isinstance(value, Sequence) else list(value) * (dims if len(value) == 1 else 1)


def _spread(u: Tensor, sizes: Sequence[int], kernel: list[int], step: list[int]) -> Tensor:
    """Give what each window has to all of its positions, and add up; the last dimensions of the result are `sizes`."""
    dims = len(sizes)
    before, out = u.shape[:-dims], u.shape[-dims:]
    reached = [(o - 1) * s + k for o, s, k in zip(out, step, kernel, strict=True)]
    if step == kernel:  # each position is in one window: repeat
        repeated = u.reshape(*before, *[size for o in out for size in (o, 1)])
        repeated = repeated.expand(*before, *[size for pair in zip(out, kernel, strict=True) for size in pair])
        dx = repeated.reshape(*before, *reached)
    else:
        dx = _CONV_TRANSPOSE[dims](u, u.new_ones(before[-1], 1, *kernel), None, step, 0, 0, before[-1])
    beyond = [n - r for n, r in zip(sizes, reached, strict=True)]  # above 0: in no window, below: outside of x
    return F.pad(dx, [e for rest in reversed(beyond) for e in (0, rest)]) if any(beyond) else dx


def lp_pool1d(
    input: Tensor, norm_type: float, kernel_size: int, stride: Numbers | None = None, ceil_mode: bool = False
) -> Tensor:
    """The p-norm of each window, `norm_type` being p. Same values and gradients as `torch.nn.functional.lp_pool1d`.

    input (N, C, L) or (C, L); the result is (N, C, L') or (C, L'). `stride` is `kernel_size` unless given. An odd or
    fractional `norm_type` takes no negative sums: the result is NaN there. Raises RuntimeError where sizes do not fit.

    >>> import torch
    >>> x = torch.tensor([[3.0, 4.0]], requires_grad=True)
    >>> y = lp_pool1d(x, 2, 2)
    >>> y
    tensor([[5.]], grad_fn=<LpPoolFunctionBackward>)
    >>> y.sum().backward()
    >>> x.grad
    tensor([[0.6000, 0.8000]])
    """
    return call(LpPoolFunction, input, norm_type, kernel_size, stride, ceil_mode, 1)


def lp_pool2d(
    input: Tensor, norm_type: float, kernel_size: Numbers, stride: Numbers | None = None, ceil_mode: bool = False
) -> Tensor:
    """The p-norm of each window: as `lp_pool1d`, with numbers or pairs. input (N, C, H, W) or (C, H, W).

    >>> import torch
    >>> lp_pool2d(torch.ones(1, 4, 4), 2, 2)
    tensor([[[2., 2.],
             [2., 2.]]])
    """
    return call(LpPoolFunction, input, norm_type, kernel_size, stride, ceil_mode, 2)


def lp_pool3d(
    input: Tensor, norm_type: float, kernel_size: Numbers, stride: Numbers | None = None, ceil_mode: bool = False
) -> Tensor:
    """The p-norm of each window: as `lp_pool1d`, with numbers or triples. input (N, C, D, H, W) or (C, D, H, W).

    >>> import torch
    >>> lp_pool3d(torch.arange(8.0).reshape(1, 2, 2, 2), 1, 2)
    tensor([[[[28.]]]])
    """
    return call(LpPoolFunction, input, norm_type, kernel_size, stride, ceil_mode, 3)


class LPPool1d(nn.LPPool1d):
    """Drop-in `torch.nn.LPPool1d` computed by `manualgrad.functional.lp_pool1d`."""

    def forward(self, input: Tensor) -> Tensor:
        settings = float(self.norm_type), self.kernel_size, self.stride, self.ceil_mode
        return call(LpPoolFunction, input, *settings, 1)


class LPPool2d(nn.LPPool2d):
    """Drop-in `torch.nn.LPPool2d` computed by `manualgrad.functional.lp_pool2d`."""

    def forward(self, input: Tensor) -> Tensor:
        settings = float(self.norm_type), self.kernel_size, self.stride, self.ceil_mode
        return call(LpPoolFunction, input, *settings, 2)


class LPPool3d(nn.LPPool3d):
    """Drop-in `torch.nn.LPPool3d` computed by `manualgrad.functional.lp_pool3d`."""

    def forward(self, input: Tensor) -> Tensor:
        settings = float(self.norm_type), self.kernel_size, self.stride, self.ceil_mode
        return call(LpPoolFunction, input, *settings, 3)
