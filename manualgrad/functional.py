"""The shelf of functions: names and signatures of `torch.nn.functional` and of torch's elementary operations.

`import manualgrad.functional as F` in place of `import torch.nn.functional as F` is enough to have every gradient
computed by a formula that can be read. `TWINS` maps torch's functions to ours; the tape looks operations up in it.
"""

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as _F

from manualgrad.formulas.adaptive_max_pool import adaptive_max_pool1d as adaptive_max_pool1d
from manualgrad.formulas.adaptive_max_pool import adaptive_max_pool1d_with_indices as adaptive_max_pool1d_with_indices
from manualgrad.formulas.adaptive_max_pool import adaptive_max_pool2d as adaptive_max_pool2d
from manualgrad.formulas.adaptive_max_pool import adaptive_max_pool2d_with_indices as adaptive_max_pool2d_with_indices
from manualgrad.formulas.adaptive_max_pool import adaptive_max_pool3d as adaptive_max_pool3d
from manualgrad.formulas.adaptive_max_pool import adaptive_max_pool3d_with_indices as adaptive_max_pool3d_with_indices
from manualgrad.formulas.arithmetic import add as add
from manualgrad.formulas.arithmetic import div as div
from manualgrad.formulas.arithmetic import mul as mul
from manualgrad.formulas.arithmetic import neg as neg
from manualgrad.formulas.arithmetic import pow as pow
from manualgrad.formulas.arithmetic import sub as sub
from manualgrad.formulas.attention import scaled_dot_product_attention as scaled_dot_product_attention
from manualgrad.formulas.bilinear import bilinear as bilinear
from manualgrad.formulas.binary_cross_entropy import binary_cross_entropy as binary_cross_entropy
from manualgrad.formulas.binary_cross_entropy_with_logits import (
    binary_cross_entropy_with_logits as binary_cross_entropy_with_logits,
)
from manualgrad.formulas.conv import conv1d as conv1d
from manualgrad.formulas.conv import conv2d as conv2d
from manualgrad.formulas.conv import conv3d as conv3d
from manualgrad.formulas.conv_transpose import conv_transpose1d as conv_transpose1d
from manualgrad.formulas.conv_transpose import conv_transpose2d as conv_transpose2d
from manualgrad.formulas.conv_transpose import conv_transpose3d as conv_transpose3d
from manualgrad.formulas.cross_entropy import cross_entropy as cross_entropy
from manualgrad.formulas.fractional_max_pool import fractional_max_pool2d as fractional_max_pool2d
from manualgrad.formulas.fractional_max_pool import fractional_max_pool2d_with_indices as fractional_max_pool2d_with_indices
from manualgrad.formulas.fractional_max_pool import fractional_max_pool3d as fractional_max_pool3d
from manualgrad.formulas.fractional_max_pool import fractional_max_pool3d_with_indices as fractional_max_pool3d_with_indices
from manualgrad.formulas.half_mse_loss import half_mse_loss as half_mse_loss
from manualgrad.formulas.hinge_embedding_loss import hinge_embedding_loss as hinge_embedding_loss
from manualgrad.formulas.hinge_loss import hinge_loss as hinge_loss
from manualgrad.formulas.huber_loss import huber_loss as huber_loss
from manualgrad.formulas.kl_div import kl_div as kl_div
from manualgrad.formulas.l1_loss import l1_loss as l1_loss
from manualgrad.formulas.linear import linear as linear
from manualgrad.formulas.log_softmax import log_softmax as log_softmax
from manualgrad.formulas.logsigmoid import logsigmoid as logsigmoid
from manualgrad.formulas.max_pool import max_pool1d as max_pool1d
from manualgrad.formulas.max_pool import max_pool1d_with_indices as max_pool1d_with_indices
from manualgrad.formulas.max_pool import max_pool2d as max_pool2d
from manualgrad.formulas.max_pool import max_pool2d_with_indices as max_pool2d_with_indices
from manualgrad.formulas.max_pool import max_pool3d as max_pool3d
from manualgrad.formulas.max_pool import max_pool3d_with_indices as max_pool3d_with_indices
from manualgrad.formulas.max_unpool import max_unpool1d as max_unpool1d
from manualgrad.formulas.max_unpool import max_unpool2d as max_unpool2d
from manualgrad.formulas.max_unpool import max_unpool3d as max_unpool3d
from manualgrad.formulas.mse_loss import mse_loss as mse_loss
from manualgrad.formulas.nll_loss import nll_loss as nll_loss
from manualgrad.formulas.pointwise import abs as abs
from manualgrad.formulas.pointwise import ceil as ceil
from manualgrad.formulas.pointwise import cos as cos
from manualgrad.formulas.pointwise import exp as exp
from manualgrad.formulas.pointwise import expm1 as expm1
from manualgrad.formulas.pointwise import floor as floor
from manualgrad.formulas.pointwise import log as log
from manualgrad.formulas.pointwise import log1p as log1p
from manualgrad.formulas.pointwise import reciprocal as reciprocal
from manualgrad.formulas.pointwise import round as round
from manualgrad.formulas.pointwise import rsqrt as rsqrt
from manualgrad.formulas.pointwise import sign as sign
from manualgrad.formulas.pointwise import sin as sin
from manualgrad.formulas.pointwise import sqrt as sqrt
from manualgrad.formulas.pointwise import square as square
from manualgrad.formulas.pointwise import trunc as trunc
from manualgrad.formulas.relu import relu as relu
from manualgrad.formulas.relu import relu_ as relu_
from manualgrad.formulas.sigmoid import sigmoid as sigmoid
from manualgrad.formulas.smooth_l1_loss import smooth_l1_loss as smooth_l1_loss
from manualgrad.formulas.softmax import softmax as softmax
from manualgrad.formulas.tanh import tanh as tanh


