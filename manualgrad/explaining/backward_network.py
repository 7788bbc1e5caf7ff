r"""The backward pass as a network of its own.

    forward                            backward
    net = W x + b                      dE/dx   = W^T dE/dnet          a linear layer of transposed weights, no bias
    out = f(net)                       dE/dnet = f'(net) o dE/dout    a gate per unit, as far open as the slope

Fed with the gradient of the output, it computes the error terms of all layers, from the last to the first; and each
error term times the input of its layer is the gradient of the layer's weights.
"""

from __future__ import annotations

from collections import OrderedDict
from itertools import pairwise

import torch
from torch import Tensor, nn

from manualgrad.explaining.local import is_pointwise, local_derivatives
from manualgrad.explaining.trace import Operation, Quantity, Trace
from manualgrad.formula import FormulaError


class Gate(nn.Module):
    """Multiplies by fixed slopes: `f'(net)`, as found in the forward pass."""

    slopes: Tensor

    def __init__(self, slopes: Tensor) -> None:
        super().__init__()
        self.register_buffer("slopes", slopes)

    def forward(self, upstream: Tensor) -> Tensor:
        return self.slopes * upstream

    def extra_repr(self) -> str:
        return "slopes " + " x ".join(map(str, self.slopes.shape))


class Transposed(nn.Module):
    """A linear layer with the transposed weights of another one, and no bias: (*, out) to (*, in)."""

    weight: Tensor

    def __init__(self, weight: Tensor) -> None:
        super().__init__()
        self.register_buffer("weight", weight.t())

    def forward(self, upstream: Tensor) -> Tensor:
        return nn.functional.linear(upstream, self.weight)

    def extra_repr(self) -> str:
        return f"{self.weight.shape[1]} -> {self.weight.shape[0]}"


class BackwardNetwork(nn.Sequential):
    """The network that turns the gradient of the output into those of all layers, written out layer by layer.

    Calling it gives the gradient of the input; `gradients` those of the parameters too.
    """

    def __init__(self, trace: Trace) -> None:
        chain = trace.operations[: trace.loss_starts_at]
        if not chain:
            raise ValueError("backward_network: the trace holds no network, only a loss")
        super().__init__(OrderedDict((f"{op.number}_{op.title}", _reversed(op)) for op in reversed(chain)))
        for earlier, later in pairwise(chain):
            if not any(q is earlier.output for _, q in later.moving):
                raise FormulaError(
                    f"backward_network: step {later.number} ({later.title}) does not continue step {earlier.number} "
                    f"({earlier.title}); it takes a chain of linear and pointwise layers"
                )
        self._chain = chain
        self.upstream = chain[-1].output.gradient
        """The gradient of the network's output, which the loss sent back in the run that was explained."""

    def gradients(self, upstream: Tensor | None = None) -> dict[str, Tensor]:
        """The gradient of every weight and bias by name, for the output's gradient `upstream`, by default the run's."""
        error = self.upstream if upstream is None else upstream
        assert error is not None
        found: dict[str, Tensor] = {}
        with torch.no_grad():
            for operation, layer in zip(reversed(self._chain), self, strict=True):
                if operation.is_linear:
                    x = operation.inputs[0].value
                    rows, errors = x.reshape(-1, x.shape[-1]), error.reshape(-1, error.shape[-1])
                    _add(found, operation.inputs[1], errors.t() @ rows)
                    if isinstance(operation.inputs[2], Quantity):
                        _add(found, operation.inputs[2], errors.sum(0))
                error = layer(error)
        return found


def _reversed(operation: Operation) -> nn.Module:
    if operation.is_linear:
        return Transposed(operation.inputs[1].value)
    if is_pointwise(operation):
        position, x = operation.moving[0]
        here = torch.arange(x.value.numel(), device=x.value.device)
        return Gate(local_derivatives(operation, position, here).slope.reshape(x.value.shape))
    raise FormulaError(
        f"backward_network: step {operation.number} ({operation.title}) is neither linear nor pointwise; "
        "it takes a chain of linear and pointwise layers"
    )


def _add(found: dict[str, Tensor], parameter: Quantity, gradient: Tensor) -> None:
    if parameter.trained:
        gradient = gradient.sum_to_size(parameter.value.shape)
        found[parameter.name] = found[parameter.name] + gradient if parameter.name in found else gradient
