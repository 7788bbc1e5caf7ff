"""The house: floors, shelves, docstrings, signatures and the wheel are what they are said to be."""

from __future__ import annotations

import ast
import importlib
import inspect
import pkgutil
import re
import subprocess
import sys
import zipfile
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
import torch
from torch.nn import functional as torch_functional

import manualgrad
from manualgrad import formulas as formula_files
from manualgrad import functional, nn
from manualgrad.catalogue import BY_NAME, ROWS, Row
from manualgrad.cli.listing import names_on_the_shelf, page
from manualgrad.explaining.formula_text import DIRECTIONS, formula_lines
from manualgrad.formula import Formula

ROOT = Path(manualgrad.__file__).parent.parent

# No import goes up. The longest name that fits a file decides.
FLOORS = {
    "manualgrad": 0,  # lazy: it imports nothing of what it offers
    "manualgrad.arguments": 0,
    "manualgrad.formula": 0,
    "manualgrad.parts": 0,
    "manualgrad.public": 0,
    "manualgrad.compositions": 1,
    "manualgrad.interfaces": 1,
    "manualgrad.formulas": 1,
    "manualgrad.composed": 2,
    "manualgrad.functional": 2,
    "manualgrad.nn": 2,
    "manualgrad.redirection": 2,
    "manualgrad.spellings": 2,
    "manualgrad.tape": 2,
    "manualgrad.playback": 3,
    "manualgrad.recording": 3,
    "manualgrad.catalogue": 3,
    "manualgrad.checking": 3,
    "manualgrad.conversion": 3,
    "manualgrad.coverage": 3,
    "manualgrad.explaining": 3,
    "manualgrad.proof": 3,
    "manualgrad.benchmarks": 4,
    "manualgrad.learning": 4,
    "manualgrad.mutation": 4,
    "manualgrad.training": 4,
    "manualgrad.__main__": 5,
    "manualgrad.benchmarks.__main__": 5,
    "manualgrad.cli": 5,
    "manualgrad.pytest_plugin": 5,
    "recipes": 5,
    "tests": 5,
}

# Packages that may import nothing of ours but these.
ALONE = {
    "manualgrad.formulas": ("manualgrad.formula", "manualgrad.parts", "manualgrad.public"),
    "manualgrad.parts": ("manualgrad.formula",),
    "manualgrad.checking": ("manualgrad.arguments",),
}

FILES = sorted(path for folder in ("manualgrad", "recipes", "tests") for path in (ROOT / folder).rglob("*.py"))


def module_name(path: Path) -> str:
    parts = path.relative_to(ROOT).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def package_of(name: str) -> str:
    """The entry of FLOORS that a module belongs to."""
    fitting = [package for package in FLOORS if name == package or name.startswith(f"{package}.")]
    found = max(fitting, key=len)
    assert found != "manualgrad" or name.count(".") < 1 or name.split(".")[1].startswith("_"), f"give {name} a floor"
    return found


def imports(path: Path) -> set[str]:
    """The modules that a file imports, at the top or anywhere else."""
    found = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            base = node.module or ""
            if node.level:
                here = module_name(path).split(".")
                here = here[: len(here) - node.level + (path.name == "__init__.py")]
                base = ".".join([*here, base] if base else here)
            found |= {_imported(base, alias.name) for alias in node.names}
    return found


def _imported(base: str, name: str) -> str:
    """The module that `from base import name` reaches for."""
    if base == "manualgrad" and not name.startswith("_"):
        thing = getattr(manualgrad, name, None) or importlib.import_module(f"manualgrad.{name}")
        return thing.__name__ if isinstance(thing, ModuleType) else str(thing.__module__)
    return f"{base}.{name}"


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(ROOT)))
def test_no_import_goes_up(path: Path) -> None:
    package = package_of(module_name(path))
    for name in imports(path):
        if name.split(".")[0] in ("manualgrad", "recipes", "tests"):
            other = package_of(name)
            assert FLOORS[other] <= FLOORS[package], f"{path.name} imports {name}, which is upstairs"
            if package in ALONE:
                allowed = (package, *ALONE[package])
                assert any(f"{name}.".startswith(f"{a}.") for a in allowed), f"{path.name} may not import {name}"
        if package == "manualgrad.formulas":
            assert name.split(".")[-1] != "formulas", f"{path.name} imports a formula of another file"
        if name.split(".")[0] in ("lightning", "pytorch_lightning"):
            assert package in ("manualgrad.training", "recipes", "tests"), f"{path.name} imports {name}"


def test_the_floors_are_written_down() -> None:
    text = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")
    rows = re.findall(r"^\| (\d) \| (.*) \|$", text, re.MULTILINE)
    written = {
        path.replace("/", "."): int(floor) for floor, row in rows for path in re.findall(r"`([\w/]+)(?:/|\.py)`", row)
    }
    assert written.items() <= FLOORS.items()
    there = {package_of(module_name(path)) for path in FILES} - {"manualgrad"}
    assert {name for name in there if "__main__" not in name} <= set(written)


