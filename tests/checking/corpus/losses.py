"""Losses: scalar outputs, reductions, targets, class numbers."""
# mypy: ignore-errors
# ruff: noqa: RUF059  (a mistake often leaves a variable unused)

import torch
import torch.nn.functional as F
from torch.autograd import Function

from tests.checking.corpus import between, classes, coins, normal, right, wrong

# ---------------------------------------------------------------------------------------------------------------- mse


@right(normal(4, 3), normal(4, 3))
class MSE(Function):
    @staticmethod
    def forward(ctx, p, t):
        ctx.save_for_backward(p, t)
        return ((p - t) ** 2).mean()

    @staticmethod
    def backward(ctx, dy):
        p, t = ctx.saved_tensors
        d = dy * 2 * (p - t) / p.numel()
        return d, -d


@wrong("scale", normal(4, 3), normal(4, 3))
class MSEWithoutMean(MSE):
    @staticmethod
    def backward(ctx, dy):
        p, t = ctx.saved_tensors
        d = dy * 2 * (p - t)
        return d, -d


@wrong("scale", normal(4, 3), normal(4, 3))
class MSEHalf(MSE):
    @staticmethod
    def backward(ctx, dy):
        p, t = ctx.saved_tensors
        d = dy * (p - t) / p.numel()
        return d, -d


@wrong("scale", normal(5, 3), normal(5, 3))
class MSEByBatch(MSE):
    """Divides by the number of rows, not of elements."""

    @staticmethod
    def backward(ctx, dy):
        p, t = ctx.saved_tensors
        d = dy * 2 * (p - t) / p.shape[0]
        return d, -d


@wrong("sign", normal(4, 3), normal(4, 3))
class MSETargetSign(MSE):
    """dp is right, dt has dp's sign."""

    @staticmethod
    def backward(ctx, dy):
        p, t = ctx.saved_tensors
        d = dy * 2 * (p - t) / p.numel()
        return d, d


@wrong("missing", normal(4, 3), normal(4, 3))
class MSENoTarget(MSE):
    @staticmethod
    def backward(ctx, dy):
        p, t = ctx.saved_tensors
        return dy * 2 * (p - t) / p.numel(), None


@right(normal(4, 3).requires_grad_(), normal(4, 3))
class MSEConstantTarget(Function):
    """Only the prediction asks for a gradient; the target is a constant."""

    @staticmethod
    def forward(ctx, p, t):
        ctx.save_for_backward(p, t)
        return F.mse_loss(p, t)

    @staticmethod
    def backward(ctx, dy):
        p, t = ctx.saved_tensors
        return dy * (p - t) * (2 / p.numel()), None


@wrong("ignores-upstream", normal(4, 3), normal(4, 3))
class MSELossIsLast(MSE):
    """Assumes that a loss is always the last node."""

    @staticmethod
    def backward(ctx, dy):
        p, t = ctx.saved_tensors
        d = 2 * (p - t) / p.numel()
        return d, -d


@wrong("missing-factor", normal(6), normal(6))
class MSEConstantSlope(MSE):
    @staticmethod
    def backward(ctx, dy):
        p, t = ctx.saved_tensors
        d = (dy * 2 / p.numel()).expand_as(p)
        return d, -d


@wrong("shape", normal(6), normal(6))
class MSESummedAway(MSE):
    @staticmethod
    def backward(ctx, dy):
        p, t = ctx.saved_tensors
        d = (dy * 2 * (p - t) / p.numel()).sum()
        return d, -d


# ----------------------------------------------------------------------------------------------------------- l1, huber


@right(normal(5, 2), normal(5, 2))
class L1(Function):
    @staticmethod
    def forward(ctx, p, t):
        ctx.save_for_backward(torch.sign(p - t))
        return (p - t).abs().sum()

    @staticmethod
    def backward(ctx, dy):
        (s,) = ctx.saved_tensors
        return dy * s, -dy * s


@wrong("extra-factor", normal(5, 2), normal(5, 2))
class L1LikeL2(Function):
    @staticmethod
    def forward(ctx, p, t):
        ctx.save_for_backward(p, t)
        return (p - t).abs().sum()

    @staticmethod
    def backward(ctx, dy):
        p, t = ctx.saved_tensors
        return dy * (p - t), -dy * (p - t)


