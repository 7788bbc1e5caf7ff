"""Functions whose numbers are right at first sight, and which do something that they should not."""
# mypy: ignore-errors

import torch
from torch.autograd import Function
from torch.autograd.function import once_differentiable
from torch.utils.checkpoint import checkpoint

from tests.checking.corpus import between, coins, normal, right, wrong

# ----------------------------------------------------------------------------------- overwriting


@wrong("mutates-upstream", normal(3, 4))
class ScaleInPlace(Function):
    @staticmethod
    def forward(ctx, x):
        return x * 3

    @staticmethod
    def backward(ctx, dy):
        return dy.mul_(3)


@wrong("mutates-upstream", normal(10))
class ReLUZeroesUpstream(Function):
    @staticmethod
    def forward(ctx, x):
        ctx.save_for_backward(x)
        return x.clamp(min=0)

    @staticmethod
    def backward(ctx, grad_output):
        (x,) = ctx.saved_tensors
        grad_output[x < 0] = 0
        return grad_output


@wrong("mutates-input", normal(3, 4))
class ExpInPlaceUndeclared(Function):
    @staticmethod
    def forward(ctx, x):
        y = x.exp_()
        ctx.save_for_backward(y)
        return y.clone()

    @staticmethod
    def backward(ctx, dy):
        (y,) = ctx.saved_tensors
        return dy * y


@wrong("mutates-input", normal(4, 3), normal(4, 3))
class GatedOverwritesSaved(Function):
    """Stores its results in the memory of what it saved, to save memory."""

    @staticmethod
    def forward(ctx, a, b):
        ctx.save_for_backward(a, b)
        return torch.sigmoid(a) * b

    @staticmethod
    def backward(ctx, dy):
        a, b = ctx.saved_tensors
        s = torch.sigmoid(a)
        da = dy * b * s * (1 - s)
        b.copy_(dy * s)
        return da, b.clone()


@wrong("mutates-input", normal(3, 4))
class NormaliseData(Function):
    """Goes through .data, so not even the version counter notices."""

    @staticmethod
    def forward(ctx, x):
        x.data -= x.data.mean()
        return x * 2

    @staticmethod
    def backward(ctx, dy):
        return 2 * dy - 2 * dy.mean()


@wrong("mutates-input", normal(5))
class ReusesSavedBuffer(Function):
    """A second backward through the same graph starts from the first one's result."""

    @staticmethod
    def forward(ctx, x):
        ctx.save_for_backward(torch.cos(x))
        return torch.sin(x)

    @staticmethod
    @once_differentiable
    def backward(ctx, dy):
        (c,) = ctx.saved_tensors
        return c.mul_(dy).clone()


@right(normal(3, 4))
class ExpInPlaceDeclared(Function):
    @staticmethod
    def forward(ctx, x):
        x.exp_()
        ctx.mark_dirty(x)
        ctx.save_for_backward(x)
        return x

    @staticmethod
    def backward(ctx, dy):
        (y,) = ctx.saved_tensors
        return dy * y


# ------------------------------------------------------------------------------------------- state


@wrong("stale-state", normal(4))
class StateOnClass(Function):
    last = None

    @staticmethod
    def forward(ctx, x):
        StateOnClass.last = x
        return x * x

    @staticmethod
    def backward(ctx, dy):
        return 2 * dy * StateOnClass.last


_cache = {}


@wrong("stale-state", normal(3, 2), normal(4, 2))
class StateInModule(Function):
    @staticmethod
    def forward(ctx, x, w):
        _cache["x"], _cache["w"] = x.detach(), w.detach()
        return x @ w.t()

    @staticmethod
    def backward(ctx, dy):
        return dy @ _cache["w"], dy.t() @ _cache["x"]


@wrong("nondeterministic", normal(6, 3))
class DropoutNewMask(Function):
    @staticmethod
    def forward(ctx, x):
        return x * (torch.rand_like(x) < 0.5) * 2

    @staticmethod
    def backward(ctx, dy):
        return dy * (torch.rand_like(dy) < 0.5) * 2


@right(normal(6, 3))
class Dropout(Function):
    @staticmethod
    def forward(ctx, x):
        mask = (torch.rand_like(x) < 0.5) * 2.0
        ctx.save_for_backward(mask)
        return x * mask

    @staticmethod
    def backward(ctx, dy):
        (mask,) = ctx.saved_tensors
        return dy * mask


