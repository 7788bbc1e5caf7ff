r"""Rectified linear unit.

    forward    y  = max(0, x)
    backward   dx = dy  where y > 0,  else 0
    tangent    y' = x'  where y > 0,  else 0

At x = 0 there is no derivative; like torch, 0 is taken.
Shapes: x, y (*) any shape. Saves y only: y > 0 where x > 0, and the next layer often keeps y anyway.
Source: Nair & Hinton (2010), Rectified linear units improve restricted Boltzmann machines.
"""

from typing import Any

import torch
from torch import Tensor, nn

from manualgrad.formula import Formula, call, call_in_place, gated, save
from manualgrad.public import public


class ReluFunction(Formula):
    saves_output_only = True

    @staticmethod
    def forward(x: Tensor) -> Tensor:
        return torch.relu(x)

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Tensor], output: Tensor) -> None:
        save(ctx, output)

    @staticmethod
    def backward(ctx: Any, dy: Tensor) -> Tensor:
        (y,) = ctx.saved_tensors
        return gated(dy, y)

    @staticmethod
    def jvp(ctx: Any, x_t: Tensor) -> Tensor:
        (y,) = ctx.saved_tensors
        return gated(x_t, y)


def relu(input: Tensor, inplace: bool = False) -> Tensor:
    """`max(0, input)`, elementwise; any shape. Same values and gradients as `torch.nn.functional.relu`.

    With `inplace` the result is written over `input`, which is returned and stands for the result from then on.
    Raises RuntimeError where `input` is a leaf that requires a gradient.

    >>> import torch
    >>> x = torch.tensor([-1.0, 0.0, 2.0], requires_grad=True)
    >>> relu(x).sum().backward()
    >>> x.grad
    tensor([0., 0., 1.])
    """
    return call_in_place(ReluFunction, input) if inplace else call(ReluFunction, input)


@public
def relu_(input: Tensor) -> Tensor:
    """`relu` in place."""
    return relu(input, inplace=True)


class ReLU(nn.ReLU):
    """Drop-in `torch.nn.ReLU` computed by `manualgrad.functional.relu`."""

    def forward(self, input: Tensor) -> Tensor:
        return relu(input, self.inplace)
