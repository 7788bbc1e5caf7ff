r"""Eigenvalues and eigenvectors of a symmetric, or Hermitian, matrix.

    forward    w, v  with  x v = v diag(w),  the eigenvalues in order of size
    backward   dx = v (diag(dw) + (z + z^H) / 2) v^H,  z = (v^H dv) / e,  e_ij = w_j - w_i, off the diagonal
    tangent    w' = diagonal of p,  v' = v (p / e),  p = v^H x' v

The gradient is symmetric, as x is. Where two eigenvalues are equal their eigenvectors have no derivative: it is
infinite, or no number.
Shapes: x, v (..., n, n), w (..., n). Saves w and v. Real numbers only: complex eigenvectors are known up to a phase.
Source: Giles (2008), An extended collection of matrix derivative results for forward and reverse mode AD, sec. 3.1.
"""

from typing import Any

import torch
from torch import Tensor

from manualgrad.formula import Formula, call, save
from manualgrad.public import public

_linalg_eigh: Any = getattr(torch.return_types, "linalg_eigh")  # of which torch's annotations know nothing  # noqa: B009


class EighFunction(Formula):
    complex = "refused"

    @staticmethod
    def forward(x: Tensor, UPLO: str) -> tuple[Tensor, Tensor]:  # torch's name
        w, v = torch.linalg.eigh(x, UPLO)
        return w, v

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Tensor, str], output: tuple[Tensor, Tensor]) -> None:
        save(ctx, *output)
        ctx.set_materialize_grads(False)

    @staticmethod
    def backward(ctx: Any, dw: Tensor | None, dv: Tensor | None) -> tuple[Tensor | None, None]:
        w, v = ctx.saved_tensors
        if dw is None and dv is None:
            return None, None
        inner = torch.diag_embed(torch.zeros_like(w) if dw is None else dw)
        if dv is not None:
            z = _off_diagonal(v.mH @ dv, w)
            inner = inner + (z + z.mH) / 2
        return v @ inner @ v.mH, None

    @staticmethod
    def jvp(ctx: Any, x_t: Tensor, _: None) -> tuple[Tensor, Tensor]:
        w, v = ctx.saved_tensors
        p = v.mH @ x_t @ v
        return p.diagonal(0, -2, -1).clone(), v @ _off_diagonal(p, w)


def _off_diagonal(p: Tensor, w: Tensor) -> Tensor:
    """p / e, and 0 on the diagonal."""
    infinite = torch.diag_embed(torch.full_like(w, torch.inf))
    return p / (w.unsqueeze(-2) - w.unsqueeze(-1) + infinite)


@public
def eigh(input: Tensor, UPLO: str = "L") -> Any:  # torch's name
    """Eigenvalues and eigenvectors of symmetric matrices (..., n, n). Same as `torch.linalg.eigh`.

    `UPLO` says which triangle is read, "L" or "U". NotImplementedError for complex matrices.

    >>> import torch
    >>> x = torch.tensor([[2.0, 0.0], [0.0, 1.0]], requires_grad=True)
    >>> w, _ = eigh(x)
    >>> w[0].backward()
    >>> w.detach(), x.grad
    (tensor([1., 2.]), tensor([[0., 0.],
            [0., 1.]]))
    """
    return _linalg_eigh(call(EighFunction, input, UPLO))
