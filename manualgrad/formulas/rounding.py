r"""Rounding, applied to every element: functions that are flat but for their steps.

    forward    y_i  = f(x_i)
    backward   dx_i = dy_i f'(x_i)
    tangent    y_i' = x_i' f'(x_i)

The gradient is 0, at the steps too, as torch has it; a gradient that goes through the steps is in `surrogates.py`.
Each formula is its `forward` and one rule, `slope`, for gradients going back and tangents going forward.
Shapes: x, y (*) any shape. Saves nothing.
Source: any calculus book; the convention at the steps is torch's.
"""

import torch
from torch import Tensor

from manualgrad.formula import Pointwise, call


class FloorFunction(Pointwise):
    r"""Largest whole number not above x.

        forward    y  = floor(x)
        backward   dx = 0                  flat between its steps; torch says 0 at them too

    Saves nothing.
    """

    saves = "nothing"

    @staticmethod
    def forward(x: Tensor) -> Tensor:
        return torch.floor(x)

    @staticmethod
    def slope(d: Tensor) -> Tensor:
        return torch.zeros_like(d)


class CeilFunction(Pointwise):
    r"""Smallest whole number not below x.

        forward    y  = ceil(x)
        backward   dx = 0                  flat between its steps; torch says 0 at them too

    Saves nothing.
    """

    saves = "nothing"

    @staticmethod
    def forward(x: Tensor) -> Tensor:
        return torch.ceil(x)

    @staticmethod
    def slope(d: Tensor) -> Tensor:
        return torch.zeros_like(d)


class TruncFunction(Pointwise):
    r"""Whole part of x, rounded towards 0.

        forward    y  = trunc(x)
        backward   dx = 0                  flat between its steps; torch says 0 at them too

    Saves nothing.
    """

    saves = "nothing"

    @staticmethod
    def forward(x: Tensor) -> Tensor:
        return torch.trunc(x)

    @staticmethod
    def slope(d: Tensor) -> Tensor:
        return torch.zeros_like(d)


class RoundFunction(Pointwise):
    r"""Nearest number of so many decimals, the even one of two that are as near.

        forward    y  = round(x)
        backward   dx = 0                  flat between its steps; torch says 0 at them too

    Saves nothing.
    """

    saves = "nothing"

    @staticmethod
    def forward(x: Tensor, decimals: int) -> Tensor:
        return torch.round(x, decimals=decimals) if decimals else torch.round(x)  # which takes integers too

    @staticmethod
    def slope(d: Tensor, decimals: int) -> Tensor:
        return torch.zeros_like(d)


def floor(input: Tensor) -> Tensor:
    """Largest whole number not above `input`, elementwise; its gradient is 0. As `torch.floor`.

    >>> import torch
    >>> x = torch.tensor(1.5, requires_grad=True)
    >>> floor(x).backward()
    >>> x.grad
    tensor(0.)
    """
    return call(FloorFunction, input)


def ceil(input: Tensor) -> Tensor:
    """Smallest whole number not below `input`, elementwise; its gradient is 0. As `torch.ceil`.

    >>> import torch
    >>> ceil(torch.tensor(1.5))
    tensor(2.)
    """
    return call(CeilFunction, input)


def trunc(input: Tensor) -> Tensor:
    """Whole part of `input`, elementwise; its gradient is 0. As `torch.trunc`.

    >>> import torch
    >>> trunc(torch.tensor(-1.5))
    tensor(-1.)
    """
    return call(TruncFunction, input)


def round(input: Tensor, *, decimals: int = 0) -> Tensor:
    """`input` rounded to `decimals` places, halves to even, elementwise; its gradient is 0. As `torch.round`.

    >>> import torch
    >>> round(torch.tensor([0.5, 1.5]))
    tensor([0., 2.])
    """
    return call(RoundFunction, input, decimals)
