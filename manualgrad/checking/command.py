"""`manualgrad check`: is the gradient of a Function, a callable or a module in the user's own file right?"""

from __future__ import annotations

import contextlib
import inspect
import json
import sys
import threading
from collections.abc import Iterator, Sequence
from types import ModuleType
from typing import TYPE_CHECKING, Any

from manualgrad.arguments import Mistake, Parser, nearest
from manualgrad.checking import inputs as given
from manualgrad.checking.loading import Place, locate
from manualgrad.checking.report import CODES, CheckError

if TYPE_CHECKING:
    from manualgrad.checking.report import Report

INPUTS = "manualgrad_inputs"
_PATIENCE = 2.0  # seconds before a terminal shows that something is going on


def main(argv: Sequence[str]) -> int:
    parser = Parser(
        "check",
        "Is this gradient right, and if not, what is the mistake? Exit status 0: right, 1: wrong, 2: not checked.",
    )
    parser.add_argument("what", type=str, help="a Function, callable or module: file.py:Name or package.module:Name")
    parser.add_argument(
        "--input",
        action="append",
        default=[],
        type=str,
        metavar="SHAPE[:DTYPE[:LOW:HIGH]] | =VALUE",
        help="one argument, in order: 5,3 or 5,3:float32 or 5:int:10 or 4:float:0:1 or scalar or =0.5; without, "
        f"{INPUTS}() in the file returns them, or shapes are tried",
    )
    parser.add_argument("--reference", type=str, default=None, help="has the right values: torch.nn.functional.linear")
    parser.add_argument("--surrogate", type=str, default=None, help="has the gradient that is meant, if no derivative")
    parser.add_argument("--compile", action="store_true", help="also under torch.compile, which takes seconds")
    parser.add_argument("--ignore", action="append", default=[], type=str, metavar="CODE", help="do not report this")
    parser.add_argument("--seed", type=int, default=0, help="of the inputs' values")
    parser.add_argument("--json", action="store_true", help="the report as JSON")
    options = parser.parse_args(argv)
    specs = [given.parse(text) for text in options.input]
    for code in options.ignore:
        if code not in CODES:
            raise Mistake(f"ignore: there is no code {code}{nearest(code, CODES)} ({', '.join(CODES)})")
    if not 0 <= options.seed < 2**63:
        raise Mistake(f"seed takes 0 to {2**63 - 1}, got {options.seed}")
    what = locate(options.what)
    others = {name: locate(options[name]) for name in ("reference", "surrogate") if options[name] is not None}

    report = _checked(what, others, specs, options)
    if options.json:
        print(json.dumps(report.to_dict(), indent=2, ensure_ascii=False))
    elif sys.stdout.isatty():
        from rich.console import Console

        Console(highlight=False).print(report)
    else:
        print(report)
    return 0 if report.passed else 1


def _checked(what: Place, others: dict[str, Place], specs: list[given.Spec], options: Any) -> Report:
    from manualgrad.checking import check

    with contextlib.ExitStack() as running:
        for place in (*others.values(), what):
            running.enter_context(place.running())
        fn, module = what.load()
        fn = _instance(what, fn)
        twins = {name: place.load()[0] for name, place in others.items()}
        with _progress(what.name):
            try:
                values, how = _values(what, fn, module, specs, options.seed)
                report = check(fn, *values, **twins, compile=options.compile, ignore=options.ignore)
            except CheckError as error:
                raise Mistake(" ".join(str(error).split())) from None
            except SystemExit:
                raise Mistake(f"{what.name} ends the program") from None
    report.tried.insert(0, how)
    return report


def _instance(what: Place, found: Any) -> Any:
    """A module class is checked by an instance of it."""
    import torch

    if not inspect.isclass(found) or issubclass(found, torch.autograd.Function):
        if not callable(found):
            kind = type(found).__name__
            raise Mistake(f"{what.name} is of type {kind}; expected a Function class, a callable or a module")
        return found
    if not issubclass(found, torch.nn.Module):
        raise Mistake(f"{what.name} is a class, but neither a torch.autograd.Function nor a torch.nn.Module")
    required = [
        p.name
        for p in inspect.signature(found).parameters.values()
        if p.default is p.empty and p.kind in (p.POSITIONAL_ONLY, p.POSITIONAL_OR_KEYWORD, p.KEYWORD_ONLY)
    ]
    if required:
        raise Mistake(
            f"{what.name} takes {', '.join(required)}: write layer = {what.name}(...) into the file, and check layer"
        )
    torch.manual_seed(0)
    with what.mistakes_told("when it is made"):
        return found()


def _values(what: Place, fn: Any, module: ModuleType, specs: list[given.Spec], seed: int) -> tuple[list[Any], str]:
    """The inputs, and where they come from."""
    import torch

    torch.manual_seed(seed)
    make = getattr(fn, INPUTS, None) or getattr(module, INPUTS, None)
    if specs:
        where = "as given"
    elif make is not None:
        with what.mistakes_told(f"in {INPUTS}()"):
            made = make()
        if isinstance(made, torch.Tensor):
            made = (made,)
        if not isinstance(made, (tuple, list)):
            raise Mistake(f"{INPUTS}() returns {type(made).__name__}; expected the inputs, in a tuple")
        return list(made), f"inputs: {_listed(given.described(made))}, from {INPUTS}()"
    else:
        specs = given.find(fn, seed)
        where = "found by trying"
    return given.draw(specs, seed), f"inputs: {_listed(specs)}, {where}"


def _listed(specs: Sequence[given.Spec]) -> str:
    return " ".join(f"--input {spec}" for spec in specs) if specs else "none"


@contextlib.contextmanager
def _progress(name: str) -> Iterator[None]:
    """On a terminal, a line with the time that it has taken, from the third second on."""
    from rich.console import Console
    from rich.progress import Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

    console = Console(stderr=True)
    shown = Progress(
        SpinnerColumn(), TextColumn(f"checking {name}"), TimeElapsedColumn(), console=console, transient=True
    )
    shown.add_task("")
    timer = threading.Timer(_PATIENCE, shown.start)
    timer.daemon = True
    if console.is_terminal:
        timer.start()
    try:
        yield
    finally:
        timer.cancel()
        if shown.live.is_started:
            shown.stop()
