r"""Operations that move elements without changing them: reshape, transpose, permute, expand, repeat, flip, clone, to.

    forward    y_j  = x_i(j)                     every element of y is one of x
    backward   dx_i = sum of dy_j over the j that come from i
    tangent    y_j' = x'_i(j)

Where every element of x is used once, the backward pass moves the elements back; where one is used several times
(expand, repeat) its gradients add up. Shapes: x (*) any shape, y as the operation says; nothing else is kept.
Source: the transpose of a matrix of zeros and ones, one in each row.
"""

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor
from torch.autograd import forward_ad

from manualgrad.formula import CloneFunction, Formula, call, unbroadcast
from manualgrad.public import public


class ReshapeFunction(Formula):
    r"""Another shape for the same elements in the same order: reshape, view, flatten, unflatten, squeeze, unsqueeze.

        forward    y  = x in the new shape
        backward   dx = dy in the shape of x
        tangent    y' = x' in the new shape

    Saves nothing.
    """

    opmath = False

    @staticmethod
    def forward(x: Tensor, method: str, args: tuple[Any, ...]) -> Tensor:
        y: Tensor = getattr(Tensor, method)(x, *args)
        if forward_ad._current_level >= 0:
            return y.clone()  # the tangent may be laid out otherwise, and a view of it not possible
        return y.view_as(y) if y is x else y  # a Function must not return its own input

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Tensor, str, tuple[Any, ...]], output: Tensor) -> None:
        ctx.x_shape, ctx.y_shape = inputs[0].shape, output.shape

    @staticmethod
    def backward(ctx: Any, dy: Tensor) -> tuple[Tensor, None, None]:
        return dy.reshape(ctx.x_shape), None, None

    @staticmethod
    def jvp(ctx: Any, x_t: Tensor, *_: None) -> Tensor:
        return x_t.reshape(ctx.y_shape)


class TransposeFunction(Formula):
    r"""Two dimensions swapped.

        forward    y_ji  = x_ij
        backward   dx_ij = dy_ji
        tangent    y'_ji = x'_ij

    Saves nothing.
    """

    opmath = False

    @staticmethod
    def forward(x: Tensor, dim0: int, dim1: int) -> Tensor:
        return torch.transpose(x, dim0, dim1)

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Tensor, int, int], output: Tensor) -> None:
        ctx.dims = inputs[1:]

    @staticmethod
    def backward(ctx: Any, dy: Tensor) -> tuple[Tensor, None, None]:
        return dy.transpose(*ctx.dims), None, None

    @staticmethod
    def jvp(ctx: Any, x_t: Tensor, *_: None) -> Tensor:
        return x_t.transpose(*ctx.dims)


class PermuteFunction(Formula):
    r"""The dimensions in another order.

        forward    y  = x, its dimensions in the order `dims`
        backward   dx = dy, its dimensions in the inverse order
        tangent    y' = x', its dimensions in the order `dims`

    Saves nothing.
    """

    opmath = False

    @staticmethod
    def forward(x: Tensor, dims: tuple[int, ...]) -> Tensor:
        return x.permute(dims)

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Tensor, tuple[int, ...]], output: Tensor) -> None:
        x, ctx.dims = inputs
        positive = [d % x.dim() for d in ctx.dims]
        ctx.inverse = [positive.index(d) for d in range(x.dim())]

    @staticmethod
    def backward(ctx: Any, dy: Tensor) -> tuple[Tensor, None]:
        return dy.permute(ctx.inverse), None

    @staticmethod
    def jvp(ctx: Any, x_t: Tensor, _: None) -> Tensor:
        return x_t.permute(ctx.dims)


