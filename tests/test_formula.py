"""Formula: whose derivative runs, in every mode that torch has, and what a user is told.

A formula that lies about its derivative tells the modes that keep ours from those that differentiate our forward.
"""

from __future__ import annotations

import shutil
import subprocess
import sys
import threading
from collections.abc import Callable
from typing import Any

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

from manualgrad import Tape, formula
from manualgrad import functional as F
from manualgrad.formula import (
    CastFunction,
    Formula,
    FormulaError,
    broadcast_shape,
    call,
    gated,
    reduce,
    save,
    spread,
    unbroadcast,
)


class LieFunction(Formula):
    """y = x^2, and a derivative that says 1000 backward and 2000 forward."""

    @staticmethod
    def forward(x: Tensor) -> Tensor:
        return x * x

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Tensor], output: Tensor) -> None:
        save(ctx, inputs[0])

    @staticmethod
    def backward(ctx: Any, dy: Tensor) -> Tensor:
        return dy * 1000

    @staticmethod
    def jvp(ctx: Any, x_t: Tensor) -> Tensor:
        return x_t * 2000


def lie(x: Tensor) -> Tensor:
    return call(LieFunction, x)


def summed(x: Tensor) -> Tensor:
    return lie(x).sum()


def backward(function: Callable[[Tensor], Tensor], x: Tensor) -> Tensor:
    x = x.clone().requires_grad_()
    function(x).backward()
    assert x.grad is not None
    return x.grad


def on_the_tape(x: Tensor) -> Tensor:
    x = x.clone().requires_grad_()
    with Tape() as tape:
        y = lie(x)
    tape.backward(y, torch.ones_like(y))
    assert x.grad is not None
    return x.grad


def compiled(function: Callable[..., Any], backend: str = "aot_eager", **options: Any) -> Callable[..., Any]:
    torch._dynamo.reset()
    return torch.compile(function, fullgraph=True, backend=backend, **options)


def jvp(function: Callable[[Tensor], Tensor], x: Tensor) -> Tensor:
    result: Tensor = torch.func.jvp(function, (x,), (torch.ones_like(x),))[1]
    return result


# How the derivative of `lie` is asked for, and what the lie says there.
MODES: dict[str, tuple[Callable[[Tensor], Tensor], float]] = {
    "backward": (lambda x: backward(summed, x), 1000),
    "tape": (on_the_tape, 1000),
    "func.grad": (torch.func.grad(summed), 1000),
    "func.vjp": (lambda x: torch.func.vjp(lie, x)[1](torch.ones_like(x))[0], 1000),
    "vmap(func.grad)": (lambda x: torch.func.vmap(torch.func.grad(lie))(x), 1000),
    "func.grad(vmap)": (torch.func.grad(lambda x: torch.func.vmap(lie)(x).sum()), 1000),
    "jacrev": (lambda x: torch.func.jacrev(lie)(x).diagonal(), 1000),
    "func.jvp": (lambda x: jvp(lie, x), 2000),
    "jacfwd": (lambda x: torch.func.jacfwd(lie)(x).diagonal(), 2000),
    "checkpoint": (
        lambda x: backward(lambda x: torch.utils.checkpoint.checkpoint(summed, x, use_reentrant=False), x),
        1000,
    ),
    "compile": (lambda x: backward(compiled(summed), x), 1000),
    "compile, dynamic": (lambda x: backward(compiled(summed, dynamic=True), x), 1000),
    "compile(func.grad)": (lambda x: compiled(torch.func.grad(summed))(x), 1000),
    "compile(vmap(func.grad))": (lambda x: compiled(torch.func.vmap(torch.func.grad(lie)))(x), 1000),
    "compile(func.jvp)": (lambda x: compiled(lambda x: jvp(lie, x))(x), 2000),
}


@pytest.mark.parametrize("mode", MODES)
def test_the_derivative_that_runs_is_ours(mode: str) -> None:
    derivative, says = MODES[mode]
    x = torch.tensor([1.0, 2.0, 3.0])
    torch.testing.assert_close(derivative(x), torch.full_like(x, says), rtol=0, atol=0)


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore:`torch.jit.script_method` is deprecated:DeprecationWarning")  # inductor calls it
@pytest.mark.skipif(shutil.which("c++") is None, reason="inductor needs a C++ compiler")
@pytest.mark.parametrize("derivative", [lambda f: lambda x: backward(compiled(f, "inductor"), x), None])
def test_the_derivative_that_inductor_compiles_is_ours(derivative: Any) -> None:
    x = torch.tensor([1.0, 2.0, 3.0])
    run = derivative(summed) if derivative else compiled(torch.func.grad(summed), "inductor")
    torch.testing.assert_close(run(x), torch.full_like(x, 1000), rtol=0, atol=0)


