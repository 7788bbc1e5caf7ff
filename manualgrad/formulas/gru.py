r"""Gated recurrent unit, one layer in one direction.

    forward    r, z = sigmoid of the first two parts of  u + v,  u = x_t W_ih^T + b_ih,  v = h_{t-1} W_hh^T + b_hh
               n = tanh(u_n + r v_n),   h_t = (1 - z) n + z h_{t-1}
    backward   dn = dh (1-z) (1-n^2),   dr = dn v_n r(1-r),   dz = dh (h_{t-1} - n) z(1-z)
               du = [dr, dz, dn],   dv = [dr, dz, dn r],   dh_{t-1} = dh z + dv W_hh
               dx = du W_ih,  dW_ih = du^T x,  dW_hh = dv^T h_{t-1},  db_ih = sum du,  db_hh = sum dv
    tangent    the same slopes, forwards in time

One formula for all steps of time; `batch_sizes[t]` rows of x belong to step t. The backward pass computes the gates of
all steps again at once, loops only over what flows from step to step, then takes each weight's gradient as one product.

Shapes: x (rows, in), h0 (N, hidden), w_ih (3 hidden, in), w_hh (3 hidden, hidden), biases (3 hidden); states h (rows,
hidden) in the order of x. Saves the inputs and the states.
Source: Cho et al. (2014), Learning phrase representations using RNN encoder-decoder, section 2.3, with torch's place
for r; Werbos (1990), Backpropagation through time.
"""

from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F

from manualgrad.formula import Formula, save
from manualgrad.parts.time_steps import BatchSizes, Steps, moved_products, weight_gradients


class GruFunction(Formula):
    complex = "holomorphic"

    @staticmethod
    def forward(
        x: Tensor,
        h0: Tensor,
        w_ih: Tensor,
        w_hh: Tensor,
        b_ih: Tensor | None,
        b_hh: Tensor | None,
        batch_sizes: BatchSizes,
        reverse: bool,
    ) -> Tensor:
        u = F.linear(x, w_ih, b_ih)

        def step(rows: slice, h: Tensor) -> tuple[Tensor]:
            u_r, u_z, u_n = u[rows].chunk(3, 1)
            v_r, v_z, v_n = F.linear(h, w_hh, b_hh).chunk(3, 1)
            n = (u_n + (u_r + v_r).sigmoid() * v_n).tanh()
            return (n + (u_z + v_z).sigmoid() * (h - n),)

        (hs,) = Steps(batch_sizes, reverse).run(step, (h0,))
        return hs

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Any, ...], output: Tensor) -> None:
        *tensors, batch_sizes, reverse = inputs
        ctx.steps = Steps(batch_sizes, reverse)
        save(ctx, *tensors, output if len(batch_sizes) > 1 else None)  # h is for the step after

    @staticmethod
    def backward(ctx: Any, dh: Tensor) -> tuple[Tensor | None, ...]:
        x, h0, w_ih, w_hh, b_ih, b_hh, hs = ctx.saved_tensors
        h_before = ctx.steps.previous(hs, h0)
        r, z, slopes = _gates(x, h_before, w_ih, w_hh, b_ih, b_hh)

        def step(rows: slice, carried: Tensor) -> tuple[tuple[Tensor, ...], tuple[Tensor, ...]]:
            dh_t = dh[rows] + carried
            to_r, to_z, to_n = (slope[rows] for slope in slopes)
            dn, dz = dh_t * to_n, dh_t * to_z
            dr = dn * to_r
            dv = torch.cat([dr, dz, dn * r[rows]], 1)
            return (torch.cat([dr, dz, dn], 1), dv), (dh_t * z[rows] + dv @ w_hh,)

        (du, dv), (dh0,) = ctx.steps.run_back(step, (torch.zeros_like(h0),))
        dx, *dweights = weight_gradients(ctx, 2, x, h_before, w_ih, du, dv)
        return dx, dh0, *dweights, None, None

    @staticmethod
    def jvp(ctx: Any, x_t: Tensor | None, h0_t: Tensor | None, *tangents: Any) -> Tensor:
        x, h0, w_ih, w_hh, b_ih, b_hh, hs = ctx.saved_tensors
        h_before = ctx.steps.previous(hs, h0)
        r, z, slopes = _gates(x, h_before, w_ih, w_hh, b_ih, b_hh)
        u_t, v_t = moved_products(x, h_before, w_ih, (x_t, *tangents[:4]))

        def step(rows: slice, h_t: Tensor) -> tuple[Tensor]:
            (u_r, u_z, u_n), (v_r, v_z, v_n) = u_t[rows].chunk(3, 1), (v_t[rows] + h_t @ w_hh.t()).chunk(3, 1)
            to_r, to_z, to_n = (slope[rows] for slope in slopes)
            return ((u_n + r[rows] * v_n + (u_r + v_r) * to_r) * to_n + (u_z + v_z) * to_z + z[rows] * h_t,)

        (hs_t,) = ctx.steps.run(step, (torch.zeros_like(h0) if h0_t is None else h0_t,))
        return hs_t


def _gates(
    x: Tensor, h_before: Tensor, w_ih: Tensor, w_hh: Tensor, b_ih: Tensor | None, b_hh: Tensor | None
) -> tuple[Tensor, Tensor, tuple[Tensor, Tensor, Tensor]]:
    """Of all steps at once: r, z, and the slopes du_n/da_r, dh/da_z and dh/du_n."""
    u_r, u_z, u_n = F.linear(x, w_ih, b_ih).chunk(3, 1)
    v_r, v_z, v_n = F.linear(h_before, w_hh, b_hh).chunk(3, 1)
    r, z = (u_r + v_r).sigmoid(), (u_z + v_z).sigmoid()
    n = (u_n + r * v_n).tanh()
    return r, z, (v_n * r * (1 - r), (h_before - n) * z * (1 - z), (1 - z) * (1 - n * n))
