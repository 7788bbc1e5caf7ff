"""The recurrent networks as modules: packed sequences, states given and not, on the tape."""

from typing import Any

import pytest
import torch
from torch import Tensor
from torch import nn as tnn
from torch.nn.utils.rnn import pack_padded_sequence, pad_packed_sequence

from manualgrad import Tape, functional, nn
from manualgrad.redirection import by_hand

KINDS = ("RNN", "LSTM", "GRU")


def pair(kind: str, *arguments: Any, **keywords: Any) -> tuple[tnn.Module, tnn.Module]:
    torch.manual_seed(0)
    ours = getattr(nn, kind)(*arguments, **keywords).double()
    theirs = getattr(tnn, kind)(*arguments, **keywords).double()
    theirs.load_state_dict(ours.state_dict())
    return ours, theirs


def results(module: tnn.Module, x: Tensor, run: Any) -> list[Tensor]:
    """Outputs, and the gradients of input and parameters for a fixed upstream gradient."""
    outputs = [o for o in torch.utils._pytree.tree_leaves(run(module, x)) if o.is_floating_point()]
    dys = [torch.linspace(-1, 1, o.numel(), dtype=o.dtype).view(o.shape) for o in outputs]
    return [*outputs, *torch.autograd.grad(outputs, [x, *module.parameters()], dys)]


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("lengths", [[6, 4, 2], [2, 6, 4], [3, 3, 3]], ids=str)
def test_packed_sequences(kind: str, lengths: list[int]) -> None:
    x = torch.randn(6, 3, 4, dtype=torch.float64, requires_grad=True)

    def run(module: tnn.Module, x: Tensor) -> Any:
        output, states = module(pack_padded_sequence(x, lengths, enforce_sorted=False))
        return output.data, states

    ours, theirs = pair(kind, 4, 5, num_layers=2, bidirectional=True)
    for a, b in zip(results(ours, x, run), results(theirs, x, run), strict=True):
        torch.testing.assert_close(a, b, rtol=1e-11, atol=1e-12)


@pytest.mark.parametrize("kind", KINDS)
def test_gradient_of_the_initial_states(kind: str) -> None:
    ours, theirs = pair(kind, 3, 4, num_layers=2)
    x = torch.randn(5, 2, 3, dtype=torch.float64)
    initial = [torch.randn(2, 2, 4, dtype=torch.float64, requires_grad=True) for _ in range(2 if kind == "LSTM" else 1)]
    hx = tuple(initial) if kind == "LSTM" else initial[0]
    gradients = [torch.autograd.grad(m(x, hx)[0].square().sum(), initial) for m in (ours, theirs)]
    for a, b in zip(*gradients, strict=True):
        torch.testing.assert_close(a, b, rtol=1e-11, atol=1e-12)


@pytest.mark.parametrize("kind", KINDS)
def test_torchs_own_module_on_the_tape_and_by_hand(kind: str) -> None:
    """A model that nobody converted, dropout between its layers included."""
    _, theirs = pair(kind, 3, 4, num_layers=2, dropout=0.5)
    x = torch.randn(5, 2, 3, dtype=torch.float64)
    gradients = []
    for way in ("torch", "by hand", "tape"):
        torch.manual_seed(1)
        theirs.zero_grad()
        if way == "tape":
            with Tape() as tape:
                loss = theirs(x)[0].square().sum()
            tape.backward(loss)
        elif way == "by hand":
            with by_hand():
                loss = theirs(x)[0].square().sum()
            loss.backward()
        else:
            theirs(x)[0].square().sum().backward()
        gradients.append([p.grad for p in theirs.parameters()])
    for other in gradients[1:]:
        for a, b in zip(gradients[0], other, strict=True):
            torch.testing.assert_close(a, b, rtol=1e-11, atol=1e-12)


