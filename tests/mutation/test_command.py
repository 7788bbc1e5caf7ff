"""`manualgrad mutate` on projects of a user's: what it says, and what it leaves behind."""

from __future__ import annotations

import json
import marshal
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import pytest

from manualgrad import cli
from manualgrad.checking.loading import locate
from manualgrad.mutation.command import find_tests
from manualgrad.mutation.session import Runner

README = Path(__file__).parent.parent.parent / "README.md"

DOUBLE = """
import torch


class Double(torch.autograd.Function):
    @staticmethod
    def forward(ctx, x):
        return 2 * x

    @staticmethod
    def backward(ctx, dy):
        return 2 * dy
"""

WEAK = """
import torch
from double import Double


def test_it():
    x = torch.ones(3, requires_grad=True)
    Double.apply(x).sum().backward()
    assert x.grad.tolist() == [2.0, 2.0, 2.0]
"""

STRONG = """
import manualgrad, torch
from double import Double


def test_it():
    manualgrad.check(Double, torch.ones(3)).raise_if_failed()
"""

# the mistake, the line after it, what WEAK makes of it, what check calls it
MISTAKES = {
    ("upstream ignored", "dy = dy.new_ones(dy.shape); return 2 * dy", "survived", "ignores-upstream"),
    ("detached", "return (2 * dy).detach()", "survived", "double-backward"),
    ("wrong sign", "return -(2 * dy)", "killed", "sign"),
    ("wrong factor", "return 2 * (2 * dy)", "killed", "scale"),
    ("gradient left out", "return None", "killed", "missing"),
    ("factor dropped", "return dy", "killed", "scale"),
}


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with a Function, to be in."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "pyproject.toml").touch()
    (tmp_path / "double.py").write_text(DOUBLE)
    return tmp_path


def run(capsys: pytest.CaptureFixture[str], *words: str) -> tuple[int, str, str]:
    status = cli.main(["mutate", *words])
    out, err = capsys.readouterr()
    return status, out, err


