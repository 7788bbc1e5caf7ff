r"""Recurrent layers: back-propagation through time, written out.

One layer in one direction is one formula. Its input holds all time steps below each other, as a PackedSequence does:
`batch_sizes[t]` rows for step t, the sequences still running, longest first. The forward pass goes step by step; the
backward pass needs a loop only for what flows from step to step. Everything else is done for all steps at once: the
states are outputs, so the gates are computed again in one product, and the gradients of the weights are one product
each after the loop.

Shapes: x (rows, in), h0 (N, out), c0 (N, hidden), w_ih (gates hidden, in), w_hh (gates hidden, out), biases
(gates hidden); states h (rows, out) and c (rows, hidden), in the order of x. Saves the inputs and the states.
Source: Werbos (1990), Backpropagation through time; Hochreiter & Schmidhuber (1997), Long short-term memory, with the
forget gate of Gers et al. (2000); Cho et al. (2014) for the GRU; Sak et al. (2014) for the projection.
"""

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F

from manualgrad.formula import Formula, gated, save

BatchSizes = tuple[int, ...]


class _Steps:
    """The order in which the steps are taken, and where the rows of each step lie."""

    def __init__(self, batch_sizes: BatchSizes, reverse: bool) -> None:
        self.sizes = batch_sizes
        starts = [0]
        for size in batch_sizes:
            starts.append(starts[-1] + size)
        self.starts = starts
        count = len(batch_sizes)
        self.order = range(count - 1, -1, -1) if reverse else range(count)
        self.step = -1 if reverse else 1

    def rows(self, t: int) -> slice:
        return slice(self.starts[t], self.starts[t + 1])

    def previous(self, states: Tensor, initial: Tensor) -> Tensor:
        """For every row, the state it started from: that of the step before, or the initial one."""
        parts = []
        for t in range(len(self.sizes)):
            before, size = t - self.step, self.sizes[t]
            known = min(self.sizes[before], size) if 0 <= before < len(self.sizes) else 0
            if known:
                parts.append(states[self.starts[before] : self.starts[before] + known])
            if known < size:
                parts.append(initial[known:size])
        return torch.cat(parts)

    def run(self, step: Callable[..., tuple[Tensor, ...]], initial: tuple[Tensor, ...]) -> tuple[Tensor, ...]:
        """`state = step(rows, *state)` for every step in order; all the states, in the order of the rows."""
        collected: list[Any] = [None] * len(self.sizes)
        state = tuple(s[:0] for s in initial)
        for t in self.order:
            size = self.sizes[t]
            state = tuple(_resized(s, s0, size) for s, s0 in zip(state, initial, strict=True))
            state = collected[t] = step(self.rows(t), *state)
        return tuple(torch.cat(parts) for parts in zip(*collected, strict=True))

    def run_back(
        self, step: Callable[..., tuple[tuple[Tensor, ...], tuple[Tensor, ...]]], zeros: tuple[Tensor, ...]
    ) -> tuple[tuple[Tensor, ...], tuple[Tensor, ...]]:
        """Walk the steps in reverse: `gradients, carry = step(rows, *carry)`, the carry starting at zero.

        Returns the gradients of all steps, in the order of the rows, and those of the initial states: what was carried
        out of the step in which each sequence began.
        """
        collected: list[Any] = [None] * len(self.sizes)
        arrived: list[list[Tensor]] = [[] for _ in zeros]
        carry = tuple(z[:0] for z in zeros)
        for t in reversed(self.order):
            size = self.sizes[t]
            for begun, c in zip(arrived, carry, strict=True):
                if c.shape[0] > size:
                    begun.insert(0, c[size:])
            carry = tuple(_resized(c, z, size) for c, z in zip(carry, zeros, strict=True))
            collected[t], carry = step(self.rows(t), *carry)
        starts = (torch.cat([c, *begun]) for c, begun in zip(carry, arrived, strict=True))
        return tuple(torch.cat(parts) for parts in zip(*collected, strict=True)), tuple(starts)


def _resized(state: Tensor, initial: Tensor, size: int) -> Tensor:
    """`state` for the `size` sequences of this step: those that are over leave, those that begin bring `initial`."""
    if state.shape[0] == size:
        return state
    return state[:size] if state.shape[0] > size else torch.cat([state, initial[state.shape[0] : size]])


