"""Sums, means, maxima, products, gathers and their shapes."""
# mypy: ignore-errors
# ruff: noqa: RUF059  (a mistake often leaves a variable unused)

import torch
from torch.autograd import Function

from tests.checking.corpus import between, classes, normal, right, wrong


@right(normal(3, 4))
class Sum(Function):
    @staticmethod
    def forward(ctx, x):
        ctx.shape = x.shape
        return x.sum()

    @staticmethod
    def backward(ctx, dy):
        return dy.expand(ctx.shape)


@wrong("shape", normal(3, 4))
class SumUnexpanded(Sum):
    @staticmethod
    def backward(ctx, dy):
        return dy


@right(normal(3, 4))
class Mean(Function):
    @staticmethod
    def forward(ctx, x):
        ctx.shape = x.shape
        return x.mean()

    @staticmethod
    def backward(ctx, dy):
        return dy.expand(ctx.shape) / ctx.shape.numel()


@wrong("scale", normal(3, 4))
class MeanUndivided(Mean):
    @staticmethod
    def backward(ctx, dy):
        return torch.ones(ctx.shape, dtype=dy.dtype) * dy


@wrong("ignores-upstream", normal(5))
class MeanOnes(Mean):
    @staticmethod
    def backward(ctx, dy):
        return torch.ones(ctx.shape, dtype=dy.dtype) / ctx.shape.numel()


@right(normal(4, 3))
class RowSum(Function):
    @staticmethod
    def forward(ctx, x):
        ctx.n = x.shape[1]
        return x.sum(1)

    @staticmethod
    def backward(ctx, dy):
        return dy.unsqueeze(1).expand(-1, ctx.n)


@wrong("wrong-axis", normal(4, 4))
class RowSumSpreadDown(RowSum):
    @staticmethod
    def backward(ctx, dy):
        return dy.unsqueeze(0).expand(ctx.n, -1)


@wrong("shape", normal(4, 3))
class RowSumNotSpread(RowSum):
    @staticmethod
    def backward(ctx, dy):
        return dy


@wrong("wrong-axis", normal(4, 4))
class ColumnMean(Function):
    @staticmethod
    def forward(ctx, x):
        return x.mean(0)

    @staticmethod
    def backward(ctx, dy):
        n = dy.shape[0]
        return dy[:, None].expand(n, n) / n


@right(normal(4, 5))
class LogSumExp(Function):
    @staticmethod
    def forward(ctx, x):
        y = torch.logsumexp(x, 1)
        ctx.save_for_backward(x, y)
        return y

    @staticmethod
    def backward(ctx, dy):
        x, y = ctx.saved_tensors
        return dy[:, None] * torch.exp(x - y[:, None])


@wrong("missing-factor", normal(4, 5))
class LogSumExpUnnormalised(LogSumExp):
    @staticmethod
    def backward(ctx, dy):
        x, y = ctx.saved_tensors
        return dy[:, None] * torch.exp(x)


@wrong("unstable", normal(4, 5))
class LogSumExpNaive(Function):
    @staticmethod
    def forward(ctx, x):
        y = x.exp().sum(1).log()
        ctx.save_for_backward(x, y)
        return y

    @staticmethod
    def backward(ctx, dy):
        x, y = ctx.saved_tensors
        return dy[:, None] * torch.exp(x - y[:, None])


@right(between(0.5, 2.0, 2, 4))
class Product(Function):
    @staticmethod
    def forward(ctx, x):
        y = x.prod(1)
        ctx.save_for_backward(x, y)
        return y

    @staticmethod
    def backward(ctx, dy):
        x, y = ctx.saved_tensors
        return (dy * y)[:, None] / x


@wrong("unstable", torch.tensor([[1.5, 0.0, 2.0], [0.5, 3.0, 1.0]]))
class ProductWithZero(Product):
    """y / x is 0 / 0 where an element is zero."""


@wrong("missing-factor", between(0.5, 2.0, 2, 4))
class ProductOfAll(Product):
    @staticmethod
    def backward(ctx, dy):
        x, y = ctx.saved_tensors
        return (dy * y)[:, None].expand_as(x)


