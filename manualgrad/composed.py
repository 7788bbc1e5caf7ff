"""Drop-ins for the modules of torch.nn that are made of others: torch's own `forward`, run on our formulas.

Each does what its torch twin does, `by_hand`: its checks, its options, its bookkeeping are torch's, and every
differentiable step in it, down to the residual sums, is a formula of ours.
"""

import itertools
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.nn.modules.adaptive import _ASMoutput
from torch.nn.utils.parametrizations import _SpectralNorm, _WeightNorm

from manualgrad.redirection import by_hand


class RNN(nn.RNN):
    """Drop-in `torch.nn.RNN` computed by `manualgrad.functional.rnn_tanh` or `rnn_relu`."""

    def forward(self, *args: Any, **keywords: Any) -> Any:
        with by_hand():
            return super().forward(*args, **keywords)


class LSTM(nn.LSTM):
    """Drop-in `torch.nn.LSTM` computed by `manualgrad.functional.lstm`."""

    def forward(self, *args: Any, **keywords: Any) -> Any:
        with by_hand():
            return super().forward(*args, **keywords)


class GRU(nn.GRU):
    """Drop-in `torch.nn.GRU` computed by `manualgrad.functional.gru`."""

    def forward(self, *args: Any, **keywords: Any) -> Any:
        with by_hand():
            return super().forward(*args, **keywords)


class RNNCell(nn.RNNCell):
    """Drop-in `torch.nn.RNNCell` computed by `manualgrad.functional.rnn_tanh_cell` or `rnn_relu_cell`."""

    def forward(self, *args: Any, **keywords: Any) -> Any:
        with by_hand():
            return super().forward(*args, **keywords)


class LSTMCell(nn.LSTMCell):
    """Drop-in `torch.nn.LSTMCell` computed by `manualgrad.functional.lstm_cell`."""

    def forward(self, *args: Any, **keywords: Any) -> Any:
        with by_hand():
            return super().forward(*args, **keywords)


class GRUCell(nn.GRUCell):
    """Drop-in `torch.nn.GRUCell` computed by `manualgrad.functional.gru_cell`."""

    def forward(self, *args: Any, **keywords: Any) -> Any:
        with by_hand():
            return super().forward(*args, **keywords)


class MultiheadAttention(nn.MultiheadAttention):
    """Drop-in `torch.nn.MultiheadAttention` computed by `manualgrad.functional.multi_head_attention_forward`."""

    def forward(self, *args: Any, **keywords: Any) -> Any:
        with by_hand():
            return super().forward(*args, **keywords)


class TransformerEncoderLayer(nn.TransformerEncoderLayer):
    """Drop-in `torch.nn.TransformerEncoderLayer` computed by our formulas."""

    def forward(self, *args: Any, **keywords: Any) -> Any:
        with by_hand():
            return super().forward(*args, **keywords)


class TransformerDecoderLayer(nn.TransformerDecoderLayer):
    """Drop-in `torch.nn.TransformerDecoderLayer` computed by our formulas."""

    def forward(self, *args: Any, **keywords: Any) -> Any:
        with by_hand():
            return super().forward(*args, **keywords)


class TransformerEncoder(nn.TransformerEncoder):
    """Drop-in `torch.nn.TransformerEncoder` computed by our formulas."""

    def forward(self, *args: Any, **keywords: Any) -> Any:
        with by_hand():
            return super().forward(*args, **keywords)


class TransformerDecoder(nn.TransformerDecoder):
    """Drop-in `torch.nn.TransformerDecoder` computed by our formulas."""

    def forward(self, *args: Any, **keywords: Any) -> Any:
        with by_hand():
            return super().forward(*args, **keywords)


class Transformer(nn.Transformer):
    """Drop-in `torch.nn.Transformer` computed by our formulas."""

    def forward(self, *args: Any, **keywords: Any) -> Any:
        with by_hand():
            return super().forward(*args, **keywords)


class WeightNorm(_WeightNorm):
    """What `torch.nn.utils.parametrizations.weight_norm` puts on a weight, computed by our `weight_norm`.

    `manualgrad.convert` swaps it in, as it does layers.
    """

    def forward(self, weight_g: Tensor, weight_v: Tensor) -> Tensor:
        with by_hand():
            return super().forward(weight_g, weight_v)


class SpectralNorm(_SpectralNorm):
    """What `torch.nn.utils.parametrizations.spectral_norm` puts on a weight: W / (u^T W v), computed by our formulas.

    The power iteration for u and v is torch's; no gradient flows through it. `manualgrad.convert` swaps it in.
    """

    def forward(self, weight: Tensor) -> Tensor:
        with by_hand():
            return super().forward(weight)


class AdaptiveLogSoftmaxWithLoss(nn.AdaptiveLogSoftmaxWithLoss):
    """Drop-in `torch.nn.AdaptiveLogSoftmaxWithLoss`: a rare class is as probable as its cluster, times itself in it.

    Torch's own forward fills its result in place, row by row; here the rows are put together. Each logarithm of a
    probability is minus a `manualgrad.functional.cross_entropy`.
    """

    def forward(self, input_: Tensor, target_: Tensor) -> _ASMoutput:
        if target_.dim() > 1 or input_.dim() != target_.dim() + 1 or input_.shape[:-1] != target_.shape:
            raise RuntimeError(
                "AdaptiveLogSoftmaxWithLoss: input and target must have shapes (N, in_features) and (N), or "
                f"(in_features) and (), got {tuple(input_.shape)} and {tuple(target_.shape)}"
            )
        with by_hand():
            x, target = (input_, target_) if target_.dim() else (input_.unsqueeze(0), target_.unsqueeze(0))
            outside = target[(target < 0) | (target >= self.n_classes)]
            if outside.numel():
                raise RuntimeError(
                    f"AdaptiveLogSoftmaxWithLoss: target must be a class number, in [0, {self.n_classes}), "
                    f"got {outside[0].item()}"
                )
            in_head, tails = target, []
            order = [(target < self.shortlist_size).nonzero().squeeze(1)]
            for i, (low, high) in enumerate(itertools.pairwise(self.cutoffs)):
                rows = ((target >= low) & (target < high)).nonzero().squeeze(1)
                if rows.numel():
                    in_head = in_head.index_fill(0, rows, self.shortlist_size + i)
                    scores = self.tail[i](x.index_select(0, rows))
                    tails.append(F.cross_entropy(scores, target[rows] - low, reduction="none"))
                    order.append(rows)
            losses = F.cross_entropy(self.head(x), in_head, reduction="none")
            if tails:
                parts = torch.cat([losses.new_zeros(len(order[0])), *tails])
                losses = losses + parts.index_select(0, torch.cat(order).argsort())
            return _ASMoutput(-losses if target_.dim() else -losses.squeeze(0), losses.mean())

    def log_prob(self, input: Tensor) -> Tensor:
        """The logarithm of each class's probability, (N, n_classes)."""
        with by_hand():
            return self._get_full_log_prob(input, self.head(input))

    def _get_full_log_prob(self, input: Tensor, head_output: Tensor) -> Tensor:
        head = F.log_softmax(head_output, dim=1)
        clusters = head[:, self.shortlist_size :].split(1, dim=1)
        tails = [F.log_softmax(tail(input), dim=1) + of for tail, of in zip(self.tail, clusters, strict=True)]
        return torch.cat([head[:, : self.shortlist_size], *tails], dim=1)
