r"""Cross-entropy of a linear layer's outputs, without ever holding them all: for vocabularies much wider than the
layer.

    forward    y    = cross-entropy of z = x W^T + b and t        of some rows of x at a time
    backward   dz_i = dy . (p_i sum_c q_ic - q_i) / n,  p_i = softmax(z_i)
               dx   = dz W,  dW = dz^T x,  db = sum_i dz_i
    tangent    y'   = sum_i (dz_i / dy) . z_i',  z' = x' W^T + x W'^T + b'

q is the target, onehot or probabilities, smoothed and weighted, and n the number of samples or the sum of their
weights, as in `cross_entropy`, which also says what dt and dw are. Rows are taken together until their logits fill 16
MiB, but no fewer than 64 of them.

Where the logits would take more memory than the gradients, forward makes the gradients along with the loss, for dy = 1:
the logits are there, and a matrix product is saved. They are kept apart from the graph. The first backward pass that is
not itself differentiated multiplies them by dy and lets go of them; every other one goes through the rows again. Until
then they take as much memory as those of x, W and b that need them, which no count of saved bytes shows; a backward
pass that made them would need it as well.

Shapes: x (N, H) or (H); W (C, ..., H), b (C, ...), class numbers t (N, ...) or probabilities (N, C, ...), w (C); y ()
or, with 'none', (N, ...). Saves the inputs.
Source: Hsu et al. (2024), Liger Kernel: efficient Triton kernels for LLM training, section 3.2 (fused linear
cross-entropy).
"""

from typing import Any

import torch
from torch import Tensor

from manualgrad.formula import Formula, save
from manualgrad.parts.rows_at_a_time import Rows
from manualgrad.parts.targets import check_class_numbers


class LinearCrossEntropyFunction(Formula):
    opmath = False

    @staticmethod
    def forward(
        x: Tensor,
        weight: Tensor,
        t: Tensor,
        bias: Tensor | None,
        class_weight: Tensor | None,
        shape: tuple[int, ...],
        reduction: str,
        ignore_index: int,
        s: float,
        rows: int,
        dtype: torch.dtype,
        now: tuple[bool, ...],
    ) -> Any:
        problem = Rows(x, weight, t, bias, class_weight, shape, reduction, ignore_index, s, rows)
        if now:
            y, *gradients = problem.loss_and_gradients(now)
            return y.to(dtype), *gradients
        return problem.loss().to(dtype)

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Any, ...], output: Any) -> None:
        ctx.settings, ctx.now = inputs[5:10], inputs[11]
        save(ctx, *inputs[:5])
        ctx.ready = list(output[1:]) if ctx.now else []
        if ctx.ready:
            ctx.mark_non_differentiable(*ctx.ready)
            ctx.set_materialize_grads(False)  # or backward would be handed zeros of their size

    @staticmethod
    def backward(ctx: Any, dy: Tensor, *_: Tensor) -> tuple[Tensor | None, ...]:
        if ctx.ready and not torch.is_grad_enabled():
            ready, ctx.ready = ctx.ready, []
            dx, dweight, dbias = (_scaled(ready.pop(0), dy) if made else None for made in ctx.now)
            return dx, dweight, None, dbias, *[None] * 8
        return *Rows(*ctx.saved_tensors, *ctx.settings).gradients(dy, ctx.needs_input_grad), *[None] * 7

    @staticmethod
    def jvp(ctx: Any, *tangents: Any) -> Any:
        y_t = Rows(*ctx.saved_tensors, *ctx.settings).tangent(*tangents[:5])
        return (y_t, *[None] * sum(ctx.now)) if ctx.now else y_t

    @staticmethod
    def check(x: Tensor, weight: Tensor, t: Tensor, *rest: Any) -> None:
        logits = (*x.shape[:-1], *rest[2])
        if t.shape != logits:
            check_class_numbers(torch.empty(logits, device="meta"), t, rest[4], f" or {logits}")


def _scaled(gradient: Tensor, dy: Tensor) -> Tensor:
    """`dy gradient`, in the memory of a gradient that nobody else has."""
    try:
        return gradient.mul_(dy)
    except RuntimeError:  # vmap holds many dy, for which there is no room
        return gradient * dy