@wrong("double-backward", normal(15, scale=2.0), normal(15), 1.0)
class HuberSavesDifference(Function):
    """r is not an input or an output: the second derivative is cut where forward computed it."""

    @staticmethod
    def forward(ctx, p, t, delta):
        r = p - t
        ctx.save_for_backward(r)
        ctx.delta = delta
        small = r.abs() <= delta
        return torch.where(small, 0.5 * r**2, delta * (r.abs() - 0.5 * delta)).mean()

    @staticmethod
    def backward(ctx, dy):
        (r,) = ctx.saved_tensors
        d = dy * r.clamp(-ctx.delta, ctx.delta) / r.numel()
        return d, -d, None


@right(normal(15, scale=2.0), normal(15), 1.0)
class Huber(Function):
    @staticmethod
    def forward(ctx, p, t, delta):
        ctx.save_for_backward(p, t)
        ctx.delta = delta
        return F.huber_loss(p, t, delta=delta)

    @staticmethod
    def backward(ctx, dy):
        p, t = ctx.saved_tensors
        d = dy * (p - t).clamp(-ctx.delta, ctx.delta) / p.numel()
        return d, -d, None


@wrong("partial", normal(15, scale=2.0), normal(15), 1.0)
class HuberNeverLinear(Huber):
    @staticmethod
    def backward(ctx, dy):
        p, t = ctx.saved_tensors
        d = dy * (p - t) / p.numel()
        return d, -d, None


@wrong("partial", normal(15, scale=2.0), normal(15), 0.6)
class HuberForgetsDelta(Huber):
    """The linear part has slope 1 in the place of delta."""

    @staticmethod
    def backward(ctx, dy):
        p, t = ctx.saved_tensors
        r = p - t
        d = dy * torch.where(r.abs() < ctx.delta, r, r.sign()) / p.numel()
        return d, -d, None


# ------------------------------------------------------------------------------------------------- binary cross-entropy


@right(between(0.1, 0.9, 8), coins(8).requires_grad_(False))
class BCE(Function):
    @staticmethod
    def forward(ctx, p, t):
        ctx.save_for_backward(p, t)
        return -(t * p.log() + (1 - t) * torch.log1p(-p)).mean()

    @staticmethod
    def backward(ctx, dy):
        p, t = ctx.saved_tensors
        dp = dy * (p - t) / (p * (1 - p)) / p.numel()
        dt = dy * (torch.log1p(-p) - p.log()) / p.numel()
        return dp, dt


@wrong("missing-factor", between(0.1, 0.9, 8), coins(8))
class BCEFused(BCE):
    """p - t is the gradient by the logits, not by p."""

    @staticmethod
    def backward(ctx, dy):
        p, t = ctx.saved_tensors
        return dy * (p - t) / p.numel(), dy * (torch.log1p(-p) - p.log()) / p.numel()


@wrong("sign", between(0.1, 0.9, 8), coins(8))
class BCETarget(BCE):
    @staticmethod
    def backward(ctx, dy):
        p, t = ctx.saved_tensors
        return dy * (p - t) / (p * (1 - p)) / p.numel(), dy * (p.log() - torch.log1p(-p)) / p.numel()


@right(normal(4, 3, scale=2.0), between(0.0, 1.0, 4, 3))
class BCEWithLogits(Function):
    @staticmethod
    def forward(ctx, z, t):
        ctx.save_for_backward(z, t)
        return (z.clamp(min=0) - z * t + torch.log1p(torch.exp(-z.abs()))).mean()

    @staticmethod
    def backward(ctx, dy):
        z, t = ctx.saved_tensors
        return dy * (torch.sigmoid(z) - t) / z.numel(), -dy * z / z.numel()


@wrong("wrong-operand", normal(4, 3, scale=2.0), between(0.0, 1.0, 4, 3))
class BCEWithLogitsRaw(BCEWithLogits):
    """z - t where sigmoid(z) - t is needed."""

    @staticmethod
    def backward(ctx, dy):
        z, t = ctx.saved_tensors
        return dy * (z - t) / z.numel(), -dy * z / z.numel()


@wrong("extra-factor", normal(4, 3, scale=2.0), between(0.0, 1.0, 4, 3))
class BCEWithLogitsTwice(BCEWithLogits):
    """The slope of the sigmoid once more, although it has cancelled."""

    @staticmethod
    def backward(ctx, dy):
        z, t = ctx.saved_tensors
        s = torch.sigmoid(z)
        return dy * (s - t) * s * (1 - s) / z.numel(), -dy * z / z.numel()


