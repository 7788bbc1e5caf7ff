r"""Embedding: rows of a table, looked up by number.

    forward    y[n]  = W[i[n]]
    backward   dW[v] = sum over n with i[n] = v of dy[n], zero for the padding row
    tangent    y'[n] = W'[i[n]]

scale_grad_by_freq divides each dy[n] by the number of times that i[n] occurs in i. That, and the zero of the padding
row, are declared to be the gradient; the derivative, which the tangent is, knows neither. With sparse, dW holds only
the rows that were looked up, each as often as it was.

Shapes: i (*) integers in [0, V), W (V, D), y (*, D). Saves i only: the formula is linear in W.
Source: Bengio et al. (2003), A neural probabilistic language model, section 2.
"""

from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from manualgrad.formula import Formula, call, save
from manualgrad.parts.tables import check_numbers, table_gradient
from manualgrad.public import public


class EmbeddingFunction(Formula):
    @staticmethod
    def forward(i: Tensor, weight: Tensor, padding_idx: int | None, scale_grad_by_freq: bool, sparse: bool) -> Tensor:
        return F.embedding(i, weight, padding_idx)

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Any, ...], output: Tensor) -> None:
        i, weight, padding_idx, ctx.scale, ctx.sparse = inputs
        ctx.shape = weight.shape
        ctx.padding = None if padding_idx is None else padding_idx % weight.shape[0]
        save(ctx, i)

    @staticmethod
    def backward(ctx: Any, dy: Tensor) -> tuple[Tensor | None, ...]:
        (i,) = ctx.saved_tensors
        i = i.reshape(-1)
        dw = table_gradient(i, dy.reshape(i.numel(), ctx.shape[1]), ctx.shape, ctx.padding, ctx.scale, ctx.sparse)
        return None, dw, None, None, None

    @staticmethod
    def jvp(ctx: Any, _: None, weight_t: Tensor, *rest: None) -> Tensor:
        (i,) = ctx.saved_tensors
        return F.embedding(i, weight_t)

    @staticmethod
    def check(i: Tensor, weight: Tensor, *_: Any) -> None:
        if weight.dim() != 2:
            raise RuntimeError(f"weight must have 2 dimensions, got {tuple(weight.shape)}")
        check_numbers(i, weight, IndexError)


@public
def embedding(
    input: Tensor,
    weight: Tensor,
    padding_idx: int | None = None,
    max_norm: float | None = None,
    norm_type: float = 2.0,
    scale_grad_by_freq: bool = False,
    sparse: bool = False,
) -> Tensor:
    """The rows of `weight` that `input` numbers. Same values and gradients as `torch.nn.functional.embedding`.

    input (*) int64 or int32, weight (V, D); the result is (*, D). The row `padding_idx` gets no gradient. With
    `max_norm`, rows looked up whose `norm_type`-norm is larger are scaled down to it, in place, beforehand. With
    `sparse` the gradient is a sparse tensor.
    Raises IndexError for a number that has no row, RuntimeError for other dtypes or dimensions.

    >>> import torch
    >>> table = torch.tensor([[1.0, 2.0], [3.0, 4.0]], requires_grad=True)
    >>> embedding(torch.tensor([1, 1]), table).sum().backward()
    >>> table.grad
    tensor([[0., 0.],
            [2., 2.]])
    """
    if max_norm is not None:
        with torch.no_grad():
            torch.embedding_renorm_(weight.detach(), input.contiguous(), max_norm, norm_type)
    return call(EmbeddingFunction, input, weight, padding_idx, scale_grad_by_freq, sparse)


class Embedding(nn.Embedding):
    """Drop-in `torch.nn.Embedding` computed by `manualgrad.functional.embedding`."""

    def forward(self, input: Tensor) -> Tensor:
        settings = self.padding_idx, self.max_norm, self.norm_type, self.scale_grad_by_freq, self.sparse
        return embedding(input, self.weight, *settings)
