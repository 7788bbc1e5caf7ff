"""The processes that run a mutant: with the user's tests, or through `manualgrad.check`.

Each is forked from a server that has torch and pytest imported, is the leader of a process group of its own, says
nothing on the terminal, and is killed with its children when its time is over. In it, and only in it, importing the
file gives the mutant.
"""

from __future__ import annotations

import contextlib
import gc
import io
import marshal
import multiprocessing
import os
import signal
import sys
import tempfile
import threading
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from importlib.machinery import SourceFileLoader
from importlib.util import find_spec
from multiprocessing.connection import Connection, wait
from types import CodeType
from typing import Any

from manualgrad.checking.loading import Place
from manualgrad.mutation.mutants import RECORDED

PRELOADED = ["pytest", "manualgrad.checking.checker", "torch.fx.experimental.symbolic_shapes"]  # the first backward's
_RECORDS = 6  # calls whose inputs are kept
_ELEMENTS = 5000  # in one of them


@dataclass
class Outcome:
    """What a run of the tests came to. `failed` is the first test that failed, `said` why it did."""

    status: int = -1
    failed: str = ""
    said: str = ""
    imported: bool = False  # whether the tests imported the file
    recorded: bytes = b""  # the inputs of calls, as `torch.save` writes them
    timed_out: bool = False

    @property
    def passed(self) -> bool:
        return self.status == 0 and not self.timed_out


@dataclass
class Verdict:
    """What `check` finds, for each set of inputs: the errors and warnings, as (code, severity, message)."""

    findings: list[list[tuple[str, str, str]]] = field(default_factory=list)
    problem: str = ""  # why nothing could be checked
    recorded: bytes = b""  # the sets of inputs


class Runner:
    """Starts the processes. As a context manager it leaves none behind, and no file."""

    def __enter__(self) -> Runner:
        self._folder = tempfile.TemporaryDirectory(prefix="manualgrad-")
        method = "forkserver" if "forkserver" in multiprocessing.get_all_start_methods() else "spawn"
        self._context: Any = multiprocessing.get_context(method)
        if method == "forkserver":
            self._context.set_forkserver_preload(PRELOADED)
        return self

    def __exit__(self, *_: object) -> None:
        self._folder.cleanup()

    def tests(self, place: Place, code: bytes, tests: Sequence[str], limit: float, record: bool = False) -> Outcome:
        """Run the tests on a file that has this code, up to the first that fails."""
        found = self._run(_tests, (place, code, list(tests), self._folder.name, record), limit)
        if found is None:
            return Outcome(timed_out=True)
        return found if isinstance(found, Outcome) else Outcome(failed="", said=str(found))

    def check(self, place: Place, code: bytes | None, inputs: Any, limit: float) -> Verdict:
        """Run `check` on the Function of a file that has this code, None for its own."""
        found = self._run(_check, (place, code, inputs), limit)
        if found is None:
            return Verdict(problem="it takes too long")
        return found if isinstance(found, Verdict) else Verdict(problem=str(found))

    def _run(self, job: Callable[..., Any], arguments: tuple[Any, ...], limit: float) -> Any:
        """What `job` returns in a process of its own; None if it takes longer, a text if it breaks down."""
        receiving, sending = self._context.Pipe(duplex=False)
        process = self._context.Process(target=_started, args=(sending, job, arguments))
        try:
            process.start()
            sending.close()
            if not receiving.poll(limit):
                return None
            return receiving.recv()
        except EOFError:
            process.join()
            return f"the process ended with status {process.exitcode}"
        finally:
            if process.pid is not None:
                with contextlib.suppress(ProcessLookupError, PermissionError):
                    os.killpg(process.pid, signal.SIGKILL)  # its children too
                process.kill()
                process.join()
            receiving.close()


# --------------------------------------------------------------------------------------------- inside of the process


def _started(answers: Connection, job: Callable[..., Any], arguments: tuple[Any, ...]) -> None:
    os.setsid()
    gc.freeze()  # what was imported before; pytest collects garbage at each end of a session
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    threading.Thread(target=_end_with_the_parent, daemon=True).start()
    _redirect(os.devnull)
    sys.dont_write_bytecode = True
    try:
        answer = job(*arguments)
    except BaseException as raised:
        answer = f"{type(raised).__name__}: {raised}"
    answers.send(answer)
    answers.close()
    os._exit(0)  # whatever threads and exit handlers the tests have left behind


def _end_with_the_parent() -> None:
    """Tests that hang would go on for ever if the parent were killed."""
    parent = multiprocessing.parent_process()
    if parent is not None:
        wait([parent.sentinel])
        os.killpg(0, signal.SIGKILL)


