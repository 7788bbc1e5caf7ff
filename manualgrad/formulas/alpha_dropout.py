r"""Alpha dropout, for networks of SELUs: what is left out takes the value that SELU tends to; mean and variance stay.

    forward    y  = x . f + b
    backward   dx = dy . f
    tangent    y' = x' . f

Each element, or with feature dropout each channel, is kept with probability q = 1 - p, and else put to -alpha, with
alpha = 1.7580993408473766. Then mean 0 and variance 1 are restored: f = a where kept and 0 elsewhere, b = a alpha
(kept - 1 + p), with a = 1 / sqrt(q (1 + p alpha^2)). f and b are inputs of the formula, drawn outside: a formula is a
function, and gives the same twice.

Shapes: x, y (*) any shape, f and b (*) or (N, C, 1, ...). Saves f only.
Source: Klambauer et al. (2017), Self-normalizing neural networks, section 2.
"""

import math
from typing import Any

import torch
from torch import Tensor, nn

from manualgrad.formula import Formula, call, call_in_place, save
from manualgrad.public import public

_ALPHA = 1.7580993408473766  # what SELU tends to, times -1


class AlphaDropoutFunction(Formula):
    saves_output_only = True  # nothing of x is needed again, so the result may be written over it

    @staticmethod
    def forward(x: Tensor, factors: Tensor, shifts: Tensor) -> Tensor:
        return x * factors + shifts

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Tensor, Tensor, Tensor], output: Tensor) -> None:
        save(ctx, inputs[1])

    @staticmethod
    def backward(ctx: Any, dy: Tensor) -> tuple[Tensor, None, None]:
        (factors,) = ctx.saved_tensors
        return dy * factors, None, None

    @staticmethod
    def jvp(ctx: Any, x_t: Tensor, *_: None) -> Tensor:
        (factors,) = ctx.saved_tensors
        return x_t * factors


def _drop(name: str, x: Tensor, p: float, training: bool, inplace: bool, channels: bool) -> Tensor:
    """Alpha dropout of elements or of channels; drawn as torch draws it from a seed."""
    if not 0 <= p <= 1:
        raise ValueError(f"{name}: p is a probability, from 0 to 1, got {p}")
    if not training or p == 0 or x.numel() == 0:
        return x
    if channels and x.dim() < 2:
        raise RuntimeError(f"{name}: input must have 2 dimensions or more, got {tuple(x.shape)}")
    if p == 1:
        factors = shifts = x.new_zeros(())
    else:
        kept = x.new_empty(*x.shape[:2], *[1] * (x.dim() - 2)) if channels else torch.empty_like(x)
        kept.bernoulli_(1 - p)
        scale = 1 / math.sqrt((_ALPHA * _ALPHA * p + 1) * (1 - p))
        shifts = kept.add(-1).mul_(_ALPHA * scale).add_(_ALPHA * scale * p)
        factors = kept.mul_(scale)
    return (call_in_place if inplace else call)(AlphaDropoutFunction, x, factors, shifts)


@public
def alpha_dropout(input: Tensor, p: float = 0.5, training: bool = False, inplace: bool = False) -> Tensor:
    """Dropout for networks of SELUs, which keeps mean 0 and variance 1. Otherwise as `dropout`; any shape.

    >>> import torch
    >>> _ = torch.manual_seed(0)
    >>> y = alpha_dropout(torch.randn(10000), 0.3, training=True)
    >>> bool(y.mean().abs() < 0.05), bool((y.var() - 1).abs() < 0.05)
    (True, True)
    """
    return _drop("alpha_dropout", input, p, training, inplace, channels=False)


@public
def feature_alpha_dropout(input: Tensor, p: float = 0.5, training: bool = False, inplace: bool = False) -> Tensor:
    """`alpha_dropout` of whole channels. input (N, C, *); raises RuntimeError, in training, for fewer dimensions.

    >>> import torch
    >>> feature_alpha_dropout(torch.zeros(2, 3, 5), 0.5, training=True).unique(dim=-1).shape
    torch.Size([2, 3, 1])
    """
    return _drop("feature_alpha_dropout", input, p, training, inplace, channels=True)


class AlphaDropout(nn.AlphaDropout):
    """Drop-in `torch.nn.AlphaDropout` computed by `manualgrad.functional.alpha_dropout`; as torch's, never in place."""

    def forward(self, input: Tensor) -> Tensor:
        return alpha_dropout(input, self.p, self.training)


class FeatureAlphaDropout(nn.FeatureAlphaDropout):
    """Drop-in `torch.nn.FeatureAlphaDropout`, by `manualgrad.functional.feature_alpha_dropout`; never in place."""

    def forward(self, input: Tensor) -> Tensor:
        return feature_alpha_dropout(input, self.p, self.training)
