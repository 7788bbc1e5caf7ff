"""Mistakes put into our own formulas: `check` catches every one that changes a gradient.

What is right is told without `check`: the mutant's gradients, first and second, beside those of the formula as it is.
"""

from __future__ import annotations

import ast
import functools
import importlib
import inspect
import marshal
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any
from unittest.mock import patch

import pytest
import torch
from torch import Tensor

from manualgrad.catalogue import BY_NAME, ROWS, Row
from manualgrad.checking import CheckError, check
from manualgrad.checking.target import tensors_in
from manualgrad.mutation.mutants import Mutant, mutants

# A mutant is run as a module of its own, and a backward that is made by a function has no text of its own.
MADE = ("min", "amin", "logaddexp", "atan2", "fmod", "remainder", "lerp", "addcmul", "addcdiv")
ALONE = [  # those whose file defines or imports the one formula
    row
    for row in ROWS
    if row.formula.__module__.startswith("manualgrad.formulas.")
    and vars(sys.modules[row.function.__module__]).get(row.formula.__name__) is row.formula
    and row.name not in MADE
]
FEW = ("sigmoid", "tanh", "softmax", "linear")


@dataclass
class Score:
    """How many mutants of a formula change a gradient, how many of these are caught, and which are not."""

    wrong: int = 0
    equivalent: int = 0
    escaped: tuple[str, ...] = ()


def _of_the_formula(row: Row) -> list[Mutant]:
    file = inspect.getsourcefile(row.formula)
    assert file is not None
    return mutants(_with_parts(Path(file).read_text(encoding="utf-8")), file, row.formula.__name__)


def _with_parts(source: str) -> str:
    """`source` with the text of the parts that it imports in the place of the imports, so that mutants are of both."""
    lines = source.splitlines(keepends=True)
    for node in reversed(ast.parse(source).body):
        if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("manualgrad.parts."):
            part = inspect.getsource(importlib.import_module(str(node.module)))
            lines[node.lineno - 1 : node.end_lineno] = [_with_parts(part)]
    return "".join(lines)


def _function(row: Row, mutant: Mutant) -> Callable[..., Any]:
    """The row's function out of a module of its own, in which the formula has the mistake."""
    module = ModuleType("mutated")
    exec(marshal.loads(mutant.code), vars(module))
    if row.function.__module__ != row.formula.__module__:  # its file imports the formula
        formula, module = module, ModuleType("of_mutated")
        source = inspect.getsource(sys.modules[row.function.__module__])
        with patch.dict(sys.modules, {row.formula.__module__: formula}):
            exec(source, vars(module))
    return getattr(module, row.function.__name__)


def _gradients(function: Callable[..., Any], args: list[Any], keywords: dict[str, Any]) -> list[Tensor | None] | None:
    """First and second derivatives for a random upstream gradient, and that gradient; None if anything raises."""
    generator = torch.Generator().manual_seed(5)
    leaves = []
    given = []
    for a in args:
        if isinstance(a, Tensor) and a.is_floating_point():
            a = a.detach().double().requires_grad_(a.requires_grad)
            leaves += [a] * a.requires_grad
        given.append(a)
    torch.manual_seed(0)
    try:
        outputs = [o for o in tensors_in(function(*given, **keywords)) if o.requires_grad]
        dys = [torch.randn(o.shape, generator=generator, dtype=o.dtype) for o in outputs]
        before = [d.clone() for d in dys]
        first = torch.autograd.grad(outputs, leaves, dys, create_graph=True, allow_unused=True)
        found: list[Tensor | None] = [*first, *(d - b for d, b in zip(dys, before, strict=True))]
        pairs = [(g, torch.randn(g.shape, generator=generator, dtype=g.dtype)) for g in first if g is not None]
        pairs = [(g, w) for g, w in pairs if g.requires_grad]
        if pairs:
            found += torch.autograd.grad([g for g, _ in pairs], leaves, [w for _, w in pairs], allow_unused=True)
        else:
            found += [None] * len(leaves)
    except Exception:
        return None
    return found


def _differ(a: list[Tensor | None] | None, b: list[Tensor | None]) -> bool:
    if a is None:
        return True
    for x, y in zip(a, b, strict=True):
        x, y = (torch.zeros(()) if t is None else t.detach().to_dense() for t in (x, y))
        if not torch.allclose(x.double(), y.double(), rtol=1e-6, atol=1e-9, equal_nan=True):
            return True
    return False


def _samples(row: Row) -> Iterator[tuple[list[Any], dict[str, Any], list[Tensor | None]]]:
    """The samples on which the formula as it is has derivatives that `check` finds right."""
    for sample in row.samples:
        args, keywords = sample.draw(seed=row.seed)
        if sum(a.numel() for a in args if isinstance(a, Tensor)) > 500:
            continue
        right = _gradients(row.function, args, keywords)
        if right is not None and check(functools.partial(row.function, **keywords), *args).passed:
            yield args, keywords, right


def _caught(function: Callable[..., Any], args: list[Any]) -> bool:
    try:
        return not check(function, *args).passed
    except CheckError:  # forward calls what was mutated, and raises
        return True


def measured(row: Row) -> Score:
    score = Score()
    samples = list(_samples(row))
    for mutant in _of_the_formula(row):
        function = _function(row, mutant)
        for args, keywords, right in samples:
            if _differ(_gradients(function, args, keywords), right):
                score.wrong += 1
                if not _caught(functools.partial(function, **keywords), args):
                    score.escaped += (f"{row.name}, line {mutant.line}, {mutant.kind}: {mutant.after}",)
                break
        else:
            score.equivalent += 1
    return score


def _all_caught(row: Row) -> Score:
    score = measured(row)
    assert not score.escaped, "\n".join(score.escaped)
    return score


@pytest.mark.parametrize("name", FEW)
def test_mistakes_in_simple_formulas_are_caught(name: str) -> None:
    score = _all_caught(BY_NAME[name])
    assert score.wrong >= 7


@pytest.mark.slow
@pytest.mark.parametrize("row", ALONE, ids=lambda row: row.name)
def test_mistakes_in_every_formula_are_caught(row: Row, record_property: Callable[[str, object], None]) -> None:
    score = _all_caught(row)
    record_property("wrong", score.wrong)
    record_property("equivalent", score.equivalent)
