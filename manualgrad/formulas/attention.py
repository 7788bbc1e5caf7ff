r"""Scaled dot-product attention.

    forward    S = s q k^T + M,   P = softmax(S) along the keys,   A = P o D,   y = A v
    backward   dv = A^T dy,   dP = (dy v^T) o D,   dS = P o (dP - sum(P o dP))    the sum runs along the keys
               dq = s dS k,   dk = s dS^T q,   dM = dS
    tangent    S' = s (q' k^T + q k'^T) + M',   P' = P o (S' - sum(P o S')),   y' = (P' o D) v + A v'

M is the mask: given, or of a causal query that sees the keys up to its own place. A masked row that sees no key at all
gives 0. D holds the dropout factors, 0 or 1 / (1 - p), drawn outside; 1 without dropout. s is 1 / sqrt(E) unless given.
With grouped queries, each head of k and v serves several heads of q and receives the sum of their gradients.

Shapes: q (..., L, E), k (..., S, E), v (..., S, Ev), mask broadcast to (..., L, S), y (..., L, Ev). Saves q, k, v and
the mask: P, of L S numbers, is computed again, a block of queries at a time, so it is never held whole.
Source: Vaswani et al. (2017), Attention is all you need, eq. 1; Dao et al. (2022), FlashAttention, appendix B.
"""

import math
from collections.abc import Iterator
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F

from manualgrad.formula import Formula, call, save, unbroadcast
from manualgrad.public import public

BLOCK = 1 << 22  # entries of P that are held at once: 16 MiB in float32


class ScaledDotProductAttentionFunction(Formula):
    autocast = "lower"

    @staticmethod
    def forward(
        q: Tensor,
        k: Tensor,
        v: Tensor,
        mask: Tensor | None,
        factors: Tensor | None,
        causal: bool,
        scale: float | None,
        grouped: bool,
    ) -> Tensor:
        if factors is None:
            return F.scaled_dot_product_attention(q, k, v, mask, is_causal=causal, scale=scale, enable_gqa=grouped)
        k, v = _for_every_query_head(q, k, v, grouped)
        return (_probabilities(q, k, mask, causal, _scale(q, scale), 0) * factors) @ v

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Any, ...], output: Tensor) -> None:
        q, k, v, mask, factors, ctx.causal, scale, ctx.grouped = inputs
        ctx.scale = _scale(q, scale)
        save(ctx, q, k, v, mask, factors)

    @staticmethod
    def backward(ctx: Any, dy: Tensor) -> tuple[Tensor | None, ...]:
        q, k, v, mask, factors = ctx.saved_tensors
        needs_mask = ctx.needs_input_grad[3]
        keys, values = _for_every_query_head(q, k, v, ctx.grouped)
        dqs, dmasks = [], []
        dk = torch.zeros_like(keys)
        dv = torch.zeros_like(values)
        for rows, p, a, factor in _blocks(ctx, q, keys, mask, factors):
            dv = dv + a.mT @ _rows(dy, rows)
            dp = _rows(dy, rows) @ values.mT
            if factor is not None:
                dp = dp * factor
            ds = p * (dp - (p * dp).sum(-1, keepdim=True))
            dqs.append(unbroadcast(ctx.scale * (ds @ keys), _rows(q, rows).shape))
            dk = dk + ctx.scale * (ds.mT @ _rows(q, rows))
            if needs_mask:
                dmasks.append(ds)
        dk, dv = (_summed(d, x, ctx.grouped) for d, x in ((dk, k), (dv, v)))
        dmask = unbroadcast(torch.cat(dmasks, -2), mask.shape) if needs_mask else None
        return torch.cat(dqs, -2), dk, dv, dmask, None, None, None, None

    @staticmethod
    def jvp(
        ctx: Any, q_t: Tensor | None, k_t: Tensor | None, v_t: Tensor | None, mask_t: Tensor | None, *_: None
    ) -> Tensor:
        q, k, v, mask, factors = ctx.saved_tensors
        k_t = torch.zeros_like(k) if k_t is None else k_t
        v_t = torch.zeros_like(v) if v_t is None else v_t
        keys, values = _for_every_query_head(q, k, v, ctx.grouped)
        keys_t, values_t = _for_every_query_head(q, k_t, v_t, ctx.grouped)
        ys_t = []
        for rows, p, a, factor in _blocks(ctx, q, keys, mask, factors):
            s_t = ctx.scale * (_rows(q, rows) @ keys_t.mT)
            if q_t is not None:
                s_t = s_t + ctx.scale * (_rows(q_t, rows) @ keys.mT)
            if mask_t is not None:
                s_t = s_t + _block_of(mask_t, rows)
            p_t = p * (s_t - (p * s_t).sum(-1, keepdim=True))
            ys_t.append((p_t if factor is None else p_t * factor) @ values + a @ values_t)
        return torch.cat(ys_t, -2)