def test_an_exported_program_keeps_the_forward_only() -> None:
    """torch.export writes the forward down as torch's operations: what is trained further has torch's derivative."""

    class Model(torch.nn.Module):
        def forward(self, x: Tensor) -> Tensor:
            return summed(x)

    x = torch.tensor([1.0, 2.0, 3.0])
    program = torch.export.export(Model(), (x,)).module()
    assert torch.equal(program(x), x.square().sum())
    assert torch.equal(backward(program, x), 2 * x)


def test_without_torchs_private_names_apply_does_the_work(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(formula, "_transforms_active", None)

    class FreshFunction(LieFunction):
        """A formula that has not been called yet."""

    def fresh(x: Tensor) -> Tensor:
        return call(FreshFunction, x).sum()

    x, says = torch.tensor([1.0, 2.0]), torch.tensor([1000.0, 1000.0])
    assert torch.equal(backward(fresh, x), says)
    assert torch.equal(torch.func.grad(fresh)(x), says)
    assert torch.equal(torch.func.vmap(torch.func.grad(fresh))(x), says)
    assert torch.equal(compiled(torch.func.grad(fresh))(x), says)
    assert vars(FreshFunction)["fast_apply"] is vars(Formula)["fast_apply"]  # as it was


def test_a_formula_may_be_derived_from_one_that_was_called() -> None:
    class HalfLieFunction(LieFunction):
        @staticmethod
        def backward(ctx: Any, dy: Tensor) -> Tensor:
            return dy * 500

    x = torch.tensor([1.0])
    assert backward(summed, x).item() == 1000
    assert backward(lambda x: call(HalfLieFunction, x).sum(), x).item() == 500
    assert backward(summed, x).item() == 1000


def test_nothing_is_kept_when_no_gradient_is_wanted() -> None:
    x = torch.tensor([1.0], requires_grad=True)
    with torch.no_grad():
        assert not lie(x).requires_grad
    with torch.inference_mode():
        assert lie(x).is_inference()
    assert not lie(x.detach()).requires_grad


def test_a_tape_records_in_its_own_thread_only() -> None:
    x = torch.tensor([1.0], requires_grad=True)
    with Tape() as tape:
        elsewhere = threading.Thread(target=lie, args=(x,))
        elsewhere.start()
        elsewhere.join()
        assert not tape.steps
        lie(x)
    assert len(tape.steps) == 1


# ------------------------------------------------------------------------------------------------- half precision


def watching(opmath: bool) -> tuple[type[Formula], list[torch.dtype]]:
    """A formula that tells the dtypes that its backward and its jvp see."""
    seen: list[torch.dtype] = []
    wide = opmath

    class WatchFunction(Formula):
        opmath = wide

        @staticmethod
        def forward(x: Tensor) -> Tensor:
            return x * x

        @staticmethod
        def setup_context(ctx: Any, inputs: tuple[Tensor], output: Tensor) -> None:
            save(ctx, inputs[0], None)

        @staticmethod
        def backward(ctx: Any, dy: Tensor) -> Tensor:
            x, nothing = ctx.saved_tensors
            assert nothing is None
            assert ctx.needs_input_grad == (True,)
            seen.extend((x.dtype, dy.dtype))
            return 2 * x * dy

        @staticmethod
        def jvp(ctx: Any, x_t: Tensor) -> Tensor:
            x, _ = ctx.saved_tensors
            seen.extend((x.dtype, x_t.dtype))
            return 2 * x * x_t

    return WatchFunction, seen


@pytest.mark.parametrize(
    ("dtype", "opmath", "inside"),
    [
        (torch.bfloat16, True, torch.float32),
        (torch.float16, True, torch.float32),
        (torch.bfloat16, False, torch.bfloat16),
        (torch.float32, True, torch.float32),
        (torch.float64, True, torch.float64),
    ],
)
def test_half_precision_is_computed_in_float32(dtype: torch.dtype, opmath: bool, inside: torch.dtype) -> None:
    watch, seen = watching(opmath)
    x = torch.tensor([3.0], dtype=dtype)
    gradient = backward(lambda x: call(watch, x).sum(), x)
    assert (gradient.dtype, gradient.item()) == (dtype, 6)
    tangent = jvp(lambda x: call(watch, x), x)
    assert (tangent.dtype, tangent.item()) == (dtype, 6)
    assert seen == [inside] * 4


# ------------------------------------------------------------------------------------------------------- autocast


def adding(policy: str | None) -> Callable[..., Tensor]:
    """`x + y` as a formula of the autocast policy; `None` for an argument that is no tensor."""

    class AddFunction(Formula):
        autocast = policy

        @staticmethod
        def forward(x: Tensor, y: Tensor, nothing: None) -> Tensor:
            return x + y

        @staticmethod
        def setup_context(ctx: Any, inputs: tuple[Tensor, Tensor, None], output: Tensor) -> None:
            save(ctx)

        @staticmethod
        def backward(ctx: Any, dy: Tensor) -> tuple[Tensor, Tensor, None]:
            return dy, dy, None

        @staticmethod
        def jvp(ctx: Any, x_t: Tensor, y_t: Tensor, nothing: None) -> Tensor:
            return x_t + y_t

    return lambda x, y: call(AddFunction, x, y, None)


BF16, F32, F64, I64 = torch.bfloat16, torch.float32, torch.float64, torch.int64


@pytest.mark.parametrize(
    ("policy", "x", "y", "result"),
    [
        (None, F32, F32, F32),
        (None, BF16, BF16, BF16),
        ("lower", F32, F32, BF16),
        ("lower", F64, F64, F64),
        ("lower", F32, I64, BF16),
        ("float32", BF16, BF16, F32),
        ("float32", BF16, F64, F64),
        ("float32 on cuda", BF16, BF16, BF16),
        ("promote", BF16, F32, F32),
        ("promote", BF16, BF16, BF16),
        ("promote", I64, I64, I64),
    ],
)
def test_autocast_runs_in_the_dtype_of_the_policy(
    policy: str | None, x: torch.dtype, y: torch.dtype, result: torch.dtype
) -> None:
    add = adding(policy)
    inputs = [torch.ones(2, dtype=d, requires_grad=d.is_floating_point) for d in (x, y)]
    with torch.autocast("cpu", dtype=torch.bfloat16):
        output = add(*inputs)
        with torch.autocast("cpu", enabled=False):
            assert add(*inputs).dtype == torch.promote_types(x, y)
    assert output.dtype == result
    assert add(*inputs).dtype == torch.promote_types(x, y)
    if output.requires_grad:
        output.sum().backward()
        for given in inputs:
            if given.requires_grad:
                assert given.grad is not None
                assert given.grad.dtype == given.dtype


def test_autocast_inside_torch_compile() -> None:
    add = adding("lower")

    def work(x: Tensor) -> Tensor:
        with torch.autocast("cpu", dtype=torch.bfloat16):
            return add(x, x)

    x = torch.ones(2, requires_grad=True)
    output = compiled(work)(x)
    assert output.dtype == torch.bfloat16
    output.sum().backward()
    assert x.grad is not None
    assert x.grad.tolist() == [2, 2]


def test_a_change_of_dtype_has_a_gradient_and_a_tangent() -> None:
    x = torch.tensor([1.0, 2.0], requires_grad=True)
    y = call(CastFunction, x, torch.float64)
    y.backward(torch.tensor([3.0, 4.0], dtype=torch.float64))
    assert x.grad is not None
    assert (x.grad.dtype, x.grad.tolist()) == (torch.float32, [3, 4])
    assert jvp(lambda x: call(CastFunction, x, torch.float64), x.detach()).dtype == torch.float64


# --------------------------------------------------------------------------------------------------------- errors


def test_an_error_names_the_formula_the_arguments_and_their_shapes() -> None:
    with pytest.raises(RuntimeError) as raised:
        F.linear(torch.ones(2, 3), torch.ones(4, 5))
    message = str(raised.value)
    assert message.startswith("linear: ")
    assert "input (2, 3)" in message
    assert "weight (4, 5)" in message
    assert raised.value.__cause__ is None


def test_an_error_without_a_check_shows_what_was_given() -> None:
    with pytest.raises(RuntimeError, match=r"^add: .*\(given input \(2,\) float32, y \(3,\) bfloat16\)$"):
        adding(None)(torch.ones(2), torch.ones(3, dtype=torch.bfloat16))
    with pytest.raises(TypeError, match=r"^add: input must be a tensor, got a str$"):
        adding(None)("a", None)


def test_an_error_of_a_check_has_the_type_of_the_check() -> None:
    class CheckedFunction(LieFunction):
        @staticmethod
        def forward(x: Tensor) -> Tensor:
            raise RuntimeError("obscure")

        @staticmethod
        def check(x: Tensor) -> None:
            if x.dim() != 2:
                raise ValueError(f"input must be a matrix, got {tuple(x.shape)}")

    with pytest.raises(ValueError, match=r"^checked: input must be a matrix, got \(3,\)$"):
        call(CheckedFunction, torch.ones(3))
    with pytest.raises(RuntimeError, match=r"^checked: obscure \(given input \(1, 1\) float32\)$"):
        call(CheckedFunction, torch.ones(1, 1))


def test_an_error_is_explained_once() -> None:
    class InnerFunction(LieFunction):
        @staticmethod
        def forward(x: Tensor) -> Tensor:
            raise FormulaError("refused by name")

    class OuterFunction(LieFunction):
        @staticmethod
        def forward(x: Tensor) -> Tensor:
            raise RuntimeError("outer: said already")

    with pytest.raises(FormulaError, match=r"^refused by name$"):
        call(InnerFunction, torch.ones(1))
    with pytest.raises(RuntimeError, match=r"^outer: said already$"):
        call(OuterFunction, torch.ones(1))


def test_an_unknown_reduction_is_named() -> None:
    class MeanLossFunction(LieFunction):
        @staticmethod
        def forward(x: Tensor, reduction: str) -> Tensor:  # type: ignore[override]
            raise ValueError("obscure")

    with pytest.raises(ValueError, match=r"^mean_loss: reduction must be 'none', 'mean' or 'sum', got 'average'$"):
        call(MeanLossFunction, torch.ones(1), "average")


@pytest.mark.parametrize(
    ("name", "title"),
    [
        ("MSELossFunction", "mse_loss"),
        ("L1LossFunction", "l1_loss"),
        ("KLDivFunction", "kl_div"),
        ("LogSoftmaxFunction", "log_softmax"),
        ("BinaryCrossEntropyWithLogitsFunction", "binary_cross_entropy_with_logits"),
        ("ReLUFunction", "re_lu"),
    ],
)
def test_titles(name: str, title: str) -> None:
    formula_class: Any = type(name, (Formula,), {})
    assert formula_class.title() == title


# -------------------------------------------------------------------------------------------------------- helpers


@st.composite
def broadcastable_shapes(draw: st.DrawFn) -> tuple[tuple[int, ...], tuple[int, ...]]:
    """A shape, and one that it can be expanded to."""
    big = draw(st.lists(st.integers(0, 4), max_size=4))
    small = [draw(st.sampled_from((1, n))) for n in big]
    return tuple(small[draw(st.integers(0, len(small))) :]), tuple(big)


@given(broadcastable_shapes())
def test_unbroadcast_is_the_gradient_of_expand(shapes: tuple[tuple[int, ...], tuple[int, ...]]) -> None:
    small, big = shapes
    x = torch.zeros(small, dtype=torch.float64, requires_grad=True)
    dy = torch.randn(big, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    (expected,) = torch.autograd.grad(x.expand(big), x, dy)
    torch.testing.assert_close(unbroadcast(dy, x.shape), expected, rtol=1e-12, atol=1e-12)
    assert broadcast_shape(x, dy) == dy.shape


@pytest.mark.parametrize("shape", [(3, 4), (), (0, 2)])
@pytest.mark.parametrize("reduction", ["none", "mean", "sum"])
def test_spread_is_the_gradient_of_reduce(reduction: str, shape: tuple[int, ...]) -> None:
    loss = torch.rand(shape, dtype=torch.float64, requires_grad=True)
    reduced = reduce(loss, reduction)
    dy = torch.full_like(reduced, 3.0)
    (expected,) = torch.autograd.grad(reduced, loss, dy)
    assert torch.equal(spread(dy, loss.shape, reduction).expand(shape), expected)


def test_forward_derivative_of_a_power_of_a_negative_number() -> None:
    """An exponent that does not move adds nothing, although the slope in it is no number there."""
    x = torch.tensor([-2.0, -0.5, 3.0], dtype=torch.float64, requires_grad=True)
    exponent = torch.tensor([2.0, 3.0, 2.0], dtype=torch.float64)
    assert torch.autograd.gradcheck(lambda x: F.pow(x, exponent), x, check_forward_ad=True)


# ---------------------------------------------------------------------------------------------------------- the gate


@pytest.mark.parametrize("dtype", [torch.float64, torch.float32, torch.bfloat16, torch.float16])
def test_the_gate_passes_or_stops_any_number(dtype: torch.dtype) -> None:
    d = torch.tensor([1.5, -0.0, torch.inf, -torch.inf, torch.nan] * 4, dtype=dtype).view(4, 5)
    g = torch.tensor([0.0, -0.0, torch.finfo(dtype).tiny, torch.nan], dtype=dtype).view(4, 1).expand(4, 5)
    passed = gated(d, g)
    assert passed.dtype == dtype
    assert not passed[:2].any()
    torch.testing.assert_close(passed[2:], d[2:], equal_nan=True)


def test_the_gate_is_linear_in_every_mode() -> None:
    d, g = torch.randn(3, 4, dtype=torch.float64, requires_grad=True), torch.eye(3, 4, dtype=torch.float64)
    torch.autograd.gradcheck(lambda d: gated(d, g), d, check_forward_ad=True, check_batched_grad=True)
    torch.autograd.gradgradcheck(lambda d: gated(d, g), d)
    rows = torch.func.vmap(gated)(d.detach(), g)
    assert torch.equal(rows, d.detach() * g)
    assert torch.equal(torch.compile(gated, fullgraph=True, backend="aot_eager")(d.detach(), g), rows)


# --------------------------------------------------------------------------------------------------- complex numbers


@pytest.mark.parametrize("name", ["add", "sub", "mul", "div", "pow", "cat"])
def test_a_real_operand_of_a_complex_result_has_a_real_gradient(name: str) -> None:
    gradients = []
    for library in (F, torch):
        a = torch.tensor([1.5, 0.5], dtype=torch.float64, requires_grad=True)
        b = torch.tensor([1.0 + 2.0j, -0.5j], dtype=torch.complex128, requires_grad=True)
        y = library.cat([a, b]) if name == "cat" else getattr(library, name)(a, b)
        y.backward(torch.arange(y.numel()) * (1.0 - 1.0j) + 0.5j)
        gradients.append((a.grad, b.grad))
    for ours, torchs in zip(*gradients, strict=True):
        torch.testing.assert_close(ours, torchs)


def test_the_tape_knows_complex_numbers() -> None:
    x = torch.tensor([1.0 + 2.0j, 3.0 - 1.0j], requires_grad=True)
    w = torch.tensor([[0.5j, 1.0], [2.0, 1.0 + 1.0j]], requires_grad=True)
    with Tape() as tape:
        loss = F.abs(w.mH @ x).sum()
    tape.backward(loss)
    expected = torch.autograd.grad((w.mH @ x).abs().sum(), (x, w))
    torch.testing.assert_close((x.grad, w.grad), expected)


def test_a_formula_of_real_numbers_refuses_complex_ones_by_name() -> None:
    with pytest.raises(NotImplementedError, match=r"^softsign: the formula is for real numbers, not for complex ones"):
        F.softsign(torch.tensor([1.0j]))


@pytest.mark.parametrize("value", [None, [[1.0, 2.0]], "x"], ids=["None", "list", "str"])
def test_what_is_no_tensor_is_named(value: Any) -> None:
    x, t = torch.zeros(1, 2), torch.zeros(1, dtype=torch.int64)
    cases: dict[str, Callable[[], Any]] = {
        "linear: input must be a tensor": lambda: F.linear(value, torch.ones(3, 2)),
        "cross_entropy: input must be a tensor": lambda: F.cross_entropy(value, t),
        "nll_loss: target must be a tensor": lambda: F.nll_loss(x, value),
        "prelu: weight must be a tensor": lambda: F.prelu(x, value),
    }
    for message, case in cases.items():
        with pytest.raises(TypeError, match=f"{message}, got (None|a list|a str)$"):
            case()
    with pytest.raises(TypeError, match="getitem: index must be made of"):
        F.getitem(x, "first")
    with pytest.raises(RuntimeError, match="target holds -7, which is no class number and not -1"):
        F.multilabel_margin_loss(x, torch.tensor([[0, -7]]))
    assert torch.equal(F.round(torch.arange(3)), torch.arange(3))


def test_the_first_import_may_be_in_any_mode() -> None:
    code = """
import torch
from torch._subclasses.fake_tensor import FakeTensorMode
with FakeTensorMode(), torch.inference_mode(), torch.device("meta"):
    from manualgrad.formula import MINUS_ONE, ZERO
for number in (*ZERO.values(), *MINUS_ONE.values()):
    assert type(number) is torch.Tensor and not number.is_inference() and number.is_cpu, number
"""
    subprocess.run([sys.executable, "-c", code], check=True)
