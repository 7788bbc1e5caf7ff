r"""Dropout: elements or whole channels are left out at random, and the others scaled to make up for it.

    forward    y  = x . f + b
    backward   dx = dy . f
    tangent    y' = x' . f

Each element, or with feature dropout each channel, is kept with probability q = 1 - p. Dropout has f = 1 / q where kept
and 0 elsewhere, and no b. Alpha dropout puts -alpha where elements are left out, the value that SELU tends to, and then
restores mean and variance: f = a where kept and 0 elsewhere, b = a alpha (kept - 1 + p), with
a = 1 / sqrt(q (1 + p alpha^2)) and alpha = 1.7580993408473766. f and b are inputs of the formula, drawn outside:
a formula is a function, and gives the same twice.

Shapes: x, y (*) any shape, f and b (*) or (N, C, 1, ...). Saves f only.
Source: Srivastava et al. (2014), Dropout: a simple way to prevent neural networks from overfitting;
Tompson et al. (2015), Efficient object localization using convolutional networks, section 3.2, for channels;
Klambauer et al. (2017), Self-normalizing neural networks, section 2, for alpha dropout.
"""

import math
import warnings
from typing import Any

import torch
from torch import Tensor, nn

from manualgrad.formula import Formula, call, call_in_place, save

_ALPHA = 1.7580993408473766  # what SELU tends to, times -1


class DropoutFunction(Formula):
    saves_output_only = True  # nothing of x is needed again, so the result may be written over it

    @staticmethod
    def forward(x: Tensor, factors: Tensor, shifts: Tensor | None) -> Tensor:
        return x * factors if shifts is None else x * factors + shifts

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Tensor, Tensor, Tensor | None], output: Tensor) -> None:
        save(ctx, inputs[1])

    @staticmethod
    def backward(ctx: Any, dy: Tensor) -> tuple[Tensor, None, None]:
        (factors,) = ctx.saved_tensors
        return dy * factors, None, None

    @staticmethod
    def jvp(ctx: Any, x_t: Tensor, *_: None) -> Tensor:
        (factors,) = ctx.saved_tensors
        return x_t * factors


def _drop(
    name: str, x: Tensor, p: float, training: bool, inplace: bool, leading: int | None = None, alpha: bool = False
) -> Tensor:
    """Dropout of elements, or of what is numbered by the `leading` dimensions; drawn as torch draws it from a seed."""
    if not 0 <= p <= 1:
        raise ValueError(f"{name}: p is a probability, from 0 to 1, got {p}")
    if not training or p == 0 or x.numel() == 0:
        return x
    if leading is not None and x.dim() < leading:
        raise RuntimeError(f"{name}: input must have {leading} dimensions or more, got {tuple(x.shape)}")
    shifts = None
    if p == 1:
        factors = x.new_zeros(())
    else:
        shape = x.shape if leading is None else (*x.shape[:leading], *[1] * (x.dim() - leading))
        factors = (torch.empty_like(x) if leading is None else x.new_empty(shape)).bernoulli_(1 - p)
        if alpha:
            scale = 1 / math.sqrt((_ALPHA * _ALPHA * p + 1) * (1 - p))
            shifts = factors.add(-1).mul_(_ALPHA * scale).add_(_ALPHA * scale * p)
            factors.mul_(scale)
        else:
            factors.div_(1 - p)
    return (call_in_place if inplace else call)(DropoutFunction, x, factors, shifts)


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
    return _drop("dropout", input, p, training, inplace)


def dropout1d(input: Tensor, p: float = 0.5, training: bool = True, inplace: bool = False) -> Tensor:
    """`dropout` of whole channels. input (N, C, L) or (C, L); raises RuntimeError for other numbers of dimensions.

    >>> import torch
    >>> _ = torch.manual_seed(0)
    >>> dropout1d(torch.ones(4, 2), 0.5)
    tensor([[0., 0.],
            [0., 0.],
            [2., 2.],
            [0., 0.]])
    """
    if input.dim() not in (2, 3):
        raise RuntimeError(f"dropout1d: input must have 2 or 3 dimensions, got {tuple(input.shape)}")
    return _drop("dropout1d", input, p, training, inplace, input.dim() - 1)


