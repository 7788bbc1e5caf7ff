r"""Complex numbers as pairs of real ones, and pairs as complex numbers.

    forward    y  = the same numbers, looked at in another way
    backward   dx = dy, looked at in the way of x
    tangent    y' = x', looked at in the way of y

torch's gradient of a complex number is that of the real part, plus i times that of the imaginary part: the pair of
them. Saves nothing.
Shapes: the pairs (*, 2), the complex numbers (*).
Source: Kreutz-Delgado (2009), The complex gradient operator and the CR-calculus.
"""

from typing import Any

import torch
from torch import Tensor

from manualgrad.formula import Formula, call


class ViewAsRealFunction(Formula):
    r"""Complex numbers as pairs.

        forward    y  = (real part of x, imaginary part of x)
        backward   dx = dy_0 + i dy_1
        tangent    y' = (real part of x', imaginary part of x')

    Saves nothing.
    """

    opmath = False

    @staticmethod
    def forward(x: Tensor) -> Tensor:
        return torch.view_as_real(x.resolve_conj())

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Tensor], output: Tensor) -> None:
        """Nothing is needed again."""

    @staticmethod
    def backward(ctx: Any, dy: Tensor) -> Tensor:
        return _complex(dy)

    @staticmethod
    def jvp(ctx: Any, x_t: Tensor) -> Tensor:
        return torch.view_as_real(x_t.resolve_conj())


class ViewAsComplexFunction(Formula):
    r"""Pairs as complex numbers.

        forward    y  = x_0 + i x_1
        backward   dx = (real part of dy, imaginary part of dy)
        tangent    y' = x'_0 + i x'_1

    Saves nothing.
    """

    opmath = False
    autocast = "float32 on cpu"

    @staticmethod
    def forward(x: Tensor) -> Tensor:
        return _complex(x)

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Tensor], output: Tensor) -> None:
        """Nothing is needed again."""

    @staticmethod
    def backward(ctx: Any, dy: Tensor) -> Tensor:
        return torch.view_as_real(dy.resolve_conj())

    @staticmethod
    def jvp(ctx: Any, x_t: Tensor) -> Tensor:
        return _complex(x_t)


def _complex(pairs: Tensor) -> Tensor:
    """The pairs as complex numbers; those that do not lie side by side in memory are copied."""
    return torch.view_as_complex(pairs.contiguous()) if pairs.numel() else torch.complex(*pairs.unbind(-1))


def view_as_real(input: Tensor) -> Tensor:
    """Complex numbers (*) as pairs (*, 2) of real ones. Same values and gradients as `torch.view_as_real`.

    A conjugate that torch has not computed yet is computed first. Raises RuntimeError for real numbers.

    >>> import torch
    >>> view_as_real(torch.tensor([1 + 2j]))
    tensor([[1., 2.]])
    """
    return call(ViewAsRealFunction, input)


def view_as_complex(input: Tensor) -> Tensor:
    """Pairs (*, 2) of real numbers as complex ones (*). Same values and gradients as `torch.view_as_complex`.

    Pairs that do not lie side by side in memory are copied first. RuntimeError for a last dimension of another size.

    >>> import torch
    >>> x = torch.tensor([1.0, 2.0], requires_grad=True)
    >>> y = view_as_complex(x)
    >>> y.abs().square().backward()
    >>> y.detach(), x.grad
    (tensor(1.+2.j), tensor([2., 4.]))
    """
    return call(ViewAsComplexFunction, input)
