"""Convolution, pooling, padding, differences: gradients that run along a sequence or an image."""
# mypy: ignore-errors

import torch
import torch.nn.functional as F
from torch.autograd import Function

from tests.checking.corpus import normal, right, wrong


def _correlate(x, k):
    """Valid cross-correlation of two vectors."""
    n = x.shape[0] - k.shape[0] + 1
    return torch.stack([(x[i : i + k.shape[0]] * k).sum() for i in range(n)])


@right(normal(8), normal(3))
class Correlate1d(Function):
    @staticmethod
    def forward(ctx, x, k):
        ctx.save_for_backward(x, k)
        return _correlate(x, k)

    @staticmethod
    def backward(ctx, dy):
        x, k = ctx.saved_tensors
        m = k.shape[0]
        return _correlate(F.pad(dy, (m - 1, m - 1)), k.flip(0)), _correlate(x, dy)


@wrong("reversed", normal(8), normal(3))
class Correlate1dUnflipped(Correlate1d):
    @staticmethod
    def backward(ctx, dy):
        x, k = ctx.saved_tensors
        m = k.shape[0]
        return _correlate(F.pad(dy, (m - 1, m - 1)), k), _correlate(x, dy)


@wrong("shifted", normal(9), normal(3))
class Correlate1dPadding(Correlate1d):
    """One zero too few on the left, one too many on the right."""

    @staticmethod
    def backward(ctx, dy):
        x, k = ctx.saved_tensors
        m = k.shape[0]
        return _correlate(F.pad(dy, (m - 2, m)), k.flip(0)), _correlate(x, dy)


@wrong("reversed", normal(8), normal(4))
class Correlate1dKernelFlipped(Correlate1d):
    @staticmethod
    def backward(ctx, dy):
        x, k = ctx.saved_tensors
        m = k.shape[0]
        return _correlate(F.pad(dy, (m - 1, m - 1)), k.flip(0)), _correlate(x, dy).flip(0)


@right(normal(2, 2, 5, 4), normal(3, 2, 3, 3))
class Conv2d(Function):
    @staticmethod
    def forward(ctx, x, w):
        ctx.save_for_backward(x, w)
        return F.conv2d(x, w, padding=1)

    @staticmethod
    def backward(ctx, dy):
        x, w = ctx.saved_tensors
        dx = F.conv_transpose2d(dy, w, padding=1)
        dw = F.conv2d(x.transpose(0, 1), dy.transpose(0, 1), padding=1).transpose(0, 1)
        return dx if ctx.needs_input_grad[0] else None, dw if ctx.needs_input_grad[1] else None


@wrong("reversed", normal(1, 2, 4, 4), normal(2, 2, 3, 3))
class Conv2dUnflipped(Conv2d):
    """Correlates the upstream gradient with the kernel as it stands."""

    @staticmethod
    def backward(ctx, dy):
        x, w = ctx.saved_tensors
        dx = F.conv2d(dy, w.transpose(0, 1), padding=1)
        dw = F.conv2d(x.transpose(0, 1), dy.transpose(0, 1), padding=1).transpose(0, 1)
        return dx, dw


@wrong("transpose", normal(1, 2, 4, 4), normal(2, 2, 3, 3))
class Conv2dChannelsSwapped(Conv2d):
    @staticmethod
    def backward(ctx, dy):
        x, w = ctx.saved_tensors
        dw = F.conv2d(x.transpose(0, 1), dy.transpose(0, 1), padding=1)
        return F.conv_transpose2d(dy, w, padding=1), dw


@wrong("missing-sum", normal(3, 2, 4, 4), normal(2, 2, 3, 3))
class Conv2dFirstExample(Conv2d):
    @staticmethod
    def backward(ctx, dy):
        x, w = ctx.saved_tensors
        dw = F.conv2d(x[:1].transpose(0, 1), dy[:1].transpose(0, 1), padding=1).transpose(0, 1)
        return F.conv_transpose2d(dy, w, padding=1), dw


# ------------------------------------------------------------------------------------------------------------- pooling


