"""Rows of the recurrent networks and their cells."""

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from manualgrad import functional as F
from manualgrad import nn
from manualgrad.catalogue.row import Row, Sample, drop, normal, sample
from manualgrad.formulas.gru import GruFunction
from manualgrad.formulas.lstm import LstmFunction
from manualgrad.formulas.rnn import RnnFunction


def network(
    gates: int,
    states: int,
    *,
    layers: int = 1,
    bidirectional: bool = False,
    biases: bool = True,
    projected: int = 0,
    batch_first: bool = False,
    size: tuple[int, int, int, int] = (3, 2, 2, 2),
) -> Sample:
    """Arguments of torch.lstm and the others, of `size` (length, batch, input, hidden)."""
    length, batch, width, hidden = size
    directions = 2 if bidirectional else 1
    out = projected or hidden
    params: list[Any] = []
    for k in range(layers):
        for _ in range(directions):
            inputs = width if k == 0 else directions * out
            params += [normal(gates * hidden, inputs), normal(gates * hidden, out)]
            params += [normal(gates * hidden), normal(gates * hidden)] if biases else []
            params += [normal(projected, hidden)] if projected else []
    initial = [normal(layers * directions, batch, width) for width in (out, hidden)[:states]]
    x = normal(batch, length, width) if batch_first else normal(length, batch, width)
    hx = initial[0] if states == 1 else tuple(initial)
    return sample(x, hx, params, biases, layers, 0.0, False, bidirectional, batch_first)


def cell(gates: int, states: int, batch: int = 2, width: int = 3, hidden: int = 2, biases: bool = True) -> Sample:
    """Arguments of torch.lstm_cell and the others."""
    initial = [normal(batch, hidden) for _ in range(states)]
    weights = [normal(gates * hidden, width), normal(gates * hidden, hidden)]
    weights += [normal(gates * hidden), normal(gates * hidden)] if biases else []
    return sample(normal(batch, width), initial[0] if states == 1 else tuple(initial), *weights)


Step = Callable[..., tuple[Tensor, ...]]


def rnn_step(squash: Callable[[Tensor], Tensor]) -> Step:
    """One step of an Elman network, in ordinary operations of torch."""

    def step(x: Tensor, states: Any, w_ih: Tensor, w_hh: Tensor, *biases: Tensor) -> tuple[Tensor, ...]:
        return (squash(sum(biases, x @ w_ih.T + states[0] @ w_hh.T)),)

    return step


def lstm_step(x: Tensor, states: Any, w_ih: Tensor, w_hh: Tensor, *rest: Tensor) -> tuple[Tensor, ...]:
    biases, projection = (rest[:-1], rest[-1:]) if len(rest) % 2 else (rest, ())
    i, f, g, o = sum(biases, x @ w_ih.T + states[0] @ w_hh.T).chunk(4, -1)
    c = f.sigmoid() * states[1] + i.sigmoid() * g.tanh()
    h = o.sigmoid() * c.tanh()
    return (h @ projection[0].T if projection else h), c


def gru_step(x: Tensor, states: Any, w_ih: Tensor, w_hh: Tensor, *biases: Tensor) -> tuple[Tensor, ...]:
    b_ih, b_hh = biases or (torch.zeros((), dtype=x.dtype),) * 2
    u_r, u_z, u_n = (x @ w_ih.T + b_ih).chunk(3, -1)
    v_r, v_z, v_n = (states[0] @ w_hh.T + b_hh).chunk(3, -1)
    z = (u_z + v_z).sigmoid()
    return ((1 - z) * (u_n + (u_r + v_r).sigmoid() * v_n).tanh() + z * states[0],)


def unrolled(step: Step) -> Callable[..., tuple[Tensor, ...]]:
    """The network of such steps, with the arguments of torch.lstm: torch's own kernels know no vmap."""

    def run(
        x: Tensor,
        hx: Any,
        params: list[Tensor],
        has_biases: bool,
        num_layers: int,
        dropout: float,
        train: bool,
        bidirectional: bool,
        batch_first: bool,
    ) -> tuple[Tensor, ...]:
        sequence = list((x.transpose(0, 1) if batch_first else x).unbind())
        initial = (hx,) if isinstance(hx, Tensor) else hx
        directions = 2 if bidirectional else 1
        share = len(params) // (num_layers * directions)
        last = []
        for k in range(num_layers):
            outputs = []
            for d in range(directions):
                place = k * directions + d
                states, hs = tuple(s[place] for s in initial), []
                for x_t in reversed(sequence) if d else sequence:
                    states = step(x_t, states, *params[place * share : (place + 1) * share])
                    hs.append(states[0])
                last.append(states)
                outputs.append(hs[::-1] if d else hs)
            sequence = [torch.cat(parts, -1) for parts in zip(*outputs, strict=True)]
        output = torch.stack(sequence, 1 if batch_first else 0)
        return output, *(torch.stack(s) for s in zip(*last, strict=True))

    return run


def lstm_cell(x: Tensor, hx: Any, *weights: Tensor) -> tuple[Tensor, ...]:
    return lstm_step(x, hx, *weights)


def gru_cell(x: Tensor, hx: Tensor, *weights: Tensor) -> Tensor:
    return gru_step(x, (hx,), *weights)[0]


