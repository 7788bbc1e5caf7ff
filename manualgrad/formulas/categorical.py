r"""Samples of a categorical distribution through which a gradient flows: one-hot straight through, Gumbel softmax.

The largest of several has slope 0 almost everywhere, which teaches a network nothing: a straight-through surrogate
declares the gradient of the identity, and Gumbel softmax is smooth.
Second derivatives are those of the declared gradient. Shapes: x, y (*) any shape.
"""

import warnings
from typing import Any

import torch
from torch import Tensor

from manualgrad.formula import Formula, call, save
from manualgrad.public import public


class StraightThroughOneHotFunction(Formula):
    r"""The most probable class as a one-hot vector, passing the gradient straight through to the probabilities.

        forward    y_i = 1 where x_i is the largest along `dim`, the first of several,  else 0
        backward   dx  = dy                             declared; the derivative is 0
        tangent    y'  = x'

    Shapes: x, y (*) any shape. Saves nothing.
    Source: Jang, Gu & Poole (2017), Categorical reparameterization with Gumbel-softmax, section 2.2.
    """

    @staticmethod
    def forward(x: Tensor, dim: int) -> Tensor:
        return torch.zeros_like(x).scatter(dim, x.argmax(dim, keepdim=True), 1.0)

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Tensor, int], output: Tensor) -> None:
        """Nothing is needed again."""

    @staticmethod
    def backward(ctx: Any, dy: Tensor) -> tuple[Tensor, None]:
        return dy.clone(), None

    @staticmethod
    def jvp(ctx: Any, x_t: Tensor, _: None) -> Tensor:
        return x_t.clone()


class GumbelSoftmaxFunction(Formula):
    r"""Softmax of perturbed scores: a sample of a categorical distribution, made smooth.

        forward    p_i  = e^((z_i + g_i) / tau) / sum_j e^((z_j + g_j) / tau)
        backward   dz_i = p_i (dp_i - sum_j dp_j p_j) / tau
        tangent    p'_i = p_i (z'_i - sum_j z'_j p_j) / tau

    g is Gumbel noise, -log of exponential noise, drawn first: it is an input of the formula without a gradient.
    Shapes: z, g, p (*) any shape; the sums run over `dim`. Saves p only.
    Source: Jang, Gu & Poole (2017), Categorical reparameterization with Gumbel-softmax, eq. 2.
    """

    autocast = "float32 on cuda"

    @staticmethod
    def forward(z: Tensor, noise: Tensor, tau: float, dim: int) -> Tensor:
        return torch.softmax((z + noise) / tau, dim)

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Tensor, Tensor, float, int], output: Tensor) -> None:
        save(ctx, output)
        ctx.tau, ctx.dim = inputs[2:]

    @staticmethod
    def backward(ctx: Any, dp: Tensor) -> tuple[Tensor, None, None, None]:
        (p,) = ctx.saved_tensors
        u = dp * (p / ctx.tau)
        return torch.addcmul(u, p, u.sum(ctx.dim, keepdim=True), value=-1), None, None, None

    @staticmethod
    def jvp(ctx: Any, z_t: Tensor, *_: None) -> Tensor:
        (p,) = ctx.saved_tensors
        u = z_t * (p / ctx.tau)
        return torch.addcmul(u, p, u.sum(ctx.dim, keepdim=True), value=-1)


def straight_through_one_hot(input: Tensor, dim: int = -1) -> Tensor:
    """1 at the largest element along `dim`, at the first of several, 0 elsewhere, with the gradient of the identity.

    input (*) any shape, usually probabilities. Raises IndexError for a dim out of range.

    >>> import torch
    >>> x = torch.tensor([0.2, 0.5, 0.3], requires_grad=True)
    >>> y = straight_through_one_hot(x)
    >>> y.detach(), torch.autograd.grad(y[0], x)[0]
    (tensor([0., 1., 0.]), tensor([1., 0., 0.]))
    """
    return call(StraightThroughOneHotFunction, input, dim)


@public
def gumbel_softmax(logits: Tensor, tau: float = 1, hard: bool = False, eps: float = 1e-10, dim: int = -1) -> Tensor:
    """A sample of the categorical distributions that `logits` are the scores of, smooth in them.

    logits (*) any shape, the classes along `dim`; tau > 0 is the temperature: the smaller, the closer to one-hot. With
    `hard` the sample is one-hot and the gradient is that of the smooth one. `eps` has no effect, as in torch. Same
    values, gradients and random numbers as `torch.nn.functional.gumbel_softmax`; a hard sample is exactly 0 and 1.

    >>> import torch
    >>> z = torch.zeros(3, requires_grad=True)
    >>> _ = torch.manual_seed(0)
    >>> gumbel_softmax(z, hard=True)
    tensor([0., 0., 1.], grad_fn=<StraightThroughOneHotFunctionBackward>)
    """
    if eps != 1e-10:
        warnings.warn("gumbel_softmax: eps has no effect", stacklevel=3)
    with torch.no_grad():
        noise = -torch.empty_like(logits, memory_format=torch.contiguous_format).exponential_().log()
    soft = call(GumbelSoftmaxFunction, logits, noise, tau, dim)
    return call(StraightThroughOneHotFunction, soft, dim) if hard else soft