def _moved(x: Tensor, h: Tensor, w_ih: Tensor, tangents: tuple[Tensor | None, ...]) -> tuple[Tensor, Tensor]:
    """The tangents of x W_ih^T + b_ih and of h W_hh^T + b_hh, as far as they do not go through h."""
    x_t, w_ih_t, w_hh_t, b_ih_t, b_hh_t = tangents
    still = x.new_zeros(x.shape[0], w_ih.shape[0])
    terms_x = [F.linear(x_t, w_ih) if x_t is not None else None, F.linear(x, w_ih_t) if w_ih_t is not None else None]
    terms_h = [F.linear(h, w_hh_t) if w_hh_t is not None else None]
    through_x = sum((term for term in (*terms_x, b_ih_t) if term is not None), still)
    through_h = sum((term for term in (*terms_h, b_hh_t) if term is not None), still)
    return through_x, through_h


def _weights(
    ctx: Any, first: int, x: Tensor, h: Tensor, w_ih: Tensor, da_x: Tensor, da_h: Tensor
) -> tuple[Tensor | None, ...]:
    """dx, dw_ih, dw_hh, db_ih, db_hh: one product each, over all the steps. `first` is where w_ih stands."""
    needs = ctx.needs_input_grad
    return (
        da_x @ w_ih if needs[0] else None,
        da_x.t() @ x if needs[first] else None,
        da_h.t() @ h if needs[first + 1] else None,
        da_x.sum(0) if needs[first + 2] else None,
        da_h.sum(0) if needs[first + 3] else None,
    )


class RnnFunction(Formula):
    r"""Elman network, one layer in one direction.

    forward    h_t  = s(a_t),  a_t = x_t W_ih^T + b_ih + h_{t-1} W_hh^T + b_hh,  s = tanh or relu
    backward   da_t = (dh_t + da_{t+1} W_hh) s'(a_t)             s' is 1 - h^2 or [h > 0]
               dx = da W_ih,  dW_ih = da^T x,  dW_hh = da^T h_{t-1},  db_ih = db_hh = sum da,  dh_0 = da_1 W_hh
    tangent    h_t' = a_t' s'(a_t)
    """

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
        steps = _Steps(batch_sizes, reverse)
        (hs,) = steps.run(lambda rows, h: (squash(ax[rows] + F.linear(h, w_hh, b_hh)),), (h0,))
        return hs

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Any, ...], output: Tensor) -> None:
        x, h0, w_ih, w_hh, _, _, ctx.nonlinearity, batch_sizes, reverse = inputs
        ctx.steps = _Steps(batch_sizes, reverse)
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
        dx, *dweights = _weights(ctx, 2, x, h_before, w_ih, da, da)
        return dx, dh0, *dweights, None, None, None

    @staticmethod
    def jvp(ctx: Any, x_t: Tensor | None, h0_t: Tensor | None, *tangents: Any) -> Tensor:
        x, h0, w_ih, w_hh, hs = ctx.saved_tensors
        slope = 1 - hs * hs if ctx.nonlinearity == "tanh" else (hs > 0).to(hs.dtype)
        moved = torch.add(*_moved(x, ctx.steps.previous(hs, h0), w_ih, (x_t, *tangents[:4])))
        h0_t = torch.zeros_like(h0) if h0_t is None else h0_t
        (hs_t,) = ctx.steps.run(lambda rows, h_t: ((moved[rows] + h_t @ w_hh.t()) * slope[rows],), (h0_t,))
        return hs_t


