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

import warnings
from typing import Any

import torch
from torch import Tensor, nn

from manualgrad.formula import Formula, call, save
from manualgrad.public import public

_MODES = ("sum", "mean", "max")


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
        settings = False, _MODES.index(mode), False, w, include_last_offset, padding_idx
        y, _, _, best = torch.embedding_bag(weight, i, offsets, *settings)
        return y, best

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Any, ...], output: tuple[Tensor, Tensor]) -> None:
        i, weight, offsets, w, ctx.mode, ctx.scale, ctx.sparse, ctx.ends, ctx.padding = inputs
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
                dweight = dy.new_zeros(ctx.shape).scatter_add_(0, best.where(full, 0), dy * full)
            else:
                each = dy[bag]
                if ctx.needs_input_grad[1]:
                    dweight = _table(ctx, i, each * (factor if w is None else factor * w.reshape(-1)).unsqueeze(1))
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
        if i.dtype not in (torch.int64, torch.int32):
            raise RuntimeError(f"input must hold integers, int64 or int32, got {i.dtype}")
        if ((i < 0) | (i >= len(weight))).any():
            raise RuntimeError(
                f"input must hold numbers from 0 to {len(weight) - 1}, the rows of weight {tuple(weight.shape)}, "
                f"got {int(i.min())} to {int(i.max())}"
            )


def _bags(ctx: Any, i: Tensor, offsets: Tensor, like: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """The bag of each position, what its row is multiplied by there (weights apart), and which bags are not empty."""
    count = offsets.shape[0] - ctx.ends
    place = torch.arange(i.shape[0], dtype=offsets.dtype, device=i.device)
    bag = torch.searchsorted(offsets, place, right=True) - 1
    kept = torch.ones_like(i, dtype=torch.bool)
    if ctx.ends:
        kept, bag = place < offsets[-1], bag.clamp(max=count - 1)
    if ctx.padding is not None:
        kept = kept & (i != ctx.padding % ctx.shape[0])
    factor = kept.to(like.dtype)
    size = like.new_zeros(count).index_add_(0, bag, factor)
    if ctx.mode == "mean":
        factor = factor / size.clamp(min=1)[bag]
    return bag, factor, (size > 0).unsqueeze(1)


def _table(ctx: Any, i: Tensor, rows: Tensor) -> Tensor:
    """Each of `rows` added to the row of W that it was looked up in."""
    if ctx.scale:
        times = rows.new_zeros(ctx.shape[0]).index_add_(0, i, torch.ones_like(i, dtype=rows.dtype))
        rows = rows / times[i].unsqueeze(1)
    if ctx.sparse:
        if ctx.padding is not None:
            kept = i != ctx.padding % ctx.shape[0]
            i, rows = i[kept], rows[kept]
        return torch.sparse_coo_tensor(i.unsqueeze(0), rows, ctx.shape, check_invariants=False)
    return rows.new_zeros(ctx.shape).index_add_(0, i, rows)


@public
def embedding_bag(
    input: Tensor,
    weight: Tensor,
    offsets: Tensor | None = None,
    max_norm: float | None = None,
    norm_type: float = 2,
    scale_grad_by_freq: bool = False,
    mode: str = "mean",
    sparse: bool = False,
    per_sample_weights: Tensor | None = None,
    include_last_offset: bool = False,
    padding_idx: int | None = None,
) -> Tensor:
    """Sums, means or maxima of bags of rows of `weight`. As `torch.nn.functional.embedding_bag`.

    input int64 or int32: (n) with `offsets` (B), where each bag begins (and with `include_last_offset` one more, where
    the last one ends); or (B, size), a bag in each row; or nested. weight (V, D), `per_sample_weights` as input; the
    result is (B, D). The other arguments are those of `embedding`. Raises ValueError where shapes, offsets and mode do
    not go together, RuntimeError for a number that has no row, NotImplementedError for weights without mode="sum".

    >>> import torch
    >>> table = torch.tensor([[1.0], [2.0], [4.0]], requires_grad=True)
    >>> y = embedding_bag(torch.tensor([0, 1, 2]), table, torch.tensor([0, 2]), mode="mean")
    >>> y.sum().backward()
    >>> y.tolist(), table.grad.tolist()
    ([[1.5], [4.0]], [[0.5], [0.5], [1.0]])
    """
    if weight.dtype == torch.int64 and input.is_floating_point():
        warnings.warn("embedding_bag: input comes before weight; they were given in turn", stacklevel=3)
        input, weight = weight, input
    _check(input, weight, offsets, mode, scale_grad_by_freq, sparse, per_sample_weights)
    if input.is_nested:
        offsets, include_last_offset = input.offsets(), True  # type: ignore[attr-defined]
        input = input.values().reshape(-1)
        per_sample_weights = None if per_sample_weights is None else per_sample_weights.values().reshape(-1)
    elif input.dim() == 2:
        offsets = torch.arange(0, input.numel(), input.shape[1], dtype=input.dtype, device=input.device)
        include_last_offset, input = False, input.reshape(-1)
    if max_norm is not None:
        with torch.no_grad():
            torch.embedding_renorm_(weight.detach(), input, max_norm, norm_type)
    settings = mode, scale_grad_by_freq, sparse, include_last_offset, padding_idx
    return call(EmbeddingBagFunction, input, weight, offsets, per_sample_weights, *settings)[0]


def _check(
    input: Tensor, weight: Tensor, offsets: Tensor | None, mode: str, scaled: bool, sparse: bool, w: Tensor | None
) -> None:
    """What must be known before the arguments are made one-dimensional."""
    shape = tuple(input.shape)
    if weight.dim() != 2:
        raise ValueError(f"embedding_bag: weight must have 2 dimensions, got {tuple(weight.shape)}")
    if w is not None and w.shape != input.shape:
        raise ValueError(
            f"embedding_bag: per_sample_weights must have the shape of input, {shape}, got {tuple(w.shape)}"
        )
    if input.dim() not in (1, 2):
        raise ValueError(f"embedding_bag: input must have 1 or 2 dimensions, got {shape}")
    if input.dim() == 2 and offsets is not None:
        raise ValueError(f"embedding_bag: offsets must be None where input {shape} has a bag in each row")
    if input.dim() == 1 and (offsets is None or offsets.dim() != 1):
        given = None if offsets is None else tuple(offsets.shape)
        raise ValueError(f"embedding_bag: offsets must have 1 dimension where input {shape} has, got {given}")
    if mode not in _MODES:
        raise ValueError(f"embedding_bag: mode must be 'sum', 'mean' or 'max', got {mode!r}")
    if mode == "max" and (scaled or sparse):
        raise ValueError("embedding_bag: mode 'max' goes without scale_grad_by_freq and sparse")
    if mode != "sum" and w is not None:
        raise NotImplementedError(f"embedding_bag: per_sample_weights go with mode 'sum', got {mode!r}")


class EmbeddingBag(nn.EmbeddingBag):
    """Drop-in `torch.nn.EmbeddingBag` computed by `manualgrad.functional.embedding_bag`."""

    def forward(self, input: Tensor, offsets: Tensor | None = None, per_sample_weights: Tensor | None = None) -> Tensor:
        return embedding_bag(
            input,
            self.weight,
            offsets,
            self.max_norm,
            self.norm_type,
            self.scale_grad_by_freq,
            self.mode,
            self.sparse,
            per_sample_weights,
            self.include_last_offset,
            self.padding_idx,
        )
