"""Activations and other elementwise functions."""
# mypy: ignore-errors
# ruff: noqa: RUF059  (a mistake often leaves a variable unused)

import math

import numpy as np
import torch
from torch.autograd import Function
from torch.autograd.function import once_differentiable

from tests.checking.corpus import between, normal, right, wrong

# ------------------------------------------------------------------------------------------------------------ sigmoid


@right(normal(4, 3))
class Sigmoid(Function):
    @staticmethod
    def forward(ctx, x):
        y = torch.sigmoid(x)
        ctx.save_for_backward(y)
        return y

    @staticmethod
    def backward(ctx, dy):
        (y,) = ctx.saved_tensors
        return dy * y * (1 - y)


@wrong("missing-factor", normal(4, 3))
class SigmoidHalfDone(Sigmoid):
    @staticmethod
    def backward(ctx, dy):
        (y,) = ctx.saved_tensors
        return dy * y


@wrong("missing-factor", normal(7))
class SigmoidOtherHalf(Sigmoid):
    @staticmethod
    def backward(ctx, grad_output):
        (out,) = ctx.saved_tensors
        return grad_output * (1.0 - out)


@wrong("wrong-operand", normal(5, 2))
class SigmoidOfInput(Function):
    """Saves x and treats it as if it were y."""

    @staticmethod
    def forward(ctx, x):
        ctx.save_for_backward(x)
        return 1 / (1 + torch.exp(-x))

    @staticmethod
    def backward(ctx, dy):
        (s,) = ctx.saved_tensors
        return dy * s * (1 - s)


@wrong("sign", normal(6))
class SigmoidSign(Function):
    @staticmethod
    def forward(x):
        return x.sigmoid()

    @staticmethod
    def setup_context(ctx, inputs, output):
        ctx.save_for_backward(output)

    @staticmethod
    def backward(ctx, g):
        (y,) = ctx.saved_tensors
        return g * y * (y - 1)


@wrong("ignores-upstream", normal(4, 3))
class SigmoidAlone(Sigmoid):
    @staticmethod
    def backward(ctx, dy):
        (y,) = ctx.saved_tensors
        return y * (1 - y)


@wrong("missing-factor", normal(3, 4), between(0.5, 2.0, 1))
class SteepSigmoid(Function):
    """sigmoid(beta x), and the inner derivative of x forgotten."""

    @staticmethod
    def forward(ctx, x, beta):
        y = torch.sigmoid(beta * x)
        ctx.save_for_backward(x, beta, y)
        return y

    @staticmethod
    def backward(ctx, dy):
        x, beta, y = ctx.saved_tensors
        d = dy * y * (1 - y)
        return d * beta, d.sum().reshape(1)


@wrong("scale", normal(3, 4), 1.7)
class SteepSigmoidConstant(Function):
    @staticmethod
    def forward(ctx, x, beta):
        y = torch.sigmoid(beta * x)
        ctx.save_for_backward(y)
        return y

    @staticmethod
    def backward(ctx, dy):
        (y,) = ctx.saved_tensors
        return dy * y * (1 - y), None


# --------------------------------------------------------------------------------------------------------------- tanh


@right(normal(3, 5))
class Tanh(Function):
    @staticmethod
    def forward(x):
        return torch.tanh(x)

    @staticmethod
    def setup_context(ctx, inputs, output):
        ctx.save_for_backward(output)
        ctx.save_for_forward(output)

    @staticmethod
    def backward(ctx, dy):
        (y,) = ctx.saved_tensors
        return dy * (1 - y * y)

    @staticmethod
    def jvp(ctx, x_t):
        (y,) = ctx.saved_tensors
        return x_t * (1 - y * y)


@wrong("missing-factor", normal(3, 5))
class TanhUnsquared(Function):
    @staticmethod
    def forward(ctx, x):
        y = torch.tanh(x)
        ctx.save_for_backward(y)
        return y

    @staticmethod
    def backward(ctx, dy):
        (y,) = ctx.saved_tensors
        return dy * (1 - y)


@wrong("sign", normal(8))
class TanhBackwards(Function):
    @staticmethod
    def forward(ctx, x):
        ctx.y = None
        y = (x.exp() - (-x).exp()) / (x.exp() + (-x).exp())
        ctx.save_for_backward(y)
        return y

    @staticmethod
    def backward(ctx, dy):
        (y,) = ctx.saved_tensors
        return dy * (y.pow(2) - 1)


