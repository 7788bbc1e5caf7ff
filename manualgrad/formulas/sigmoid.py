r"""Logistic sigmoid.

    forward    y  = 1 / (1 + e^-x)
    backward   dx = dy . y (1 - y)
    tangent    y' = x' . y (1 - y)

Shapes: x, y (*) any shape. Saves y only: s'(x) = s(x) (1 - s(x)), so x is not needed again.
Source: Rumelhart, Hinton & Williams (1986), Learning representations by back-propagating errors, eq. 2.
"""

from typing import Any

import torch
from torch import Tensor, nn

from manualgrad.formula import Formula, call, save


class SigmoidFunction(Formula):
    complex = "holomorphic"

    @staticmethod
    def forward(x: Tensor) -> Tensor:
        return torch.sigmoid(x)

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Tensor], output: Tensor) -> None:
        save(ctx, output)

    @staticmethod
    def backward(ctx: Any, dy: Tensor) -> Tensor:
        (y,) = ctx.saved_tensors
        return dy * torch.addcmul(y, y, y, value=-1)  # y - y y: one kernel fewer than dy y (1 - y)

    @staticmethod
    def jvp(ctx: Any, x_t: Tensor) -> Tensor:
        (y,) = ctx.saved_tensors
        return x_t * (y * (1 - y))


def sigmoid(input: Tensor) -> Tensor:
    """`1 / (1 + exp(-input))`, elementwise; any shape. Same values and gradients as `torch.sigmoid`.

    >>> import torch
    >>> x = torch.tensor([0.0, 2.0], requires_grad=True)
    >>> sigmoid(x).sum().backward()
    >>> x.grad
    tensor([0.2500, 0.1050])
    """
    return call(SigmoidFunction, input)


class Sigmoid(nn.Sigmoid):
    """Drop-in `torch.nn.Sigmoid` computed by `manualgrad.functional.sigmoid`."""

    def forward(self, input: Tensor) -> Tensor:
        return sigmoid(input)