@wrong("missing-term", normal(4, 3, scale=2.0), between(0.2, 1.0, 4, 3))
class BCEWithLogitsNoTarget(BCEWithLogits):
    @staticmethod
    def backward(ctx, dy):
        z, t = ctx.saved_tensors
        return dy * torch.sigmoid(z) / z.numel(), -dy * z / z.numel()


# ------------------------------------------------------------------------------------------------------- cross-entropy


@right(normal(5, 4), classes(4, 5))
class CrossEntropy(Function):
    @staticmethod
    def forward(ctx, z, target):
        ctx.save_for_backward(z, target)
        return F.nll_loss(z.log_softmax(1), target)

    @staticmethod
    def backward(ctx, dy):
        z, target = ctx.saved_tensors
        d = z.softmax(1) - F.one_hot(target, z.shape[1]).to(z.dtype)
        return dy * d / len(z), None


@wrong("partial missing-term", normal(5, 4), classes(4, 5))
class CrossEntropyNoTarget(CrossEntropy):
    @staticmethod
    def backward(ctx, dy):
        z, _ = ctx.saved_tensors
        return dy * z.softmax(1) / len(z), None


@wrong("scale", normal(5, 4), classes(4, 5))
class CrossEntropySum(CrossEntropy):
    @staticmethod
    def backward(ctx, dy):
        z, target = ctx.saved_tensors
        grad = z.softmax(1)
        grad[torch.arange(len(z)), target] -= 1
        return grad * dy, None


@wrong("sign", normal(5, 4), classes(4, 5))
class CrossEntropySign(CrossEntropy):
    @staticmethod
    def backward(ctx, dy):
        z, target = ctx.saved_tensors
        d = F.one_hot(target, z.shape[1]).to(z.dtype) - z.softmax(1)
        return dy * d / len(z), None


@wrong("mismatch wrong-axis wrong-operand", normal(4, 4), classes(4, 4))
class CrossEntropyOverBatch(CrossEntropy):
    """softmax over the examples, not over the classes."""

    @staticmethod
    def backward(ctx, dy):
        z, target = ctx.saved_tensors
        d = z.softmax(0) - F.one_hot(target, z.shape[1]).to(z.dtype)
        return dy * d / len(z), None


@wrong("partial", normal(6, 3), torch.tensor([0, 2, -100, 1, -100, 0]))
class CrossEntropyIgnoreIndex(Function):
    """Rows with the ignored class get a gradient."""

    @staticmethod
    def forward(ctx, z, target):
        ctx.save_for_backward(z, target)
        return F.cross_entropy(z, target, reduction="sum")

    @staticmethod
    def backward(ctx, dy):
        z, target = ctx.saved_tensors
        d = z.softmax(1)
        keep = target >= 0
        d[keep, target[keep]] -= 1
        return dy * d, None


@right(normal(6, 3).log_softmax(1), classes(3, 6), between(0.5, 2.0, 3).requires_grad_(False))
class WeightedNLL(Function):
    @staticmethod
    def forward(ctx, logp, target, weight):
        ctx.save_for_backward(logp, target, weight)
        return F.nll_loss(logp, target, weight)

    @staticmethod
    def backward(ctx, dy):
        logp, target, weight = ctx.saved_tensors
        w = weight[target]
        hot = torch.zeros_like(logp).scatter(1, target[:, None], 1.0)
        dlogp = -dy * hot * w[:, None] / w.sum()
        rows = -logp.gather(1, target[:, None]).squeeze(1)
        loss = (w * rows).sum() / w.sum()
        dw = torch.zeros_like(weight).index_add(0, target, (rows - loss) / w.sum()) * dy
        return dlogp, None, dw


@wrong("scale", normal(6, 3).log_softmax(1).requires_grad_(), classes(3, 6), between(0.5, 2.0, 3))
class WeightedNLLPlainMean(WeightedNLL):
    """Divides by the number of rows where forward divides by the sum of the weights."""

    @staticmethod
    def backward(ctx, dy):
        logp, target, weight = ctx.saved_tensors
        hot = F.one_hot(target, logp.shape[1]).to(logp.dtype)
        return -dy * hot * weight[target][:, None] / len(logp), None, None


