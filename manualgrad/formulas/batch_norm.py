r"""Batch and instance normalisation: each channel is brought to mean 0 and variance 1, then scaled and shifted.

    forward    h  = (x - m) r                           m the mean of a channel, v the mean of (x - m)^2,
               y  = h w + b                             r = 1 / sqrt(v + eps)
    backward   dh = dy w
               dx = r (dh - mean(dh) - h mean(dh h))    what changes m or v is taken out of dh
               dw = dy h,  db = dy                      summed over examples and positions
    tangent    h' = r (x' - mean(x') - h mean(h x'))
               y' = h' w + h w' + b'

Batch normalisation takes the means over examples and positions, instance normalisation over the positions of each
example. With running statistics in their place, m and r are constants, and the two means in dx and h' are not there.
Shapes: x, y (n, c, *), w and b (c). Saves x, w, and the running statistics where they are used; m and r of the batch
are two cheap sums again.
Source: Ioffe & Szegedy (2015), Batch normalization, algorithm 1 and section 3; Ulyanov, Vedaldi & Lempitsky (2016),
Instance normalization, eq. 1.
"""

from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F

from manualgrad.formula import Formula, call, save


class ChannelNorm(Formula):
    """What both share. Their setup tells, by `over`, the dimensions of (n, c, positions) that the means are over."""

    @staticmethod
    def keep(ctx: Any, inputs: tuple[Any, ...], channel: int, over: tuple[int, ...]) -> None:
        x, mean, variance, weight, _, of_batch, _, eps = inputs[:8]
        save(ctx, x, weight, *((None, None) if of_batch else (mean, variance)))
        ctx.view = (x.shape[:channel].numel(), x.shape[channel], x.shape[channel + 1 :].numel())
        ctx.over, ctx.of_batch, ctx.eps = over, of_batch, eps
        ctx.size = max(torch.Size(ctx.view[d] for d in over).numel(), 1)

    @staticmethod
    def backward(ctx: Any, dy: Tensor) -> tuple[Tensor | None, ...]:
        x, weight, *known = ctx.saved_tensors
        xc, r = _centred(ctx, x, *known)
        dy = dy.reshape(ctx.view)
        dys, products = dy.sum(2, keepdim=True), (dy * xc).sum(2, keepdim=True)  # per example and channel
        gradients: list[Tensor | None] = [None] * len(ctx.needs_input_grad)
        if ctx.needs_input_grad[3]:
            gradients[3] = (products * r).sum(0).reshape(-1)
        if ctx.needs_input_grad[4]:
            gradients[4] = dys.sum(0).reshape(-1)
        if ctx.needs_input_grad[0]:
            scale = r if weight is None else r * weight.view(-1, 1)
            dx = dy * scale
            if ctx.of_batch:
                mean, inner = (_mean(ctx, sums) for sums in (dys, products))
                dx = torch.addcmul(dx, xc, inner * (r * r * scale), value=-1)
                dx = dx.sub_(mean * scale)  # in place, since dx is our own: on a CPU new memory is what costs most
            gradients[0] = dx.reshape(x.shape)
        return tuple(gradients)

    @staticmethod
    def jvp(ctx: Any, x_t: Tensor | None, *tangents: Tensor | None) -> Tensor:
        x, weight, *known = ctx.saved_tensors
        xc, r = _centred(ctx, x, *known)
        h, y_t = xc * r, torch.zeros_like(xc)
        weight_t, bias_t = tangents[2:4]
        if x_t is not None:
            x_t = x_t.reshape(ctx.view)
            if ctx.of_batch:
                x_t = x_t - _mean(ctx, x_t) - h * _mean(ctx, h * x_t)
            y_t = x_t * (r if weight is None else r * weight.view(-1, 1))
        if weight_t is not None:
            y_t = y_t + h * weight_t.view(-1, 1)
        if bias_t is not None:
            y_t = y_t + bias_t.view(-1, 1)
        return y_t.reshape(x.shape)


