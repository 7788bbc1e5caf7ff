"""What treats every element by itself, or the elements of several tensors that meet."""

import math
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from manualgrad import functional as F
from manualgrad.spellings.adapting import swapped


def _where(condition: Tensor, *operands: Any) -> Any:
    """`torch.where`, which given the condition alone tells the places where it holds."""
    return F.where(condition, *operands) if operands else torch.where(condition)


def _where_else(input: Tensor, condition: Tensor, other: Any) -> Any:
    """`x.where(condition, other)`."""
    return F.where(condition, input, other)


def _multivariate_lgamma(input: Tensor, p: int) -> Any:
    """`torch.mvlgamma`, a sum of p logarithms of gamma functions."""
    if not isinstance(p, int) or p < 1:
        raise RuntimeError(f"mvlgamma: p must be at least 1, got {p}")
    terms = F.lgamma(F.sub(F.unsqueeze(input, -1), torch.arange(p, dtype=input.dtype, device=input.device) / 2))
    return F.add(F.sum(terms, -1), p * (p - 1) / 4 * math.log(math.pi))


def _entropy(input: Tensor) -> Any:
    """`torch.special.entr`, -x ln x, which is -inf for negative numbers."""
    return F.masked_fill(F.neg(F.xlogy(input, input)), input < 0, -math.inf)


def _normal_distribution(input: Tensor) -> Any:
    """`torch.special.ndtr`, the share of a normal distribution that is below x."""
    return F.mul(F.erfc(F.mul(input, -math.sqrt(0.5))), 0.5)


def _times(factor: float) -> Callable[..., Any]:
    """A change of unit."""

    def spelled(input: Tensor) -> Any:
        return F.mul(input, factor)

    return spelled


def _fraction(input: Tensor) -> Any:
    """`torch.frac`, what is behind the point."""
    return F.sub(input, F.trunc(input))


def _times_power_of_two(input: Tensor, other: Tensor) -> Any:
    """`torch.ldexp`."""
    return F.mul(input, F.pow(2.0, other))


def _double_power(input: Any, exponent: Any) -> Any:
    """`torch.float_power`, a power in double precision."""

    def doubled(x: Any) -> Any:
        if not isinstance(x, Tensor):
            return x
        return F.to(x, torch.complex128 if x.is_complex() else torch.float64)

    return F.pow(doubled(input), doubled(exponent))


def _divided(input: Any, other: Any) -> Any:
    """`x // y`."""
    if not isinstance(input, Tensor):
        input = torch.scalar_tensor(input, dtype=other.dtype, device=other.device)
    return F.div(input, other, rounding_mode="floor")


def _constant(function: Callable[..., Any]) -> Callable[..., Any]:
    """A draw of chance, a step or a count: its result does not depend on its arguments in a differentiable way."""

    def spelled(*args: Any, **keywords: Any) -> Any:
        return function(*(a.detach() if isinstance(a, Tensor) else a for a in args), **keywords)

    return spelled


def _all_filled(input: Tensor, value: Any) -> Any:
    """`torch.fill`."""
    return F.masked_fill(input, torch.ones((), dtype=torch.bool, device=input.device), value)


