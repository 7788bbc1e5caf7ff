r"""Negative log-likelihood of targets t that are normally distributed, of mean x and variance v.

    forward    y  = mean (log v + e^2 / v) / 2,  e = x - t
    backward   dx = dy . (e / v) / n
               dt = -dx
               dv = dy . (1 / v - e^2 / v^2) / (2 n)
    tangent    y' = mean of (e / v) (x' - t') + (1 / v - e^2 / v^2) v' / 2

`full` adds the constant log(2 pi) / 2. Reduction 'sum' leaves out 1/n, and 'none' the sum as well. A variance below eps
counts as eps; as in torch, its gradient is that of a variance of eps, and not 0.

Shapes: x, t (*) any that broadcast together; v as x, or 1 in one of its dimensions, or without the last; y () or, with
'none', the broadcast shape. Saves e and v. The formula returns e too, so that what is saved is an output, and second
derivatives see where it is from.
Source: Nix & Weigend (1994), Estimating the mean and variance of the target probability distribution.
"""

import math
from typing import Any

import torch
from torch import Tensor, nn

from manualgrad.formula import Formula, call, moving, reduce, save, spread, unbroadcast, values_are_visible
from manualgrad.public import expect_floating, public


class GaussianNLLLossFunction(Formula):
    autocast = "float32 on cuda"
    complex = "refused"

    @staticmethod
    def forward(x: Tensor, t: Tensor, var: Tensor, full: bool, eps: float, reduction: str) -> tuple[Tensor, Tensor]:
        differing = [b for a, b in zip(x.shape, var.shape, strict=False) if a != b]
        if var.shape not in (x.shape, x.shape[:-1]) and (var.dim() != x.dim() or differing != [1]):
            raise ValueError(
                f"var must have the shape of input, {tuple(x.shape)}, or 1 in one of its dimensions, or lack its last, "
                f"got {tuple(var.shape)}"
            )
        e = torch.sub(x, t)
        v = _variance(var, x.shape, eps)
        loss = 0.5 * (v.log() + e * e / v)
        return reduce(loss + 0.5 * math.log(2 * math.pi) if full else loss, reduction), e

    @staticmethod
    def setup_context(
        ctx: Any, inputs: tuple[Tensor, Tensor, Tensor, bool, float, str], output: tuple[Tensor, Tensor]
    ) -> None:
        x, t, var, _, ctx.eps, ctx.reduction = inputs
        ctx.shapes = x.shape, t.shape
        ctx.set_materialize_grads(False)
        save(ctx, output[1], var)

    @staticmethod
    def backward(ctx: Any, dy: Tensor | None, de: Tensor | None) -> tuple[Tensor | None, ...]:
        e, var = ctx.saved_tensors
        needs_x, needs_t, needs_var, *_ = ctx.needs_input_grad
        x_shape, t_shape = ctx.shapes
        dy, de = moving(dy, de)
        v = _variance(var, x_shape, ctx.eps)
        r = e / v
        dl = spread(dy, r.shape, ctx.reduction)
        dvar = unbroadcast(0.5 * dl * (1 / v - r * r), v.shape).reshape(var.shape) if needs_var else None
        de = unbroadcast(dl * r, e.shape) + de
        dx = unbroadcast(de, x_shape) if needs_x else None
        return dx, -unbroadcast(de, t_shape) if needs_t else None, dvar, None, None, None

    @staticmethod
    def jvp(ctx: Any, x_t: Tensor | None, t_t: Tensor | None, var_t: Tensor | None, *_: None) -> tuple[Tensor, Tensor]:
        e, var = ctx.saved_tensors
        x_t, t_t = moving(x_t, t_t)
        e_t = torch.zeros_like(e) + x_t - t_t
        v = _variance(var, ctx.shapes[0], ctx.eps)
        r = e / v
        l_t = r * e_t
        if var_t is not None:
            l_t = l_t + 0.5 * (1 / v - r * r) * var_t.reshape(v.shape)
        return reduce(l_t, ctx.reduction), e_t


def _variance(var: Tensor, shape: torch.Size, eps: float) -> Tensor:
    """Shaped to meet x; at least eps, in value only: its slope with respect to var is 1 everywhere."""
    var = var.unsqueeze(-1) if var.dim() < len(shape) else var
    return torch.where(var < eps, eps + (var - var.detach()), var)


@public
def gaussian_nll_loss(
    input: Tensor,
    target: Tensor | float,
    var: Tensor | float,
    full: bool = False,
    eps: float = 1e-6,
    reduction: str = "mean",
) -> Tensor:
    """Loss of a mean and a variance. Same values and gradients as `torch.nn.functional.gaussian_nll_loss`.

    input holds the means, target the observations, var the variances: a number each, or a tensor; that of var has the
    shape of input, with 1 in one of its dimensions, or without its last. Gradients flow to all three. full adds
    `log(2 pi) / 2`, eps is the least variance. Raises ValueError for a negative variance (except where values cannot
    be looked at, as under torch.compile), for a var of another shape and for an unknown reduction.

    >>> import torch
    >>> x, v = torch.tensor([1.0], requires_grad=True), torch.tensor([2.0], requires_grad=True)
    >>> gaussian_nll_loss(x, torch.tensor([0.0]), v).backward()
    >>> x.grad, v.grad
    (tensor([0.5000]), tensor([0.1250]))
    """
    target, var = (v if isinstance(v, Tensor) else v * torch.ones_like(input) for v in (target, var))
    expect_floating("gaussian_nll_loss: var", var)
    if values_are_visible() and (var < 0).any():
        raise ValueError(f"gaussian_nll_loss: var must not be negative, got {var.min().item():.6g}")
    return call(GaussianNLLLossFunction, input, target, var, full, eps, reduction)[0]


class GaussianNLLLoss(nn.GaussianNLLLoss):
    """Drop-in `torch.nn.GaussianNLLLoss` computed by `manualgrad.functional.gaussian_nll_loss`."""

    def forward(self, input: Tensor, target: Tensor, var: Tensor | float) -> Tensor:
        return gaussian_nll_loss(input, target, var, full=self.full, eps=self.eps, reduction=self.reduction)
