"""torch's own kernels of layers and losses, which TorchScript's and other generated code calls."""

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from manualgrad import functional as F


def _in_order(function: Callable[..., Any], names: str) -> Callable[..., Any]:
    """`function` as torch's own kernels are called: their order of arguments, the reduction 0, 1 or 2.

    A name in brackets is an argument that says which library is to compute, and is left out.
    """
    order = names.split()

    def spelled(*args: Any, **keywords: Any) -> Any:
        named = dict(zip(order, args, strict=False)) | keywords
        given = {name: v for name, v in named.items() if f"[{name.strip('[]')}]" not in order}
        if isinstance(given.get("reduction"), int):
            given["reduction"] = ("none", "mean", "sum")[given["reduction"]]
        return function(**given)

    return spelled


def _trained(function: Callable[..., Any]) -> Callable[..., Any]:
    """`dropout` and its kin with torch's third argument, `train`."""

    def spelled(input: Tensor, p: float, train: bool) -> Any:
        return function(input, p, train)

    return spelled


def _embedding(
    weight: Tensor, indices: Tensor, padding_idx: int = -1, scale_grad_by_freq: bool = False, sparse: bool = False
) -> Any:
    """`torch.embedding`, whose padding_idx -1 means none."""
    padding = None if padding_idx == -1 else padding_idx
    return F.embedding(indices, weight, padding, scale_grad_by_freq=scale_grad_by_freq, sparse=sparse)


SPELLINGS: tuple[tuple[Callable[..., Any], ...], ...] = (
    (_in_order(F.layer_norm, "input normalized_shape weight bias eps [cudnn_enable]"), torch.layer_norm),
    (_in_order(F.group_norm, "input num_groups weight bias eps [cudnn_enabled]"), torch.group_norm),
    (_in_order(F.rms_norm, "input normalized_shape weight eps"), torch.rms_norm),
    (
        _in_order(F.batch_norm, "input weight bias running_mean running_var training momentum eps [cudnn_enabled]"),
        torch.batch_norm,
    ),
    (
        _in_order(
            F.instance_norm, "input weight bias running_mean running_var use_input_stats momentum eps [cudnn_enabled]"
        ),
        torch.instance_norm,
    ),
    (_trained(F.dropout), torch.dropout),
    (_trained(F.alpha_dropout), torch.alpha_dropout),
    (_trained(F.feature_alpha_dropout), torch.feature_alpha_dropout),
    (_embedding, torch.embedding),
    (
        _in_order(F.binary_cross_entropy_with_logits, "input target weight pos_weight reduction"),
        torch.binary_cross_entropy_with_logits,
    ),
    (_in_order(F.cosine_embedding_loss, "input1 input2 target margin reduction"), torch.cosine_embedding_loss),
    (
        _in_order(F.ctc_loss, "log_probs targets input_lengths target_lengths blank reduction zero_infinity"),
        torch.ctc_loss,
    ),
    (_in_order(F.hinge_embedding_loss, "input target margin reduction"), torch.hinge_embedding_loss),
    (_in_order(F.kl_div, "input target reduction"), torch.kl_div),
    (_in_order(F.margin_ranking_loss, "input1 input2 target margin reduction"), torch.margin_ranking_loss),
    (_in_order(F.poisson_nll_loss, "input target log_input full eps reduction"), torch.poisson_nll_loss),
    (
        _in_order(F.triplet_margin_loss, "anchor positive negative margin p eps swap reduction"),
        torch.triplet_margin_loss,
    ),
)
