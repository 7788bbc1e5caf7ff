"""`manualgrad mutate`: would your tests notice a mistake in your backward?"""

from __future__ import annotations

import json
import sys
import time
import tokenize
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from manualgrad.arguments import Mistake, Parser, nearest
from manualgrad.checking import inputs as given
from manualgrad.checking.loading import Place, locate
from manualgrad.mutation.mutants import Mutant, mutants, recording

BASELINE = 600.0  # seconds that the tests may take without any mutation
FACTOR, FLOOR = 10.0, 20.0  # a mutant may take so many times as long, and at least so many seconds
OUTCOMES = ("survived", "killed", "equivalent", "named")
_PROJECT = ("pyproject.toml", "setup.py", "setup.cfg", "pytest.ini", "tox.ini", ".git")


@dataclass
class Result:
    """A mutant and what came of it, one of `OUTCOMES`; `by`: the test that failed, or what `check` says."""

    mutant: Mutant
    outcome: str
    by: str

    def to_dict(self) -> dict[str, Any]:
        m = self.mutant
        return {
            "line": m.line,
            "mistake": m.kind,
            "before": m.before,
            "after": m.after,
            "outcome": self.outcome,
            "by": self.by,
        }


def main(argv: Sequence[str]) -> int:
    parser = Parser(
        "mutate",
        "Makes single mistakes in the backward of a Function, one at a time, and tells which of them its tests do not "
        "notice. The file is not edited. Exit status 0: all are noticed, 1: some are not, 2: nothing was tried.",
    )
    parser.add_argument("what", type=str, help="the Function: file.py:Name or package.module:Name")
    parser.add_argument(
        "tests",
        nargs="*",
        type=str,
        help="its tests, as pytest takes them; without, test_FILE.py beside the file or in a folder tests; where there "
        "are none, what manualgrad.check says to each mistake is shown",
    )
    parser.add_argument(
        "--input", action="append", default=[], type=str, help="for check, as manualgrad check takes it"
    )
    parser.add_argument("--timeout", type=float, default=None, metavar="SECONDS", help="for one run of the tests")
    parser.add_argument("--json", action="store_true", help="the results as JSON")
    options = parser.parse_args(argv)
    if options.timeout is not None and not 0 < options.timeout < float("inf"):
        raise Mistake(f"timeout takes a number of seconds above 0, got {options.timeout:g}")
    specs = [given.parse(text) for text in options.input]
    place = locate(options.what)
    if place.file is None or place.file.suffix != ".py":
        raise Mistake(f"the source of {place.module} is not to be found; name a file: path/to/file.py:{place.name}")
    with tokenize.open(place.file) as file:
        source = file.read()
    made = mutants(source, str(place.file), place.name)
    if not made:
        raise Mistake(f"{place.name}: backward has nothing in it that a mistake could be made in")
    tests = [_existing(test) for test in options.tests] or find_tests(place.file)
    baseline = compile(source, str(place.file), "exec", dont_inherit=True)

    from manualgrad.mutation.session import Runner

    with Runner() as runner, _progress(len(made), "tests" if tests else "check") as step:
        trial = Trial(runner, place, options.timeout)
        if tests:
            trial.prove_the_tests(tests, recording(source, str(place.file), place.name), baseline)
        trial.prove_check(specs)
        results = [step(mutant, trial.tried(mutant, tests)) for mutant in made]
    _show(place, tests, results, trial, options.json)
    return 1 if any(r.outcome == "survived" for r in results) else 0


class Trial:
    """The runs: first without any mistake, then with each."""

    def __init__(self, runner: Any, place: Place, timeout: float | None) -> None:
        self.runner, self.place, self.timeout = runner, place, timeout
        self.limit = timeout or BASELINE
        self.recorded = b""
        self.original: Any = None  # what check says of the Function as it is

    def prove_the_tests(self, tests: Sequence[str], recording: bytes, plain: Any) -> None:
        """Refuse tests that fail, hang or never import the file. Keeps the inputs that they call the Function with."""
        import marshal

        start = time.monotonic()
        outcome = self.runner.tests(self.place, recording, tests, self.limit, record=True)
        if not outcome.passed and not outcome.timed_out:  # the recording may have been in the way
            start = time.monotonic()
            outcome = self.runner.tests(self.place, marshal.dumps(plain), tests, self.limit)
        where = " ".join(tests)
        if outcome.timed_out:
            raise Mistake(
                f"{where}: the tests take more than {self.limit:g} s before any mistake is made; see --timeout"
            )
        if outcome.status == 5:
            raise Mistake(f"{where}: pytest finds no tests there")
        if not outcome.passed:
            reason = (
                f"{outcome.failed}: {outcome.said}" if outcome.failed else outcome.said or "pytest refuses to start"
            )
            raise Mistake(f"the tests fail before any mistake is made: {reason}")
        if not outcome.imported:
            raise Mistake(f"{where}: the tests pass without importing {self.place.file}, so they test something else")
        self.recorded = outcome.recorded
        if self.timeout is None:
            self.limit = max(FLOOR, FACTOR * (time.monotonic() - start))

    def prove_check(self, specs: Sequence[given.Spec]) -> None:
        """What `check` says of the Function as it is, on inputs that are given, recorded or found."""
        inputs: Any = ("recorded", self.recorded) if self.recorded and not specs else ("specs", list(specs))
        self.original = self.runner.check(self.place, None, inputs, BASELINE)

    def tried(self, mutant: Mutant, tests: Sequence[str]) -> Result:
        if tests:
            outcome = self.runner.tests(self.place, mutant.code, tests, self.limit)
            if not outcome.passed:
                said = f"no end after {self.limit:.0f} s" if outcome.timed_out else outcome.failed or outcome.said
                return Result(mutant, "killed", said)
        if self.original.problem:
            return Result(mutant, "survived", f"not checked: {self.original.problem}")
        verdict = self.runner.check(self.place, mutant.code, ("sets", self.original.recorded), BASELINE)
        if verdict.problem:
            return Result(mutant, "survived" if tests else "named", verdict.problem)
        for new, old in zip(verdict.findings, self.original.findings, strict=True):
            outcome = "survived" if tests else "named"
            for code, _, message in (f for f in new if f not in old):
                return Result(mutant, outcome, f"[{code}] {message}")
            for code, _, message in (f for f in old if f not in new):  # of a Function that is wrong as it is
                return Result(mutant, outcome, f"no longer [{code}] {message}")
        return Result(mutant, "equivalent", "the same gradient on the inputs of check")


