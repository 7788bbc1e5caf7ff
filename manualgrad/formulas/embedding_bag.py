r"""Embedding bag: rows of a table, looked up by number and put together bag by bag.

    forward    y[b]  = sum over n in bag b of w[n] W[i[n]], divided by its size for the mean; or the maximum of W[i[n]]
    backward   dW[v] = sum over b and n in bag b with i[n] = v of w[n] dy[b], divided by the bag's size for the mean
               dW[v, d] = sum over b whose maximum of component d is in row v of dy[b, d], for the maximum
               dw[n] = dy[b] . W[i[n]]
    tangent    y'[b] = sum over n in bag b of w[n] W'[i[n]] + w'[n] W[i[n]], in the same way

Bag b begins at offset[b] and ends before offset[b + 1]. Numbers that are the padding's belong to no bag; an empty bag
gives zero. The weights w are 1 unless given, and are for the sum only. scale_grad_by_freq divides each term of dW[v] by
the number of times that v occurs in i, and declares that to be the gradient. With sparse, dW holds only the rows that
were looked up.

Shapes: i (n) integers in [0, V), W (V, D), offset (B) or (B + 1), w (n) or (B, n / B), y (B, D).
Saves i and offset; with weights these and W, which are each other's slope; for the maximum the rows it was found in.
Source: Joulin et al. (2017), Bag of tricks for efficient text classification, section 2.
"""

from typing import Any

import torch
from torch import Tensor

from manualgrad.formula import Formula, save
from manualgrad.parts.tables import check_numbers, table_gradient

MODES = ("sum", "mean", "max")


class EmbeddingBagFunction(Formula):
    @staticmethod
    def forward(
        i: Tensor,
        weight: Tensor,
        offsets: Tensor,
        per_sample_weights: Tensor | None,
        mode: str,
        scale_grad_by_freq: bool,
        sparse: bool,
        include_last_offset: bool,
        padding_idx: int | None,
    ) -> tuple[Tensor, Tensor]:
        w = None if per_sample_weights is None else per_sample_weights.reshape(-1)
        settings = False, MODES.index(mode), False, w, include_last_offset, padding_idx
        y, _, _, best = torch.embedding_bag(weight, i, offsets, *settings)
        return y, best

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Any, ...], output: tuple[Tensor, Tensor]) -> None:
        i, weight, offsets, w, ctx.mode, ctx.scale, ctx.sparse, ctx.ends, padding = inputs
        ctx.padding = None if padding is None else padding % len(weight)
        ctx.shape = weight.shape
        ctx.mark_non_differentiable(output[1])
        ctx.set_materialize_grads(False)
        save(ctx, i, offsets, w, weight if w is not None else None, output[1] if ctx.mode == "max" else None)

    @staticmethod
    def backward(ctx: Any, dy: Tensor | None, _: None) -> tuple[Tensor | None, ...]:
        i, offsets, w, weight, best = ctx.saved_tensors
        dweight = dw = None
        if dy is not None:
            bag, factor, full = _bags(ctx, i, offsets, dy)
            if ctx.mode == "max":
                dweight = dy.new_zeros(ctx.shape).scatter_add_(0, best.where(full, 0), dy.masked_fill(~full, 0))
            else:
                each = dy[bag]
                if ctx.ends or ctx.padding is not None:
                    each = each.masked_fill((factor == 0).unsqueeze(1), 0)
                if ctx.needs_input_grad[1]:
                    rows = each * (factor if w is None else factor * w.reshape(-1)).unsqueeze(1)
                    dweight = table_gradient(i, rows, ctx.shape, ctx.padding, ctx.scale, ctx.sparse)
                if ctx.needs_input_grad[3]:
                    dw = ((each * weight[i]).sum(1) * factor).reshape(w.shape)
        return None, dweight, None, dw, None, None, None, None, None

    @staticmethod
    def jvp(ctx: Any, _: None, weight_t: Any, __: None, w_t: Any, *rest: None) -> tuple[Tensor, None]:
        i, offsets, w, weight, best = ctx.saved_tensors
        bag, factor, full = _bags(ctx, i, offsets, weight_t if weight_t is not None else w_t)
        if ctx.mode == "max":
            return weight_t.gather(0, best.where(full, 0)) * full, None
        terms = []
        if weight_t is not None:
            terms.append(weight_t[i] * (factor if w is None else factor * w.reshape(-1)).unsqueeze(1))
        if w_t is not None:
            terms.append(weight[i] * (factor * w_t.reshape(-1)).unsqueeze(1))
        each = sum(terms[1:], terms[0])
        return each.new_zeros(full.shape[0], ctx.shape[1]).index_add_(0, bag, each), None

    @staticmethod
    def check(i: Tensor, weight: Tensor, *_: Any) -> None:
        check_numbers(i, weight, RuntimeError)


def _bags(ctx: Any, i: Tensor, offsets: Tensor, like: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """The bag of each position, what its row is multiplied by there (weights apart), and which bags are not empty."""
    count = offsets.shape[0] - ctx.ends
    place = torch.arange(i.shape[0], dtype=offsets.dtype, device=i.device)
    bag = torch.searchsorted(offsets, place, right=True) - 1
    kept = torch.ones_like(i, dtype=torch.bool)
    if ctx.ends:
        kept, bag = place < offsets[-1], bag.clamp(max=count - 1)
    if ctx.padding is not None:
        kept = kept & (i != ctx.padding)
    factor = kept.to(like.dtype)
    size = like.new_zeros(count).index_add_(0, bag, factor)
    if ctx.mode == "mean":
        factor = factor / size.clamp(min=1)[bag]
    return bag, factor, (size > 0).unsqueeze(1)
