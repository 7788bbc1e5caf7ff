r"""Indexing: x[index] and x[index] = v for every index that torch takes; select, narrow.

    forward    y  = x[index]
    backward   dx = 0, and dx[index] += dy       an element that was picked twice receives both gradients
    tangent    y' = x'[index]

Shapes: x (*) any shape, y as the index says. Saves index tensors only.
Source: the transpose of a matrix of zeros and ones, one in each row.
"""

import operator
from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from manualgrad.formula import Formula, call, save, unbroadcast
from manualgrad.public import public


class GetitemFunction(Formula):
    r"""Elements picked by an index.

        forward    y  = x[index]
        backward   dx = 0, and dx[index] += dy
        tangent    y' = x'[index]

    The index is a tuple of whole numbers, slices, None, Ellipsis, lists, and index tensors. Saves the tensors.
    """

    opmath = False

    @staticmethod
    def forward(x: Tensor, index: tuple[Any, ...], *tensors: Tensor) -> Tensor:
        return Tensor.__getitem__(x, _filled(index, tensors))

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Any, ...], output: Tensor) -> None:
        x, ctx.index, *tensors = inputs
        save(ctx, *tensors)
        ctx.shape = x.shape

    @staticmethod
    def backward(ctx: Any, dy: Tensor) -> tuple[Tensor | None, ...]:
        tensors = ctx.saved_tensors
        index = _filled(ctx.index, tensors)
        dx = dy.new_zeros(ctx.shape)
        if _picks_once(index):
            dx[index] = dy
        else:  # the index picks from the numbers of the elements too, and tells where each gradient goes
            numbers = torch.arange(ctx.shape.numel(), device=dy.device).reshape(ctx.shape)[index]
            dx = dx.flatten().index_add(0, numbers.flatten(), dy.flatten()).reshape(ctx.shape)
        return dx, None, *(None for _ in tensors)

    @staticmethod
    def jvp(ctx: Any, x_t: Tensor, *_: None) -> Tensor:
        return x_t[_filled(ctx.index, ctx.saved_tensors)]


class SetitemFunction(Formula):
    r"""A copy with some elements replaced, as x[index] = v leaves x.

        forward    y  = x, but y[index] = v
        backward   dx = dy, but dx[index] = 0;  dv = dy[index]
        tangent    y' = x', but y'[index] = v'

    Shapes: v is a number or broadcasts to x[index], and receives the sum over its copies. An index that names an
    element twice leaves it open which value stays, and gives the gradient to each, as torch does. Saves index tensors.
    """

    opmath = False

    @staticmethod
    def forward(x: Tensor, value: Any, index: tuple[Any, ...], *tensors: Tensor) -> Tensor:
        return _replaced(x, _filled(index, tensors), value)

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Any, ...], output: Tensor) -> None:
        _, value, ctx.index, *tensors = inputs
        save(ctx, *tensors)
        ctx.value_shape = value.shape if isinstance(value, Tensor) else None
        ctx.value_is_real = not (isinstance(value, Tensor) and value.is_complex())
        ctx.shape, ctx.dtype = output.shape, output.dtype

    @staticmethod
    def backward(ctx: Any, dy: Tensor) -> tuple[Tensor | None, ...]:
        tensors = ctx.saved_tensors
        index = _filled(ctx.index, tensors)
        needs_x, needs_value, *_ = ctx.needs_input_grad
        dx = _replaced(dy, index, 0) if needs_x else None
        dvalue = None
        if needs_value:
            picked = dy[index].real if ctx.value_is_real and dy.is_complex() else dy[index]
            leading = max(len(ctx.value_shape) - picked.dim(), 0)  # v may have ones in front that x[index] has not
            dvalue = unbroadcast(picked, ctx.value_shape[leading:]).reshape(ctx.value_shape)
        return dx, dvalue, None, *(None for _ in tensors)

    @staticmethod
    def jvp(ctx: Any, x_t: Tensor | None, value_t: Any, *_: None) -> Tensor:
        if x_t is None:
            x_t = value_t.new_zeros(ctx.shape, dtype=ctx.dtype)
        return _replaced(x_t, _filled(ctx.index, ctx.saved_tensors), 0 if value_t is None else value_t)


_TENSOR = "tensor"  # stands in an index for an index tensor, which is an argument of its own, as autograd and vmap need