@wrong("wrong-operand", normal(4, 2))
class TanhOfX(Function):
    @staticmethod
    def forward(ctx, x):
        ctx.save_for_backward(x)
        return x.tanh()

    @staticmethod
    def backward(ctx, grad):
        (x,) = ctx.saved_tensors
        return grad * (1 - x**2)


@wrong("extra-factor", normal(4, 2))
class TanhTwice(Tanh):
    @staticmethod
    def backward(ctx, dy):
        (y,) = ctx.saved_tensors
        return dy * y * (1 - y * y)


@wrong("nonlinear-upstream", normal(5))
class TanhSquaredUpstream(Tanh):
    @staticmethod
    def backward(ctx, dy):
        (y,) = ctx.saved_tensors
        return dy * dy * (1 - y * y)


# --------------------------------------------------------------------------------------------------------------- relus


@right(torch.tensor([-1.5, 0.0, 2.0, 0.7]))
class ReLU(Function):
    """A kink at zero, in float32."""

    @staticmethod
    def forward(ctx, x):
        ctx.save_for_backward(x)
        return x.clamp(min=0)

    @staticmethod
    def backward(ctx, grad_output):
        (x,) = ctx.saved_tensors
        grad = grad_output.clone()
        grad[x < 0] = 0
        return grad


@wrong("partial", normal(4, 5))
class ReLUWithoutMask(Function):
    @staticmethod
    def forward(ctx, x):
        return torch.relu(x)

    @staticmethod
    def backward(ctx, dy):
        return dy


@wrong("partial", normal(20))
class ReLUWrongSide(Function):
    @staticmethod
    def forward(ctx, x):
        ctx.save_for_backward(x)
        return torch.where(x > 0, x, torch.zeros_like(x))

    @staticmethod
    def backward(ctx, dy):
        (x,) = ctx.saved_tensors
        return dy * (x > -0.5).to(dy.dtype)


@wrong("extra-factor", normal(12))
class ReLUOutputAsMask(Function):
    """Multiplies by the output where it should ask whether the output is positive."""

    @staticmethod
    def forward(ctx, x):
        y = x.clamp_min(0)
        ctx.save_for_backward(y)
        return y

    @staticmethod
    def backward(ctx, dy):
        (y,) = ctx.saved_tensors
        return dy * y


@right(normal(3, 4), 0.1)
class LeakyReLU(Function):
    @staticmethod
    def forward(ctx, x, slope):
        ctx.save_for_backward(x)
        ctx.slope = slope
        return torch.where(x > 0, x, slope * x)

    @staticmethod
    def backward(ctx, dy):
        (x,) = ctx.saved_tensors
        return torch.where(x > 0, dy, ctx.slope * dy), None


@wrong("partial", normal(3, 6), 0.2)
class LeakyReLUNoLeak(LeakyReLU):
    @staticmethod
    def backward(ctx, dy):
        (x,) = ctx.saved_tensors
        return dy * (x > 0), None


@wrong("arity", normal(3, 4), 0.1)
class LeakyReLUOneGradient(LeakyReLU):
    @staticmethod
    def backward(ctx, dy):
        (x,) = ctx.saved_tensors
        return torch.where(x > 0, dy, ctx.slope * dy)


@right(normal(2, 3, 2), between(0.1, 0.4, 3))
class PReLU(Function):
    """One slope for each channel."""

    @staticmethod
    def forward(ctx, x, a):
        ctx.save_for_backward(x, a)
        return torch.where(x >= 0, x, a.view(1, -1, 1) * x)

    @staticmethod
    def backward(ctx, dy):
        x, a = ctx.saved_tensors
        dx = torch.where(x >= 0, dy, a.view(1, -1, 1) * dy)
        da = torch.where(x >= 0, torch.zeros_like(x), x * dy).sum((0, 2))
        return dx, da


@wrong("partial missing-term", normal(2, 3, 4), between(0.1, 0.4, 3))
class PReLUForgetsSign(PReLU):
    """da sums x dy over all elements, the positive ones too."""

    @staticmethod
    def backward(ctx, dy):
        x, a = ctx.saved_tensors
        dx = torch.where(x >= 0, dy, a.view(1, -1, 1) * dy)
        return dx, (x * dy).sum(dim=(0, 2))


