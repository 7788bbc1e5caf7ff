"""Recurrent networks: layers above each other, in one direction or both, of the formulas of `rnn`, `lstm` and `gru`.

The functions have the arguments of torch's (`torch.lstm`, `torch.gru`, `torch.rnn_tanh`, `torch.rnn_relu` and the
cells), which `torch.nn.LSTM` and the others call; they have two forms, for a padded batch and for packed sequences.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor

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
from manualgrad.public import described, expect_floating, public

Weights = Sequence[Tensor]
# One layer in one direction: rows, initial states, its weights, batch sizes, reversed -> all its states.
Layer = Callable[[Tensor, Sequence[Tensor], Weights, BatchSizes, bool], tuple[Tensor, ...]]

# What both forms have in common, in order, and of what kind each is; those that are not named are True or False.
_ORDER = ("hx", "params", "has_biases", "num_layers", "dropout", "train", "bidirectional")
_KINDS: dict[str, tuple[Any, str]] = {
    "batch_sizes": (Tensor, "a tensor of int64"),
    "params": (Sequence, "a sequence of tensors"),
    "num_layers": (int, "an integer"),
    "dropout": ((int, float, Tensor), "a number"),
}


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


def _read(name: str, arguments: tuple[Any, ...], named: dict[str, Any]) -> dict[str, Any]:
    """The arguments of either form by name, hx as a list; with torch's exception type for one that does not fit."""
    packed = "batch_sizes" in named or (len(arguments) > 2 and isinstance(arguments[2], Sequence))  # params are third
    order = ("batch_sizes", *_ORDER) if packed else (*_ORDER, "batch_first")
    if len(arguments) > len(order):
        raise TypeError(f"{name}: at most {len(order) + 1} arguments are taken, got {len(arguments) + 1}")
    given = dict(zip(order, arguments, strict=False)) | named
    for what in (*order, *given):
        if what not in order or what not in given:
            raise TypeError(f"{name}: {what} is {'missing' if what in order else 'no argument'}")
        kinds, words = _KINDS.get(what, (bool, "True or False"))
        if what != "hx" and not isinstance(given[what], kinds):
            raise TypeError(f"{name}: {what} must be {words}, got {described(given[what])}")
    if given["train"] and given["num_layers"] > 1 and not 0 <= given["dropout"] <= 1:
        raise RuntimeError(f"{name}: dropout is a probability, from 0 to 1, got {given['dropout']}")
    states = given["hx"] if name == "lstm" and isinstance(given["hx"], Sequence) else [given["hx"]]
    for what, tensors in (("hx", states), ("params", given["params"])):
        for x in tensors:
            if not isinstance(x, Tensor):
                raise TypeError(f"{name}: {what} must be made of tensors, got {described(x)}")
    if len(states) != (2 if name == "lstm" else 1):
        raise RuntimeError(f"{name}: hx must be two states, h and c, got {len(states)}")
    places = given["num_layers"] * (2 if given["bidirectional"] else 1)
    projected = states[0].shape[-1:] != states[-1].shape[-1:]
    share = (4 if given["has_biases"] else 2) + projected
    if len(given["params"]) != places * share:
        raise RuntimeError(
            f"{name}: params must be {share} tensors of each of the {places} layers and directions, "
            f"got {len(given['params'])} in all"
        )
    return given | {"hx": list(states)}


def _network(name: str, layer: Layer, input: Tensor, *arguments: Any, **named: Any) -> tuple[Tensor, list[Tensor]]:
    """Read the arguments of either form, and run the layers."""
    given = _read(name, arguments, named)
    hx, batch_first, sizes = given["hx"], given.pop("batch_first", False), given.pop("batch_sizes", None)
    if sizes is not None:
        given["sizes"] = tuple(sizes.tolist())
        _check_states(name, given, given["sizes"][0])
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
    _check_states(name, given, batch)
    rows, last = _layers(layer, reshape(x, (length * batch, width)), (batch,) * length, **given)
    if alone:
        return transpose(rows, 0, 1) if batch_first else rows, [squeeze(s, 1) for s in last]
    output = reshape(rows, (length, batch, -1))
    return transpose(output, 0, 1) if batch_first else output, last


def _check_states(name: str, given: dict[str, Any], batch: int) -> None:
    places = given["num_layers"] * (2 if given["bidirectional"] else 1)
    for state in given["hx"]:
        if state.dim() != 3 or state.shape[:2] != (places, batch):
            raise RuntimeError(
                f"{name}: hx must have shape ({places}, {batch}, hidden), of {places} layers and directions and a "
                f"batch of {batch}, got {tuple(state.shape)}"
            )


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