def dropout2d(input: Tensor, p: float = 0.5, training: bool = True, inplace: bool = False) -> Tensor:
    """`dropout` of whole channels. input (N, C, H, W).

    As torch does, it takes two dimensions or more, the first two to be samples and channels, and warns where there are
    not four.

    >>> import torch
    >>> dropout2d(torch.ones(2, 3, 4, 4), 0.5).unique(dim=-1).shape  # all of a channel has one value
    torch.Size([2, 3, 4, 1])
    """
    if input.dim() != 4 and not torch.compiler.is_compiling():  # torch.compile cannot warn in the midst of a graph
        warnings.warn(f"dropout2d: input should be (N, C, H, W), got {tuple(input.shape)}", stacklevel=2)
    return _drop("dropout2d", input, p, training, inplace, 2)


def dropout3d(input: Tensor, p: float = 0.5, training: bool = True, inplace: bool = False) -> Tensor:
    """`dropout` of whole channels. input (N, C, D, H, W) or (C, D, H, W); warns of other numbers of dimensions.

    >>> import torch
    >>> dropout3d(torch.ones(2, 1, 1, 1), 0.0).flatten()
    tensor([1., 1.])
    """
    if input.dim() not in (4, 5) and not torch.compiler.is_compiling():
        warnings.warn(f"dropout3d: input should be ([N,] C, D, H, W), got {tuple(input.shape)}", stacklevel=2)
    return _drop("dropout3d", input, p, training, inplace, 2 if input.dim() == 5 else 1)


def alpha_dropout(input: Tensor, p: float = 0.5, training: bool = False, inplace: bool = False) -> Tensor:
    """Dropout for networks of SELUs, which keeps mean 0 and variance 1. Otherwise as `dropout`; any shape.

    >>> import torch
    >>> _ = torch.manual_seed(0)
    >>> y = alpha_dropout(torch.randn(10000), 0.3, training=True)
    >>> bool(y.mean().abs() < 0.05), bool((y.var() - 1).abs() < 0.05)
    (True, True)
    """
    return _drop("alpha_dropout", input, p, training, inplace, alpha=True)


def feature_alpha_dropout(input: Tensor, p: float = 0.5, training: bool = False, inplace: bool = False) -> Tensor:
    """`alpha_dropout` of whole channels. input (N, C, *); raises RuntimeError, in training, for fewer dimensions.

    >>> import torch
    >>> feature_alpha_dropout(torch.zeros(2, 3, 5), 0.5, training=True).unique(dim=-1).shape
    torch.Size([2, 3, 1])
    """
    return _drop("feature_alpha_dropout", input, p, training, inplace, 2, alpha=True)


class Dropout(nn.Dropout):
    """Drop-in `torch.nn.Dropout` computed by `manualgrad.functional.dropout`."""

    def forward(self, input: Tensor) -> Tensor:
        return dropout(input, self.p, self.training, self.inplace)


class Dropout1d(nn.Dropout1d):
    """Drop-in `torch.nn.Dropout1d` computed by `manualgrad.functional.dropout1d`."""

    def forward(self, input: Tensor) -> Tensor:
        return dropout1d(input, self.p, self.training, self.inplace)


class Dropout2d(nn.Dropout2d):
    """Drop-in `torch.nn.Dropout2d` computed by `manualgrad.functional.dropout2d`."""

    def forward(self, input: Tensor) -> Tensor:
        return dropout2d(input, self.p, self.training, self.inplace)


class Dropout3d(nn.Dropout3d):
    """Drop-in `torch.nn.Dropout3d` computed by `manualgrad.functional.dropout3d`."""

    def forward(self, input: Tensor) -> Tensor:
        return dropout3d(input, self.p, self.training, self.inplace)


class AlphaDropout(nn.AlphaDropout):
    """Drop-in `torch.nn.AlphaDropout` computed by `manualgrad.functional.alpha_dropout`; as torch's, never in place."""

    def forward(self, input: Tensor) -> Tensor:
        return alpha_dropout(input, self.p, self.training)


class FeatureAlphaDropout(nn.FeatureAlphaDropout):
    """Drop-in `torch.nn.FeatureAlphaDropout`, by `manualgrad.functional.feature_alpha_dropout`; never in place."""

    def forward(self, input: Tensor) -> Tensor:
        return feature_alpha_dropout(input, self.p, self.training)
