r"""Fold: windows put back into an image, added where they overlap.

    forward    y[c, i]    = sum over l, k with s l + d k - p = i of x[c k, l]
    backward   dx[c k, l] = dy[c, s l + d k - p], 0 outside of y
    tangent    y'[c, i]   = sum over l, k with s l + d k - p = i of x'[c k, l]

Stride s, dilation d, padding p; i, l and k have two components; c k counts channels and positions in the window as one,
and l counts the windows as one. The backward pass is `unfold`.

Shapes: x (N, C kernel, L) or (C kernel, L), y (N, C, H, W) or (C, H, W), with L the number of windows that fit into y.
Saves nothing: the formula is linear in x.
Source: Chellapilla et al. (2006), High performance convolutional neural networks for document processing, section 2.
"""

from collections.abc import Sequence
from typing import Any

from torch import Tensor, nn
from torch.nn import functional as F

from manualgrad.formula import Formula, call, save

Numbers = int | Sequence[int]


class FoldFunction(Formula):
    @staticmethod
    def forward(
        x: Tensor,
        output_size: Numbers,
        kernel_size: Numbers,
        dilation: Numbers,
        padding: Numbers,
        stride: Numbers,
    ) -> Tensor:
        settings: Any = output_size, kernel_size, dilation, padding, stride
        return F.fold(x, *settings)

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Any, ...], output: Tensor) -> None:
        _, *ctx.settings = inputs
        save(ctx)

    @staticmethod
    def backward(ctx: Any, dy: Tensor) -> tuple[Tensor, None, None, None, None, None]:
        return F.unfold(dy, *ctx.settings[1:]), None, None, None, None, None

    @staticmethod
    def jvp(ctx: Any, x_t: Tensor, *_: None) -> Tensor:
        return F.fold(x_t, *ctx.settings)


def fold(
    input: Tensor,
    output_size: Numbers,
    kernel_size: Numbers,
    dilation: Numbers = 1,
    padding: Numbers = 0,
    stride: Numbers = 1,
) -> Tensor:
    """Windows added up to an image of `output_size`: the adjoint of `unfold`. As `torch.nn.functional.fold`.

    input (N, C K K', L) or (C K K', L) for a kernel of K by K'; the result is (N, C, H, W) or (C, H, W). The other
    arguments are numbers or pairs. Raises RuntimeError where sizes do not fit.

    >>> import torch
    >>> x = torch.ones(2, 3, requires_grad=True)
    >>> y = fold(x, (1, 4), (1, 2))
    >>> y
    tensor([[[1., 2., 2., 1.]]], grad_fn=<FoldFunctionBackward>)
    >>> (y * torch.arange(4.0)).sum().backward()
    >>> x.grad
    tensor([[0., 1., 2.],
            [1., 2., 3.]])
    """
    return call(FoldFunction, input, output_size, kernel_size, dilation, padding, stride)


class Fold(nn.Fold):
    """Drop-in `torch.nn.Fold` computed by `manualgrad.functional.fold`."""

    def forward(self, input: Tensor) -> Tensor:
        settings = self.output_size, self.kernel_size, self.dilation, self.padding, self.stride
        return call(FoldFunction, input, *settings)