def test_formulas_do_not_import_one_another() -> None:
    for path in (ROOT / "manualgrad" / "formulas").glob("*.py"):
        assert not [name for name in imports(path) if name.startswith("manualgrad.formulas")], path.name


def test_importing_the_package_does_not_import_torch() -> None:
    code = "import sys, manualgrad, manualgrad.cli; dir(manualgrad); assert 'torch' not in sys.modules"
    subprocess.run([sys.executable, "-c", code], check=True, cwd=ROOT)


def test_the_stub_says_what_the_package_has() -> None:
    stub = ast.parse((ROOT / "manualgrad" / "__init__.pyi").read_text(encoding="utf-8"))
    for node in stub.body:
        if isinstance(node, ast.ImportFrom):
            assert node.level == 1
            for alias in node.names:
                assert alias.name == alias.asname, f"write `{alias.name} as {alias.name}`: it is public"
                name = f"manualgrad.{node.module or alias.name}"
                thing = importlib.import_module(name)
                assert getattr(manualgrad, alias.name) is (getattr(thing, alias.name) if node.module else thing)
        else:
            assert isinstance(node, ast.AnnAssign)
            assert hasattr(manualgrad, ast.unparse(node.target))
    with pytest.raises(AttributeError):
        _ = manualgrad.convrt  # type: ignore[attr-defined]


# ----------------------------------------------------------------------------------------------- files, rows, shelves


def formula_classes() -> list[type[Formula]]:
    """Every formula that a file of `formulas/` defines; a base that they share there has no forward of its own."""
    modules = [
        importlib.import_module(f"{formula_files.__name__}.{m.name}")
        for m in pkgutil.iter_modules(formula_files.__path__)
    ]
    classes = [(module, thing) for module in modules for thing in vars(module).values() if isinstance(thing, type)]
    return [
        thing
        for module, thing in classes
        if issubclass(thing, Formula) and thing.__module__ == module.__name__ and thing.forward is not Formula.forward
    ]


def functions_on_the_shelf(*packages: str) -> dict[str, Callable[..., Any]]:
    """The functions of packages in `functional`, those that change their argument in place (`relu_`) left out."""
    functions = {name: f for name, f in vars(functional).items() if inspect.isfunction(f) and not name.endswith("_")}
    return {n: f for n, f in functions.items() if f.__module__.rpartition(".")[0] in packages}


# A file of formulas has at most so many lines, times the number of its formulas where a family shares it; no family has
# more than so many.
SCREENFUL, FAMILY = 120, 300
LONGER = {  # and why
    "attention": "its mathematics: blocks of queries, masks, heads that are shared, and dropout, in both directions",
}


def test_a_formula_is_short() -> None:
    count = Counter(formula.__module__.rpartition(".")[2] for formula in formula_classes())
    for path in (ROOT / "manualgrad" / "formulas").glob("[!_]*.py"):
        lines = len(path.read_text(encoding="utf-8").splitlines())
        is_short = lines <= min(SCREENFUL * count[path.stem], FAMILY)
        assert is_short or path.stem in LONGER, f"{path.name} has {lines} lines: split it, or say why in LONGER"
        assert not is_short or path.stem not in LONGER, f"{path.name} is short now: take it out of LONGER"


def test_every_part_is_part_of_something() -> None:
    used = {name for path in (ROOT / "manualgrad").rglob("*.py") for name in imports(path)}
    for path in (ROOT / "manualgrad" / "parts").glob("[!_]*.py"):
        assert any(name.startswith(f"{module_name(path)}.") for name in used), f"nothing imports {path.name}"


def test_an_interface_bears_the_name_of_its_formula() -> None:
    for path in (ROOT / "manualgrad" / "interfaces").glob("[!_]*.py"):
        module = importlib.import_module(f"manualgrad.interfaces.{path.stem}")
        used = {row.formula.__module__ for row in ROWS if row.function.__module__ == module.__name__}
        used |= {row.formula.__module__ for row in ROWS for d in row.modules if d.module.__module__ == module.__name__}
        assert used == {f"manualgrad.formulas.{path.stem}"}


@pytest.mark.parametrize("formula", formula_classes(), ids=lambda formula: formula.__name__)
def test_every_formula_has_a_row(formula: type[Formula]) -> None:
    assert formula in {row.formula for row in ROWS}, "give it a row in manualgrad/catalogue"
    for rule in ("setup_context", "backward", "jvp"):
        assert getattr(formula, rule) is not getattr(torch.autograd.Function, rule), f"{rule} is not written"


def test_every_function_on_the_shelf_has_a_row_and_every_row_is_on_the_shelf() -> None:
    single = functions_on_the_shelf("manualgrad.formulas", "manualgrad.interfaces")
    composed = functions_on_the_shelf("manualgrad.compositions")  # a row if it does not make use of other rows
    assert set(single) <= set(BY_NAME) <= set(single | composed)
    assert len(BY_NAME) == len(ROWS), "two rows have one name"
    assert sorted(names_on_the_shelf()) == sorted(single | composed)
    for row in ROWS:
        assert (single | composed)[row.name] is row.function


