"""Softmax, norms, batch and layer normalisation: Jacobians that couple elements."""
# mypy: ignore-errors
# ruff: noqa: RUF059  (a mistake often leaves a variable unused)

import torch
import torch.nn.functional as F
from torch.autograd import Function

from tests.checking.corpus import between, normal, right, wrong

# ------------------------------------------------------------------------------------------------------------- softmax


@right(normal(4, 5))
class Softmax(Function):
    @staticmethod
    def forward(ctx, z):
        e = torch.exp(z - z.max(-1, keepdim=True).values)
        y = e / e.sum(-1, keepdim=True)
        ctx.save_for_backward(y)
        return y

    @staticmethod
    def backward(ctx, dy):
        (y,) = ctx.saved_tensors
        return y * (dy - (dy * y).sum(-1, keepdim=True))


@wrong("cross-terms", normal(4, 5))
class SoftmaxDiagonal(Softmax):
    @staticmethod
    def backward(ctx, dy):
        (y,) = ctx.saved_tensors
        return dy * y * (1 - y)


@wrong("wrong-axis", normal(4, 4))
class SoftmaxWrongDim(Softmax):
    @staticmethod
    def backward(ctx, dy):
        (y,) = ctx.saved_tensors
        return y * (dy - (dy * y).sum(0, keepdim=True))


@wrong("wrong-axis", normal(2, 3, 4))
class SoftmaxEveryDim(Softmax):
    @staticmethod
    def backward(ctx, dy):
        (y,) = ctx.saved_tensors
        return y * (dy - (dy * y).sum())


@wrong("cross-terms", normal(4, 5))
class SoftmaxNoSum(Softmax):
    @staticmethod
    def backward(ctx, dy):
        (y,) = ctx.saved_tensors
        return dy * y


@wrong("cross-terms missing-factor missing-term", normal(3, 6))
class SoftmaxForgetsY(Softmax):
    """The weights y are missing inside of the sum."""

    @staticmethod
    def backward(ctx, dy):
        (y,) = ctx.saved_tensors
        return y * (dy - dy.sum(-1, keepdim=True))


@wrong("unstable", normal(4, 5))
class SoftmaxNaive(Softmax):
    @staticmethod
    def forward(ctx, z):
        e = torch.exp(z)
        y = e / e.sum(-1, keepdim=True)
        ctx.save_for_backward(y)
        return y


@right(normal(3, 4), 1)
class LogSoftmax(Function):
    generate_vmap_rule = False

    @staticmethod
    def forward(z, dim):
        return F.log_softmax(z, dim)

    @staticmethod
    def setup_context(ctx, inputs, output):
        ctx.dim = inputs[1]
        ctx.save_for_backward(output)

    @staticmethod
    def backward(ctx, dy):
        (y,) = ctx.saved_tensors
        return dy - y.exp() * dy.sum(ctx.dim, keepdim=True), None


@wrong("cross-terms", normal(3, 4), 1)
class LogSoftmaxIdentity(LogSoftmax):
    @staticmethod
    def backward(ctx, dy):
        return dy, None


@wrong("missing-factor missing-term mismatch", normal(3, 4), 1)
class LogSoftmaxUniform(LogSoftmax):
    """Subtracts the plain mean, as if every probability were 1/n."""

    @staticmethod
    def backward(ctx, dy):
        return dy - dy.mean(ctx.dim, keepdim=True), None


# --------------------------------------------------------------------------------------------------------------- norms


@right(normal(4, 3))
class UnitVectors(Function):
    @staticmethod
    def forward(ctx, x):
        n = x.norm(dim=1, keepdim=True)
        ctx.save_for_backward(x)
        return x / n

    @staticmethod
    def backward(ctx, dy):
        (x,) = ctx.saved_tensors
        n = x.norm(dim=1, keepdim=True)
        y = x / n
        return (dy - y * (y * dy).sum(1, keepdim=True)) / n


