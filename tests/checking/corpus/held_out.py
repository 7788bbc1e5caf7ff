"""Written last, on formulas that the other modules do not have: nothing in the diagnosis was tuned on these first."""
# mypy: ignore-errors
# ruff: noqa: RUF059  (a mistake often leaves a variable unused)

import math

import torch
import torch.nn.functional as F
from torch import nn
from torch.autograd import Function
from torch.autograd.function import once_differentiable

from tests.checking.corpus import between, classes, coins, normal, right, wrong

# -------------------------------------------------------------------------------------- activations


@right(normal(6, 2))
class LogSigmoid(Function):
    @staticmethod
    def forward(ctx, x):
        ctx.save_for_backward(x)
        return F.logsigmoid(x)

    @staticmethod
    def backward(ctx, dy):
        (x,) = ctx.saved_tensors
        return dy * torch.sigmoid(-x)


@wrong("sign", normal(6, 2))
class LogSigmoidSign(LogSigmoid):
    @staticmethod
    def backward(ctx, dy):
        (x,) = ctx.saved_tensors
        return -dy * torch.sigmoid(-x)


@wrong("wrong-operand", normal(6, 2))
class LogSigmoidNotFlipped(LogSigmoid):
    """sigmoid(x) where sigmoid(-x) is needed."""

    @staticmethod
    def backward(ctx, dy):
        (x,) = ctx.saved_tensors
        return dy * torch.sigmoid(x)


@wrong("partial", normal(30, scale=3.0))
class HardSwish(Function):
    """The middle piece is right, the outer two are swapped."""

    @staticmethod
    def forward(ctx, x):
        ctx.save_for_backward(x)
        return x * (x + 3).clamp(0, 6) / 6

    @staticmethod
    def backward(ctx, dy):
        (x,) = ctx.saved_tensors
        slope = (2 * x + 3) / 6
        slope = torch.where(x > 3, torch.zeros_like(x), slope)
        slope = torch.where(x < -3, torch.ones_like(x), slope)
        return dy * slope


@right(normal(20, scale=2.0), 0.5)
class SoftShrink(Function):
    @staticmethod
    def forward(ctx, x, lam):
        ctx.lam = lam
        ctx.save_for_backward(x)
        return torch.sign(x) * (x.abs() - lam).clamp(min=0)

    @staticmethod
    def backward(ctx, dy):
        (x,) = ctx.saved_tensors
        return torch.where(x.abs() > ctx.lam, dy, torch.zeros_like(dy)), None


@wrong("partial", normal(20, scale=2.0), 0.5)
class SoftShrinkOneSided(SoftShrink):
    @staticmethod
    def backward(ctx, dy):
        (x,) = ctx.saved_tensors
        return torch.where(x > ctx.lam, dy, torch.zeros_like(dy)), None


@wrong("scale partial", normal(14))
class SELU(Function):
    """The outer constant is missing from the gradient."""

    ALPHA, SCALE = 1.6732632423543772, 1.0507009873554805

    @staticmethod
    def forward(ctx, x):
        ctx.save_for_backward(x)
        return SELU.SCALE * torch.where(x > 0, x, SELU.ALPHA * torch.expm1(x))

    @staticmethod
    def backward(ctx, dy):
        (x,) = ctx.saved_tensors
        return torch.where(x > 0, dy, dy * SELU.ALPHA * x.exp())


@right(normal(3, 8))
class GLU(Function):
    @staticmethod
    def forward(ctx, x):
        ctx.save_for_backward(x)
        a, b = x.chunk(2, -1)
        return a * torch.sigmoid(b)

    @staticmethod
    def backward(ctx, dy):
        (x,) = ctx.saved_tensors
        a, b = x.chunk(2, -1)
        s = torch.sigmoid(b)
        return torch.cat([dy * s, dy * a * s * (1 - s)], -1)


@wrong("partial", normal(3, 8))
class GLUGate(GLU):
    """The gate's half lacks a."""

    @staticmethod
    def backward(ctx, dy):
        (x,) = ctx.saved_tensors
        s = torch.sigmoid(x.chunk(2, -1)[1])
        return torch.cat([dy * s, dy * s * (1 - s)], -1)


