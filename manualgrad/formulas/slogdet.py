r"""Determinant of a matrix, as its sign and the logarithm of its size.

    forward    s  = sign(det x),  y = ln |det x|
    backward   dx = dy x^-T                             nothing from s, which is constant where it does not jump
    tangent    y' = trace of x^-1 x'

Shapes: x (..., n, n), s and y (...). Saves x. For real numbers.
Source: Petersen & Pedersen (2012), The matrix cookbook, eq. 57.
"""

from typing import Any

import torch
from torch import Tensor

from manualgrad.formula import Formula, call, save
from manualgrad.public import public

_linalg_slogdet: Any = getattr(torch.return_types, "linalg_slogdet")  # of which torch's annotations know nothing  # noqa: B009


class SlogdetFunction(Formula):
    complex = "refused"

    @staticmethod
    def forward(x: Tensor) -> tuple[Tensor, Tensor]:
        s, y = torch.linalg.slogdet(x)
        return s, y

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Tensor], output: tuple[Tensor, Tensor]) -> None:
        save(ctx, inputs[0])

    @staticmethod
    def backward(ctx: Any, _: Tensor, dy: Tensor) -> Tensor:
        (x,) = ctx.saved_tensors
        return dy[..., None, None] * torch.linalg.inv(x).mT

    @staticmethod
    def jvp(ctx: Any, x_t: Tensor) -> tuple[Tensor, Tensor]:
        (x,) = ctx.saved_tensors
        y_t = torch.linalg.solve(x, x_t).diagonal(0, -2, -1).sum(-1)
        return torch.zeros_like(y_t), y_t


@public
def slogdet(input: Tensor) -> Any:
    """Sign and logarithm of the size of the determinant of matrices (..., n, n). Same as `torch.linalg.slogdet`.

    >>> import torch
    >>> x = torch.tensor([[2.0, 0.0], [0.0, 4.0]], requires_grad=True)
    >>> slogdet(x).logabsdet.backward()
    >>> x.grad
    tensor([[0.5000, 0.0000],
            [0.0000, 0.2500]])
    """
    return _linalg_slogdet(call(SlogdetFunction, input))
