"""`manualgrad demo`: every formula proved against torch, then a network trained with them beside its torch.nn twin."""

from __future__ import annotations

import itertools
import time
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from manualgrad.arguments import Parser

if TYPE_CHECKING:
    from rich.console import Console
    from rich.table import Table

    from manualgrad.catalogue import Row

STYLES = {"waiting": "dim", "proved": "green", "wrong": "bold red"}


def main(argv: Sequence[str]) -> int:
    parser = Parser(
        "demo", "Prove every formula against torch, then train a network with them beside its torch.nn twin."
    )
    parser.parse_args(argv)

    import torch
    from rich.console import Console

    torch.set_num_threads(1)  # everything here is small: a second thread would only wait for the first
    console = Console(highlight=False, soft_wrap=True)
    return 0 if prove(console) else 1


class Board:
    """Part of the catalogue on the screen: the name of a formula lights up when it is proved."""

    def __init__(self, families: dict[str, tuple[Row, ...]]) -> None:
        self._families = families
        self._states = {row.name: "waiting" for rows in families.values() for row in rows}

    def mark(self, row: Row, state: str) -> None:
        self._states[row.name] = state

    def __rich__(self) -> Table:
        from rich.table import Table
        from rich.text import Text

        table = Table.grid(padding=(0, 2))
        table.add_column(style="italic", min_width=12)
        for family, rows in self._families.items():
            table.add_row(family, Text("  ").join(Text(row.name, STYLES[self._states[row.name]]) for row in rows))
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
    wrong: list[str] = []

    def prove_row(row: Row, board: Board) -> None:
        broken = broken_claims(row)
        wrong.extend(broken)
        board.mark(row, "wrong" if broken else "proved")

    if console.is_terminal:
        board = Board(FAMILIES)
        with Live(board, console=console, refresh_per_second=12):
            for row in itertools.chain(*FAMILIES.values()):
                prove_row(row, board)
    else:
        for family, rows in FAMILIES.items():
            board = Board({family: rows})
            for row in rows:
                prove_row(row, board)
            console.print(board)
    for line in wrong:
        console.print(line, style=STYLES["wrong"], markup=False)
    seconds = time.perf_counter() - started
    verdict = f"{len(wrong)} do not hold" if wrong else "all hold"
    count = sum(map(len, FAMILIES.values()))
    console.print(f"\n{count} formulas, {count * len(QUICK)} claims: {verdict}. ({seconds:.1f} s)")
    return not wrong


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