def test_every_module_on_the_shelf_is_dropped_in_by_a_row() -> None:
    ours = {n: m for n, m in vars(nn).items() if isinstance(m, type) and m.__module__.startswith("manualgrad.")}
    tried = {drop.module for row in ROWS for drop in row.modules}
    for name, module in ours.items():
        assert name == module.__name__
        twin = getattr(torch.nn, name, None)
        if twin is not None:
            assert issubclass(module, twin)
            assert "__init__" not in vars(module), f"{name} overrides more than forward"
        lazy = issubclass(module, torch.nn.modules.lazy.LazyModuleMixin)  # becomes one of the others when first called
        composed = module.__module__ == "manualgrad.composed"
        assert module in tried or lazy or composed or twin is None, f"no row drops {name} in"
    assert tried <= set(ours.values())


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.name)
def test_every_row_says_its_formula(row: Row) -> None:
    lines = formula_lines(row.told_by)
    for name in DIRECTIONS:
        assert lines[name], f"the docstring of {row.told_by.__name__} has no {name}"
    assert re.search(r"\bShapes?: ", page(row)), "shapes"
    assert re.search(r"\bSaves? ", page(row)), "what is saved for the backward pass"
    assert re.search(r"^Source: ", page(row), re.MULTILINE), "where the formula is from"
    assert row.function.__doc__, "the function's docstring"
    assert ">>>" in row.function.__doc__, "an example"


# --------------------------------------------------------------------------------------------------------- signatures


def torchs(row: Row) -> Callable[..., Any] | None:
    """The function of torch that the row's has the name of; None if it is a method, overloaded, or torch has none."""
    named = (
        row.twin if (row.twin.__module__ or "torch").startswith("torch") else getattr(torch_functional, row.name, None)
    )
    packet = getattr(torch.ops.aten, row.name, None)
    overloaded = not getattr(named, "__doc__", None) and packet is not None and len(packet.overloads()) > 1
    return None if overloaded else named


def parameters(function: Callable[..., Any]) -> list[tuple[str, Any]]:
    """Names and defaults; of a builtin of torch as its documentation or its schema gives them, less `out`."""
    try:
        found = inspect.signature(function)
    except ValueError:
        pattern = rf"{function.__name__}(\(.*?\))(?=\s*(->|\n|$))"
        documented = re.search(pattern, function.__doc__ or "", re.DOTALL)
        if documented is None:
            schema = getattr(torch.ops.aten, function.__name__).default._schema
            defaults = [a.default_value if a.has_default_value() else inspect.Parameter.empty for a in schema.arguments]
            names = {"self": "input"}  # as the function calls what the operator calls self
            return [(names.get(a.name, a.name), d) for a, d in zip(schema.arguments, defaults, strict=True)]
        scope: dict[str, Any] = {}
        exec(f"from __future__ import annotations\nimport torch\ndef documented{documented[1]}: ...", scope)
        found = inspect.signature(scope["documented"])
    return [(p.name, p.default) for p in found.parameters.values() if p.name != "out"]


@pytest.mark.parametrize("row", [row for row in ROWS if torchs(row) is not None], ids=lambda row: row.name)
def test_signatures_are_torchs(row: Row) -> None:
    function = torchs(row)
    assert function is not None
    assert parameters(row.function) == parameters(function)


# -------------------------------------------------------------------------------------------------------------- wheel


def test_the_wheel_holds_the_package_and_the_recipes(tmp_path: Path) -> None:
    build = [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(tmp_path)]
    subprocess.run(build, check=True, cwd=ROOT, capture_output=True)
    (wheel,) = tmp_path.glob("manualgrad-*.whl")
    with zipfile.ZipFile(wheel) as archive:
        names = set(archive.namelist())
        archive.extractall(tmp_path / "installed")
    wanted = {str(path.relative_to(ROOT)) for path in FILES if path.is_relative_to(ROOT / "manualgrad")}
    wanted |= {f"manualgrad/{path.relative_to(ROOT)}" for path in FILES if path.is_relative_to(ROOT / "recipes")}
    assert wanted | {"manualgrad/py.typed", "manualgrad/__init__.pyi"} <= names
    assert not [name for name in names if name.startswith("tests")]
    shown = subprocess.run(
        [
            sys.executable,
            "-P",
            "-c",
            "import manualgrad.cli as c; print(c.__file__); raise SystemExit(c.main(['list']))",
        ],
        check=True,
        capture_output=True,
        text=True,
        cwd=tmp_path,
        env={"PYTHONPATH": str(tmp_path / "installed"), "PATH": ""},
    ).stdout
    assert str(tmp_path / "installed") in shown
    assert "sigmoid" in shown


def test_every_row_can_be_timed() -> None:
    assert [row.name for row in ROWS if row.realistic is None] == []