def test_weak_tests_let_mistakes_survive(project: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (project / "test_double.py").write_text(WEAK)
    before = {p: p.read_bytes() for p in project.iterdir()}
    example = re.search(r"^\$ manualgrad mutate (.*)$", README.read_text(encoding="utf-8"), re.MULTILINE)
    assert example is not None
    status, out, _ = run(capsys, *example[1].split(), "--json")
    assert status == 1
    found: dict[str, Any] = json.loads(out)
    assert found["tests"] == ["test_double.py"]
    said = {(m["mistake"], m["after"], m["outcome"]) for m in found["mutants"]}
    assert said == {m[:3] for m in MISTAKES}
    for m in found["mutants"]:
        assert (m["line"], m["before"]) == (12, "return 2 * dy")
        code = next(c for kind, _, _, c in MISTAKES if kind == m["mistake"])
        assert m["by"].startswith(f"[{code}] " if m["outcome"] == "survived" else "test_double.py::test_it")
    assert (found["survived"], found["killed"], found["equivalent"], found["score"]) == (2, 4, 0, 0.6667)
    assert {p: p.read_bytes() for p in project.iterdir()} == before  # and nothing beside it


def test_strong_tests_kill_all(
    project: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    (project / "strong.py").write_text(STRONG)
    monkeypatch.setattr(sys.stdout, "isatty", lambda: True)
    monkeypatch.setenv("COLUMNS", "120")
    monkeypatch.setenv("NO_COLOR", "1")
    status, out, err = run(capsys, "double.py:Double", "strong.py::test_it")
    assert (status, err) == (0, "")
    assert out.splitlines()[-1] == "Double: the tests notice 6 of 6 mistakes: mutation score 100 %, 0 survived"
    table = re.sub("\x1b\\[[0-9;]*m", "", out)
    assert re.search(r"^ *12 +wrong sign +- return 2 \* dy +killed +strong.py::test_it *$", table, re.MULTILINE)
    assert re.search(r"^ +\+ return -\(2 \* dy\) *$", table, re.MULTILINE)


def test_without_tests_check_names_the_mistakes(project: Path, capsys: pytest.CaptureFixture[str]) -> None:
    status, out, _ = run(capsys, "double.py:Double", "--input", "2,3")
    assert status == 0
    *lines, last = out.splitlines()
    assert last == "Double: no tests found: manualgrad.check names 6 of 6 mistakes"
    named = {(f[2], f[5][1:].split("]")[0]) for f in (line.split("\t") for line in lines)}
    assert named == {(kind, code) for kind, _, _, code in MISTAKES}


def test_a_function_in_a_package(project: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """With relative imports, and mutants that have the same gradient."""
    package = project / "mine" / "deep"
    package.mkdir(parents=True)
    (project / "mine" / "__init__.py").write_text("N = 2\n")
    (package / "__init__.py").touch()
    (package / "twice.py").write_text(
        """
import torch
from torch.autograd.function import once_differentiable

from .. import N


class Twice(torch.autograd.Function):
    @staticmethod
    def forward(ctx, x):
        return x * N

    @staticmethod
    @once_differentiable
    def backward(ctx, dy):
        if dy is None:
            return None
        return dy * N
"""
    )
    (project / "tests").mkdir()
    (project / "tests" / "test_twice.py").write_text(
        "import torch\nfrom mine.deep.twice import Twice\n\n\ndef test_it():\n"
        "    x = torch.ones((), requires_grad=True)\n    (3 * Twice.apply(x)).backward()\n    assert x.grad == 6\n"
    )
    status, out, _ = run(capsys, "mine.deep.twice:Twice", "--json")
    found = json.loads(out)
    assert found["tests"] == ["tests/test_twice.py"]
    outcomes = {(m["after"], m["outcome"]) for m in found["mutants"]}
    assert ("return (dy * N).detach()", "equivalent") in outcomes  # once_differentiable
    assert ("return dy.mul_(N)", "survived") in outcomes
    assert ("return -(dy * N)", "killed") in outcomes
    assert (status, found["survived"]) == (1, 1)


def test_a_mutant_that_does_not_end_is_killed(project: Path) -> None:
    (project / "test_double.py").write_text("import time\n\n\ndef test_it():\n    time.sleep(60)\n")
    code = marshal.dumps(compile(DOUBLE, "double.py", "exec"))
    start = time.monotonic()
    with Runner() as runner:
        outcome = runner.tests(locate("double.py:Double"), code, ["test_double.py"], limit=0.5)
    assert outcome.timed_out
    assert not outcome.passed
    assert time.monotonic() - start < 30


def _stop_when_running(folder: Path, temporary: Path, by: signal.Signals) -> tuple[int, str]:
    """Start in a process of its own, wait for the tests to hang, and stop it."""
    process = subprocess.Popen(
        [sys.executable, "-m", "manualgrad", "mutate", "double.py:Double"],
        cwd=folder,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "TMPDIR": str(temporary)},
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.default_int_handler),
    )
    while not (folder / "started").exists():
        assert process.poll() is None, process.communicate()
        time.sleep(0.05)
    process.send_signal(by)
    _, err = process.communicate(timeout=30)
    return process.returncode, err


@pytest.mark.parametrize(
    "by", [signal.SIGINT, pytest.param(signal.SIGKILL, marks=pytest.mark.slow)], ids=["Ctrl-C", "kill"]
)
def test_nothing_is_left_behind_when_it_is_stopped(project: Path, by: signal.Signals) -> None:
    temporary = Path(tempfile.mkdtemp())  # not below pytest's own: the name of a socket has room for 100 characters
    (project / "test_double.py").write_text(
        f"import double, os, time\n\n\ndef test_it():\n    with open({str(project / 'started')!r}, 'w') as f:\n"
        "        f.write(str(os.getpid()))\n        f.flush()\n    time.sleep(60)\n"
    )
    status, err = _stop_when_running(project, temporary, by)
    if by is signal.SIGINT:
        assert (status, err) == (130, "manualgrad: interrupted\n")
        assert not list(temporary.glob("manualgrad-*"))
    shutil.rmtree(temporary)
    assert {p.name for p in project.iterdir()} == {"started", "test_double.py", "double.py", "pyproject.toml"}
    pid = int((project / "started").read_text())
    for _ in range(100):  # it has been killed; its server collects it
        if not Path(f"/proc/{pid}").exists():
            return
        time.sleep(0.05)
    pytest.fail("the test goes on running")


# -------------------------------------------------------------------------------------------------------- mistakes


@pytest.mark.parametrize(
    ("tests", "says"),
    [
        (
            "def test_it():\n    assert 1 == 2",
            "the tests fail before any mistake is made: test_double.py::test_it: Assert",
        ),
        (
            "import nothere",
            "the tests fail before any mistake is made: test_double.py: ModuleNotFoundError: No module na",
        ),
        (
            "def test_it():\n    pass",
            "test_double.py: the tests pass without importing double.py, so they test something",
        ),
        ("", "test_double.py: pytest finds no tests there"),
        ("import os\nos._exit(3)", "the tests fail before any mistake is made: the process ended with status 3"),
    ],
)
def test_tests_that_say_nothing_are_refused(
    project: Path, capsys: pytest.CaptureFixture[str], tests: str, says: str
) -> None:
    (project / "test_double.py").write_text(tests)
    status, out, err = run(capsys, "double.py:Double")
    assert (status, out) == (2, "")
    assert err.startswith(f"manualgrad mutate: {says}")
    assert len(err.splitlines()) == 2


def test_tests_that_do_not_end_are_refused(project: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (project / "test_double.py").write_text("import double, time\n\n\ndef test_it():\n    time.sleep(60)\n")
    status, out, err = run(capsys, "double.py:Double", "--timeout", "1")
    assert (status, out) == (2, "")
    says = "manualgrad mutate: test_double.py: the tests take more than 1 s before any mistake is made; see --timeout"
    assert err.splitlines()[0] == says


@pytest.mark.parametrize(
    ("words", "says"),
    [
        ("double.py:Doubel", "double.py has no name Doubel; did you mean Double?"),
        (
            "double.py:torch",
            "double.py has no class torch of its own; name a torch.autograd.Function that it defines (Dou",
        ),
        ("dubble.py:Double", "there is no file dubble.py; did you mean double.py?"),
        ("double.py", "say what to check: double.py:NAME (Double)"),
        ("double.py:Double test_duble.py", "there is no test file test_duble.py; did you mean test_double.py?"),
        ("double.py:Double --timeout 0", "timeout takes a number of seconds above 0, got 0"),
        ("double.py:Double --input 5x3", "input: 5x3 is no shape"),
        ("broken.py:Double", "broken.py, line 1: "),
        ("math:sin", "the source of math is not to be found; name a file: path/to/file.py:sin"),
    ],
)
def test_a_mistake_is_answered_in_one_line(
    project: Path, capsys: pytest.CaptureFixture[str], words: str, says: str
) -> None:
    (project / "broken.py").write_text("class Double(:\n")
    (project / "test_double.py").touch()
    status, out, err = run(capsys, *words.split())
    assert (status, out) == (2, "")
    assert err.startswith(f"manualgrad mutate: {says}")
    assert len(err.splitlines()) == 2


def test_tests_are_found_by_the_usual_names(project: Path) -> None:
    def found() -> list[str]:
        return find_tests(Path("src/pkg/thing.py"))

    for folder in ("src/pkg/tests/more", "src/tests", "tests/pkg"):
        (project / folder).mkdir(parents=True)
    assert found() == []
    (project / "tests/pkg/test_thing.py").touch()
    assert found() == ["tests/pkg/test_thing.py"]
    (project / "src/tests/thing_test.py").touch()
    assert found() == ["src/tests/thing_test.py"]
    (project / "src/pkg/tests/more/test_thing.py").touch()
    (project / "src/pkg/test_thing.py").touch()
    assert found() == ["src/pkg/test_thing.py", "src/pkg/tests/more/test_thing.py"]
    assert find_tests(Path("src/pkg/test_thing.py")) == ["src/pkg/test_thing.py"]
