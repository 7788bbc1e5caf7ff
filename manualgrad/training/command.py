"""`manualgrad train`: run a recipe, or list them.

A recipe is a file with a docstring, a dataclass `Config` and a function `run(config, run)` that leaves its results in
the folder of `run` and returns its test metrics. The file is imported to read `Config`; what is slow to import is
imported inside the function.
"""

from __future__ import annotations

import argparse
import ast
import dataclasses
import importlib.util
import statistics
import sys
import typing
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from types import ModuleType
from typing import Any

from jsonargparse import Namespace
from jsonargparse.typing import PositiveInt

import manualgrad
from manualgrad.arguments import Mistake, Parser, nearest
from manualgrad.training.run import Run

FAILED = 1
OPTIONS = ("config", "out", "splits")  # of the command itself; the others are the recipe's


def main(argv: Sequence[str]) -> int:
    """Run `manualgrad train` with these arguments and return the exit status: 1 if the loss became infinite, else 0.

    Raises Mistake for what is wrong with the arguments, the configuration, the data or a checkpoint; no run folder is
    left then.
    """
    if not argv or argv[0] in ("-h", "--help"):
        print(overview())
        return 0
    name = argv[0]
    recipe = load_recipe(name)
    parser = parser_of(recipe)
    options = parser.parse_args(argv[1:])
    splits, out = options.get("splits"), options.get("out")
    for option in OPTIONS:
        options.pop(option, None)
    config = configure(recipe.Config, options)
    if splits is not None and not hasattr(getattr(config, "data", None), "split"):
        raise Mistake(f"--splits: {name} has no data.split")
    with new_run(Path(name).stem, out) as run:
        run.write("config.yaml", parser.dump(options))
        return _train(recipe, config, run, splits)


@contextmanager
def new_run(name: str, out: str | None) -> Iterator[Run]:
    """The new folder of a run, `out` or the next below `runs/<name>`. Raises Mistake if it cannot be had."""
    with ExitStack() as stack:
        try:
            run = stack.enter_context(Run(name, Path(out) if out else None))
        except OSError as error:
            reason = f"{error.filename}: {error.strerror}" if error.strerror else str(error)
            raise Mistake(f"the results cannot be kept: {reason}") from None
        yield run


def overview() -> str:
    """The help of `manualgrad train`: what it does, and every recipe with its first line."""
    known = recipes()
    width = max(map(len, known), default=0)
    lessons = [f"  {name:<{width}}  {_docstring(path).splitlines()[0]}" for name, path in known.items()]
    return "\n".join(
        (
            "usage: manualgrad train RECIPE [--config FILE.yaml] [--KEY VALUE ...] [--out FOLDER] [--splits N]",
            "",
            "Train with hand-written gradients, test, and leave checkpoint, metrics and plots in a run folder.",
            "",
            *lessons,
            "",
            "manualgrad train RECIPE --help tells the keys; RECIPE may be a file of your own, like those in recipes/.",
        )
    )


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


def _docstring(path: Path) -> str:
    return ast.get_docstring(ast.parse(path.read_text(encoding="utf-8"))) or path.stem


def parser_of(recipe: ModuleType) -> Parser:
    """The parser of a recipe's settings and of the command's own options."""
    name = recipe.__name__.removeprefix("recipe_")
    parser = Parser(f"train {name}", (recipe.__doc__ or name).split("\n\n")[0])
    parser.add_argument("--config", action="config", help="YAML file of settings, such as --print_config shows")
    parser.add_argument("--out", default=argparse.SUPPRESS, help="folder of this run; else the next in runs/" + name)
    parser.add_argument(
        "--splits", type=PositiveInt, default=argparse.SUPPRESS, help="run on data.split = 0, 1, ... and tell the mean"
    )
    parser.add_class_arguments(recipe.Config, None)
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
    try:
        return kind(**given)
    except ValueError as error:
        raise Mistake(str(error)) from None


def _train(recipe: ModuleType, config: Any, run: Run, splits: int | None) -> int:
    from lightning.fabric.utilities.exceptions import MisconfigurationException

    from manualgrad.training import CheckpointError, DataError, NonFiniteLoss

    try:
        if splits is None:
            _train_once(recipe, config, run)
        else:
            _train_on_splits(recipe, config, run, splits)
    except (CheckpointError, DataError, MisconfigurationException) as error:
        raise Mistake(str(error)) from None
    except NonFiniteLoss as error:
        print(f"manualgrad train {run.name}: {error}", file=sys.stderr)
        run.discard()
        return FAILED
    print(f"{run.folder}: {', '.join(sorted(path.name for path in run.folder.iterdir()))}")
    return 0


def _train_once(recipe: ModuleType, config: Any, run: Run) -> dict[str, float]:
    from lightning import seed_everything

    seed_everything(config.seed, verbose=False)
    return recipe.run(config, run)


def _train_on_splits(recipe: ModuleType, config: Any, run: Run, splits: int) -> None:
    """Each split in a folder of its own; the mean and the standard deviation of their test metrics in this run's."""
    results = []
    for split in range(splits):
        print(f"split {split}")
        config.data.split = split
        with run.inside(f"split-{split}") as part:
            results.append(_train_once(recipe, config, part))
    spread = {name: [result[name] for result in results] for name in results[0]}
    summary = {
        name: {
            "mean": statistics.fmean(values),
            "sd": statistics.stdev(values) if splits > 1 else 0.0,
            "splits": values,
        }
        for name, values in spread.items()
    }
    run.write("metrics.json", summary)
    for name, found in summary.items():
        print(f"{name}: mean {found['mean']:.4f}, sd {found['sd']:.4f} over {splits} splits")