@wrong("missing-factor", normal(6, 3).log_softmax(1).requires_grad_(), classes(3, 6), between(0.5, 2.0, 3))
class WeightedNLLNoWeight(Function):
    @staticmethod
    def forward(ctx, logp, target, weight):
        ctx.save_for_backward(logp, target)
        return -(weight[target] * logp[torch.arange(len(target)), target]).sum()

    @staticmethod
    def backward(ctx, dy):
        logp, target = ctx.saved_tensors
        return -dy * F.one_hot(target, logp.shape[1]).to(logp.dtype), None, None


# -------------------------------------------------------------------------------------------------------------- others


@right(normal(4, 5).log_softmax(1), normal(4, 5).softmax(1))
class KLDivergence(Function):
    @staticmethod
    def forward(ctx, logq, p):
        ctx.save_for_backward(logq, p)
        return (p * (p.log() - logq)).sum() / len(p)

    @staticmethod
    def backward(ctx, dy):
        logq, p = ctx.saved_tensors
        n = len(p)
        return -dy * p / n, dy * (p.log() + 1 - logq) / n


@wrong("missing-term", normal(4, 5).log_softmax(1), normal(4, 5).softmax(1))
class KLDivergenceProductRule(KLDivergence):
    @staticmethod
    def backward(ctx, dy):
        logq, p = ctx.saved_tensors
        n = len(p)
        return -dy * p / n, dy * (p.log() - logq) / n


@right(normal(9), coins(9) * 2 - 1)
class Hinge(Function):
    @staticmethod
    def forward(ctx, y, t):
        ctx.save_for_backward(y, t)
        return (1 - t * y).clamp(min=0).mean()

    @staticmethod
    def backward(ctx, g):
        y, t = ctx.saved_tensors
        active = (t * y < 1).to(y.dtype) * g / y.numel()
        return -active * t, -active * y


@wrong("partial", normal(16), coins(16) * 2 - 1)
class HingeAlwaysActive(Hinge):
    @staticmethod
    def backward(ctx, g):
        y, t = ctx.saved_tensors
        return -g * t / y.numel(), -g * y / y.numel()


@wrong("missing-factor", normal(9).requires_grad_(), coins(9) * 2 - 1)
class SquaredHingeLikeHinge(Function):
    @staticmethod
    def forward(ctx, y, t):
        ctx.save_for_backward(y, t)
        return torch.relu(1 - t * y).square().sum()

    @staticmethod
    def backward(ctx, g):
        y, t = ctx.saved_tensors
        return -2 * g * t * (t * y < 1), None


@right(normal(5, 3), normal(5, 3), normal(5, 3))
def triplet(anchor, positive, negative):
    """A callable made of torch's own operations."""
    near = (anchor - positive).pow(2).sum(1)
    far = (anchor - negative).pow(2).sum(1)
    return torch.relu(near - far + 1.0).mean()


@wrong("forward", normal(4, 3), normal(4, 3), reference=F.mse_loss)
class MSEForwardIsSum(Function):
    @staticmethod
    def forward(ctx, p, t):
        ctx.save_for_backward(p, t)
        return ((p - t) ** 2).sum()

    @staticmethod
    def backward(ctx, dy):
        p, t = ctx.saved_tensors
        return 2 * dy * (p - t), 2 * dy * (t - p)


@wrong("forward", normal(12, scale=3.0), normal(12), reference=F.smooth_l1_loss)
class SmoothL1Forward(Function):
    """The linear part lacks its -0.5: the value jumps, the gradient is right."""

    @staticmethod
    def forward(ctx, p, t):
        ctx.save_for_backward(p, t)
        r = (p - t).abs()
        return torch.where(r < 1, 0.5 * r * r, r).mean()

    @staticmethod
    def backward(ctx, dy):
        p, t = ctx.saved_tensors
        d = dy * (p - t).clamp(-1, 1) / p.numel()
        return d, -d


@wrong("precision", normal(6, 4), normal(6, 4))
class MSEThroughFloat32(MSE):
    @staticmethod
    def backward(ctx, dy):
        p, t = ctx.saved_tensors
        d = (dy.float() * 2 * (p.float() - t.float()) / p.numel()).to(p.dtype)
        return d, -d


@wrong("mismatch", normal(6, 4), normal(6, 4))
class MSEOfSomethingElse(MSE):
    """Nothing to do with the squared error."""

    @staticmethod
    def backward(ctx, dy):
        p, t = ctx.saved_tensors
        d = dy * torch.sin(3 * p + 0.4 * t * p.roll(1, 0)) * (1.3 + t.cos())
        return d, -d.roll(2, 1)
