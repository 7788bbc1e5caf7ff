r"""Matrix products: matmul and its kin by number of dimensions (mm, bmm, mv, dot), addmm and baddbmm.

    forward    y  = x w                 y_ij = sum over k of x_ik w_kj
    backward   dx = dy w^T
               dw = x^T dy
    tangent    y' = x' w + x w'

Source: Giles (2008), An extended collection of matrix derivative results for forward and reverse mode AD, sec. 2.2.1.
"""

import math
from typing import Any

import torch
from torch import Tensor

from manualgrad.formula import Formula, call, save, unbroadcast
from manualgrad.public import public


class MatmulFunction(Formula):
    r"""Matrix product.

        forward    y  = x w                 y_ij = sum over k of x_ik w_kj
        backward   dx = dy w^T,  dw = x^T dy
        tangent    y' = x' w + x w'

    Shapes: x (..., n, k), w (..., k, m), y (..., n, m). The leading dimensions broadcast, and an operand that was
    repeated receives the sum over its copies; a vector x (k) is a row, a vector w (k) a column.
    Saves x and w: each is the other's slope.
    """

    complex = "holomorphic"
    autocast = "lower"
    opmath = False

    @staticmethod
    def forward(x: Tensor, other: Tensor) -> Tensor:
        return torch.matmul(x, other)

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Tensor, Tensor], output: Tensor) -> None:
        save(ctx, *inputs)

    @staticmethod
    def backward(ctx: Any, dy: Tensor) -> tuple[Tensor | None, Tensor | None]:
        x, w = ctx.saved_tensors
        needs_x, needs_w = ctx.needs_input_grad
        if x.dim() == 2 and w.dim() == 2:
            return dy.mm(w.t()) if needs_x else None, x.t().mm(dy) if needs_w else None
        x_shape, w_shape = x.shape, w.shape
        if w.dim() == 1:  # a column
            w, dy = w.unsqueeze(-1), dy.unsqueeze(-1)
        if x.dim() == 1:  # a row
            x, dy = x.unsqueeze(0), dy.unsqueeze(-2)
        dx = dw = None
        if needs_x:
            dx = unbroadcast(dy @ w.mT, x.shape).reshape(x_shape)
        if needs_w and w.dim() == 2:  # one matrix for the whole batch: one product sums over it
            rows = math.prod(x.shape[:-1])
            dw = (x.reshape(rows, x.shape[-1]).t() @ dy.reshape(rows, dy.shape[-1])).reshape(w_shape)
        elif needs_w:
            dw = unbroadcast(x.mT @ dy, w.shape)
        return dx, dw

    @staticmethod
    def jvp(ctx: Any, x_t: Tensor | None, other_t: Tensor | None) -> Tensor:
        x, w = ctx.saved_tensors
        y_t: Any = None if x_t is None else x_t @ w
        if other_t is None:
            return y_t
        return x @ other_t if y_t is None else y_t + x @ other_t


class MvFunction(MatmulFunction):
    r"""Matrix times vector.

        forward    y  = x w                 y_i = sum over k of x_ik w_k
        backward   dx_ik = dy_i w_k,  dw = x^T dy
        tangent    y' = x' w + x w'

    Shapes: x (n, k), w (k), y (n). Saves x and w: each is the other's slope.
    """

    autocast = "lower on cuda"

    @staticmethod
    def forward(x: Tensor, other: Tensor) -> Tensor:
        return torch.mv(x, other)


class DotFunction(MatmulFunction):
    r"""Inner product.

        forward    y  = x w                 the sum over k of x_k w_k
        backward   dx = dy w,  dw = dy x
        tangent    y' = x' w + x w'

    Shapes: x (k), w (k), y (). Saves x and w: each is the other's slope.
    """

    autocast = "promote on cuda"

    @staticmethod
    def forward(x: Tensor, other: Tensor) -> Tensor:
        return torch.dot(x, other)


class AddmmFunction(Formula):
    r"""Matrix product of two matrices, or of two batches of them, added to something.

        forward    y  = beta a + alpha x w
        backward   da = beta dy,  dx = alpha dy w^T,  dw = alpha x^T dy
        tangent    y' = beta a' + alpha (x' w + x w')

    Shapes: x (n, k), w (k, m), y (n, m), or each with a leading batch dimension; a broadcasts to y. Saves x and w.
    """

    complex = "holomorphic"
    autocast = "lower"
    opmath = False

    @staticmethod
    def forward(a: Tensor, x: Tensor, w: Tensor, beta: float, alpha: float) -> Tensor:
        product = torch.addmm if x.dim() == 2 else torch.baddbmm
        return product(a, x, w, beta=beta, alpha=alpha)

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Tensor, Tensor, Tensor, float, float], output: Tensor) -> None:
        a, x, w, ctx.beta, ctx.alpha = inputs
        save(ctx, x, w)
        ctx.a_shape = a.shape

    @staticmethod
    def backward(ctx: Any, dy: Tensor) -> tuple[Tensor | None, Tensor | None, Tensor | None, None, None]:
        x, w = ctx.saved_tensors
        needs_a, needs_x, needs_w, _, _ = ctx.needs_input_grad
        da = unbroadcast(dy, ctx.a_shape) * ctx.beta if needs_a else None
        dx = (dy @ w.mT) * ctx.alpha if needs_x else None
        dw = (x.mT @ dy) * ctx.alpha if needs_w else None
        return da, dx, dw, None, None

    @staticmethod
    def jvp(ctx: Any, a_t: Tensor | None, x_t: Tensor | None, w_t: Tensor | None, *_: None) -> Tensor:
        x, w = ctx.saved_tensors
        y_t = 0.0 if x_t is None else ctx.alpha * (x_t @ w)
        if w_t is not None:
            y_t = y_t + ctx.alpha * (x @ w_t)
        if a_t is not None:
            y_t = y_t + ctx.beta * a_t
        if isinstance(y_t, Tensor) and (x_t is not None or w_t is not None):
            return y_t
        return y_t.expand(*x.shape[:-1], w.shape[-1])  # type: ignore[union-attr]  # only a moved