class MovedimFunction(Formula):
    r"""Some dimensions moved to other places.

        forward    y  = x, its dimension source[k] now at destination[k]
        backward   dx = dy, its dimension destination[k] back at source[k]
        tangent    y' = x', its dimension source[k] now at destination[k]

    Saves nothing.
    """

    opmath = False

    @staticmethod
    def forward(x: Tensor, source: int | tuple[int, ...], destination: int | tuple[int, ...]) -> Tensor:
        return x.movedim(source, destination)  # type: ignore[arg-type]

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Tensor, Any, Any], output: Tensor) -> None:
        _, ctx.source, ctx.destination = inputs

    @staticmethod
    def backward(ctx: Any, dy: Tensor) -> tuple[Tensor, None, None]:
        return dy.movedim(ctx.destination, ctx.source), None, None

    @staticmethod
    def jvp(ctx: Any, x_t: Tensor, *_: None) -> Tensor:
        return x_t.movedim(ctx.source, ctx.destination)


class ExpandFunction(Formula):
    r"""Dimensions of size 1, and new leading ones, repeated without a copy.

        forward    y  = x, repeated to the new shape
        backward   dx = dy summed over the repetitions
        tangent    y' = x', repeated to the new shape

    Saves nothing.
    """

    opmath = False

    @staticmethod
    def forward(x: Tensor, shape: tuple[int, ...]) -> Tensor:
        return x.expand(shape)

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Tensor, tuple[int, ...]], output: Tensor) -> None:
        ctx.x_shape, ctx.y_shape = inputs[0].shape, output.shape

    @staticmethod
    def backward(ctx: Any, dy: Tensor) -> tuple[Tensor, None]:
        return unbroadcast(dy, ctx.x_shape), None

    @staticmethod
    def jvp(ctx: Any, x_t: Tensor, _: None) -> Tensor:
        return x_t.expand(ctx.y_shape)


class RepeatFunction(Formula):
    r"""The whole tensor repeated along each dimension, copied.

        forward    y  = x, laid side by side repeats[d] times along dimension d
        backward   dx = dy summed over the copies
        tangent    y' = x', laid side by side likewise

    Saves nothing.
    """

    opmath = False

    @staticmethod
    def forward(x: Tensor, repeats: tuple[int, ...]) -> Tensor:
        return Tensor.repeat(x, repeats)

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Tensor, tuple[int, ...]], output: Tensor) -> None:
        x, ctx.repeats = inputs
        ctx.shape = x.shape

    @staticmethod
    def backward(ctx: Any, dy: Tensor) -> tuple[Tensor, None]:
        sizes = (1,) * (len(ctx.repeats) - len(ctx.shape)) + tuple(ctx.shape)
        copies = dy.reshape([n for pair in zip(ctx.repeats, sizes, strict=True) for n in pair])
        dx = copies.sum(list(range(0, copies.dim(), 2))) if sizes else dy
        return dx.reshape(ctx.shape), None

    @staticmethod
    def jvp(ctx: Any, x_t: Tensor, _: None) -> Tensor:
        return x_t.repeat(ctx.repeats)


class FlipFunction(Formula):
    r"""The order of the elements reversed along some dimensions.

        forward    y  = x, back to front along `dims`
        backward   dx = dy, back to front along `dims`
        tangent    y' = x', back to front along `dims`

    Saves nothing.
    """

    opmath = False

    @staticmethod
    def forward(x: Tensor, dims: tuple[int, ...]) -> Tensor:
        return x.flip(dims)

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Tensor, tuple[int, ...]], output: Tensor) -> None:
        ctx.dims = inputs[1]

    @staticmethod
    def backward(ctx: Any, dy: Tensor) -> tuple[Tensor, None]:
        return dy.flip(ctx.dims), None

    @staticmethod
    def jvp(ctx: Any, x_t: Tensor, _: None) -> Tensor:
        return x_t.flip(ctx.dims)


