r"""Dropout: each element is kept with probability 1 - p, and divided by it.

    forward    y  = x . f,   f = 1 / (1 - p) where kept, else 0
    backward   dx = dy . f
    tangent    y' = x' . f

The factors f are an input of the formula, drawn outside: a formula is a function, and gives the same twice.
Shapes: x, y (*) any shape, f as x, or () where all are dropped. Saves f only.
Source: Srivastava et al. (2014), Dropout: a simple way to prevent neural networks from overfitting.
"""

from typing import Any

import torch
from torch import Tensor, nn

from manualgrad.formula import Formula, call, call_in_place, save


class DropoutFunction(Formula):
    saves_output_only = True  # nothing of x is needed again, so the result may be written over it

    @staticmethod
    def forward(x: Tensor, factors: Tensor) -> Tensor:
        return x * factors

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Tensor, Tensor], output: Tensor) -> None:
        save(ctx, inputs[1])

    @staticmethod
    def backward(ctx: Any, dy: Tensor) -> tuple[Tensor, None]:
        (factors,) = ctx.saved_tensors
        return dy * factors, None

    @staticmethod
    def jvp(ctx: Any, x_t: Tensor, _: None) -> Tensor:
        (factors,) = ctx.saved_tensors
        return x_t * factors


def dropout(input: Tensor, p: float = 0.5, training: bool = True, inplace: bool = False) -> Tensor:
    """`input` with each element dropped with probability `p`, while training; the others are divided by 1 - p.

    Any shape. From the same seed, the same elements as `torch.nn.functional.dropout` drops. With `inplace` the result is
    written over `input`. Raises ValueError for a `p` outside [0, 1].

    >>> import torch
    >>> _ = torch.manual_seed(0)
    >>> x = torch.ones(6, requires_grad=True)
    >>> dropout(x, 0.5).sum().backward()
    >>> sorted(set(x.grad.tolist()))
    [0.0, 2.0]
    """
    if not 0 <= p <= 1:
        raise ValueError(f"dropout: p is a probability, from 0 to 1, got {p}")
    if not training or p == 0 or input.numel() == 0:
        return input
    factors = input.new_zeros(()) if p == 1 else torch.empty_like(input).bernoulli_(1 - p).div_(1 - p)
    return (call_in_place if inplace else call)(DropoutFunction, input, factors)


class Dropout(nn.Dropout):
    """Drop-in `torch.nn.Dropout` computed by `manualgrad.functional.dropout`."""

    def forward(self, input: Tensor) -> Tensor:
        return dropout(input, self.p, self.training, self.inplace)