@wrong("cross-terms", normal(4, 3))
class UnitVectorsConstantNorm(UnitVectors):
    @staticmethod
    def backward(ctx, dy):
        (x,) = ctx.saved_tensors
        return dy / x.norm(dim=1, keepdim=True)


@wrong("wrong-axis", normal(3, 3))
class UnitVectorsWrongDim(UnitVectors):
    @staticmethod
    def backward(ctx, dy):
        (x,) = ctx.saved_tensors
        n = x.norm(dim=1, keepdim=True)
        y = x / n
        return (dy - y * (y * dy).sum(0, keepdim=True)) / n


@wrong("missing-factor", normal(5, 4))
class RowNorm(Function):
    @staticmethod
    def forward(ctx, x):
        y = x.square().sum(1).sqrt()
        ctx.save_for_backward(x, y)
        return y

    @staticmethod
    def backward(ctx, dy):
        x, y = ctx.saved_tensors
        return dy[:, None] * x


@right(torch.tensor([[3.0, 4.0], [0.0, 0.0]]))
class NormAtZero(Function):
    """The norm has a kink at zero; torch gives 0 there."""

    @staticmethod
    def forward(ctx, x):
        y = x.norm(dim=1)
        ctx.save_for_backward(x, y)
        return y

    @staticmethod
    def backward(ctx, dy):
        x, y = ctx.saved_tensors
        safe = torch.where(y == 0, torch.ones_like(y), y)
        return dy[:, None] * x / safe[:, None]


@wrong("unstable", torch.tensor([[3.0, 4.0], [0.0, 0.0]]))
class NormDividesByZero(NormAtZero):
    """0 / 0 for a row of zeros, where torch gives 0."""

    @staticmethod
    def backward(ctx, dy):
        x, y = ctx.saved_tensors
        return dy[:, None] * x / y[:, None]


# ------------------------------------------------------------------------------------------------- layer normalisation


@right(normal(4, 6), normal(6), normal(6))
class LayerNorm(Function):
    @staticmethod
    def forward(ctx, x, gamma, beta):
        ctx.save_for_backward(x, gamma)
        return F.layer_norm(x, x.shape[-1:], gamma, beta, 1e-5)

    @staticmethod
    def backward(ctx, dy):
        x, gamma = ctx.saved_tensors
        mean = x.mean(-1, keepdim=True)
        rstd = torch.rsqrt(x.var(-1, unbiased=False, keepdim=True) + 1e-5)
        xhat = (x - mean) * rstd
        g = dy * gamma
        dx = rstd * (g - g.mean(-1, keepdim=True) - xhat * (g * xhat).mean(-1, keepdim=True))
        return dx, (dy * xhat).sum(0), dy.sum(0)


@wrong("missing-term", normal(4, 6), normal(6), normal(6))
class LayerNormConstantVariance(LayerNorm):
    @staticmethod
    def backward(ctx, dy):
        x, gamma = ctx.saved_tensors
        rstd = torch.rsqrt(x.var(-1, unbiased=False, keepdim=True) + 1e-5)
        xhat = (x - x.mean(-1, keepdim=True)) * rstd
        g = dy * gamma
        return rstd * (g - g.mean(-1, keepdim=True)), (dy * xhat).sum(0), dy.sum(0)


@wrong("cross-terms", normal(4, 6), normal(6), normal(6))
class LayerNormConstantStatistics(LayerNorm):
    @staticmethod
    def backward(ctx, dy):
        x, gamma = ctx.saved_tensors
        rstd = torch.rsqrt(x.var(-1, unbiased=False, keepdim=True) + 1e-5)
        xhat = (x - x.mean(-1, keepdim=True)) * rstd
        return dy * gamma * rstd, (dy * xhat).sum(0), dy.sum(0)