def _getter(name: str) -> Callable[..., Any]:
    """What reading the attribute `x.name` of a tensor calls."""
    return getattr(Tensor, name).__get__


def _reversed(function: Callable[..., Any]) -> Callable[..., Any]:
    """`function` with its two operands swapped: what `1 - x` calls on x."""

    def swapped(input: Any, other: Any, **keywords: Any) -> Any:
        return function(other, input, **keywords)

    return swapped


def _with_dtype_third(function: Callable[..., Any]) -> Callable[..., Any]:
    """`softmax` or `log_softmax` with the arguments of `torch.softmax`, which knows no `_stacklevel`."""

    def spelled(input: Tensor, dim: int, dtype: torch.dtype | None = None) -> Any:
        return function(input, dim, dtype=dtype)

    return spelled


# One line per function: ours, then every spelling that torch has for it.
_SPELLINGS: tuple[tuple[Callable[..., Any], ...], ...] = (
    # activations
    (sigmoid, torch.sigmoid, Tensor.sigmoid, torch.special.expit, _F.sigmoid),
    (tanh, torch.tanh, Tensor.tanh, _F.tanh),
    (relu, torch.relu, Tensor.relu, _F.relu),
    (logsigmoid, _F.logsigmoid),
    (softmax, _F.softmax),
    (_with_dtype_third(softmax), torch.softmax, Tensor.softmax, torch.special.softmax),
    (log_softmax, _F.log_softmax),
    (_with_dtype_third(log_softmax), torch.log_softmax, Tensor.log_softmax, torch.special.log_softmax),
    # layers
    (linear, _F.linear),
    (bilinear, _F.bilinear),
    # convolution, pooling, embedding, dropout
    (conv1d, _F.conv1d),
    (conv2d, _F.conv2d),
    (conv3d, _F.conv3d),
    (conv_transpose1d, _F.conv_transpose1d),
    (conv_transpose2d, _F.conv_transpose2d),
    (conv_transpose3d, _F.conv_transpose3d),
    (max_pool1d, _F.max_pool1d, torch.max_pool1d),
    (max_pool2d, _F.max_pool2d, torch.max_pool2d),
    (max_pool3d, _F.max_pool3d, torch.max_pool3d),
    (max_pool1d_with_indices, _F.max_pool1d_with_indices, torch.max_pool1d_with_indices),
    (max_pool2d_with_indices, _F.max_pool2d_with_indices),
    (max_pool3d_with_indices, _F.max_pool3d_with_indices),
    (adaptive_max_pool1d, _F.adaptive_max_pool1d),
    (adaptive_max_pool2d, _F.adaptive_max_pool2d),
    (adaptive_max_pool3d, _F.adaptive_max_pool3d),
    (adaptive_max_pool1d_with_indices, _F.adaptive_max_pool1d_with_indices, torch.adaptive_max_pool1d),
    (adaptive_max_pool2d_with_indices, _F.adaptive_max_pool2d_with_indices),
    (adaptive_max_pool3d_with_indices, _F.adaptive_max_pool3d_with_indices),
    (fractional_max_pool2d, _F.fractional_max_pool2d),
    (fractional_max_pool3d, _F.fractional_max_pool3d),
    (fractional_max_pool2d_with_indices, _F.fractional_max_pool2d_with_indices),
    (fractional_max_pool3d_with_indices, _F.fractional_max_pool3d_with_indices),
    (max_unpool1d, _F.max_unpool1d),
    (max_unpool2d, _F.max_unpool2d),
    (max_unpool3d, _F.max_unpool3d),
    # attention
    (scaled_dot_product_attention, _F.scaled_dot_product_attention),
    # losses
    (mse_loss, _F.mse_loss),
    (l1_loss, _F.l1_loss),
    (huber_loss, _F.huber_loss),
    (smooth_l1_loss, _F.smooth_l1_loss),
    (binary_cross_entropy, _F.binary_cross_entropy),
    (binary_cross_entropy_with_logits, _F.binary_cross_entropy_with_logits),
    (nll_loss, _F.nll_loss),
    (cross_entropy, _F.cross_entropy),
    (kl_div, _F.kl_div),
    (hinge_embedding_loss, _F.hinge_embedding_loss),
    # elementary operations
    (add, torch.add, Tensor.add, Tensor.__add__, Tensor.__radd__),
    (sub, torch.sub, Tensor.sub, Tensor.__sub__, torch.subtract, Tensor.subtract),
    (_reversed(sub), torch.rsub, Tensor.__rsub__),
    (mul, torch.mul, Tensor.mul, Tensor.__mul__, Tensor.__rmul__, torch.multiply, Tensor.multiply),
    (div, torch.div, Tensor.div, Tensor.__truediv__, Tensor.__div__, torch.divide, Tensor.divide),
    (div, torch.true_divide, Tensor.true_divide),
    (_reversed(div), Tensor.__rtruediv__),
    (neg, torch.neg, Tensor.neg, Tensor.__neg__, torch.negative, Tensor.negative),
    (pow, torch.pow, Tensor.pow, Tensor.__pow__),
    (_reversed(pow), Tensor.__rpow__),
    (exp, torch.exp, Tensor.exp),
    (expm1, torch.expm1, Tensor.expm1, torch.special.expm1),
    (log, torch.log, Tensor.log),
    (log1p, torch.log1p, Tensor.log1p, torch.special.log1p),
    (sqrt, torch.sqrt, Tensor.sqrt),
    (rsqrt, torch.rsqrt, Tensor.rsqrt),
    (square, torch.square, Tensor.square),
    (reciprocal, torch.reciprocal, Tensor.reciprocal),
    (abs, torch.abs, Tensor.abs, Tensor.__abs__, torch.absolute, Tensor.absolute),
    (sin, torch.sin, Tensor.sin),
    (cos, torch.cos, Tensor.cos),
    (floor, torch.floor, Tensor.floor),
    (ceil, torch.ceil, Tensor.ceil),
    (trunc, torch.trunc, Tensor.trunc, torch.fix, Tensor.fix),
    (round, torch.round, Tensor.round, torch.special.round),
    (sign, torch.sign, Tensor.sign, torch.sgn, Tensor.sgn),
)

