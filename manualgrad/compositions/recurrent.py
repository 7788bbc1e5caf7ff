"""Recurrent networks: layers above each other, in one direction or both, of the formulas of `rnn`, `lstm` and `gru`.

The functions have the arguments of torch's (`torch.lstm`, `torch.gru`, `torch.rnn_tanh`, `torch.rnn_relu`), which
`torch.nn.LSTM` and the others call; they have two forms, for a padded batch and for packed sequences.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor

from manualgrad.compositions.recurrent_arguments import check_states, read
from manualgrad.formula import call
from manualgrad.formulas.dropout import dropout as drop
from manualgrad.formulas.gru import GruFunction
from manualgrad.formulas.indexing import getitem
from manualgrad.formulas.joining import cat, stack
from manualgrad.formulas.lstm import LstmFunction
from manualgrad.formulas.repeating import expand
from manualgrad.formulas.reshaping import reshape, squeeze, unsqueeze
from manualgrad.formulas.rnn import RnnFunction
from manualgrad.formulas.transposing import transpose
from manualgrad.parts.time_steps import BatchSizes
from manualgrad.public import public

Weights = Sequence[Tensor]
# One layer in one direction: rows, initial states, its weights, batch sizes, reversed -> all its states.
Layer = Callable[[Tensor, Sequence[Tensor], Weights, BatchSizes, bool], tuple[Tensor, ...]]


class FusedLstmFunction(LstmFunction):
    """A layer without projection, which torch's fused kernels compute: autocast runs it in the lower dtype."""

    autocast = "lower"


@public
def lstm(input: Tensor, *arguments: Any, **named: Any) -> tuple[Tensor, Tensor, Tensor]:
    """Long short-term memory. Same values and gradients as `torch.lstm`, whose two forms it has.

    lstm(input, hx, params, has_biases, num_layers, dropout, train, bidirectional, batch_first)
    lstm(data, batch_sizes, hx, params, has_biases, num_layers, dropout, train, bidirectional)

    input (T, N, in), or (N, T, in) with batch_first; hx the initial states, h (layers, N, out) and c (layers, N,
    hidden), one layer for each direction (`rnn_tanh` and `rnn_relu` take one sequence, without N, too); params w_ih,
    w_hh, b_ih, b_hh and, with a projection, w_hr of each layer in turn. Returns the output (T, N, directions out) and
    the last states.

    >>> import torch
    >>> net = torch.nn.LSTM(2, 3)
    >>> h = torch.zeros(1, 5, 3)
    >>> output, h_n, c_n = lstm(torch.ones(4, 5, 2), (h, h), list(net.parameters()), True, 1, 0.0, False, False, False)
    >>> output.shape, h_n.shape
    (torch.Size([4, 5, 3]), torch.Size([1, 5, 3]))
    """
    output, (h, c) = _network("lstm", _lstm_layer, input, *arguments, **named)
    return output, h, c


@public
def gru(input: Tensor, *arguments: Any, **named: Any) -> tuple[Tensor, Tensor]:
    """Gated recurrent unit. Same values and gradients as `torch.gru`, whose two forms it has; see `lstm`.

    >>> import torch
    >>> net = torch.nn.GRU(2, 3)
    >>> x, h = torch.ones(4, 5, 2), torch.zeros(1, 5, 3)
    >>> output, h_n = gru(x, h, list(net.parameters()), True, 1, 0.0, False, False, False)
    >>> torch.allclose(output, net(x)[0])
    True
    """
    output, (h,) = _network("gru", _gru_layer, input, *arguments, **named)
    return output, h


@public
def rnn_tanh(input: Tensor, *arguments: Any, **named: Any) -> tuple[Tensor, Tensor]:
    """Elman network with tanh. Same values and gradients as `torch.rnn_tanh`, whose two forms it has; see `lstm`.

    >>> import torch
    >>> net = torch.nn.RNN(2, 3)
    >>> x, h = torch.ones(4, 5, 2), torch.zeros(1, 5, 3)
    >>> output, h_n = rnn_tanh(x, h, list(net.parameters()), True, 1, 0.0, False, False, False)
    >>> torch.allclose(output, net(x)[0])
    True
    """
    output, (h,) = _network("rnn_tanh", _rnn_layer("tanh"), input, *arguments, **named)
    return output, h


@public
def rnn_relu(input: Tensor, *arguments: Any, **named: Any) -> tuple[Tensor, Tensor]:
    """Elman network with relu. Same values and gradients as `torch.rnn_relu`, whose two forms it has; see `lstm`.

    >>> import torch
    >>> net = torch.nn.RNN(2, 3, nonlinearity="relu")
    >>> x, h = torch.ones(4, 5, 2), torch.zeros(1, 5, 3)
    >>> output, h_n = rnn_relu(x, h, list(net.parameters()), True, 1, 0.0, False, False, False)
    >>> torch.allclose(output, net(x)[0])
    True
    """
    output, (h,) = _network("rnn_relu", _rnn_layer("relu"), input, *arguments, **named)
    return output, h


