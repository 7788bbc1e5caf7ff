r"""QR decomposition of a matrix with no more columns than rows.

    forward    q, r  with  x = q r,  q^H q = 1,  r upper triangular
    backward   dx = (dq + q (t + t^H, its diagonal halved)) r^-H,  t = upper triangle of dr r^H - q^H dq
    tangent    r' = a r,  q' = x' r^-1 - q a,  a = upper triangle of p + p^H, its diagonal halved,  p = q^H x' r^-1

Shapes: x (..., m, n), q (..., m, n), r (..., n, n), m >= n. Saves q and r.
Source: Walter & Lehmann (2013), Algorithmic differentiation of linear algebra functions, sec. 3.2; Roberts & Roberts
(2020), QR and LQ decomposition matrix backpropagation algorithms.
"""

from typing import Any

import torch
from torch import Tensor

from manualgrad.formula import Formula, FormulaError, call, save
from manualgrad.public import public

_linalg_qr: Any = getattr(torch.return_types, "linalg_qr")  # of which torch's annotations know nothing  # noqa: B009


class QrFunction(Formula):
    @staticmethod
    def forward(x: Tensor, mode: str) -> tuple[Tensor, Tensor]:
        q, r = torch.linalg.qr(x, mode)
        return q, r

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Tensor, str], output: tuple[Tensor, Tensor]) -> None:
        save(ctx, *output)

    @staticmethod
    def backward(ctx: Any, dq: Tensor, dr: Tensor) -> tuple[Tensor, None]:
        q, r = ctx.saved_tensors
        t = (dr @ r.mH - q.mH @ dq).triu()
        both = t + t.mH
        both = both - torch.diag_embed(t.diagonal(0, -2, -1).real.to(t.dtype))
        return torch.linalg.solve_triangular(r.mH, dq + q @ both, upper=False, left=False), None

    @staticmethod
    def jvp(ctx: Any, x_t: Tensor, _: None) -> tuple[Tensor, Tensor]:
        q, r = ctx.saved_tensors
        moved = torch.linalg.solve_triangular(r, x_t, upper=True, left=False)
        p = q.mH @ moved
        a = (p + p.mH).triu()
        a = a - torch.diag_embed(a.diagonal(0, -2, -1) / 2)
        return moved - q @ a, a @ r


@public
def qr(input: Tensor, mode: str = "reduced") -> Any:
    """The QR decomposition of matrices (..., m, n) with m >= n. Same values and gradients as `torch.linalg.qr`.

    mode is "reduced" or, for a square matrix, "complete". FormulaError for others and for m < n.

    >>> import torch
    >>> x = torch.tensor([[2.0]], requires_grad=True)
    >>> qr(x).R.abs().backward()
    >>> x.grad
    tensor([[1.]])
    """
    m, n = input.shape[-2:]
    if m < n or mode not in ("reduced", "complete") or (mode == "complete" and m != n):
        raise FormulaError(f"qr: there is no formula for mode {mode!r} and {tuple(input.shape)}")
    return _linalg_qr(call(QrFunction, input, mode))
