"""Multi-head attention: projections, heads side by side, attention, and a projection back.

Source: Vaswani et al. (2017), Attention is all you need, section 3.2.2.
"""

from __future__ import annotations

import math
from typing import Any

import torch
from torch import Tensor

from manualgrad.formulas.arithmetic import add, mul
from manualgrad.formulas.attention import scaled_dot_product_attention
from manualgrad.formulas.dropout import dropout
from manualgrad.formulas.indexing import getitem
from manualgrad.formulas.joining import cat
from manualgrad.formulas.linear import linear
from manualgrad.formulas.matmul import matmul
from manualgrad.formulas.reductions import mean
from manualgrad.formulas.repeating import expand
from manualgrad.formulas.reshaping import reshape, squeeze, unsqueeze
from manualgrad.formulas.softmax import softmax
from manualgrad.formulas.transposing import transpose
from manualgrad.public import public


@public
def multi_head_attention_forward(
    query: Tensor,
    key: Tensor,
    value: Tensor,
    embed_dim_to_check: int,
    num_heads: int,
    in_proj_weight: Tensor | None,
    in_proj_bias: Tensor | None,
    bias_k: Tensor | None,
    bias_v: Tensor | None,
    add_zero_attn: bool,
    dropout_p: float,
    out_proj_weight: Tensor,
    out_proj_bias: Tensor | None,
    training: bool = True,
    key_padding_mask: Tensor | None = None,
    need_weights: bool = True,
    attn_mask: Tensor | None = None,
    use_separate_proj_weight: bool = False,
    q_proj_weight: Tensor | None = None,
    k_proj_weight: Tensor | None = None,
    v_proj_weight: Tensor | None = None,
    static_k: Tensor | None = None,
    static_v: Tensor | None = None,
    average_attn_weights: bool = True,
    is_causal: bool = False,
) -> tuple[Tensor, Tensor | None]:
    """Same values and gradients as `torch.nn.functional.multi_head_attention_forward`, whose arguments it has.

    query (L, N, E), key (S, N, Ek), value (S, N, Ev), or without N. Masks: `attn_mask` (L, S) or (N heads, L, S),
    `key_padding_mask` (N, S), boolean, True where it is forbidden to look, or floating-point, added. Returns the output
    (L, N, E) and, with `need_weights`, the weights (N, L, S), the average of the heads unless each is asked for.

    Raises RuntimeError for shapes that do not fit, and for `is_causal` without the mask that it describes.
    """
    if is_causal and attn_mask is None:
        raise RuntimeError("multi_head_attention_forward: attn_mask must be given where is_causal says what it holds")
    if query.shape[-1] != embed_dim_to_check or embed_dim_to_check % num_heads:
        raise AssertionError(
            f"multi_head_attention_forward: query must have {embed_dim_to_check} features, a multiple of the "
            f"{num_heads} heads, got {tuple(query.shape)}"
        )
    if in_proj_weight is None and not use_separate_proj_weight:
        raise AssertionError("multi_head_attention_forward: in_proj_weight is None, and no separate weights are used")
    batched = query.dim() == 3
    if not batched:
        query, key, value = (unsqueeze(x, 1) for x in (query, key, value))
        key_padding_mask = None if key_padding_mask is None else unsqueeze(key_padding_mask, 0)
    causal = is_causal and key_padding_mask is None and not need_weights
    length, batch, width = query.shape

    weights: tuple[Any, Any, Any] = (
        (q_proj_weight, k_proj_weight, v_proj_weight) if use_separate_proj_weight else _thirds(in_proj_weight, width)
    )
    biases = _thirds(in_proj_bias, width)
    q, k, v = (linear(x, w, b) for x, w, b in zip((query, key, value), weights, biases, strict=True))
    added = 0
    if bias_k is not None and bias_v is not None:
        k, v = (cat([x, expand(b, (1, batch, width))], 0) for x, b in ((k, bias_k), (v, bias_v)))
        added += 1
    q = _heads(q, num_heads)
    k = _heads(k, num_heads) if static_k is None else reshape(static_k, (batch, num_heads, -1, width // num_heads))
    v = _heads(v, num_heads) if static_v is None else reshape(static_v, (batch, num_heads, -1, width // num_heads))
    if add_zero_attn:
        k, v = (cat([x, x.new_zeros(batch, num_heads, 1, x.shape[-1])], 2) for x in (k, v))
        added += 1
    mask = None if causal else _mask(attn_mask, key_padding_mask, q, added)

    p = dropout_p if training else 0.0
    seen = None
    if need_weights:
        scores = matmul(mul(q, 1 / math.sqrt(q.shape[-1])), transpose(k, -2, -1))
        seen = softmax(scores if mask is None else add(scores, mask), -1)
        seen = dropout(seen, p, True) if p else seen
        y = matmul(seen, v)
    else:
        y = scaled_dot_product_attention(q, k, v, mask, p, causal)
    y = reshape(transpose(transpose(y, 1, 2), 0, 1), (length, batch, width))
    y = linear(y, out_proj_weight, out_proj_bias)
    if seen is not None and average_attn_weights:
        seen = mean(seen, 1)
    if batched:
        return y, seen
    return squeeze(y, 1), None if seen is None else squeeze(seen, 0)


def _thirds(packed: Tensor | None, width: int) -> tuple[Any, Any, Any]:
    """The parts of a parameter that q, k and v share."""
    if packed is None:
        return None, None, None
    q, k, v = (getitem(packed, slice(part * width, (part + 1) * width)) for part in range(3))
    return q, k, v


def _heads(x: Tensor, num_heads: int) -> Tensor:
    """(L, N, E) as (N, heads, L, E / heads)."""
    length, batch, width = x.shape
    return transpose(transpose(reshape(x, (length, batch, num_heads, width // num_heads)), 0, 1), 1, 2)


def _mask(attn_mask: Tensor | None, padding: Tensor | None, q: Tensor, added: int) -> Tensor | None:
    """The two masks together, as numbers to add to the scores (N, heads, L, S); `added` keys at the end are free."""
    batch, heads = q.shape[:2]
    masks = []
    if attn_mask is not None:
        mask = _additive(attn_mask, q.dtype, added)
        masks.append(reshape(mask, (batch, heads, *mask.shape[-2:])) if mask.dim() == 3 else mask)
    if padding is not None:
        masks.append(unsqueeze(unsqueeze(_additive(padding, q.dtype, added), 1), 1))
    if not masks:
        return None
    return masks[0] if len(masks) == 1 else add(masks[0], masks[1])


def _additive(mask: Tensor, dtype: torch.dtype, added: int) -> Tensor:
    if mask.dtype == torch.bool:
        mask = torch.zeros_like(mask, dtype=dtype).masked_fill_(mask, -math.inf)
    return cat([mask, mask.new_zeros(*mask.shape[:-1], added)], -1) if added else mask
