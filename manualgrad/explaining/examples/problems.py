"""The networks of the worked examples: model, batch, loss and learning rate, and the names that the book uses."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor

from manualgrad import functional as F
from manualgrad import nn
from manualgrad.explaining.examples import Example
from manualgrad.explaining.examples.engines import ENGINES
from manualgrad.explaining.explanation import Explanation, explain

Loss = Callable[[Tensor, Tensor], Tensor]


def exact(values: Any) -> Tensor:
    return torch.tensor(values, dtype=torch.float64)


def half_squared_error(output: Tensor, target: Tensor) -> Tensor:
    """E = 1/2 sum (t - out)^2."""
    return F.half_mse_loss(output, target, reduction="sum")


@dataclass
class Problem:
    """What a worked example trains."""

    title: str
    model: nn.Module
    inputs: Tensor
    target: Tensor
    loss: Loss
    learning_rate: float
    labels: dict[str, str] = field(default_factory=dict)

    @property
    def trained(self) -> list[Tensor]:
        return [p for p in self.model.parameters() if p.requires_grad]

    def parameter(self, name: str) -> Tensor:
        """The values of a parameter as they are now."""
        return self.model.get_parameter(name).detach().clone()

    def layer(self, name: str) -> nn.Linear:
        found = self.model.get_submodule(name)
        assert isinstance(found, nn.Linear)
        return found

    def descend(self, steps: int, engine: str = "tape") -> Iterator[tuple[Tensor, Tensor]]:
        """`steps` steps of gradient descent, all parameters at once; each step's output and loss before its update."""
        trained = self.trained
        for _ in range(steps):
            with ENGINES[engine]() as run:
                output = self.model(self.inputs)
                loss = self.loss(output, self.target)
            gradients = run.gradients(loss, trained)
            yield output.detach(), loss.detach()
            with torch.no_grad():
                for p, g in zip(trained, gradients, strict=True):
                    p -= self.learning_rate * g

    def now(self) -> tuple[Tensor, Tensor]:
        """The output and the loss as the parameters are."""
        with torch.no_grad():
            output = self.model(self.inputs)
            return output, self.loss(output, self.target)

    def after(self, steps: int, engine: str = "tape") -> tuple[Tensor, Tensor]:
        """The output and the loss after so many steps."""
        for _ in self.descend(steps, engine):
            pass
        return self.now()

    def look(self, engine: str = "tape") -> tuple[dict[str, Tensor], dict[str, Tensor]]:
        """Values and gradients of everything on the way by name, as `explain` names it."""
        if engine == "tape":
            explanation = self.explain()
            return explanation.values, explanation.gradients
        return self._look_by_autograd()

    def _look_by_autograd(self) -> tuple[dict[str, Tensor], dict[str, Tensor]]:
        values: dict[str, Tensor] = dict(self.model.named_parameters())
        net, result = "", self.inputs
        for name, layer in self.model.named_children():
            result = layer(result)
            if isinstance(layer, nn.Linear):
                net = name
                values[f"net_{net}"] = result
            else:
                values[f"out_{net}"] = result
        values["E"] = self.loss(result, self.target)
        wanted = {name: v for name, v in values.items() if v.requires_grad}
        found = ENGINES["autograd"]().gradients(values["E"], list(wanted.values()))
        return {n: v.detach() for n, v in values.items()}, dict(zip(wanted, found, strict=True))

    def explain(self) -> Explanation:
        return explain(
            self.model,
            self.inputs,
            self.target,
            self.loss,
            learning_rate=self.learning_rate,
            title=self.title,
            labels=self.labels,
        )


def layer(weight: Any, bias: Any = None, train_bias: bool = True) -> nn.Linear:
    """A linear layer of given weights (out, in) and biases; a bias of one element is shared by all units."""
    w = exact(weight)
    made = nn.Linear(w.shape[1], w.shape[0], bias=False, dtype=torch.float64)
    made.weight = nn.Parameter(w)
    if bias is not None:
        made.bias = nn.Parameter(exact(bias), requires_grad=train_bias)
    return made


def stack(**layers: nn.Module) -> nn.Sequential:
    return nn.Sequential(OrderedDict(layers))


def two_neurons(example: Example) -> Problem:
    """Three inputs, neuron a, neuron b; ReLU on both."""
    g = example.given
    labels = {f"a.weight[0, {i}]": f"wa{i + 1}" for i in range(3)}
    labels |= {"b.weight[0, 0]": "wb1", "a.bias[0]": "ba", "b.bias[0]": "bb"}
    labels |= {"net_a": "za", "out_a": "ya", "net_b": "zb", "out_b": "yb"}
    labels |= {f"x[{i}]": f"x{i + 1}" for i in range(3)}
    a, b = layer([g["wa"]], [g["ba"]]), layer([[g["wb1"]]], [g["bb"]])
    model = stack(a=a, a_relu=nn.ReLU(), b=b, b_relu=nn.ReLU())
    x, y = exact(g["x"]), exact([g["y"]])
    return Problem(example.title, model, x, y, half_squared_error, g["learning_rate"], labels)


