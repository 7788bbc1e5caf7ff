r"""Formula: the base class of every gradient in this package, and the only file that knows the quirks of
`torch.autograd.Function`.

A formula is four static methods that read like the page of a textbook:

    forward(x, ...)              y  = f(x, ...)
    setup_context(ctx, ...)      what the backward pass needs again: `save(ctx, ...)`, inputs and outputs only
    backward(ctx, dy)            dx = dy . df/dx          from the output's gradient to the inputs'
    jvp(ctx, x_t)                y' = df/dx . x'          from the inputs' tangents to the output's

The alphabet is the same in every file: input `x` (logits `z`, prediction `p`, target `t`), output `y`, upstream
gradient `dy`, tangent `x_t`, and `d<name>` for the gradient of `<name>`.
"""

from __future__ import annotations

import functools
import inspect
import math
import re
import threading
from collections.abc import Callable
from typing import Any, ClassVar

import torch
from torch import Tensor
from torch.autograd import forward_ad
from torch.utils._python_dispatch import _disable_current_modes

_REDUCTIONS = ("none", "mean", "sum")
HALF = frozenset((torch.bfloat16, torch.float16))
_PLAIN = frozenset((torch.float32, torch.float64))
_FEW = 4096  # elements, of which selecting by comparison costs no more than arithmetic with their bits
# torch makes a tensor of the number in `x * 2` each time; these are made once, whatever modes the import is in.
with torch.inference_mode(False), _disable_current_modes():
    ZERO, MINUS_ONE = ({dtype: torch.tensor(value, dtype=dtype, device="cpu") for dtype in _PLAIN} for value in (0, -1))

# Private names of torch, each with the slower public behaviour to fall back on where a version lacks it.
_transforms_active: Callable[[], bool] | None = getattr(torch._C, "_are_functorch_transforms_active", None)
_is_compiling = torch.compiler.is_compiling
autocast_is_on: Callable[[], bool] = getattr(torch._C, "_is_any_autocast_enabled", None) or (
    lambda: torch.is_autocast_enabled() or torch.is_autocast_enabled("cpu")
)
_in_old_vmap: Callable[[Tensor], bool] = getattr(torch._C._functorch, "is_legacy_batchedtensor", lambda _: False)


class Formula(torch.autograd.Function):
    """Base class of the formulas: a `torch.autograd.Function` that works in every mode that torch has.

    Subclasses write `forward`, `setup_context`, `backward` and `jvp`; `call` runs them. What the class adds:

    - `torch.compile(fullgraph=True)` and `torch.compile(torch.func.grad(f))` keep our backward, and `vmap` works;
    - bfloat16 and float16: `backward` and `jvp` see float32 (`opmath = True`), as torch's own kernels do inside,
      unless the formula is made of matrix products, which accumulate in float32 by themselves (`opmath = False`);
    - autocast: `autocast = "lower"` runs in the autocast dtype, `"float32"` in float32, `"promote"` in the widest dtype
      among the arguments; with `" on cuda"` or `" on cpu"` after it, there only; None leaves the arguments alone;
    - complex numbers: `complex = "holomorphic"` has backward, written for real numbers, follow torch's convention for
      complex ones too; "refused" refuses them by name. None is for what is right as it stands: sums and rearrangements,
      formulas that conjugate by themselves, and those whose forward kernel knows no complex numbers;
    - `saves_output_only`: backward needs nothing but the output, so that `inplace=True` may write it over the input;
    - errors name the formula, its arguments and their shapes; `check`, where a formula has one, is asked first.
    """

    generate_vmap_rule = True
    opmath: ClassVar[bool] = True
    autocast: ClassVar[str | None] = None
    complex: ClassVar[str | None] = None
    saves_output_only: ClassVar[bool] = False
    _autocast_policy: ClassVar[Callable[[], str | None]] = staticmethod(lambda: None)
    check: ClassVar[Callable[..., None] | None] = None

    def __init_subclass__(cls) -> None:
        super().__init_subclass__()
        if "backward" in cls.__dict__ and (cls.opmath or cls.complex == "holomorphic"):
            cls.backward = staticmethod(_adapted(cls.backward, cls.opmath, cls.complex))  # type: ignore[method-assign]
        if "jvp" in cls.__dict__ and cls.opmath:
            cls.jvp = staticmethod(_adapted(cls.jvp, cls.opmath, None))  # type: ignore[method-assign]
        if "forward" in cls.__dict__ and cls.complex == "refused":
            cls.forward = staticmethod(_of_real_numbers(cls.forward))  # type: ignore[method-assign]
        # A parent that was called has its own C method there.
        cls.fast_apply = Formula.__dict__["fast_apply"]  # type: ignore[method-assign]
        policy = cls.autocast
        cls._autocast_policy = staticmethod(lambda: policy)  # Dynamo calls methods of a Function, reads no field
        # Without this, Dynamo refuses Functions with a jvp, and torch.compile(torch.func.grad(f)) silently replaces
        # our backward by torch's own derivative of our forward (pytorch#118397, pytorch#193279).
        torch.compiler.allow_in_graph(cls)

    @classmethod
    def fast_apply(cls, *args: Any) -> Any:
        """`apply` for when nothing is traced and no torch.func transform is active, as `call` sees to.

        `Function.apply` binds the signature on every call (11 us) whenever setup_context is defined; the C method below
        it does not. The engine looks `backward` up through two Python calls each time; the node class can have it at
        once. The first call of a formula arranges both, by putting the C method in the place of this one.
        """
        if _transforms_active is None or not hasattr(cls, "_backward_cls"):
            return cls.apply(*args)
        cls._backward_cls.apply = cls.backward  # type: ignore[attr-defined]
        cls.fast_apply = super(torch.autograd.Function, cls).apply  # type: ignore[misc, method-assign]
        return cls.fast_apply(*args)

    @classmethod
    def title(cls) -> str:
        """The name that messages and tables use: `MSELossFunction` is `mse_loss`."""
        words = re.sub(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])", "_", cls.__name__.removesuffix("Function"))
        return words.lower()


