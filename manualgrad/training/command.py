"""`manualgrad train`: run a recipe, or all of them, or list them."""

from __future__ import annotations

import statistics
import sys
import time
import traceback
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from types import ModuleType
from typing import Any

from manualgrad.arguments import Mistake
from manualgrad.training.overview import main_figure, overview
from manualgrad.training.recipe import OPTIONS, configure, load_recipe, parser_of, recipes
from manualgrad.training.run import Run

FAILED = 1


class Missing(Mistake):
    """Data that is the user's to bring is not there."""


def main(argv: Sequence[str]) -> int:
    """Run `manualgrad train` with these arguments and return the exit status: 1 if the loss became infinite, else 0.

    Raises Mistake for what is wrong with the arguments, the configuration, the data or a checkpoint; no run folder is
    left then.
    """
    if not argv or argv[0] in ("-h", "--help"):
        print(overview())
        return 0
    if argv[0] == "--all":
        return train_all(argv[1:])
    return 0 if train(argv[0], argv[1:]) else FAILED


def train(name: str, argv: Sequence[str]) -> Path | None:
    """Run the recipe of this name with these options; the folder of its results, None if the loss became infinite.

    Raises Mistake as `main` does.
    """
    recipe = load_recipe(name)
    fast = "--fast" in argv
    parser = parser_of(recipe, fast)
    options = parser.parse_args(argv)
    splits, out = options.get("splits"), options.get("out")
    for option in OPTIONS:
        options.pop(option, None)
    config = configure(recipe.Config, options)
    if splits is not None and not hasattr(getattr(config, "data", None), "split"):
        raise Mistake(f"--splits: {name} has no data.split")
    with new_run(Path(name).stem, out) as run:
        run.write("config.yaml", parser.dump(options))
        run.write("run.json", {"recipe": run.name, "fast": fast})
        return _train(recipe, config, run, splits)


def train_all(options: Sequence[str]) -> int:
    """Run every recipe, one after the other, and tell what came of each; a recipe that fails does not end it, and one
    whose data is the user's to bring is left out if it is not there.

    Returns 1 if one failed, else 0. Raises Mistake for an option other than `--fast`.
    """
    for option in options:
        if option != "--fast":
            raise Mistake(f"--all takes --fast and nothing else, got {option}")
    table = []
    failed = False
    for name in recipes():
        print(f"{name}:", flush=True)
        began = time.perf_counter()
        try:
            folder = train(name, options)
            came = f"{main_figure(folder) or 'done'} ({folder})" if folder else "failed: the loss became infinite"
        except Missing as missing:
            came = f"left out: {missing}"
        except Mistake as mistake:
            print(f"manualgrad train {name}: {mistake}", file=sys.stderr)
            came = f"failed: {mistake}"
        except Exception as error:  # a recipe with a bug must not keep the others from running
            traceback.print_exc()
            came = f"failed: {type(error).__name__}: {error}"
        failed |= came.startswith("failed: ")
        table.append((name, time.perf_counter() - began, came))
        print(flush=True)
    width = max(len(name) for name, _, _ in table)
    for name, seconds, came in table:
        print(f"{name:<{width}}  {seconds:6.1f} s  {came}")
    return FAILED if failed else 0


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


def _train(recipe: ModuleType, config: Any, run: Run, splits: int | None) -> Path | None:
    from lightning.fabric.utilities.exceptions import MisconfigurationException

    from manualgrad.training import CheckpointError, DataError, DataMissing, NonFiniteLoss

    try:
        if splits is None:
            _train_once(recipe, config, run)
        else:
            _train_on_splits(recipe, config, run, splits)
    except DataMissing as missing:
        raise Missing(str(missing)) from None
    except (CheckpointError, DataError, MisconfigurationException) as error:
        raise Mistake(str(error)) from None
    except NonFiniteLoss as error:
        print(f"manualgrad train {run.name}: {error}", file=sys.stderr)
        run.discard()
        return None
    print(f"{run.folder}: {', '.join(sorted(path.name for path in run.folder.iterdir()))}")
    return run.folder


def _train_once(recipe: ModuleType, config: Any, run: Run) -> dict[str, float]:
    from lightning import seed_everything

    seed_everything(getattr(config, "seed", 0), verbose=False)
    metrics = recipe.run(config, run)
    if metrics and not (run.folder / "metrics.json").exists():
        run.write("metrics.json", metrics)
    return metrics


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
