"""Cross-entropy of a wide linear layer: its arguments, and how many rows are taken at a time.

`formulas/linear_cross_entropy.py` has the mathematics.
"""

import math
from typing import Any

import torch
from torch import Tensor, nn

from manualgrad.formula import HALF, call, gradient_is_wanted, lowered, values_are_visible
from manualgrad.formulas.linear_cross_entropy import LinearCrossEntropyFunction
from manualgrad.public import public

MEMORY = 16 * 2**20  # bytes of logits at a time
FEWEST = 64  # rows at a time
SMALL = 2**16  # as many logits are computed twice rather than kept anything of
_Twin: Any = getattr(nn, "LinearCrossEntropyLoss", nn.Module)  # torch has it since 2.13


@public
def linear_cross_entropy(
    input: Tensor,
    linear_weight: Tensor,
    target: Tensor,
    *,
    linear_bias: Tensor | None = None,
    weight: Tensor | None = None,
    reduction: str = "mean",
    ignore_index: int | None = None,
    label_smoothing: float = 0.0,
    options: Any = None,
) -> Tensor:
    """`cross_entropy(linear(input, linear_weight, linear_bias), target, ...)`, a few rows at a time.

    Same values and gradients as `torch.nn.functional.linear_cross_entropy`. input (N, H) or (H), linear_weight (C,
    ..., H), linear_bias (C, ...), target class numbers (N, ...), int64, or probabilities (N, C, ...), weight (C).
    Gradients flow to all, except to the weight of class numbers. Of torch's `options`, batch_chunk_size says how many
    rows are taken at a time; the others choose between memory, precision and a second backward pass, all of which are
    to be had here.

    Raises IndexError for a class number out of range, RuntimeError for shapes, dtypes and a label_smoothing that do
    not fit and for an ignore_index beside probabilities, ValueError for an unknown reduction.

    >>> import torch
    >>> x, w = torch.tensor([[1.0, 2.0]], requires_grad=True), torch.zeros(4, 2)
    >>> loss = linear_cross_entropy(x, w, torch.tensor([3]))
    >>> loss, torch.tensor(4.0).log()
    (tensor(1.3863, grad_fn=<LinearCrossEntropyFunctionBackward>), tensor(1.3863))
    """
    shape = tuple(linear_weight.shape[:-1])
    return _in_rows(
        input, linear_weight, target, linear_bias, weight, shape, reduction, ignore_index, label_smoothing, options
    )


def _in_rows(
    x: Tensor,
    weight: Tensor,
    t: Tensor,
    bias: Tensor | None,
    class_weight: Tensor | None,
    shape: tuple[int, ...],
    reduction: str,
    ignore_index: int | None,
    s: float,
    options: Any,
) -> Tensor:
    """`weight` may have its dimensions before the last in one; `shape` says what they are."""

    def expect(fits: bool, what: str, error: type[Exception] = RuntimeError) -> None:
        if not fits:
            raise error(f"linear_cross_entropy: {what}")

    expect(x.dim() in (1, 2), f"input must have shape (N, H) or (H), got {tuple(x.shape)}")
    expect(
        weight.dim() >= 2 and weight.shape[-1] == x.shape[-1],
        f"linear_weight must have shape (C, ..., {x.shape[-1]}) for input {tuple(x.shape)}, got {tuple(weight.shape)}",
    )
    expect(x.dim() == 2 or len(shape) == 1, f"input (H) goes with linear_weight (C, H), got {tuple(weight.shape)}")
    expect(
        bias is None or bias.shape in (shape, weight.shape[:-1]),
        f"linear_bias must have shape {shape}, got {() if bias is None else tuple(bias.shape)}",
    )
    expect(
        reduction in ("none", "mean", "sum"),
        f"reduction must be 'none', 'mean' or 'sum', got {reduction!r}",
        ValueError,
    )
    expect(0 <= s <= 1, f"label_smoothing must be between 0 and 1, got {s}")
    probable = t.shape == (*x.shape[:-1], *shape)
    expect(
        not probable or t.is_floating_point(),
        f"target {tuple(t.shape)} must hold probabilities, of a floating-point dtype, got {t.dtype}",
    )
    expect(not probable or ignore_index is None, "ignore_index does not go with probabilities as target")
    expect(
        probable or class_weight is None or not gradient_is_wanted(class_weight),
        "the weight of class numbers has no gradient here; cross_entropy(linear(...), ...) gives it one",
    )
    x, weight, bias = lowered(x, weight, bias)
    autocast = x.dtype in HALF and torch.is_autocast_enabled(x.device.type)
    dtype = torch.float32 if autocast else x.dtype  # as cross_entropy has it
    for others in (t, class_weight) if probable else ():
        dtype = dtype if others is None else torch.promote_types(dtype, others.dtype)
    expect(
        class_weight is None or probable or class_weight.dtype == dtype,
        f"weight must have the dtype of the logits, {dtype}, got {getattr(class_weight, 'dtype', None)}",
    )
    width = math.prod(shape)
    chunk = getattr(options, "batch_chunk_size", None)
    chunk = chunk or max(FEWEST, MEMORY // max(1, width * max(4, x.element_size())))
    now: tuple[bool, ...] = ()
    if (
        values_are_visible()
        and len(x) * width > max(x.numel() + weight.numel(), SMALL)
        and x.dim() == 2
        and len(shape) == 1
        and not probable
        and not s
        and reduction != "none"
    ):
        now = tuple(gradient_is_wanted(v) for v in (x, weight, bias))
    ignored = -100 if ignore_index is None else ignore_index
    arguments = (x, weight, t, bias, class_weight, shape, reduction, ignored, s, chunk, dtype, now if any(now) else ())
    result = call(LinearCrossEntropyFunction, *arguments)
    loss: Tensor = result[0] if any(now) else result
    return loss


class LinearCrossEntropyLoss(_Twin):  # type: ignore[misc]
    """Drop-in `torch.nn.LinearCrossEntropyLoss` computed by `manualgrad.functional.linear_cross_entropy`."""

    def forward(self, input: Tensor, target: Tensor) -> Tensor:
        return _in_rows(
            input,
            self.linear.weight,
            target,
            self.linear.bias,
            self.weight,
            (self.num_classes, *self.out_features),
            self.reduction,
            self.ignore_index,
            self.label_smoothing,
            self.options,
        )
