"""Steps of time: the order in which a recurrent layer takes them, forward and back, and what is done for all at once.

A layer's input holds all time steps below each other, as a PackedSequence does: `batch_sizes[t]` rows for step t, the
sequences still running, longest first. The forward pass goes step by step; the backward pass needs a loop only for what
flows from step to step.
"""

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F

BatchSizes = tuple[int, ...]


class Steps:
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


def moved_products(x: Tensor, h: Tensor, w_ih: Tensor, tangents: tuple[Tensor | None, ...]) -> tuple[Tensor, Tensor]:
    """The tangents of x W_ih^T + b_ih and of h W_hh^T + b_hh, as far as they do not go through h."""
    x_t, w_ih_t, w_hh_t, b_ih_t, b_hh_t = tangents
    still = x.new_zeros(x.shape[0], w_ih.shape[0])
    terms_x = [F.linear(x_t, w_ih) if x_t is not None else None, F.linear(x, w_ih_t) if w_ih_t is not None else None]
    terms_h = [F.linear(h, w_hh_t) if w_hh_t is not None else None]
    through_x = sum((term for term in (*terms_x, b_ih_t) if term is not None), still)
    through_h = sum((term for term in (*terms_h, b_hh_t) if term is not None), still)
    return through_x, through_h


def weight_gradients(
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
