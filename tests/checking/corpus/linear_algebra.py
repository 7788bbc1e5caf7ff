"""Products of matrices, solves, determinants, distances."""
# mypy: ignore-errors
# ruff: noqa: RUF059  (a mistake often leaves a variable unused)

import torch
from torch.autograd import Function

from tests.checking.corpus import between, classes, normal, right, wrong


@right(normal(5, 3), normal(4, 3), normal(4))
class Linear(Function):
    @staticmethod
    def forward(ctx, x, weight, bias):
        ctx.save_for_backward(x, weight)
        return x.mm(weight.t()) + bias

    @staticmethod
    def backward(ctx, dy):
        x, weight = ctx.saved_tensors
        dx = dw = db = None
        if ctx.needs_input_grad[0]:
            dx = dy.mm(weight)
        if ctx.needs_input_grad[1]:
            dw = dy.t().mm(x)
        if ctx.needs_input_grad[2]:
            db = dy.sum(0)
        return dx, dw, db


@wrong("transpose", normal(5, 3), normal(4, 3), normal(4))
class LinearWeightTransposed(Linear):
    """The wrong shape shows it."""

    @staticmethod
    def backward(ctx, dy):
        x, weight = ctx.saved_tensors
        return dy.mm(weight), x.t().mm(dy), dy.sum(0)


@wrong("transpose", normal(5, 3), normal(3, 3), normal(3))
class LinearSquareWeightTransposed(Linear):
    """The weight is square: no shape gives it away."""

    @staticmethod
    def backward(ctx, dy):
        x, weight = ctx.saved_tensors
        dx, dw, db = Linear.backward(ctx, dy)
        return dx, None if dw is None else dw.t(), db


@wrong("transpose", normal(5, 3), normal(3, 3), normal(3))
class LinearInputTransposed(Linear):
    @staticmethod
    def backward(ctx, dy):
        x, weight = ctx.saved_tensors
        _, dw, db = Linear.backward(ctx, dy)
        return dy.mm(weight.t()) if ctx.needs_input_grad[0] else None, dw, db


@wrong("missing-sum", normal(5, 3), normal(4, 3), normal(4))
class LinearBiasFirstRow(Linear):
    @staticmethod
    def backward(ctx, dy):
        dx, dw, _ = Linear.backward(ctx, dy)
        return dx, dw, dy[0]


@wrong("scale", normal(5, 3), normal(4, 3), normal(4))
class LinearBiasMean(Linear):
    @staticmethod
    def backward(ctx, dy):
        dx, dw, _ = Linear.backward(ctx, dy)
        return dx, dw, dy.mean(0)


@wrong("wrong-axis", normal(4, 3), normal(4, 3), normal(4))
class LinearBiasOverOutputs(Linear):
    """As many examples as outputs, so summing over the wrong ones has the right shape."""

    @staticmethod
    def backward(ctx, dy):
        dx, dw, _ = Linear.backward(ctx, dy)
        return dx, dw, dy.sum(1)


@wrong("scale", normal(8, 3), normal(4, 3), normal(4))
class LinearWeightAveraged(Linear):
    """The textbook's 1/m, although the loss has divided already."""

    @staticmethod
    def backward(ctx, dy):
        x, weight = ctx.saved_tensors
        m = x.shape[0]
        return dy.mm(weight), dy.t().mm(x) / m, dy.sum(0) / m


@wrong("missing", normal(5, 3), normal(4, 3), normal(4))
class LinearNoBias(Linear):
    @staticmethod
    def backward(ctx, dy):
        dx, dw, _ = Linear.backward(ctx, dy)
        return dx, dw, torch.zeros_like(dy[0])


@wrong("arity", normal(5, 3), normal(4, 3), normal(4))
class LinearTwoGradients(Linear):
    @staticmethod
    def backward(ctx, dy):
        return Linear.backward(ctx, dy)[:2]


@wrong("arity", normal(5, 3), normal(4, 3), normal(4))
class LinearFourGradients(Linear):
    @staticmethod
    def backward(ctx, dy):
        return (*Linear.backward(ctx, dy), dy)


@wrong("swapped", normal(3, 3), normal(3, 3), normal(3))
class LinearSwapped(Linear):
    @staticmethod
    def backward(ctx, dy):
        dx, dw, db = Linear.backward(ctx, dy)
        return dw, dx, db


@wrong("swapped", normal(5, 3), normal(4, 3), normal(4))
class LinearSwappedShapes(Linear):
    @staticmethod
    def backward(ctx, dy):
        x, weight = ctx.saved_tensors
        return dy.t().mm(x), dy.mm(weight), dy.sum(0)


