"""`manualgrad train`: run a recipe, or go on with a run, or run all of the recipes, or list them."""

from __future__ import annotations

import itertools
import os
import shutil
import sys
import tempfile
import time
import traceback
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager, redirect_stderr, redirect_stdout, suppress
from pathlib import Path

from manualgrad.arguments import Mistake
from manualgrad.training.files import PART
from manualgrad.training.overview import main_figure, overview
from manualgrad.training.recipe import recipes
from manualgrad.training.request import Request, request_of
from manualgrad.training.run import Run
from manualgrad.training.running import run_once, run_splits, run_sweep
from manualgrad.training.stopping import Interrupted, handled, interrupt

FAILED = 1


class Missing(Mistake):
    """Data that is the user's to bring is not there."""


def main(argv: Sequence[str]) -> int:
    """Run `manualgrad train` with these arguments and return the exit status.

    That is 0; 1 if the loss became infinite or a result could not be written; 130 or 143 after Ctrl-C or SIGTERM.
    Raises Mistake for what is wrong with the arguments, the configuration, the data or a checkpoint; no new run folder
    is left then.
    """
    if not argv or argv[0] in ("-h", "--help"):
        print(overview())
        return 0
    try:
        with _alone_with_the_results(argv) as argv, handled(interrupt):
            if argv[0] == "--all":
                return train_all(argv[1:])
            return 0 if train(argv[0], argv[1:]) else FAILED
    except Interrupted as interrupted:
        return 128 + interrupted.number  # as a shell reports a program that a signal has ended
    return 0


@contextmanager
def _alone_with_the_results(argv: Sequence[str]) -> Iterator[Sequence[str]]:
    """Of the processes of a run the first one tells and keeps what came out; the others do so where nobody looks.

    That a signal ended the run is no failure of theirs: Lightning kills the first one where another has failed.
    """
    numbers = [os.environ[name] for name in ("RANK", "SLURM_PROCID", "LOCAL_RANK") if name in os.environ]
    if not numbers or numbers[0] == "0":
        yield argv
        return
    with (
        tempfile.TemporaryDirectory() as scratch,
        open(os.devnull, "w") as nowhere,
        redirect_stdout(nowhere),
        redirect_stderr(nowhere),
        suppress(Interrupted),
    ):
        yield _elsewhere(argv, Path(scratch, "run"))


def _elsewhere(argv: Sequence[str], folder: Path) -> list[str]:
    """The arguments for a process whose results go into this folder, or that goes on there from a copy of the run."""
    options: dict[str, str] = {}
    words: list[str] = []
    for before, word in itertools.pairwise(("", *argv)):
        option, equals, value = word.partition("=")
        if before in ("--out", "--resume"):
            options[before] = word
        elif option in ("--out", "--resume"):
            options[option] = value if equals else ""
        else:
            words.append(word)
    begun = Path(options.get("--resume", ""))
    if "--resume" not in options:
        return [*words, "--out", str(folder)]
    if begun.is_dir():
        shutil.copytree(begun, folder, ignore=shutil.ignore_patterns(PART.format("*"), "csv", "tensorboard"))
        begun = folder
    return [*words, "--resume", str(begun)]


def train(name: str, argv: Sequence[str]) -> Path | None:
    """Run the recipe of this name with these options; the folder of its results, or None if the run failed.

    Raises Mistake as `main` does, and Interrupted on Ctrl-C and SIGTERM. Why a run failed or ended, and how to go on,
    is told on stderr.
    """
    request = request_of(name, argv)
    try:
        with entered(request.run) as run:
            went_well = _carry_out(request)
    except Interrupted as interrupted:
        print(f"manualgrad train {name}: ended by {interrupted}; {_how_to_go_on(name, request.run)}", file=sys.stderr)
        raise
    except OSError as error:
        reason = f"{error.filename}: {error.strerror}" if error.filename else str(error)
        print(f"manualgrad train {name}: {reason}; {_how_to_go_on(name, request.run)}", file=sys.stderr)
        return None
    if not went_well:
        return None
    print(f"{run.folder}: {', '.join(sorted(path.name for path in run.folder.iterdir()))}")
    return run.folder


def _carry_out(request: Request) -> bool:
    """Run it; whether it went well, or its loss became infinite."""
    run = request.run
    if not run.resumed:
        run.write("config.yaml", request.settings)
        run.write("run.json", request.record)

    from lightning.fabric.utilities.exceptions import MisconfigurationException

    from manualgrad.training import CheckpointError, DataError, DataMissing, NonFiniteLoss

    try:
        if request.points:
            run_sweep(request.recipe, request.points, run)
        elif request.splits:
            run_splits(request.recipe, request.config, run, request.splits)
        else:
            run_once(request.recipe, request.config, run)
    except DataMissing as missing:
        raise Missing(str(missing)) from None
    except (CheckpointError, DataError, MisconfigurationException) as error:
        raise Mistake(str(error)) from None
    except NonFiniteLoss as error:
        print(f"manualgrad train {run.name}: {error}", file=sys.stderr)
        if not run.explained():
            run.discard()
        return False
    return True


def _how_to_go_on(name: str, run: Run) -> str:
    if not run.folder.is_dir() or not run.resumable():
        return "nothing was saved yet"
    return f"go on with: manualgrad train {name} --resume {run.folder}"


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
def entered(run: Run) -> Iterator[Run]:
    """The run, its folder made. Raises Mistake if it cannot be had."""
    with ExitStack() as stack:
        try:
            stack.enter_context(run)
        except OSError as error:
            reason = f"{error.filename}: {error.strerror}" if error.strerror else str(error)
            raise Mistake(f"the results cannot be kept: {reason}") from None
        yield run
