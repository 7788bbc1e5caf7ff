r"""Copies, also in another dtype, on another device or in another order in memory: clone, contiguous, to.

    forward    y  = x there
    backward   dx = dy here
    tangent    y' = x' there

Shapes: x, y (*) any shape. Saves nothing.
Source: a copy has its original's derivative.
"""

from typing import Any

import torch
from torch import Tensor

from manualgrad.formula import CloneFunction, Formula, call
from manualgrad.public import public


class ToFunction(Formula):
    r"""Another dtype, another device, another order in memory.

        forward    y  = x there
        backward   dx = dy, back in the dtype and on the device of x
        tangent    y' = x' there

    Saves nothing.
    """

    opmath = False

    @staticmethod
    def forward(x: Tensor, options: dict[str, Any]) -> Tensor:
        return x.to(**options, copy=True)

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Tensor, dict[str, Any]], output: Tensor) -> None:
        ctx.here, ctx.there = ({"dtype": v.dtype, "device": v.device} for v in (inputs[0], output))

    @staticmethod
    def backward(ctx: Any, dy: Tensor) -> tuple[Tensor, None]:
        if dy.is_complex() and not ctx.here["dtype"].is_complex:
            dy = dy.real
        return dy.to(**ctx.here), None

    @staticmethod
    def jvp(ctx: Any, x_t: Tensor, _: None) -> Tensor:
        return x_t.to(**ctx.there)


def clone(input: Tensor, *, memory_format: torch.memory_format = torch.preserve_format) -> Tensor:
    """A copy of `input`, to which gradients flow. Same as `torch.clone`.

    >>> import torch
    >>> x = torch.tensor(1.0, requires_grad=True)
    >>> clone(x).backward()
    >>> x.grad
    tensor(1.)
    """
    return call(CloneFunction, input, memory_format)


@public
def contiguous(input: Tensor, memory_format: torch.memory_format = torch.contiguous_format) -> Tensor:
    """`input` itself where it lies in that order in memory, else a copy that does. As `torch.Tensor.contiguous`.

    >>> import torch
    >>> contiguous(torch.zeros(2, 3).t()).stride()
    (2, 1)
    """
    if input.is_contiguous(memory_format=memory_format):
        return input
    return call(CloneFunction, input, memory_format)


@public
def to(input: Tensor, *args: Any, **kwargs: Any) -> Tensor:
    """`input` in another dtype or on another device, with every argument of `torch.Tensor.to`, whose results it gives.

    Gradients come back in the dtype and on the device of `input`. It is `input` itself where nothing is to be done.

    >>> import torch
    >>> x = torch.tensor(1.0, requires_grad=True)
    >>> to(x, torch.float64).backward()
    >>> x.grad
    tensor(1.)
    """
    memory_format = kwargs.pop("memory_format", torch.preserve_format)
    with torch._C.DisableTorchFunction():  # a question, no part of what is recorded
        probe = torch.empty(0, dtype=input.dtype, device=input.device).to(*args, **kwargs)
    options = {"dtype": probe.dtype, "device": probe.device}
    laid_out = memory_format is torch.preserve_format or input.is_contiguous(memory_format=memory_format)
    if options == {"dtype": input.dtype, "device": input.device} and laid_out and not kwargs.get("copy"):
        return input
    return call(ToFunction, input, {**options, "memory_format": memory_format})