SPELLINGS: tuple[tuple[Callable[..., Any], ...], ...] = (
    (F.add, torch.add, Tensor.add, Tensor.__add__, Tensor.__radd__),
    (F.sub, torch.sub, Tensor.sub, Tensor.__sub__, torch.subtract, Tensor.subtract),
    (swapped(F.sub), torch.rsub, Tensor.__rsub__),
    (F.mul, torch.mul, Tensor.mul, Tensor.__mul__, Tensor.__rmul__, torch.multiply, Tensor.multiply),
    (F.div, torch.div, Tensor.div, Tensor.__truediv__, Tensor.__div__, torch.divide, Tensor.divide),
    (F.div, torch.true_divide, Tensor.true_divide),
    (swapped(F.div), Tensor.__rtruediv__),
    (F.neg, torch.neg, Tensor.neg, Tensor.__neg__, torch.negative, Tensor.negative),
    (F.pow, torch.pow, Tensor.pow, Tensor.__pow__),
    (swapped(F.pow), Tensor.__rpow__),
    (F.fmod, torch.fmod, Tensor.fmod),
    (F.remainder, torch.remainder, Tensor.remainder, Tensor.__mod__),
    (swapped(F.remainder), Tensor.__rmod__),
    (F.lerp, torch.lerp, Tensor.lerp),
    (F.addcmul, torch.addcmul, Tensor.addcmul),
    (F.addcdiv, torch.addcdiv, Tensor.addcdiv),
    (F.exp, torch.exp, Tensor.exp),
    (F.expm1, torch.expm1, Tensor.expm1, torch.special.expm1),
    (F.log, torch.log, Tensor.log),
    (F.log1p, torch.log1p, Tensor.log1p, torch.special.log1p),
    (F.exp2, torch.exp2, Tensor.exp2, torch.special.exp2),
    (F.log2, torch.log2, Tensor.log2),
    (F.log10, torch.log10, Tensor.log10),
    (F.erf, torch.erf, Tensor.erf, torch.special.erf),
    (F.erfc, torch.erfc, Tensor.erfc, torch.special.erfc),
    (F.nan_to_num, torch.nan_to_num, Tensor.nan_to_num),
    (F.logaddexp, torch.logaddexp, Tensor.logaddexp),
    (F.sqrt, torch.sqrt, Tensor.sqrt),
    (F.rsqrt, torch.rsqrt, Tensor.rsqrt),
    (F.square, torch.square, Tensor.square),
    (F.reciprocal, torch.reciprocal, Tensor.reciprocal),
    (F.abs, torch.abs, Tensor.abs, Tensor.__abs__, torch.absolute, Tensor.absolute),
    (F.sin, torch.sin, Tensor.sin),
    (F.cos, torch.cos, Tensor.cos),
    (F.tan, torch.tan, Tensor.tan),
    (F.asin, torch.asin, Tensor.asin, torch.arcsin, Tensor.arcsin),
    (F.acos, torch.acos, Tensor.acos, torch.arccos, Tensor.arccos),
    (F.atan, torch.atan, Tensor.atan, torch.arctan, Tensor.arctan),
    (F.atan2, torch.atan2, Tensor.atan2, torch.arctan2, Tensor.arctan2),
    (F.sinh, torch.sinh, Tensor.sinh),
    (F.cosh, torch.cosh, Tensor.cosh),
    (F.asinh, torch.asinh, Tensor.asinh, torch.arcsinh, Tensor.arcsinh),
    (F.acosh, torch.acosh, Tensor.acosh, torch.arccosh, Tensor.arccosh),
    (F.atanh, torch.atanh, Tensor.atanh, torch.arctanh, Tensor.arctanh),
    (F.floor, torch.floor, Tensor.floor),
    (F.ceil, torch.ceil, Tensor.ceil),
    (F.trunc, torch.trunc, Tensor.trunc, torch.fix, Tensor.fix),
    (F.round, torch.round, Tensor.round, torch.special.round),
    (F.sign, torch.sign, Tensor.sign, torch.sgn, Tensor.sgn),
    (F.maximum, torch.maximum, Tensor.maximum),
    (F.minimum, torch.minimum, Tensor.minimum),
    (F.clamp, torch.clamp, Tensor.clamp, torch.clip, Tensor.clip),
    (F.clamp_min, torch.clamp_min, Tensor.clamp_min),
    (F.clamp_max, torch.clamp_max, Tensor.clamp_max),
    (_where, torch.where),
    (_where_else, Tensor.where),
    (F.masked_fill, torch.masked_fill, Tensor.masked_fill),
    (F.conj, torch.conj, Tensor.conj),
    (F.erfinv, torch.erfinv, Tensor.erfinv, torch.special.erfinv),
    (F.lgamma, torch.lgamma, Tensor.lgamma, torch.special.gammaln),
    (F.digamma, torch.digamma, Tensor.digamma, torch.special.digamma, torch.special.psi),
    (F.polygamma, torch.polygamma, torch.special.polygamma),
    (swapped(F.polygamma), Tensor.polygamma),
    (_multivariate_lgamma, torch.mvlgamma, Tensor.mvlgamma, torch.special.multigammaln),
    (F.i0, torch.i0, Tensor.i0, torch.special.i0),
    (F.sinc, torch.sinc, Tensor.sinc, torch.special.sinc),
    (F.logit, torch.logit, Tensor.logit, torch.special.logit),
    (F.logaddexp2, torch.logaddexp2, Tensor.logaddexp2),
    (F.xlogy, torch.xlogy, Tensor.xlogy, torch.special.xlogy),
    (F.hypot, torch.hypot, Tensor.hypot),
    (F.copysign, torch.copysign, Tensor.copysign),
    (F.fmax, torch.fmax, Tensor.fmax),
    (F.fmin, torch.fmin, Tensor.fmin),
    (_entropy, torch.special.entr),
    (_normal_distribution, torch.special.ndtr),
    (_times(math.pi / 180), torch.deg2rad, Tensor.deg2rad),
    (_times(180 / math.pi), torch.rad2deg, Tensor.rad2deg),
    (_fraction, torch.frac, Tensor.frac),
    (_times_power_of_two, torch.ldexp, Tensor.ldexp),
    (_double_power, torch.float_power, Tensor.float_power),
    (_divided, torch.floor_divide, Tensor.floor_divide, Tensor.__floordiv__),
    (swapped(_divided), Tensor.__rfloordiv__),
    (_constant(torch.bernoulli), torch.bernoulli, Tensor.bernoulli),
    (_constant(torch.normal), torch.normal),
    (_constant(torch.poisson), torch.poisson),
    (_constant(torch.heaviside), torch.heaviside, Tensor.heaviside),
    (_constant(torch.histc), torch.histc, Tensor.histc),
    (_all_filled, torch.fill),
)
