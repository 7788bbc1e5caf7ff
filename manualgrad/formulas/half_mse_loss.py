r"""Half the squared error, as textbooks on back-propagation have it: its slope is the plain difference.

    forward    y  = mean (x - t)^2 / 2
    backward   dx = dy . (x - t) / n
               dt = -dx
    tangent    y' = mean (x - t) (x' - t')

Reduction 'sum' leaves out 1/n (this is the textbooks' E = 1/2 sum (t - y)^2), and 'none' the sum as well.

Shapes: x, t (*) any that broadcast together; y () or, with 'none', the broadcast shape. Saves x and t.
Source: Rumelhart, Hinton & Williams (1986), Learning representations by back-propagating errors, eq. 3.
"""

from typing import Any

from torch import Tensor, nn
from torch.nn import functional as F

from manualgrad.formula import Formula, call, moving, reduce, save, spread, unbroadcast
from manualgrad.parts.differences import difference


class HalfMSELossFunction(Formula):
    autocast = "float32"

    @staticmethod
    def forward(x: Tensor, t: Tensor, reduction: str) -> Tensor:
        return 0.5 * F.mse_loss(x, t, reduction=reduction)

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Tensor, Tensor, str], output: Tensor) -> None:
        x, t, ctx.reduction = inputs
        save(ctx, x, t)

    @staticmethod
    def backward(ctx: Any, dy: Tensor) -> tuple[Tensor | None, Tensor | None, None]:
        x, t = ctx.saved_tensors
        needs_x, needs_t, _ = ctx.needs_input_grad
        e = difference(x, t)
        de = e * spread(dy, e.shape, ctx.reduction)
        return unbroadcast(de, x.shape) if needs_x else None, -unbroadcast(de, t.shape) if needs_t else None, None

    @staticmethod
    def jvp(ctx: Any, x_t: Tensor | None, t_t: Tensor | None, _: None) -> Tensor:
        x, t = ctx.saved_tensors
        x_t, t_t = moving(x_t, t_t)
        return reduce(difference(x, t) * (x_t - t_t), ctx.reduction)


def half_mse_loss(input: Tensor, target: Tensor, reduction: str = "mean") -> Tensor:
    """`mean((input - target)**2) / 2`: half of `mse_loss`, so that the gradient is `(input - target) / n`.

    input and target of one shape, or broadcast together with a warning; gradients flow to both. reduction is 'mean',
    'sum' or 'none'. Raises RuntimeError for shapes that do not broadcast, ValueError for an unknown reduction.

    >>> import torch
    >>> x = torch.tensor([1.0, 4.0], requires_grad=True)
    >>> loss = half_mse_loss(x, torch.tensor([0.0, 1.0]), reduction="sum")
    >>> loss.backward()
    >>> loss.item(), x.grad
    (5.0, tensor([1., 3.]))
    """
    return call(HalfMSELossFunction, input, target, reduction)


class HalfMSELoss(nn.Module):
    """`manualgrad.functional.half_mse_loss` as a module.

    Raises ValueError for a reduction other than 'mean', 'sum' or 'none'.
    """

    def __init__(self, reduction: str = "mean") -> None:
        super().__init__()
        if reduction not in ("mean", "sum", "none"):
            raise ValueError(f"HalfMSELoss: reduction must be 'mean', 'sum' or 'none', got {reduction!r}")
        self.reduction = reduction

    def forward(self, input: Tensor, target: Tensor) -> Tensor:
        return half_mse_loss(input, target, self.reduction)

    def extra_repr(self) -> str:
        return f"reduction={self.reduction!r}"
