r"""Logarithm of the logistic sigmoid.

    forward    y  = log(1 / (1 + e^-x)) = min(x, 0) - log(1 + e^-|x|)
    backward   dx = dy . s(-x)         with s the sigmoid: d log s(x) / dx = 1 - s(x) = s(-x)
    tangent    y' = x' . s(-x)

Shapes: x, y (*) any shape. Saves x only: 1 - s(x) would lose all digits where s(x) is near 1, s(-x) loses none.
Source: Bishop (2006), Pattern Recognition and Machine Learning, eqs. 4.59 and 4.88.
"""

from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from manualgrad.formula import Formula, call, save


class LogsigmoidFunction(Formula):
    @staticmethod
    def forward(x: Tensor) -> Tensor:
        return F.logsigmoid(x)

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Tensor], output: Tensor) -> None:
        save(ctx, *inputs)

    @staticmethod
    def backward(ctx: Any, dy: Tensor) -> Tensor:
        (x,) = ctx.saved_tensors
        return dy * torch.sigmoid(-x)

    @staticmethod
    def jvp(ctx: Any, x_t: Tensor) -> Tensor:
        (x,) = ctx.saved_tensors
        return x_t * torch.sigmoid(-x)


def logsigmoid(input: Tensor) -> Tensor:
    """`log(sigmoid(input))`, elementwise, without overflow; any shape. Values and gradients as in torch.

    >>> import torch
    >>> x = torch.tensor([0.0, -100.0], requires_grad=True)
    >>> logsigmoid(x).sum().backward()
    >>> x.grad
    tensor([0.5000, 1.0000])
    """
    return call(LogsigmoidFunction, input)


class LogSigmoid(nn.LogSigmoid):
    """Drop-in `torch.nn.LogSigmoid` computed by `manualgrad.functional.logsigmoid`."""

    def forward(self, input: Tensor) -> Tensor:
        return logsigmoid(input)