@wrong("missing-term", normal(4, 6), normal(6), normal(6))
class LayerNormNoMeanTerm(LayerNorm):
    @staticmethod
    def backward(ctx, dy):
        x, gamma = ctx.saved_tensors
        rstd = torch.rsqrt(x.var(-1, unbiased=False, keepdim=True) + 1e-5)
        xhat = (x - x.mean(-1, keepdim=True)) * rstd
        g = dy * gamma
        return rstd * (g - xhat * (g * xhat).mean(-1, keepdim=True)), (dy * xhat).sum(0), dy.sum(0)


@wrong("missing-factor", normal(4, 6), between(0.5, 2.0, 6), normal(6))
class LayerNormForgetsGamma(LayerNorm):
    @staticmethod
    def backward(ctx, dy):
        x, _ = ctx.saved_tensors
        rstd = torch.rsqrt(x.var(-1, unbiased=False, keepdim=True) + 1e-5)
        xhat = (x - x.mean(-1, keepdim=True)) * rstd
        dx = rstd * (dy - dy.mean(-1, keepdim=True) - xhat * (dy * xhat).mean(-1, keepdim=True))
        return dx, (dy * xhat).sum(0), dy.sum(0)


@wrong("wrong-operand", normal(4, 6), normal(6), normal(6))
class LayerNormGammaOfX(LayerNorm):
    """dgamma sums x dy, not xhat dy."""

    @staticmethod
    def backward(ctx, dy):
        x, gamma = ctx.saved_tensors
        dx = LayerNorm.backward(ctx, dy)[0]
        return dx, (dy * x).sum(0), dy.sum(0)


@wrong("wrong-axis", normal(4, 6), normal(6), normal(6))
class LayerNormMeansOverAll(LayerNorm):
    @staticmethod
    def backward(ctx, dy):
        x, gamma = ctx.saved_tensors
        rstd = torch.rsqrt(x.var(-1, unbiased=False, keepdim=True) + 1e-5)
        xhat = (x - x.mean(-1, keepdim=True)) * rstd
        g = dy * gamma
        return rstd * (g - g.mean() - xhat * (g * xhat).mean()), (dy * xhat).sum(0), dy.sum(0)


@wrong("precision", normal(4, 6, scale=2.0), normal(6), normal(6))
class LayerNormNoEpsilon(LayerNorm):
    @staticmethod
    def backward(ctx, dy):
        x, gamma = ctx.saved_tensors
        rstd = torch.rsqrt(x.var(-1, unbiased=False, keepdim=True))
        xhat = (x - x.mean(-1, keepdim=True)) * rstd
        g = dy * gamma
        dx = rstd * (g - g.mean(-1, keepdim=True) - xhat * (g * xhat).mean(-1, keepdim=True))
        return dx, (dy * xhat).sum(0), dy.sum(0)


@wrong("missing-sum", normal(2, 4, 6), normal(6), normal(6))
class LayerNormParametersOfFirst(Function):
    """Parameter gradients of the first example only."""

    @staticmethod
    def forward(ctx, x, gamma, beta):
        ctx.save_for_backward(x, gamma)
        return F.layer_norm(x, x.shape[-1:], gamma, beta, 1e-5)

    @staticmethod
    def backward(ctx, dy):
        x, gamma = ctx.saved_tensors
        mean = x.mean(-1, keepdim=True)
        rstd = torch.rsqrt(x.var(-1, unbiased=False, keepdim=True) + 1e-5)
        xhat = (x - mean) * rstd
        g = dy * gamma
        dx = rstd * (g - g.mean(-1, keepdim=True) - xhat * (g * xhat).mean(-1, keepdim=True))
        return dx, (dy * xhat)[0].sum(0), dy[0].sum(0)


# ------------------------------------------------------------------------------------------------- batch normalisation


def _statistics(x):
    mean = x.mean((0, 2), keepdim=True)
    return mean, torch.rsqrt((x - mean).square().mean((0, 2), keepdim=True) + 1e-5)


