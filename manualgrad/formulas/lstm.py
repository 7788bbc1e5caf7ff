r"""Long short-term memory, one layer in one direction.

    forward    i, f, o = sigmoid, g = tanh of the four parts of  a_t = x_t W_ih^T + b_ih + h_{t-1} W_hh^T + b_hh
               c_t = f c_{t-1} + i g,   m_t = o tanh c_t,   h_t = m_t, or m_t W_hr^T with a projection
    backward   dm_t = dh_t + da_{t+1} W_hh                       times W_hr with a projection
               dc_t = dc_t + dm_t o (1 - tanh^2 c_t) + dc_{t+1} f_{t+1}
               da_t = [dc g i(1-i),  dc c_{t-1} f(1-f),  dc i (1-g^2),  dm tanh(c) o(1-o)]
               dx = da W_ih,  dW_ih = da^T x,  dW_hh = da^T h_{t-1},  db_ih = db_hh = sum da,  dW_hr = dh^T m
    tangent    the same slopes, forwards in time

One formula for all steps of time; `batch_sizes[t]` rows of x belong to step t. The backward pass computes the gates of
all steps again at once, loops only over what flows from step to step, then takes each weight's gradient as one product.

Shapes: x (rows, in), h0 (N, out), c0 (N, hidden), w_ih (4 hidden, in), w_hh (4 hidden, out), biases (4 hidden), w_hr
(out, hidden); states h (rows, out) and c (rows, hidden) in the order of x. Saves the inputs and the states.
Source: Hochreiter & Schmidhuber (1997), Long short-term memory, with the forget gate of Gers et al. (2000); Sak et al.
(2014) for the projection; Werbos (1990), Backpropagation through time.
"""

from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F

from manualgrad.formula import Formula, save
from manualgrad.parts.time_steps import BatchSizes, Steps, moved_products, weight_gradients


class LstmFunction(Formula):
    complex = "holomorphic"

    @staticmethod
    def forward(
        x: Tensor,
        h0: Tensor,
        c0: Tensor,
        w_ih: Tensor,
        w_hh: Tensor,
        b_ih: Tensor | None,
        b_hh: Tensor | None,
        w_hr: Tensor | None,
        batch_sizes: BatchSizes,
        reverse: bool,
    ) -> tuple[Tensor, Tensor]:
        ax = F.linear(x, w_ih, b_ih)

        def step(rows: slice, h: Tensor, c: Tensor) -> tuple[Tensor, Tensor]:
            i, f, g, o = (ax[rows] + F.linear(h, w_hh, b_hh)).chunk(4, 1)
            c = f.sigmoid() * c + i.sigmoid() * g.tanh()
            m = o.sigmoid() * c.tanh()
            return m if w_hr is None else F.linear(m, w_hr), c

        hs, cs = Steps(batch_sizes, reverse).run(step, (h0, c0))
        return hs, cs

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Any, ...], output: tuple[Tensor, Tensor]) -> None:
        *tensors, batch_sizes, reverse = inputs
        ctx.steps = Steps(batch_sizes, reverse)
        save(ctx, *tensors, output[0] if len(batch_sizes) > 1 else None, output[1])  # h is for the step after

    @staticmethod
    def backward(ctx: Any, dh: Tensor, dc: Tensor) -> tuple[Tensor | None, ...]:
        x, h0, c0, w_ih, w_hh, *_, w_hr, _, _ = saved = ctx.saved_tensors
        h_before, f, m, slopes = _gates(ctx.steps, saved)

        def step(rows: slice, dh_carried: Tensor, dc_carried: Tensor) -> tuple[tuple[Tensor, ...], tuple[Tensor, ...]]:
            dh_t = dh[rows] + dh_carried
            dm = dh_t if w_hr is None else dh_t @ w_hr
            to_i, to_f, to_g, to_o, to_c = (slope[rows] for slope in slopes)
            dc_t = dc[rows] + dc_carried + dm * to_c
            da = torch.cat([dc_t * to_i, dc_t * to_f, dc_t * to_g, dm * to_o], 1)
            return (da, dh_t), (da @ w_hh, dc_t * f[rows])

        (da, dh_all), (dh0, dc0) = ctx.steps.run_back(step, (torch.zeros_like(h0), torch.zeros_like(c0)))
        dx, *dweights = weight_gradients(ctx, 3, x, h_before, w_ih, da, da)
        return dx, dh0, dc0, *dweights, dh_all.t() @ m if ctx.needs_input_grad[7] else None, None, None

    @staticmethod
    def jvp(ctx: Any, x_t: Any, h0_t: Any, c0_t: Any, *tangents: Any) -> tuple[Tensor, Tensor]:
        x, h0, c0, w_ih, w_hh, *_, w_hr, _, _ = saved = ctx.saved_tensors
        h_before, f, m, slopes = _gates(ctx.steps, saved)
        moved = torch.add(*moved_products(x, h_before, w_ih, (x_t, *tangents[:4])))
        w_hr_t = tangents[4]

        def step(rows: slice, h_t: Tensor, c_t: Tensor) -> tuple[Tensor, Tensor]:
            i_t, f_t, g_t, o_t = (moved[rows] + h_t @ w_hh.t()).chunk(4, 1)
            to_i, to_f, to_g, to_o, to_c = (slope[rows] for slope in slopes)
            c_t = f[rows] * c_t + f_t * to_f + i_t * to_i + g_t * to_g
            m_t = o_t * to_o + c_t * to_c
            if w_hr is None:
                return m_t, c_t
            h_t = m_t @ w_hr.t()
            return h_t if w_hr_t is None else h_t + m[rows] @ w_hr_t.t(), c_t

        start = (torch.zeros_like(h0) if h0_t is None else h0_t, torch.zeros_like(c0) if c0_t is None else c0_t)
        hs_t, cs_t = ctx.steps.run(step, start)
        return hs_t, cs_t


def _gates(steps: Steps, saved: tuple[Any, ...]) -> tuple[Tensor, Tensor, Tensor, tuple[Tensor, ...]]:
    """Of all steps at once: h_{t-1}, f, m, and the slopes dc/da_i, dc/da_f, dc/da_g, dm/da_o and dm/dc."""
    x, h0, c0, w_ih, w_hh, b_ih, b_hh, _, hs, cs = saved
    h_before = steps.previous(hs, h0)
    a_i, a_f, a_g, a_o = (F.linear(x, w_ih, b_ih) + F.linear(h_before, w_hh, b_hh)).chunk(4, 1)
    i, f, g, o, squashed = a_i.sigmoid(), a_f.sigmoid(), a_g.tanh(), a_o.sigmoid(), cs.tanh()
    slopes = (
        g * i * (1 - i),
        steps.previous(cs, c0) * f * (1 - f),
        i * (1 - g * g),
        squashed * o * (1 - o),
        o * (1 - squashed * squashed),
    )
    return h_before, f, o * squashed, slopes
