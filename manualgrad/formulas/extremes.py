r"""Largest and smallest: of all elements, along a dimension, of two tensors.

    forward    y    = the largest x_i
    backward   dx_i = dy for the one that was largest, else 0
    tangent    y'   = x'_i of the one that was largest

Where several tie, torch's convention: amax, amin and max or min of everything share the gradient equally among them;
maximum and minimum give half to each operand; max and min along a dimension give all to the one whose index they tell.
Shapes: x (*) any shape, y as x without its dimensions `dim`, or with size 1 there; two operands broadcast to y.
Source: any calculus book; the subgradients at ties are torch's.
"""

from typing import Any

import torch
from torch import Tensor

from manualgrad.formula import Formula, call, gated, save, unbroadcast
from manualgrad.parts.dims import Dim, kept_dims, reduced


class AmaxFunction(Formula):
    r"""Largest element.

        forward    y    = max of x_i
        backward   dx_i = dy / k where x_i = y, else 0             k: how many tie
        tangent    y'   = 1/k sum of x'_i where x_i = y

    Saves x and y.
    """

    opmath = False

    @staticmethod
    def forward(x: Tensor, dim: Dim, keepdim: bool) -> Tensor:
        return torch.max(x) if dim is None and not keepdim else torch.amax(x, () if dim is None else dim, keepdim)

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Tensor, Dim, bool], output: Tensor) -> None:
        x, ctx.dim, ctx.keepdim = inputs
        save(ctx, x, output)

    @staticmethod
    def backward(ctx: Any, dy: Tensor) -> tuple[Tensor, None, None]:
        x, y = ctx.saved_tensors
        kept = kept_dims(x.shape, ctx.dim)
        tie = (x == y.reshape(kept)).to(dy.dtype)
        k = tie.sum(reduced(x.shape, ctx.dim), keepdim=True)
        return dy.reshape(kept) / k * tie, None, None

    @staticmethod
    def jvp(ctx: Any, x_t: Tensor, *_: None) -> Tensor:
        x, y = ctx.saved_tensors
        tie = (x == y.reshape(kept_dims(x.shape, ctx.dim))).to(x_t.dtype)
        dims = reduced(x.shape, ctx.dim)
        return (x_t * tie).sum(dims, ctx.keepdim) / tie.sum(dims, ctx.keepdim)


class AminFunction(Formula):
    r"""Smallest element.

        forward    y    = min of x_i
        backward   dx_i = dy / k where x_i = y, else 0             k: how many tie
        tangent    y'   = 1/k sum of x'_i where x_i = y

    Saves x and y.
    """

    opmath = False

    @staticmethod
    def forward(x: Tensor, dim: Dim, keepdim: bool) -> Tensor:
        return torch.min(x) if dim is None and not keepdim else torch.amin(x, () if dim is None else dim, keepdim)

    setup_context = AmaxFunction.setup_context
    backward = AmaxFunction.backward
    jvp = AmaxFunction.jvp


class MaxFunction(Formula):
    r"""Largest element along one dimension, and its index j.

        forward    y    = x_j
        backward   dx_i = dy where i = j, else 0
        tangent    y'   = x'_j

    Saves j.
    """

    opmath = False

    @staticmethod
    def forward(x: Tensor, dim: int, keepdim: bool) -> tuple[Tensor, Tensor]:
        y, j = torch.max(x, dim, keepdim)
        return y, j

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Tensor, int, bool], output: tuple[Tensor, Tensor]) -> None:
        x, ctx.dim, ctx.keepdim = inputs
        save(ctx, output[1])
        ctx.mark_non_differentiable(output[1])
        ctx.shape = x.shape

    @staticmethod
    def backward(ctx: Any, dy: Tensor, _: Tensor) -> tuple[Tensor, None, None]:
        (j,) = ctx.saved_tensors
        kept = kept_dims(ctx.shape, ctx.dim)
        return dy.new_zeros(ctx.shape).scatter(ctx.dim, j.reshape(kept), dy.reshape(kept)), None, None

    @staticmethod
    def jvp(ctx: Any, x_t: Tensor, *_: None) -> tuple[Tensor, None]:
        (j,) = ctx.saved_tensors
        y_t = x_t.gather(ctx.dim, j.reshape(kept_dims(ctx.shape, ctx.dim)))
        return y_t.reshape(j.shape), None


class MinFunction(Formula):
    r"""Smallest element along one dimension, and its index j.

        forward    y    = x_j
        backward   dx_i = dy where i = j, else 0
        tangent    y'   = x'_j

    Saves j.
    """

    opmath = False

    @staticmethod
    def forward(x: Tensor, dim: int, keepdim: bool) -> tuple[Tensor, Tensor]:
        y, j = torch.min(x, dim, keepdim)
        return y, j

    setup_context = MaxFunction.setup_context
    backward = MaxFunction.backward
    jvp = MaxFunction.jvp


class MaximumFunction(Formula):
    r"""Larger of two.

        forward    y  = max(x, other)
        backward   dx = dy, dy / 2 or 0 where x > other, x = other, x < other;  dother = dy - dx
        tangent    y' = x', (x' + other') / 2 or other' likewise

    Shapes: x and other broadcast to y. Saves both.
    """

    opmath = False

    @staticmethod
    def forward(x: Tensor, other: Tensor) -> Tensor:
        return torch.maximum(x, other)

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Tensor, Tensor], output: Tensor) -> None:
        save(ctx, *inputs)

    @staticmethod
    def backward(ctx: Any, dy: Tensor) -> tuple[Tensor | None, Tensor | None]:
        x, other = ctx.saved_tensors
        needs_x, needs_other = ctx.needs_input_grad
        dx = unbroadcast(_share(dy, x < other, x == other), x.shape) if needs_x else None
        dother = unbroadcast(_share(dy, x > other, x == other), other.shape) if needs_other else None
        return dx, dother

    @staticmethod
    def jvp(ctx: Any, x_t: Tensor | None, other_t: Tensor | None) -> Tensor:
        x, other = ctx.saved_tensors
        return _mixed(x_t, x < other, other_t, x > other, x == other)


