r"""Surrogates: functions that declare a gradient which is not their derivative.

    forward    y  = f(x)
    backward   dx = what each formula below declares
    tangent    y' = the same rule, of x'

Rounding and the sign have slope 0 almost everywhere, which teaches a network nothing: a straight-through surrogate
pretends that they are the identity. Others leave the values alone and change only what goes back.
Second derivatives are those of the declared gradient. Shapes: x, y (*) any shape.
"""

import math
from typing import Any

import torch
from torch import Tensor

from manualgrad.formula import Formula, Pointwise, call, gated
from manualgrad.public import described


class StraightThroughRoundFunction(Pointwise):
    r"""Rounding that passes the gradient straight through.

        forward    y  = round(x)
        backward   dx = dy                              declared; the derivative is 0
        tangent    y' = x'

    Shapes: x, y (*) any shape. Saves nothing.
    Source: Bengio, Leonard & Courville (2013), Estimating or propagating gradients through stochastic neurons,
    section 2.3.
    """

    saves = "nothing"

    @staticmethod
    def forward(x: Tensor) -> Tensor:
        return torch.round(x)

    @staticmethod
    def slope(d: Tensor) -> Tensor:
        return d.clone()


class StraightThroughSignFunction(Pointwise):
    r"""Sign that passes the gradient straight through where x is small.

        forward    y  = 1 where x >= 0,  else -1
        backward   dx = dy where |x| <= limit,  else 0   declared; the derivative is 0
        tangent    y' = x' where |x| <= limit,  else 0

    Shapes: x, y (*) any shape. Saves x.
    Source: Hubara, Courbariaux, Soudry, El-Yaniv & Bengio (2016), Binarized neural networks, eqs. 1 and 4.
    """

    @staticmethod
    def forward(x: Tensor, limit: float) -> Tensor:
        return torch.sign(x).mul_(2).add_(1).clamp_min_(-1).clamp_max_(1)  # signs -1, 0, 1 to -1, 1, 3 to -1, 1, 1

    @staticmethod
    def slope(d: Tensor, x: Tensor, limit: float) -> Tensor:
        if limit == math.inf:
            return d.clone()
        return gated(d, 1 - torch.sign(torch.relu(x.abs() - limit)))


class ReverseGradientFunction(Pointwise):
    r"""Gradient reversal: the identity, whose gradient changes its sign.

        forward    y  = x
        backward   dx = -scale dy                       declared; the derivative is 1
        tangent    y' = -scale x'

    What comes before it learns to make worse what comes after it learns to make better.
    Shapes: x, y (*) any shape. Saves nothing.
    Source: Ganin & Lempitsky (2015), Unsupervised domain adaptation by backpropagation, eqs. 7 and 8.
    """

    saves = "nothing"

    @staticmethod
    def forward(x: Tensor, scale: float) -> Tensor:
        return x.clone()

    @staticmethod
    def slope(d: Tensor, scale: float) -> Tensor:
        return d * -scale


class ScaleGradientFunction(Pointwise):
    r"""Gradient scaling: the identity, whose gradient is multiplied by a number.

        forward    y  = x
        backward   dx = scale dy                        declared; the derivative is 1
        tangent    y' = scale x'

    A part of a network then learns at another rate; scale 0 stops the gradient.
    Shapes: x, y (*) any shape. Saves nothing.
    Source: Schrittwieser et al. (2020), Mastering Atari, Go, chess and shogi by planning with a learned model,
    appendix G.
    """

    saves = "nothing"

    @staticmethod
    def forward(x: Tensor, scale: float) -> Tensor:
        return x.clone()

    @staticmethod
    def slope(d: Tensor, scale: float) -> Tensor:
        return d * scale


