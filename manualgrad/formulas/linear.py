r"""Linear layer.

    forward    y       = x W^T + b
    backward   dx      = dy W
               dW      = dy^T x           summed over the leading dimensions of x
               db      = dy           summed over the dimensions that b was repeated in
    tangent    y'      = x' W^T + x W'^T + b'

Shapes: x (*, in), W (out, in) or (in), b (out) or anything that broadcasts to y, y (*, out) or (*).
Saves x and W: each is the other's slope.
Source: Rumelhart, Hinton & Williams (1986), Learning representations by back-propagating errors, eqs. 1, 6 and 7.
"""

from typing import Any

from torch import Tensor, nn
from torch.nn import functional as F

from manualgrad.formula import Formula, call, save, unbroadcast


class LinearFunction(Formula):
    complex = "holomorphic"
    autocast = "lower"
    opmath = False

    @staticmethod
    def forward(x: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
        return F.linear(x, weight, bias)

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Tensor, Tensor, Tensor | None], output: Tensor) -> None:
        x, weight, bias = inputs
        save(ctx, x, weight)
        ctx.bias_shape = None if bias is None else bias.shape

    @staticmethod
    def backward(ctx: Any, dy: Tensor) -> tuple[Tensor | None, Tensor | None, Tensor | None]:
        x, weight = ctx.saved_tensors
        needs_x, needs_weight, needs_bias = ctx.needs_input_grad
        db = None
        if needs_bias:
            db = dy.sum(0) if ctx.bias_shape == dy.shape[1:] else unbroadcast(dy, ctx.bias_shape)
        if dy.dim() == 2 and weight.dim() == 2:
            return dy.mm(weight) if needs_x else None, dy.t().mm(x) if needs_weight else None, db
        if weight.dim() == 1:  # one output without a dimension of its own
            dy = dy.unsqueeze(-1)
        dx = dw = None
        if needs_x:
            dx = dy @ weight.reshape(-1, weight.shape[-1])
        if needs_weight:
            dw = dy.reshape(-1, dy.shape[-1]).t() @ x.reshape(-1, x.shape[-1])
        return dx, dw if dw is None else dw.reshape(weight.shape), db

    @staticmethod
    def jvp(ctx: Any, x_t: Tensor | None, weight_t: Tensor | None, bias_t: Any) -> Tensor:
        x, weight = ctx.saved_tensors
        y_t: Any = F.linear(x_t, weight, bias_t) if x_t is not None else None
        if weight_t is not None:
            term = F.linear(x, weight_t, bias_t if y_t is None else None)
            y_t = term if y_t is None else y_t + term
        if y_t is None:
            assert bias_t is not None
            y_t = bias_t.expand(*x.shape[:-1], *weight.shape[:-1])  # the bias alone moves: the same in every row
        return y_t

    @staticmethod
    def check(x: Tensor, weight: Tensor, bias: Tensor | None) -> None:
        for name, value in (("input", x), ("weight", weight), ("bias", bias)):
            if not isinstance(value, Tensor) and not (name == "bias" and value is None):
                raise TypeError(f"{name} must be a tensor, got {type(value).__name__}")
        if x.dim() == 0 or weight.dim() not in (1, 2):
            raise RuntimeError(
                f"input needs at least one dimension and weight one or two, "
                f"got {tuple(x.shape)} and {tuple(weight.shape)}"
            )
        if x.shape[-1] != weight.shape[-1]:
            raise RuntimeError(
                f"the last dimension of input must be {weight.shape[-1]}, as weight {tuple(weight.shape)} says, "
                f"got input {tuple(x.shape)}"
            )
        if x.dtype != weight.dtype:
            raise RuntimeError(f"input and weight must have one dtype, got {x.dtype} and {weight.dtype}")
        if bias is not None and bias.shape[-1:] not in (weight.shape[:-1], (1,), ()):
            raise RuntimeError(f"bias must have shape {tuple(weight.shape[:-1])}, got {tuple(bias.shape)}")


def linear(input: Tensor, weight: Tensor, bias: Tensor | None = None) -> Tensor:
    """`input @ weight.T + bias`. Same values and gradients as `torch.nn.functional.linear`.

    input (*, in), weight (out, in) or (in), bias (out) or (); the result is (*, out) or (*).
    Raises RuntimeError where shapes or dtypes do not fit.

    >>> import torch
    >>> x, w = torch.tensor([[1.0, 2.0]]), torch.tensor([[3.0, 4.0]], requires_grad=True)
    >>> linear(x, w).sum().backward()
    >>> w.grad
    tensor([[1., 2.]])
    """
    return call(LinearFunction, input, weight, bias)


class Linear(nn.Linear):
    """Drop-in `torch.nn.Linear` computed by `manualgrad.functional.linear`."""

    def forward(self, input: Tensor) -> Tensor:
        return linear(input, self.weight, self.bias)


class LazyLinear(nn.LazyLinear):
    """Drop-in `torch.nn.LazyLinear`: a `Linear` once it has seen its first input."""

    cls_to_become = Linear

    def forward(self, input: Tensor) -> Tensor:
        return linear(input, self.weight, self.bias)
