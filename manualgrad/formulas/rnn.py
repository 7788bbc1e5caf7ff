r"""Elman network, one layer in one direction.

    forward    h_t  = s(a_t),  a_t = x_t W_ih^T + b_ih + h_{t-1} W_hh^T + b_hh,  s = tanh or relu
    backward   da_t = (dh_t + da_{t+1} W_hh) s'(a_t)             s' is 1 - h^2 or [h > 0]
               dx = da W_ih,  dW_ih = da^T x,  dW_hh = da^T h_{t-1},  db_ih = db_hh = sum da,  dh_0 = da_1 W_hh
    tangent    h_t' = a_t' s'(a_t)

One formula for all steps of time; `batch_sizes[t]` rows of x belong to step t. The backward pass loops only over what
flows from step to step, then takes each weight's gradient as one product.

Shapes: x (rows, in), h0 (N, hidden), w_ih (hidden, in), w_hh (hidden, hidden), biases (hidden); states h (rows, hidden)
in the order of x. Saves x, h0, w_ih, w_hh and h.
Source: Elman (1990), Finding structure in time; Werbos (1990), Backpropagation through time.
"""

from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F

from manualgrad.formula import Formula, gated, save
from manualgrad.parts.time_steps import BatchSizes, Steps, moved_products, weight_gradients


class RnnFunction(Formula):
    complex = "holomorphic"
    autocast = "lower"

    @staticmethod
    def forward(
        x: Tensor,
        h0: Tensor,
        w_ih: Tensor,
        w_hh: Tensor,
        b_ih: Tensor | None,
        b_hh: Tensor | None,
        nonlinearity: str,
        batch_sizes: BatchSizes,
        reverse: bool,
    ) -> Tensor:
        squash = torch.tanh if nonlinearity == "tanh" else torch.relu
        ax = F.linear(x, w_ih, b_ih)
        steps = Steps(batch_sizes, reverse)
        (hs,) = steps.run(lambda rows, h: (squash(ax[rows] + F.linear(h, w_hh, b_hh)),), (h0,))
        return hs

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Any, ...], output: Tensor) -> None:
        x, h0, w_ih, w_hh, _, _, ctx.nonlinearity, batch_sizes, reverse = inputs
        ctx.steps = Steps(batch_sizes, reverse)
        save(ctx, x, h0, w_ih, w_hh, output)

    @staticmethod
    def backward(ctx: Any, dh: Tensor) -> tuple[Tensor | None, ...]:
        x, h0, w_ih, w_hh, hs = ctx.saved_tensors
        h_before = ctx.steps.previous(hs, h0)
        is_tanh = ctx.nonlinearity == "tanh"
        slope = 1 - hs * hs if is_tanh else hs

        def step(rows: slice, carried: Tensor) -> tuple[tuple[Tensor], tuple[Tensor]]:
            felt = dh[rows] + carried
            da = felt * slope[rows] if is_tanh else gated(felt, slope[rows])
            return (da,), (da @ w_hh,)

        (da,), (dh0,) = ctx.steps.run_back(step, (torch.zeros_like(h0),))
        dx, *dweights = weight_gradients(ctx, 2, x, h_before, w_ih, da, da)
        return dx, dh0, *dweights, None, None, None

    @staticmethod
    def jvp(ctx: Any, x_t: Tensor | None, h0_t: Tensor | None, *tangents: Any) -> Tensor:
        x, h0, w_ih, w_hh, hs = ctx.saved_tensors
        slope = 1 - hs * hs if ctx.nonlinearity == "tanh" else (hs > 0).to(hs.dtype)
        moved = torch.add(*moved_products(x, ctx.steps.previous(hs, h0), w_ih, (x_t, *tangents[:4])))
        h0_t = torch.zeros_like(h0) if h0_t is None else h0_t
        (hs_t,) = ctx.steps.run(lambda rows, h_t: ((moved[rows] + h_t @ w_hh.t()) * slope[rows],), (h0_t,))
        return hs_t