class Pointwise(Formula):
    """A formula that treats every element by itself: `forward` and one rule, `slope`, which multiplies by f'(x).

    The Jacobian is diagonal, hence its own transpose, and one slope serves the gradients that go back and the tangents
    that go forward. `slope(d, saved, *rest)` gets the gradient or tangent, what `saves` names (the "input" or the
    "output"; with "nothing" there is no `saved`), and the arguments after x, which are numbers.

    With a slope that is made of |x|, `complex` has to be "refused".

    Write slopes in arithmetic: on a CPU `torch.where` and products with a boolean mask cost ten times a multiplication,
    and `torch.sign`, `torch.clamp` and `F.threshold` make the same mask in floating point.
    """

    complex: ClassVar[str | None] = "holomorphic"
    saves: ClassVar[str] = "input"
    slope: ClassVar[Callable[..., Tensor]]

    def __init_subclass__(cls) -> None:
        slope, saves = cls.slope, cls.saves
        cls.saves_output_only = saves != "input"

        def setup_context(ctx: Any, inputs: tuple[Any, ...], output: Tensor) -> None:
            if saves != "nothing":
                save(ctx, inputs[0] if saves == "input" else output)
            ctx.rest = inputs[1:]

        def backward(ctx: Any, dy: Tensor) -> tuple[Tensor | None, ...]:
            return slope(dy, *ctx.saved_tensors, *ctx.rest), *[None for _ in ctx.rest]

        def jvp(ctx: Any, x_t: Tensor, *_: None) -> Tensor:
            return slope(x_t, *ctx.saved_tensors, *ctx.rest)

        for rule in (setup_context, backward, jvp):
            setattr(cls, rule.__name__, staticmethod(rule))
        super().__init_subclass__()


class Context:
    """The `ctx` of a tape's step."""

    saved_tensors: tuple[Tensor | None, ...] = ()


class _Active(threading.local):
    """The tape that is recording in this thread, or None."""

    tape: Any = None


active = _Active()


def call(formula: type[Formula], *args: Any) -> Any:
    """Run `formula` on `args`: on the active tape if there is one, else through torch's autograd.

    Every argument of `forward` is given, in order; none is left to its default and none is named.
    """
    if formula.autocast is not None and autocast_is_on():
        args = _cast_for_autocast(formula._autocast_policy(), args)
    if _is_compiling() or (_transforms_active is not None and _transforms_active()):
        if not _is_compiling() and active.tape is not None:
            active.tape.refuse_transform(formula, args)
        return formula.apply(*args)
    tape = active.tape
    try:
        return formula.fast_apply(*args) if tape is None else tape.run(formula, args)
    except (RuntimeError, TypeError, ValueError, IndexError, AttributeError) as error:
        raise _explained(formula, args, error) from None


