"""Layers of batch and of instance normalisation; `formulas/batch_norm.py` has the mathematics."""

import warnings
from typing import Any

from torch import Tensor, nn

from manualgrad.formula import call
from manualgrad.formulas.batch_norm import InstanceNormFunction, batch_norm


def _batch_norm_layer(self: Any, input: Tensor) -> Tensor:
    """The `forward` of the batch normalisation layers, with torch's bookkeeping of running statistics."""
    self._check_input_dim(input)
    tracks = self.training and self.track_running_stats
    momentum = 0.0 if self.momentum is None else self.momentum
    if tracks and self.num_batches_tracked is not None:
        self.num_batches_tracked.add_(1)
        if self.momentum is None:  # the average over all batches so far
            momentum = 1.0 / float(self.num_batches_tracked)
    has_statistics = self.running_mean is not None or self.running_var is not None
    used = tracks or not self.training
    return batch_norm(
        input,
        self.running_mean if used else None,
        self.running_var if used else None,
        self.weight,
        self.bias,
        self.training or not has_statistics,
        momentum,
        self.eps,
    )


class BatchNorm1d(nn.BatchNorm1d):
    """Drop-in `torch.nn.BatchNorm1d` computed by `manualgrad.functional.batch_norm`."""

    def forward(self, input: Tensor) -> Tensor:
        return _batch_norm_layer(self, input)


class BatchNorm2d(nn.BatchNorm2d):
    """Drop-in `torch.nn.BatchNorm2d` computed by `manualgrad.functional.batch_norm`."""

    def forward(self, input: Tensor) -> Tensor:
        return _batch_norm_layer(self, input)


class BatchNorm3d(nn.BatchNorm3d):
    """Drop-in `torch.nn.BatchNorm3d` computed by `manualgrad.functional.batch_norm`."""

    def forward(self, input: Tensor) -> Tensor:
        return _batch_norm_layer(self, input)


class LazyBatchNorm1d(nn.LazyBatchNorm1d):
    """Drop-in `torch.nn.LazyBatchNorm1d`: a `BatchNorm1d` once it has seen its first input."""

    cls_to_become = BatchNorm1d

    def forward(self, input: Tensor) -> Tensor:
        return _batch_norm_layer(self, input)


class LazyBatchNorm2d(nn.LazyBatchNorm2d):
    """Drop-in `torch.nn.LazyBatchNorm2d`: a `BatchNorm2d` once it has seen its first input."""

    cls_to_become = BatchNorm2d

    def forward(self, input: Tensor) -> Tensor:
        return _batch_norm_layer(self, input)


class LazyBatchNorm3d(nn.LazyBatchNorm3d):
    """Drop-in `torch.nn.LazyBatchNorm3d`: a `BatchNorm3d` once it has seen its first input."""

    cls_to_become = BatchNorm3d

    def forward(self, input: Tensor) -> Tensor:
        return _batch_norm_layer(self, input)


def _instance_norm_layer(self: Any, input: Tensor) -> Tensor:
    """The `forward` of the instance normalisation layers, which also take one example without its dimension."""
    self._check_input_dim(input)
    channel = input.dim() - self._get_no_batch_dim()
    if input.shape[channel] != self.num_features:
        message = (
            f"instance_norm: the size of input along dim {channel} must be num_features, {self.num_features}, "
            f"got {tuple(input.shape)}"
        )
        if self.affine:
            raise ValueError(message)
        warnings.warn(f"{message}; without affine weights it does not matter", stacklevel=3)
    of_input = self.training or not self.track_running_stats
    momentum = 0.0 if self.momentum is None else self.momentum
    statistics, affine = (self.running_mean, self.running_var), (self.weight, self.bias)
    return call(InstanceNormFunction, input, *statistics, *affine, of_input, momentum, self.eps, channel)


class InstanceNorm1d(nn.InstanceNorm1d):
    """Drop-in `torch.nn.InstanceNorm1d` computed by `manualgrad.functional.instance_norm`."""

    def forward(self, input: Tensor) -> Tensor:
        return _instance_norm_layer(self, input)


class InstanceNorm2d(nn.InstanceNorm2d):
    """Drop-in `torch.nn.InstanceNorm2d` computed by `manualgrad.functional.instance_norm`."""

    def forward(self, input: Tensor) -> Tensor:
        return _instance_norm_layer(self, input)


class InstanceNorm3d(nn.InstanceNorm3d):
    """Drop-in `torch.nn.InstanceNorm3d` computed by `manualgrad.functional.instance_norm`."""

    def forward(self, input: Tensor) -> Tensor:
        return _instance_norm_layer(self, input)


class LazyInstanceNorm1d(nn.LazyInstanceNorm1d):
    """Drop-in `torch.nn.LazyInstanceNorm1d`: an `InstanceNorm1d` once it has seen its first input."""

    cls_to_become = InstanceNorm1d

    def forward(self, input: Tensor) -> Tensor:
        return _instance_norm_layer(self, input)


class LazyInstanceNorm2d(nn.LazyInstanceNorm2d):
    """Drop-in `torch.nn.LazyInstanceNorm2d`: an `InstanceNorm2d` once it has seen its first input."""

    cls_to_become = InstanceNorm2d

    def forward(self, input: Tensor) -> Tensor:
        return _instance_norm_layer(self, input)


class LazyInstanceNorm3d(nn.LazyInstanceNorm3d):
    """Drop-in `torch.nn.LazyInstanceNorm3d`: an `InstanceNorm3d` once it has seen its first input."""

    cls_to_become = InstanceNorm3d

    def forward(self, input: Tensor) -> Tensor:
        return _instance_norm_layer(self, input)