ROWS: tuple[Row, ...] = (
    Row(
        F.rnn_tanh,
        torch.rnn_tanh,
        RnnFunction,
        samples=(
            network(1, 1, size=(2, 1, 2, 2)),
            network(1, 1, layers=2, bidirectional=True, size=(2, 1, 1, 1)),
            network(1, 1, batch_first=True, biases=False, size=(2, 1, 1, 2)),
            network(1, 1, layers=2, bidirectional=True, biases=False, batch_first=True),
        ),
        modules=(
            drop(nn.RNN, 3, 4, on=(normal(5, 2, 3), normal(1, 2, 4))),
            drop(nn.RNN, 3, 4, 2, "tanh", False, True, 0.5, True, on=(normal(2, 5, 3),)),
            drop(nn.RNN, 3, 4, on=(normal(5, 3),)),
        ),
        reference=unrolled(rnn_step(torch.tanh)),
        realistic=network(1, 1, size=(32, 32, 64, 64)),
    ),
    Row(
        F.rnn_relu,
        torch.rnn_relu,
        RnnFunction,
        samples=(
            network(1, 1, size=(2, 1, 2, 2)),
            network(1, 1, layers=2, bidirectional=True, size=(2, 1, 1, 1)),
            network(1, 1, batch_first=True, biases=False, size=(2, 1, 1, 2)),
            network(1, 1, layers=2, bidirectional=True),
        ),
        modules=(drop(nn.RNN, 3, 4, nonlinearity="relu", on=(normal(5, 2, 3),)),),
        reference=unrolled(rnn_step(torch.relu)),
        realistic=network(1, 1, size=(32, 32, 64, 64)),
    ),
    Row(
        F.lstm,
        torch.lstm,
        LstmFunction,
        samples=(
            network(4, 2, size=(2, 1, 2, 2)),
            network(4, 2, projected=1, size=(2, 1, 1, 2)),
            network(4, 2, layers=2, bidirectional=True, size=(2, 1, 1, 1)),
            network(4, 2, layers=2, bidirectional=True, biases=False, batch_first=True),
        ),
        modules=(
            drop(nn.LSTM, 3, 4, on=(normal(5, 2, 3),)),
            drop(nn.LSTM, 3, 4, 2, False, True, 0.5, True, on=(normal(2, 5, 3),)),
            drop(nn.LSTM, 3, 4, bidirectional=True, proj_size=2, on=(normal(5, 2, 3),)),
        ),
        reference=unrolled(lstm_step),
        realistic=network(4, 2, size=(32, 32, 64, 64)),
        slow_because="torch has oneDNN's kernel for the whole network; here each time step is several",
    ),
    Row(
        F.gru,
        torch.gru,
        GruFunction,
        samples=(
            network(3, 1, size=(2, 1, 2, 2)),
            network(3, 1, layers=2, bidirectional=True, size=(2, 1, 1, 1)),
            network(3, 1, batch_first=True, biases=False, size=(2, 1, 1, 2)),
            network(3, 1, layers=2, bidirectional=True, biases=False, batch_first=True),
        ),
        modules=(
            drop(nn.GRU, 3, 4, on=(normal(5, 2, 3), normal(1, 2, 4))),
            drop(nn.GRU, 3, 4, 2, False, True, 0.5, True, on=(normal(2, 5, 3),)),
        ),
        reference=unrolled(gru_step),
        realistic=network(3, 1, size=(32, 32, 64, 64)),
    ),
    Row(
        F.rnn_tanh_cell,
        torch.rnn_tanh_cell,
        RnnFunction,
        samples=(cell(1, 1), cell(1, 1, biases=False)),
        modules=(
            drop(nn.RNNCell, 3, 4, on=(normal(2, 3), normal(2, 4))),
            drop(nn.RNNCell, 3, 4, bias=False, on=(normal(3),)),
        ),
        realistic=cell(1, 1, 32, 64, 64),
    ),
    Row(
        F.rnn_relu_cell,
        torch.rnn_relu_cell,
        RnnFunction,
        samples=(cell(1, 1), cell(1, 1, biases=False)),
        modules=(drop(nn.RNNCell, 3, 4, nonlinearity="relu", on=(normal(2, 3),)),),
        realistic=cell(1, 1, 32, 64, 64),
    ),
    Row(
        F.lstm_cell,
        torch.lstm_cell,
        LstmFunction,
        samples=(cell(4, 2), cell(4, 2, biases=False)),
        modules=(drop(nn.LSTMCell, 3, 4, on=(normal(2, 3),)), drop(nn.LSTMCell, 3, 4, bias=False, on=(normal(3),))),
        reference=lstm_cell,
        realistic=cell(4, 2, 32, 64, 64),
    ),
    Row(
        F.gru_cell,
        torch.gru_cell,
        GruFunction,
        samples=(cell(3, 1), cell(3, 1, biases=False)),
        modules=(drop(nn.GRUCell, 3, 4, on=(normal(2, 3),)), drop(nn.GRUCell, 3, 4, bias=False, on=(normal(3),))),
        reference=gru_cell,
        realistic=cell(3, 1, 32, 64, 64),
    ),
)