class RollFunction(Formula):
    r"""Elements moved along some dimensions; those that leave at the end come in at the beginning.

        forward    y_(i+shift) = x_i
        backward   dx_i  = dy_(i+shift)
        tangent    y'_(i+shift) = x'_i

    Saves nothing.
    """

    opmath = False

    @staticmethod
    def forward(x: Tensor, shifts: tuple[int, ...], dims: tuple[int, ...]) -> Tensor:
        return x.roll(shifts, dims)

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Tensor, tuple[int, ...], tuple[int, ...]], output: Tensor) -> None:
        _, ctx.shifts, ctx.dims = inputs

    @staticmethod
    def backward(ctx: Any, dy: Tensor) -> tuple[Tensor, None, None]:
        return dy.roll([-shift for shift in ctx.shifts], ctx.dims), None, None

    @staticmethod
    def jvp(ctx: Any, x_t: Tensor, *_: None) -> Tensor:
        return x_t.roll(ctx.shifts, ctx.dims)


class ToFunction(Formula):
    r"""Another dtype, another device, another order in memory.

        forward    y  = x there
        backward   dx = dy, back in the dtype and on the device of x
        tangent    y' = x' there

    Saves nothing.
    """

    opmath = False

    @staticmethod
    def forward(x: Tensor, options: dict[str, Any]) -> Tensor:
        return x.to(**options, copy=True)

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Tensor, dict[str, Any]], output: Tensor) -> None:
        ctx.here, ctx.there = ({"dtype": v.dtype, "device": v.device} for v in (inputs[0], output))

    @staticmethod
    def backward(ctx: Any, dy: Tensor) -> tuple[Tensor, None]:
        if dy.is_complex() and not ctx.here["dtype"].is_complex:
            dy = dy.real
        return dy.to(**ctx.here), None

    @staticmethod
    def jvp(ctx: Any, x_t: Tensor, _: None) -> Tensor:
        return x_t.to(**ctx.there)


def reshape(input: Tensor, shape: Sequence[int]) -> Tensor:
    """The elements of `input` in another shape, in which one size may be -1. Same gradients as `torch.reshape`.

    >>> import torch
    >>> x = torch.zeros(2, 3, requires_grad=True)
    >>> reshape(x, (3, -1)).sum().backward()
    >>> x.grad.shape
    torch.Size([2, 3])
    """
    return call(ReshapeFunction, input, "reshape", (tuple(shape),))


@public
def view(input: Tensor, shape: Sequence[int] | torch.dtype) -> Tensor:
    """`input` in another shape without a copy, as `torch.Tensor.view`; RuntimeError where its strides do not allow it.

    Given a dtype, the memory of `input` read in that dtype, which has no derivative.

    >>> import torch
    >>> view(torch.arange(4.0), (2, 2))
    tensor([[0., 1.],
            [2., 3.]])
    """
    if isinstance(shape, torch.dtype):
        return input.view(shape)
    return call(ReshapeFunction, input, "view", (tuple(shape),))


@public
def flatten(input: Tensor, start_dim: int = 0, end_dim: int = -1) -> Tensor:
    """The dimensions from `start_dim` to `end_dim` made one. Same values and gradients as `torch.flatten`.

    >>> import torch
    >>> flatten(torch.zeros(2, 3, 4), 1).shape
    torch.Size([2, 12])
    """
    return call(ReshapeFunction, input, "flatten", (start_dim, end_dim))


@public
def unflatten(input: Tensor, dim: int, sizes: Sequence[int]) -> Tensor:
    """One dimension made several. Same values and gradients as `torch.unflatten`.

    >>> import torch
    >>> unflatten(torch.zeros(2, 12), 1, (3, 4)).shape
    torch.Size([2, 3, 4])
    """
    return call(ReshapeFunction, input, "unflatten", (dim, tuple(sizes)))


@public
def squeeze(input: Tensor, dim: int | Sequence[int] | None = None) -> Tensor:
    """`input` without its dimensions of size 1, or without those among `dim`. Same as `torch.squeeze`.

    >>> import torch
    >>> squeeze(torch.zeros(1, 3, 1)).shape
    torch.Size([3])
    """
    return call(ReshapeFunction, input, "squeeze", () if dim is None else (dim,))