def _scale(q: Tensor, scale: float | None) -> float:
    return 1 / math.sqrt(q.shape[-1]) if scale is None else scale


def _for_every_query_head(q: Tensor, k: Tensor, v: Tensor, grouped: bool) -> tuple[Tensor, Tensor]:
    """k and v with each head repeated for the query heads that share it."""
    if not grouped:
        return k, v
    return (
        k.repeat_interleave(q.shape[-3] // k.shape[-3], -3),
        v.repeat_interleave(q.shape[-3] // v.shape[-3], -3),
    )


def _summed(gradient: Tensor, x: Tensor, grouped: bool) -> Tensor:
    """The gradient of k or v: the sum over the query heads that shared a head, and over broadcast dimensions."""
    if grouped:
        gradient = gradient.unflatten(-3, (x.shape[-3], -1)).sum(-3)
    return unbroadcast(gradient, x.shape)


def _blocks(
    ctx: Any, q: Tensor, keys: Tensor, mask: Tensor | None, factors: Tensor | None
) -> Iterator[tuple[slice, Tensor, Tensor, Tensor | None]]:
    """For blocks of queries: which, their P, their A = P o D, and their D."""
    length, width = q.shape[-2], max(keys.shape[-2] * math.prod(q.shape[:-2]), 1)
    size = max(BLOCK // width, 1)
    for start in range(0, max(length, 1), size):
        rows = slice(start, min(start + size, length))
        p = _probabilities(_rows(q, rows), keys, _block_of(mask, rows), ctx.causal, ctx.scale, start)
        factor = _block_of(factors, rows)
        yield rows, p, p if factor is None else p * factor, factor


def _rows(x: Tensor, rows: slice) -> Tensor:
    """The queries of a block; `narrow` and not an index, which the batched gradients of gradcheck lack."""
    return x.narrow(-2, rows.start, rows.stop - rows.start)


def _block_of(mask: Any, rows: slice) -> Any:
    """The rows of a mask that may have one row for all queries."""
    return mask if mask is None or mask.dim() < 2 or mask.shape[-2] == 1 else _rows(mask, rows)


def _probabilities(q: Tensor, k: Tensor, mask: Tensor | None, causal: bool, scale: float, start: int) -> Tensor:
    """softmax(s q k^T + M) for the queries from `start` on."""
    s = (q * scale) @ k.mT
    if causal:
        places = torch.arange(start, start + q.shape[-2], device=q.device).unsqueeze(-1)
        s = s.masked_fill(torch.arange(k.shape[-2], device=q.device) > places, -math.inf)
    if mask is None:
        return s.softmax(-1)
    s = s.masked_fill(~mask, -math.inf) if mask.dtype == torch.bool else s + mask
    return s.softmax(-1).masked_fill((s == -math.inf).all(-1, keepdim=True), 0.0)


@public
def scaled_dot_product_attention(
    query: Tensor,
    key: Tensor,
    value: Tensor,
    attn_mask: Tensor | None = None,
    dropout_p: float = 0.0,
    is_causal: bool = False,
    scale: float | None = None,
    enable_gqa: bool = False,
) -> Tensor:
    """`softmax(scale * query @ key.mT + attn_mask) @ value`, as `torch.nn.functional.scaled_dot_product_attention`.

    query (..., L, E), key (..., S, E), value (..., S, Ev); attn_mask broadcasts to (..., L, S): boolean, True where a
    query may look, or floating-point, added. `dropout_p` drops probabilities, also outside training. With `enable_gqa`
    the heads, dimension -3, of query are a multiple of those of key and value. Gradients flow to a floating-point mask
    too. Has the second derivative and the forward-mode derivative, which torch's kernel lacks on the CPU.

    Raises RuntimeError for shapes or dtypes that do not fit, and for a mask together with is_causal.

    >>> import torch
    >>> q = torch.zeros(1, 2, requires_grad=True)
    >>> k = torch.tensor([[1.0, 0.0], [-1.0, 0.0]])
    >>> scaled_dot_product_attention(q, k, k).sum().backward()
    >>> q.grad
    tensor([[0.7071, 0.0000]])
    """
    factors = None
    if dropout_p > 0:
        shape = (*query.shape[:-1], key.shape[-2])
        factors = query.new_empty(shape).bernoulli_(1 - dropout_p).div_(1 - dropout_p)
    return call(ScaledDotProductAttentionFunction, query, key, value, attn_mask, factors, is_causal, scale, enable_gqa)