def _mean(ctx: Any, x: Tensor) -> Tensor:
    return x.sum(ctx.over, keepdim=True) / ctx.size


def _centred(ctx: Any, x: Tensor, mean: Any, variance: Any) -> tuple[Tensor, Tensor]:
    """x - m and r. torch.var would do it, in ten times the time on a CPU."""
    x = x.reshape(ctx.view)
    if not ctx.of_batch:
        return x - mean.view(-1, 1), torch.rsqrt(variance + ctx.eps).view(-1, 1)
    xc = x - _mean(ctx, x)
    return xc, torch.rsqrt(_mean(ctx, xc.square()) + ctx.eps)


class BatchNormFunction(ChannelNorm):
    @staticmethod
    def forward(
        x: Tensor,
        running_mean: Tensor | None,
        running_var: Tensor | None,
        weight: Tensor | None,
        bias: Tensor | None,
        training: bool,
        momentum: float,
        eps: float,
    ) -> Tensor:
        return F.batch_norm(x, running_mean, running_var, weight, bias, training, momentum, eps)

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Any, ...], output: Tensor) -> None:
        ChannelNorm.keep(ctx, inputs, 1, (0, 2))


class InstanceNormFunction(ChannelNorm):
    @staticmethod
    def forward(
        x: Tensor,
        running_mean: Tensor | None,
        running_var: Tensor | None,
        weight: Tensor | None,
        bias: Tensor | None,
        use_input_stats: bool,
        momentum: float,
        eps: float,
        channel: int,
    ) -> Tensor:
        arguments = running_mean, running_var, weight, bias, use_input_stats, momentum, eps
        if channel == 0:  # one example, without a dimension of its own
            return F.instance_norm(x.unsqueeze(0), *arguments).squeeze(0)
        return F.instance_norm(x, *arguments)

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Any, ...], output: Tensor) -> None:
        ChannelNorm.keep(ctx, inputs, inputs[-1], (2,))


def batch_norm(
    input: Tensor,
    running_mean: Tensor | None,
    running_var: Tensor | None,
    weight: Tensor | None = None,
    bias: Tensor | None = None,
    training: bool = False,
    momentum: float = 0.1,
    eps: float = 1e-5,
) -> Tensor:
    """Normalise each channel over examples and positions; as `torch.nn.functional.batch_norm`.

    input (n, c, *); the rest (c). In training with the statistics of the batch, which the running ones move towards by
    `momentum`, in place; else with the running statistics. Raises ValueError for one value per channel in training,
    RuntimeError where shapes do not fit.

    >>> import torch
    >>> x = torch.tensor([[1.0], [3.0], [8.0]], requires_grad=True)
    >>> y = batch_norm(x, None, None, training=True)
    >>> y.detach().flatten()
    tensor([-1.0190, -0.3397,  1.3587])
    >>> y[0].backward()
    >>> x.grad.flatten()
    tensor([ 0.1089, -0.1524,  0.0435])
    """
    return call(BatchNormFunction, input, running_mean, running_var, weight, bias, training, momentum, eps)


def instance_norm(
    input: Tensor,
    running_mean: Tensor | None = None,
    running_var: Tensor | None = None,
    weight: Tensor | None = None,
    bias: Tensor | None = None,
    use_input_stats: bool = True,
    momentum: float = 0.1,
    eps: float = 1e-5,
) -> Tensor:
    """Normalise each channel of each example over its positions; as `torch.nn.functional.instance_norm`.

    input (n, c, *); the rest (c). With `use_input_stats` by its own statistics, which the running ones, if given, move
    towards by `momentum`, in place; else by the running statistics. Raises ValueError for a single position,
    RuntimeError where shapes do not fit.

    >>> import torch
    >>> instance_norm(torch.tensor([[[1.0, 3.0]], [[10.0, 50.0]]])).squeeze()
    tensor([[-1.0000,  1.0000],
            [-1.0000,  1.0000]])
    """
    return call(InstanceNormFunction, input, running_mean, running_var, weight, bias, use_input_stats, momentum, eps, 1)