@public
def unsqueeze(input: Tensor, dim: int) -> Tensor:
    """`input` with a new dimension of size 1 at `dim`. Same as `torch.unsqueeze`.

    >>> import torch
    >>> unsqueeze(torch.zeros(3), -1).shape
    torch.Size([3, 1])
    """
    return call(ReshapeFunction, input, "unsqueeze", (dim,))


def transpose(input: Tensor, dim0: int, dim1: int) -> Tensor:
    """`input` with two dimensions swapped. Same as `torch.transpose`.

    >>> import torch
    >>> transpose(torch.zeros(2, 3, 4), 0, 2).shape
    torch.Size([4, 3, 2])
    """
    return call(TransposeFunction, input, dim0, dim1)


@public
def t(input: Tensor) -> Tensor:
    """The transpose of a matrix; a vector or a 0-d tensor stays as it is. Same as `torch.t`.

    Raises RuntimeError for more than two dimensions.

    >>> import torch
    >>> t(torch.zeros(2, 3)).shape
    torch.Size([3, 2])
    """
    if input.dim() > 2:
        raise RuntimeError(f"t: input must have at most two dimensions, got shape {tuple(input.shape)}")
    return call(TransposeFunction, input, 0, 1) if input.dim() == 2 else input


@public
def matrix_transpose(input: Tensor) -> Tensor:
    """The transpose of the last two dimensions: `input.mT`. Raises RuntimeError where there are fewer.

    >>> import torch
    >>> matrix_transpose(torch.zeros(5, 2, 3)).shape
    torch.Size([5, 3, 2])
    """
    if input.dim() < 2:
        raise RuntimeError(f"mT: input must have at least two dimensions, got shape {tuple(input.shape)}")
    return call(TransposeFunction, input, -2, -1)


def permute(input: Tensor, dims: Sequence[int]) -> Tensor:
    """`input` with its dimensions in the order `dims`. Same as `torch.permute`.

    >>> import torch
    >>> permute(torch.zeros(2, 3, 4), (2, 0, 1)).shape
    torch.Size([4, 2, 3])
    """
    return call(PermuteFunction, input, tuple(dims))


def movedim(input: Tensor, source: int | Sequence[int], destination: int | Sequence[int]) -> Tensor:
    """`input` with the dimensions `source` moved to `destination`. Same as `torch.movedim`.

    >>> import torch
    >>> movedim(torch.zeros(2, 3, 4), 0, -1).shape
    torch.Size([3, 4, 2])
    """
    places = [d if isinstance(d, int) else tuple(d) for d in (source, destination)]
    return call(MovedimFunction, input, *places)


def expand(input: Tensor, size: Sequence[int]) -> Tensor:
    """`input` repeated without a copy to `size`, where -1 keeps a dimension. Same as `torch.Tensor.expand`.

    >>> import torch
    >>> x = torch.zeros(3, 1, requires_grad=True)
    >>> expand(x, (-1, 4)).sum().backward()
    >>> x.grad.flatten()
    tensor([4., 4., 4.])
    """
    return call(ExpandFunction, input, tuple(size))


@public
def broadcast_to(input: Tensor, shape: Sequence[int]) -> Tensor:
    """`input` repeated without a copy to `shape`. Same as `torch.broadcast_to`.

    >>> import torch
    >>> broadcast_to(torch.zeros(3), (2, 3)).shape
    torch.Size([2, 3])
    """
    return call(ExpandFunction, input, tuple(shape))


@public
def broadcast_tensors(*tensors: Tensor) -> tuple[Tensor, ...]:
    """The tensors, each repeated without a copy to their common shape. Same as `torch.broadcast_tensors`.

    >>> import torch
    >>> a, b = broadcast_tensors(torch.zeros(3, 1), torch.zeros(2))
    >>> a.shape, b.shape
    (torch.Size([3, 2]), torch.Size([3, 2]))
    """
    shape = tuple(torch.broadcast_shapes(*(tensor.shape for tensor in tensors)))
    return tuple(call(ExpandFunction, tensor, shape) for tensor in tensors)