class LstmFunction(Formula):
    r"""Long short-term memory, one layer in one direction.

    forward    i, f, o = sigmoid, g = tanh of the four parts of  a_t = x_t W_ih^T + b_ih + h_{t-1} W_hh^T + b_hh
               c_t = f c_{t-1} + i g,   m_t = o tanh c_t,   h_t = m_t, or m_t W_hr^T with a projection
    backward   dm_t = dh_t + da_{t+1} W_hh                       times W_hr with a projection
               dc_t = dc_t + dm_t o (1 - tanh^2 c_t) + dc_{t+1} f_{t+1}
               da_t = [dc g i(1-i),  dc c_{t-1} f(1-f),  dc i (1-g^2),  dm tanh(c) o(1-o)]
               dx = da W_ih,  dW_ih = da^T x,  dW_hh = da^T h_{t-1},  db_ih = db_hh = sum da,  dW_hr = dh^T m
    tangent    the same slopes, forwards in time
    """

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

        hs, cs = _Steps(batch_sizes, reverse).run(step, (h0, c0))
        return hs, cs

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Any, ...], output: tuple[Tensor, Tensor]) -> None:
        *tensors, batch_sizes, reverse = inputs
        ctx.steps = _Steps(batch_sizes, reverse)
        save(ctx, *tensors, output[0] if len(batch_sizes) > 1 else None, output[1])  # h is for the step after

    @staticmethod
    def backward(ctx: Any, dh: Tensor, dc: Tensor) -> tuple[Tensor | None, ...]:
        x, h0, c0, w_ih, w_hh, b_ih, b_hh, w_hr, hs, cs = ctx.saved_tensors
        h_before = ctx.steps.previous(hs, h0)
        f, m, slopes = _lstm_slopes(ctx, x, h_before, c0, w_ih, w_hh, b_ih, b_hh, cs)

        def step(rows: slice, dh_carried: Tensor, dc_carried: Tensor) -> tuple[tuple[Tensor, ...], tuple[Tensor, ...]]:
            dh_t = dh[rows] + dh_carried
            dm = dh_t if w_hr is None else dh_t @ w_hr
            to_i, to_f, to_g, to_o, to_c = (slope[rows] for slope in slopes)
            dc_t = dc[rows] + dc_carried + dm * to_c
            da = torch.cat([dc_t * to_i, dc_t * to_f, dc_t * to_g, dm * to_o], 1)
            return (da, dh_t), (da @ w_hh, dc_t * f[rows])

        (da, dh_all), (dh0, dc0) = ctx.steps.run_back(step, (torch.zeros_like(h0), torch.zeros_like(c0)))
        dx, *dweights = _weights(ctx, 3, x, h_before, w_ih, da, da)
        return dx, dh0, dc0, *dweights, dh_all.t() @ m if ctx.needs_input_grad[7] else None, None, None

    @staticmethod
    def jvp(ctx: Any, x_t: Any, h0_t: Any, c0_t: Any, *tangents: Any) -> tuple[Tensor, Tensor]:
        x, h0, c0, w_ih, w_hh, b_ih, b_hh, w_hr, hs, cs = ctx.saved_tensors
        h_before = ctx.steps.previous(hs, h0)
        f, m, slopes = _lstm_slopes(ctx, x, h_before, c0, w_ih, w_hh, b_ih, b_hh, cs)
        moved = torch.add(*_moved(x, h_before, w_ih, (x_t, *tangents[:4])))
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


def _lstm_slopes(
    ctx: Any,
    x: Tensor,
    h_before: Tensor,
    c0: Tensor,
    w_ih: Tensor,
    w_hh: Tensor,
    b_ih: Tensor | None,
    b_hh: Tensor | None,
    cs: Tensor,
) -> tuple[Tensor, Tensor, tuple[Tensor, ...]]:
    """f, m, and the slopes dc/da_i, dc/da_f, dc/da_g, dm/da_o and dm/dc, of all steps at once."""
    a_i, a_f, a_g, a_o = (F.linear(x, w_ih, b_ih) + F.linear(h_before, w_hh, b_hh)).chunk(4, 1)
    i, f, g, o, squashed = a_i.sigmoid(), a_f.sigmoid(), a_g.tanh(), a_o.sigmoid(), cs.tanh()
    slopes = (
        g * i * (1 - i),
        ctx.steps.previous(cs, c0) * f * (1 - f),
        i * (1 - g * g),
        squashed * o * (1 - o),
        o * (1 - squashed * squashed),
    )
    return f, o * squashed, slopes


