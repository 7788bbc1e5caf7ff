"""Layers that pad one, two or three dimensions; `formulas/pad.py` has the mathematics."""

from torch import Tensor, nn

from manualgrad.formula import call
from manualgrad.formulas.pad import PadFunction


class ConstantPad1d(nn.ConstantPad1d):
    """Drop-in `torch.nn.ConstantPad1d` computed by `manualgrad.functional.pad`."""

    def forward(self, input: Tensor) -> Tensor:
        return call(PadFunction, input, self.padding, "constant", self.value)


class ConstantPad2d(nn.ConstantPad2d):
    """Drop-in `torch.nn.ConstantPad2d` computed by `manualgrad.functional.pad`."""

    def forward(self, input: Tensor) -> Tensor:
        return call(PadFunction, input, self.padding, "constant", self.value)


class ConstantPad3d(nn.ConstantPad3d):
    """Drop-in `torch.nn.ConstantPad3d` computed by `manualgrad.functional.pad`."""

    def forward(self, input: Tensor) -> Tensor:
        return call(PadFunction, input, self.padding, "constant", self.value)


class ZeroPad1d(nn.ZeroPad1d):
    """Drop-in `torch.nn.ZeroPad1d` computed by `manualgrad.functional.pad`."""

    def forward(self, input: Tensor) -> Tensor:
        return call(PadFunction, input, self.padding, "constant", self.value)


class ZeroPad2d(nn.ZeroPad2d):
    """Drop-in `torch.nn.ZeroPad2d` computed by `manualgrad.functional.pad`."""

    def forward(self, input: Tensor) -> Tensor:
        return call(PadFunction, input, self.padding, "constant", self.value)


class ZeroPad3d(nn.ZeroPad3d):
    """Drop-in `torch.nn.ZeroPad3d` computed by `manualgrad.functional.pad`."""

    def forward(self, input: Tensor) -> Tensor:
        return call(PadFunction, input, self.padding, "constant", self.value)


class ReflectionPad1d(nn.ReflectionPad1d):
    """Drop-in `torch.nn.ReflectionPad1d` computed by `manualgrad.functional.pad`."""

    def forward(self, input: Tensor) -> Tensor:
        return call(PadFunction, input, self.padding, "reflect", None)


class ReflectionPad2d(nn.ReflectionPad2d):
    """Drop-in `torch.nn.ReflectionPad2d` computed by `manualgrad.functional.pad`."""

    def forward(self, input: Tensor) -> Tensor:
        return call(PadFunction, input, self.padding, "reflect", None)


class ReflectionPad3d(nn.ReflectionPad3d):
    """Drop-in `torch.nn.ReflectionPad3d` computed by `manualgrad.functional.pad`."""

    def forward(self, input: Tensor) -> Tensor:
        return call(PadFunction, input, self.padding, "reflect", None)


class ReplicationPad1d(nn.ReplicationPad1d):
    """Drop-in `torch.nn.ReplicationPad1d` computed by `manualgrad.functional.pad`."""

    def forward(self, input: Tensor) -> Tensor:
        return call(PadFunction, input, self.padding, "replicate", None)


class ReplicationPad2d(nn.ReplicationPad2d):
    """Drop-in `torch.nn.ReplicationPad2d` computed by `manualgrad.functional.pad`."""

    def forward(self, input: Tensor) -> Tensor:
        return call(PadFunction, input, self.padding, "replicate", None)


class ReplicationPad3d(nn.ReplicationPad3d):
    """Drop-in `torch.nn.ReplicationPad3d` computed by `manualgrad.functional.pad`."""

    def forward(self, input: Tensor) -> Tensor:
        return call(PadFunction, input, self.padding, "replicate", None)


class CircularPad1d(nn.CircularPad1d):
    """Drop-in `torch.nn.CircularPad1d` computed by `manualgrad.functional.pad`."""

    def forward(self, input: Tensor) -> Tensor:
        self._check_input_dim(input)
        return call(PadFunction, input, self.padding, "circular", None)


class CircularPad2d(nn.CircularPad2d):
    """Drop-in `torch.nn.CircularPad2d` computed by `manualgrad.functional.pad`."""

    def forward(self, input: Tensor) -> Tensor:
        self._check_input_dim(input)
        return call(PadFunction, input, self.padding, "circular", None)


class CircularPad3d(nn.CircularPad3d):
    """Drop-in `torch.nn.CircularPad3d` computed by `manualgrad.functional.pad`."""

    def forward(self, input: Tensor) -> Tensor:
        self._check_input_dim(input)
        return call(PadFunction, input, self.padding, "circular", None)