@right(normal(2, 5), normal(2, 5))
class SwiGLU(Function):
    generate_vmap_rule = True

    @staticmethod
    def forward(a, b):
        return F.silu(a) * b

    @staticmethod
    def setup_context(ctx, inputs, output):
        ctx.save_for_backward(*inputs)

    @staticmethod
    def backward(ctx, dy):
        a, b = ctx.saved_tensors
        s = torch.sigmoid(a)
        return dy * b * s * (1 + a * (1 - s)), dy * a * s


@wrong("missing-factor", normal(2, 5), normal(2, 5))
class SwiGLUForgetsB(SwiGLU):
    @staticmethod
    def backward(ctx, dy):
        a, b = ctx.saved_tensors
        s = torch.sigmoid(a)
        return dy * s * (1 + a * (1 - s)), dy * a * s


# ------------------------------------------------------------------------------------------- losses


@right(normal(5, 3), between(0.5, 3.0, 5, 3))
class PoissonNLL(Function):
    @staticmethod
    def forward(ctx, log_rate, count):
        ctx.save_for_backward(log_rate, count)
        return (log_rate.exp() - count * log_rate).mean()

    @staticmethod
    def backward(ctx, dy):
        log_rate, count = ctx.saved_tensors
        n = log_rate.numel()
        return dy * (log_rate.exp() - count) / n, -dy * log_rate / n


@wrong("wrong-operand", normal(5, 3), between(0.5, 3.0, 5, 3))
class PoissonNLLNoExp(PoissonNLL):
    @staticmethod
    def backward(ctx, dy):
        log_rate, count = ctx.saved_tensors
        n = log_rate.numel()
        return dy * (log_rate - count) / n, -dy * log_rate / n


@right(normal(7), normal(7), between(0.5, 2.0, 7))
class GaussianNLL(Function):
    @staticmethod
    def forward(ctx, mu, t, var):
        ctx.save_for_backward(mu, t, var)
        return 0.5 * (var.log() + (mu - t) ** 2 / var).sum()

    @staticmethod
    def backward(ctx, dy):
        mu, t, var = ctx.saved_tensors
        d = dy * (mu - t) / var
        return d, -d, 0.5 * dy * (1 / var - ((mu - t) / var) ** 2)


@wrong("missing-factor", normal(7), normal(7), between(0.5, 2.0, 7))
class GaussianNLLUnweighted(GaussianNLL):
    """dmu and dt are not divided by the variance."""

    @staticmethod
    def backward(ctx, dy):
        mu, t, var = ctx.saved_tensors
        d = dy * (mu - t)
        return d, -d, 0.5 * dy * (1 / var - ((mu - t) / var) ** 2)


@wrong("missing-term", normal(7), normal(7), between(0.5, 2.0, 7))
class GaussianNLLVariance(GaussianNLL):
    """The derivative of log var is left out."""

    @staticmethod
    def backward(ctx, dy):
        mu, t, var = ctx.saved_tensors
        d = dy * (mu - t) / var
        return d, -d, -0.5 * dy * ((mu - t) / var) ** 2


@right(normal(12), normal(12), 0.8)
class Quantile(Function):
    @staticmethod
    def forward(ctx, p, t, q):
        ctx.q = q
        ctx.save_for_backward(p, t)
        e = t - p
        return torch.maximum(q * e, (q - 1) * e).mean()

    @staticmethod
    def backward(ctx, dy):
        p, t = ctx.saved_tensors
        d = ((p > t).to(p.dtype) - ctx.q) * dy / p.numel()
        return d, -d, None


@wrong("partial mismatch", normal(12), normal(12), 0.8)
class QuantileSymmetric(Quantile):
    """q on both sides."""

    @staticmethod
    def backward(ctx, dy):
        p, t = ctx.saved_tensors
        d = torch.sign(p - t) * ctx.q * dy / p.numel()
        return d, -d, None