# ------------------------------------------------------------------------------------------------------- the tests


def _existing(test: str) -> str:
    path = Path(test.partition("::")[0])
    if not path.exists():
        folder = path.parent
        near = sorted(p.name for p in folder.iterdir()) if folder.is_dir() else []
        raise Mistake(f"there is no test file {path}{nearest(path.name, near)}")
    return test


def find_tests(file: Path) -> list[str]:
    """The tests of a file by the usual names: beside it, in a folder `tests` beside it, or above up to the project."""
    names = (f"test_{file.stem}.py", f"{file.stem}_test.py")
    if file.name.startswith("test_") or file.stem.endswith("_test"):
        return [str(file)]
    folder = file.absolute().parent
    found = [folder / name for name in names if (folder / name).is_file()]
    for above in (folder, *folder.parents):
        for name in names:
            found += sorted((above / "tests").rglob(name)) if (above / "tests").is_dir() else []
        if found or any((above / mark).exists() for mark in _PROJECT):
            break
    here = Path.cwd()
    return [str(p.relative_to(here)) if p.is_relative_to(here) else str(p) for p in found]


# ------------------------------------------------------------------------------------------------------ the results


@contextmanager
def _progress(count: int, what: str) -> Iterator[Callable[[Mutant, Result], Result]]:
    """A bar on a terminal; nothing on a pipe."""
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    console = Console(stderr=True)
    with Progress(*columns, console=console, transient=True, disable=not console.is_terminal) as progress:
        task = progress.add_task(f"{what}: no mistake yet", total=count)

        def step(mutant: Mutant, result: Result) -> Result:
            progress.update(task, advance=1, description=f"{what}: line {mutant.line}, {mutant.kind}")
            return result

        yield step


def summary(results: Sequence[Result], with_tests: bool) -> str:
    """`12 of 14 mistakes are noticed: mutation score 86 %; 2 survive, ...`."""
    count = {outcome: sum(r.outcome == outcome for r in results) for outcome in OUTCOMES}
    total = len(results) - count["equivalent"]
    same = f"; {count['equivalent']} more change no gradient and do not count" if count["equivalent"] else ""
    if not with_tests:
        return f"no tests found: manualgrad.check names {count['named']} of {total} mistakes{same}"
    score = f"mutation score {100 * count['killed'] / total:.0f} %" if total else "no mutation score"
    return f"the tests notice {count['killed']} of {total} mistakes: {score}, {count['survived']} survived{same}"


def _show(place: Place, tests: Sequence[str], results: list[Result], trial: Trial, as_json: bool) -> None:
    already = [f for found in trial.original.findings for f in found if f[1] == "error"]
    wrong = f"manualgrad.check finds {place.name} wrong as it is: [{already[0][0]}] {already[0][2]}" if already else ""
    counted = [r for r in results if r.outcome != "equivalent"]
    killed = sum(r.outcome == "killed" for r in results)
    if as_json:
        whole = {
            "function": place.name,
            "file": str(place.file),
            "tests": list(tests),
            "score": round(killed / len(counted), 4) if tests and counted else None,
            **{outcome: sum(r.outcome == outcome for r in results) for outcome in OUTCOMES},
            "already_wrong": wrong or None,
            "mutants": [r.to_dict() for r in results],
        }
        print(json.dumps(whole, indent=2, ensure_ascii=False))
        return
    order = sorted(results, key=lambda r: (OUTCOMES.index(r.outcome), r.mutant.line))
    if sys.stdout.isatty():
        _table(order)
    else:
        for r in order:
            print(r.mutant.line, r.outcome, r.mutant.kind, r.mutant.before, r.mutant.after, r.by, sep="\t")
    print(f"{place.name}: {summary(results, bool(tests))}")
    if wrong:
        print(wrong)


def _table(results: Sequence[Result]) -> None:
    from rich import box
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    colour = {"survived": "bold red", "killed": "green", "equivalent": "dim", "named": "green"}
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    for column in ("line", "mistake"):
        table.add_column(column, no_wrap=column == "line", justify="right" if column == "line" else "left")
    table.add_column("before and after", ratio=3, overflow="fold")
    table.add_column("", no_wrap=True)
    table.add_column("by", ratio=2, overflow="fold")
    for r in results:
        change = Text(f"- {r.mutant.before}\n", style="red") + Text(f"+ {r.mutant.after}", style="green")
        outcome = Text(r.outcome, style=colour[r.outcome])
        table.add_row(str(r.mutant.line), r.mutant.kind, change, outcome, Text(r.by))
    Console(highlight=False).print(table)
