"""Recipes: found, imported, and their settings read from options and configuration files.

A recipe is a file with a docstring, a dataclass `Config` and a function `run(config, run)` that leaves its results in
the folder of `run` and returns its test metrics. It may have a dict `FAST` of settings, `{"trainer.max_epochs": 2}`,
that `--fast` puts in place of the defaults, so that it runs through in seconds. The file is imported to read all that;
what is slow to import is imported inside the function.
"""

from __future__ import annotations

import argparse
import ast
import dataclasses
import importlib.util
import sys
import typing
from pathlib import Path
from types import ModuleType
from typing import Any

from jsonargparse import Namespace
from jsonargparse.typing import PositiveInt

import manualgrad
from manualgrad.arguments import Mistake, Parser, nearest

OPTIONS = ("config", "out", "splits", "sweep", "resume", "fast")  # of the command itself; the others are the recipe's


def recipes() -> dict[str, Path]:
    """Name and file of every recipe: inside the package where it is installed, beside it in a checkout."""
    package = Path(manualgrad.__file__).parent
    folder = next((f for f in (package / "recipes", package.parent / "recipes") if f.is_dir()), None)
    return {path.stem: path for path in sorted(folder.glob("[!_]*.py"))} if folder else {}


def load_recipe(name: str) -> ModuleType:
    """The recipe of this name, or in this file, imported."""
    known = recipes()
    path = Path(name) if name.endswith(".py") else known.get(name)
    if name.startswith("-"):
        raise Mistake(f"the recipe comes first, then {name} ({', '.join(known)})")
    if path is None:
        raise Mistake(f"there is no recipe {name}{nearest(name, known)} ({', '.join(known)})")
    if not path.is_file():
        raise Mistake(f"there is no file {path}")
    spec = importlib.util.spec_from_file_location(f"recipe_{path.stem}".replace(".", "_"), path)
    if spec is None or spec.loader is None:  # cannot be for a file that ends in .py
        raise ImportError(path)
    recipe = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = recipe  # where dataclasses and jsonargparse look its types up
    spec.loader.exec_module(recipe)
    for part in ("Config", "run"):
        if not hasattr(recipe, part):
            raise Mistake(f"{path} is no recipe: it has no {part}")
    return recipe


def first_line(path: Path) -> str:
    """The first line of the docstring of the file, which is not imported."""
    return (ast.get_docstring(ast.parse(path.read_text(encoding="utf-8"))) or path.stem).splitlines()[0]


def parser_of(recipe: ModuleType, fast: bool = False) -> Parser:
    """The parser of a recipe's settings and of the command's own options; their defaults are those of `FAST`, if fast.

    Raises Mistake if the recipe has no `FAST`, or one with a setting that is not there.
    """
    name = recipe.__name__.removeprefix("recipe_")
    parser = Parser(f"train {name}", (recipe.__doc__ or name).split("\n\n")[0])
    parser.add_argument("--config", action="config", help="YAML file of settings, such as --print_config shows")
    parser.add_argument("--out", default=argparse.SUPPRESS, help="folder of this run; else the next in runs/" + name)
    parser.add_argument(
        "--splits", type=PositiveInt, default=argparse.SUPPRESS, help="run on data.split = 0, 1, ... and tell the mean"
    )
    parser.add_argument(
        "--sweep",
        action="append",
        default=argparse.SUPPRESS,
        metavar="KEY=A,B,...",
        help="run with each of the values of a setting; with several --sweep, with each combination",
    )
    parser.add_argument("--resume", default=argparse.SUPPRESS, metavar="RUN", help="go on with the run in this folder")
    parser.add_argument(
        "--fast", action="store_true", default=argparse.SUPPRESS, help="run through in seconds, to see that it runs"
    )
    parser.add_class_arguments(recipe.Config, None)
    if fast:
        if not hasattr(recipe, "FAST"):
            raise Mistake(f"--fast: {name} has no FAST")
        try:
            parser.set_defaults(recipe.FAST)
        except KeyError as error:  # "No action for key ..."
            raise Mistake(f"--fast: FAST of {name}: {error.args[0]}") from None
    return parser


def configure(kind: type[Any], values: Any, name: str = "") -> Any:
    """The dataclass `kind` with these values, which the parser has found to be of the right types."""
    if not isinstance(values, Namespace):
        fields = ", ".join(f"{name}.{field.name}" for field in dataclasses.fields(kind))
        raise Mistake(f"{name} holds settings ({fields}), got {values}")
    types = typing.get_type_hints(kind)
    given = dict(vars(values))
    for key, value in given.items():
        if dataclasses.is_dataclass(types[key]):
            given[key] = configure(typing.cast(type, types[key]), value, f"{name}.{key}".lstrip("."))
        elif value == []:
            raise Mistake(f"{f'{name}.{key}'.lstrip('.')} needs at least one value, got []")
        elif isinstance(value, int | float) and not isinstance(value, bool):
            given[key] = int(value) if isinstance(value, int) else float(value)  # jsonargparse has types of its own
    try:
        return kind(**given)
    except ValueError as error:
        raise Mistake(str(error)) from None