@wrong("wrong-operand", normal(4, 4), normal(4, 4), normal(4))
class LinearWeightFromOutput(Function):
    """dW uses the output in the place of the input."""

    @staticmethod
    def forward(ctx, x, weight, bias):
        y = x @ weight.t() + bias
        ctx.save_for_backward(y, weight)
        return y

    @staticmethod
    def backward(ctx, dy):
        y, weight = ctx.saved_tensors
        return dy @ weight, dy.t() @ y, dy.sum(0)


@wrong("wrong-operand swapped", normal(4, 4), normal(4, 4))
class MatmulUnpackedBackwards(Function):
    @staticmethod
    def forward(ctx, a, b):
        ctx.save_for_backward(a, b)
        return a @ b

    @staticmethod
    def backward(ctx, dy):
        b, a = ctx.saved_tensors
        return dy @ b.mT, a.mT @ dy


@right(normal(2, 3, 4), normal(2, 4, 5))
class BatchedMatmul(Function):
    generate_vmap_rule = True

    @staticmethod
    def forward(a, b):
        return a @ b

    @staticmethod
    def setup_context(ctx, inputs, output):
        ctx.save_for_backward(*inputs)
        ctx.save_for_forward(*inputs)

    @staticmethod
    def backward(ctx, dy):
        a, b = ctx.saved_tensors
        return dy @ b.mT, a.mT @ dy

    @staticmethod
    def jvp(ctx, a_t, b_t):
        a, b = ctx.saved_tensors
        result = 0
        if a_t is not None:
            result = result + a_t @ b
        if b_t is not None:
            result = result + a @ b_t
        return result


@wrong("forward-ad", normal(2, 3, 4), normal(2, 4, 5))
class BatchedMatmulHalfTangent(BatchedMatmul):
    @staticmethod
    def jvp(ctx, a_t, b_t):
        a, b = ctx.saved_tensors
        return a_t @ b if a_t is not None else a @ b_t


@right(normal(3, 4), normal(4))
class MatVec(Function):
    @staticmethod
    def forward(ctx, a, v):
        ctx.save_for_backward(a, v)
        return a.mv(v)

    @staticmethod
    def backward(ctx, dy):
        a, v = ctx.saved_tensors
        da = torch.outer(dy, v) if ctx.needs_input_grad[0] else None
        dv = a.t().mv(dy) if ctx.needs_input_grad[1] else None
        return da, dv


@wrong("transpose", normal(4, 4), normal(4))
class MatVecOuterReversed(MatVec):
    @staticmethod
    def backward(ctx, dy):
        a, v = ctx.saved_tensors
        return torch.outer(v, dy), a.t().mv(dy)


@right(normal(4), normal(3))
class Outer(Function):
    @staticmethod
    def forward(ctx, u, v):
        ctx.save_for_backward(u, v)
        return u[:, None] * v[None, :]

    @staticmethod
    def backward(ctx, dy):
        u, v = ctx.saved_tensors
        return (dy * v).sum(1), (dy * u[:, None]).sum(0)


@wrong("wrong-axis", normal(4), normal(4))
class OuterWrongSum(Outer):
    @staticmethod
    def backward(ctx, dy):
        u, v = ctx.saved_tensors
        return (dy * v[:, None]).sum(0), (dy * u[None, :]).sum(1)


@right(normal(3, 4), normal(2, 4), normal(2, 4, 4))
def bilinear_callable(x1, x2, w):
    """Not a Function at all: torch's own derivatives are right."""
    return torch.einsum("bi,oij,cj->bco", x1, w, x2)


@right(normal(3, 3) + 4 * torch.eye(3, dtype=torch.float64), normal(3, 2))
class Solve(Function):
    @staticmethod
    def forward(ctx, a, b):
        x = torch.linalg.solve(a, b)
        ctx.save_for_backward(a, x)
        return x

    @staticmethod
    def backward(ctx, dx):
        a, x = ctx.saved_tensors
        db = torch.linalg.solve(a.mT, dx)
        return -db @ x.mT, db


@wrong("transpose", normal(3, 3) + 4 * torch.eye(3, dtype=torch.float64), normal(3, 2))
class SolveWithoutTranspose(Solve):
    """db solves with A, not with its transpose."""

    @staticmethod
    def backward(ctx, dx):
        a, x = ctx.saved_tensors
        return -torch.linalg.solve(a.mT, dx) @ x.mT, torch.linalg.solve(a, dx)