@right(normal(11, scale=2.0), 1.0)
class ELU(Function):
    @staticmethod
    def forward(ctx, x, alpha):
        y = torch.where(x > 0, x, alpha * torch.expm1(x))
        ctx.alpha = alpha
        ctx.save_for_backward(y)
        return y

    @staticmethod
    def backward(ctx, dy):
        (y,) = ctx.saved_tensors
        return torch.where(y > 0, dy, dy * (y + ctx.alpha)), None


@wrong("partial", normal(11, scale=2.0), 1.5)
class ELUNegativeSide(ELU):
    @staticmethod
    def backward(ctx, dy):
        (y,) = ctx.saved_tensors
        return torch.where(y > 0, dy, dy * y), None


@wrong("partial", normal(18, scale=3.0))
class HardSigmoid(Function):
    """Gradient flows where the function is flat."""

    @staticmethod
    def forward(ctx, x):
        return (x / 6 + 0.5).clamp(0, 1)

    @staticmethod
    def backward(ctx, dy):
        return dy / 6


@right(normal(9, scale=2.0), -1.0, 1.0)
class HardTanh(Function):
    @staticmethod
    def forward(ctx, x, low, high):
        ctx.save_for_backward((x > low) & (x < high))
        return x.clamp(low, high)

    @staticmethod
    def backward(ctx, dy):
        (inside,) = ctx.saved_tensors
        return dy.masked_fill(~inside, 0), None, None


@wrong("partial", normal(24, scale=2.0), -1.0, 1.0)
class HardTanhUpperOnly(Function):
    @staticmethod
    def forward(ctx, x, low, high):
        ctx.high = high
        ctx.save_for_backward(x)
        return x.clamp(low, high)

    @staticmethod
    def backward(ctx, dy):
        (x,) = ctx.saved_tensors
        return dy * (x < ctx.high), None, None


# ------------------------------------------------------------------------------------------------ swish, gelu, softplus


@right(normal(4, 4))
class Swish(Function):
    @staticmethod
    def forward(ctx, x):
        ctx.save_for_backward(x)
        return x * torch.sigmoid(x)

    @staticmethod
    def backward(ctx, dy):
        (x,) = ctx.saved_tensors
        s = torch.sigmoid(x)
        return dy * s * (1 + x * (1 - s))


@wrong("missing-term missing-factor", normal(4, 4))
class SwishFirstTermOnly(Swish):
    @staticmethod
    def backward(ctx, dy):
        (x,) = ctx.saved_tensors
        return dy * torch.sigmoid(x)


@wrong("missing-term", normal(10))
class SwishSecondTermOnly(Swish):
    @staticmethod
    def backward(ctx, dy):
        (x,) = ctx.saved_tensors
        s = torch.sigmoid(x)
        return dy * x * s * (1 - s)


@right(normal(12, scale=1.5))
class GELU(Function):
    @staticmethod
    def forward(ctx, x):
        ctx.save_for_backward(x)
        return 0.5 * x * (1 + torch.erf(x / math.sqrt(2)))

    @staticmethod
    def backward(ctx, dy):
        (x,) = ctx.saved_tensors
        cdf = 0.5 * (1 + torch.erf(x / math.sqrt(2)))
        pdf = torch.exp(-0.5 * x * x) / math.sqrt(2 * math.pi)
        return dy * (cdf + x * pdf)


@wrong("missing-term", normal(12, scale=1.5))
class GELUNoDensity(GELU):
    @staticmethod
    def backward(ctx, dy):
        (x,) = ctx.saved_tensors
        return dy * 0.5 * (1 + torch.erf(x / math.sqrt(2)))


@wrong("precision", normal(12))
class TanhGELU(Function):
    """The constant is cut to four digits in backward."""

    @staticmethod
    def forward(ctx, x):
        ctx.save_for_backward(x)
        u = math.sqrt(2 / math.pi) * (x + 0.044715 * x**3)
        return 0.5 * x * (1 + torch.tanh(u))

    @staticmethod
    def backward(ctx, dy):
        (x,) = ctx.saved_tensors
        k = 0.7979
        t = torch.tanh(k * (x + 0.044715 * x**3))
        return dy * (0.5 * (1 + t) + 0.5 * x * (1 - t * t) * k * (1 + 3 * 0.044715 * x * x))