def _lstm_layer(
    x: Tensor, states: Sequence[Tensor], weights: Weights, sizes: BatchSizes, reverse: bool
) -> tuple[Tensor, ...]:
    w_ih, w_hh, *rest = weights
    *biases, w_hr = rest if len(rest) % 2 else [*rest, None]
    b_ih, b_hh = biases or (None, None)
    formula = FusedLstmFunction if w_hr is None else LstmFunction
    return call(formula, x, *states, w_ih, w_hh, b_ih, b_hh, w_hr, sizes, reverse)


def _gru_layer(
    x: Tensor, states: Sequence[Tensor], weights: Weights, sizes: BatchSizes, reverse: bool
) -> tuple[Tensor, ...]:
    w_ih, w_hh, b_ih, b_hh = weights if len(weights) == 4 else (*weights, None, None)
    return (call(GruFunction, x, *states, w_ih, w_hh, b_ih, b_hh, sizes, reverse),)


def _rnn_layer(nonlinearity: str) -> Layer:
    def layer(
        x: Tensor, states: Sequence[Tensor], weights: Weights, sizes: BatchSizes, reverse: bool
    ) -> tuple[Tensor, ...]:
        w_ih, w_hh, b_ih, b_hh = weights if len(weights) == 4 else (*weights, None, None)
        return (call(RnnFunction, x, *states, w_ih, w_hh, b_ih, b_hh, nonlinearity, sizes, reverse),)

    return layer


def _network(name: str, layer: Layer, input: Tensor, *arguments: Any, **named: Any) -> tuple[Tensor, list[Tensor]]:
    """Read the arguments of either form, and run the layers."""
    given = read(name, arguments, named)
    hx, batch_first, sizes = given["hx"], given.pop("batch_first", False), given.pop("batch_sizes", None)
    if sizes is not None:
        given["sizes"] = tuple(sizes.tolist())
        check_states(name, given, given["sizes"][0])
        return _layers(layer, input, **given)
    x = transpose(input, 0, 1) if batch_first else input
    alone = x.dim() == 2 and hx[0].dim() == 2 and name.startswith("rnn")
    if alone:  # one sequence without a dimension for the batch, which torch's simplest networks take
        given["hx"] = hx = [unsqueeze(s, 1) for s in hx]
    if x.dim() == 2 and name.startswith("rnn"):  # the same sequence for every state
        x = expand(unsqueeze(x, 1), (-1, hx[0].shape[1], -1))
    if x.dim() != 3:
        raise (IndexError if x.dim() < 3 else RuntimeError)(
            f"{name}: input must have shape (T, N, in), or (N, T, in) with batch_first, got {tuple(input.shape)}"
        )
    length, batch, width = x.shape
    check_states(name, given, batch)
    rows, last = _layers(layer, reshape(x, (length * batch, width)), (batch,) * length, **given)
    if alone:
        return transpose(rows, 0, 1) if batch_first else rows, [squeeze(s, 1) for s in last]
    output = reshape(rows, (length, batch, -1))
    return transpose(output, 0, 1) if batch_first else output, last


def _layers(
    layer: Layer,
    rows: Tensor,
    sizes: BatchSizes,
    hx: Sequence[Tensor],
    params: Weights,
    has_biases: bool,
    num_layers: int,
    dropout: float,
    train: bool,
    bidirectional: bool,
) -> tuple[Tensor, list[Tensor]]:
    directions = 2 if bidirectional else 1
    share = len(params) // (num_layers * directions)
    last: list[list[Tensor]] = []
    for k in range(num_layers):
        outputs = []
        for direction in range(directions):
            place = k * directions + direction
            weights = params[place * share : (place + 1) * share]
            states = layer(rows, [getitem(s, place) for s in hx], weights, sizes, direction == 1)
            outputs.append(states[0])
            last.append([_last(s, sizes, direction == 1) for s in states])
        rows = cat(outputs, 1) if bidirectional else outputs[0]
        if dropout and train and k < num_layers - 1:
            rows = drop(rows, dropout, True)
    return rows, [stack(states) for states in zip(*last, strict=True)]


def _last(states: Tensor, sizes: BatchSizes, reverse: bool) -> Tensor:
    """The state that each sequence ends in."""
    if reverse:
        return getitem(states, slice(0, sizes[0]))
    if sizes[0] == sizes[-1]:
        return getitem(states, slice(states.shape[0] - sizes[0], None))
    ends: list[int] = []
    start = states.shape[0]
    for size in reversed(sizes):  # going back in time, the sequences that are over come in one by one
        start -= size
        ends += range(start + len(ends), start + size)
    return getitem(states, torch.tensor(ends, device=states.device))
