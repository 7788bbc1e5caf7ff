"""Rows of attention."""

from typing import Any

import torch
from torch import Tensor
from torch.nn.attention import SDPBackend, sdpa_kernel

from manualgrad import functional as F
from manualgrad.catalogue.row import Draw, Row, fixed, normal, sample
from manualgrad.formulas.attention import ScaledDotProductAttentionFunction


def boolean(*shape: int) -> Draw:
    """True in two places of three, with one row of False; no gradient."""

    def make(g: torch.Generator, _: torch.dtype) -> Tensor:
        mask = torch.rand(shape, generator=g) > 1 / 3
        mask[..., 0, :] = False
        return mask

    return Draw(make, differentiable=False)


def composed_attention(*args: Any, **keywords: Any) -> Tensor:
    """torch's attention from ordinary operations: its fused kernel has no second and no forward-mode derivative."""
    with sdpa_kernel(SDPBackend.MATH):
        return torch.nn.functional.scaled_dot_product_attention(*args, **keywords)


ROWS: tuple[Row, ...] = (
    Row(
        F.scaled_dot_product_attention,
        composed_attention,
        ScaledDotProductAttentionFunction,
        samples=(
            sample(normal(3, 2), normal(4, 2), normal(4, 3)),
            sample(normal(2, 3, 2), normal(2, 3, 2), normal(2, 3, 1), is_causal=True),
            sample(normal(3, 1), normal(2, 1), normal(2, 2), attn_mask=boolean(3, 2)),
            sample(normal(2, 2, 4, 3), normal(2, 2, 5, 3), normal(2, 2, 5, 6)),
            sample(normal(2, 4, 3), normal(2, 5, 3), normal(2, 5, 3), attn_mask=normal(4, 5), scale=0.3),
            sample(normal(2, 4, 3), normal(2, 5, 3), normal(2, 5, 3), attn_mask=normal(2, 1, 5)),
            sample(normal(2, 4, 4, 3), normal(2, 2, 5, 3), normal(2, 2, 5, 3), enable_gqa=True),
            sample(normal(0, 4, 3), normal(0, 5, 3), normal(0, 5, 3)),
        ),
        extremes=(sample(fixed([[1e4, -1e4]]), fixed([[1e2, 1e2], [3e2, -1e2]]), normal(2, 2)),),
        realistic=sample(normal(4, 8, 256, 64), normal(4, 8, 256, 64), normal(4, 8, 256, 64)),
    ),
)
