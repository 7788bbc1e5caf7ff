"""Shuffles: elements in another order. Each gradient takes the way back."""

from typing import Any

from torch import Tensor, nn
from torch.nn import functional as F

from manualgrad.formula import Formula, call, save


class PixelShuffleFunction(Formula):
    r"""Pixel shuffle: channels become finer pixels.

        forward    y[c, r h + i, r w + j] = x[r^2 c + r i + j, h, w]
        backward   dx[r^2 c + r i + j, h, w] = dy[c, r h + i, r w + j]
        tangent    y'[c, r h + i, r w + j] = x'[r^2 c + r i + j, h, w]

    Shapes: x (*, C r^2, H, W), y (*, C, H r, W r). Saves nothing: the formula is linear in x.
    Source: Shi et al. (2016), Real-time single image and video super-resolution using an efficient sub-pixel
    convolutional neural network, eq. 4.
    """

    opmath = False

    @staticmethod
    def forward(x: Tensor, upscale_factor: int) -> Tensor:
        return F.pixel_shuffle(x, upscale_factor)

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Tensor, int], output: Tensor) -> None:
        ctx.factor, ctx.shape = inputs[1], inputs[0].shape
        save(ctx)

    @staticmethod
    def backward(ctx: Any, dy: Tensor) -> tuple[Tensor, None]:
        return F.pixel_unshuffle(dy, ctx.factor).reshape(ctx.shape), None  # torch leaves the shape of nothing as it is

    @staticmethod
    def jvp(ctx: Any, x_t: Tensor, _: None) -> Tensor:
        return F.pixel_shuffle(x_t, ctx.factor)


class PixelUnshuffleFunction(Formula):
    r"""Pixel unshuffle: pixels become channels of a coarser image, the inverse of pixel shuffle.

        forward    y[r^2 c + r i + j, h, w] = x[c, r h + i, r w + j]
        backward   dx[c, r h + i, r w + j] = dy[r^2 c + r i + j, h, w]
        tangent    y'[r^2 c + r i + j, h, w] = x'[c, r h + i, r w + j]

    Shapes: x (*, C, H r, W r), y (*, C r^2, H, W). Saves nothing: the formula is linear in x.
    Source: Shi et al. (2016), Real-time single image and video super-resolution using an efficient sub-pixel
    convolutional neural network, eq. 4.
    """

    opmath = False

    @staticmethod
    def forward(x: Tensor, downscale_factor: int) -> Tensor:
        return F.pixel_unshuffle(x, downscale_factor)

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Tensor, int], output: Tensor) -> None:
        ctx.factor = inputs[1]
        save(ctx)

    @staticmethod
    def backward(ctx: Any, dy: Tensor) -> tuple[Tensor, None]:
        return F.pixel_shuffle(dy, ctx.factor), None

    @staticmethod
    def jvp(ctx: Any, x_t: Tensor, _: None) -> Tensor:
        return F.pixel_unshuffle(x_t, ctx.factor)


class ChannelShuffleFunction(Formula):
    r"""Channel shuffle: the first channel of each group, then the second of each, and so on.

        forward    y[g k + j] = x[n j + k]
        backward   dx[n j + k] = dy[g k + j], the shuffle with n groups
        tangent    y'[g k + j] = x'[n j + k]

    for g groups of n channels, j < g and k < n. Shapes: x, y (N, g n, *). Saves nothing: the formula is linear in x.
    Source: Zhang et al. (2018), ShuffleNet, section 3.1.
    """

    opmath = False

    @staticmethod
    def forward(x: Tensor, groups: int) -> Tensor:
        return F.channel_shuffle(x, groups)

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Tensor, int], output: Tensor) -> None:
        ctx.groups = inputs[1]
        save(ctx)

    @staticmethod
    def backward(ctx: Any, dy: Tensor) -> tuple[Tensor, None]:
        return F.channel_shuffle(dy, dy.shape[1] // ctx.groups), None

    @staticmethod
    def jvp(ctx: Any, x_t: Tensor, _: None) -> Tensor:
        return F.channel_shuffle(x_t, ctx.groups)


def pixel_shuffle(input: Tensor, upscale_factor: int) -> Tensor:
    """Channels become finer pixels: `upscale_factor`^2 channels make one. As `torch.nn.functional.pixel_shuffle`.

    input (*, C r^2, H, W); the result is (*, C, H r, W r). Raises RuntimeError where the channels do not divide.

    >>> import torch
    >>> pixel_shuffle(torch.arange(4.0).reshape(4, 1, 1), 2)
    tensor([[[0., 1.],
             [2., 3.]]])
    """
    return call(PixelShuffleFunction, input, upscale_factor)


def pixel_unshuffle(input: Tensor, downscale_factor: int) -> Tensor:
    """Pixels become channels of a coarser image: the inverse of `pixel_shuffle`.

    input (*, C, H r, W r); the result is (*, C r^2, H, W). Raises RuntimeError where height or width do not divide.

    >>> import torch
    >>> pixel_unshuffle(torch.arange(4.0).reshape(1, 2, 2), 2).flatten()
    tensor([0., 1., 2., 3.])
    """
    return call(PixelUnshuffleFunction, input, downscale_factor)


def channel_shuffle(input: Tensor, groups: int) -> Tensor:
    """The first channel of each of the `groups`, then the second of each, ... As `torch.nn.functional.channel_shuffle`.

    input (N, C, *), of three dimensions or more; the result has its shape. Raises RuntimeError where `groups` does not
    divide C.

    >>> import torch
    >>> channel_shuffle(torch.arange(6.0).reshape(1, 6, 1), 2).flatten()
    tensor([0., 3., 1., 4., 2., 5.])
    """
    return call(ChannelShuffleFunction, input, groups)


class PixelShuffle(nn.PixelShuffle):
    """Drop-in `torch.nn.PixelShuffle` computed by `manualgrad.functional.pixel_shuffle`."""

    def forward(self, input: Tensor) -> Tensor:
        return pixel_shuffle(input, self.upscale_factor)


class PixelUnshuffle(nn.PixelUnshuffle):
    """Drop-in `torch.nn.PixelUnshuffle` computed by `manualgrad.functional.pixel_unshuffle`."""

    def forward(self, input: Tensor) -> Tensor:
        return pixel_unshuffle(input, self.downscale_factor)


class ChannelShuffle(nn.ChannelShuffle):
    """Drop-in `torch.nn.ChannelShuffle` computed by `manualgrad.functional.channel_shuffle`."""

    def forward(self, input: Tensor) -> Tensor:
        return channel_shuffle(input, self.groups)