class MinimumFunction(Formula):
    r"""Smaller of two.

        forward    y  = min(x, other)
        backward   dx = dy, dy / 2 or 0 where x < other, x = other, x > other;  dother = dy - dx
        tangent    y' = x', (x' + other') / 2 or other' likewise

    Shapes: x and other broadcast to y. Saves both.
    """

    opmath = False

    @staticmethod
    def forward(x: Tensor, other: Tensor) -> Tensor:
        return torch.minimum(x, other)

    setup_context = MaximumFunction.setup_context

    @staticmethod
    def backward(ctx: Any, dy: Tensor) -> tuple[Tensor | None, Tensor | None]:
        x, other = ctx.saved_tensors
        needs_x, needs_other = ctx.needs_input_grad
        dx = unbroadcast(_share(dy, x > other, x == other), x.shape) if needs_x else None
        dother = unbroadcast(_share(dy, x < other, x == other), other.shape) if needs_other else None
        return dx, dother

    @staticmethod
    def jvp(ctx: Any, x_t: Tensor | None, other_t: Tensor | None) -> Tensor:
        x, other = ctx.saved_tensors
        return _mixed(x_t, x > other, other_t, x < other, x == other)


def _share(d: Tensor, loses: Tensor, ties: Tensor) -> Tensor:
    """0 where an operand loses, d / 2 where it ties, else d (NaN, which neither loses nor ties, wins)."""
    share = 1 - loses.to(d.dtype) - 0.5 * ties.to(d.dtype)
    return gated(d * share, share)


def _mixed(x_t: Tensor | None, x_loses: Tensor, other_t: Tensor | None, other_loses: Tensor, ties: Tensor) -> Tensor:
    """The tangents of two operands, each times its share."""
    pairs = (x_t, x_loses), (other_t, other_loses)
    terms = [_share(tangent, loses, ties) for tangent, loses in pairs if tangent is not None]
    return terms[0] if len(terms) == 1 else terms[0] + terms[1]


def max(input: Tensor, dim: int | Tensor | None = None, keepdim: bool = False) -> Any:
    """The largest of all elements, or along `dim` with its index, or of two tensors. Same as `torch.max`.

    >>> import torch
    >>> x = torch.tensor([[1.0, 3.0], [4.0, 2.0]], requires_grad=True)
    >>> y = max(x, 1)
    >>> y.values.sum().backward()
    >>> y.indices, x.grad
    (tensor([1, 0]), tensor([[0., 1.],
            [1., 0.]]))
    """
    if dim is None:
        return call(AmaxFunction, input, None, False)
    if isinstance(dim, Tensor):
        return call(MaximumFunction, input, dim)
    return torch.return_types.max(call(MaxFunction, input, dim, keepdim))


def min(input: Tensor, dim: int | Tensor | None = None, keepdim: bool = False) -> Any:
    """The smallest of all elements, or along `dim` with its index, or of two tensors. Same as `torch.min`.

    >>> import torch
    >>> min(torch.tensor([[1.0, 3.0], [4.0, 2.0]]), 1).values
    tensor([1., 2.])
    """
    if dim is None:
        return call(AminFunction, input, None, False)
    if isinstance(dim, Tensor):
        return call(MinimumFunction, input, dim)
    return torch.return_types.min(call(MinFunction, input, dim, keepdim))


def amax(input: Tensor, dim: Dim = None, keepdim: bool = False) -> Tensor:
    """The largest element, of all or along `dim`; those that tie share its gradient. Same as `torch.amax`.

    >>> import torch
    >>> x = torch.tensor([1.0, 3.0, 3.0], requires_grad=True)
    >>> amax(x).backward()
    >>> x.grad
    tensor([0.0000, 0.5000, 0.5000])
    """
    return call(AmaxFunction, input, dim, keepdim)


def amin(input: Tensor, dim: Dim = None, keepdim: bool = False) -> Tensor:
    """The smallest element, of all or along `dim`; those that tie share its gradient. Same as `torch.amin`.

    >>> import torch
    >>> amin(torch.tensor([1.0, 3.0]))
    tensor(1.)
    """
    return call(AminFunction, input, dim, keepdim)


def maximum(input: Tensor, other: Tensor) -> Tensor:
    """The larger of the two, elementwise; half the gradient to each where equal. Same as `torch.maximum`.

    >>> import torch
    >>> x = torch.tensor([1.0, 2.0, 3.0], requires_grad=True)
    >>> maximum(x, torch.full((3,), 2.0)).sum().backward()
    >>> x.grad
    tensor([0.0000, 0.5000, 1.0000])
    """
    return call(MaximumFunction, input, other)


def minimum(input: Tensor, other: Tensor) -> Tensor:
    """The smaller of the two, elementwise; half the gradient to each where equal. Same as `torch.minimum`.

    >>> import torch
    >>> x = torch.tensor([1.0, 2.0, 3.0], requires_grad=True)
    >>> minimum(x, torch.full((3,), 2.0)).sum().backward()
    >>> x.grad
    tensor([1.0000, 0.5000, 0.0000])
    """
    return call(MinimumFunction, input, other)
