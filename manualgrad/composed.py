"""Drop-ins for the modules of torch.nn that are made of others: torch's own `forward`, run on our formulas.

Each does what its torch twin does, `by_hand`: its checks, its options, its bookkeeping are torch's, and every
differentiable step in it, down to the residual sums, is a formula of ours.
"""

from typing import Any

from torch import Tensor, nn
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
