r"""Dropout: elements or whole channels are left out at random, and the others scaled to make up for it.

    forward    y  = x . f
    backward   dx = dy . f
    tangent    y' = x' . f

Each element, or each channel, is kept with probability q = 1 - p: f = 1 / q where kept and 0 elsewhere. f is an input
of the formula, drawn outside: a formula is a function, and gives the same twice.

Shapes: x, y (*) any shape, f (*) or (N, C, 1, ...). Saves f only.
Source: Srivastava et al. (2014), Dropout: a simple way to prevent neural networks from overfitting;
Tompson et al. (2015), Efficient object localization using convolutional networks, section 3.2, for channels.
"""

from typing import Any

import torch
from torch import Tensor, nn

from manualgrad.formula import Formula, call, call_in_place, save
from manualgrad.public import public


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


def drop(name: str, x: Tensor, p: float, training: bool, inplace: bool, leading: int | None = None) -> Tensor:
    """Dropout of elements, or of what is numbered by the `leading` dimensions; drawn as torch draws it from a seed."""
    if not 0 <= p <= 1:
        raise ValueError(f"{name}: p is a probability, from 0 to 1, got {p}")
    if not training or p == 0 or x.numel() == 0:
        return x
    if leading is not None and x.dim() < leading:
        raise RuntimeError(f"{name}: input must have {leading} dimensions or more, got {tuple(x.shape)}")
    if p == 1:
        factors = x.new_zeros(())
    else:
        like = torch.empty_like(x) if leading is None else x.new_empty(*x.shape[:leading], *[1] * (x.dim() - leading))
        factors = like.bernoulli_(1 - p).div_(1 - p)
    return (call_in_place if inplace else call)(DropoutFunction, x, factors)


@public
def dropout(input: Tensor, p: float = 0.5, training: bool = True, inplace: bool = False) -> Tensor:
    """`input` with each element dropped with probability `p`, while training; the others are divided by 1 - p.

    Any shape. From the same seed, the same elements as `torch.nn.functional.dropout` drops, on the CPU. With `inplace`
    the result is written over `input`. Raises ValueError for a `p` outside [0, 1].

    >>> import torch
    >>> _ = torch.manual_seed(0)
    >>> x = torch.ones(6, requires_grad=True)
    >>> dropout(x, 0.5).sum().backward()
    >>> sorted(set(x.grad.tolist()))
    [0.0, 2.0]
    """
    return drop("dropout", input, p, training, inplace)


class Dropout(nn.Dropout):
    """Drop-in `torch.nn.Dropout` computed by `manualgrad.functional.dropout`."""

    def forward(self, input: Tensor) -> Tensor:
        return dropout(input, self.p, self.training, self.inplace)
