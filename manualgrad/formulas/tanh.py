r"""Hyperbolic tangent.

    forward    y  = tanh(x) = (e^x - e^-x) / (e^x + e^-x)
    backward   dx = dy . (1 - y^2)
    tangent    y' = x' . (1 - y^2)

Shapes: x, y (*) any shape. Saves y only: the slope is a function of it, so x is not needed again.
Source: LeCun, Bottou, Orr & Muller (1998), Efficient BackProp, section 4.4.
"""

from typing import Any

import torch
from torch import Tensor, nn

from manualgrad.formula import Formula, call, save


class TanhFunction(Formula):
    complex = "holomorphic"

    @staticmethod
    def forward(x: Tensor) -> Tensor:
        return torch.tanh(x)

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Tensor], output: Tensor) -> None:
        save(ctx, output)

    @staticmethod
    def backward(ctx: Any, dy: Tensor) -> Tensor:
        (y,) = ctx.saved_tensors
        return dy * torch.addcmul(y.new_ones(()), y, y, value=-1)  # one kernel fewer than 1 - y^2

    @staticmethod
    def jvp(ctx: Any, x_t: Tensor) -> Tensor:
        (y,) = ctx.saved_tensors
        return x_t * torch.addcmul(y.new_ones(()), y, y, value=-1)


def tanh(input: Tensor) -> Tensor:
    """Hyperbolic tangent, elementwise; any shape. Same values and gradients as `torch.tanh`.

    >>> import torch
    >>> x = torch.tensor([0.0, 2.0], requires_grad=True)
    >>> tanh(x).sum().backward()
    >>> x.grad
    tensor([1.0000, 0.0707])
    """
    return call(TanhFunction, input)


class Tanh(nn.Tanh):
    """Drop-in `torch.nn.Tanh` computed by `manualgrad.functional.tanh`."""

    def forward(self, input: Tensor) -> Tensor:
        return tanh(input)
