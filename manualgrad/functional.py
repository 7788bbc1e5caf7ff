"""The shelf of functions: names and signatures of `torch.nn.functional` and of torch's elementary operations.

`import manualgrad.functional as F` in place of `import torch.nn.functional as F` is enough to have every gradient
computed by a formula that can be read. `TWINS` maps torch's functions to ours; the tape looks operations up in it.
"""

from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as _F

from manualgrad.compositions.attention import multi_head_attention_forward as multi_head_attention_forward
from manualgrad.compositions.recurrent import gru as gru
from manualgrad.compositions.recurrent import gru_cell as gru_cell
from manualgrad.compositions.recurrent import lstm as lstm
from manualgrad.compositions.recurrent import lstm_cell as lstm_cell
from manualgrad.compositions.recurrent import rnn_relu as rnn_relu
from manualgrad.compositions.recurrent import rnn_relu_cell as rnn_relu_cell
from manualgrad.compositions.recurrent import rnn_tanh as rnn_tanh
from manualgrad.compositions.recurrent import rnn_tanh_cell as rnn_tanh_cell
from manualgrad.compositions.triplets import triplet_margin_with_distance_loss as triplet_margin_with_distance_loss
from manualgrad.formulas.adaptive_avg_pool import adaptive_avg_pool1d as adaptive_avg_pool1d
from manualgrad.formulas.adaptive_avg_pool import adaptive_avg_pool2d as adaptive_avg_pool2d
from manualgrad.formulas.adaptive_avg_pool import adaptive_avg_pool3d as adaptive_avg_pool3d
from manualgrad.formulas.adaptive_max_pool import adaptive_max_pool1d as adaptive_max_pool1d
from manualgrad.formulas.adaptive_max_pool import adaptive_max_pool1d_with_indices as adaptive_max_pool1d_with_indices
from manualgrad.formulas.adaptive_max_pool import adaptive_max_pool2d as adaptive_max_pool2d
from manualgrad.formulas.adaptive_max_pool import adaptive_max_pool2d_with_indices as adaptive_max_pool2d_with_indices
from manualgrad.formulas.adaptive_max_pool import adaptive_max_pool3d as adaptive_max_pool3d
from manualgrad.formulas.adaptive_max_pool import adaptive_max_pool3d_with_indices as adaptive_max_pool3d_with_indices
from manualgrad.formulas.affine_grid import affine_grid as affine_grid
from manualgrad.formulas.arithmetic import add as add
from manualgrad.formulas.arithmetic import div as div
from manualgrad.formulas.arithmetic import mul as mul
from manualgrad.formulas.arithmetic import neg as neg
from manualgrad.formulas.arithmetic import pow as pow
from manualgrad.formulas.arithmetic import sub as sub
from manualgrad.formulas.attention import scaled_dot_product_attention as scaled_dot_product_attention
from manualgrad.formulas.avg_pool import avg_pool1d as avg_pool1d
from manualgrad.formulas.avg_pool import avg_pool2d as avg_pool2d
from manualgrad.formulas.avg_pool import avg_pool3d as avg_pool3d
from manualgrad.formulas.batch_norm import batch_norm as batch_norm
from manualgrad.formulas.batch_norm import instance_norm as instance_norm
from manualgrad.formulas.bilinear import bilinear as bilinear
from manualgrad.formulas.binary_cross_entropy import binary_cross_entropy as binary_cross_entropy
from manualgrad.formulas.binary_cross_entropy_with_logits import (
    binary_cross_entropy_with_logits as binary_cross_entropy_with_logits,
)
from manualgrad.formulas.celu import celu as celu
from manualgrad.formulas.celu import celu_ as celu_
from manualgrad.formulas.choice import clamp as clamp
from manualgrad.formulas.choice import clamp_max as clamp_max
from manualgrad.formulas.choice import clamp_min as clamp_min
from manualgrad.formulas.choice import masked_fill as masked_fill
from manualgrad.formulas.choice import where as where
from manualgrad.formulas.conv import conv1d as conv1d
from manualgrad.formulas.conv import conv2d as conv2d
from manualgrad.formulas.conv import conv3d as conv3d
from manualgrad.formulas.conv_tbc import conv_tbc as conv_tbc
from manualgrad.formulas.conv_transpose import conv_transpose1d as conv_transpose1d
from manualgrad.formulas.conv_transpose import conv_transpose2d as conv_transpose2d
from manualgrad.formulas.conv_transpose import conv_transpose3d as conv_transpose3d
from manualgrad.formulas.cosine_embedding_loss import cosine_embedding_loss as cosine_embedding_loss
from manualgrad.formulas.cosine_similarity import cosine_similarity as cosine_similarity
from manualgrad.formulas.cross_entropy import cross_entropy as cross_entropy
from manualgrad.formulas.ctc_loss import ctc_loss as ctc_loss
from manualgrad.formulas.dropout import alpha_dropout as alpha_dropout
from manualgrad.formulas.dropout import dropout as dropout
from manualgrad.formulas.dropout import dropout1d as dropout1d
from manualgrad.formulas.dropout import dropout2d as dropout2d
from manualgrad.formulas.dropout import dropout3d as dropout3d
from manualgrad.formulas.dropout import feature_alpha_dropout as feature_alpha_dropout
from manualgrad.formulas.elu import elu as elu
from manualgrad.formulas.elu import elu_ as elu_
from manualgrad.formulas.embedding import embedding as embedding
from manualgrad.formulas.embedding_bag import embedding_bag as embedding_bag
from manualgrad.formulas.extremes import amax as amax
from manualgrad.formulas.extremes import amin as amin
from manualgrad.formulas.extremes import max as max
from manualgrad.formulas.extremes import maximum as maximum
from manualgrad.formulas.extremes import min as min
from manualgrad.formulas.extremes import minimum as minimum
from manualgrad.formulas.fold import fold as fold
from manualgrad.formulas.fractional_max_pool import fractional_max_pool2d as fractional_max_pool2d
from manualgrad.formulas.fractional_max_pool import (
    fractional_max_pool2d_with_indices as fractional_max_pool2d_with_indices,
)
from manualgrad.formulas.fractional_max_pool import fractional_max_pool3d as fractional_max_pool3d
from manualgrad.formulas.fractional_max_pool import (
    fractional_max_pool3d_with_indices as fractional_max_pool3d_with_indices,
)
from manualgrad.formulas.gaussian_nll_loss import gaussian_nll_loss as gaussian_nll_loss
from manualgrad.formulas.gelu import gelu as gelu
from manualgrad.formulas.glu import glu as glu
from manualgrad.formulas.grid_sample import grid_sample as grid_sample
from manualgrad.formulas.group_norm import group_norm as group_norm
from manualgrad.formulas.half_mse_loss import half_mse_loss as half_mse_loss
from manualgrad.formulas.hardshrink import hardshrink as hardshrink
from manualgrad.formulas.hardsigmoid import hardsigmoid as hardsigmoid
from manualgrad.formulas.hardswish import hardswish as hardswish
from manualgrad.formulas.hardtanh import hardtanh as hardtanh
from manualgrad.formulas.hardtanh import hardtanh_ as hardtanh_
from manualgrad.formulas.hinge_embedding_loss import hinge_embedding_loss as hinge_embedding_loss
from manualgrad.formulas.hinge_loss import hinge_loss as hinge_loss
from manualgrad.formulas.huber_loss import huber_loss as huber_loss
from manualgrad.formulas.indexing import gather as gather
from manualgrad.formulas.indexing import getitem as getitem
from manualgrad.formulas.indexing import index_select as index_select
from manualgrad.formulas.indexing import narrow as narrow
from manualgrad.formulas.indexing import select as select
from manualgrad.formulas.indexing import setitem as setitem
from manualgrad.formulas.interpolate import interpolate as interpolate
from manualgrad.formulas.interpolate import upsample as upsample
from manualgrad.formulas.interpolate import upsample_bilinear as upsample_bilinear
from manualgrad.formulas.interpolate import upsample_nearest as upsample_nearest
from manualgrad.formulas.joining import cat as cat
from manualgrad.formulas.joining import chunk as chunk
from manualgrad.formulas.joining import split as split
from manualgrad.formulas.joining import stack as stack
from manualgrad.formulas.joining import unbind as unbind
from manualgrad.formulas.kl_div import kl_div as kl_div
from manualgrad.formulas.l1_loss import l1_loss as l1_loss
from manualgrad.formulas.layer_norm import layer_norm as layer_norm
from manualgrad.formulas.leaky_relu import leaky_relu as leaky_relu
from manualgrad.formulas.leaky_relu import leaky_relu_ as leaky_relu_
from manualgrad.formulas.linear import linear as linear
from manualgrad.formulas.linear_cross_entropy import linear_cross_entropy as linear_cross_entropy
from manualgrad.formulas.local_response_norm import local_response_norm as local_response_norm
from manualgrad.formulas.log_softmax import log_softmax as log_softmax
from manualgrad.formulas.logsigmoid import logsigmoid as logsigmoid
from manualgrad.formulas.lp_pool import lp_pool1d as lp_pool1d
from manualgrad.formulas.lp_pool import lp_pool2d as lp_pool2d
from manualgrad.formulas.lp_pool import lp_pool3d as lp_pool3d
from manualgrad.formulas.margin_ranking_loss import margin_ranking_loss as margin_ranking_loss
from manualgrad.formulas.matmul import addmm as addmm
from manualgrad.formulas.matmul import baddbmm as baddbmm
from manualgrad.formulas.matmul import bmm as bmm
from manualgrad.formulas.matmul import dot as dot
from manualgrad.formulas.matmul import matmul as matmul
from manualgrad.formulas.matmul import mm as mm
from manualgrad.formulas.matmul import mv as mv
from manualgrad.formulas.max_pool import max_pool1d as max_pool1d
from manualgrad.formulas.max_pool import max_pool1d_with_indices as max_pool1d_with_indices
from manualgrad.formulas.max_pool import max_pool2d as max_pool2d
from manualgrad.formulas.max_pool import max_pool2d_with_indices as max_pool2d_with_indices
from manualgrad.formulas.max_pool import max_pool3d as max_pool3d
from manualgrad.formulas.max_pool import max_pool3d_with_indices as max_pool3d_with_indices
from manualgrad.formulas.max_unpool import max_unpool1d as max_unpool1d
from manualgrad.formulas.max_unpool import max_unpool2d as max_unpool2d
from manualgrad.formulas.max_unpool import max_unpool3d as max_unpool3d
from manualgrad.formulas.mish import mish as mish
from manualgrad.formulas.mse_loss import mse_loss as mse_loss
from manualgrad.formulas.multi_margin_loss import multi_margin_loss as multi_margin_loss
from manualgrad.formulas.multilabel_margin_loss import multilabel_margin_loss as multilabel_margin_loss
from manualgrad.formulas.multilabel_soft_margin_loss import multilabel_soft_margin_loss as multilabel_soft_margin_loss
from manualgrad.formulas.nll_loss import nll_loss as nll_loss
from manualgrad.formulas.normalize import normalize as normalize
from manualgrad.formulas.pad import pad as pad
from manualgrad.formulas.pairwise_distance import pairwise_distance as pairwise_distance
from manualgrad.formulas.pdist import pdist as pdist
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
from manualgrad.formulas.poisson_nll_loss import poisson_nll_loss as poisson_nll_loss
from manualgrad.formulas.prelu import prelu as prelu
from manualgrad.formulas.reductions import cumsum as cumsum
from manualgrad.formulas.reductions import logsumexp as logsumexp
from manualgrad.formulas.reductions import mean as mean
from manualgrad.formulas.reductions import std as std
from manualgrad.formulas.reductions import sum as sum
from manualgrad.formulas.reductions import var as var
from manualgrad.formulas.relu import relu as relu
from manualgrad.formulas.relu import relu_ as relu_
from manualgrad.formulas.relu6 import relu6 as relu6
from manualgrad.formulas.rms_norm import rms_norm as rms_norm
from manualgrad.formulas.rrelu import rrelu as rrelu
from manualgrad.formulas.rrelu import rrelu_ as rrelu_
from manualgrad.formulas.selu import selu as selu
from manualgrad.formulas.selu import selu_ as selu_
from manualgrad.formulas.shape import broadcast_tensors as broadcast_tensors
from manualgrad.formulas.shape import broadcast_to as broadcast_to
from manualgrad.formulas.shape import clone as clone
from manualgrad.formulas.shape import contiguous as contiguous
from manualgrad.formulas.shape import expand as expand
from manualgrad.formulas.shape import flatten as flatten
from manualgrad.formulas.shape import flip as flip
from manualgrad.formulas.shape import matrix_transpose as matrix_transpose
from manualgrad.formulas.shape import movedim as movedim
from manualgrad.formulas.shape import permute as permute
from manualgrad.formulas.shape import repeat as repeat
from manualgrad.formulas.shape import reshape as reshape
from manualgrad.formulas.shape import squeeze as squeeze
from manualgrad.formulas.shape import t as t
from manualgrad.formulas.shape import to as to
from manualgrad.formulas.shape import transpose as transpose
from manualgrad.formulas.shape import unflatten as unflatten
from manualgrad.formulas.shape import unsqueeze as unsqueeze
from manualgrad.formulas.shape import view as view
from manualgrad.formulas.shuffles import channel_shuffle as channel_shuffle
from manualgrad.formulas.shuffles import pixel_shuffle as pixel_shuffle
from manualgrad.formulas.shuffles import pixel_unshuffle as pixel_unshuffle
from manualgrad.formulas.sigmoid import sigmoid as sigmoid
from manualgrad.formulas.silu import silu as silu
from manualgrad.formulas.smooth_l1_loss import smooth_l1_loss as smooth_l1_loss
from manualgrad.formulas.soft_margin_loss import soft_margin_loss as soft_margin_loss
from manualgrad.formulas.softmax import softmax as softmax
from manualgrad.formulas.softmin import softmin as softmin
from manualgrad.formulas.softplus import softplus as softplus
from manualgrad.formulas.softshrink import softshrink as softshrink
from manualgrad.formulas.softsign import softsign as softsign
from manualgrad.formulas.surrogates import clip_gradient as clip_gradient
from manualgrad.formulas.surrogates import gumbel_softmax as gumbel_softmax
from manualgrad.formulas.surrogates import reverse_gradient as reverse_gradient
from manualgrad.formulas.surrogates import scale_gradient as scale_gradient
from manualgrad.formulas.surrogates import straight_through_one_hot as straight_through_one_hot
from manualgrad.formulas.surrogates import straight_through_round as straight_through_round
from manualgrad.formulas.surrogates import straight_through_sign as straight_through_sign
from manualgrad.formulas.tanh import tanh as tanh
from manualgrad.formulas.tanhshrink import tanhshrink as tanhshrink
from manualgrad.formulas.threshold import threshold as threshold
from manualgrad.formulas.threshold import threshold_ as threshold_
from manualgrad.formulas.triplet_margin_loss import triplet_margin_loss as triplet_margin_loss
from manualgrad.formulas.unfold import unfold as unfold
from manualgrad.formulas.weight_norm import weight_norm as weight_norm


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