def call_in_place(formula: type[Formula], x: Tensor, *args: Any) -> Tensor:
    """`call`, with the result written over `x`, which is returned: what torch's `inplace=True` does.

    Values, gradients and the memory kept for backward are torch's: a formula that needs only its output overwrites
    `x` by itself; any other works on a copy of `x`, as in torch. Views, torch.func and torch.compile take the
    general way, to compute and to copy: torch loses second derivatives of Functions that change a view. For formulas
    that leave autocast alone.
    """
    if not isinstance(x, Tensor):
        return call(formula, x, *args)  # refuses it by name
    if torch.compiler.is_compiling() or (_transforms_active is not None and _transforms_active()):
        return x.copy_(call(formula, call(CloneFunction, x, torch.preserve_format), *args))
    if active.tape is not None:
        return active.tape.run_in_place(formula, (x, *args))
    if not (torch.is_grad_enabled() and x.requires_grad):
        return x.copy_(call(formula, x, *args))
    if not formula.saves_output_only:
        return x.copy_(call(formula, call(CloneFunction, x, torch.preserve_format), *args))
    if x.is_leaf or x._is_view():
        return x.copy_(call(formula, x, *args))  # refuses a leaf before it is changed
    return _overwriting(formula).fast_apply(x, *args)


@functools.cache
def _overwriting(formula: type[Formula]) -> type[Formula]:
    """`formula` with its output in the memory of its first input."""

    def forward(x: Tensor, *args: Any) -> Tensor:
        return x.copy_(formula.forward(x, *args))

    def setup_context(ctx: Any, inputs: tuple[Any, ...], output: Tensor) -> None:
        ctx.mark_dirty(inputs[0])
        formula.setup_context(ctx, inputs, output)

    def jvp(ctx: Any, x_t: Tensor, *rest: Any) -> Tensor:
        return x_t.copy_(formula.jvp(ctx, x_t, *rest))  # the tangent of a tensor changed in place is changed in place

    rules: dict[str, Callable[..., Any]] = {
        "forward": forward,
        "setup_context": setup_context,
        "backward": formula.backward,
        "jvp": jvp,
    }
    members: dict[str, Any] = {name: staticmethod(rule) for name, rule in rules.items()}
    return type(formula.__name__, (Formula,), {"__doc__": formula.__doc__, "opmath": False, **members})


def values_are_visible() -> bool:
    """Whether a public function may look at its tensors' values: nothing is traced, no transform is active."""
    return not (torch.compiler.is_compiling() or (_transforms_active is not None and _transforms_active()))


def unwrapped(x: Any) -> Any:
    """The tensor that torch.func's transforms, where any are active, have wrapped up in x."""
    if _transforms_active is not None and _transforms_active():
        while isinstance(x, Tensor) and torch._C._functorch.is_functorch_wrapped_tensor(x):
            x = torch._C._functorch.get_unwrapped(x)
    return x


def gradient_is_wanted(x: Any) -> bool:
    """Whether a backward pass may come to `x`: on the tape that records, or else by autograd."""
    if active.tape is not None:
        return bool(active.tape.tracks(x))
    return isinstance(x, Tensor) and x.requires_grad and torch.is_grad_enabled()


def lowered(*tensors: Tensor | None) -> tuple[Any, ...]:
    """What autocast makes of the operands of a matrix product; for formulas that are more than a matrix product."""
    return _cast_for_autocast("lower", tensors) if autocast_is_on() else tensors


def raised(*tensors: Tensor | None) -> tuple[Any, ...]:
    """What autocast makes of the arguments of a loss; for losses of which it leaves some forms alone."""
    return _cast_for_autocast("float32", tensors) if autocast_is_on() else tensors


def save(ctx: Any, *tensors: Tensor | None) -> None:
    """Keep inputs and outputs for `backward` and for `jvp`.

    torch has two methods for this and needs the same tensors in both, or `torch.func.grad(torch.vmap(f))` fails.
    Never save anything else than inputs and outputs: double backward would silently be wrong.
    """
    if isinstance(ctx, torch._C._FunctionBase):  # what the two methods do, without their calls
        ctx.to_save = ctx.saved_for_forward = tensors  # type: ignore[attr-defined]
    elif isinstance(ctx, Context):
        ctx.saved_tensors = tensors
    else:
        ctx.save_for_backward(*tensors)
        ctx.save_for_forward(*tensors)


