"""The mistakes that are made of a backward, without running any."""

from __future__ import annotations

import marshal
import textwrap

import pytest

from manualgrad.arguments import Mistake
from manualgrad.mutation.mutants import Mutant, mutants

HEAD = """
import torch


def unbroadcast(g, shape):
    if g.dim() > len(shape):
        g = g.sum(0)
    return g


def shared(x):
    return 2 * x


class Mine(torch.autograd.Function):
    scale = 3

    @staticmethod
    def forward(ctx, x, w):
        return shared(x)

    @staticmethod
    def backward(ctx, dy):
"""


def made(*body: str) -> list[Mutant]:
    return mutants(HEAD + textwrap.indent("\n".join(body), " " * 8), "mine.py", "Mine")


@pytest.mark.parametrize(
    ("line", "kind", "after"),
    [
        ("return dy * 2", "wrong sign", ["return -(dy * 2)"]),
        ("return dy * 2", "wrong factor", ["return 2 * (dy * 2)"]),
        ("return dy * 2", "detached", ["return (dy * 2).detach()"]),
        ("return dy * 2, None", "gradient left out", ["return None, None"]),
        ("return dy, dw, None", "gradients swapped", ["return dw, dy, None"]),
        ("return dy * 2", "upstream ignored", ["dy = dy.new_ones(dy.shape); return dy * 2"]),
        ("return dy * x * w", "upstream overwritten", ["return dy.mul_(x * w)"]),
        ("return dy * x * w", "factor dropped", ["return dy * w", "return dy * x"]),
        ("return dy / n", "factor dropped", ["return dy"]),
        ("return dy / n", "factor inverted", ["return dy * n"]),
        ("return dy * x**3", "wrong exponent", ["return dy * x ** 2"]),
        ("return dy * x**2", "wrong exponent", ["return dy * x"]),
        ("return dy @ w", "operands swapped", ["return w @ dy"]),
        ("return dy.mm(w)", "operands swapped", ["return w.mm(dy)"]),
        ("return torch.mm(dy, w)", "operands swapped", ["return torch.mm(w, dy)"]),
        ("return dy @ w.T", "transpose dropped", ["return dy @ w"]),
        ("return dy @ w.transpose(0, 1)", "transpose dropped", ["return dy @ w"]),
        ("return dy - y * s", "term dropped", ["return -(y * s)", "return dy"]),
        ("return dy - y * s", "wrong sign", ["return -(dy - y * s)", "return dy + y * s"]),
        ("dx += dy", "term dropped", ["pass"]),
        ("dx += dy", "wrong sign", ["dx -= dy"]),
        ("return -dy", "wrong sign", ["return dy"]),
        (
            "return torch.addcmul(u, dy, y, value=-1)",
            "wrong sign",
            ["return -torch.addcmul(u, dy, y, value=-1)", "value=1)"],
        ),
        ("return dy.sum(0)", "sum dropped", ["return dy"]),
        ("return dy.sum(0)", "wrong axis", ["return dy.sum(-1)"]),
        ("return dy.sum(dim=(0, 2))", "wrong axis", ["return dy.sum(dim=(0,))"]),
        ("return dy.sum(-1, keepdim=True)", "dimension not kept", ["return dy.sum(-1, keepdim=False)"]),
        ("return dy.sum(0)", "wrong function", ["return dy.mean(0)"]),
        ("return torch.sum(dy, 0)", "wrong axis", ["return torch.sum(dy, -1)"]),
        ("return unbroadcast(dy, w.shape)", "sum dropped", ["return dy"]),
        ("return dy * x.exp()", "function left out", ["return dy * x"]),
        ("return dy * torch.cos(x)", "wrong function", ["return dy * torch.sin(x)"]),
        ("return torch.where(x > 0, dy, 0)", "branches swapped", ["return torch.where(x > 0, 0, dy)"]),
        ("return dy.where(x > 0, z)", "branches swapped", ["return z.where(x > 0, dy)"]),
        ("return dy * (x > 0)", "wrong comparison", ["return dy * (x < 0)", "return dy * (x >= 0)"]),
        ("if needed:\n    return dy", "condition negated", ["if not needed:"]),
        ("if dw is None:\n    return dy", "condition negated", ["if not dw is None:"]),
        ("x, w = ctx.saved_tensors", "saved tensors swapped", ["w, x = ctx.saved_tensors"]),
        ("a = ctx.needs_input_grad[1]", "wrong input", ["a = ctx.needs_input_grad[0]"]),
    ],
)
def test_each_kind_of_mistake(line: str, kind: str, after: list[str]) -> None:
    found = [m.after for m in made(line) if m.kind == kind and m.line > HEAD.count("\n")]  # not in the helper
    assert len(found) == len(after), found
    for got, wanted in zip(found, after, strict=True):
        assert got.endswith(wanted)