def _emptied(index: Any) -> tuple[tuple[Any, ...], list[Tensor]]:
    """`index` as a tuple with its tensors taken out, and the tensors."""
    entries = index if isinstance(index, tuple) else (index,)
    if any(isinstance(entry, str) for entry in entries):
        raise TypeError(f"getitem: index must be made of numbers, slices, ..., None and tensors, got {index!r}")
    tensors = [entry for entry in entries if isinstance(entry, Tensor)]
    return tuple(_TENSOR if isinstance(entry, Tensor) else _own(entry) for entry in entries), tensors


def _own(entry: Any) -> Any:
    """`entry`, copied if it is a list, which others may change before the gradient comes."""
    return [_own(part) for part in entry] if isinstance(entry, list) else entry


def _filled(index: tuple[Any, ...], tensors: Sequence[Tensor]) -> tuple[Any, ...]:
    """The inverse of `_emptied`."""
    rest = iter(tensors)
    return tuple(next(rest) if isinstance(entry, str) else entry for entry in index)


def _picks_once(index: tuple[Any, ...]) -> bool:
    """Whether `index` is made of whole numbers, slices, None and Ellipsis, and so picks no element twice."""
    plain = (int, slice, type(None), type(...))
    return all(isinstance(entry, plain) and not isinstance(entry, bool) for entry in index)


def _replaced(x: Tensor, index: tuple[Any, ...], value: Any) -> Tensor:
    """A copy of `x` with `value` at `index`. The copy must have the batch that vmap gave to `value`, hence the zero."""
    y = x - value.new_zeros((), dtype=x.dtype) if isinstance(value, Tensor) and x.is_floating_point() else x.clone()
    y[index] = value
    return y


@public
def getitem(input: Tensor, index: Any) -> Tensor:
    """`input[index]`, for every index that torch takes. Same values and gradients as torch's.

    >>> import torch
    >>> x = torch.zeros(4, requires_grad=True)
    >>> getitem(x, torch.tensor([0, 2, 2])).sum().backward()
    >>> x.grad
    tensor([1., 0., 2., 0.])
    """
    entries, tensors = _emptied(index)
    return call(GetitemFunction, input, entries, *tensors)


@public
def setitem(input: Tensor, index: Any, value: Tensor | float) -> Tensor:
    """A copy of `input` in which `copy[index] = value` was said. Same values and gradients as torch's.

    >>> import torch
    >>> v = torch.tensor(5.0, requires_grad=True)
    >>> y = setitem(torch.zeros(3), slice(1, None), v)
    >>> y.sum().backward()
    >>> y.detach(), v.grad
    (tensor([0., 5., 5.]), tensor(2.))
    """
    entries, tensors = _emptied(index)
    return call(SetitemFunction, input, value, entries, *tensors)


@public
def select(input: Tensor, dim: int, index: int) -> Tensor:
    """The slice number `index` of dimension `dim`, which the result lacks. Same as `torch.select`.

    >>> import torch
    >>> select(torch.tensor([[1.0, 2.0], [3.0, 4.0]]), 1, 0)
    tensor([1., 3.])
    """
    return call(GetitemFunction, input, (*_before(input, dim), operator.index(index)))


@public
def narrow(input: Tensor, dim: int, start: int, length: int) -> Tensor:
    """`length` slices of dimension `dim`, from number `start` on. Same as `torch.narrow`.

    Raises IndexError where there is no such dimension or start, RuntimeError where there are not as many slices.

    >>> import torch
    >>> narrow(torch.arange(5.0), 0, 1, 3)
    tensor([1., 2., 3.])
    """
    before = _before(input, dim)
    size = input.shape[dim]
    start = operator.index(start)
    if not -size <= start <= size:
        raise IndexError(
            f"narrow: start must be between {-size} and {size} for shape {tuple(input.shape)}, got {start}"
        )
    start += size if start < 0 else 0
    if length < 0 or start + length > size:
        raise RuntimeError(
            f"narrow: length {length} from {start} on does not fit the size {size} of dimension {dim} "
            f"of shape {tuple(input.shape)}"
        )
    return call(GetitemFunction, input, (*before, slice(start, start + length)))


def _before(input: Tensor, dim: int) -> tuple[slice, ...]:
    """The index that leaves the dimensions before `dim` alone."""
    if not -input.dim() <= dim < input.dim():
        raise IndexError(f"dim {dim} is out of range for a tensor of shape {tuple(input.shape)}")
    return (slice(None),) * (dim % input.dim())