def unbroadcast(gradient: Tensor, shape: torch.Size) -> Tensor:
    """Sum `gradient` over the dimensions in which an operand of `shape` was repeated by broadcasting.

    An operand that was used k times receives the sum of its k gradients.
    """
    if gradient.shape == shape:
        return gradient
    extra = gradient.dim() - len(shape)
    repeated = [d for d in range(gradient.dim()) if d < extra or (shape[d - extra] == 1 and gradient.shape[d] != 1)]
    return gradient.sum(repeated, keepdim=True).reshape(shape)


def spread(dy: Tensor, shape: torch.Size, reduction: str) -> Tensor:
    """The upstream gradient of each element of an unreduced loss of `shape`, given that of the reduced loss.

    'none' passes it on, 'sum' gives it to every element, 'mean' also divides it by their number. What is the same for
    every element is one number, to be multiplied with a tensor of `shape`.
    """
    return dy / max(shape.numel(), 1) if reduction == "mean" else dy


def reduce(loss: Tensor, reduction: str) -> Tensor:
    """The 'mean' or 'sum' of the elements of a loss, or with 'none' the loss itself; ValueError for another word."""
    if reduction == "none":
        return loss
    if reduction not in _REDUCTIONS:
        raise ValueError(f"{reduction!r} is no reduction")
    return loss.sum() if reduction == "sum" else loss.mean()


def moving(*tangents: Tensor | None) -> tuple[Any, ...]:
    """Tangents with 0 for None, an input that does not move; or upstream gradients, where several outputs have one."""
    return tuple(0 if t is None else t for t in tangents)


def norm_slope(e: Tensor, norm: Tensor, p: float, dim: int | tuple[int, ...] = -1) -> Tensor:
    """The gradient of the p-norm of `e` along `dim`, given the value `norm`, which has that dimension still.

    It is sign(e) (|e| / norm)^(p-1); where the norm is 0, and where e is for p < 1, it is 0. For p = inf it is shared
    out among the entries of the largest size, for p = -inf among those of the smallest, and for p = 0, which counts
    entries, it is 0. Complex entries have the sign e / |e|.
    """
    if p == 0:
        return torch.zeros_like(e)
    if p == 1:
        return e.sgn()
    if p in (math.inf, -math.inf):
        extreme = (e.abs() == norm).to(norm.dtype)
        return e.sgn() * (extreme / extreme.sum(dim, keepdim=True))
    norm = norm.masked_fill(norm == 0, 1)
    if p == 2:
        return e / norm
    sizes = e.abs()
    return e.sgn() * (sizes.masked_fill(sizes == 0, 1) ** (p - 1) * norm ** (1 - p))


def broadcast_shape(*tensors: Tensor) -> torch.Size:
    """The shape that the tensors have together."""
    return torch.broadcast_shapes(*(t.shape for t in tensors))


class _Wide:
    """A context whose saved tensors are float32 where they were half precision."""

    def __init__(self, ctx: Any) -> None:
        self._ctx = ctx

    @property
    def saved_tensors(self) -> tuple[Tensor | None, ...]:
        return tuple(_widen(t) for t in self._ctx.saved_tensors)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._ctx, name)


def _widen(value: Any) -> Any:
    return value.float() if isinstance(value, Tensor) and value.dtype in HALF else value


def _adapted(rule: Callable[..., Any], opmath: bool, complex: str | None) -> Callable[..., Any]:
    """`rule` (a backward or jvp), made for float32 and float64, for the other dtypes too.

    bfloat16 and float16, with `opmath`: computed in float32. Gradients are rounded once, at the end: by autograd and by
    the tape, to the dtype of the input that they belong to. Tangents are rounded here, since forward-mode AD does not.

    Complex numbers, where the formula is holomorphic: torch's gradients are those with respect to the conjugates, so
    that the transposed Jacobian of the formula has to be conjugated, which is to say all that goes in and comes out.
    """
    is_jvp = rule.__name__ == "jvp"

    @functools.wraps(rule)
    def run(ctx: Any, *upstream: Any) -> Any:
        first = upstream[0]
        if first is not None and first.dtype in _PLAIN:
            return rule(ctx, *upstream)
        dtypes = {u.dtype for u in upstream if u is not None}
        half = next(iter(dtypes & HALF), None) if opmath else None
        if half is not None and (first is None or first.dtype in HALF):
            result = rule(_Wide(ctx), *(_widen(u) for u in upstream))
            return result.to(half) if is_jvp else result
        if complex == "holomorphic" and any(dtype.is_complex for dtype in dtypes):
            return _conjugate(rule(ctx, *_conjugate(upstream)))
        return rule(ctx, *upstream)

    return run


