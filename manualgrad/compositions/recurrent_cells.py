"""One step of a recurrent network: the formulas of `rnn`, `lstm` and `gru` for a single step of time."""

from __future__ import annotations

from collections.abc import Sequence

from torch import Tensor

from manualgrad.formula import call
from manualgrad.formulas.gru import GruFunction
from manualgrad.formulas.lstm import LstmFunction
from manualgrad.formulas.rnn import RnnFunction
from manualgrad.public import expect_floating, public


@public
def lstm_cell(
    input: Tensor,
    hx: Sequence[Tensor],
    w_ih: Tensor,
    w_hh: Tensor,
    b_ih: Tensor | None = None,
    b_hh: Tensor | None = None,
) -> tuple[Tensor, Tensor]:
    """One step of `lstm`: input (N, in), hx = (h, c). Same values and gradients as `torch.lstm_cell`.

    >>> import torch
    >>> net, x, h = torch.nn.LSTMCell(2, 3), torch.ones(5, 2), torch.zeros(5, 3)
    >>> h_next, c_next = lstm_cell(x, (h, h), *net.parameters())
    >>> torch.allclose(h_next, net(x)[0])
    True
    """
    _check_cell("lstm_cell", 4, input, hx, w_ih, w_hh)
    h, c = call(LstmFunction, input, *hx, w_ih, w_hh, b_ih, b_hh, None, (input.shape[0],), False)
    return h, c


@public
def gru_cell(
    input: Tensor, hx: Tensor, w_ih: Tensor, w_hh: Tensor, b_ih: Tensor | None = None, b_hh: Tensor | None = None
) -> Tensor:
    """One step of `gru`: input (N, in), hx (N, hidden). Same values and gradients as `torch.gru_cell`.

    >>> import torch
    >>> net, x = torch.nn.GRUCell(2, 3), torch.ones(5, 2)
    >>> torch.allclose(gru_cell(x, torch.zeros(5, 3), *net.parameters()), net(x))
    True
    """
    _check_cell("gru_cell", 3, input, (hx,), w_ih, w_hh)
    return call(GruFunction, input, hx, w_ih, w_hh, b_ih, b_hh, (input.shape[0],), False)


@public
def rnn_tanh_cell(
    input: Tensor, hx: Tensor, w_ih: Tensor, w_hh: Tensor, b_ih: Tensor | None = None, b_hh: Tensor | None = None
) -> Tensor:
    """One step of `rnn_tanh`: input (N, in), hx (N, hidden). Same values and gradients as `torch.rnn_tanh_cell`.

    >>> import torch
    >>> net, x = torch.nn.RNNCell(2, 3), torch.ones(5, 2)
    >>> torch.allclose(rnn_tanh_cell(x, torch.zeros(5, 3), *net.parameters()), net(x))
    True
    """
    _check_cell("rnn_tanh_cell", 1, input, (hx,), w_ih, w_hh)
    return call(RnnFunction, input, hx, w_ih, w_hh, b_ih, b_hh, "tanh", (input.shape[0],), False)


@public
def rnn_relu_cell(
    input: Tensor, hx: Tensor, w_ih: Tensor, w_hh: Tensor, b_ih: Tensor | None = None, b_hh: Tensor | None = None
) -> Tensor:
    """One step of `rnn_relu`: input (N, in), hx (N, hidden). Same values and gradients as `torch.rnn_relu_cell`.

    >>> import torch
    >>> net, x = torch.nn.RNNCell(2, 3, nonlinearity="relu"), torch.ones(5, 2)
    >>> torch.allclose(rnn_relu_cell(x, torch.zeros(5, 3), *net.parameters()), net(x))
    True
    """
    _check_cell("rnn_relu_cell", 1, input, (hx,), w_ih, w_hh)
    return call(RnnFunction, input, hx, w_ih, w_hh, b_ih, b_hh, "relu", (input.shape[0],), False)


def _check_cell(cell: str, gates: int, input: Tensor, hx: Sequence[Tensor], w_ih: Tensor, w_hh: Tensor) -> None:
    """Raise, with torch's exception type, for shapes that do not fit, some of which would be broadcast."""
    if gates > 1 and isinstance(input, Tensor):
        expect_floating(f"{cell}: input", input)
    named = (("input", input), ("w_ih", w_ih), ("w_hh", w_hh), *(("hx", h) for h in hx))
    for name, x in named:
        if not isinstance(x, Tensor):
            raise TypeError(f"{cell}: {name} must be a tensor, got {type(x).__name__}")
        if x.dim() != 2:
            error = IndexError if x.dim() < 2 else RuntimeError
            raise error(f"{cell}: {name} must be a matrix, got shape {tuple(x.shape)}")
    (batch, width), hidden = input.shape, w_hh.shape[1]
    shapes = ((batch, width), (gates * hidden, width), (gates * hidden, hidden), *((batch, hidden) for _ in hx))
    for (name, x), shape in zip(named, shapes, strict=True):
        if tuple(x.shape) != shape:
            raise RuntimeError(
                f"{cell}: {name} must have shape {shape} for input {tuple(input.shape)}, got {tuple(x.shape)}"
            )