@wrong("missing-factor", normal(6, 3), coins(6, 3) * 2)
class MaskedTwice(Function):
    """The mask is an input, and backward forgets it."""

    @staticmethod
    def forward(ctx, x, mask):
        ctx.save_for_backward(x)
        return x * mask

    @staticmethod
    def backward(ctx, dy):
        (x,) = ctx.saved_tensors
        return dy, dy * x


_noise = iter(range(1, 10**9))


@wrong("nondeterministic", normal(6))
class NoisyForward(Function):
    """Its noise comes from elsewhere than torch's generator."""

    @staticmethod
    def forward(ctx, x):
        return x * (1 + 1e-3 * (next(_noise) % 7))

    @staticmethod
    def backward(ctx, dy):
        return dy


@wrong("nondeterministic", normal(6))
class NoisyBackward(Function):
    @staticmethod
    def forward(ctx, x):
        return x * 2

    @staticmethod
    def backward(ctx, dy):
        return 2 * dy + 1e-3 * (next(_noise) % 11) * dy


# ------------------------------------------------------------------------------ memory and strides


@wrong("noncontiguous", normal(3, 4))
class StridesInBackward(Function):
    """Takes the upstream gradient to be dense."""

    @staticmethod
    def forward(ctx, x):
        return x.reshape(-1) * 2

    @staticmethod
    def backward(ctx, dy):
        return torch.as_strided(dy, (3, 4), (4, 1)) * 2


@wrong("noncontiguous", normal(3, 4))
class RawMemory(Function):
    """Reads the memory as if it were dense."""

    @staticmethod
    def forward(ctx, x):
        return torch.as_strided(x, (x.numel(),), (1,)).reshape(x.shape) * 2

    @staticmethod
    def backward(ctx, dy):
        return 2 * dy


@wrong("noncontiguous", normal(4, 3))
class ViewInForward(Function):
    @staticmethod
    def forward(ctx, x):
        ctx.shape = x.shape
        ctx.save_for_backward(x)
        return x.view(-1).sin()

    @staticmethod
    def backward(ctx, dy):
        (x,) = ctx.saved_tensors
        return (dy * x.reshape(-1).cos()).reshape(ctx.shape)


@wrong("noncontiguous", normal(2, 6))
class FlattenUpstream(Function):
    """Fails on an upstream gradient that sum() has expanded."""

    @staticmethod
    def forward(x):
        return x.exp()

    @staticmethod
    def setup_context(ctx, inputs, output):
        ctx.save_for_backward(output)

    @staticmethod
    def backward(ctx, dy):
        (y,) = ctx.saved_tensors
        return (dy.view(-1) * y.reshape(-1)).view(y.shape)


# ------------------------------------------------------------------ missing upstream, unused gradients


@wrong("undefined-grad", normal(4), normal(4))
class TwoOutputsUnmaterialised(Function):
    @staticmethod
    def forward(ctx, a, b):
        ctx.set_materialize_grads(False)
        ctx.save_for_backward(a, b)
        return a * b, a + b

    @staticmethod
    def backward(ctx, dp, ds):
        a, b = ctx.saved_tensors
        return dp * b + ds, dp * a + ds


@right(normal(4), normal(4))
class TwoOutputs(Function):
    @staticmethod
    def forward(ctx, a, b):
        ctx.set_materialize_grads(False)
        ctx.save_for_backward(a, b)
        return a * b, a + b

    @staticmethod
    def backward(ctx, dp, ds):
        a, b = ctx.saved_tensors
        da = db = None
        if dp is not None:
            da, db = dp * b, dp * a
        if ds is not None:
            da = ds if da is None else da + ds
            db = ds if db is None else db + ds
        return da, db


@wrong("undefined-grad", normal(5))
class OneOutputUnmaterialised(Function):
    @staticmethod
    def forward(ctx, x):
        ctx.set_materialize_grads(False)
        ctx.save_for_backward(x)
        return x.square()

    @staticmethod
    def backward(ctx, dy):
        (x,) = ctx.saved_tensors
        return dy * 2 * x


@wrong("undefined-grad", normal(5))
class DropsOneOfTwo(Function):
    """Returns early when one of the upstream gradients is missing."""

    @staticmethod
    def forward(ctx, x):
        ctx.set_materialize_grads(False)
        ctx.save_for_backward(x)
        return x.sin(), x.cos()

    @staticmethod
    def backward(ctx, ds, dc):
        if ds is None or dc is None:
            return None
        (x,) = ctx.saved_tensors
        return ds * x.cos() - dc * x.sin()


