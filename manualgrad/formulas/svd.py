r"""Singular value decomposition, without the singular vectors of the values that a matrix has not.

    forward    u, s, v  with  x = u diag(s) v,  u^T u = v v^T = 1,  s in order of size
    backward   dx = u (a diag(s) + diag(s) b + diag(ds)) v,  a = skew(u^T du) / e,  b = skew(v dv^T) / e
               and, outside of the singular vectors, + (1 - u u^T) du s^-1 v + u s^-1 dv (1 - v^T v)
    tangent    s' = diagonal of p,  p = u^T x' v^T
               u' = u (q diag(s) + diag(s) q^T) / e,  v' = ((diag(s) q + q^T diag(s)) / e)^T v,  q = p - diag(s')
               and, outside of the singular vectors, + (1 - u u^T) x' v^T s^-1 and s^-1 u^T x' (1 - v^T v)

Here e_ij = s_j^2 - s_i^2 off the diagonal, and skew(z) = z - z^T. Where two singular values are equal, or one is 0, the
singular vectors have no derivative: it is infinite, or no number; the singular values do have theirs.
Shapes: x (..., m, n), u (..., m, k), s (..., k), v (..., k, n), k the smaller of m and n. Saves u, s and v. Real
numbers only: complex singular vectors are known up to a phase.
Source: Townsend (2016), Differentiating the singular value decomposition.
"""

from typing import Any

import torch
from torch import Tensor

from manualgrad.formula import Formula, FormulaError, call, save
from manualgrad.public import public

_linalg_svd: Any = getattr(torch.return_types, "linalg_svd")  # of which torch's annotations know nothing  # noqa: B009


class SvdFunction(Formula):
    complex = "refused"

    @staticmethod
    def forward(x: Tensor, driver: str | None) -> tuple[Tensor, Tensor, Tensor]:
        u, s, v = torch.linalg.svd(x, full_matrices=False, driver=driver)
        return u, s, v

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Tensor, str | None], output: tuple[Tensor, Tensor, Tensor]) -> None:
        save(ctx, *output)
        ctx.set_materialize_grads(False)

    @staticmethod
    def backward(ctx: Any, du: Tensor | None, ds: Tensor | None, dv: Tensor | None) -> tuple[Tensor | None, None]:
        u, s, v = ctx.saved_tensors
        if du is None and ds is None and dv is None:
            return None, None
        column, row = s.unsqueeze(-1), s.unsqueeze(-2)
        inner = torch.diag_embed(torch.zeros_like(s) if ds is None else ds)
        if du is not None:
            inner = inner + _skew(u.mT @ du) / _gaps(s) * row
        if dv is not None:
            inner = inner + column * (_skew(v @ dv.mT) / _gaps(s))
        dx = u @ inner @ v
        if du is not None and u.shape[-2] > u.shape[-1]:
            dx = dx + (du - u @ (u.mT @ du)) / row @ v
        if dv is not None and v.shape[-1] > v.shape[-2]:
            dx = dx + u @ ((dv - dv @ v.mT @ v) / column)
        return dx, None

    @staticmethod
    def jvp(ctx: Any, x_t: Tensor, _: None) -> tuple[Tensor, Tensor, Tensor]:
        u, s, v = ctx.saved_tensors
        column, row = s.unsqueeze(-1), s.unsqueeze(-2)
        left, right = x_t @ v.mT, u.mT @ x_t
        p = u.mT @ left
        s_t = p.diagonal(0, -2, -1)
        q = p - torch.diag_embed(s_t)
        u_t = u @ ((q * row + column * q.mT) / _gaps(s))
        v_t = ((column * q + q.mT * row) / _gaps(s)).mT @ v
        if u.shape[-2] > u.shape[-1]:
            u_t = u_t + (left - u @ p) / row
        if v.shape[-1] > v.shape[-2]:
            v_t = v_t + (right - p @ v) / column
        return u_t, s_t.clone(), v_t


def _skew(z: Tensor) -> Tensor:
    return z - z.mT


def _gaps(s: Tensor) -> Tensor:
    """e, infinite on the diagonal."""
    squares = s.square()
    return squares.unsqueeze(-2) - squares.unsqueeze(-1) + torch.diag_embed(torch.full_like(s, torch.inf))


@public
def svd(input: Tensor, full_matrices: bool = True, *, driver: str | None = None) -> Any:
    """The singular value decomposition of matrices (..., m, n). Same values and gradients as `torch.linalg.svd`.

    NotImplementedError for complex matrices, FormulaError for `full_matrices` of a matrix that is not square.

    >>> import torch
    >>> x = torch.tensor([[3.0, 0.0], [0.0, 2.0]], requires_grad=True)
    >>> svd(x).S[0].backward()
    >>> x.grad
    tensor([[1., 0.],
            [0., 0.]])
    """
    if full_matrices and input.shape[-1] != input.shape[-2]:
        raise FormulaError(
            f"svd: there is no formula for full_matrices=True and {tuple(input.shape)}, which is not square"
        )
    return _linalg_svd(call(SvdFunction, input, driver))
