r"""Convolution over time, the first dimension: one matrix product for each step of the kernel.

    forward    y[t]  = b + sum over k of x[t + k - p] W[k]
    backward   dx[s] = sum over k of dy[s - k + p] W[k]^T
               dW[k] = sum over t of x[t + k - p]^T dy[t]
               db    = sum over t and the batch of dy[t]
    tangent    y'[t] = b' + sum over k of x'[t + k - p] W[k] + x[t + k - p] W'[k]

where x is zero outside, for p steps on either side. Shapes: x (T, N, C), W (K, C, O), b (O), y (T + 2 p - K + 1, N, O).
Saves x and W: each is the other's slope.
Source: Gehring et al. (2017), Convolutional sequence to sequence learning, section 3.2.
"""

from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F

from manualgrad.formula import Formula, call, save


class ConvTbcFunction(Formula):
    complex = "holomorphic"
    autocast = "lower"
    opmath = False

    @staticmethod
    def forward(x: Tensor, weight: Tensor, bias: Tensor, pad: int) -> Tensor:
        return torch.conv_tbc(x.contiguous(), weight.contiguous(), bias, pad)

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Tensor, Tensor, Tensor, int], output: Tensor) -> None:
        x, weight, _, ctx.pad = inputs
        ctx.shape = output.shape
        save(ctx, x, weight)

    @staticmethod
    def backward(ctx: Any, dy: Tensor) -> tuple[Tensor | None, ...]:
        x, weight = ctx.saved_tensors
        needs_x, needs_weight, needs_bias, _ = ctx.needs_input_grad
        p, steps = ctx.pad, dy.shape[0]
        dx = dw = None
        if needs_x:
            beyond = x.shape[0] + 2 * p - steps  # K - 1
            terms = [F.pad(dy @ w.t(), (0, 0, 0, 0, k, beyond - k)) for k, w in enumerate(weight.unbind())]
            dx = sum(terms[1:], terms[0]).narrow(0, p, x.shape[0])
        if needs_weight:
            padded = F.pad(x, (0, 0, 0, 0, p, p))
            rows = [padded.narrow(0, k, steps).reshape(-1, x.shape[2]) for k in range(weight.shape[0])]
            dw = torch.stack([r.t() @ dy.reshape(-1, dy.shape[2]) for r in rows])
        return dx, dw, dy.sum((0, 1)) if needs_bias else None, None

    @staticmethod
    def jvp(ctx: Any, x_t: Tensor | None, weight_t: Tensor | None, bias_t: Tensor | None, _: None) -> Tensor:
        x, weight = ctx.saved_tensors
        y_t: Any = 0 if bias_t is None else bias_t.expand(ctx.shape)
        for a, w in ((x_t, weight), (x, weight_t)):
            if a is not None and w is not None:
                padded = F.pad(a, (0, 0, 0, 0, ctx.pad, ctx.pad))
                for k, step in enumerate(w.unbind()):
                    y_t = y_t + padded.narrow(0, k, ctx.shape[0]) @ step
        return y_t


def conv_tbc(input: Tensor, weight: Tensor, bias: Tensor, pad: int = 0) -> Tensor:
    """Convolution over time, the first dimension. Same values and gradients as `torch.nn.functional.conv_tbc`.

    input (T, N, C), weight (K, C, O), bias (O); the result is (T + 2 pad - K + 1, N, O).
    Raises RuntimeError where shapes or dtypes do not fit.

    >>> import torch
    >>> x, w = torch.tensor([1.0, 2.0, 4.0]).reshape(3, 1, 1), torch.ones(2, 1, 1, requires_grad=True)
    >>> y = conv_tbc(x, w, torch.zeros(1))
    >>> y.flatten().tolist()
    [3.0, 6.0]
    >>> y.sum().backward()
    >>> w.grad.flatten().tolist()
    [3.0, 6.0]
    """
    return call(ConvTbcFunction, input, weight, bias, pad)