@wrong("ignores-needs-input-grad", normal(6, 5), normal(4, 5), normal(4))
class LinearComputesAll(Function):
    @staticmethod
    def forward(ctx, x, w, b):
        ctx.save_for_backward(x, w)
        return torch.addmm(b, x, w.t())

    @staticmethod
    def backward(ctx, dy):
        x, w = ctx.saved_tensors
        return dy @ w, dy.t() @ x, dy.sum(0)


@wrong("partial", normal(6, 5), normal(4, 5))
class LinearSharesWork(Function):
    """dw is only right if dx was asked for."""

    @staticmethod
    def forward(ctx, x, w):
        ctx.save_for_backward(x, w)
        return x @ w.t()

    @staticmethod
    def backward(ctx, dy):
        x, w = ctx.saved_tensors
        dx = dw = None
        if ctx.needs_input_grad[0]:
            dx = dy @ w
            dw = dy.t() @ x
        if ctx.needs_input_grad[1] and dw is None:
            dw = torch.zeros_like(w)
        return dx, dw if ctx.needs_input_grad[1] else None


@wrong("partial", normal(3, 4), between(0.5, 2.0, 4))
class ScaleUnboundLocal(Function):
    """Raises when only the scale asks for a gradient."""

    @staticmethod
    def forward(ctx, x, s):
        ctx.save_for_backward(x, s)
        return x * s

    @staticmethod
    def backward(ctx, dy):
        x, s = ctx.saved_tensors
        if ctx.needs_input_grad[0]:
            weighted = dy * x
        ds = weighted.sum(0) if ctx.needs_input_grad[1] else None
        return dy * s, ds


# ------------------------------------------------------------------------------------ saved on ctx


@wrong("saved-on-ctx", normal(3, 4))
class OutputOnCtx(Function):
    @staticmethod
    def forward(ctx, x):
        ctx.y = torch.sigmoid(x)
        return ctx.y

    @staticmethod
    def backward(ctx, dy):
        return dy * ctx.y * (1 - ctx.y)


@wrong("saved-on-ctx", normal(3, 4), normal(3, 4))
class InputsOnCtx(Function):
    @staticmethod
    def forward(ctx, a, b):
        ctx.things = {"a": a, "b": b}
        return a * b

    @staticmethod
    def backward(ctx, dy):
        return dy * ctx.things["b"], dy * ctx.things["a"]


# ------------------------------------------------------------------------------- second derivatives


@wrong("double-backward", normal(4))
class SavesIntermediate(Function):
    """The slope is computed in forward, so nobody knows that it depends on x."""

    @staticmethod
    def forward(ctx, x):
        slope = 3 * x.square()
        ctx.save_for_backward(slope)
        return x**3

    @staticmethod
    def backward(ctx, dy):
        (slope,) = ctx.saved_tensors
        return dy * slope


@wrong("double-backward", normal(5))
class DetachesInBackward(Function):
    @staticmethod
    def forward(ctx, x):
        ctx.save_for_backward(x)
        return x.exp()

    @staticmethod
    def backward(ctx, dy):
        (x,) = ctx.saved_tensors
        return dy * x.detach().exp()


@wrong("double-backward", normal(5))
class DataInBackward(Function):
    @staticmethod
    def forward(ctx, x):
        ctx.save_for_backward(x)
        return x.sin()

    @staticmethod
    def backward(ctx, dy):
        (x,) = ctx.saved_tensors
        return dy.data * x.cos()


@wrong("double-backward", normal(3, 4))
class NoGradInBackward(Function):
    @staticmethod
    def forward(x):
        return x.tanh()

    @staticmethod
    def setup_context(ctx, inputs, output):
        ctx.save_for_backward(output)

    @staticmethod
    def backward(ctx, dy):
        (y,) = ctx.saved_tensors
        with torch.no_grad():
            slope = 1 - y * y
        return dy * slope


@wrong("double-backward", normal(3, 4), normal(2, 4))
class HalfDetached(Function):
    """One of the two second derivatives is cut."""

    @staticmethod
    def forward(ctx, x, w):
        ctx.save_for_backward(x, w)
        return x @ w.t()

    @staticmethod
    def backward(ctx, dy):
        x, w = ctx.saved_tensors
        dx = dy @ w if ctx.needs_input_grad[0] else None
        dw = dy.t() @ x.detach() if ctx.needs_input_grad[1] else None
        return dx, dw