@right(normal(1, 2, 4, 6))
class AvgPool2(Function):
    @staticmethod
    def forward(ctx, x):
        n, c, h, w = x.shape
        return x.reshape(n, c, h // 2, 2, w // 2, 2).mean((3, 5))

    @staticmethod
    def backward(ctx, dy):
        return dy.repeat_interleave(2, 2).repeat_interleave(2, 3) / 4


@wrong("scale", normal(1, 2, 4, 6))
class AvgPool2Undivided(AvgPool2):
    @staticmethod
    def backward(ctx, dy):
        return dy.repeat_interleave(2, 2).repeat_interleave(2, 3)


@wrong("mismatch partial shifted", normal(1, 1, 4, 4))
class AvgPool2Tiled(AvgPool2):
    """repeat where repeat_interleave is needed: whole tiles, not single elements."""

    @staticmethod
    def backward(ctx, dy):
        return dy.repeat(1, 1, 2, 2) / 4


@right(normal(2, 1, 6))
class MaxPool(Function):
    @staticmethod
    def forward(ctx, x):
        y, where = x.unflatten(-1, (-1, 3)).max(-1)
        ctx.save_for_backward(where)
        return y

    @staticmethod
    def backward(ctx, dy):
        (where,) = ctx.saved_tensors
        return (F.one_hot(where, 3) * dy[..., None]).flatten(-2)


@wrong("partial mismatch cross-terms extra-factor spurious", normal(2, 1, 6))
class MaxPoolSpreads(MaxPool):
    """Every element of the window gets the gradient."""

    @staticmethod
    def backward(ctx, dy):
        return dy.repeat_interleave(3, -1)


# ----------------------------------------------------------------------------------------------- sums and differences


@right(normal(6))
class CumulativeSum(Function):
    @staticmethod
    def forward(ctx, x):
        return x.cumsum(0)

    @staticmethod
    def backward(ctx, dy):
        return dy.flip(0).cumsum(0).flip(0)


@wrong("reversed", normal(6))
class CumulativeSumForwards(CumulativeSum):
    @staticmethod
    def backward(ctx, dy):
        return dy.cumsum(0)


@wrong("reversed", normal(2, 5))
class CumulativeSumFlippedOnce(Function):
    @staticmethod
    def forward(ctx, x):
        return x.cumsum(1)

    @staticmethod
    def backward(ctx, dy):
        return dy.flip(1).cumsum(1)


@wrong("shifted partial cross-terms missing-term", normal(6))
class CumulativeSumExclusive(CumulativeSum):
    """Leaves out the element's own contribution."""

    @staticmethod
    def backward(ctx, dy):
        return dy.flip(0).cumsum(0).flip(0) - dy


@wrong("wrong-axis transpose", normal(4, 4))
class CumulativeSumOtherDim(Function):
    @staticmethod
    def forward(ctx, x):
        return x.cumsum(0)

    @staticmethod
    def backward(ctx, dy):
        return dy.flip(1).cumsum(1).flip(1)


@right(normal(7))
class Differences(Function):
    @staticmethod
    def forward(ctx, x):
        return x[1:] - x[:-1]

    @staticmethod
    def backward(ctx, dy):
        return F.pad(dy, (1, 0)) - F.pad(dy, (0, 1))


@wrong("sign", normal(7))
class DifferencesSign(Differences):
    @staticmethod
    def backward(ctx, dy):
        return F.pad(dy, (0, 1)) - F.pad(dy, (1, 0))


@wrong("missing-term partial cross-terms", normal(7))
class DifferencesOneSide(Differences):
    @staticmethod
    def backward(ctx, dy):
        return F.pad(dy, (1, 0))


@right(normal(3, 5), 2)
class Roll(Function):
    @staticmethod
    def forward(ctx, x, n):
        ctx.n = n
        return torch.roll(x, n, 1)

    @staticmethod
    def backward(ctx, dy):
        return torch.roll(dy, -ctx.n, 1), None


@wrong("shifted reversed transpose", normal(3, 5), 1)
class RollSameWay(Roll):
    @staticmethod
    def backward(ctx, dy):
        return torch.roll(dy, ctx.n, 1), None


@wrong("shifted", normal(2, 6))
class PadLeft(Function):
    """Cuts the padding off at the wrong end."""

    @staticmethod
    def forward(ctx, x):
        return F.pad(x, (1, 0))

    @staticmethod
    def backward(ctx, dy):
        return dy[:, :-1]


@wrong("reversed", normal(5, 2))
class Flip(Function):
    @staticmethod
    def forward(ctx, x):
        return x.flip(0)

    @staticmethod
    def backward(ctx, dy):
        return dy


@wrong("partial", normal(2, 6))
class ReplicatePad(Function):
    """The border elements are used three times each and get one share."""

    @staticmethod
    def forward(ctx, x):
        return F.pad(x[:, None], (2, 2), mode="replicate")[:, 0]

    @staticmethod
    def backward(ctx, dy):
        return dy[:, 2:-2]


@right(normal(1, 8, 2))
class PixelShuffle1d(Function):
    @staticmethod
    def forward(ctx, x):
        n, c, length = x.shape
        return x.reshape(n, c // 2, 2, length).transpose(2, 3).reshape(n, c // 2, 2 * length)

    @staticmethod
    def backward(ctx, dy):
        n, c, length = dy.shape
        return dy.reshape(n, c, length // 2, 2).transpose(2, 3).reshape(n, 2 * c, length // 2)