@right(between(0.1, 0.9, 10), coins(10), 2.0)
class Focal(Function):
    """Its targets are zeros and ones, and a constant here."""

    @staticmethod
    def forward(ctx, p, t, gamma):
        ctx.gamma = gamma
        ctx.save_for_backward(p, t)
        return -(t * (1 - p) ** gamma * p.log() + (1 - t) * p**gamma * (1 - p).log()).sum()

    @staticmethod
    def backward(ctx, dy):
        p, t = ctx.saved_tensors
        g = ctx.gamma
        one = (1 - p) ** g / p - g * (1 - p) ** (g - 1) * p.log()
        zero = g * p ** (g - 1) * (1 - p).log() - p**g / (1 - p)
        dt = -((1 - p) ** g * p.log() - p**g * (1 - p).log())
        return -dy * (t * one + (1 - t) * zero), dy * dt, None


@wrong("partial", between(0.1, 0.9, 16).requires_grad_(), coins(16), 2.0)
class FocalPositiveOnly(Focal):
    @staticmethod
    def backward(ctx, dy):
        p, t = ctx.saved_tensors
        g = ctx.gamma
        one = (1 - p) ** g / p - g * (1 - p) ** (g - 1) * p.log()
        return -dy * (t * one), None, None


@right(between(0.0, 1.0, 3, 8), coins(3, 8))
class Dice(Function):
    @staticmethod
    def forward(ctx, p, t):
        ctx.save_for_backward(p, t)
        return 1 - 2 * (p * t).sum(1) / (p.sum(1) + t.sum(1) + 1e-3)

    @staticmethod
    def backward(ctx, dy):
        p, t = ctx.saved_tensors
        u = (p.sum(1) + t.sum(1) + 1e-3)[:, None]
        i = (p * t).sum(1, keepdim=True)
        g = dy[:, None]
        return -2 * g * (t * u - i) / u**2, -2 * g * (p * u - i) / u**2


@wrong("missing-term", between(0.0, 1.0, 3, 8), between(0.0, 1.0, 3, 8))
class DiceConstantDenominator(Dice):
    @staticmethod
    def backward(ctx, dy):
        p, t = ctx.saved_tensors
        u = (p.sum(1) + t.sum(1) + 1e-3)[:, None]
        return -2 * dy[:, None] * t / u, -2 * dy[:, None] * p / u


@wrong("sign", normal(6, 4), normal(6, 4), (coins(6) * 2 - 1))
class CosineEmbeddingSign(Function):
    """The label's sign is left out for dissimilar pairs; all gradients carry a minus too many."""

    @staticmethod
    def forward(ctx, a, b, label):
        ctx.save_for_backward(a, b, label)
        return (label * (a * b).sum(1)).mean()

    @staticmethod
    def backward(ctx, dy):
        a, b, label = ctx.saved_tensors
        w = -dy * label[:, None] / len(a)
        return w * b, w * a, -dy * (a * b).sum(1) / len(a)


@wrong("extra-factor", normal(8), normal(8))
class LogCoshLoss(Function):
    @staticmethod
    def forward(ctx, p, t):
        ctx.save_for_backward(p, t)
        r = p - t
        return (r + F.softplus(-2 * r) - math.log(2)).sum()

    @staticmethod
    def backward(ctx, dy):
        p, t = ctx.saved_tensors
        d = dy * torch.tanh(p - t) * (p - t)
        return d, -d


@wrong("scale", normal(5, 6), classes(6, 5))
class LabelSmoothingCE(Function):
    """Divides by the number of classes, not of examples."""

    @staticmethod
    def forward(ctx, z, target):
        ctx.save_for_backward(z, target)
        return F.cross_entropy(z, target, label_smoothing=0.1)

    @staticmethod
    def backward(ctx, dy):
        z, target = ctx.saved_tensors
        n, c = z.shape
        q = torch.full_like(z, 0.1 / c)
        q[torch.arange(n), target] += 0.9
        return dy * (z.softmax(1) - q) / c, None


