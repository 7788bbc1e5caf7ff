r"""Bilinear layer.

    forward    y_o    = sum_ij x1_i W_oij x2_j + b_o
    backward   dx1_i  = sum_j M_ij x2_j          with M_ij = sum_o dy_o W_oij, the layer as a form in x1 and x2
               dx2_j  = sum_i x1_i M_ij
               dW_oij = dy_o x1_i x2_j           summed over the leading dimensions
               db_o   = dy_o                     summed over the leading dimensions
    tangent    y'_o   = sum_ij (x1'_i W_oij x2_j + x1_i W'_oij x2_j + x1_i W_oij x2'_j) + b'_o

Shapes: x1 (*, in1), x2 (*, in2), W (out, in1, in2), b (out), y (*, out). Saves x1, x2 and W: the slope of each is the
product of the others.
Source: Tenenbaum & Freeman (2000), Separating style and content with bilinear models, eq. 3.
"""

from typing import Any

from torch import Tensor, nn
from torch.nn import functional as F

from manualgrad.formula import Formula, call, save
from manualgrad.public import public


class BilinearFunction(Formula):
    complex = "refused"
    autocast = "promote"
    opmath = False

    @staticmethod
    def forward(x1: Tensor, x2: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
        return F.bilinear(x1, x2, weight, bias)

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Tensor, Tensor, Tensor, Tensor | None], output: Tensor) -> None:
        save(ctx, *inputs[:3])

    @staticmethod
    def backward(ctx: Any, dy: Tensor) -> tuple[Tensor | None, ...]:
        x1, x2, weight = ctx.saved_tensors
        needs_x1, needs_x2, needs_weight, needs_bias = ctx.needs_input_grad
        rows = dy.reshape(-1, dy.shape[-1])
        left, right = x1.reshape(-1, 1, x1.shape[-1]), x2.reshape(-1, x2.shape[-1], 1)
        dx1 = dx2 = dw = db = None
        if needs_x1 or needs_x2:
            form = (rows @ weight.flatten(1)).reshape(-1, *weight.shape[1:])
            if needs_x1:
                dx1 = (form @ right).reshape(x1.shape)
            if needs_x2:
                dx2 = (left @ form).reshape(x2.shape)
        if needs_weight:
            products = left.mT * right.mT
            dw = (rows.t() @ products.flatten(1)).reshape(weight.shape)
        if needs_bias:
            db = rows.sum(0)
        return dx1, dx2, dw, db

    @staticmethod
    def jvp(
        ctx: Any, x1_t: Tensor | None, x2_t: Tensor | None, weight_t: Tensor | None, bias_t: Tensor | None
    ) -> Tensor:
        x1, x2, weight = ctx.saved_tensors
        terms = []
        if x1_t is not None:
            terms.append(F.bilinear(x1_t, x2, weight))
        if x2_t is not None:
            terms.append(F.bilinear(x1, x2_t, weight))
        if weight_t is not None:
            terms.append(F.bilinear(x1, x2, weight_t))
        if bias_t is not None:
            terms.append(bias_t.expand(*x1.shape[:-1], weight.shape[0]))
        return sum(terms[1:], terms[0])

    @staticmethod
    def check(x1: Tensor, x2: Tensor, weight: Tensor, bias: Tensor | None) -> None:
        if weight.dim() != 3:
            kind = IndexError if weight.dim() < 3 else RuntimeError
            raise kind(f"weight must be (out, in1, in2), got {tuple(weight.shape)}")
        if x1.shape[:-1] != x2.shape[:-1]:
            raise RuntimeError(
                f"input1 and input2 must agree in all but the last dimension, "
                f"got {tuple(x1.shape)} and {tuple(x2.shape)}"
            )
        for name, x, size in (("input1", x1, weight.shape[1]), ("input2", x2, weight.shape[2])):
            if x.dim() == 0 or x.shape[-1] != size:
                raise RuntimeError(
                    f"the last dimension of {name} must be {size}, as weight {tuple(weight.shape)} says, "
                    f"got {tuple(x.shape)}"
                )
        if bias is not None and bias.shape != weight.shape[:1]:
            raise RuntimeError(f"bias must have shape {tuple(weight.shape[:1])}, got {tuple(bias.shape)}")


@public
def bilinear(input1: Tensor, input2: Tensor, weight: Tensor, bias: Tensor | None = None) -> Tensor:
    """`input1^T W_o input2 + bias_o` for every output o. Same values and gradients as `torch.nn.functional.bilinear`.

    input1 (*, in1), input2 (*, in2), weight (out, in1, in2), bias (out); the result is (*, out).
    Raises RuntimeError where shapes do not fit.

    >>> import torch
    >>> x1, x2, w = torch.tensor([[1.0, 2.0]]), torch.tensor([[3.0]]), torch.ones(1, 2, 1, requires_grad=True)
    >>> bilinear(x1, x2, w).sum().backward()
    >>> w.grad.flatten()
    tensor([3., 6.])
    """
    return call(BilinearFunction, input1, input2, weight, bias)


class Bilinear(nn.Bilinear):
    """Drop-in `torch.nn.Bilinear` computed by `manualgrad.functional.bilinear`."""

    def forward(self, input1: Tensor, input2: Tensor) -> Tensor:
        return bilinear(input1, input2, self.weight, self.bias)
