r"""Padding with a constant or with copies of the input: reflected, replicated or circular.

    forward    y[i]  = x[source(i)], or the constant where i is outside of x
    backward   dx[j] = sum over i with source(i) = j of dy[i]
    tangent    y'[i] = x'[source(i)], or 0

i counts from the first position of x. Outside of 0 <= i < n, source(i) is with 'reflect' |i| and 2 (n - 1) - i, with
'replicate' 0 and n - 1, with 'circular' i mod n; each dimension is padded by itself. Negative padding cuts off. Of the
constant mode, the backward pass is padding by the negative amounts.

Shapes: x (*), y (*), each padded dimension longer by what is before and after it. Saves nothing: the formula is linear
in x, but for the constant.
Source: Simard et al. (2003), Best practices for convolutional neural networks; Liu et al. (2018), Partial convolution
based padding, section 2, for the modes.
"""

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from manualgrad.formula import Formula, call, save


class PadFunction(Formula):
    @staticmethod
    def forward(x: Tensor, pad: Sequence[int], mode: str, value: float | None) -> Tensor:
        return F.pad(x, pad, mode, value)

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Any, ...], output: Tensor) -> None:
        x, ctx.pad, ctx.mode, _ = inputs
        ctx.shape = x.shape
        save(ctx)

    @staticmethod
    def backward(ctx: Any, dy: Tensor) -> tuple[Tensor, None, None, None]:
        if ctx.mode == "constant":
            return F.pad(dy, [-p for p in ctx.pad]), None, None, None
        dx = dy
        for k in range(len(ctx.pad) // 2):  # the last dimension comes first
            axis = dy.dim() - 1 - k
            dx = _fold_back(dx, axis, ctx.shape[axis], ctx.pad[2 * k], ctx.pad[2 * k + 1], ctx.mode)
        return dx, None, None, None

    @staticmethod
    def jvp(ctx: Any, x_t: Tensor, *_: None) -> Tensor:
        return F.pad(x_t, ctx.pad, ctx.mode)


def _fold_back(dy: Tensor, axis: int, n: int, before: int, after: int, mode: str) -> Tensor:
    """The adjoint of padding one dimension: what flowed to a copy is added to the position it was copied from."""
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


def pad(input: Tensor, pad: Sequence[int], mode: str = "constant", value: float | None = None) -> Tensor:
    """`input` with `pad` = (before, after) positions added to the last dimension, two more for the one before it, ...

    As `torch.nn.functional.pad`. `mode` is "constant" (of `value`, 0 unless given; any number of dimensions), or
    "reflect", "replicate" or "circular" (the last one to three dimensions of an input with one or two more).
    Raises RuntimeError where the padding does not fit the input, NotImplementedError for a mode or a number of
    dimensions that torch does not have.

    >>> import torch
    >>> x = torch.tensor([[1.0, 2.0, 3.0]], requires_grad=True)
    >>> y = pad(x, (2, 1), mode="reflect")
    >>> y
    tensor([[3., 2., 1., 2., 3., 2.]], grad_fn=<PadFunctionBackward>)
    >>> y.sum().backward()
    >>> x.grad
    tensor([[1., 3., 2.]])
    """
    return call(PadFunction, input, pad, mode, value)


class ConstantPad1d(nn.ConstantPad1d):
    """Drop-in `torch.nn.ConstantPad1d` computed by `manualgrad.functional.pad`."""

    def forward(self, input: Tensor) -> Tensor:
        return call(PadFunction, input, self.padding, "constant", self.value)


class ConstantPad2d(nn.ConstantPad2d):
    """Drop-in `torch.nn.ConstantPad2d` computed by `manualgrad.functional.pad`."""

    def forward(self, input: Tensor) -> Tensor:
        return call(PadFunction, input, self.padding, "constant", self.value)


class ConstantPad3d(nn.ConstantPad3d):
    """Drop-in `torch.nn.ConstantPad3d` computed by `manualgrad.functional.pad`."""

    def forward(self, input: Tensor) -> Tensor:
        return call(PadFunction, input, self.padding, "constant", self.value)


class ZeroPad1d(nn.ZeroPad1d):
    """Drop-in `torch.nn.ZeroPad1d` computed by `manualgrad.functional.pad`."""

    def forward(self, input: Tensor) -> Tensor:
        return call(PadFunction, input, self.padding, "constant", self.value)


class ZeroPad2d(nn.ZeroPad2d):
    """Drop-in `torch.nn.ZeroPad2d` computed by `manualgrad.functional.pad`."""

    def forward(self, input: Tensor) -> Tensor:
        return call(PadFunction, input, self.padding, "constant", self.value)


class ZeroPad3d(nn.ZeroPad3d):
    """Drop-in `torch.nn.ZeroPad3d` computed by `manualgrad.functional.pad`."""

    def forward(self, input: Tensor) -> Tensor:
        return call(PadFunction, input, self.padding, "constant", self.value)


class ReflectionPad1d(nn.ReflectionPad1d):
    """Drop-in `torch.nn.ReflectionPad1d` computed by `manualgrad.functional.pad`."""

    def forward(self, input: Tensor) -> Tensor:
        return call(PadFunction, input, self.padding, "reflect", None)


class ReflectionPad2d(nn.ReflectionPad2d):
    """Drop-in `torch.nn.ReflectionPad2d` computed by `manualgrad.functional.pad`."""

    def forward(self, input: Tensor) -> Tensor:
        return call(PadFunction, input, self.padding, "reflect", None)


class ReflectionPad3d(nn.ReflectionPad3d):
    """Drop-in `torch.nn.ReflectionPad3d` computed by `manualgrad.functional.pad`."""

    def forward(self, input: Tensor) -> Tensor:
        return call(PadFunction, input, self.padding, "reflect", None)


class ReplicationPad1d(nn.ReplicationPad1d):
    """Drop-in `torch.nn.ReplicationPad1d` computed by `manualgrad.functional.pad`."""

    def forward(self, input: Tensor) -> Tensor:
        return call(PadFunction, input, self.padding, "replicate", None)


class ReplicationPad2d(nn.ReplicationPad2d):
    """Drop-in `torch.nn.ReplicationPad2d` computed by `manualgrad.functional.pad`."""

    def forward(self, input: Tensor) -> Tensor:
        return call(PadFunction, input, self.padding, "replicate", None)


class ReplicationPad3d(nn.ReplicationPad3d):
    """Drop-in `torch.nn.ReplicationPad3d` computed by `manualgrad.functional.pad`."""

    def forward(self, input: Tensor) -> Tensor:
        return call(PadFunction, input, self.padding, "replicate", None)


class CircularPad1d(nn.CircularPad1d):
    """Drop-in `torch.nn.CircularPad1d` computed by `manualgrad.functional.pad`."""

    def forward(self, input: Tensor) -> Tensor:
        self._check_input_dim(input)
        return call(PadFunction, input, self.padding, "circular", None)


class CircularPad2d(nn.CircularPad2d):
    """Drop-in `torch.nn.CircularPad2d` computed by `manualgrad.functional.pad`."""

    def forward(self, input: Tensor) -> Tensor:
        self._check_input_dim(input)
        return call(PadFunction, input, self.padding, "circular", None)


class CircularPad3d(nn.CircularPad3d):
    """Drop-in `torch.nn.CircularPad3d` computed by `manualgrad.functional.pad`."""

    def forward(self, input: Tensor) -> Tensor:
        self._check_input_dim(input)
        return call(PadFunction, input, self.padding, "circular", None)
