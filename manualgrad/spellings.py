"""Every spelling that torch has for a function on our shelf: `TWINS` maps torch's functions to ours.

The tape and `by_hand` look up here what a model calls.
"""

import math
from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as T

from manualgrad import functional as F
from manualgrad.formula import FormulaError


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
        return F.to(input, place, **keywords)

    return spelled


def _type(input: Tensor, dtype: Any = None, **keywords: Any) -> Any:
    """`x.type(dtype)`; `x.type()` tells the name of the type."""
    return F.to(input, torch.empty(0).type(dtype).dtype, **keywords) if dtype else input.type()


def _copied(input: Tensor, src: Tensor, non_blocking: bool = False) -> Any:
    """What `x.copy_(src)` leaves in x."""
    return F.to(F.broadcast_to(src, input.shape), input.device, input.dtype, non_blocking=non_blocking)


def _filled(input: Tensor, value: Any) -> Any:
    """What `x.fill_(value)` leaves in x."""
    return _copied(input, value) if isinstance(value, Tensor) else torch.full_like(input, value)


def torch_names(keywords: dict[str, Any]) -> dict[str, Any]:
    """The arguments by torch's names, where they were given by numpy's, which torch takes too; without `out=None`."""
    return {_NUMPY_NAMES.get(k, k): value for k, value in keywords.items() if k != "out" or value is not None}


_NUMPY_NAMES = {
    "axis": "dim",
    "keepdims": "keepdim",
    "a": "input",
    "A": "input",
    "x": "input",
    "x1": "input",
    "x2": "other",
}


def _where(condition: Tensor, *operands: Any) -> Any:
    """`torch.where`, which given the condition alone tells the places where it holds."""
    return F.where(condition, *operands) if operands else torch.where(condition)


def _where_else(input: Tensor, condition: Tensor, other: Any) -> Any:
    """`x.where(condition, other)`."""
    return F.where(condition, input, other)


def _like(function: Callable[..., Any]) -> Callable[..., Any]:
    """`function(input, shape)` as `x.view_as(other)` spells it."""

    def spelled(input: Tensor, other: Tensor) -> Any:
        return function(input, other.shape)

    return spelled


def _reversed_dimensions(input: Tensor) -> Tensor:
    """`x.T`."""
    return F.permute(input, range(input.dim())[::-1])


def _in_order(function: Callable[..., Any], names: str) -> Callable[..., Any]:
    """`function` as torch's own kernels are called: their order of arguments, the reduction 0, 1 or 2.

    A name in brackets is an argument that says which library is to compute, and is left out.
    """
    order = names.split()

    def spelled(*args: Any, **keywords: Any) -> Any:
        named = dict(zip(order, args, strict=False)) | keywords
        given = {name: v for name, v in named.items() if f"[{name.strip('[]')}]" not in order}
        if isinstance(given.get("reduction"), int):
            given["reduction"] = ("none", "mean", "sum")[given["reduction"]]
        return function(**given)

    return spelled


def _adjoint(input: Tensor) -> Tensor:
    """`x.mH`."""
    return F.matrix_transpose(F.conj(input) if input.is_complex() else input)


def _hermitian(input: Tensor) -> Tensor:
    """`x.H`."""
    return F.t(F.conj(input) if input.is_complex() else input)


def _vdot(input: Tensor, other: Tensor) -> Tensor:
    """`torch.vdot`, which conjugates its first argument."""
    return F.dot(F.conj(input) if input.is_complex() else input, other)


def _iterated(input: Tensor) -> Any:
    """What `for row in x` and `a, b = x` ask of a tensor."""
    return iter(F.unbind(input)) if input.dim() else iter(input)


def _norm(input: Tensor, p: Any = "fro", dim: Any = None, keepdim: bool = False, dtype: Any = None) -> Any:
    """`torch.norm`, to which a matrix is a vector, but for the nuclear norm."""
    if p == "nuc":
        raise FormulaError("torch.norm: there is no formula for the nuclear norm, a sum of singular values")
    return F.vector_norm(input, 2 if p in (None, "fro") else p, dim, keepdim, dtype=dtype)