@wrong("double-backward", normal(6))
class NestedWrongSecond(Function):
    """Backward is a Function of its own, whose derivative has a wrong factor."""

    @staticmethod
    def forward(ctx, x):
        ctx.save_for_backward(x)
        return x.sin()

    @staticmethod
    def backward(ctx, dy):
        (x,) = ctx.saved_tensors
        return _SinBackward.apply(dy, x)


class _SinBackward(Function):
    @staticmethod
    def forward(ctx, dy, x):
        ctx.save_for_backward(dy, x)
        return dy * x.cos()

    @staticmethod
    def backward(ctx, ddx):
        dy, x = ctx.saved_tensors
        return ddx * x.cos(), ddx * dy * x.sin()


@right(normal(5))
class OnceOnly(Function):
    @staticmethod
    def forward(ctx, x):
        ctx.save_for_backward(x.cos())
        return x.sin()

    @staticmethod
    @once_differentiable
    def backward(ctx, dy):
        (c,) = ctx.saved_tensors
        return dy * c


# --------------------------------------------------------------------------- forward mode and vmap


@wrong("forward-ad", normal(4))
class TangentWithoutSlope(Function):
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
        return x_t


@wrong("forward-ad", normal(4), normal(4))
class TangentSign(Function):
    @staticmethod
    def forward(a, b):
        return a - b

    @staticmethod
    def setup_context(ctx, inputs, output):
        pass

    @staticmethod
    def backward(ctx, dy):
        return dy, -dy

    @staticmethod
    def jvp(ctx, a_t, b_t):
        return a_t + b_t


@wrong("forward-ad", normal(4))
class TangentNeedsForwardSave(Function):
    """save_for_forward is missing, so jvp finds nothing."""

    @staticmethod
    def forward(x):
        return x.sin()

    @staticmethod
    def setup_context(ctx, inputs, output):
        ctx.save_for_backward(*inputs)

    @staticmethod
    def backward(ctx, dy):
        (x,) = ctx.saved_tensors
        return dy * x.cos()

    @staticmethod
    def jvp(ctx, x_t):
        (x,) = ctx.saved_tensors
        return x_t * x.cos()


@wrong("vmap", normal(3, 4))
class VmapRuleWrongDim(Function):
    """The rule forgets that the batch came in first."""

    @staticmethod
    def forward(x):
        return x.cumsum(0)

    @staticmethod
    def setup_context(ctx, inputs, output):
        pass

    @staticmethod
    def backward(ctx, dy):
        return dy.flip(0).cumsum(0).flip(0)

    @staticmethod
    def vmap(info, in_dims, x):
        return x.cumsum(0), in_dims[0]


@wrong("vmap", normal(3, 4))
class VmapGeneratedButItem(Function):
    generate_vmap_rule = True

    @staticmethod
    def forward(x):
        return x / x.abs().max().item()

    @staticmethod
    def setup_context(ctx, inputs, output):
        ctx.save_for_backward(*inputs)

    @staticmethod
    def backward(ctx, dy):
        (x,) = ctx.saved_tensors
        top = x.abs().max()
        hit = (x.abs() == top) * x.sign()
        return dy / top - (dy * x).sum() / top**2 * hit


@right(normal(3, 4))
class VmapByHand(Function):
    @staticmethod
    def forward(x):
        return x.cumsum(0)

    @staticmethod
    def setup_context(ctx, inputs, output):
        pass

    @staticmethod
    def backward(ctx, dy):
        return VmapByHandBackward.apply(dy)

    @staticmethod
    def vmap(info, in_dims, x):
        x = x.movedim(in_dims[0], 0)
        return x.cumsum(1), 0


class VmapByHandBackward(Function):
    generate_vmap_rule = True

    @staticmethod
    def forward(dy):
        return dy.flip(0).cumsum(0).flip(0)

    @staticmethod
    def setup_context(ctx, inputs, output):
        pass

    @staticmethod
    def backward(ctx, ddx):
        return ddx.cumsum(0)


# ---------------------------------------------------------------------- dtypes, autocast, compile


@wrong("dtype precision", normal(3, 4))
class Float32Gradient(Function):
    @staticmethod
    def forward(ctx, x):
        ctx.save_for_backward(x)
        return x * x

    @staticmethod
    def backward(ctx, dy):
        (x,) = ctx.saved_tensors
        return (2 * dy * x).float()