def repeat(input: Tensor, repeats: Sequence[int]) -> Tensor:
    """`input` copied `repeats[d]` times along each dimension. Same values and gradients as `torch.Tensor.repeat`.

    >>> import torch
    >>> x = torch.zeros(2, requires_grad=True)
    >>> repeat(x, (3,)).sum().backward()
    >>> x.grad
    tensor([3., 3.])
    """
    return call(RepeatFunction, input, tuple(repeats))


def flip(input: Tensor, dims: Sequence[int]) -> Tensor:
    """`input` back to front along `dims`. Same values and gradients as `torch.flip`.

    >>> import torch
    >>> flip(torch.arange(3.0), (0,))
    tensor([2., 1., 0.])
    """
    return call(FlipFunction, input, tuple(dims))


def roll(
    input: Tensor, shifts: int | tuple[int, ...] | list[int], dims: int | tuple[int, ...] | list[int] | None = None
) -> Tensor:
    """The elements `shifts` places further along `dims`, in a circle. Same gradients as `torch.roll`.

    Without `dims` they move through the flattened tensor, whose shape comes back.

    >>> import torch
    >>> roll(torch.tensor([1.0, 2.0, 3.0]), 1)
    tensor([3., 1., 2.])
    """
    given = () if dims is None else dims
    shifts, given = ((v,) if isinstance(v, int) else tuple(v) for v in (shifts, given))
    return call(RollFunction, input, shifts, given)


@public
def tile(input: Tensor, dims: Sequence[int]) -> Tensor:
    """`input` laid side by side `dims[d]` times along dimension d, the last first. Same gradients as `torch.tile`.

    >>> import torch
    >>> tile(torch.tensor([[1.0], [2.0]]), (3,))
    tensor([[1., 1., 1.],
            [2., 2., 2.]])
    """
    return call(RepeatFunction, input, (1,) * (input.dim() - len(dims)) + tuple(dims))


def clone(input: Tensor, *, memory_format: torch.memory_format = torch.preserve_format) -> Tensor:
    """A copy of `input`, to which gradients flow. Same as `torch.clone`.

    >>> import torch
    >>> x = torch.tensor(1.0, requires_grad=True)
    >>> clone(x).backward()
    >>> x.grad
    tensor(1.)
    """
    return call(CloneFunction, input, memory_format)


@public
def contiguous(input: Tensor, memory_format: torch.memory_format = torch.contiguous_format) -> Tensor:
    """`input` itself where it lies in that order in memory, else a copy that does. As `torch.Tensor.contiguous`.

    >>> import torch
    >>> contiguous(torch.zeros(2, 3).t()).stride()
    (2, 1)
    """
    if input.is_contiguous(memory_format=memory_format):
        return input
    return call(CloneFunction, input, memory_format)


@public
def to(input: Tensor, *args: Any, **kwargs: Any) -> Tensor:
    """`input` in another dtype or on another device, with every argument of `torch.Tensor.to`, whose results it gives.

    Gradients come back in the dtype and on the device of `input`. It is `input` itself where nothing is to be done.

    >>> import torch
    >>> x = torch.tensor(1.0, requires_grad=True)
    >>> to(x, torch.float64).backward()
    >>> x.grad
    tensor(1.)
    """
    memory_format = kwargs.pop("memory_format", torch.preserve_format)
    probe = torch.empty(0, dtype=input.dtype, device=input.device).to(*args, **kwargs)
    options = {"dtype": probe.dtype, "device": probe.device}
    laid_out = memory_format is torch.preserve_format or input.is_contiguous(memory_format=memory_format)
    if options == {"dtype": input.dtype, "device": input.device} and laid_out and not kwargs.get("copy"):
        return input
    return call(ToFunction, input, {**options, "memory_format": memory_format})
