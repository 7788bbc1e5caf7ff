"""`manualgrad demo`: every formula proved against torch, then a network trained with them beside its torch.nn twin."""

from __future__ import annotations

import itertools
import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager, nullcontext
from pathlib import Path
from typing import IO, TYPE_CHECKING

from manualgrad.arguments import Parser
from manualgrad.training.command import entered
from manualgrad.training.recipe import load_recipe
from manualgrad.training.run import Run
from manualgrad.training.stopping import Interrupted

if TYPE_CHECKING:
    from rich.console import Console
    from rich.table import Table

    from manualgrad.catalogue import Row

TOLERANCE = 1e-5  # float32, 100 steps
STYLES = {"waiting": "dim", "proved": "green", "wrong": "bold red"}


def main(argv: Sequence[str]) -> int:
    parser = Parser(
        "demo", "Prove every formula against torch, then train a network with them beside its torch.nn twin."
    )
    parser.add_argument("--out", type=str, default=None, help="folder for the results; else the next in runs/demo")
    options = parser.parse_args(argv)
    with entered(Run("demo", Path(options.out) if options.out else None)) as run:
        import torch
        from rich.console import Console

        torch.set_num_threads(1)  # everything here is small: a second thread would only wait for the first
        console = Console(highlight=False, soft_wrap=True)
        proved = prove(console)
        try:
            agreed = train(console, run)
        except Interrupted:
            run.discard()  # there is nothing to resume: the two runs are compared while they are trained
            raise
    return 0 if proved and agreed else 1


class Board:
    """The catalogue on the screen: the name of a formula lights up when it is proved."""

    def __init__(self, families: dict[str, tuple[Row, ...]]) -> None:
        self._families = families
        self.states = {row.name: "waiting" for rows in families.values() for row in rows}

    def __rich__(self) -> Table:
        from rich.table import Table
        from rich.text import Text

        table = Table.grid(padding=(0, 2))
        table.add_column(style="italic", min_width=12)
        for family, rows in self._families.items():
            table.add_row(family, Text("  ").join(Text(row.name, STYLES[self.states[row.name]]) for row in rows))
        return table


def prove(console: Console) -> bool:
    """Put every row of the catalogue to the quick checks of `manualgrad.proof`; whether all of them hold."""
    started = time.perf_counter()

    from rich.live import Live

    from manualgrad.catalogue import FAMILIES
    from manualgrad.proof import QUICK

    console.print("[bold]1. Every formula is proved against torch.[/] What is claimed of each:\n")
    for check in QUICK:
        console.print(f"  - {claim(check)}", markup=False)
    console.print()
    found = verdicts([row for rows in FAMILIES.values() for row in rows])
    wrong: list[str] = []
    boards = [Board(FAMILIES)] if console.is_terminal else [Board({name: rows}) for name, rows in FAMILIES.items()]
    for board in boards:
        with Live(board, console=console, refresh_per_second=12) if console.is_terminal else nullcontext():
            for name, broken in itertools.islice(found, len(board.states)):
                board.states[name] = "wrong" if broken else "proved"
                wrong.extend(broken)
        if not console.is_terminal:
            console.print(board)
    for line in wrong:
        console.print(line, style=STYLES["wrong"], markup=False)
    seconds = time.perf_counter() - started
    verdict = f"{len(wrong)} do not hold" if wrong else "all hold"
    count = sum(map(len, FAMILIES.values()))
    console.print(f"\n{count} formulas, {count * len(QUICK)} claims: {verdict}. ({seconds:.1f} s)")
    return not wrong


def verdicts(rows: Sequence[Row], processes: int = min(os.cpu_count() or 1, 4)) -> Iterator[tuple[str, list[str]]]:
    """The name of each row and what it does not keep, in order. This process proves its share, helpers the others."""
    share = -(-len(rows) // processes)
    names = [row.name for row in rows]
    others = [names[start : start + share] for start in range(share, len(rows), share)]
    with ExitStack() as stack:
        helpers = [stack.enter_context(_helper(part)) for part in others]
        for row in rows[:share]:
            yield row.name, broken_claims(row)
        for part, helper in zip(others, helpers, strict=True):
            for name in part:
                yield name, json.loads(helper.readline())


@contextmanager
def _helper(names: list[str]) -> Iterator[IO[str]]:
    """A process that proves the rows of these names and writes a line for each. It is gone when the block ends.

    In a session of its own: Ctrl-C is answered here, once.
    """
    code = f"from manualgrad.cli.demo import help_to_prove; help_to_prove({names})"
    with subprocess.Popen(
        [sys.executable, "-c", code], stdout=subprocess.PIPE, text=True, start_new_session=True
    ) as process:
        try:
            assert process.stdout is not None
            yield process.stdout
        finally:
            process.kill()


def help_to_prove(names: list[str]) -> None:
    """What a helper does."""
    import torch

    from manualgrad.catalogue import BY_NAME

    torch.set_num_threads(1)
    for name in names:
        print(json.dumps(broken_claims(BY_NAME[name])), flush=True)


def claim(check: Callable[[Row], None]) -> str:
    """What a check proves: the first sentence of its docstring."""
    return " ".join((check.__doc__ or "").split()).partition(". ")[0].rstrip(".")


def broken_claims(row: Row) -> list[str]:
    """What `row` does not keep of the quick claims, a line each."""
    from manualgrad.proof import QUICK

    lines = []
    for check in QUICK:
        try:
            check(row)
        except Exception as error:  # whatever goes wrong in a check, its claim does not hold
            lines.append(f"{row.name}, {check.__name__}: {' '.join(str(error).split())[:200]}")
    return lines


def train(console: Console, run: Run) -> bool:
    """Train the digits recipe with our gradients and with torch's from the same start; whether the two runs agree."""
    import torch

    from manualgrad.training import train_twins

    console.print("\n[bold]2. A network is trained with them, and its torch.nn twin beside it.[/]\n")
    started = time.perf_counter()
    recipe = load_recipe("digits")
    config = recipe.Config()
    torch.manual_seed(config.seed)
    learner, data = recipe.build(config)
    twins = train_twins(learner, data, config.trainer, run)
    difference = twins.difference[-1]
    agreed = difference <= TOLERANCE
    console.print(f"  {(recipe.__doc__ or '').splitlines()[0]}")
    console.print("  Same first weights, same batches in the same order.")
    console.print(
        f"  Largest difference between their parameters after {len(twins.difference)} steps: {difference:.1e}"
    )
    for name, trajectory in (("manualgrad", twins.ours), ("torch.nn", twins.theirs)):
        results = ", ".join(f"{key.removeprefix('test_')} {value:.4f}" for key, value in trajectory.tested.items())
        console.print(f"  {name:<10}  {len(trajectory.losses)} steps; on the test split: {results}")
    verdict = "The two runs agree" if agreed else f"The two runs differ by more than {TOLERANCE:.0e}"
    console.print(f"\n{verdict}. ({time.perf_counter() - started:.1f} s)")
    console.print(f"\nThe runs drawn one over the other: {run.folder / 'twins.png'}")
    console.print(f"All there is of each: {run.folder / 'ours'}, {run.folder / 'torch'}")
    return agreed