def test_second_derivative_through_time() -> None:
    ours, _ = pair("LSTM", 2, 2)
    x = torch.randn(3, 1, 2, dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradgradcheck(lambda x: ours(x)[0], (x,))


@pytest.mark.parametrize("batch_first", [True, False])
@pytest.mark.parametrize("taped", [True, False], ids=["tape", "by hand"])
def test_sequences_are_packed_and_padded_by_formulas(batch_first: bool, taped: bool) -> None:
    lengths = torch.tensor([2, 4, 1])
    net = torch.nn.GRU(3, 2, batch_first=batch_first).double()
    x = torch.randn(3, 4, 3, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    x = x if batch_first else x.transpose(0, 1)

    def loss(x: Tensor) -> Tensor:
        packed = pack_padded_sequence(x, lengths, batch_first=batch_first, enforce_sorted=False)
        y, _ = pad_packed_sequence(net(packed)[0], batch_first=batch_first, padding_value=0.5, total_length=5)
        return (y * torch.arange(1.0, y.numel() + 1).view(y.shape)).sum()

    a, b = (x.clone().requires_grad_() for _ in range(2))
    loss(b).backward()
    if taped:
        with Tape() as tape:
            y = loss(a)
        tape.backward(y)
    else:
        with by_hand():
            y = loss(a)
        y.backward()
    torch.testing.assert_close(y, loss(b), rtol=1e-12, atol=1e-12)
    torch.testing.assert_close(a.grad, b.grad, rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("kind", ["RNNCell", "LSTMCell", "GRUCell"])
def test_cells_refuse_shapes_that_would_be_broadcast(kind: str) -> None:
    for module in (getattr(nn, kind)(3, 2), getattr(tnn, kind)(3, 2)):
        one = torch.zeros(1, 2)
        hx = (one, one) if kind == "LSTMCell" else one
        with pytest.raises(RuntimeError, match=r"hx must have shape \(4, 2\)|doesn't match hidden"):
            module(torch.zeros(4, 3), hx)
        with pytest.raises(RuntimeError, match=r"w_ih must have shape|inconsistent input_size"):
            module(torch.zeros(4, 1))


@pytest.mark.parametrize("name", ["rnn_tanh", "rnn_relu"])
@pytest.mark.parametrize("state", [(4, 3), (4, 1, 3), (4, 5, 3)], ids=str)
@pytest.mark.parametrize("batch_first", [True, False])
def test_one_sequence_is_taken_without_a_batch(name: str, state: tuple[int, ...], batch_first: bool) -> None:
    net = tnn.RNN(2, 3, 2, bidirectional=True).double()
    x, h = torch.randn(6, 2, dtype=torch.float64), torch.randn(state, dtype=torch.float64)
    leaves = [(x.T if batch_first else x).clone().requires_grad_(), h.requires_grad_()]

    def gradients(function: Any) -> list[Tensor]:
        y, last = function(*leaves, list(net.parameters()), True, 2, 0.0, False, True, batch_first)
        dys = [torch.linspace(-1, 1, o.numel(), dtype=o.dtype).view(o.shape) for o in (y, last)]
        return [y, last, *torch.autograd.grad([y, last], [*leaves, *net.parameters()], dys)]

    for a, b in zip(gradients(getattr(functional, name)), gradients(getattr(torch, name)), strict=True):
        torch.testing.assert_close(a, b, rtol=1e-12, atol=1e-12)


WRONG: dict[str, tuple[dict[str, Any], str]] = {
    "a word for dropout": ({"dropout": "x"}, "dropout must be a number, got a str"),
    "no dropout": ({"dropout": None}, "dropout must be a number, got None"),
    "no probability": ({"dropout": 1.5, "train": True}, "dropout is a probability, from 0 to 1, got 1.5"),
    "half a layer": ({"num_layers": 2.0}, "num_layers must be an integer, got a float"),
    "a word for biases": ({"has_biases": "no"}, "has_biases must be True or False, got a str"),
    "no parameters": ({"params": []}, r"params must be 4 tensors of each of the 2 layers and directions, got 0 in all"),
    "one state": ({"hx": (torch.zeros(2, 5, 3),)}, "hx must be two states, h and c, got 1"),
    "a state that is none": ({"hx": (torch.zeros(2, 5, 3), 1)}, "hx must be made of tensors, got a int"),
    "a name that is none": ({"batchfirst": True}, "batchfirst is no argument"),
    "a matrix": ({"input": torch.zeros(4, 2)}, r"input must have shape \(T, N, in\), .*got \(4, 2\)"),
}


@pytest.mark.parametrize("case", WRONG)
def test_arguments_of_a_network_are_checked(case: str) -> None:
    params = list(tnn.LSTM(2, 3, 2).parameters())
    right: dict[str, Any] = {"input": torch.zeros(4, 5, 2), "hx": (torch.zeros(2, 5, 3),) * 2, "params": params}
    right |= {"has_biases": True, "num_layers": 2, "dropout": 0.0, "train": False, "bidirectional": False}
    right |= {"batch_first": False}
    for a, b in zip(functional.lstm(**right), torch.lstm(**right), strict=True):
        torch.testing.assert_close(a, b)
    wrong, message = WRONG[case]
    with pytest.raises(Exception, match=r".") as theirs:
        torch.lstm(**right | wrong)
    with pytest.raises(theirs.type, match=f"^lstm: {message}"):
        functional.lstm(**right | wrong)


@pytest.mark.parametrize("packed", [True, False])
def test_a_state_is_for_the_whole_batch(packed: bool) -> None:
    net, x = tnn.GRU(2, 3), pack_padded_sequence(torch.zeros(4, 2, 2), torch.tensor([4, 2]))
    first: list[Any] = [x.data, x.batch_sizes] if packed else [torch.zeros(4, 2, 2)]
    functions: list[Any] = [torch.gru, functional.gru]
    for function in functions:
        with pytest.raises(RuntimeError, match=r"^gru: hx must have shape \(1, 2, hidden\)|broadcast shape"):
            function(
                *first, torch.zeros(1, 1, 3), list(net.parameters()), True, 1, 0.0, False, False, *[False][packed:]
            )