@wrong("dtype", normal(3, 4), reference=torch.sin)
class Float32Output(Function):
    @staticmethod
    def forward(ctx, x):
        ctx.save_for_backward(x)
        return x.sin().to(torch.float32)

    @staticmethod
    def backward(ctx, dy):
        (x,) = ctx.saved_tensors
        return (dy * x.cos().float()).to(x.dtype)


@wrong("dtype", coins(3, 4))
class HalfGradient(Function):
    """The numbers are small integers, so nothing is lost here; elsewhere it is."""

    @staticmethod
    def forward(ctx, x):
        return x * 2

    @staticmethod
    def backward(ctx, dy):
        return (2 * dy).to(torch.float32)


@right(normal(3, 4).float())
class ComputesInFloat32(Function):
    """As kernels do; the output has the input's dtype."""

    @staticmethod
    def forward(ctx, x):
        y = torch.tanh(x.float())
        ctx.save_for_backward(y)
        ctx.dtype = x.dtype
        return y.to(x.dtype)

    @staticmethod
    @once_differentiable
    def backward(ctx, dy):
        (y,) = ctx.saved_tensors
        return (dy.float() * (1 - y * y)).to(ctx.dtype)


@wrong("dtype", normal(4, 3).bfloat16(), normal(5, 3).bfloat16())
class CountsInFloat32(Function):
    """A float64 run does not meet the float32 of `torch.ones`, which a product with bfloat16 refuses."""

    @staticmethod
    def forward(ctx, x, w):
        ctx.save_for_backward(x, w)
        return x @ w.t() / x.shape[-1]

    @staticmethod
    def backward(ctx, dy):
        x, w = ctx.saved_tensors
        each = torch.full(dy.shape, 1 / x.shape[-1], dtype=dy.dtype if dy.dtype == torch.float64 else torch.float32)
        return (dy * each) @ w, (dy * each).t() @ x


@wrong("precision", between(0.5, 2.0, 6, 2).half())
class SmallGradientLostInHalf(Function):
    """The scale is taken off after it has vanished in float16, whose smallest number is 6e-8."""

    @staticmethod
    def forward(ctx, x):
        ctx.save_for_backward(x)
        return x * x

    @staticmethod
    def backward(ctx, dy):
        (x,) = ctx.saved_tensors
        return 2 * (dy * 1e-9 * x) * 1e9


@right(between(0.5, 2.0, 6, 2).half(), normal(6, 2).half())
class PlainInHalf(Function):
    """Every step rounds to 3 digits, which is what float16 has."""

    @staticmethod
    def forward(ctx, x, t):
        ctx.save_for_backward(x, t)
        return (x.log() - t).square().sum(1)

    @staticmethod
    def backward(ctx, dy):
        x, t = ctx.saved_tensors
        e = 2 * dy.unsqueeze(1) * (x.log() - t)
        return e / x, -e


@wrong("mismatch partial missing-factor wrong-operand transpose", normal(3, 4).t())
class ReadsMemoryByHand(Function):
    """Right where the input is contiguous; the test hands over one that is not."""

    @staticmethod
    def forward(ctx, x):
        ctx.save_for_backward(x)
        return x**3

    @staticmethod
    def backward(ctx, dy):
        (x,) = ctx.saved_tensors
        memory = torch.as_strided(x, (x.numel(),), (1,), x.storage_offset())
        return dy * 3 * memory.reshape(x.shape) ** 2


@wrong("autocast", normal(4, 3), normal(5, 3))
class AutocastHalfDecorated(Function):
    """custom_fwd without custom_bwd: backward meets two dtypes."""

    @staticmethod
    @torch.amp.custom_fwd(device_type="cpu")
    def forward(ctx, x, w):
        ctx.save_for_backward(x, w)
        return x @ w.t()

    @staticmethod
    def backward(ctx, dy):
        x, w = ctx.saved_tensors
        dx = dy @ w if ctx.needs_input_grad[0] else None
        dw = dy.t() @ x if ctx.needs_input_grad[1] else None
        return dx, dw


@right(normal(4, 3), normal(5, 3))
class AutocastDecorated(Function):
    @staticmethod
    @torch.amp.custom_fwd(device_type="cpu")
    def forward(ctx, x, w):
        ctx.save_for_backward(x, w)
        return x @ w.t()

    @staticmethod
    @torch.amp.custom_bwd(device_type="cpu")
    def backward(ctx, dy):
        x, w = ctx.saved_tensors
        dx = dy @ w if ctx.needs_input_grad[0] else None
        dw = dy.t() @ x if ctx.needs_input_grad[1] else None
        return dx, dw


