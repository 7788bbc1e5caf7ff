r"""Special functions, applied element by element: erfinv, lgamma, digamma, polygamma, i0, sinc, logit.

    forward    y  = f(x)
    backward   dx = dy . f'(x)
    tangent    y' = x' . f'(x)

So each formula below is its `forward` and its `slope`, which multiplies by f'(x).
Shapes: x, y (*) any shape. Saves x or y, as each says.
Source: Abramowitz & Stegun (1964), Handbook of mathematical functions, ch. 6, 7 and 9.
"""

import math

import torch
from torch import Tensor

from manualgrad.formula import Pointwise, call
from manualgrad.public import public


class ErfinvFunction(Pointwise):
    r"""Inverse of the error function.

        forward    y  = the number whose erf is x
        backward   dx = dy . pi^(1/2) / 2 . e^(y^2)

    Saves y.
    """

    complex = None
    saves = "output"

    @staticmethod
    def forward(x: Tensor) -> Tensor:
        return torch.erfinv(x)

    @staticmethod
    def slope(d: Tensor, y: Tensor) -> Tensor:
        return d * (0.5 * math.sqrt(math.pi) * y.square().exp())


class LgammaFunction(Pointwise):
    r"""Logarithm of the absolute value of the gamma function.

        forward    y  = ln |gamma(x)|
        backward   dx = dy . psi(x)              psi: the digamma function

    Saves x.
    """

    complex = None

    @staticmethod
    def forward(x: Tensor) -> Tensor:
        return torch.lgamma(x)

    @staticmethod
    def slope(d: Tensor, x: Tensor) -> Tensor:
        return d * torch.digamma(x)


class PolygammaFunction(Pointwise):
    r"""Derivative number n of the digamma function, which is number 0.

        forward    y  = psi^n(x)
        backward   dx = dy . psi^{n+1}(x)

    Saves x.
    """

    complex = None

    @staticmethod
    def forward(x: Tensor, n: int) -> Tensor:
        return torch.polygamma(n, x) if n else torch.digamma(x)

    @staticmethod
    def slope(d: Tensor, x: Tensor, n: int) -> Tensor:
        return d * torch.polygamma(n + 1, x)


class I0Function(Pointwise):
    r"""Modified Bessel function of the first kind, of order 0.

        forward    y  = I_0(x)
        backward   dx = dy . I_1(x)

    Saves x.
    """

    complex = None

    @staticmethod
    def forward(x: Tensor) -> Tensor:
        return torch.special.i0(x)

    @staticmethod
    def slope(d: Tensor, x: Tensor) -> Tensor:
        return d * torch.special.i1(x)


class SincFunction(Pointwise):
    r"""Sine of pi x over pi x.

        forward    y  = sin(pi x) / (pi x)           1 for x = 0
        backward   dx = dy . (cos(pi x) - y) / x     0 for x = 0

    Saves x.
    """

    @staticmethod
    def forward(x: Tensor) -> Tensor:
        return torch.sinc(x)

    @staticmethod
    def slope(d: Tensor, x: Tensor) -> Tensor:
        divisor = x.masked_fill(x == 0, 1)
        return (d * ((torch.cos(math.pi * x) - torch.sinc(x)) / divisor)).masked_fill(x == 0, 0)


class LogitFunction(Pointwise):
    r"""Logarithm of the odds: the inverse of the sigmoid.

        forward    y  = ln(x / (1 - x)),  x clamped to [eps, 1 - eps] if eps is given
        backward   dx = dy / (x (1 - x))             0 where x was clamped, NaN outside of [0, 1]

    Saves x.
    """

    complex = None

    @staticmethod
    def forward(x: Tensor, eps: float | None) -> Tensor:
        return torch.logit(x, eps)

    @staticmethod
    def slope(d: Tensor, x: Tensor, eps: float | None) -> Tensor:
        low = 0.0 if eps is None else eps
        outside = (x < low) | (x > 1 - low)
        inside = x.masked_fill(outside, 0.5)
        return (d / (inside * (1 - inside))).masked_fill(outside, math.nan if eps is None else 0)


def erfinv(input: Tensor) -> Tensor:
    """The inverse of the error function, elementwise; infinite at -1 and 1. Same as `torch.erfinv`.

    >>> import torch
    >>> x = torch.tensor(0.0, requires_grad=True)
    >>> erfinv(x).backward()
    >>> x.grad
    tensor(0.8862)
    """
    return call(ErfinvFunction, input)


def lgamma(input: Tensor) -> Tensor:
    """The logarithm of the absolute value of the gamma function, elementwise. Same as `torch.lgamma`.

    >>> import torch
    >>> round(lgamma(torch.tensor(4.0)).exp().item(), 4)
    6.0
    """
    return call(LgammaFunction, input)


@public
def digamma(input: Tensor) -> Tensor:
    """The derivative of `lgamma`, elementwise. Same values and gradients as `torch.digamma`.

    >>> import torch
    >>> digamma(torch.tensor(1.0))
    tensor(-0.5772)
    """
    return call(PolygammaFunction, input, 0)


@public
def polygamma(n: int, input: Tensor) -> Tensor:
    """Derivative number `n` of `digamma`, elementwise. Same values and gradients as `torch.polygamma`.

    Raises RuntimeError for a negative n.

    >>> import torch
    >>> polygamma(1, torch.tensor(1.0))
    tensor(1.6449)
    """
    if n < 0:
        raise RuntimeError(f"polygamma: n must not be negative, got {n}")
    return call(PolygammaFunction, input, n)


def i0(input: Tensor) -> Tensor:
    """The modified Bessel function of the first kind, of order 0, elementwise. Same as `torch.i0`.

    >>> import torch
    >>> round(i0(torch.tensor(0.0)).item(), 4)
    1.0
    """
    return call(I0Function, input)


def sinc(input: Tensor) -> Tensor:
    """`sin(pi * input) / (pi * input)`, elementwise, and 1 at 0. Same values and gradients as `torch.sinc`.

    >>> import torch
    >>> sinc(torch.tensor([0.0, 0.5]))
    tensor([1.0000, 0.6366])
    """
    return call(SincFunction, input)


def logit(input: Tensor, eps: float | None = None) -> Tensor:
    """`log(input / (1 - input))`, elementwise; `eps` keeps away from 0 and 1. Same as `torch.logit`.

    >>> import torch
    >>> x = torch.tensor(0.5, requires_grad=True)
    >>> logit(x).backward()
    >>> x.grad
    tensor(4.)
    """
    return call(LogitFunction, input, eps)
