"""Rows of the normalisations."""

from collections.abc import Sequence

import torch
from torch import Tensor
from torch.nn import functional as torch_F

from manualgrad import functional as F
from manualgrad import nn
from manualgrad.catalogue.row import Draw, Row, constant, drop, fixed, normal, sample, uniform
from manualgrad.formulas.batch_norm import BatchNormFunction, InstanceNormFunction
from manualgrad.formulas.group_norm import GroupNormFunction
from manualgrad.formulas.layer_norm import LayerNormFunction
from manualgrad.formulas.local_response_norm import LocalResponseNormFunction
from manualgrad.formulas.normalize import NormalizeFunction
from manualgrad.formulas.rms_norm import RmsNormFunction
from manualgrad.formulas.weight_norm import WeightNormFunction

# torch's own second derivatives are wrong or raise without a weight, and wrong under torch.func with one; its first of
# group_norm raises with a bias alone. So ours are compared with those of the definitions.


def _standard(x: Tensor, over: tuple[int, ...], eps: float) -> Tensor:
    """Mean 0 and variance 1 over the given dimensions."""
    centred = x - x.mean(over, keepdim=True)
    return centred * torch.rsqrt(centred.square().mean(over, keepdim=True) + eps)


def _affine(h: Tensor, weight: Tensor | None, bias: Tensor | None, shape: Sequence[int]) -> Tensor:
    h = h if weight is None else h * weight.reshape(shape)
    return h if bias is None else h + bias.reshape(shape)


def _per_channel(x: Tensor) -> list[int]:
    """The shape in which a vector meets the channels of x."""
    return [-1 if d == 1 else 1 for d in range(x.dim())]


def _layer_norm(
    input: Tensor,
    normalized_shape: Sequence[int],
    weight: Tensor | None = None,
    bias: Tensor | None = None,
    eps: float = 1e-5,
) -> Tensor:
    h = _standard(input, tuple(range(-len(normalized_shape), 0)), eps)
    return _affine(h, weight, bias, normalized_shape)


def _group_norm(
    input: Tensor, num_groups: int, weight: Tensor | None = None, bias: Tensor | None = None, eps: float = 1e-5
) -> Tensor:
    size = input[:1].numel() // num_groups if len(input) else 1
    h = _standard(input.reshape(len(input), num_groups, size if len(input) else 0), (2,), eps).reshape(input.shape)
    return _affine(h, weight, bias, _per_channel(input))


def _batch_norm(
    input: Tensor,
    running_mean: Tensor | None,
    running_var: Tensor | None,
    weight: Tensor | None = None,
    bias: Tensor | None = None,
    training: bool = False,
    momentum: float = 0.1,
    eps: float = 1e-5,
) -> Tensor:
    shape = _per_channel(input)
    if training:
        h = _standard(input, (0, *range(2, input.dim())), eps)
    else:
        assert running_mean is not None
        assert running_var is not None
        h = (input - running_mean.view(shape)) * torch.rsqrt(running_var.view(shape) + eps)
    return _affine(h, weight, bias, shape)


def _instance_norm(
    input: Tensor,
    running_mean: Tensor | None = None,
    running_var: Tensor | None = None,
    weight: Tensor | None = None,
    bias: Tensor | None = None,
    use_input_stats: bool = True,
    momentum: float = 0.1,
    eps: float = 1e-5,
) -> Tensor:
    if not use_input_stats:
        return _batch_norm(input, running_mean, running_var, weight, bias, False, momentum, eps)
    return _affine(_standard(input, tuple(range(2, input.dim())), eps), weight, bias, _per_channel(input))


def weight_norm(v: Tensor, g: Tensor, dim: int = 0) -> Tensor:
    """torch's own, whose signature is not documented."""
    return torch._weight_norm(v, g, dim)


def _weight_norm(v: Tensor, g: Tensor, dim: int = 0) -> Tensor:
    """torch's own second derivative is wrong, and it has no forward mode."""
    over = [d for d in range(v.dim()) if dim == -1 or d != dim]
    return g * v / (v.square().sum(over, keepdim=True) if over else v.square()).sqrt()


def _running(channels: int) -> tuple[Draw, Draw]:
    """Running statistics, which no gradient flows to."""
    return constant(normal(channels)), constant(uniform(channels, low=0.5, high=2.0))


