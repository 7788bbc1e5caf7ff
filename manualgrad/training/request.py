"""What the arguments of `manualgrad train RECIPE` ask for: read and checked before anything is made or imported."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any

from jsonargparse import Namespace

from manualgrad.arguments import Mistake, Parser
from manualgrad.training.recipe import OPTIONS, configure, load_recipe, parser_of
from manualgrad.training.run import Run, read_record
from manualgrad.training.running import Point


@dataclass(frozen=True)
class Request:
    """A run to be made, or gone on with. `settings` is `config` as YAML; `record` what `run.json` says of the run."""

    recipe: ModuleType
    run: Run
    config: Any
    settings: str
    record: dict[str, Any]
    points: list[Point]  # of the sweep; empty if there is none

    @property
    def splits(self) -> int:
        """On how many splits to run; 0 for the one that is configured."""
        return self.record.get("splits", 0)


def request_of(name: str, argv: Sequence[str]) -> Request:
    """Raises Mistake for what is wrong with the recipe, the options or the run to be resumed."""
    recipe = load_recipe(name)
    stem = Path(name).stem
    parser = parser_of(recipe, "--fast" in argv)
    options, own = _parse(parser, argv)
    if "resume" in own:
        run = _run_to_resume(stem, own)
        record = read_record(run.folder)
        options = _settings_of(run, parser, argv)
    else:
        run = Run(stem, Path(own["out"]) if "out" in own else None)
        record = {"recipe": stem, "fast": "fast" in own, **{k: own[k] for k in ("splits", "sweep") if k in own}}
    config = configure(recipe.Config, options)
    settings = parser.dump(options)
    if "splits" in record and not hasattr(getattr(config, "data", None), "split"):
        raise Mistake(f"--splits: {name} has no data.split")
    if "splits" in record and "sweep" in record:
        raise Mistake("--splits and --sweep go one at a time")
    points = _points(recipe, parser, options, record.get("sweep", []))
    return Request(recipe, run, config, settings, record, points)


def _parse(parser: Parser, argv: Sequence[str]) -> tuple[Namespace, dict[str, Any]]:
    """The recipe's settings, and those of the command's own options that were given."""
    options = parser.parse_args(argv)
    own = {option: options.pop(option) for option in OPTIONS if option in options}
    return options, own


def _run_to_resume(name: str, own: dict[str, Any]) -> Run:
    for option in ("out", "splits", "sweep"):
        if option in own:
            raise Mistake(f"--resume goes on with a run as it was begun; it takes no --{option}")
    run = Run(name, Path(own["resume"]), resumed=True)
    if not run.folder.is_dir():
        raise Mistake(f"--resume: there is no folder {run.folder}")
    record = read_record(run.folder)
    if "recipe" not in record:
        raise Mistake(f"--resume: {run.folder} is no run's folder; no run.json in it says of which recipe")
    if record["recipe"] != name:
        raise Mistake(f"--resume: {run.folder} is a run of {record['recipe']}, not of {name}")
    if "result" in record:
        raise Mistake(f"--resume: {run.folder} is finished")
    if not run.resumable():
        raise Mistake(f"--resume: {run.folder} has nothing to go on from")
    return run


def _settings_of(run: Run, parser: Parser, argv: Sequence[str]) -> Namespace:
    """The settings with which the run was begun. Raises Mistake if the command line has others."""
    begun = ["--config", str(run.folder / "config.yaml")]
    options, _ = _parse(parser, begun)
    given, _ = _parse(parser, [*begun, *argv])
    for key, value in options.items():
        if given[key] != value:
            raise Mistake(f"--resume: {key} is {value} in {run.folder} and cannot be changed to {given[key]}")
    return options


def _points(recipe: ModuleType, parser: Parser, settings: Namespace, sweep: Sequence[str]) -> list[Point]:
    """The product of the values of each setting, `["optimizer.lr=.01,.1"]`, put over the settings."""
    axes = []
    for axis in sweep:
        key, equals, values = axis.partition("=")
        if not equals or not key or not all(values.split(",")):
            raise Mistake(f"--sweep takes KEY=A,B,..., got {axis}")
        axes.append([(key, value) for value in values.split(",")])
    keys = [axis[0][0] for axis in axes]
    if twice := {key for key in keys if keys.count(key) > 1 or key in OPTIONS}:
        raise Mistake(f"--sweep: {twice.pop()} is no setting of the recipe, or is swept twice")
    points: list[Point] = []
    for chosen in itertools.product(*axes) if axes else ():
        options = parser.parse_args([f"--{key}={value}" for key, value in chosen], settings.clone())
        options.pop("config")
        points.append((dict(chosen), configure(recipe.Config, options)))
    return points
