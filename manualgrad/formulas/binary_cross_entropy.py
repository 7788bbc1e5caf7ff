r"""Binary cross-entropy of probabilities.

    forward    y  = mean w (-t log p - (1 - t) log(1 - p))
    backward   dp = dy . w (p - t) / (p (1 - p)) / n
               dt = dy . w (log(1 - p) - log p) / n
               dw = dy . (-t log p - (1 - t) log(1 - p)) / n
    tangent    y' = mean of w ((p - t) / (p (1 - p)) p' + (log(1 - p) - log p) t') + w' (...)

Reduction 'sum' leaves out 1/n, and 'none' the sum as well. The logarithms are never below -100 and p (1 - p) never
below 1e-12, so that values and gradients stay finite at p = 0 and p = 1; so says torch, and so do we. After a
sigmoid, `binary_cross_entropy_with_logits` is exact there and costs less.

Shapes: p, t (*) of one shape, w anything that broadcasts to it; y () or, with 'none', (*). Saves p, t and w.
Source: Good (1952), Rational decisions; Bishop (2006), Pattern Recognition and Machine Learning, eq. 4.90.
"""

from typing import Any

from torch import Tensor, nn
from torch.nn import _reduction
from torch.nn import functional as F

from manualgrad.formula import Formula, call, moving, reduce, save, spread, unbroadcast
from manualgrad.public import public


class BinaryCrossEntropyFunction(Formula):
    autocast = "float32"

    @staticmethod
    def forward(p: Tensor, t: Tensor, weight: Tensor | None, reduction: str) -> Tensor:
        return F.binary_cross_entropy(p, t, weight, reduction=reduction)

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Tensor, Tensor, Tensor | None, str], output: Tensor) -> None:
        p, t, weight, ctx.reduction = inputs
        save(ctx, p, t, weight)

    @staticmethod
    def backward(ctx: Any, dy: Tensor) -> tuple[Tensor | None, Tensor | None, Tensor | None, None]:
        p, t, w = ctx.saved_tensors
        needs_p, needs_t, needs_w, _ = ctx.needs_input_grad
        dl = spread(dy, p.shape, ctx.reduction)
        dw = unbroadcast(dl * _loss(p, t), w.shape) if needs_w else None
        if w is not None:
            dl = dl * w
        return dl * _slope(p, t) if needs_p else None, dl * (_log(1 - p) - _log(p)) if needs_t else None, dw, None

    @staticmethod
    def jvp(ctx: Any, p_t: Tensor | None, t_t: Tensor | None, w_t: Tensor | None, _: None) -> Tensor:
        p, t, w = ctx.saved_tensors
        p_t, t_t, w_t = moving(p_t, t_t, w_t)
        l_t = _slope(p, t) * p_t + (_log(1 - p) - _log(p)) * t_t
        return reduce(l_t if w is None else w * l_t + w_t * _loss(p, t), ctx.reduction)

    @staticmethod
    def check(p: Tensor, t: Tensor, weight: Tensor | None, reduction: str) -> None:
        if p.shape != t.shape:
            raise ValueError(f"target must have the shape of input, {tuple(p.shape)}, got {tuple(t.shape)}")
        outside = p.detach()[~((p >= 0) & (p <= 1))]
        if outside.numel():
            raise RuntimeError(
                f"input must be probabilities, in [0, 1], got {outside.flatten()[0].item():.6g}; "
                "for logits there is binary_cross_entropy_with_logits"
            )


def _log(p: Tensor) -> Tensor:
    return p.log().clamp(min=-100)


def _loss(p: Tensor, t: Tensor) -> Tensor:
    return (t - 1) * _log(1 - p) - t * _log(p)


def _slope(p: Tensor, t: Tensor) -> Tensor:
    return (p - t) / (p * (1 - p)).clamp(min=1e-12)


@public
def binary_cross_entropy(
    input: Tensor,
    target: Tensor,
    weight: Tensor | None = None,
    size_average: bool | None = None,
    reduce: bool | None = None,
    reduction: str = "mean",
) -> Tensor:
    """Cross-entropy of probabilities. Same values and gradients as `torch.nn.functional.binary_cross_entropy`.

    input and target of one shape, input in [0, 1]; weight broadcasts to it. Gradients flow to all three (torch has
    none for weight). Raises RuntimeError for an input outside [0, 1], ValueError for shapes that differ or an unknown
    reduction.

    >>> import torch
    >>> p = torch.tensor([0.5, 0.75], requires_grad=True)
    >>> loss = binary_cross_entropy(p, torch.tensor([0.0, 1.0]), reduction="sum")
    >>> loss.backward()
    >>> p.grad
    tensor([ 2.0000, -1.3333])
    """
    if size_average is not None or reduce is not None:
        reduction = _reduction.legacy_get_string(size_average, reduce)
    return call(BinaryCrossEntropyFunction, input, target, weight, reduction)


class BCELoss(nn.BCELoss):
    """Drop-in `torch.nn.BCELoss` computed by `manualgrad.functional.binary_cross_entropy`."""

    def forward(self, input: Tensor, target: Tensor) -> Tensor:
        return binary_cross_entropy(input, target, weight=self.weight, reduction=self.reduction)
