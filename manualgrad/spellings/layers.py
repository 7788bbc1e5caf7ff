"""Activations, normalisation, layers, convolution, pooling, embedding, dropout, attention."""

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as T

from manualgrad import functional as F


def _with_dtype_third(function: Callable[..., Any]) -> Callable[..., Any]:
    """`softmax` or `log_softmax` with the arguments of `torch.softmax`, which knows no `_stacklevel`."""

    def spelled(input: Tensor, dim: int, dtype: torch.dtype | None = None) -> Any:
        return function(input, dim, dtype=dtype)

    return spelled


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


def _filled_up(input: Tensor, pad: Any, value: float = 0) -> Any:
    """`torch.constant_pad_nd`."""
    return F.pad(input, pad, "constant", value)


_KERNELS: Any = torch._C._nn  # where torch keeps what torch.nn calls


def _padded_sequences(
    sequences: Any, batch_first: bool = False, padding_value: float = 0.0, padding_side: str = "right"
) -> Any:
    """What `torch.nn.utils.rnn.pad_sequence` calls: sequences (length, ...), as long as the longest, side by side."""
    longest = max(len(x) for x in sequences)
    padded = []
    for x in sequences:
        missing = longest - len(x)
        ends = [0, missing] if padding_side == "right" else [missing, 0]
        padded.append(F.pad(x, [0, 0] * (x.dim() - 1) + ends, "constant", padding_value))
    return F.stack(padded, 0 if batch_first else 1)


SPELLINGS: tuple[tuple[Callable[..., Any], ...], ...] = (
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
    (_filled_up, torch.constant_pad_nd),
    (_padded_sequences, _KERNELS.pad_sequence),
)