@wrong("partial", normal(5, 6), classes(6, 5))
class LabelSmoothingForgotten(LabelSmoothingCE):
    """All classes but the target lack their share of the smoothing, and so does the target: wrong everywhere."""

    @staticmethod
    def forward(ctx, z, target):
        ctx.save_for_backward(z, target)
        return F.cross_entropy(z, target)

    @staticmethod
    def backward(ctx, dy):
        z, target = ctx.saved_tensors
        d = z.softmax(1)
        d[torch.arange(len(z)), target] -= 0.9
        return dy * d / len(z), None


# ----------------------------------------------------------------------------- geometry and algebra


@right(normal(4, 3), normal(4, 3))
class Cross(Function):
    @staticmethod
    def forward(ctx, a, b):
        ctx.save_for_backward(a, b)
        return torch.linalg.cross(a, b)

    @staticmethod
    def backward(ctx, dy):
        a, b = ctx.saved_tensors
        return torch.linalg.cross(b, dy), torch.linalg.cross(dy, a)


@wrong("sign transpose", normal(4, 3), normal(4, 3))
class CrossOrder(Cross):
    @staticmethod
    def backward(ctx, dy):
        a, b = ctx.saved_tensors
        return torch.linalg.cross(dy, b), torch.linalg.cross(a, dy)


@right(normal(6), between(0.5, 2.0, 6))
class Atan2(Function):
    @staticmethod
    def forward(ctx, y, x):
        ctx.save_for_backward(y, x)
        return torch.atan2(y, x)

    @staticmethod
    def backward(ctx, g):
        y, x = ctx.saved_tensors
        r2 = x * x + y * y
        return g * x / r2, -g * y / r2


@wrong("swapped", normal(6), between(0.5, 2.0, 6))
class Atan2Arguments(Atan2):
    @staticmethod
    def backward(ctx, g):
        y, x = ctx.saved_tensors
        r2 = x * x + y * y
        return -g * y / r2, g * x / r2


@wrong("missing-factor", between(0.5, 2.0, 6), between(0.5, 2.0, 6))
class Hypot(Function):
    @staticmethod
    def forward(ctx, a, b):
        ctx.save_for_backward(a, b)
        return torch.hypot(a, b)

    @staticmethod
    def backward(ctx, dy):
        a, b = ctx.saved_tensors
        return dy * a, dy * b


@right(normal(1, 4, 6), 10000.0)
class Rotary(Function):
    """Rotary position embedding: a rotation, whose gradient is the rotation back."""

    @staticmethod
    def _angles(n, d, base, like):
        f = base ** (-torch.arange(0, d, 2, dtype=like.dtype) / d)
        return torch.arange(n, dtype=like.dtype)[:, None] * f

    @staticmethod
    def _rotate(x, angle):
        a, b = x[..., 0::2], x[..., 1::2]
        c, s = angle.cos(), angle.sin()
        return torch.stack((a * c - b * s, a * s + b * c), -1).flatten(-2)

    @staticmethod
    def forward(ctx, x, base):
        ctx.base = base
        return Rotary._rotate(x, Rotary._angles(x.shape[-2], x.shape[-1], base, x))

    @staticmethod
    def backward(ctx, dy):
        return Rotary._rotate(dy, -Rotary._angles(dy.shape[-2], dy.shape[-1], ctx.base, dy)), None


@wrong("transpose reversed cross-terms", normal(1, 4, 6), 10000.0)
class RotaryForwards(Rotary):
    """Rotates the gradient onwards in the place of back: the transpose is missing."""

    @staticmethod
    def backward(ctx, dy):
        return Rotary._rotate(dy, Rotary._angles(dy.shape[-2], dy.shape[-1], ctx.base, dy)), None


@right(normal(5, 2), normal(4, 2), 0.7)
class RBF(Function):
    @staticmethod
    def forward(ctx, x, c, width):
        ctx.width = width
        ctx.save_for_backward(x, c)
        return torch.exp(-(x[:, None] - c).square().sum(-1) / (2 * width**2))

    @staticmethod
    def backward(ctx, dy):
        x, c = ctx.saved_tensors
        r = x[:, None] - c
        k = torch.exp(-r.square().sum(-1) / (2 * ctx.width**2))
        d = -(dy * k)[..., None] * r / ctx.width**2
        return d.sum(1), -d.sum(0), None