@wrong("autocast", normal(4, 3), normal(5, 3))
class AutocastReinterprets(Function):
    """Takes the bits of a half-precision upstream gradient for another format."""

    @staticmethod
    def forward(ctx, x, w):
        ctx.save_for_backward(x, w)
        return x @ w.t()

    @staticmethod
    def backward(ctx, dy):
        x, w = ctx.saved_tensors
        if dy.dtype == torch.bfloat16:
            dy = dy.view(torch.float16)
        dy = dy.to(w.dtype)
        dx = dy @ w if ctx.needs_input_grad[0] else None
        dw = dy.t() @ x if ctx.needs_input_grad[1] else None
        return dx, dw


@wrong("compile", normal(4), compile=True)
class DroppedByCompile(Function):
    """A straight-through style scaling: under compile(func.grad) torch's own derivative of forward runs instead."""

    @staticmethod
    def forward(x):
        return x.sin()

    @staticmethod
    def setup_context(ctx, inputs, output):
        ctx.save_for_backward(*inputs)

    @staticmethod
    def backward(ctx, dy):
        (x,) = ctx.saved_tensors
        if torch.compiler.is_compiling():
            return dy * x.cos() * 1000
        return dy * x.cos()


@right(normal(3, 4))
def checkpointed(x):
    """Backward runs forward again."""
    return checkpoint(lambda t: torch.sin(t).exp(), x, use_reentrant=False)


@right(normal(3, 4))
class NotDifferentiableExtra(Function):
    """A second output for information only."""

    @staticmethod
    def forward(ctx, x):
        y, norm = x * 2, x.norm()
        ctx.mark_non_differentiable(norm)
        return y, norm

    @staticmethod
    def backward(ctx, dy, _):
        return 2 * dy


@right(normal(3, 2), torch.tensor([2, 0, 1]))
class IntegerInput(Function):
    @staticmethod
    def forward(ctx, x, order):
        ctx.save_for_backward(order)
        return x[order]

    @staticmethod
    def backward(ctx, dy):
        (order,) = ctx.saved_tensors
        return dy[torch.argsort(order)], None


_shared = normal(3, 4)


@right(_shared, _shared)
class SameTensorTwice(Function):
    @staticmethod
    def forward(ctx, a, b):
        ctx.save_for_backward(a, b)
        return a * b.exp()

    @staticmethod
    def backward(ctx, dy):
        a, b = ctx.saved_tensors
        return dy * b.exp(), dy * a * b.exp()


@right(_shared, _shared[1:, :2], _shared.t())
def overlapping(a, b, c):
    """Inputs that are views of one another."""
    return a.sum() * b + c[:2, :2]


@right(normal(1, 4).expand(3, 4))
class ExpandedInput(Function):
    @staticmethod
    def forward(ctx, x):
        ctx.save_for_backward(x)
        return x.square().sum(0)

    @staticmethod
    def backward(ctx, dy):
        (x,) = ctx.saved_tensors
        return 2 * x * dy


@right(torch.tensor([1.0, float("nan"), -2.0]))
class NaNInput(Function):
    """NaN in, NaN out, as torch does."""

    @staticmethod
    def forward(ctx, x):
        ctx.save_for_backward(x)
        return x.exp()

    @staticmethod
    def backward(ctx, dy):
        (x,) = ctx.saved_tensors
        return dy * x.exp()


@right(torch.tensor([-1.0, 0.5, 4.0]))
class LogOutside(Function):
    """NaN at -1, as torch.log gives."""

    @staticmethod
    def forward(ctx, x):
        ctx.save_for_backward(x)
        return x.log()

    @staticmethod
    def backward(ctx, dy):
        (x,) = ctx.saved_tensors
        return dy / x


@right(torch.randn(0, 3))
class Empty(Function):
    @staticmethod
    def forward(ctx, x):
        return x * 2

    @staticmethod
    def backward(ctx, dy):
        return dy * 2


@right(torch.tensor(0.7))
class ZeroDimensional(Function):
    @staticmethod
    def forward(ctx, x):
        ctx.save_for_backward(x)
        return x.sinh()

    @staticmethod
    def backward(ctx, dy):
        (x,) = ctx.saved_tensors
        return dy * x.cosh()