@right(normal(3, 2, 4), between(0.5, 1.5, 2), normal(2))
class BatchNorm(Function):
    @staticmethod
    def forward(ctx, x, weight, bias):
        mean, rstd = _statistics(x)
        ctx.save_for_backward(x, weight)
        return (x - mean) * rstd * weight[None, :, None] + bias[None, :, None]

    @staticmethod
    def backward(ctx, dy):
        x, weight = ctx.saved_tensors
        mean, rstd = _statistics(x)
        xhat = (x - mean) * rstd
        dbias = dy.sum((0, 2))
        dweight = (dy * xhat).sum((0, 2))
        n = x.numel() // x.shape[1]
        dx = (dy - dbias[None, :, None] / n - xhat * dweight[None, :, None] / n) * rstd * weight[None, :, None]
        return dx, dweight, dbias


@wrong("wrong-axis", normal(3, 2, 4), between(0.5, 1.5, 2), normal(2))
class BatchNormPerPosition(BatchNorm):
    """Averages over the batch only, not over the positions."""

    @staticmethod
    def backward(ctx, dy):
        x, weight = ctx.saved_tensors
        mean, rstd = _statistics(x)
        xhat = (x - mean) * rstd
        g = dy * weight[None, :, None]
        dx = rstd * (g - g.mean(0, keepdim=True) - xhat * (g * xhat).mean(0, keepdim=True))
        return dx, (dy * xhat).sum((0, 2)), dy.sum((0, 2))


@wrong("shape missing-sum", normal(3, 2, 4), between(0.5, 1.5, 2), normal(2))
class BatchNormBiasUnsummed(BatchNorm):
    @staticmethod
    def backward(ctx, dy):
        dx, dweight, _ = BatchNorm.backward(ctx, dy)
        return dx, dweight, dy.sum(0)


@right(normal(2, 4, 3), 2)
class GroupNorm(Function):
    @staticmethod
    def forward(ctx, x, groups):
        ctx.groups = groups
        ctx.save_for_backward(x)
        g = x.reshape(x.shape[0], groups, -1)
        g = (g - g.mean(-1, keepdim=True)) / torch.sqrt(g.var(-1, unbiased=False, keepdim=True) + 1e-5)
        return g.reshape(x.shape)

    @staticmethod
    def backward(ctx, dy):
        (x,) = ctx.saved_tensors
        g, d = (t.reshape(x.shape[0], ctx.groups, -1) for t in (x, dy))
        rstd = torch.rsqrt(g.var(-1, unbiased=False, keepdim=True) + 1e-5)
        xhat = (g - g.mean(-1, keepdim=True)) * rstd
        dx = rstd * (d - d.mean(-1, keepdim=True) - xhat * (d * xhat).mean(-1, keepdim=True))
        return dx.reshape(x.shape), None


@right(normal(3, 5), normal(5))
class RMSNorm(Function):
    @staticmethod
    def forward(ctx, x, w):
        ctx.save_for_backward(x, w)
        return x * torch.rsqrt(x.square().mean(-1, keepdim=True) + 1e-6) * w

    @staticmethod
    def backward(ctx, dy):
        x, w = ctx.saved_tensors
        r = torch.rsqrt(x.square().mean(-1, keepdim=True) + 1e-6)
        g = dy * w
        return r * g - r**3 * x * (g * x).mean(-1, keepdim=True), (dy * x * r).sum(0)


@wrong("missing-factor", normal(3, 5), normal(5))
class RMSNormWeight(RMSNorm):
    """dw lacks the reciprocal root mean square."""

    @staticmethod
    def backward(ctx, dy):
        x, w = ctx.saved_tensors
        r = torch.rsqrt(x.square().mean(-1, keepdim=True) + 1e-6)
        g = dy * w
        return r * g - r**3 * x * (g * x).mean(-1, keepdim=True), (dy * x).sum(0)


right(normal(5, 3))(torch.nn.BatchNorm1d(3))
right(normal(2, 4))(torch.nn.LayerNorm(4))