@wrong("scale", normal(5, 2), normal(4, 2), 0.7)
class RBFWidth(RBF):
    @staticmethod
    def backward(ctx, dy):
        x, c = ctx.saved_tensors
        r = x[:, None] - c
        k = torch.exp(-r.square().sum(-1) / (2 * ctx.width**2))
        d = -(dy * k)[..., None] * r
        return d.sum(1), -d.sum(0), None


@wrong("missing-factor", normal(5, 2), normal(4, 2), 0.7)
class RBFWithoutKernel(RBF):
    """Only the derivative of the exponent."""

    @staticmethod
    def backward(ctx, dy):
        x, c = ctx.saved_tensors
        r = x[:, None] - c
        d = -dy[..., None] * r / ctx.width**2
        return d.sum(1), -d.sum(0), None


@wrong("transpose", normal(2, 2), normal(3, 3))
class Kronecker(Function):
    """The gradient of the second factor comes out transposed."""

    @staticmethod
    def forward(ctx, a, b):
        ctx.save_for_backward(a, b)
        return torch.kron(a, b)

    @staticmethod
    def backward(ctx, dy):
        a, b = ctx.saved_tensors
        blocks = dy.reshape(a.shape[0], b.shape[0], a.shape[1], b.shape[1])
        da = torch.einsum("ikjl,kl->ij", blocks, b)
        db = torch.einsum("ikjl,ij->lk", blocks, a)
        return da, db


@wrong("missing-sum", normal(5, 3), normal(5, 4), normal(2, 3, 4))
class BilinearForm(Function):
    """dW is that of the last example."""

    @staticmethod
    def forward(ctx, x, z, w):
        ctx.save_for_backward(x, z, w)
        return torch.einsum("bi,oij,bj->bo", x, w, z)

    @staticmethod
    def backward(ctx, dy):
        x, z, w = ctx.saved_tensors
        dx = torch.einsum("bo,oij,bj->bi", dy, w, z)
        dz = torch.einsum("bo,oij,bi->bj", dy, w, x)
        for b in range(len(x)):
            dw = torch.einsum("o,i,j->oij", dy[b], x[b], z[b])
        return dx, dz, dw


# --------------------------------------------------------------------------------- sequences, images


@right(between(0.5, 1.5, 5))
class CumulativeProduct(Function):
    @staticmethod
    def forward(ctx, x):
        y = x.cumprod(0)
        ctx.save_for_backward(x, y)
        return y

    @staticmethod
    def backward(ctx, dy):
        x, y = ctx.saved_tensors
        return (dy * y).flip(0).cumsum(0).flip(0) / x


@wrong("cross-terms", between(0.5, 1.5, 5))
class CumulativeProductOwn(CumulativeProduct):
    @staticmethod
    def backward(ctx, dy):
        x, y = ctx.saved_tensors
        return dy * y / x


@right(normal(2, 3, 8), normal(3, 1, 3))
class DepthwiseConv(Function):
    @staticmethod
    def forward(ctx, x, w):
        ctx.save_for_backward(x, w)
        return F.conv1d(x, w, groups=3, dilation=2)

    @staticmethod
    def backward(ctx, dy):
        x, w = ctx.saved_tensors
        dx = F.conv_transpose1d(dy, w, groups=3, dilation=2)
        n = dy.shape[-1]
        dw = torch.stack([(x[..., 2 * k : 2 * k + n] * dy).sum((0, 2)) for k in range(3)], -1)[:, None]
        return dx, dw


@wrong("mismatch partial shifted", normal(2, 3, 8), normal(3, 1, 3))
class DepthwiseConvDilation(DepthwiseConv):
    """The weight's gradient ignores the dilation."""

    @staticmethod
    def backward(ctx, dy):
        x, w = ctx.saved_tensors
        n = dy.shape[-1]
        dw = torch.stack([(x[..., k : k + n] * dy).sum((0, 2)) for k in range(3)], -1)[:, None]
        return F.conv_transpose1d(dy, w, groups=3, dilation=2), dw