@right(normal(10, scale=3.0))
class Softplus(Function):
    @staticmethod
    def forward(ctx, x):
        ctx.save_for_backward(x)
        return torch.logaddexp(x, torch.zeros_like(x))

    @staticmethod
    def backward(ctx, dy):
        (x,) = ctx.saved_tensors
        return dy * torch.sigmoid(x)


@wrong("wrong-operand mismatch", normal(10))
class SoftplusTanh(Softplus):
    @staticmethod
    def backward(ctx, dy):
        (x,) = ctx.saved_tensors
        return dy * torch.tanh(x)


@wrong("unstable", normal(10))
class SoftplusNaive(Function):
    """log(1 + e^x) is infinite from x = 89 in float32."""

    @staticmethod
    def forward(ctx, x):
        ctx.save_for_backward(x)
        return torch.log(1 + torch.exp(x))

    @staticmethod
    def backward(ctx, dy):
        (x,) = ctx.saved_tensors
        return dy * torch.sigmoid(x)


@wrong("unstable", normal(10))
class LogisticNaive(Function):
    """Forward is fine; backward is inf / inf for large negative x."""

    @staticmethod
    def forward(ctx, x):
        ctx.save_for_backward(x)
        return torch.sigmoid(x)

    @staticmethod
    def backward(ctx, dy):
        (x,) = ctx.saved_tensors
        e = torch.exp(-x)
        return dy * e / (1 + e) ** 2


@wrong("unstable", normal(8))
class LogCosh(Function):
    @staticmethod
    def forward(ctx, x):
        ctx.save_for_backward(x)
        return torch.log(torch.cosh(x))

    @staticmethod
    def backward(ctx, dy):
        (x,) = ctx.saved_tensors
        return dy * torch.tanh(x)


@right(normal(8))
class Mish(Function):
    @staticmethod
    def forward(x):
        return x * torch.tanh(torch.nn.functional.softplus(x))

    @staticmethod
    def setup_context(ctx, inputs, output):
        ctx.save_for_backward(*inputs)

    @staticmethod
    def backward(ctx, dy):
        (x,) = ctx.saved_tensors
        t = torch.tanh(torch.nn.functional.softplus(x))
        return dy * (t + x * (1 - t * t) * torch.sigmoid(x))


@wrong("mismatch missing-term wrong-operand", normal(8))
class MishChainRule(Mish):
    """The sigmoid of the inner softplus is missing from the second term."""

    @staticmethod
    def backward(ctx, dy):
        (x,) = ctx.saved_tensors
        t = torch.tanh(torch.nn.functional.softplus(x))
        return dy * (t + x * (1 - t * t))


@right(normal(13))
class Softsign(Function):
    @staticmethod
    def forward(ctx, x):
        ctx.save_for_backward(x)
        return x / (1 + x.abs())

    @staticmethod
    def backward(ctx, dy):
        (x,) = ctx.saved_tensors
        return dy / (1 + x.abs()).square()


@wrong("missing-factor", normal(13))
class SoftsignUnsquared(Softsign):
    @staticmethod
    def backward(ctx, dy):
        (x,) = ctx.saved_tensors
        return dy / (1 + x.abs())


# -------------------------------------------------------------------------------------------------- powers, logs, waves


@right(normal(5))
class Exp(Function):
    generate_vmap_rule = True

    @staticmethod
    def forward(x):
        return x.exp()

    @staticmethod
    def setup_context(ctx, inputs, output):
        ctx.save_for_backward(output)
        ctx.save_for_forward(output)

    @staticmethod
    def backward(ctx, dy):
        return dy * ctx.saved_tensors[0]

    @staticmethod
    def jvp(ctx, x_t):
        return x_t * ctx.saved_tensors[0]


@wrong("wrong-operand", normal(5))
class ExpOfInput(Function):
    @staticmethod
    def forward(ctx, x):
        ctx.save_for_backward(x)
        return torch.exp(x)

    @staticmethod
    def backward(ctx, dy):
        (y,) = ctx.saved_tensors
        return dy * y


@wrong("scale", normal(6))
class PowerOfTwo(Function):
    """ln 2 is missing."""

    @staticmethod
    def forward(ctx, x):
        y = torch.pow(2.0, x)
        ctx.save_for_backward(y)
        return y

    @staticmethod
    def backward(ctx, dy):
        (y,) = ctx.saved_tensors
        return dy * y


@right(between(0.2, 3.0, 3, 2))
class Log(Function):
    @staticmethod
    def forward(ctx, x):
        ctx.save_for_backward(x)
        return x.log()

    @staticmethod
    def backward(ctx, dy):
        (x,) = ctx.saved_tensors
        return dy / x


