r"""Gated linear unit: one half of the input opens the gate for the other.

    forward    y  = a s(b)                   a and b the halves of x along `dim`, s the sigmoid
    backward   da = dy . s(b)
               db = dy . a s(b) (1 - s(b))
    tangent    y' = a' s(b) + b' a s(b) (1 - s(b))

Shapes: x any shape whose size along `dim` is even, y half of that size. Saves x only.
Source: Dauphin, Fan, Auli & Grangier (2017), Language modeling with gated convolutional networks, eqs. 1 and 3.
"""

from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from manualgrad.formula import Formula, call, save


class GluFunction(Formula):
    @staticmethod
    def forward(x: Tensor, dim: int) -> Tensor:
        return F.glu(x, dim)

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Tensor, int], output: Tensor) -> None:
        save(ctx, inputs[0])
        ctx.dim = inputs[1]

    @staticmethod
    def backward(ctx: Any, dy: Tensor) -> tuple[Tensor, None]:
        (x,) = ctx.saved_tensors
        a, b = x.chunk(2, ctx.dim)
        s = torch.sigmoid(b)
        da = dy * s
        return torch.cat([da, da * a * (1 - s)], ctx.dim), None

    @staticmethod
    def jvp(ctx: Any, x_t: Tensor, _: None) -> Tensor:
        (x,) = ctx.saved_tensors
        a, b = x.chunk(2, ctx.dim)
        a_t, b_t = x_t.chunk(2, ctx.dim)
        s = torch.sigmoid(b)
        return s * (a_t + b_t * a * (1 - s))

    @staticmethod
    def check(x: Tensor, dim: int) -> None:
        if x.dim() and -x.dim() <= dim < x.dim() and x.shape[dim] % 2:
            raise RuntimeError(f"the size of input along dim {dim} must be even, got {tuple(x.shape)}")


def glu(input: Tensor, dim: int = -1) -> Tensor:
    """`a * sigmoid(b)`, a and b the halves of `input` along `dim`. Same values and gradients as torch's `glu`.

    Raises RuntimeError for an odd size along dim or a 0-d input, IndexError for a dim out of range.

    >>> import torch
    >>> x = torch.tensor([2.0, 0.0], requires_grad=True)
    >>> glu(x).backward()
    >>> x.grad
    tensor([0.5000, 0.5000])
    """
    return call(GluFunction, input, dim)


class GLU(nn.GLU):
    """Drop-in `torch.nn.GLU` computed by `manualgrad.functional.glu`."""

    def forward(self, input: Tensor) -> Tensor:
        return glu(input, self.dim)