@pytest.mark.parametrize(
    ("line", "unwanted"),
    [
        ("return dy.sum(dim=-1)", "dim=1"),  # an axis has no sign
        ("return dy.reshape(-1, 3)", "reshape(1"),
        ("shape = (1,) + tuple(x.shape)", "shape = tuple(x.shape)"),  # a sum that is none
        ("assert dy.dim() == 2", "!="),
        ("raise ValueError(3 * x)", "ValueError(x)"),
        ("return None", "-None"),
        ("return tuple(2 for g in dy)", "-tuple"),
    ],
)
def test_what_makes_no_sense_is_not_made(line: str, unwanted: str) -> None:
    assert not [m for m in made(line) if m.line > HEAD.count("\n") and unwanted in m.after]


def test_a_name_that_is_returned_is_changed_where_it_is_assigned() -> None:
    signs = [m for m in made("dx = dy * 2 if needed else None", "return dx") if m.kind == "wrong sign"]
    assert [m.after for m in signs] == ["dx = -(dy * 2) if needed else None"]
    assert signs[0].line == HEAD.count("\n") + 1


def test_helpers_that_only_backward_calls_are_mutated_too() -> None:
    lines = {m.before for m in made("return unbroadcast(dy, ctx.shape) + shared(dy)")}
    assert "g = g.sum(0)" in lines
    assert "return 2 * x" not in lines  # forward calls it
    assert "g = g.sum(0)" not in {m.before for m in made("return dy.unbroadcast(w)")}  # a method of something else


def test_a_mutant_is_the_whole_file_with_its_line_numbers() -> None:
    (mutant,) = (m for m in made("x = 1", "return dy * 2") if m.kind == "wrong factor")
    scope: dict[str, object] = {"__name__": "mine"}
    code = marshal.loads(mutant.code)
    assert code.co_filename == "mine.py"
    exec(code, scope)
    function = scope["Mine"]
    assert function.scale == 3  # type: ignore[attr-defined]
    assert function.backward(None, 1) == 4  # type: ignore[attr-defined]
    assert function.backward.__code__.co_firstlineno == HEAD.count("\n") - 1  # type: ignore[attr-defined]


def test_every_mutant_is_another_program() -> None:
    body = [
        "x, w = ctx.saved_tensors",
        "dx = dy * w * (1 - x) if ctx.needs_input_grad[0] else None",
        "return dx, dy * x",
    ]
    found = made(*body)
    assert len({m.code for m in found}) == len(found) > 15
    original = compile(HEAD + textwrap.indent("\n".join(body), " " * 8), "mine.py", "exec")
    assert marshal.dumps(original) not in {m.code for m in found}


@pytest.mark.parametrize(
    ("name", "says"),
    [
        (
            "Min",
            "mine.py has no class Min of its own; name a torch.autograd.Function that it defines; did you mean Mine?",
        ),
        ("shared", "mine.py has no class shared of its own; name a torch.autograd.Function that it defines (Mine)"),
        ("Other", "Other has no backward in mine.py; its methods: forward; Mine has one"),
    ],
)
def test_a_name_without_a_backward(name: str, says: str) -> None:
    source = HEAD + "        return dy\n\n\nclass Other:\n    def forward(self):\n        pass\n"
    with pytest.raises(Mistake) as mistake:
        mutants(source, "mine.py", name)
    assert str(mistake.value) == says


def test_an_inherited_backward_is_found() -> None:
    source = HEAD + "        return dy * 2\n\n\nclass Child(Mine):\n    pass\n"
    assert [m.after for m in mutants(source, "mine.py", "Child")] == [
        m.after for m in mutants(source, "mine.py", "Mine")
    ]