@right(torch.tensor([1e-9, 2e-5, 0.3]))
class LogNearZero(Log):
    """Steps must not cross the edge of the domain."""


@wrong("extra-factor", between(0.3, 3.0, 3, 2))
class LogMultiplies(Log):
    @staticmethod
    def backward(ctx, dy):
        (x,) = ctx.saved_tensors
        return dy * x


@wrong("scale", between(0.3, 3.0, 9))
class Log10(Function):
    @staticmethod
    def forward(ctx, x):
        ctx.save_for_backward(x)
        return torch.log10(x)

    @staticmethod
    def backward(ctx, dy):
        (x,) = ctx.saved_tensors
        return dy / x


@wrong("scale", normal(3, 3))
class Square(Function):
    @staticmethod
    def forward(ctx, x):
        ctx.save_for_backward(x)
        return x.square()

    @staticmethod
    def backward(ctx, dy):
        (x,) = ctx.saved_tensors
        return dy * x


@wrong("missing-factor", between(0.5, 2.0, 7))
class Cube(Function):
    @staticmethod
    def forward(ctx, x):
        ctx.save_for_backward(x)
        return x**3

    @staticmethod
    def backward(ctx, dy):
        (x,) = ctx.saved_tensors
        return 3 * x * dy


@wrong("scale", between(0.5, 2.0, 4), 3.0)
class PowerWithoutExponent(Function):
    @staticmethod
    def forward(ctx, x, p):
        ctx.p = p
        ctx.save_for_backward(x)
        return x.pow(p)

    @staticmethod
    def backward(ctx, dy):
        (x,) = ctx.saved_tensors
        return dy * x.pow(ctx.p - 1), None


@right(between(0.5, 2.0, 4, 2), between(-1.0, 2.0, 4, 2))
class Pow(Function):
    @staticmethod
    def forward(ctx, base, exponent):
        y = torch.pow(base, exponent)
        ctx.save_for_backward(base, exponent, y)
        return y

    @staticmethod
    def backward(ctx, dy):
        base, exponent, y = ctx.saved_tensors
        return dy * exponent * base ** (exponent - 1), dy * y * base.log()


@wrong("missing-factor", between(1.2, 3.0, 4, 2), between(0.5, 2.0, 4, 2))
class PowExponentWithoutLog(Pow):
    @staticmethod
    def backward(ctx, dy):
        base, exponent, y = ctx.saved_tensors
        return dy * exponent * base ** (exponent - 1), dy * y


@wrong("scale", between(0.1, 4.0, 3, 4))
class Sqrt(Function):
    @staticmethod
    def forward(ctx, x):
        y = x.sqrt()
        ctx.save_for_backward(y)
        return y

    @staticmethod
    def backward(ctx, dy):
        (y,) = ctx.saved_tensors
        return dy / y


@right(torch.tensor([0.0, 0.25, 4.0]))
class SqrtAtZero(Function):
    """The slope is infinite at 0, as torch's is."""

    @staticmethod
    def forward(ctx, x):
        y = torch.sqrt(x)
        ctx.save_for_backward(y)
        return y

    @staticmethod
    def backward(ctx, dy):
        (y,) = ctx.saved_tensors
        return 0.5 * dy / y


@wrong("sign", normal(4, 2))
class Cos(Function):
    @staticmethod
    def forward(ctx, x):
        ctx.save_for_backward(x)
        return x.cos()

    @staticmethod
    def backward(ctx, dy):
        (x,) = ctx.saved_tensors
        return x.sin() * dy


@wrong("wrong-operand", normal(4, 3))
class Sin(Function):
    """Uses the output, sin x, where cos x is needed."""

    @staticmethod
    def forward(ctx, x):
        y = x.sin()
        ctx.save_for_backward(y)
        return y

    @staticmethod
    def backward(ctx, dy):
        (y,) = ctx.saved_tensors
        return dy * y


@wrong("scale", between(-150.0, 150.0, 6))
class SinDegrees(Function):
    @staticmethod
    def forward(ctx, degrees):
        ctx.save_for_backward(degrees)
        return torch.sin(degrees * (math.pi / 180))

    @staticmethod
    def backward(ctx, dy):
        (degrees,) = ctx.saved_tensors
        return dy * torch.cos(degrees * (math.pi / 180))