@right(normal(4, 6))
class RowMax(Function):
    """Returns the places too, which have no gradient."""

    @staticmethod
    def forward(ctx, x):
        values, where = x.max(1)
        ctx.mark_non_differentiable(where)
        ctx.save_for_backward(where)
        ctx.width = x.shape[1]
        return values, where

    @staticmethod
    def backward(ctx, dvalues, _):
        (where,) = ctx.saved_tensors
        return dvalues.new_zeros(len(dvalues), ctx.width).scatter(1, where[:, None], dvalues[:, None])


@right(torch.tensor([[2.0, 2.0, -1.0], [0.0, 1.0, 1.0]]))
class RowMaxTies(Function):
    """Ties share the gradient evenly."""

    @staticmethod
    def forward(ctx, x):
        y = x.amax(1)
        ctx.save_for_backward(x, y)
        return y

    @staticmethod
    def backward(ctx, dy):
        x, y = ctx.saved_tensors
        hit = (x == y[:, None]).to(x.dtype)
        return dy[:, None] * hit / hit.sum(1, keepdim=True)


@wrong("partial shifted mismatch", normal(4, 6))
class RowMaxFirst(RowMax):
    """The gradient always goes to column 0."""

    @staticmethod
    def backward(ctx, dvalues, _):
        dx = dvalues.new_zeros(len(dvalues), ctx.width)
        dx[:, 0] = dvalues
        return dx


@right(normal(3, 4), normal(3, 4))
class Maximum(Function):
    @staticmethod
    def forward(ctx, a, b):
        ctx.save_for_backward(a, b)
        return torch.maximum(a, b)

    @staticmethod
    def backward(ctx, dy):
        a, b = ctx.saved_tensors
        return dy * (a >= b), dy * (a < b)


@wrong("swapped", normal(3, 4), normal(3, 4))
class MaximumWrongSide(Maximum):
    @staticmethod
    def backward(ctx, dy):
        a, b = ctx.saved_tensors
        return dy * (a < b), dy * (a >= b)


@wrong("partial", normal(3, 4), normal(3, 4))
class MaximumBoth(Maximum):
    @staticmethod
    def backward(ctx, dy):
        return dy, dy


@right(normal(5, 4), classes(4, 5, 2))
class Gather(Function):
    @staticmethod
    def forward(ctx, x, index):
        ctx.save_for_backward(index)
        ctx.shape = x.shape
        return x.gather(1, index)

    @staticmethod
    def backward(ctx, dy):
        (index,) = ctx.saved_tensors
        return torch.zeros(ctx.shape, dtype=dy.dtype).scatter_add(1, index, dy), None


@wrong("partial missing-sum", normal(4, 3), torch.tensor([[0, 0], [1, 2], [2, 2], [0, 1]]))
class GatherScatters(Gather):
    """scatter keeps one of several; scatter_add is needed."""

    @staticmethod
    def backward(ctx, dy):
        (index,) = ctx.saved_tensors
        return torch.zeros(ctx.shape, dtype=dy.dtype).scatter(1, index, dy), None


@right(normal(6, 2))
class Variance(Function):
    @staticmethod
    def forward(ctx, x):
        ctx.save_for_backward(x)
        return x.var(0)

    @staticmethod
    def backward(ctx, dy):
        (x,) = ctx.saved_tensors
        return dy * 2 * (x - x.mean(0)) / (len(x) - 1)


@wrong("scale", normal(6, 2))
class VarianceBiased(Variance):
    @staticmethod
    def backward(ctx, dy):
        (x,) = ctx.saved_tensors
        return dy * 2 * (x - x.mean(0)) / len(x)


@wrong("missing-term", normal(6, 2))
class VarianceUncentred(Variance):
    @staticmethod
    def backward(ctx, dy):
        (x,) = ctx.saved_tensors
        return dy * 2 * x / (len(x) - 1)


@wrong("precision", normal(64, 2))
class VarianceBySquares(Function):
    """E[x^2] - E[x]^2 cancels, which shows where the mean is large."""

    @staticmethod
    def forward(ctx, x):
        ctx.save_for_backward(x)
        shifted = x + 3e4
        return (shifted.square().mean(0) - shifted.mean(0).square()) * 1.0

    @staticmethod
    def backward(ctx, dy):
        (x,) = ctx.saved_tensors
        return dy * 2 * (x - x.mean(0)) / len(x)


@right(normal(3, 1), normal(4))
class AddBroadcast(Function):
    @staticmethod
    def forward(ctx, a, b):
        return a + b

    @staticmethod
    def backward(ctx, dy):
        return dy.sum(1, keepdim=True), dy.sum(0)