def _linalg_norm(input: Tensor, ord: Any = None, dim: Any = None, keepdim: bool = False, *, dtype: Any = None) -> Any:
    """`torch.linalg.norm`, which is a vector's norm or a matrix's."""
    dims = range(input.dim()) if dim is None else (dim,) if isinstance(dim, int) else dim
    if ord is None or (len(dims) == 1 and not isinstance(ord, str)):
        return F.vector_norm(input, 2 if ord is None else ord, dim, keepdim, dtype=dtype)
    return _matrix_norm(input, ord, tuple(dims), keepdim, dtype=dtype)


def _matrix_norm(
    input: Tensor, ord: Any = "fro", dim: Any = (-2, -1), keepdim: bool = False, *, dtype: Any = None
) -> Any:
    """`torch.linalg.matrix_norm`, where it does not ask for singular values."""
    if len(dim) != 2:
        raise RuntimeError(f"matrix_norm: dim must be two dimensions, got {tuple(dim)}")
    if ord == "fro":
        return F.vector_norm(input, 2, dim, keepdim, dtype=dtype)
    if ord not in (1, -1, math.inf, -math.inf):
        raise FormulaError(
            f"torch.linalg.matrix_norm: there is no formula for ord={ord!r}, which asks for singular values"
        )
    rows, columns = (d % input.dim() for d in dim)
    summed, other = (rows, columns) if abs(ord) == 1 else (columns, rows)  # of sizes, in each column or each row
    sums = F.vector_norm(input, 1, summed, True, dtype=dtype)
    y = (F.amax if ord > 0 else F.amin)(sums, other, True)
    return y if keepdim else F.squeeze(y, (rows, columns))


def _linalg_diagonal(input: Tensor, *, offset: int = 0, dim1: int = -2, dim2: int = -1) -> Any:
    """`torch.linalg.diagonal`, of the last two dimensions."""
    return F.diagonal(input, offset, dim1, dim2)


def _packed(input: Tensor, lengths: Tensor, batch_first: bool) -> Any:
    """What `torch.nn.utils.rnn.pack_padded_sequence` calls: the rows that are no padding, time after time."""
    _, sizes = torch._pack_padded_sequence(input.detach(), lengths, batch_first)
    return F.getitem(input, _places(sizes, batch_first)), sizes


def _unpacked(data: Tensor, batch_sizes: Tensor, batch_first: bool, padding_value: float, total_length: int) -> Any:
    """What `torch.nn.utils.rnn.pad_packed_sequence` calls: the way back."""
    padded, lengths = torch._pad_packed_sequence(data.detach(), batch_sizes, batch_first, padding_value, total_length)
    return F.setitem(padded, _places(batch_sizes, batch_first), data), lengths


def _places(sizes: Tensor, batch_first: bool) -> tuple[Tensor, Tensor]:
    """Where the rows of a packed sequence lie in the padded one; of `sizes[t]` sequences there is a row at time t."""
    times = torch.arange(len(sizes)).repeat_interleave(sizes)
    sequences = torch.arange(len(times)) - (sizes.cumsum(0) - sizes)[times]
    return (sequences, times) if batch_first else (times, sequences)


def _repeat_interleave(input: Tensor, repeats: Any = None, dim: Any = None, *, output_size: Any = None) -> Any:
    """`torch.repeat_interleave`, which given numbers alone repeats their places."""
    if repeats is None:
        return torch.repeat_interleave(input, output_size=output_size)
    return F.repeat_interleave(input, repeats, dim, output_size=output_size)


def _scatter(
    input: Tensor, dim: int, index: Tensor, src: Any = None, *, value: Any = None, reduce: str | None = None
) -> Any:
    """`torch.scatter`, which calls a number `value`; with `reduce` torch has no derivative either."""
    if reduce is not None:
        raise FormulaError("torch.scatter: there is no formula for `reduce`; scatter_add adds")
    return F.scatter(input, dim, index, value if src is None else src)


def _trained(function: Callable[..., Any]) -> Callable[..., Any]:
    """`dropout` and its kin with torch's third argument, `train`."""

    def spelled(input: Tensor, p: float, train: bool) -> Any:
        return function(input, p, train)

    return spelled


def _embedding(
    weight: Tensor, indices: Tensor, padding_idx: int = -1, scale_grad_by_freq: bool = False, sparse: bool = False
) -> Any:
    """`torch.embedding`, whose padding_idx -1 means none."""
    padding = None if padding_idx == -1 else padding_idx
    return F.embedding(indices, weight, padding, scale_grad_by_freq=scale_grad_by_freq, sparse=sparse)