def _with_sizes(function: Callable[..., Any]) -> Callable[..., Any]:
    """`function(input, sizes)` as a tensor's methods spell it: `x.view(2, 3)` or `x.view((2, 3))`, by any keyword."""

    def spelled(input: Tensor, *sizes: Any, **named: Any) -> Any:
        given = sizes or tuple(named.values())
        return function(input, given[0] if isinstance(given[0], (Sequence, torch.dtype)) else given)

    return spelled


def _with_unbiased(function: Callable[..., Any]) -> Callable[..., Any]:
    """`var` or `std` with torch's older arguments too: `x.var(unbiased=False)`, `x.var(False)`, `x.var(0, False)`."""

    def spelled(input: Tensor, dim: Any = None, unbiased: bool = True, keepdim: bool = False, **named: Any) -> Any:
        if isinstance(dim, bool):
            dim, unbiased = None, dim
        correction = named.get("correction")
        return function(input, dim, keepdim=keepdim, correction=int(unbiased) if correction is None else correction)

    return spelled


def _to(place: Any) -> Callable[..., Any]:
    """`x.double()`, `x.cpu()` and the like."""

    def spelled(input: Tensor, **keywords: Any) -> Any:
        return to(input, place, **keywords)

    return spelled


def _type(input: Tensor, dtype: Any = None, **keywords: Any) -> Any:
    """`x.type(dtype)`; `x.type()` tells the name of the type."""
    return to(input, torch.empty(0).type(dtype).dtype, **keywords) if dtype else input.type()


