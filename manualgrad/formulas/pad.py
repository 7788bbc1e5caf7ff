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

from torch import Tensor
from torch.nn import functional as F

from manualgrad.formula import Formula, call, save
from manualgrad.parts.windows import unpad


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
        return unpad(dy, ctx.shape, ctx.pad, ctx.mode), None, None, None

    @staticmethod
    def jvp(ctx: Any, x_t: Tensor, *_: None) -> Tensor:
        return F.pad(x_t, ctx.pad, ctx.mode)


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