# One line per function: ours, then every spelling that torch has for it.
_SPELLINGS: tuple[tuple[Callable[..., Any], ...], ...] = (
    # activations
    (F.sigmoid, torch.sigmoid, Tensor.sigmoid, torch.special.expit, T.sigmoid),
    (F.tanh, torch.tanh, Tensor.tanh, T.tanh),
    (F.relu, torch.relu, Tensor.relu, T.relu),
    (F.logsigmoid, T.logsigmoid),
    (F.relu6, T.relu6),
    (F.hardtanh, T.hardtanh),
    (F.leaky_relu, T.leaky_relu),
    (F.prelu, T.prelu, Tensor.prelu),
    (F.rrelu, T.rrelu, torch.rrelu),
    (F.elu, T.elu),
    (F.selu, T.selu, torch.selu),
    (F.celu, T.celu, torch.celu),
    (F.gelu, T.gelu),
    (F.silu, T.silu),
    (F.mish, T.mish),
    (F.hardsigmoid, T.hardsigmoid),
    (F.hardswish, T.hardswish),
    (F.softplus, T.softplus),
    (F.softsign, T.softsign),
    (F.tanhshrink, T.tanhshrink),
    (F.hardshrink, T.hardshrink, Tensor.hardshrink),
    (F.softshrink, T.softshrink),
    (F.threshold, T.threshold, torch.threshold),
    (F.glu, T.glu),
    (F.softmin, T.softmin),
    (F.gumbel_softmax, T.gumbel_softmax),
    (F.softmax, T.softmax),
    (_with_dtype_third(F.softmax), torch.softmax, Tensor.softmax, torch.special.softmax),
    (F.log_softmax, T.log_softmax),
    (_with_dtype_third(F.log_softmax), torch.log_softmax, Tensor.log_softmax, torch.special.log_softmax),
    # normalisation
    (F.layer_norm, T.layer_norm),
    (F.rms_norm, T.rms_norm),
    (F.group_norm, T.group_norm),
    (F.batch_norm, T.batch_norm),
    (F.instance_norm, T.instance_norm),
    (F.local_response_norm, T.local_response_norm),
    (F.normalize, T.normalize),
    (F.weight_norm, torch._weight_norm),
    # layers
    (F.linear, T.linear),
    (F.bilinear, T.bilinear),
    # recurrent networks
    (F.lstm, torch.lstm),
    (F.gru, torch.gru),
    (F.rnn_tanh, torch.rnn_tanh),
    (F.rnn_relu, torch.rnn_relu),
    (F.lstm_cell, torch.lstm_cell),
    (F.gru_cell, torch.gru_cell),
    (F.rnn_tanh_cell, torch.rnn_tanh_cell),
    (F.rnn_relu_cell, torch.rnn_relu_cell),
    (_packed, torch._pack_padded_sequence),
    (_unpacked, torch._pad_packed_sequence),
    # convolution, pooling, embedding, dropout
    (F.dropout, T.dropout),
    (F.conv1d, T.conv1d),
    (F.conv2d, T.conv2d),
    (F.conv3d, T.conv3d),
    (F.conv_transpose1d, T.conv_transpose1d),
    (F.conv_transpose2d, T.conv_transpose2d),
    (F.conv_transpose3d, T.conv_transpose3d),
    (F.max_pool1d, T.max_pool1d, torch.max_pool1d),
    (F.max_pool2d, T.max_pool2d, torch.max_pool2d),
    (F.max_pool3d, T.max_pool3d, torch.max_pool3d),
    (F.max_pool1d_with_indices, T.max_pool1d_with_indices, torch.max_pool1d_with_indices),
    (F.max_pool2d_with_indices, T.max_pool2d_with_indices),
    (F.max_pool3d_with_indices, T.max_pool3d_with_indices),
    (F.adaptive_max_pool1d, T.adaptive_max_pool1d),
    (F.adaptive_max_pool2d, T.adaptive_max_pool2d),
    (F.adaptive_max_pool3d, T.adaptive_max_pool3d),
    (F.adaptive_max_pool1d_with_indices, T.adaptive_max_pool1d_with_indices, torch.adaptive_max_pool1d),
    (F.adaptive_max_pool2d_with_indices, T.adaptive_max_pool2d_with_indices),
    (F.adaptive_max_pool3d_with_indices, T.adaptive_max_pool3d_with_indices),
    (F.fractional_max_pool2d, T.fractional_max_pool2d),
    (F.fractional_max_pool3d, T.fractional_max_pool3d),
    (F.fractional_max_pool2d_with_indices, T.fractional_max_pool2d_with_indices),
    (F.fractional_max_pool3d_with_indices, T.fractional_max_pool3d_with_indices),
    (F.max_unpool1d, T.max_unpool1d),
    (F.max_unpool2d, T.max_unpool2d),
    (F.max_unpool3d, T.max_unpool3d),
    (F.avg_pool1d, T.avg_pool1d),
    (F.avg_pool2d, T.avg_pool2d),
    (F.avg_pool3d, T.avg_pool3d),
    (F.adaptive_avg_pool1d, T.adaptive_avg_pool1d),
    (F.adaptive_avg_pool2d, T.adaptive_avg_pool2d),
    (F.adaptive_avg_pool3d, T.adaptive_avg_pool3d),
    (F.lp_pool1d, T.lp_pool1d),
    (F.lp_pool2d, T.lp_pool2d),
    (F.lp_pool3d, T.lp_pool3d),
    (F.pad, T.pad),
    (F.embedding, T.embedding),
    (F.embedding_bag, T.embedding_bag),
    (F.dropout1d, T.dropout1d),
    (F.dropout2d, T.dropout2d),
    (F.dropout3d, T.dropout3d),
    (F.alpha_dropout, T.alpha_dropout),
    (F.feature_alpha_dropout, T.feature_alpha_dropout),
    (F.fold, T.fold),
    (F.unfold, T.unfold),
    (F.pixel_shuffle, T.pixel_shuffle),
    (F.pixel_unshuffle, T.pixel_unshuffle),
    (F.channel_shuffle, T.channel_shuffle, torch.channel_shuffle, torch.native_channel_shuffle),
    (F.interpolate, T.interpolate),
    (F.upsample, T.upsample),
    (F.upsample_nearest, T.upsample_nearest),
    (F.upsample_bilinear, T.upsample_bilinear),
    (F.grid_sample, T.grid_sample),
    (F.affine_grid, T.affine_grid),
    (F.conv_tbc, T.conv_tbc),
    # attention
    (F.scaled_dot_product_attention, T.scaled_dot_product_attention),
    (F.multi_head_attention_forward, T.multi_head_attention_forward),
    # losses
    (F.mse_loss, T.mse_loss),
    (F.l1_loss, T.l1_loss),
    (F.huber_loss, T.huber_loss),
    (F.smooth_l1_loss, T.smooth_l1_loss),
    (F.binary_cross_entropy, T.binary_cross_entropy),
    (F.binary_cross_entropy_with_logits, T.binary_cross_entropy_with_logits),
    (F.nll_loss, T.nll_loss),
    (F.cross_entropy, T.cross_entropy),
    (F.kl_div, T.kl_div),
    (F.hinge_embedding_loss, T.hinge_embedding_loss),
    (F.margin_ranking_loss, T.margin_ranking_loss),
    (F.soft_margin_loss, T.soft_margin_loss),
    (F.multilabel_soft_margin_loss, T.multilabel_soft_margin_loss),
    (F.multi_margin_loss, T.multi_margin_loss),
    (F.multilabel_margin_loss, T.multilabel_margin_loss),
    (F.poisson_nll_loss, T.poisson_nll_loss),
    (F.gaussian_nll_loss, T.gaussian_nll_loss),
    (F.cosine_embedding_loss, T.cosine_embedding_loss),
    (F.triplet_margin_loss, T.triplet_margin_loss),
    (F.triplet_margin_with_distance_loss, T.triplet_margin_with_distance_loss),
    (F.cosine_similarity, T.cosine_similarity, torch.cosine_similarity),
    (F.pairwise_distance, T.pairwise_distance, torch.pairwise_distance),
    (F.pdist, T.pdist, torch.pdist),
    (F.ctc_loss, T.ctc_loss),
    (F.linear_cross_entropy, getattr(T, "linear_cross_entropy", F.linear_cross_entropy)),  # torch has it since 2.13
    # torch's own kernels of layers and losses, which TorchScript's and other generated code calls
    (_in_order(F.layer_norm, "input normalized_shape weight bias eps [cudnn_enable]"), torch.layer_norm),
    (_in_order(F.group_norm, "input num_groups weight bias eps [cudnn_enabled]"), torch.group_norm),
    (_in_order(F.rms_norm, "input normalized_shape weight eps"), torch.rms_norm),
    (
        _in_order(F.batch_norm, "input weight bias running_mean running_var training momentum eps [cudnn_enabled]"),
        torch.batch_norm,
    ),
    (
        _in_order(
            F.instance_norm, "input weight bias running_mean running_var use_input_stats momentum eps [cudnn_enabled]"
        ),
        torch.instance_norm,
    ),
    (_trained(F.dropout), torch.dropout),
    (_trained(F.alpha_dropout), torch.alpha_dropout),
    (_trained(F.feature_alpha_dropout), torch.feature_alpha_dropout),
    (_embedding, torch.embedding),
    (
        _in_order(F.binary_cross_entropy_with_logits, "input target weight pos_weight reduction"),
        torch.binary_cross_entropy_with_logits,
    ),
    (_in_order(F.cosine_embedding_loss, "input1 input2 target margin reduction"), torch.cosine_embedding_loss),
    (
        _in_order(F.ctc_loss, "log_probs targets input_lengths target_lengths blank reduction zero_infinity"),
        torch.ctc_loss,
    ),
    (_in_order(F.hinge_embedding_loss, "input target margin reduction"), torch.hinge_embedding_loss),
    (_in_order(F.kl_div, "input target reduction"), torch.kl_div),
    (_in_order(F.margin_ranking_loss, "input1 input2 target margin reduction"), torch.margin_ranking_loss),
    (_in_order(F.poisson_nll_loss, "input target log_input full eps reduction"), torch.poisson_nll_loss),
    (
        _in_order(F.triplet_margin_loss, "anchor positive negative margin p eps swap reduction"),
        torch.triplet_margin_loss,
    ),
    # elementary operations
    (F.add, torch.add, Tensor.add, Tensor.__add__, Tensor.__radd__),
    (F.sub, torch.sub, Tensor.sub, Tensor.__sub__, torch.subtract, Tensor.subtract),
    (_reversed(F.sub), torch.rsub, Tensor.__rsub__),
    (F.mul, torch.mul, Tensor.mul, Tensor.__mul__, Tensor.__rmul__, torch.multiply, Tensor.multiply),
    (F.div, torch.div, Tensor.div, Tensor.__truediv__, Tensor.__div__, torch.divide, Tensor.divide),
    (F.div, torch.true_divide, Tensor.true_divide),
    (_reversed(F.div), Tensor.__rtruediv__),
    (F.neg, torch.neg, Tensor.neg, Tensor.__neg__, torch.negative, Tensor.negative),
    (F.pow, torch.pow, Tensor.pow, Tensor.__pow__),
    (_reversed(F.pow), Tensor.__rpow__),
    (F.fmod, torch.fmod, Tensor.fmod),
    (F.remainder, torch.remainder, Tensor.remainder, Tensor.__mod__),
    (F.lerp, torch.lerp, Tensor.lerp),
    (F.addcmul, torch.addcmul, Tensor.addcmul),
    (F.addcdiv, torch.addcdiv, Tensor.addcdiv),
    (F.outer, torch.outer, Tensor.outer, torch.ger, Tensor.ger),
    (F.exp, torch.exp, Tensor.exp),
    (F.expm1, torch.expm1, Tensor.expm1, torch.special.expm1),
    (F.log, torch.log, Tensor.log),
    (F.log1p, torch.log1p, Tensor.log1p, torch.special.log1p),
    (F.exp2, torch.exp2, Tensor.exp2, torch.special.exp2),
    (F.log2, torch.log2, Tensor.log2),
    (F.log10, torch.log10, Tensor.log10),
    (F.erf, torch.erf, Tensor.erf, torch.special.erf),
    (F.erfc, torch.erfc, Tensor.erfc, torch.special.erfc),
    (F.nan_to_num, torch.nan_to_num, Tensor.nan_to_num),
    (F.logaddexp, torch.logaddexp, Tensor.logaddexp),
    (F.sqrt, torch.sqrt, Tensor.sqrt),
    (F.rsqrt, torch.rsqrt, Tensor.rsqrt),
    (F.square, torch.square, Tensor.square),
    (F.reciprocal, torch.reciprocal, Tensor.reciprocal),
    (F.abs, torch.abs, Tensor.abs, Tensor.__abs__, torch.absolute, Tensor.absolute),
    (F.sin, torch.sin, Tensor.sin),
    (F.cos, torch.cos, Tensor.cos),
    (F.tan, torch.tan, Tensor.tan),
    (F.asin, torch.asin, Tensor.asin, torch.arcsin, Tensor.arcsin),
    (F.acos, torch.acos, Tensor.acos, torch.arccos, Tensor.arccos),
    (F.atan, torch.atan, Tensor.atan, torch.arctan, Tensor.arctan),
    (F.atan2, torch.atan2, Tensor.atan2, torch.arctan2, Tensor.arctan2),
    (F.sinh, torch.sinh, Tensor.sinh),
    (F.cosh, torch.cosh, Tensor.cosh),
    (F.asinh, torch.asinh, Tensor.asinh, torch.arcsinh, Tensor.arcsinh),
    (F.acosh, torch.acosh, Tensor.acosh, torch.arccosh, Tensor.arccosh),
    (F.atanh, torch.atanh, Tensor.atanh, torch.arctanh, Tensor.arctanh),
    (F.floor, torch.floor, Tensor.floor),
    (F.ceil, torch.ceil, Tensor.ceil),
    (F.trunc, torch.trunc, Tensor.trunc, torch.fix, Tensor.fix),
    (F.round, torch.round, Tensor.round, torch.special.round),
    (F.sign, torch.sign, Tensor.sign, torch.sgn, Tensor.sgn),
    (F.matmul, torch.matmul, Tensor.matmul, Tensor.__matmul__, torch.linalg.matmul),
    (_reversed(F.matmul), Tensor.__rmatmul__),
    (F.mm, torch.mm, Tensor.mm),
    (F.bmm, torch.bmm, Tensor.bmm),
    (F.mv, torch.mv, Tensor.mv),
    (F.dot, torch.dot, Tensor.dot),
    (_vdot, torch.vdot, Tensor.vdot),
    (F.einsum, torch.einsum),
    (F.addmm, torch.addmm, Tensor.addmm),
    (F.baddbmm, torch.baddbmm, Tensor.baddbmm),
    (F.sum, torch.sum, Tensor.sum),
    (F.mean, torch.mean, Tensor.mean),
    (_with_unbiased(F.var), torch.var, Tensor.var),
    (_with_unbiased(F.std), torch.std, Tensor.std),
    (_with_unbiased(F.var_mean), torch.var_mean),
    (_with_unbiased(F.std_mean), torch.std_mean),
    (F.logsumexp, torch.logsumexp, Tensor.logsumexp, torch.special.logsumexp),
    (F.cumsum, torch.cumsum, Tensor.cumsum),
    (F.prod, torch.prod, Tensor.prod),
    (F.cumprod, torch.cumprod, Tensor.cumprod),
    (F.vector_norm, torch.linalg.vector_norm),
    (_norm, torch.norm, Tensor.norm),
    (_linalg_norm, torch.linalg.norm),
    (_matrix_norm, torch.linalg.matrix_norm),
    (F.max, torch.max, Tensor.max),
    (F.min, torch.min, Tensor.min),
    (F.amax, torch.amax, Tensor.amax),
    (F.amin, torch.amin, Tensor.amin),
    (F.maximum, torch.maximum, Tensor.maximum),
    (F.minimum, torch.minimum, Tensor.minimum),
    (F.clamp, torch.clamp, Tensor.clamp, torch.clip, Tensor.clip),
    (F.clamp_min, torch.clamp_min, Tensor.clamp_min),
    (F.clamp_max, torch.clamp_max, Tensor.clamp_max),
    (_where, torch.where),
    (_where_else, Tensor.where),
    (F.masked_fill, torch.masked_fill, Tensor.masked_fill),
    (F.reshape, torch.reshape),
    (_with_sizes(F.reshape), Tensor.reshape),
    (_like(F.reshape), Tensor.reshape_as),
    (_with_sizes(F.view), Tensor.view),
    (_like(F.view), Tensor.view_as),
    (F.flatten, torch.flatten, Tensor.flatten, torch.ravel, Tensor.ravel),
    (F.unflatten, torch.unflatten, Tensor.unflatten),
    (F.squeeze, torch.squeeze, Tensor.squeeze),
    (F.unsqueeze, torch.unsqueeze, Tensor.unsqueeze),
    (F.transpose, torch.transpose, Tensor.transpose, torch.swapaxes, Tensor.swapaxes),
    (F.transpose, torch.swapdims, Tensor.swapdims),
    (F.t, torch.t, Tensor.t),
    (F.matrix_transpose, _getter("mT")),
    (_adjoint, _getter("mH"), torch.adjoint, Tensor.adjoint),
    (_reversed_dimensions, _getter("T")),
    (_hermitian, _getter("H")),
    (F.conj, torch.conj, Tensor.conj),
    (F.permute, torch.permute),
    (_with_sizes(F.permute), Tensor.permute),
    (F.movedim, torch.movedim, Tensor.movedim, torch.moveaxis, Tensor.moveaxis),
    (_with_sizes(F.expand), Tensor.expand),
    (_like(F.expand), Tensor.expand_as),
    (F.broadcast_to, torch.broadcast_to),
    (_with_sizes(F.broadcast_to), Tensor.broadcast_to),
    (F.broadcast_tensors, torch.broadcast_tensors),
    (_with_sizes(F.repeat), Tensor.repeat),
    (F.tile, torch.tile),
    (_with_sizes(F.tile), Tensor.tile),
    (_repeat_interleave, torch.repeat_interleave, Tensor.repeat_interleave),
    (F.roll, torch.roll, Tensor.roll),
    (F.sort, torch.sort, Tensor.sort),
    (F.topk, torch.topk, Tensor.topk),
    (F.tril, torch.tril, Tensor.tril),
    (F.triu, torch.triu, Tensor.triu),
    (F.flip, torch.flip),
    (_with_sizes(F.flip), Tensor.flip),
    (F.diagonal, torch.diagonal, Tensor.diagonal),
    (_linalg_diagonal, torch.linalg.diagonal),
    (F.diag_embed, torch.diag_embed, Tensor.diag_embed),
    (F.diag, torch.diag, Tensor.diag),
    (F.clone, torch.clone, Tensor.clone),
    (F.contiguous, Tensor.contiguous),
    (F.to, Tensor.to, Tensor.type_as),
    (_to(torch.float64), Tensor.double),
    (_to(torch.float32), Tensor.float),
    (_to(torch.float16), Tensor.half),
    (_to(torch.bfloat16), Tensor.bfloat16),
    (_to("cpu"), Tensor.cpu),
    (_type, Tensor.type),
    (F.getitem, Tensor.__getitem__),
    (F.select, torch.select, Tensor.select),
    (F.narrow, torch.narrow, Tensor.narrow),
    (F.index_select, torch.index_select, Tensor.index_select),
    (F.gather, torch.gather, Tensor.gather),
    (F.masked_select, torch.masked_select, Tensor.masked_select),
    (_scatter, torch.scatter, Tensor.scatter),
    (F.scatter_add, torch.scatter_add, Tensor.scatter_add),
    (F.index_add, torch.index_add, Tensor.index_add),
    (F.index_fill, torch.index_fill, Tensor.index_fill),
    (F.index_copy, torch.index_copy, Tensor.index_copy),
    (F.meshgrid, torch.meshgrid),
    (F.cat, torch.cat, torch.concat, torch.concatenate),
    (F.stack, torch.stack),
    (F.split, torch.split, Tensor.split),
    (F.chunk, torch.chunk, Tensor.chunk),
    (F.unbind, torch.unbind, Tensor.unbind),
    (_iterated, Tensor.__iter__),
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
    for owner in (torch, Tensor, T)
    if name != theirs.__name__ and hasattr(owner, name)
}
IN_PLACE |= {
    Tensor.__ipow__: F.pow,
    Tensor.__setitem__: F.setitem,
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