def _copied(input: Tensor, src: Tensor, non_blocking: bool = False) -> Any:
    """What `x.copy_(src)` leaves in x."""
    return to(broadcast_to(src, input.shape), input.device, input.dtype, non_blocking=non_blocking)


def _filled(input: Tensor, value: Any) -> Any:
    """What `x.fill_(value)` leaves in x."""
    return _copied(input, value) if isinstance(value, Tensor) else torch.full_like(input, value)


def torch_names(keywords: dict[str, Any]) -> dict[str, Any]:
    """The arguments by torch's names, where they were given by numpy's, which torch takes too; without `out=None`."""
    return {_NUMPY_NAMES.get(k, k): value for k, value in keywords.items() if k != "out" or value is not None}


_NUMPY_NAMES = {"axis": "dim", "keepdims": "keepdim", "a": "input", "x": "input", "x1": "input", "x2": "other"}


def _where(condition: Tensor, *operands: Any) -> Any:
    """`torch.where`, which given the condition alone tells the places where it holds."""
    return where(condition, *operands) if operands else torch.where(condition)


def _where_else(input: Tensor, condition: Tensor, other: Any) -> Any:
    """`x.where(condition, other)`."""
    return where(condition, input, other)


def _like(function: Callable[..., Any]) -> Callable[..., Any]:
    """`function(input, shape)` as `x.view_as(other)` spells it."""

    def spelled(input: Tensor, other: Tensor) -> Any:
        return function(input, other.shape)

    return spelled