@right(normal(7))
class Arctan(Function):
    @staticmethod
    def forward(ctx, x):
        ctx.save_for_backward(x)
        return torch.atan(x)

    @staticmethod
    def backward(ctx, dy):
        (x,) = ctx.saved_tensors
        return dy / (1 + x * x)


@wrong("missing-factor extra-factor wrong-operand", between(-0.9, 0.9, 7))
class Arcsin(Function):
    """Forgets the square root."""

    @staticmethod
    def forward(ctx, x):
        ctx.save_for_backward(x)
        return torch.asin(x)

    @staticmethod
    def backward(ctx, dy):
        (x,) = ctx.saved_tensors
        return dy / (1 - x * x)


@wrong("sign", between(0.3, 2.0, 5))
class Reciprocal(Function):
    @staticmethod
    def forward(ctx, x):
        y = 1 / x
        ctx.save_for_backward(y)
        return y

    @staticmethod
    def backward(ctx, dy):
        (y,) = ctx.saved_tensors
        return dy * y * y


@right(torch.tensor([-2.0, 0.0, 3.0]))
class Abs(Function):
    """At 0 it returns 0, which lies between the slopes -1 and 1."""

    @staticmethod
    def forward(ctx, x):
        ctx.save_for_backward(x)
        return x.abs()

    @staticmethod
    def backward(ctx, dy):
        (x,) = ctx.saved_tensors
        return dy * x.sign()


@wrong("partial missing-factor", normal(3, 4))
class AbsPositive(Function):
    @staticmethod
    def forward(ctx, x):
        return x.abs()

    @staticmethod
    def backward(ctx, dy):
        return dy.clone()


@right(normal(4, 3))
class NumpySoftplus(Function):
    """Leaves torch, and says that it cannot be differentiated twice."""

    @staticmethod
    def forward(ctx, x):
        a = x.detach().cpu().numpy()
        ctx.save_for_backward(x)
        return torch.from_numpy(np.logaddexp(a, 0.0)).to(x.dtype)

    @staticmethod
    @once_differentiable
    def backward(ctx, dy):
        (x,) = ctx.saved_tensors
        return dy / (1 + torch.exp(-x))


@right(normal(3, 2), normal(3, 2))
class Multiply(Function):
    @staticmethod
    def forward(ctx, a, b):
        ctx.save_for_backward(a, b)
        return a * b

    @staticmethod
    def backward(ctx, dy):
        a, b = ctx.saved_tensors
        return dy * b, dy * a


@wrong("swapped", normal(3, 2), normal(3, 2))
class MultiplySwapped(Multiply):
    @staticmethod
    def backward(ctx, dy):
        a, b = ctx.saved_tensors
        return dy * a, dy * b


@wrong("wrong-operand", normal(3, 2), normal(3, 2))
class MultiplyOwn(Multiply):
    """da is right, db uses b where a is needed."""

    @staticmethod
    def backward(ctx, dy):
        _, b = ctx.saved_tensors
        return dy * b, dy * b


@wrong("sign", normal(2, 4), between(0.5, 1.5, 2, 4))
class Divide(Function):
    @staticmethod
    def forward(ctx, n, d):
        ctx.save_for_backward(n, d)
        return n / d

    @staticmethod
    def backward(ctx, g):
        n, d = ctx.saved_tensors
        return g / d, g * n / (d * d)


@wrong("missing-factor", normal(2, 4), between(0.5, 1.5, 2, 4))
class DivideUnsquared(Divide):
    @staticmethod
    def backward(ctx, g):
        n, d = ctx.saved_tensors
        return g / d, -g * n / d


@wrong("scale", normal(4))
class IdentityTimesTiny(Function):
    """The derivative is 1e-7 and the gradient 2e-7: an absolute tolerance of 1e-5 does not see it."""

    @staticmethod
    def forward(ctx, x):
        return 1e-7 * x

    @staticmethod
    def backward(ctx, dy):
        return 2e-7 * dy


@wrong("partial", normal(100, 100))
class OneEntryWrong(Function):
    """A single entry of ten thousand is three times too large."""

    @staticmethod
    def forward(ctx, x):
        ctx.save_for_backward(x)
        return x * x

    @staticmethod
    def backward(ctx, dy):
        (x,) = ctx.saved_tensors
        dx = 2 * x * dy
        dx[57, 12] *= 3
        return dx