@right(normal(1, 2, 3, 3))
class UpsampleNearest(Function):
    @staticmethod
    def forward(ctx, x):
        return F.interpolate(x, scale_factor=2)

    @staticmethod
    def backward(ctx, dy):
        return F.avg_pool2d(dy, 2) * 4


@wrong("scale", normal(1, 2, 3, 3))
class UpsampleNearestMean(UpsampleNearest):
    @staticmethod
    def backward(ctx, dy):
        return F.avg_pool2d(dy, 2)


@wrong("missing-sum partial", normal(1, 1, 3, 3))
class UpsampleNearestStrided(UpsampleNearest):
    """Takes every other element where it should add up four."""

    @staticmethod
    def backward(ctx, dy):
        return dy[..., ::2, ::2]


@wrong("shifted partial", normal(3, 7))
class ExponentialSmoothing(Function):
    """The recursion of the gradient starts one step late."""

    @staticmethod
    def forward(ctx, x):
        h, out = torch.zeros_like(x[:, 0]), []
        for t in range(x.shape[1]):
            h = 0.6 * h + 0.4 * x[:, t]
            out.append(h)
        return torch.stack(out, 1)

    @staticmethod
    def backward(ctx, dy):
        g, out = torch.zeros_like(dy[:, 0]), []
        for t in reversed(range(dy.shape[1])):
            out.append(0.4 * g)
            g = dy[:, t] + 0.6 * g
        return torch.stack(out[::-1], 1)


@right(normal(2, 5))
class DCT(Function):
    """An orthogonal transform."""

    @staticmethod
    def _matrix(n, like):
        k = torch.arange(n, dtype=like.dtype)
        m = torch.cos(math.pi / n * (k[None] + 0.5) * k[:, None]) * math.sqrt(2 / n)
        m[0] /= math.sqrt(2)
        return m

    @staticmethod
    def forward(ctx, x):
        return x @ DCT._matrix(x.shape[-1], x).t()

    @staticmethod
    def backward(ctx, dy):
        return dy @ DCT._matrix(dy.shape[-1], dy)


@wrong("transpose", normal(2, 5))
class DCTAgain(DCT):
    @staticmethod
    def backward(ctx, dy):
        return dy @ DCT._matrix(dy.shape[-1], dy).t()


# ----------------------------------------------------------------- normalisation, attention, pooling


@right(normal(2, 3, 5))
class InstanceNorm(Function):
    @staticmethod
    def forward(ctx, x):
        ctx.save_for_backward(x)
        return F.instance_norm(x)

    @staticmethod
    def backward(ctx, dy):
        (x,) = ctx.saved_tensors
        v, m = torch.var_mean(x, -1, correction=0, keepdim=True)
        r = (v + 1e-5).rsqrt()
        h = (x - m) * r
        return r * (dy - dy.mean(-1, keepdim=True) - h * (dy * h).mean(-1, keepdim=True))


@wrong("wrong-axis", normal(2, 3, 5))
class InstanceNormLikeLayer(InstanceNorm):
    @staticmethod
    def backward(ctx, dy):
        (x,) = ctx.saved_tensors
        v, m = torch.var_mean(x, -1, correction=0, keepdim=True)
        r = (v + 1e-5).rsqrt()
        h = (x - m) * r
        return r * (dy - dy.mean((1, 2), keepdim=True) - h * (dy * h).mean((1, 2), keepdim=True))


@right(normal(4, 3), between(0.5, 2.0, 4))
class WeightNorm(Function):
    @staticmethod
    def forward(ctx, v, g):
        ctx.save_for_backward(v, g)
        return v * (g / v.norm(dim=1))[:, None]

    @staticmethod
    def backward(ctx, dw):
        v, g = ctx.saved_tensors
        n = v.norm(dim=1)
        dg = (dw * v).sum(1) / n
        return (g / n)[:, None] * dw - (g * dg / n**2)[:, None] * v, dg


