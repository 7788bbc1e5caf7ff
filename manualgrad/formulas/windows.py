r"""Windows: all pieces of one length along a dimension, which may overlap.

    forward    y_kj = x_(k step + j)
    backward   dx_i = sum of dy_kj where k step + j = i        an element in several windows receives the sum
    tangent    y'_kj = x'_(k step + j)

Shapes: x (*), y as x with the number of windows at `dimension`, and a last dimension `size`. Saves nothing.
Source: the transpose of a matrix of zeros and ones, one in each row.
"""

from typing import Any

import torch
from torch import Tensor

from manualgrad.formula import Formula, call


class WindowsFunction(Formula):
    opmath = False

    @staticmethod
    def forward(x: Tensor, dimension: int, size: int, step: int) -> Tensor:
        return x.unfold(dimension, size, step)

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Tensor, int, int, int], output: Tensor) -> None:
        x, *ctx.how = inputs
        ctx.shape = x.shape

    @staticmethod
    def backward(ctx: Any, dy: Tensor) -> tuple[Tensor, None, None, None]:
        dimension, size, step = ctx.how
        if not ctx.shape:  # a number has one window, and no dimension that counts them
            return dy.sum(), None, None, None
        dim = dimension % len(ctx.shape)
        places = torch.arange(ctx.shape[dim], device=dy.device).unfold(0, size, step)
        places = places.reshape(-1)
        windows = dy.movedim(-1, dim + 1).reshape(*ctx.shape[:dim], len(places), *ctx.shape[dim + 1 :])
        return dy.new_zeros(ctx.shape).index_add(dim, places, windows), None, None, None

    @staticmethod
    def jvp(ctx: Any, x_t: Tensor, *_: None) -> Tensor:
        return x_t.unfold(*ctx.how)


def windows(input: Tensor, dimension: int, size: int, step: int) -> Tensor:
    """All pieces of length `size` along a dimension, each `step` further on, in a last dimension.

    Same values and gradients as `torch.Tensor.unfold`. Raises RuntimeError for windows longer than the dimension.

    >>> import torch
    >>> x = torch.tensor([1.0, 2.0, 3.0], requires_grad=True)
    >>> y = windows(x, 0, 2, 1)
    >>> y.sum().backward()
    >>> y.detach(), x.grad
    (tensor([[1., 2.],
            [2., 3.]]), tensor([1., 2., 1.]))
    """
    return call(WindowsFunction, input, dimension, size, step)
