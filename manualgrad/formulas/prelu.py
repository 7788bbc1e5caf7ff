r"""Parametric rectified linear unit: the slope for negative inputs is learned.

    forward    y   = x   where x > 0,  else w_c x         c = the channel of x, its index in dimension 1
    backward   dx  = dy  where x > 0,  else w_c dy
               dw_c = sum of dy x over the elements of channel c where x <= 0
    tangent    y'  = x'  where x > 0,  else w_c x' + w'_c x

At x = 0 there is no derivative in x; like torch, w is taken.
Shapes: x, y (n, c, *) or with a single w any shape (*), w (c), (1) or (). Saves x and w.
Source: He, Zhang, Ren & Sun (2015), Delving deep into rectifiers, eqs. 1 and 3.
"""

from typing import Any

import torch
from torch import Tensor, nn

from manualgrad.formula import Formula, call, gated, save, unbroadcast


class PreluFunction(Formula):
    autocast = "lower"

    @staticmethod
    def forward(x: Tensor, weight: Tensor) -> Tensor:
        return torch.prelu(x, weight)

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Tensor, Tensor], output: Tensor) -> None:
        save(ctx, *inputs)

    @staticmethod
    def backward(ctx: Any, dy: Tensor) -> tuple[Tensor | None, Tensor | None]:
        x, weight = ctx.saved_tensors
        above = torch.relu(torch.sign(x))
        w = _per_channel(weight, x)
        dx = gated(dy, above) + gated(dy * w, 1 - above) if ctx.needs_input_grad[0] else None
        dw = unbroadcast(gated(dy * x, 1 - above), w.shape).reshape(weight.shape) if ctx.needs_input_grad[1] else None
        return dx, dw

    @staticmethod
    def jvp(ctx: Any, x_t: Tensor | None, weight_t: Tensor | None) -> Tensor:
        x, weight = ctx.saved_tensors
        y_t: Any = None
        if x_t is not None:
            above = torch.relu(torch.sign(x))
            y_t = gated(x_t, above) + gated(x_t * _per_channel(weight, x), 1 - above)
        if weight_t is not None:
            term = _per_channel(weight_t, x) * x.clamp(max=0)
            y_t = term if y_t is None else y_t + term
        return y_t

    @staticmethod
    def check(x: Tensor, weight: Tensor) -> None:
        channels = x.shape[1] if x.dim() > 1 else 1
        if weight.numel() not in (1, channels) or weight.dim() > 1:
            raise RuntimeError(
                f"weight must have 1 element or one for each of the {channels} channels of input {tuple(x.shape)}, "
                f"got {tuple(weight.shape)}"
            )


def _per_channel(weight: Tensor, x: Tensor) -> Tensor:
    """`weight` in the shape that meets dimension 1 of x."""
    return weight.reshape([-1 if d == 1 else 1 for d in range(x.dim())] if x.dim() > 1 else [1] * x.dim())


def prelu(input: Tensor, weight: Tensor) -> Tensor:
    """`input` where it is positive, else `weight * input`. Same values and gradients as torch's `prelu`.

    input (n, c, *) with weight (c), or input of any shape with weight () or (1). Raises RuntimeError for another number
    of weights.

    >>> import torch
    >>> x, w = torch.tensor([-2.0, 3.0]), torch.tensor([0.5], requires_grad=True)
    >>> prelu(x, w).sum().backward()
    >>> w.grad
    tensor([-2.])
    """
    return call(PreluFunction, input, weight)


class PReLU(nn.PReLU):
    """Drop-in `torch.nn.PReLU` computed by `manualgrad.functional.prelu`."""

    def forward(self, input: Tensor) -> Tensor:
        return prelu(input, self.weight)
