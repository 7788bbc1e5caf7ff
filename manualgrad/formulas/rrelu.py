r"""Randomised leaky rectified linear unit.

    forward    y  = r x         r = 1 where x > 0, else drawn from [lower, upper] in training, their mean otherwise
    backward   dx = r dy
    tangent    y' = r x'

At x = 0 there is no derivative; like torch, that of the negative side is taken.
Shapes: x, r, y (*) any shape. Saves r, which is an input of the formula: where chance comes in, the slopes are drawn
first, and the formula is a product with them.
Source: Xu, Wang, Chen & Li (2015), Empirical evaluation of rectified activations in convolutional network, eq. 3.
"""

from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from manualgrad.formula import Formula, call, call_in_place, save
from manualgrad.public import expect_floating, public


class RreluFunction(Formula):
    saves_output_only = True  # the slopes and not x, that is: `inplace` may write over x

    @staticmethod
    def forward(x: Tensor, slopes: Tensor) -> Tensor:
        return x * slopes

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Tensor, Tensor], output: Tensor) -> None:
        save(ctx, inputs[1])

    @staticmethod
    def backward(ctx: Any, dy: Tensor) -> tuple[Tensor, None]:
        (slopes,) = ctx.saved_tensors
        return dy * slopes, None

    @staticmethod
    def jvp(ctx: Any, x_t: Tensor, _: None) -> Tensor:
        (slopes,) = ctx.saved_tensors
        return x_t * slopes


@public
def rrelu(
    input: Tensor, lower: float = 1.0 / 8, upper: float = 1.0 / 3, training: bool = False, inplace: bool = False
) -> Tensor:
    """`input` where it is positive, else times a slope: drawn from [lower, upper] in training, else their mean.

    Same values, gradients and random numbers as `torch.nn.functional.rrelu`. With `inplace` the result is written over
    `input`, which is returned. Raises RuntimeError if lower > upper.

    >>> import torch
    >>> x = torch.tensor([-2.0, 3.0], requires_grad=True)
    >>> rrelu(x, 0.1, 0.3).sum().backward()
    >>> x.grad
    tensor([0.2000, 1.0000])
    """
    if lower > upper:
        raise RuntimeError(f"rrelu: lower must be at most upper, got {lower} and {upper}")
    expect_floating("rrelu: input", input)
    with torch.no_grad():
        if training:
            slopes = torch.empty_like(input)
            torch.ops.aten.rrelu_with_noise(input, slopes, lower, upper, True)
        else:
            slopes = F.threshold(torch.sign(input), 0.0, (lower + upper) / 2)
    return (call_in_place if inplace else call)(RreluFunction, input, slopes)


@public
def rrelu_(input: Tensor, lower: float = 1.0 / 8, upper: float = 1.0 / 3, training: bool = False) -> Tensor:
    """`rrelu` in place."""
    return rrelu(input, lower, upper, training, inplace=True)


class RReLU(nn.RReLU):
    """Drop-in `torch.nn.RReLU` computed by `manualgrad.functional.rrelu`."""

    def forward(self, input: Tensor) -> Tensor:
        return rrelu(input, self.lower, self.upper, self.training, self.inplace)