def _reversed_dimensions(input: Tensor) -> Tensor:
    """`x.T`."""
    return permute(input, range(input.dim())[::-1])


# One line per function: ours, then every spelling that torch has for it.
_SPELLINGS: tuple[tuple[Callable[..., Any], ...], ...] = (
    # activations
    (sigmoid, torch.sigmoid, Tensor.sigmoid, torch.special.expit, _F.sigmoid),
    (tanh, torch.tanh, Tensor.tanh, _F.tanh),
    (relu, torch.relu, Tensor.relu, _F.relu),
    (logsigmoid, _F.logsigmoid),
    (relu6, _F.relu6),
    (hardtanh, _F.hardtanh),
    (leaky_relu, _F.leaky_relu),
    (prelu, _F.prelu, Tensor.prelu),
    (rrelu, _F.rrelu, torch.rrelu),
    (elu, _F.elu),
    (selu, _F.selu, torch.selu),
    (celu, _F.celu, torch.celu),
    (gelu, _F.gelu),
    (silu, _F.silu),
    (mish, _F.mish),
    (hardsigmoid, _F.hardsigmoid),
    (hardswish, _F.hardswish),
    (softplus, _F.softplus),
    (softsign, _F.softsign),
    (tanhshrink, _F.tanhshrink),
    (hardshrink, _F.hardshrink, Tensor.hardshrink),
    (softshrink, _F.softshrink),
    (threshold, _F.threshold, torch.threshold),
    (glu, _F.glu),
    (softmin, _F.softmin),
    (gumbel_softmax, _F.gumbel_softmax),
    (softmax, _F.softmax),
    (_with_dtype_third(softmax), torch.softmax, Tensor.softmax, torch.special.softmax),
    (log_softmax, _F.log_softmax),
    (_with_dtype_third(log_softmax), torch.log_softmax, Tensor.log_softmax, torch.special.log_softmax),
    # normalisation
    (layer_norm, _F.layer_norm),
    (rms_norm, _F.rms_norm),
    (group_norm, _F.group_norm),
    (batch_norm, _F.batch_norm),
    (instance_norm, _F.instance_norm),
    (local_response_norm, _F.local_response_norm),
    (normalize, _F.normalize),
    (weight_norm, torch._weight_norm),
    # layers
    (linear, _F.linear),
    (bilinear, _F.bilinear),
    # recurrent networks
    (lstm, torch.lstm),
    (gru, torch.gru),
    (rnn_tanh, torch.rnn_tanh),
    (rnn_relu, torch.rnn_relu),
    (lstm_cell, torch.lstm_cell),
    (gru_cell, torch.gru_cell),
    (rnn_tanh_cell, torch.rnn_tanh_cell),
    (rnn_relu_cell, torch.rnn_relu_cell),
    # convolution, pooling, embedding, dropout
    (dropout, _F.dropout),
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
    (avg_pool1d, _F.avg_pool1d),
    (avg_pool2d, _F.avg_pool2d),
    (avg_pool3d, _F.avg_pool3d),
    (adaptive_avg_pool1d, _F.adaptive_avg_pool1d),
    (adaptive_avg_pool2d, _F.adaptive_avg_pool2d),
    (adaptive_avg_pool3d, _F.adaptive_avg_pool3d),
    (lp_pool1d, _F.lp_pool1d),
    (lp_pool2d, _F.lp_pool2d),
    (lp_pool3d, _F.lp_pool3d),
    (pad, _F.pad),
    (embedding, _F.embedding),
    (embedding_bag, _F.embedding_bag),
    (dropout1d, _F.dropout1d),
    (dropout2d, _F.dropout2d),
    (dropout3d, _F.dropout3d),
    (alpha_dropout, _F.alpha_dropout),
    (feature_alpha_dropout, _F.feature_alpha_dropout),
    (fold, _F.fold),
    (unfold, _F.unfold),
    (pixel_shuffle, _F.pixel_shuffle),
    (pixel_unshuffle, _F.pixel_unshuffle),
    (channel_shuffle, _F.channel_shuffle, torch.channel_shuffle, torch.native_channel_shuffle),
    (interpolate, _F.interpolate),
    (upsample, _F.upsample),
    (upsample_nearest, _F.upsample_nearest),
    (upsample_bilinear, _F.upsample_bilinear),
    (grid_sample, _F.grid_sample),
    (affine_grid, _F.affine_grid),
    (conv_tbc, _F.conv_tbc),
    # attention
    (scaled_dot_product_attention, _F.scaled_dot_product_attention),
    (multi_head_attention_forward, _F.multi_head_attention_forward),
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
    (margin_ranking_loss, _F.margin_ranking_loss),
    (soft_margin_loss, _F.soft_margin_loss),
    (multilabel_soft_margin_loss, _F.multilabel_soft_margin_loss),
    (multi_margin_loss, _F.multi_margin_loss),
    (multilabel_margin_loss, _F.multilabel_margin_loss),
    (poisson_nll_loss, _F.poisson_nll_loss),
    (gaussian_nll_loss, _F.gaussian_nll_loss),
    (cosine_embedding_loss, _F.cosine_embedding_loss),
    (triplet_margin_loss, _F.triplet_margin_loss),
    (triplet_margin_with_distance_loss, _F.triplet_margin_with_distance_loss),
    (cosine_similarity, _F.cosine_similarity, torch.cosine_similarity),
    (pairwise_distance, _F.pairwise_distance, torch.pairwise_distance),
    (pdist, _F.pdist, torch.pdist),
    (ctc_loss, _F.ctc_loss),
    (linear_cross_entropy, getattr(_F, "linear_cross_entropy", linear_cross_entropy)),  # torch has it since 2.13
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
    (matmul, torch.matmul, Tensor.matmul, Tensor.__matmul__, torch.linalg.matmul),
    (_reversed(matmul), Tensor.__rmatmul__),
    (mm, torch.mm, Tensor.mm),
    (bmm, torch.bmm, Tensor.bmm),
    (mv, torch.mv, Tensor.mv),
    (dot, torch.dot, Tensor.dot, torch.vdot, Tensor.vdot),  # the same for real numbers
    (addmm, torch.addmm, Tensor.addmm),
    (baddbmm, torch.baddbmm, Tensor.baddbmm),
    (sum, torch.sum, Tensor.sum),
    (mean, torch.mean, Tensor.mean),
    (_with_unbiased(var), torch.var, Tensor.var),
    (_with_unbiased(std), torch.std, Tensor.std),
    (logsumexp, torch.logsumexp, Tensor.logsumexp, torch.special.logsumexp),
    (cumsum, torch.cumsum, Tensor.cumsum),
    (max, torch.max, Tensor.max),
    (min, torch.min, Tensor.min),
    (amax, torch.amax, Tensor.amax),
    (amin, torch.amin, Tensor.amin),
    (maximum, torch.maximum, Tensor.maximum),
    (minimum, torch.minimum, Tensor.minimum),
    (clamp, torch.clamp, Tensor.clamp, torch.clip, Tensor.clip),
    (clamp_min, torch.clamp_min, Tensor.clamp_min),
    (clamp_max, torch.clamp_max, Tensor.clamp_max),
    (_where, torch.where),
    (_where_else, Tensor.where),
    (masked_fill, torch.masked_fill, Tensor.masked_fill),
    (reshape, torch.reshape),
    (_with_sizes(reshape), Tensor.reshape),
    (_like(reshape), Tensor.reshape_as),
    (_with_sizes(view), Tensor.view),
    (_like(view), Tensor.view_as),
    (flatten, torch.flatten, Tensor.flatten, torch.ravel, Tensor.ravel),
    (unflatten, torch.unflatten, Tensor.unflatten),
    (squeeze, torch.squeeze, Tensor.squeeze),
    (unsqueeze, torch.unsqueeze, Tensor.unsqueeze),
    (transpose, torch.transpose, Tensor.transpose, torch.swapaxes, Tensor.swapaxes),
    (transpose, torch.swapdims, Tensor.swapdims),
    (t, torch.t, Tensor.t),
    (matrix_transpose, _getter("mT"), _getter("mH"), torch.adjoint, Tensor.adjoint),
    (_reversed_dimensions, _getter("T")),
    (t, _getter("H")),
    (permute, torch.permute),
    (_with_sizes(permute), Tensor.permute),
    (movedim, torch.movedim, Tensor.movedim, torch.moveaxis, Tensor.moveaxis),
    (_with_sizes(expand), Tensor.expand),
    (_like(expand), Tensor.expand_as),
    (broadcast_to, torch.broadcast_to),
    (_with_sizes(broadcast_to), Tensor.broadcast_to),
    (broadcast_tensors, torch.broadcast_tensors),
    (_with_sizes(repeat), Tensor.repeat),
    (flip, torch.flip),
    (_with_sizes(flip), Tensor.flip),
    (clone, torch.clone, Tensor.clone),
    (contiguous, Tensor.contiguous),
    (to, Tensor.to, Tensor.type_as),
    (_to(torch.float64), Tensor.double),
    (_to(torch.float32), Tensor.float),
    (_to(torch.float16), Tensor.half),
    (_to(torch.bfloat16), Tensor.bfloat16),
    (_to("cpu"), Tensor.cpu),
    (_type, Tensor.type),
    (getitem, Tensor.__getitem__),
    (select, torch.select, Tensor.select),
    (narrow, torch.narrow, Tensor.narrow),
    (index_select, torch.index_select, Tensor.index_select),
    (gather, torch.gather, Tensor.gather),
    (cat, torch.cat, torch.concat, torch.concatenate),
    (stack, torch.stack),
    (split, torch.split, Tensor.split),
    (chunk, torch.chunk, Tensor.chunk),
    (unbind, torch.unbind, Tensor.unbind),
)

