r"""Complex conjugate.

    forward    y  = conj x
    backward   dx = conj dy
    tangent    y' = conj x'

Shapes: x, y (*) any shape. Saves nothing. A real tensor is its own conjugate, and gets a copy.
Source: any book on complex numbers; the gradient is torch's, of the conjugate variable.
"""

from typing import Any

from torch import Tensor

from manualgrad.formula import Formula, call


class ConjFunction(Formula):
    opmath = False

    @staticmethod
    def forward(x: Tensor) -> Tensor:
        return x.conj().resolve_conj() if x.is_complex() else x.clone()

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Tensor], output: Tensor) -> None:
        pass

    @staticmethod
    def backward(ctx: Any, dy: Tensor) -> Tensor:
        return dy.conj()

    @staticmethod
    def jvp(ctx: Any, x_t: Tensor) -> Tensor:
        return x_t.conj()


def conj(input: Tensor) -> Tensor:
    """The complex conjugate; of a real tensor a copy. Same values and gradients as `torch.conj`.

    >>> import torch
    >>> conj(torch.tensor([1.0 + 2.0j]))
    tensor([1.-2.j])
    """
    return call(ConjFunction, input)