@wrong("sign", normal(3, 3) + 4 * torch.eye(3, dtype=torch.float64))
class Inverse(Function):
    @staticmethod
    def forward(ctx, a):
        y = torch.linalg.inv(a)
        ctx.save_for_backward(y)
        return y

    @staticmethod
    def backward(ctx, dy):
        (y,) = ctx.saved_tensors
        return y.mT @ dy @ y.mT


@wrong("transpose", normal(3, 3) + 4 * torch.eye(3, dtype=torch.float64))
class InverseWithoutTranspose(Inverse):
    @staticmethod
    def backward(ctx, dy):
        (y,) = ctx.saved_tensors
        return -y @ dy @ y


@right(normal(4, 4) + 3 * torch.eye(4, dtype=torch.float64))
class LogDet(Function):
    @staticmethod
    def forward(ctx, a):
        ctx.save_for_backward(a)
        return torch.linalg.slogdet(a).logabsdet

    @staticmethod
    def backward(ctx, dy):
        (a,) = ctx.saved_tensors
        return dy * torch.linalg.inv(a).mT


@wrong("transpose", normal(4, 4) + 3 * torch.eye(4, dtype=torch.float64))
class LogDetTransposed(LogDet):
    @staticmethod
    def backward(ctx, dy):
        (a,) = ctx.saved_tensors
        return dy * torch.linalg.inv(a)


@wrong("scale", normal(3, 3) + 3 * torch.eye(3, dtype=torch.float64))
class Det(Function):
    """Jacobi's formula without the determinant itself."""

    @staticmethod
    def forward(ctx, a):
        ctx.save_for_backward(a)
        return torch.linalg.det(a)

    @staticmethod
    def backward(ctx, dy):
        (a,) = ctx.saved_tensors
        return dy * torch.linalg.inv(a).mT


@right(normal(3, 3))
class Trace(Function):
    @staticmethod
    def forward(ctx, a):
        ctx.n = a.shape[0]
        return a.diagonal().sum()

    @staticmethod
    def backward(ctx, dy):
        return dy * torch.eye(ctx.n, dtype=dy.dtype)


@wrong("extra-factor mismatch spurious partial", normal(4, 4))
class TraceEverything(Trace):
    """Gives every element a gradient, not only the diagonal."""

    @staticmethod
    def backward(ctx, dy):
        return dy * torch.ones(ctx.n, ctx.n, dtype=dy.dtype)


@wrong("missing-term", normal(4), normal(4, 4))
class QuadraticForm(Function):
    """x^T A x: the gradient is (A + A^T) x, not A x."""

    @staticmethod
    def forward(ctx, x, a):
        ctx.save_for_backward(x, a)
        return x @ a @ x

    @staticmethod
    def backward(ctx, dy):
        x, a = ctx.saved_tensors
        return dy * (a @ x), dy * torch.outer(x, x)


@wrong("scale", normal(4), (lambda a: a @ a.T)(normal(4, 4)))
class QuadraticFormSymmetric(QuadraticForm):
    """A is symmetric here, so only the 2 is missing."""


@right((lambda a: a @ a.T + torch.eye(3, dtype=torch.float64))(normal(3, 3)))
def cholesky(a):
    """Reads one triangle only; its gradient is that of a symmetric matrix."""
    return torch.linalg.cholesky(a)


@right(normal(4, 3), normal(5, 3))
class SquaredDistances(Function):
    @staticmethod
    def forward(ctx, x, y):
        ctx.save_for_backward(x, y)
        return (x[:, None] - y[None]).square().sum(-1)

    @staticmethod
    def backward(ctx, dy):
        x, y = ctx.saved_tensors
        d = 2 * dy[..., None] * (x[:, None] - y[None])
        return d.sum(1), -d.sum(0)


@wrong("sign", normal(4, 3), normal(5, 3))
class SquaredDistancesSign(SquaredDistances):
    @staticmethod
    def backward(ctx, dy):
        x, y = ctx.saved_tensors
        d = 2 * dy[..., None] * (x[:, None] - y[None])
        return d.sum(1), d.sum(0)


@right(normal(4, 6), normal(4, 6))
class CosineSimilarity(Function):
    @staticmethod
    def forward(ctx, a, b):
        ctx.save_for_backward(a, b)
        return (a * b).sum(1) / (a.norm(dim=1) * b.norm(dim=1))

    @staticmethod
    def backward(ctx, dy):
        a, b = ctx.saved_tensors
        na, nb = a.norm(dim=1, keepdim=True), b.norm(dim=1, keepdim=True)
        c = (a * b).sum(1, keepdim=True) / (na * nb)
        g = dy[:, None]
        return g * (b / nb - c * a / na) / na, g * (a / na - c * b / nb) / nb


