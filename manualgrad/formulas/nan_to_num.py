r"""Numbers for what is no number.

    forward    y_i  = x_i where it is finite, else the number given for NaN, infinity or minus infinity
    backward   dx_i = dy_i where x_i is finite, else 0
    tangent    y_i' = x_i' where x_i is finite, else 0

Shapes: x, y (*) any shape. Saves x.
Source: any calculus book: a constant has the slope 0.
"""

import torch
from torch import Tensor

from manualgrad.formula import Pointwise, call


class NanToNumFunction(Pointwise):
    complex = "refused"

    @staticmethod
    def forward(x: Tensor, nan: float | None, posinf: float | None, neginf: float | None) -> Tensor:
        return torch.nan_to_num(x, nan, posinf, neginf)

    @staticmethod
    def slope(d: Tensor, x: Tensor, *_: float | None) -> Tensor:
        return d * x.isfinite()


def nan_to_num(
    input: Tensor, nan: float | None = 0.0, posinf: float | None = None, neginf: float | None = None
) -> Tensor:
    """`input` with `nan` in the place of NaN, and `posinf` and `neginf` in the place of the infinities.

    Those are by default the largest and smallest finite numbers. Same values and gradients as `torch.nan_to_num`.

    >>> import torch
    >>> x = torch.tensor([1.0, float("nan")], requires_grad=True)
    >>> nan_to_num(x, 5.0).sum().backward()
    >>> x.grad
    tensor([1., 0.])
    """
    return call(NanToNumFunction, input, nan, posinf, neginf)