ROWS = (
    Row(
        F.layer_norm,
        torch_F.layer_norm,
        LayerNormFunction,
        samples=(
            sample(normal(3, 5), (5,), normal(5), normal(5)),
            sample(normal(2, 3, 4), (3, 4), normal(3, 4), normal(3, 4), 1e-2),
            sample(normal(2, 3, 4), [4]),
            sample(normal(2, 3, 4), (4,), normal(4)),
            sample(normal(3, 5), (5,), bias=normal(5), eps=0.1),
            sample(normal(5), (5,), normal(5), normal(5)),
            sample(normal(0, 3), (3,), normal(3), normal(3)),
            sample(normal(2, 1), (1,), normal(1), normal(1)),
        ),
        modules=(
            drop(nn.LayerNorm, 4, on=(normal(2, 3, 4),)),
            drop(nn.LayerNorm, (3, 4), eps=0.1, on=(normal(2, 3, 4),)),
            drop(nn.LayerNorm, 4, elementwise_affine=False, on=(normal(2, 3, 4),)),
            drop(nn.LayerNorm, 4, bias=False, on=(normal(2, 3, 4),)),
        ),
        extremes=(sample(fixed([1e4, -1e4, 0.0], [0.0, 0.0, 0.0], [1e-8, 0.0, 0.0]), (3,)),),
        realistic=sample(normal(512, 768), (768,), normal(768), normal(768)),
        reference=_layer_norm,
    ),
    Row(
        F.rms_norm,
        torch_F.rms_norm,
        RmsNormFunction,
        samples=(
            sample(normal(3, 5), (5,), normal(5)),
            sample(normal(2, 3, 4), (3, 4), normal(3, 4), 1e-2),
            sample(normal(2, 3, 4), [4]),
            sample(normal(5), (5,), weight=normal(5), eps=0.1),
            sample(normal(0, 3), (3,), normal(3)),
            sample(normal(2, 1), (1,), normal(1)),
        ),
        modules=(
            drop(nn.RMSNorm, 4, on=(normal(2, 3, 4),)),
            drop(nn.RMSNorm, (3, 4), eps=0.1, on=(normal(2, 3, 4),)),
            drop(nn.RMSNorm, 4, elementwise_affine=False, on=(normal(2, 3, 4),)),
        ),
        extremes=(sample(fixed([1e4, -1e4, 0.0], [0.0, 0.0, 0.0], [1e-8, 0.0, 0.0]), (3,)),),
        realistic=sample(normal(512, 768), (768,), normal(768)),
    ),
    Row(
        F.group_norm,
        torch_F.group_norm,
        GroupNormFunction,
        samples=(
            sample(normal(3, 4, 5), 2, normal(4), normal(4)),
            sample(normal(2, 6, 2, 3), 3, normal(6), normal(6), 1e-2),
            sample(normal(3, 4), 2, normal(4), normal(4)),
            sample(normal(3, 4, 5), 1),
            sample(normal(3, 4, 5), 4, normal(4)),
            sample(normal(3, 4, 5), 2, bias=normal(4), eps=0.1),
            sample(normal(0, 4, 5), 2, normal(4), normal(4)),
        ),
        modules=(
            drop(nn.GroupNorm, 2, 4, on=(normal(3, 4, 5),)),
            drop(nn.GroupNorm, 2, 4, eps=0.1, affine=False, on=(normal(3, 4, 5, 2),)),
        ),
        extremes=(sample(fixed([[1e4], [-1e4], [0.0], [0.0]], [[0.0], [0.0], [1e-8], [0.0]]), 2),),
        realistic=sample(normal(16, 64, 16, 16), 8, normal(64), normal(64)),
        reference=_group_norm,
    ),
    Row(
        F.batch_norm,
        torch_F.batch_norm,
        BatchNormFunction,
        samples=(
            sample(normal(5, 3), None, None, normal(3), normal(3), True),
            sample(normal(5, 3), *_running(3), normal(3), normal(3)),
            sample(normal(4, 3, 2, 2), *_running(3), normal(3), normal(3), True, 0.3, 1e-2),
            sample(normal(2, 3, 4), None, None, training=True, eps=0.1),
            sample(normal(2, 3, 2, 2, 2), *_running(3), eps=0.1),
            sample(normal(2, 3, 4), None, None, normal(3), training=True),
            sample(normal(2, 3, 4), None, None, bias=normal(3), training=True),
            sample(normal(1, 3), *_running(3), normal(3), normal(3)),
            sample(normal(0, 3, 2), None, None, normal(3), normal(3), True),
        ),
        modules=(
            drop(nn.BatchNorm1d, 3, on=(normal(5, 3),)),
            drop(nn.BatchNorm1d, 3, eps=0.1, momentum=None, on=(normal(5, 3, 4),)),
            drop(nn.BatchNorm1d, 3, affine=False, on=(normal(5, 3),)),
            drop(nn.BatchNorm2d, 3, momentum=0.4, track_running_stats=False, on=(normal(2, 3, 4, 5),)),
            drop(nn.BatchNorm3d, 3, on=(normal(2, 3, 2, 2, 2),)),
        ),
        extremes=(sample(fixed([1e4, 0.0, 1e-8], [-1e4, 0.0, 0.0]), None, None, training=True),),
        realistic=sample(normal(16, 64, 16, 16), None, None, normal(64), normal(64), True),
        reference=_batch_norm,
    ),
    Row(
        F.instance_norm,
        torch_F.instance_norm,
        InstanceNormFunction,
        samples=(
            sample(normal(2, 3, 5), None, None, normal(3), normal(3)),
            sample(normal(2, 3, 2, 3), *_running(3), normal(3), normal(3), True, 0.3, 1e-2),
            sample(normal(2, 3, 4), *_running(3), normal(3), normal(3), False),
            sample(normal(2, 3, 4), eps=0.1),
            sample(normal(2, 3, 2, 2, 2), *_running(3), use_input_stats=False, eps=0.1),
            sample(normal(2, 3, 4), weight=normal(3), bias=normal(3)),
            sample(normal(0, 3, 2)),
        ),
        modules=(
            drop(nn.InstanceNorm1d, 3, on=(normal(2, 3, 4),)),
            drop(nn.InstanceNorm1d, 3, affine=True, on=(normal(3, 4),)),
            drop(nn.InstanceNorm1d, 3, eps=0.1, affine=True, track_running_stats=True, on=(normal(2, 3, 4),)),
            drop(nn.InstanceNorm2d, 3, momentum=0.4, track_running_stats=True, on=(normal(2, 3, 4, 5),)),
            drop(nn.InstanceNorm2d, 3, momentum=None, track_running_stats=True, on=(normal(2, 3, 4, 5),)),
            drop(nn.InstanceNorm3d, 3, affine=True, on=(normal(2, 3, 2, 2, 2),)),
            drop(nn.InstanceNorm3d, 3, affine=True, on=(normal(3, 2, 2, 2),)),
        ),
        extremes=(sample(fixed([[[1e4, -1e4], [0.0, 0.0], [1e-8, 0.0]]])),),
        realistic=sample(normal(16, 64, 16, 16), None, None, normal(64), normal(64)),
        reference=_instance_norm,
    ),
    Row(
        F.local_response_norm,
        torch_F.local_response_norm,
        LocalResponseNormFunction,
        samples=(
            sample(normal(2, 5, 3), 3, 0.5, 0.75, 1.0),
            sample(normal(2, 5, 2, 2), 2, alpha=0.5, beta=1.5, k=2.0),
            sample(normal(2, 4, 2, 1, 2), 4, 0.5),
            sample(normal(2, 3, 4), 5),
            sample(normal(2, 3, 4), 1, 2.0),
            sample(normal(0, 3, 4), 3),
        ),
        modules=(
            drop(nn.LocalResponseNorm, 3, on=(normal(2, 5, 3),)),
            drop(nn.LocalResponseNorm, 2, alpha=0.5, beta=1.5, k=2.0, on=(normal(2, 5, 2, 2),)),
        ),
        extremes=(sample(fixed([[[1e4], [0.0], [-1e4]]]), 3, 0.5),),
        realistic=sample(normal(8, 64, 28, 28), 5),
    ),
    Row(
        F.normalize,
        torch_F.normalize,
        NormalizeFunction,
        samples=(
            sample(normal(3, 4)),
            sample(normal(3, 4), 1.0, 0),
            sample(normal(2, 3, 4), 3.0, dim=-1),
            sample(normal(3, 4), 1.5),
            sample(normal(3, 4), 0.5),
            sample(normal(3, 4), float("inf")),
            sample(normal(3, 4), float("-inf")),
            sample(normal(3, 4), -1.0),
            sample(normal(3, 4), 0.0),
            sample(normal(2, 3, 4), dim=(0, 2)),
            sample(normal(3, 4), eps=10.0),
            sample(normal(4), dim=0),
            sample(normal(), dim=0),
            sample(normal(0, 4)),
        ),
        kinks=tuple(
            sample(fixed([0.0, 0.0, 0.0], [1.0, 0.0, -1.0], [2.0, 2.0, 1.0]), p)
            for p in (2.0, 1.0, 3.0, 1.5, float("inf"))
        ),
        extremes=(
            sample(fixed([1e4, -1e4, 0.0], [0.0, 0.0, 0.0], [1e-8, 0.0, 0.0])),
            sample(fixed([1e15, -1e15, 0.0], [1e-15, 0.0, 0.0]), 3.0),
        ),
        realistic=sample(normal(4096, 256)),
    ),
    Row(
        F.weight_norm,
        weight_norm,
        WeightNormFunction,
        samples=(
            sample(normal(4, 3), normal(4, 1)),
            sample(normal(4, 3, 2), normal(1, 3, 1), 1),
            sample(normal(4, 3, 2), normal(1, 1, 2), dim=2),
            sample(normal(4, 3), normal(), -1),
            sample(normal(4, 3), normal(1, 1), dim=-1),
            sample(normal(5), normal(5), 0),
        ),
        extremes=(sample(fixed([1e4, -1e4], [1e-2, 0.0]), fixed([2.0], [3.0])),),
        realistic=sample(normal(512, 512), normal(512, 1)),
        reference=_weight_norm,
    ),
)