# torch's function -> ours, of the same arguments.
TWINS: dict[Callable[..., Any], Callable[..., Any]] = {
    theirs: f for f, *spellings in _SPELLINGS for theirs in spellings
}

# torch's in-place function -> ours, which returns a new tensor: `add_` stands for `add`, `__iadd__` for `__add__`.
IN_PLACE: dict[Callable[..., Any], Callable[..., Any]] = {
    getattr(owner, name): f
    for theirs, f in TWINS.items()
    for name in (f"{theirs.__name__}_", theirs.__name__.replace("__", "__i", 1))
    for owner in (torch, Tensor, _F)
    if name != theirs.__name__ and hasattr(owner, name)
}
IN_PLACE[Tensor.__ipow__] = pow

# Functions whose floating-point result does not depend on the values of their arguments in a differentiable way.
PASS_THROUGH: frozenset[Callable[..., Any]] = frozenset(
    (
        Tensor.detach,
        torch.detach,
        _getter("data"),
        _getter("grad"),
        torch.zeros_like,
        torch.ones_like,
        torch.empty_like,
        torch.full_like,
        torch.rand_like,
        torch.randn_like,
        Tensor.new_zeros,
        Tensor.new_ones,
        Tensor.new_empty,
        Tensor.new_full,
        Tensor.new_tensor,
    )
)