def _dimensions(name: str, tensors: dict[str, Tensor], *expected: int) -> None:
    for (argument, tensor), dims in zip(tensors.items(), expected, strict=True):
        if tensor.dim() != dims:
            raise RuntimeError(f"{name}: {argument} must have {dims} dimensions, got shape {tuple(tensor.shape)}")


def matmul(input: Tensor, other: Tensor) -> Tensor:
    """`input @ other`: vectors, matrices, and batches of matrices that broadcast. Same gradients as `torch.matmul`.

    >>> import torch
    >>> x, w = torch.ones(2, 3), torch.zeros(3, 4, requires_grad=True)
    >>> matmul(x, w).sum().backward()
    >>> w.grad.unique()
    tensor([2.])
    """
    return call(MatmulFunction, input, other)


@public
def mm(input: Tensor, mat2: Tensor) -> Tensor:
    """The product of two matrices. Same values and gradients as `torch.mm`; RuntimeError for other than two dimensions.

    >>> import torch
    >>> mm(torch.ones(2, 3), torch.ones(3, 4)).shape
    torch.Size([2, 4])
    """
    _dimensions("mm", {"input": input, "mat2": mat2}, 2, 2)
    return call(MatmulFunction, input, mat2)


@public
def bmm(input: Tensor, mat2: Tensor) -> Tensor:
    """The products of two batches of matrices, of the same length. Same values and gradients as `torch.bmm`.

    Raises RuntimeError for other than three dimensions, or batches of different lengths.

    >>> import torch
    >>> bmm(torch.ones(5, 2, 3), torch.ones(5, 3, 4)).shape
    torch.Size([5, 2, 4])
    """
    _dimensions("bmm", {"input": input, "mat2": mat2}, 3, 3)
    if input.shape[0] != mat2.shape[0]:
        raise RuntimeError(f"bmm: batches of different lengths, {tuple(input.shape)} and {tuple(mat2.shape)}")
    return call(MatmulFunction, input, mat2)


@public
def mv(input: Tensor, vec: Tensor) -> Tensor:
    """A matrix times a vector. Same values and gradients as `torch.mv`; RuntimeError for other dimensions.

    >>> import torch
    >>> mv(torch.ones(2, 3), torch.ones(3))
    tensor([3., 3.])
    """
    _dimensions("mv", {"input": input, "vec": vec}, 2, 1)
    return call(MvFunction, input, vec)


@public
def dot(input: Tensor, tensor: Tensor) -> Tensor:
    """The inner product of two vectors. Same values and gradients as `torch.dot`; RuntimeError for other dimensions.

    >>> import torch
    >>> dot(torch.ones(3), torch.ones(3))
    tensor(3.)
    """
    _dimensions("dot", {"input": input, "tensor": tensor}, 1, 1)
    return call(DotFunction, input, tensor)


@public
def addmm(input: Tensor, mat1: Tensor, mat2: Tensor, *, beta: float = 1, alpha: float = 1) -> Tensor:
    """`beta * input + alpha * (mat1 @ mat2)` for matrices. Same values and gradients as `torch.addmm`.

    Raises RuntimeError for matrices of other than two dimensions.

    >>> import torch
    >>> addmm(torch.ones(4), torch.ones(2, 3), torch.ones(3, 4), beta=2).unique()
    tensor([5.])
    """
    _dimensions("addmm", {"mat1": mat1, "mat2": mat2}, 2, 2)
    return call(AddmmFunction, input, mat1, mat2, beta, alpha)


@public
def baddbmm(input: Tensor, batch1: Tensor, batch2: Tensor, *, beta: float = 1, alpha: float = 1) -> Tensor:
    """`beta * input + alpha * (batch1 @ batch2)` for batches of matrices. Same values and gradients as `torch.baddbmm`.

    Raises RuntimeError for batches of other than three dimensions.

    >>> import torch
    >>> baddbmm(torch.ones(4), torch.ones(5, 2, 3), torch.ones(5, 3, 4)).unique()
    tensor([4.])
    """
    _dimensions("baddbmm", {"batch1": batch1, "batch2": batch2}, 3, 3)
    return call(AddmmFunction, input, batch1, batch2, beta, alpha)