def _conjugate(value: Any) -> Any:
    if isinstance(value, tuple):
        return tuple(map(_conjugate, value))
    return value.conj() if isinstance(value, Tensor) else value


def _of_real_numbers(forward: Callable[..., Any]) -> Callable[..., Any]:
    """`forward` for a formula whose backward is not right for complex numbers."""

    @functools.wraps(forward)
    def run(*args: Any) -> Any:
        if any(isinstance(a, Tensor) and a.is_complex() for a in args):
            raise NotImplementedError("the formula is for real numbers, not for complex ones")
        return forward(*args)

    return run


class CastFunction(Formula):
    r"""Change of dtype.

        forward    y  = x in another dtype
        backward   dx = dy in the dtype of x
        tangent    y' = x' in the other dtype

    It lives here because autocast needs it. Shapes: x, y (*) any shape. Saves nothing.
    Source: any calculus book.
    """

    opmath = False

    @staticmethod
    def forward(x: Tensor, dtype: torch.dtype) -> Tensor:
        return x.to(dtype, copy=True)

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Any, ...], output: Tensor) -> None:
        ctx.dtype, ctx.new_dtype = inputs[0].dtype, inputs[1]

    @staticmethod
    def backward(ctx: Any, dy: Tensor) -> tuple[Tensor, None]:
        return dy.to(ctx.dtype), None

    @staticmethod
    def jvp(ctx: Any, x_t: Tensor, _: None) -> Tensor:
        return x_t.to(ctx.new_dtype)


class CloneFunction(Formula):
    r"""Copy, laid out in memory as asked.

        forward    y  = x
        backward   dx = dy
        tangent    y' = x'

    It lives here because `call_in_place` needs it. Shapes: x, y (*) any shape. Saves nothing.
    Source: any calculus book.
    """

    opmath = False

    @staticmethod
    def forward(x: Tensor, memory_format: torch.memory_format) -> Tensor:
        return x.clone(memory_format=memory_format)

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Any, ...], output: Tensor) -> None:
        """Nothing is needed again."""

    @staticmethod
    def backward(ctx: Any, dy: Tensor) -> tuple[Tensor, None]:
        return dy, None

    @staticmethod
    def jvp(ctx: Any, x_t: Tensor, _: None) -> Tensor:
        return x_t.clone()


class GateFunction(Formula):
    r"""A gate: what comes is passed on where it is open, and is 0 where it is shut.

        forward    y  = d, where g > 0, else 0
        backward   dd = dy, where g > 0, else 0
        tangent    y' = d', where g > 0, else 0

    It lives here because the rules of other formulas use it, by `gated`. A product with 0 and 1 would be no number
    where d is infinite and the gate shut: the gradient of sqrt(relu(x)) at x < 0 is 0. Selecting by comparison costs
    ten times as much on a CPU if there are many elements; so the bits of d are multiplied, as integers.

    Shapes: d, g, y (*) any shape. g is 0 or above, or no number, which is open. Saves g, to which no gradient flows.
    Source: IEEE 754: the bits of 0 are the integer 0, and of all numbers above it positive integers.
    """

    opmath = False

    @staticmethod
    def forward(d: Tensor, g: Tensor) -> Tensor:
        if _in_old_vmap(d) or _in_old_vmap(g):  # `torch.autograd.grad(..., is_grads_batched=True)` knows no bits
            return torch.where(g <= 0, 0.0, d)
        is_visible = values_are_visible()
        if is_visible and type(d) is Tensor and d.numel() <= _FEW and d.dtype in _PLAIN:
            return torch.where(g.bool(), d, ZERO[d.dtype])
        bits = torch.int64 if d.dtype == torch.float64 else torch.int32 if d.dtype == torch.float32 else torch.int16
        is_open = g.to(d.dtype).abs().view(bits)
        if is_visible:  # nor does anything keep them: one memory is enough
            return is_open.clamp_(max=1).mul_(d.view(bits)).view(d.dtype)
        return (is_open.clamp(max=1) * d.view(bits)).view(d.dtype)

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Tensor, Tensor], output: Tensor) -> None:
        save(ctx, inputs[1])

    @staticmethod
    def backward(ctx: Any, dy: Tensor) -> tuple[Tensor, None]:
        (g,) = ctx.saved_tensors
        return gated(dy, g), None

    @staticmethod
    def jvp(ctx: Any, d_t: Tensor | None, g_t: Tensor | None) -> Tensor:
        (g,) = ctx.saved_tensors
        return torch.zeros_like(g) if d_t is None else gated(d_t, g)