@right(normal(3, 4), normal(4))
class AddUnreduced(Function):
    """Returns a larger gradient for b; autograd sums it."""

    @staticmethod
    def forward(ctx, a, b):
        return a + b

    @staticmethod
    def backward(ctx, dy):
        return dy, dy


@wrong("missing-sum", normal(3, 4), normal(3))
class AddColumn(Function):
    @staticmethod
    def forward(ctx, a, b):
        return a + b[:, None]

    @staticmethod
    def backward(ctx, dy):
        return dy, dy


@wrong("wrong-axis", normal(4, 4), normal(4))
class AddColumnSquare(AddColumn):
    """Square, so autograd sums silently, over the wrong dimension."""


@right(normal(2, 3), normal(2, 2))
class Concatenate(Function):
    @staticmethod
    def forward(ctx, a, b):
        ctx.split = a.shape[1]
        return torch.cat((a, b), 1)

    @staticmethod
    def backward(ctx, dy):
        return dy[:, : ctx.split], dy[:, ctx.split :]


@wrong("swapped", normal(2, 3), normal(2, 3))
class ConcatenateSwapped(Concatenate):
    @staticmethod
    def backward(ctx, dy):
        return dy[:, ctx.split :], dy[:, : ctx.split]


@right(normal(4, 6))
class SplitAndScale(Function):
    @staticmethod
    def forward(ctx, x):
        ctx.save_for_backward(x)
        a, b = x.chunk(2, 1)
        return a * 2, b.sin()

    @staticmethod
    def backward(ctx, da, db):
        (x,) = ctx.saved_tensors
        return torch.cat((2 * da, db * x.chunk(2, 1)[1].cos()), 1)


@wrong("swapped", normal(4, 6))
class SplitSwapped(SplitAndScale):
    """The upstream gradients are taken in the wrong order."""

    @staticmethod
    def forward(ctx, x):
        a, b = x.chunk(2, 1)
        return a * 1.0, b * 1.0

    @staticmethod
    def backward(ctx, db, da):
        return torch.cat((da, db), 1)


@wrong("ignores-upstream", normal(4, 6))
class SplitFirstOnly(SplitAndScale):
    @staticmethod
    def backward(ctx, da, db):
        return torch.cat((2 * da, torch.zeros_like(db)), 1)


@wrong("missing", normal(3, 4))
class NotImplementedYet(Function):
    @staticmethod
    def forward(ctx, x):
        return x * 2

    @staticmethod
    def backward(ctx, dy):
        raise NotImplementedError("later")


@wrong("missing", normal(3, 4))
class ForgotReturn(Function):
    @staticmethod
    def forward(ctx, x):
        return x * 2

    @staticmethod
    def backward(ctx, dy):
        dy * 2


@wrong("spurious", normal(3, 4), normal(3, 4))
class IgnoredArgument(Function):
    """y does not depend on b."""

    @staticmethod
    def forward(ctx, a, b):
        return a * 3

    @staticmethod
    def backward(ctx, dy):
        return 3 * dy, dy


@wrong("spurious", normal(4), normal(4))
class Where(Function):
    """b is never taken, and still gets a gradient."""

    @staticmethod
    def forward(ctx, a, b):
        return torch.where(torch.ones_like(a, dtype=torch.bool), a, b)

    @staticmethod
    def backward(ctx, dy):
        return dy, 1 - 0 * dy + dy - 1


@right(normal(5, 2))
class SortValues(Function):
    @staticmethod
    def forward(ctx, x):
        y, order = torch.sort(x, 0)
        ctx.save_for_backward(order)
        ctx.mark_non_differentiable(order)
        return y, order

    @staticmethod
    def backward(ctx, dy, _):
        (order,) = ctx.saved_tensors
        return torch.zeros_like(dy).scatter(0, order, dy)


@wrong("transpose mismatch partial", normal(6, 1).squeeze(1))
class SortInverse(Function):
    """Gathers where it must scatter: the inverse permutation."""

    @staticmethod
    def forward(ctx, x):
        y, order = torch.sort(x)
        ctx.save_for_backward(order)
        return y

    @staticmethod
    def backward(ctx, dy):
        (order,) = ctx.saved_tensors
        return dy[order]
