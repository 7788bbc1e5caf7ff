r"""Unfold: the windows that a convolution sees, one in each column.

    forward    y[c k, l] = x[c, s l + d k - p], 0 outside of x
    backward   dx[c, i]  = sum over l, k with s l + d k - p = i of dy[c k, l]
    tangent    y'[c k, l] = x'[c, s l + d k - p]

Stride s, dilation d, padding p; i, l and k have two components; c k counts channels and positions in the window as one,
and l counts the windows as one. The backward pass is `fold`.

Shapes: x (N, C, H, W) or (C, H, W), y (N, C kernel, L) or (C kernel, L), with L the number of windows.
Saves nothing: the formula is linear in x.
Source: Chellapilla et al. (2006), High performance convolutional neural networks for document processing, section 2.
"""

from collections.abc import Sequence
from typing import Any

from torch import Tensor, nn
from torch.nn import functional as F

from manualgrad.formula import Formula, call, save

Numbers = int | Sequence[int]


class UnfoldFunction(Formula):
    @staticmethod
    def forward(x: Tensor, kernel_size: Numbers, dilation: Numbers, padding: Numbers, stride: Numbers) -> Tensor:
        settings: Any = kernel_size, dilation, padding, stride
        return F.unfold(x, *settings)

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Any, ...], output: Tensor) -> None:
        x, *ctx.settings = inputs
        ctx.sizes = x.shape[-2:]
        save(ctx)

    @staticmethod
    def backward(ctx: Any, dy: Tensor) -> tuple[Tensor, None, None, None, None]:
        return F.fold(dy, ctx.sizes, *ctx.settings), None, None, None, None

    @staticmethod
    def jvp(ctx: Any, x_t: Tensor, *_: None) -> Tensor:
        return F.unfold(x_t, *ctx.settings)


def unfold(
    input: Tensor, kernel_size: Numbers, dilation: Numbers = 1, padding: Numbers = 0, stride: Numbers = 1
) -> Tensor:
    """The windows of `input` that a convolution with this kernel would see. As `torch.nn.functional.unfold`.

    input (N, C, H, W) or (C, H, W); the result is (N, C K K', L) or (C K K', L) for L windows of K by K'. The other
    arguments are numbers or pairs. Raises RuntimeError where sizes do not fit.

    >>> import torch
    >>> x = torch.arange(4.0).reshape(1, 1, 4).requires_grad_()
    >>> y = unfold(x, (1, 2))
    >>> y
    tensor([[0., 1., 2.],
            [1., 2., 3.]], grad_fn=<UnfoldFunctionBackward>)
    >>> y.sum().backward()
    >>> x.grad
    tensor([[[1., 2., 2., 1.]]])
    """
    return call(UnfoldFunction, input, kernel_size, dilation, padding, stride)


class Unfold(nn.Unfold):
    """Drop-in `torch.nn.Unfold` computed by `manualgrad.functional.unfold`."""

    def forward(self, input: Tensor) -> Tensor:
        return call(UnfoldFunction, input, self.kernel_size, self.dilation, self.padding, self.stride)