@wrong("cross-terms missing-term", normal(4, 3), between(0.5, 2.0, 4))
class WeightNormConstant(WeightNorm):
    @staticmethod
    def backward(ctx, dw):
        v, g = ctx.saved_tensors
        n = v.norm(dim=1)
        return (g / n)[:, None] * dw, (dw * v).sum(1) / n


@wrong("missing-factor", normal(4, 3), between(0.5, 2.0, 4))
class WeightNormGain(WeightNorm):
    """dg is not divided by the norm."""

    @staticmethod
    def backward(ctx, dw):
        v, g = ctx.saved_tensors
        n = v.norm(dim=1)
        dg = (dw * v).sum(1)
        return (g / n)[:, None] * dw - (g * dg / n**3)[:, None] * v, dg


@right(normal(6, 2), torch.tensor([0, 0, 1, 2, 2, 2]))
class SegmentMean(Function):
    @staticmethod
    def forward(ctx, x, segment):
        ctx.save_for_backward(segment)
        counts = torch.bincount(segment).to(x.dtype)
        return x.new_zeros(len(counts), x.shape[1]).index_add(0, segment, x) / counts[:, None]

    @staticmethod
    def backward(ctx, dy):
        (segment,) = ctx.saved_tensors
        return dy[segment] / torch.bincount(segment).to(dy.dtype)[segment][:, None], None


@wrong("partial missing-factor extra-factor", normal(6, 2), torch.tensor([0, 0, 1, 2, 2, 2]))
class SegmentMeanAsSum(SegmentMean):
    """Right for the segment with one element."""

    @staticmethod
    def backward(ctx, dy):
        (segment,) = ctx.saved_tensors
        return dy[segment], None


# ------------------------------------------------------------------------------------- behaviour


@wrong("mutates-upstream", normal(3, 4))
class NegateInPlace(Function):
    @staticmethod
    def forward(x):
        return -x

    @staticmethod
    def setup_context(ctx, inputs, output):
        pass

    @staticmethod
    def backward(ctx, dy):
        torch.neg(dy, out=dy)
        return dy


@wrong("stale-state", normal(4))
class Memoised(Function):
    """Remembers the last output in a mutable default."""

    @staticmethod
    def forward(ctx, x, box=[]):  # noqa: B006
        box[:] = [torch.sigmoid(x)]
        ctx.box = box
        return box[0].clone()

    @staticmethod
    def backward(ctx, dy):
        y = ctx.box[0].detach()
        return dy * y * (1 - y)


@wrong("double-backward", normal(4, 3))
class SavesMask(Function):
    """Saves x * mask, which forward has computed."""

    @staticmethod
    def forward(ctx, x):
        kept = x * (x > 0)
        ctx.save_for_backward(kept)
        return kept.square()

    @staticmethod
    def backward(ctx, dy):
        (kept,) = ctx.saved_tensors
        return 2 * dy * kept


@wrong("unstable", normal(9))
class SoftplusSlope(Function):
    """e^x / (1 + e^x) is inf / inf for large x."""

    @staticmethod
    def forward(ctx, x):
        ctx.save_for_backward(x)
        return F.softplus(x)

    @staticmethod
    def backward(ctx, dy):
        (x,) = ctx.saved_tensors
        e = x.exp()
        return dy * e / (1 + e)


@wrong("saved-on-ctx", normal(5, 3), normal(4, 3))
class KeepsInputs(Function):
    @staticmethod
    def forward(ctx, x, w):
        ctx.operands = [x, w]
        return x @ w.t()

    @staticmethod
    def backward(ctx, dy):
        x, w = ctx.operands
        dx = dy @ w if ctx.needs_input_grad[0] else None
        dw = dy.t() @ x if ctx.needs_input_grad[1] else None
        return dx, dw


@wrong("noncontiguous", normal(2, 12))
class SplitsHeads(Function):
    @staticmethod
    def forward(ctx, x):
        return x.reshape(2, 3, 4) * 1.0

    @staticmethod
    def backward(ctx, dy):
        return dy.view(2, 12)