@wrong("missing-term", normal(4, 6), normal(4, 6))
class CosineSimilarityConstantNorm(CosineSimilarity):
    """Treats the norms as constants."""

    @staticmethod
    def backward(ctx, dy):
        a, b = ctx.saved_tensors
        n = (a.norm(dim=1) * b.norm(dim=1))[:, None]
        return dy[:, None] * b / n, dy[:, None] * a / n


@right(normal(6, 3), classes(6, 4))
class Embedding(Function):
    @staticmethod
    def forward(ctx, table, index):
        ctx.save_for_backward(index)
        ctx.rows = table.shape[0]
        return table[index]

    @staticmethod
    def backward(ctx, dy):
        (index,) = ctx.saved_tensors
        return dy.new_zeros(ctx.rows, dy.shape[-1]).index_add(0, index, dy), None


@wrong("partial missing-sum", normal(5, 3), torch.tensor([1, 3, 1, 0, 1]))
class EmbeddingOverwrites(Embedding):
    """Repeated indexes overwrite one another in the place of adding up."""

    @staticmethod
    def backward(ctx, dy):
        (index,) = ctx.saved_tensors
        grad = torch.zeros(ctx.rows, dy.shape[-1], dtype=dy.dtype)
        grad[index] = dy
        return grad, None


@wrong("shifted", normal(7, 3), torch.tensor([1, 3, 2, 4, 1]))
class EmbeddingOffByOne(Embedding):
    @staticmethod
    def backward(ctx, dy):
        (index,) = ctx.saved_tensors
        return dy.new_zeros(ctx.rows, dy.shape[-1]).index_add(0, index - 1, dy), None


@right(normal(2, 3, 4), normal(2, 5, 4), normal(2, 5, 3))
class Attention(Function):
    @staticmethod
    def forward(ctx, q, k, v):
        ctx.save_for_backward(q, k, v)
        return torch.softmax(q @ k.mT / q.shape[-1] ** 0.5, -1) @ v

    @staticmethod
    def backward(ctx, dy):
        q, k, v = ctx.saved_tensors
        scale = q.shape[-1] ** -0.5
        p = torch.softmax(q @ k.mT * scale, -1)
        dp = dy @ v.mT
        ds = p * (dp - (dp * p).sum(-1, keepdim=True)) * scale
        dq = dk = dv = None
        if ctx.needs_input_grad[0]:
            dq = ds @ k
        if ctx.needs_input_grad[1]:
            dk = ds.mT @ q
        if ctx.needs_input_grad[2]:
            dv = p.mT @ dy
        return dq, dk, dv


@wrong("scale", normal(2, 3, 4), normal(2, 5, 4), normal(2, 5, 3))
class AttentionForgetsScale(Attention):
    @staticmethod
    def backward(ctx, dy):
        q, k, v = ctx.saved_tensors
        p = torch.softmax(q @ k.mT * q.shape[-1] ** -0.5, -1)
        dp = dy @ v.mT
        ds = p * (dp - (dp * p).sum(-1, keepdim=True))
        return ds @ k, ds.mT @ q, p.mT @ dy


@wrong("wrong-axis mismatch missing-term", normal(1, 4, 4), normal(1, 4, 4), normal(1, 4, 4))
class AttentionSoftmaxOverQueries(Attention):
    @staticmethod
    def backward(ctx, dy):
        q, k, v = ctx.saved_tensors
        scale = q.shape[-1] ** -0.5
        p = torch.softmax(q @ k.mT * scale, -1)
        dp = dy @ v.mT
        ds = p * (dp - (dp * p).sum(-2, keepdim=True)) * scale
        return ds @ k, ds.mT @ q, p.mT @ dy


@wrong("shape", normal(5, 3), between(0.5, 2.0, 3))
class ScaleColumns(Function):
    @staticmethod
    def forward(ctx, x, s):
        ctx.save_for_backward(x, s)
        return x * s

    @staticmethod
    def backward(ctx, dy):
        x, s = ctx.saved_tensors
        return (dy * s).reshape(-1), (dy * x).sum(0)


@wrong("missing-sum", normal(5, 3), between(0.5, 2.0, 5))
class ScaleRows(Function):
    """s has one value for each row, so ds has to be summed over the columns."""

    @staticmethod
    def forward(ctx, x, s):
        ctx.save_for_backward(x, s)
        return x * s[:, None]

    @staticmethod
    def backward(ctx, dy):
        x, s = ctx.saved_tensors
        return dy * s[:, None], dy * x