def _redirect(file: str) -> None:
    """What this process writes goes there, and it reads nothing."""
    os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
    written = os.open(file, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    for descriptor in (1, 2):
        os.dup2(written, descriptor)


@contextlib.contextmanager
def _in_the_place_of(place: Place, code: bytes | None) -> Iterator[list[str]]:
    """Importing the file gives this code, whichever way it is imported. Yields the names that it was imported by."""
    imported: list[str] = []
    original = SourceFileLoader.get_code
    assert place.file is not None
    file = place.file.resolve()

    def get_code(self: SourceFileLoader, fullname: str) -> CodeType | None:
        if os.path.basename(self.path) != file.name or os.path.realpath(self.path) != str(file):
            return original(self, fullname)
        imported.append(fullname)
        return original(self, fullname) if code is None else marshal.loads(code)

    SourceFileLoader.get_code = get_code  # type: ignore[method-assign, assignment]
    try:
        yield imported
    finally:
        SourceFileLoader.get_code = original  # type: ignore[method-assign]


def _tests(place: Place, code: bytes, tests: list[str], folder: str, record: bool) -> Outcome:
    import pytest

    _redirect(f"{folder}/output")
    outcome = Outcome()
    calls: dict[Any, tuple[Any, ...]] = {}

    class Watching:
        def pytest_collectreport(self, report: Any) -> None:
            self.pytest_runtest_logreport(report)

        def pytest_runtest_logreport(self, report: Any) -> None:
            if report.failed and not outcome.failed:
                outcome.failed = report.nodeid
                crash = getattr(report.longrepr, "reprcrash", None)
                lines = str(crash.message if crash else report.longrepr or "").strip().splitlines()
                outcome.said = (lines[0 if crash else -1] if lines else "").removeprefix("E ").strip()[:200]

    options = ["-x", "-q", "--assert=plain", "-p", "no:cacheprovider", f"--basetemp={folder}/tests"]
    if find_spec("xdist") and not os.environ.get("PYTEST_DISABLE_PLUGIN_AUTOLOAD"):
        options.append("-n0")  # its workers would import the file as it is
    if find_spec("pytest_cov") and not os.environ.get("PYTEST_DISABLE_PLUGIN_AUTOLOAD"):
        options.append("--no-cov")
    sys.path.insert(0, os.getcwd())  # as `python -m pytest` does
    import builtins

    setattr(builtins, RECORDED, _recorder(calls))
    with _in_the_place_of(place, code) as imported:
        outcome.status = int(pytest.main([*options, *tests], plugins=[Watching()]))
    outcome.imported = bool(imported)
    if outcome.status and not outcome.failed:
        with open(f"{folder}/output", encoding="utf-8", errors="replace") as output:
            outcome.said = (
                next((line for line in output if line.startswith("ERROR: ")), "").removeprefix("ERROR: ").strip()
            )
    if record and calls:
        outcome.recorded = _saved(list(calls.values()))
    return outcome


def _recorder(calls: dict[Any, tuple[Any, ...]]) -> Callable[[Any], Any]:
    """A decorator for the Function that keeps the inputs of some calls."""
    import functools

    import torch
    from torch import Tensor

    def signature(value: Any) -> Any:
        if type(value) in (Tensor, torch.nn.Parameter):
            return tuple(value.shape), value.dtype, value.requires_grad
        return repr(value) if isinstance(value, (int, float, str, bool, tuple, list, type(None))) else None

    def note(arguments: tuple[Any, ...]) -> None:
        key = tuple(map(signature, arguments))
        size = sum(a.numel() for a in arguments if isinstance(a, Tensor))
        if None not in key and key not in calls and len(calls) < _RECORDS and size <= _ELEMENTS:
            calls[key] = tuple(
                a.detach().clone().requires_grad_(a.requires_grad) if isinstance(a, Tensor) else a for a in arguments
            )

    def recorded(function: Any) -> Any:
        original = function.forward
        old_style = function.setup_context is torch.autograd.Function.setup_context

        @functools.wraps(original)
        def forward(*arguments: Any, **keywords: Any) -> Any:
            if not keywords and not torch.compiler.is_compiling():
                with contextlib.suppress(Exception):  # tensors of a transform; recording must not disturb
                    note(arguments[1:] if old_style else arguments)
            return original(*arguments, **keywords)

        function.forward = staticmethod(forward)
        return function

    return recorded


def _check(place: Place, code: bytes | None, inputs: Any) -> Verdict:
    """`inputs`: ("sets", bytes) as they are, ("recorded", bytes) to choose among, or ("specs", a list) to draw."""
    from manualgrad.arguments import Mistake
    from manualgrad.checking import CheckError, check

    verdict = Verdict()
    with _in_the_place_of(place, code), place.running():
        try:
            fn, module = place.load()
            sets = _sets(fn, module, *inputs)
        except Mistake as mistake:
            return Verdict(problem=str(mistake))
        kept = []
        for k, arguments in enumerate(sets):
            try:
                report = check(fn, *arguments)
                found = [(f.code, f.severity, f.message) for f in report.findings if f.severity != "note"]
                passed = report.passed
            except CheckError as error:
                found, passed = [("refused", "error", str(error))], False
            # inputs that were made up must be such that the Function is right on them
            if inputs[0] == "sets" or passed or not k:
                kept.append(arguments)
                verdict.findings.append(found)
    if inputs[0] != "sets":
        verdict.recorded = _saved(kept)
    return verdict


def _sets(fn: Any, module: Any, kind: str, value: Any) -> list[tuple[Any, ...]]:
    import torch

    from manualgrad.checking import inputs as given
    from manualgrad.checking.command import INPUTS

    torch.manual_seed(0)
    make = getattr(fn, INPUTS, None) or getattr(module, INPUTS, None)
    if kind == "specs" and value:
        return [tuple(given.draw(value, 0))]
    if kind != "sets" and make is not None:
        made = make()
        return [(made,) if isinstance(made, torch.Tensor) else tuple(made)]
    if kind == "specs":
        return [tuple(given.draw(given.find(fn, 0), 0))]
    sets: list[tuple[Any, ...]] = torch.load(io.BytesIO(value), weights_only=False)
    if kind == "recorded":  # the tests may only use special values, so try the same shapes with ordinary ones as well
        sets += [tuple(map(_ordinary, arguments)) for arguments in sets]
    return sets


def _ordinary(value: Any) -> Any:
    import torch

    if not isinstance(value, torch.Tensor) or not value.is_floating_point():
        return value
    return torch.randn(value.shape, dtype=torch.float64).to(value.dtype).requires_grad_(value.requires_grad)


def _saved(value: Any) -> bytes:
    import torch

    written = io.BytesIO()
    torch.save(value, written)
    return written.getvalue()