def net_3_4_1(example: Example) -> Problem:
    """Sigmoids, binary cross-entropy; weights are numbered w LAYER _ NEURON INPUT."""
    g = example.given
    labels = {f"hidden.weight[{j}, {i}]": f"w1_{j + 1}{i + 1}" for j in range(4) for i in range(3)}
    labels |= {f"hidden.bias[{j}]": f"b1_{j + 1}" for j in range(4)}
    labels |= {f"output.weight[0, {j}]": f"w2_1{j + 1}" for j in range(4)} | {"output.bias[0]": "b2_1"}
    labels |= {f"net_hidden[{j}]": f"z1_{j + 1}" for j in range(4)} | {
        f"out_hidden[{j}]": f"f_{j + 1}" for j in range(4)
    }
    labels |= {"net_output": "z2", "out_output": "yhat"} | {f"x[{i}]": f"x{i + 1}" for i in range(3)}
    model = stack(
        hidden=layer(g["w1"], g["b1"]), hidden_sigmoid=nn.Sigmoid(),
        output=layer(g["w2"], g["b2"]), output_sigmoid=nn.Sigmoid(),
    )  # fmt: skip
    x, y = exact([g["x"]]), exact([[g["y"]]])
    return Problem(example.title, model, x, y, F.binary_cross_entropy, g["learning_rate"], labels)


def net_2_2_2(example: Example, biases: str = "frozen") -> Problem:
    """Sigmoids, half the squared error; biases "frozen", "separate" (one per neuron) or "shared" (one per layer)."""
    g = example.given
    labels = {}
    for i in range(2):
        for j in range(2):
            labels[f"hidden.weight[{i}, {j}]"] = f"w{2 * i + j + 1}"
            labels[f"output.weight[{i}, {j}]"] = f"w{2 * i + j + 5}"
        labels |= {f"net_hidden[{i}]": f"net_h{i + 1}", f"out_hidden[{i}]": f"out_h{i + 1}"}
        labels |= {f"net_output[{i}]": f"net_o{i + 1}", f"out_output[{i}]": f"out_o{i + 1}"}
        labels[f"x[{i}]"] = f"i{i + 1}"
        labels |= {f"hidden.bias[{i}]": "b1", f"output.bias[{i}]": "b2"} if biases != "separate" else {}
    units = 1 if biases == "shared" else 2
    train = biases != "frozen"
    model = stack(
        hidden=layer(g["W1"], [g["b1"]] * units, train), hidden_sigmoid=nn.Sigmoid(),
        output=layer(g["W2"], [g["b2"]] * units, train), output_sigmoid=nn.Sigmoid(),
    )  # fmt: skip
    return Problem(example.title, model, exact(g["x"]), exact(g["t"]), half_squared_error, g["learning_rate"], labels)


def net_2_2_1(example: Example) -> Problem:
    """Linear, without biases."""
    g = example.given
    labels = {f"hidden.weight[{i}, {j}]": f"w{2 * i + j + 1}" for i in range(2) for j in range(2)}
    labels |= {f"output.weight[0, {j}]": f"w{j + 5}" for j in range(2)}
    labels |= {f"net_hidden[{i}]": f"h{i + 1}" for i in range(2)} | {"net_output": "out"}
    labels |= {f"x[{i}]": f"i{i + 1}" for i in range(2)}
    model = stack(hidden=layer(g["W1"]), output=layer(g["W2"]))
    x, y = exact(g["x"]), exact([g["y"]])
    return Problem(example.title, model, x, y, half_squared_error, g["learning_rate"], labels)


def net_2_3_1(example: Example) -> Problem:
    """Sigmoids, then a linear output, mean squared error. The document stores weights (in, out), we (out, in)."""
    g = example.given
    labels = {f"hidden.weight[{j}, {i}]": f"W0_{i + 1}{j + 1}" for j in range(3) for i in range(2)}
    labels |= {f"hidden.bias[{j}]": f"b0_{j + 1}" for j in range(3)}
    labels |= {f"output.weight[0, {j}]": f"W1_{j + 1}" for j in range(3)} | {"output.bias[0]": "b1"}
    labels |= {f"net_hidden[{j}]": f"pre_{j + 1}" for j in range(3)} | {
        f"out_hidden[{j}]": f"h_{j + 1}" for j in range(3)
    }
    labels |= {"net_output": "out"}
    model = stack(
        hidden=layer(exact(g["W0"]).t().tolist(), g["b0"]), hidden_sigmoid=nn.Sigmoid(),
        output=layer(exact(g["W1"]).t().tolist(), g["b1"]),
    )  # fmt: skip
    return Problem(example.title, model, exact(g["x"]), exact(g["y"]), F.mse_loss, g["learning_rate"], labels)


def line(example: Example, learning_rate: float) -> Problem:
    """out = w x + b on four examples, mean squared error."""
    g = example.given
    model = stack(line=layer([[g["w"]]], [g["b"]]))
    labels = {"line.weight[0, 0]": "w", "line.bias[0]": "b"}
    x, y = exact(g["x"]).unsqueeze(1), exact(g["y"]).unsqueeze(1)
    return Problem(example.title, model, x, y, F.mse_loss, learning_rate, labels)