def gated(d: Tensor, g: Tensor) -> Tensor:
    """`d` where `g` is above 0 or no number, and 0 where it is 0, whatever d is there; for the rules of formulas.

    >>> gated(torch.tensor([2.0, torch.inf]), torch.tensor([1.0, 0.0]))
    tensor([2., 0.])
    """
    differentiated = torch.is_grad_enabled() and (d.requires_grad or g.requires_grad)
    if values_are_visible() and not differentiated and forward_ad._current_level < 0:
        return GateFunction.forward(d, g)
    return GateFunction.apply(d, g)


def _cast_for_autocast(policy: str | None, args: tuple[Any, ...]) -> tuple[Any, ...]:
    device = next((a.device.type for a in args if isinstance(a, Tensor)), "cpu")
    elsewhere = policy is not None and " on " in policy and not policy.endswith(device)
    if policy is None or elsewhere or not torch.is_autocast_enabled(device):
        return args
    floating = [a.dtype for a in args if isinstance(a, Tensor) and a.is_floating_point()]
    if policy.startswith("lower"):
        dtype = torch.get_autocast_dtype(device)
    elif policy.startswith("promote"):
        dtype = functools.reduce(torch.promote_types, floating) if floating else torch.float32
    else:
        dtype = torch.float32

    def cast(a: Any) -> Any:
        if not isinstance(a, Tensor) or not a.is_floating_point() or a.dtype in (dtype, torch.float64):
            return a
        return call(CastFunction, a, dtype)

    return tuple(cast(a) for a in args)


_PUBLIC_NAMES = {"x": "input", "z": "input", "p": "input", "t": "target"}


def _explained(formula: type[Formula], args: tuple[Any, ...], error: Exception) -> Exception:
    """The error a user sees: of torch's type, naming the formula, its arguments, their shapes and dtypes."""
    title = formula.title()
    if isinstance(error, FormulaError) or str(error).startswith(f"{title}: "):
        return error
    for parameter, a in zip(inspect.signature(formula.forward).parameters.values(), args, strict=False):
        if parameter.annotation in (Tensor, "Tensor") and not isinstance(a, Tensor):
            name = _PUBLIC_NAMES.get(parameter.name, parameter.name)
            return TypeError(f"{title}: {name} must be a tensor, got {_kind(a)}")
    if isinstance(error, AttributeError):
        return error  # no argument's fault
    try:
        if formula.check is not None:
            formula.check(*args)
    except (RuntimeError, TypeError, ValueError, IndexError) as clearer:
        return type(clearer)(f"{title}: {clearer}")
    names = list(inspect.signature(formula.forward).parameters)
    named = {
        _PUBLIC_NAMES.get(n, n) if isinstance(a, Tensor) else n: a for n, a in zip(names, args, strict=False)
    }  # p is the input of some formulas and the exponent of others
    if named.get("reduction", "none") not in _REDUCTIONS:
        return ValueError(f"{title}: reduction must be 'none', 'mean' or 'sum', got {named['reduction']!r}")
    shown = ", ".join(f"{n} {_shown(a)}" for n, a in named.items() if isinstance(a, Tensor))
    return type(error)(f"{title}: {error} (given {shown or 'no tensor'})")


def _kind(value: Any) -> str:
    return "None" if value is None else f"a {type(value).__name__}"


def _shown(tensor: Tensor) -> str:
    return f"{tuple(tensor.shape)} {str(tensor.dtype).removeprefix('torch.')}"


class FormulaError(RuntimeError):
    """An operation that the package refuses by name."""