@wrong("forward-ad", normal(3, 4), normal(4))
class AddBiasTangent(Function):
    """The tangent of the bias is forgotten."""

    @staticmethod
    def forward(x, b):
        return x + b

    @staticmethod
    def setup_context(ctx, inputs, output):
        pass

    @staticmethod
    def backward(ctx, dy):
        return dy, dy.sum(0)

    @staticmethod
    def jvp(ctx, x_t, b_t):
        return x_t


@wrong("arity", normal(4), 2.0, 3.0)
class AffineArity(Function):
    @staticmethod
    def forward(ctx, x, a, b):
        ctx.a = a
        return a * x + b

    @staticmethod
    def backward(ctx, dy):
        return ctx.a * dy, None


@wrong("detached", normal(4, 3), normal(3))
def standardise_then_scale(x, w):
    """The statistics are taken from detached values, and the weight is rebuilt from a list."""
    return x * torch.as_tensor(w.tolist(), dtype=x.dtype)


class TwoLayers(nn.Module):
    """The second layer's weight is used through .data."""

    def __init__(self):
        super().__init__()
        self.a, self.b = nn.Linear(3, 4), nn.Linear(4, 2)

    def forward(self, x):
        return F.linear(torch.tanh(self.a(x)), self.b.weight.data, self.b.bias)


wrong("detached", normal(5, 3))(TwoLayers())


@wrong("surrogate", normal(6))
class FloorSTE(Function):
    @staticmethod
    def forward(ctx, x):
        return torch.floor(x)

    @staticmethod
    def backward(ctx, dy):
        return dy


# ----------------------------------------------------------------------------------- more right ones


@right(normal(4))
class Sinc(Function):
    """Once differentiable, computed with a branch."""

    @staticmethod
    def forward(ctx, x):
        ctx.save_for_backward(x)
        return torch.where(x == 0, torch.ones_like(x), torch.sin(x) / torch.where(x == 0, torch.ones_like(x), x))

    @staticmethod
    @once_differentiable
    def backward(ctx, dy):
        (x,) = ctx.saved_tensors
        return dy * torch.where(x == 0, torch.zeros_like(x), (x * x.cos() - x.sin()) / (x * x))


@right(torch.tensor([0.0, 1.0, 6.0, -3.0, 3.0]))
def relu6_at_its_corners(x):
    return F.relu6(x) + F.hardtanh(x)


@right(torch.tensor([1.0, 1.0, 0.5]), torch.tensor([1.0, 0.2, 0.5]))
def ties_of_a_maximum(a, b):
    return torch.maximum(a, b)


@right(normal(3, 4).to(torch.bfloat16))
class HalfPrecisionInput(Function):
    @staticmethod
    def forward(ctx, x):
        ctx.save_for_backward(x)
        return F.silu(x)

    @staticmethod
    def backward(ctx, dy):
        (x,) = ctx.saved_tensors
        s = torch.sigmoid(x)
        return dy * (s + x * s * (1 - s))


@right(normal(3, 3), classes(2, 3, 3).bool())
class MaskedFill(Function):
    """A boolean input."""

    @staticmethod
    def forward(ctx, x, mask):
        ctx.save_for_backward(mask)
        return x.masked_fill(mask, -1e9)

    @staticmethod
    def backward(ctx, dy):
        (mask,) = ctx.saved_tensors
        return dy.masked_fill(mask, 0), None


class Residual(nn.Module):
    """A module with shared and frozen parameters."""

    def __init__(self):
        super().__init__()
        self.inner = nn.Linear(4, 4)
        self.frozen = nn.Parameter(torch.ones(4), requires_grad=False)

    def forward(self, x):
        return x + self.inner(torch.tanh(self.inner(x))) * self.frozen


right(normal(2, 4))(Residual())
right(normal(3, 2, 6))(nn.InstanceNorm1d(2, affine=True, track_running_stats=True))
right(normal(2, 4, 6))(nn.TransformerEncoderLayer(6, 2, 8, dropout=0.0, batch_first=True))
right(classes(7, 3, 2))(nn.Embedding(7, 3, padding_idx=0))