class ClipGradientFunction(Formula):
    r"""Gradient clipping: the identity, whose gradient is kept between two numbers.

        forward    y  = x
        backward   dx = min(max(dy, -limit), limit)     declared; the derivative is 1
        tangent    y' = x'                              clipping belongs to what goes back

    The rule is not linear in dy: it is no derivative of any function.
    Shapes: x, y (*) any shape. Saves nothing.
    Source: Graves (2013), Generating sequences with recurrent neural networks, section 4.1.
    """

    complex = "refused"

    @staticmethod
    def forward(x: Tensor, limit: float) -> Tensor:
        return x.clone()

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Tensor, float], output: Tensor) -> None:
        ctx.limit = inputs[1]

    @staticmethod
    def backward(ctx: Any, dy: Tensor) -> tuple[Tensor, None]:
        return dy.clamp(-ctx.limit, ctx.limit), None

    @staticmethod
    def jvp(ctx: Any, x_t: Tensor, _: None) -> Tensor:
        return x_t.clone()


def straight_through_round(input: Tensor) -> Tensor:
    """`torch.round(input)`, halves to even, with the gradient of the identity; elementwise, any shape.

    >>> import torch
    >>> x = torch.tensor([0.4, 1.7], requires_grad=True)
    >>> y = straight_through_round(x)
    >>> y.detach(), torch.autograd.grad(y.sum(), x)[0]
    (tensor([0., 2.]), tensor([1., 1.]))
    """
    return call(StraightThroughRoundFunction, input)


def straight_through_sign(input: Tensor, limit: float = 1.0) -> Tensor:
    """1 where `input` is at least 0, else -1, with the gradient of the identity where `|input| <= limit`, else 0.

    Elementwise, any shape. With limit `math.inf` the gradient passes everywhere. Raises ValueError for a limit below 0.

    >>> import torch
    >>> x = torch.tensor([-0.4, 0.0, 1.7], requires_grad=True)
    >>> y = straight_through_sign(x)
    >>> y.detach(), torch.autograd.grad(y.sum(), x)[0]
    (tensor([-1.,  1.,  1.]), tensor([1., 1., 0.]))
    """
    _expect_number("straight_through_sign: limit", limit)
    if not limit >= 0:
        raise ValueError(f"straight_through_sign: limit must be at least 0, got {limit}")
    return call(StraightThroughSignFunction, input, limit)


def reverse_gradient(input: Tensor, scale: float = 1.0) -> Tensor:
    """`input`, with a gradient that is multiplied by `-scale` on its way back; any shape.

    >>> import torch
    >>> x = torch.tensor([1.0, 2.0], requires_grad=True)
    >>> reverse_gradient(x, 0.5).sum().backward()
    >>> x.grad
    tensor([-0.5000, -0.5000])
    """
    _expect_number("reverse_gradient: scale", scale)
    return call(ReverseGradientFunction, input, scale)


def scale_gradient(input: Tensor, scale: float) -> Tensor:
    """`input`, with a gradient that is multiplied by `scale` on its way back; any shape.

    >>> import torch
    >>> x = torch.tensor([1.0, 2.0], requires_grad=True)
    >>> scale_gradient(x, 0.1).sum().backward()
    >>> x.grad
    tensor([0.1000, 0.1000])
    """
    _expect_number("scale_gradient: scale", scale)
    return call(ScaleGradientFunction, input, scale)


def _expect_number(name: str, value: Any) -> None:
    if not isinstance(value, (int, float, Tensor)):
        raise TypeError(f"{name} must be a number, got {described(value)}")


def clip_gradient(input: Tensor, limit: float) -> Tensor:
    """`input`, with a gradient whose every element is clipped to [-limit, limit] on its way back; any shape.

    Raises ValueError for a limit below 0.

    >>> import torch
    >>> x = torch.tensor([1.0, 2.0], requires_grad=True)
    >>> (clip_gradient(x, 0.5) * torch.tensor([0.1, -3.0])).sum().backward()
    >>> x.grad
    tensor([ 0.1000, -0.5000])
    """
    _expect_number("clip_gradient: limit", limit)
    if not limit >= 0:
        raise ValueError(f"clip_gradient: limit must be at least 0, got {limit}")
    return call(ClipGradientFunction, input, limit)