class GruFunction(Formula):
    r"""Gated recurrent unit, one layer in one direction.

    forward    r, z = sigmoid of the first two parts of  u + v,  u = x_t W_ih^T + b_ih,  v = h_{t-1} W_hh^T + b_hh
               n = tanh(u_n + r v_n),   h_t = (1 - z) n + z h_{t-1}
    backward   dn = dh (1-z) (1-n^2),   dr = dn v_n r(1-r),   dz = dh (h_{t-1} - n) z(1-z)
               du = [dr, dz, dn],   dv = [dr, dz, dn r],   dh_{t-1} = dh z + dv W_hh
               dx = du W_ih,  dW_ih = du^T x,  dW_hh = dv^T h_{t-1},  db_ih = sum du,  db_hh = sum dv
    tangent    the same slopes, forwards in time
    """

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

        (hs,) = _Steps(batch_sizes, reverse).run(step, (h0,))
        return hs

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Any, ...], output: Tensor) -> None:
        *tensors, batch_sizes, reverse = inputs
        ctx.steps = _Steps(batch_sizes, reverse)
        save(ctx, *tensors, output if len(batch_sizes) > 1 else None)  # h is for the step after

    @staticmethod
    def backward(ctx: Any, dh: Tensor) -> tuple[Tensor | None, ...]:
        x, h0, w_ih, w_hh, b_ih, b_hh, hs = ctx.saved_tensors
        h_before = ctx.steps.previous(hs, h0)
        r, z, slopes = _gru_slopes(x, h_before, w_ih, w_hh, b_ih, b_hh)

        def step(rows: slice, carried: Tensor) -> tuple[tuple[Tensor, ...], tuple[Tensor, ...]]:
            dh_t = dh[rows] + carried
            to_r, to_z, to_n = (slope[rows] for slope in slopes)
            dn, dz = dh_t * to_n, dh_t * to_z
            dr = dn * to_r
            dv = torch.cat([dr, dz, dn * r[rows]], 1)
            return (torch.cat([dr, dz, dn], 1), dv), (dh_t * z[rows] + dv @ w_hh,)

        (du, dv), (dh0,) = ctx.steps.run_back(step, (torch.zeros_like(h0),))
        dx, *dweights = _weights(ctx, 2, x, h_before, w_ih, du, dv)
        return dx, dh0, *dweights, None, None

    @staticmethod
    def jvp(ctx: Any, x_t: Tensor | None, h0_t: Tensor | None, *tangents: Any) -> Tensor:
        x, h0, w_ih, w_hh, b_ih, b_hh, hs = ctx.saved_tensors
        h_before = ctx.steps.previous(hs, h0)
        r, z, slopes = _gru_slopes(x, h_before, w_ih, w_hh, b_ih, b_hh)
        u_t, v_t = _moved(x, h_before, w_ih, (x_t, *tangents[:4]))

        def step(rows: slice, h_t: Tensor) -> tuple[Tensor]:
            (u_r, u_z, u_n), (v_r, v_z, v_n) = u_t[rows].chunk(3, 1), (v_t[rows] + h_t @ w_hh.t()).chunk(3, 1)
            to_r, to_z, to_n = (slope[rows] for slope in slopes)
            return ((u_n + r[rows] * v_n + (u_r + v_r) * to_r) * to_n + (u_z + v_z) * to_z + z[rows] * h_t,)

        (hs_t,) = ctx.steps.run(step, (torch.zeros_like(h0) if h0_t is None else h0_t,))
        return hs_t


def _gru_slopes(
    x: Tensor, h_before: Tensor, w_ih: Tensor, w_hh: Tensor, b_ih: Tensor | None, b_hh: Tensor | None
) -> tuple[Tensor, Tensor, tuple[Tensor, Tensor, Tensor]]:
    """r, z, and the slopes du_n/da_r, dh/da_z and dh/du_n, of all steps at once."""
    u_r, u_z, u_n = F.linear(x, w_ih, b_ih).chunk(3, 1)
    v_r, v_z, v_n = F.linear(h_before, w_hh, b_hh).chunk(3, 1)
    r, z = (u_r + v_r).sigmoid(), (u_z + v_z).sigmoid()
    n = (u_n + r * v_n).tanh()
    return r, z, (v_n * r * (1 - r), (h_before - n) * z * (1 - z), (1 - z) * (1 - n * n))
