"""Products of tensors that are a matrix product, or an outer one, after the dimensions are put in order.

Source: what torch's documentation says of each; for the order of a chain, Cormen et al., Introduction to Algorithms.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Sequence
from typing import Any

from torch import Tensor

from manualgrad.compositions.combined import outer
from manualgrad.formulas.arithmetic import add, mul
from manualgrad.formulas.conj import conj
from manualgrad.formulas.joining import cat
from manualgrad.formulas.matmul import bmm, matmul, mv
from manualgrad.formulas.products import cumprod
from manualgrad.formulas.reductions import sum
from manualgrad.formulas.repeating import broadcast_to
from manualgrad.formulas.reshaping import reshape, unsqueeze
from manualgrad.formulas.transposing import permute
from manualgrad.public import public


@public
def tensordot(a: Tensor, b: Tensor, dims: Any = 2) -> Tensor:
    """The sum of products over dimensions of both: the last of a and the first of b, or those that `dims` tells.

    forward    y  = sum of a b over the dimensions that are paired
    backward   da = sum of dy b over those of b that are not,  db = sum of dy a over those of a that are not
    tangent    y' = sum of a' b + sum of a b'

    `dims` is a number of dimensions, or a list of them for each tensor. Shapes: y has the dimensions of a that are not
    paired, then those of b. Saves a and b. Same values and gradients as `torch.tensordot`, RuntimeError for paired
    dimensions of different sizes.

    >>> import torch
    >>> tensordot(torch.ones(2, 3), torch.ones(3, 4), dims=1).unique()
    tensor([3.])
    """
    if isinstance(dims, Tensor):
        dims = dims.tolist()
    if isinstance(dims, int):
        dims = range(a.dim() - dims, a.dim()), range(dims)
    first, second = ([part] if isinstance(part, int) else part for part in dims)
    of_a, of_b = [d % a.dim() for d in first], [d % b.dim() for d in second]
    if len(of_a) != len(of_b):
        raise RuntimeError(f"tensordot: dims must pair dimensions, got {of_a} and {of_b}")
    for da, db in zip(of_a, of_b, strict=True):
        if a.shape[da] != b.shape[db]:
            if 1 not in (a.shape[da], b.shape[db]):
                raise RuntimeError(
                    f"tensordot: dimension {da} of {tuple(a.shape)} and {db} of {tuple(b.shape)} must be of one size"
                )
            a, b = (sum(a, da, True), b) if b.shape[db] == 1 else (a, sum(b, db, True))
    free_a, free_b = [d for d in range(a.dim()) if d not in of_a], [d for d in range(b.dim()) if d not in of_b]
    left, right = [a.shape[d] for d in free_a], [b.shape[d] for d in free_b]
    k = math.prod([a.shape[d] for d in of_a])
    x = reshape(permute(a, [*free_a, *of_a]), (math.prod(left), k))
    w = reshape(permute(b, [*of_b, *free_b]), (k, math.prod(right)))
    return reshape(matmul(x, w), [*left, *right])


@public
def inner(input: Tensor, other: Tensor) -> Tensor:
    """The inner products of the last dimensions; a number multiplies. Same values and gradients as `torch.inner`.

    >>> import torch
    >>> inner(torch.tensor([1.0, 2.0]), torch.tensor([3.0, 4.0]))
    tensor(11.)
    """
    if not input.dim() or not other.dim():
        return mul(input, other)
    if input.shape[-1] != other.shape[-1]:
        raise RuntimeError(f"inner: the last sizes must be equal, got {tuple(input.shape)} and {tuple(other.shape)}")
    return tensordot(input, other, ([-1], [-1]))


@public
def vecdot(x: Tensor, y: Tensor, *, dim: int = -1) -> Tensor:
    """The inner products along `dim`, of the conjugate of x. Same values and gradients as `torch.linalg.vecdot`.

    >>> import torch
    >>> vecdot(torch.ones(2, 3), torch.ones(2, 3))
    tensor([3., 3.])
    """
    if not isinstance(y, Tensor):
        raise TypeError("y must be a tensor")
    return sum(mul(conj(x) if x.is_complex() else x, y), dim)


@public
def kron(input: Tensor, other: Tensor) -> Tensor:
    """Each element of one tensor times the whole of another, in blocks. Same values and gradients as `torch.kron`.

    forward    y  = the blocks x_i other
    backward   dx_i = sum of dy other over the block,  dother = sum of x_i dy over the blocks
    tangent    y' = the blocks x'_i other + x_i other'

    Shapes: the sizes are multiplied; the tensor with fewer dimensions has sizes of 1 in front. Saves both.

    >>> import torch
    >>> kron(torch.tensor([1.0, 10.0]), torch.tensor([1.0, 2.0]))
    tensor([ 1.,  2., 10., 20.])
    """
    dims = max(input.dim(), other.dim())
    of_x, of_other = [[1] * (dims - x.dim()) + list(x.shape) for x in (input, other)]
    x = reshape(input, [size for n in of_x for size in (n, 1)])
    y = mul(x, reshape(other, [size for n in of_other for size in (1, n)]))
    return reshape(y, [n * m for n, m in zip(of_x, of_other, strict=True)])


@public
def multi_dot(tensors: Sequence[Tensor]) -> Tensor:
    """The product of several matrices, in the order that costs least. Same as `torch.linalg.multi_dot`.

    The first may be a row, the last a column, given as vectors. RuntimeError for fewer than two tensors.

    >>> import torch
    >>> multi_dot([torch.ones(2, 3), torch.ones(3, 4), torch.ones(4)])
    tensor([12., 12.])
    """
    chain = list(tensors)
    if len(chain) < 2:
        raise RuntimeError(f"multi_dot: there must be two matrices or more, got {len(chain)}")
    if any(x.dim() != 2 for x in chain[1:-1]) or not {chain[0].dim(), chain[-1].dim()} <= {1, 2}:
        raise RuntimeError(f"multi_dot: tensors must be matrices, got shapes {[tuple(x.shape) for x in chain]}")
    rows = [1, chain[0].shape[0]] if chain[0].dim() == 1 else list(chain[0].shape)
    sizes = [*rows, *(x.shape[1] if x.dim() == 2 else 1 for x in chain[1:])]

    @functools.cache
    def cheapest(first: int, last: int) -> tuple[int, int]:
        """The cost of the product of these matrices, and where to cut it in two."""
        if first == last:
            return 0, first
        costs = [
            (cheapest(first, k)[0] + cheapest(k + 1, last)[0] + sizes[first] * sizes[k + 1] * sizes[last + 1], k)
            for k in range(first, last)
        ]
        return min(costs)

    def product(first: int, last: int) -> Tensor:
        if first == last:
            return chain[first]
        k = cheapest(first, last)[1]
        return matmul(product(first, k), product(k + 1, last))

    return product(0, len(chain) - 1)


@public
def chain_matmul(*matrices: Tensor) -> Tensor:
    """The product of several matrices; `multi_dot` by an older name. Same as `torch.chain_matmul`.

    >>> import torch
    >>> chain_matmul(torch.ones(2, 3), torch.ones(3, 1))
    tensor([[3.],
            [3.]])
    """
    return multi_dot(matrices) if len(matrices) > 1 else matrices[0]


@public
def addmv(input: Tensor, mat: Tensor, vec: Tensor, *, beta: float = 1, alpha: float = 1) -> Tensor:
    """`beta * input + alpha * (mat @ vec)`. Same values and gradients as `torch.addmv`.

    >>> import torch
    >>> addmv(torch.ones(2), torch.ones(2, 3), torch.ones(3), beta=2)
    tensor([5., 5.])
    """
    return _added(input, mv(mat, vec), beta, alpha)


@public
def addr(input: Tensor, vec1: Tensor, vec2: Tensor, *, beta: float = 1, alpha: float = 1) -> Tensor:
    """`beta * input + alpha * outer(vec1, vec2)`. Same values and gradients as `torch.addr`.

    >>> import torch
    >>> addr(torch.ones(2, 2), torch.ones(2), torch.ones(2), alpha=3).unique()
    tensor([4.])
    """
    return _added(input, outer(vec1, vec2), beta, alpha)


@public
def addbmm(input: Tensor, batch1: Tensor, batch2: Tensor, *, beta: float = 1, alpha: float = 1) -> Tensor:
    """`beta * input + alpha *` the sum of the products of two batches of matrices. Same as `torch.addbmm`.

    >>> import torch
    >>> addbmm(torch.ones(2, 2), torch.ones(5, 2, 3), torch.ones(5, 3, 2)).unique()
    tensor([16.])
    """
    return _added(input, sum(bmm(batch1, batch2), 0), beta, alpha)


def _added(input: Tensor, product: Tensor, beta: float, alpha: float) -> Tensor:
    """beta * input + alpha * product, in the shape of the product; with beta 0 the input does not count, NaN or not."""
    product = product if alpha == 1 else mul(product, alpha)
    if beta == 0:
        return product
    return add(broadcast_to(input if beta == 1 else mul(input, beta), product.shape), product)


@public
def vander(x: Tensor, *, N: int | None = None) -> Tensor:  # torch's name
    """The powers 0 to N - 1 of each element, in a last dimension. Same as `torch.linalg.vander`.

    >>> import torch
    >>> vander(torch.tensor([2.0, 3.0]), N=3)
    tensor([[1., 2., 4.],
            [1., 3., 9.]])
    """
    x = x if x.dim() else reshape(x, (1,))
    count = x.shape[-1] if N is None else N
    if N is not None and N < 2:
        raise RuntimeError(f"vander: N must be greater than 1, got {N}")
    factors = broadcast_to(unsqueeze(x, -1), (*x.shape, max(count - 1, 0)))
    return cumprod(cat([x.new_ones(*x.shape, 1), factors], -1), -1)