# torch's function -> ours, of the same arguments.
TWINS: dict[Callable[..., Any], Callable[..., Any]] = {
    theirs: f for f, *spellings in _SPELLINGS for theirs in spellings
}

# Those of them that call what the user gives them: the tape has to see what that does.
COMPOSITIONS: frozenset[Callable[..., Any]] = frozenset(
    f for f in TWINS.values() if f.__module__.startswith("manualgrad.compositions")
)

# torch's in-place function -> ours, which returns a new tensor: `add_` stands for `add`, `__iadd__` for `__add__`.
IN_PLACE: dict[Callable[..., Any], Callable[..., Any]] = {
    getattr(owner, name): f
    for theirs, f in TWINS.items()
    for name in (f"{theirs.__name__}_", theirs.__name__.replace("__", "__i", 1))
    for owner in (torch, Tensor, _F)
    if name != theirs.__name__ and hasattr(owner, name)
}
IN_PLACE |= {
    Tensor.__ipow__: pow,
    Tensor.__setitem__: setitem,
    Tensor.copy_: _copied,
    Tensor.fill_: _filled,
    Tensor.zero_: torch.zeros_like,
}
for _change_of_shape in ("squeeze_", "unsqueeze_", "transpose_", "t_", "swapaxes_", "swapdims_"):
    IN_PLACE.pop(getattr(Tensor, _change_of_shape))  # they change no value

# Functions whose floating-point result does not depend on the values of their arguments in a differentiable way, and
# the questions about a tensor that code asks most.
PASS_THROUGH: frozenset[Callable[..., Any]] = frozenset(
    (
        *map(_getter, ("shape", "dtype", "device", "ndim", "layout", "is_cuda", "is_sparse", "is_nested", "is_leaf")),
        Tensor.size,
        Tensor.dim,
        Tensor.numel,
        Tensor.stride,
        Tensor.is_contiguous,
        Tensor.is_floating_point,
        Tensor.detach,
        torch.detach,
        _getter("data"),
        _getter("grad"),
        torch.tensor,
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
