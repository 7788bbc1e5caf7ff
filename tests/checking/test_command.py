"""`manualgrad check`: what it loads, which inputs it finds, what it prints, and its answer to every mistake."""

from __future__ import annotations

import json
import os
import pty
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch

from manualgrad import cli
from manualgrad.checking.inputs import find, parse
from manualgrad.checking.loading import locate

FILE = """
import sys
import torch
from torch.autograd import Function

print("printed on import")


class Square(Function):
    @staticmethod
    def forward(ctx, x):
        ctx.save_for_backward(x)
        return x * x

    @staticmethod
    def backward(ctx, dy):
        (x,) = ctx.saved_tensors
        print("printed in backward")
        return 2 * dy * x


class Halved(Square):
    @staticmethod
    def backward(ctx, dy):
        (x,) = ctx.saved_tensors
        return dy * x


class CrossEntropy(Function):
    @staticmethod
    def forward(ctx, logits, target):
        log_p = logits.log_softmax(-1)
        ctx.save_for_backward(log_p, target)
        return -log_p[torch.arange(len(target)), target].mean()

    @staticmethod
    def backward(ctx, dy):
        log_p, target = ctx.saved_tensors
        p = log_p.exp()
        p[torch.arange(len(target)), target] -= 1
        return dy * p, None


class Layer(torch.nn.Module):
    def __init__(self, width=7):
        super().__init__()
        self.linear = torch.nn.Linear(width, 2)

    def forward(self, x):
        return torch.sigmoid(self.linear(x))


class Sized(Layer):
    def __init__(self, width):
        super().__init__(width)


class Broken(torch.nn.Module):
    def __init__(self):
        raise ValueError("not today")


class Plain:
    pass


layer = Sized(6)
number = 3
logarithm = lambda x: torch.log(x)
steep = lambda x, dim: torch.softmax(x, dim)
lengths = iter(range(2, 10**6))


def quits(x):
    sys.exit("enough")


def raises(x):
    raise KeyError("no way")


def text(x):
    return "text"


def grows(x):
    return x.repeat(next(lengths), 1)


def keyword(x, *, dim):
    return x.sum(dim)


def nothing():
    return torch.ones(2)


def rounded(x):
    return x + (x.round() - x).detach()
"""


@pytest.fixture
def mine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A folder with a user's files, and we are in it."""
    (tmp_path / "mine.py").write_text(FILE, encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    before = set(sys.modules)
    yield tmp_path
    for name in set(sys.modules) - before:  # the next test has other files of the same names
        if str(getattr(sys.modules[name], "__file__", "")).startswith(str(tmp_path)):
            del sys.modules[name]


@pytest.mark.parametrize(
    ("line", "status", "says"),
    [
        ("mine.py:Square", 0, ["Square: right", "tried: inputs: --input 5,3, found by trying"]),
        ("mine:Square", 0, ["Square: right"]),
        ("mine.Square", 0, ["Square: right"]),
        ("mine.py:Square.apply", 0, ["Square: right"]),
        ("mine.py:Square --input 2,2:float32 --seed 3", 0, ["tried: inputs: --input 2,2:float32, as given"]),
        ("mine.py:Square --reference torch.square", 0, ["Square: right"]),
        ("mine.py:Square --reference torch:exp", 1, ["error [forward]"]),
        ("mine.py:Halved", 1, ["Halved: wrong", "error [scale]", "Multiply by 2."]),
        ("mine.py:Halved --ignore scale", 0, ["Halved: right"]),
        ("mine.py:CrossEntropy", 1, ["--input 5,3 --input 5:int, found by trying", "Divide by 5."]),
        ("mine.py:CrossEntropy --input 4,9 --input 4:int:9", 1, ["--input 4,9 --input 4:int:9", "Divide by 4."]),
        ("mine.py:Layer", 0, ["Layer: right", "--input 5,7,"]),
        ("mine.py:layer", 0, ["Sized: right", "--input 5,6,"]),
        ("mine.py:logarithm", 0, ["--input 5,3:float:0.1:0.9, found"]),
        ("mine.py:steep", 0, ["--input 5,3 --input =1, found"]),
        ("mine.py:rounded --surrogate mine.py:logarithm --input 3:float:1.1:1.4", 1, ["[surrogate]", "error"]),
        ("torch.nn.functional.linear", 0, ["linear: right", "--input 5,3 --input 4,3, found"]),
        ("torch.nn.functional:cross_entropy --input 3 --input scalar:int:3", 0, ["cross_entropy: right"]),
    ],
)
def test_checks(mine: Path, capsys: pytest.CaptureFixture[str], line: str, status: int, says: list[str]) -> None:
    assert cli.main(["check", *line.split()]) == status
    out = capsys.readouterr().out
    for text in says:
        assert text in out
    assert "printed" not in out


def test_what_the_file_prints_does_not_spoil_the_json(mine: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["check", "mine.py:Halved", "--json"]) == 1
    shown = capsys.readouterr()
    report = json.loads(shown.out)
    assert (report["passed"], report["findings"][0]["code"]) == (False, "scale")
    assert "printed on import" in shown.err


@pytest.mark.parametrize(
    ("line", "says"),
    [
        ("mine.py", "say what to check: mine.py:NAME (Square, Halved, CrossEntropy, Layer, Sized, Broken, Plain, "),
        ("mine.py:Sqare", "mine.py has no name Sqare; did you mean Square?"),
        ("mine.py:Square.appl", "mine.py has no name Square.appl; did you mean apply?"),
        ("mime.py:Square", "there is no file mime.py; did you mean mine.py?"),
        ("no/mine.py:Square", "there is no folder no, so no file no/mine.py"),
        ("./:Square", ". is a folder; name a file"),
        ("notes.txt:Square", "notes.txt is no Python file"),
        ("nowhere:Square", "there is no module nowhere; a file ends in .py"),
        ("torch.nowhere:Square", "there is no module torch.nowhere;"),
        ("mine.py:number", "number is of type int; expected a Function class, a callable or a module"),
        ("mine.py:Plain", "Plain is a class, but neither a torch.autograd.Function nor a torch.nn.Module"),
        ("mine.py:Sized", "Sized takes width: write layer = Sized(...) into the file, and check layer"),
        ("mine.py:Broken", "mine.py, line 60 raises when it is made: ValueError: not today"),
        ("mine.py:raises", "forward raises for each of the 21 inputs tried, for 5,3: KeyError: 'no way'; give "),
        ("mine.py:raises --input 2", "raises raised KeyError: 'no way' (given x (2,) float64)"),
        ("mine.py:quits", "quits ends the program"),
        ("mine.py:text", "text returned str, not a tensor"),
        ("mine.py:grows", "grows: two calls with the same input return different shapes"),
        ("mine.py:keyword", "forward needs the keyword argument dim;"),
        ("mine.py:nothing", "forward takes no input: nothing to differentiate by"),
        ("mine.py:Square --input 3:int", "Square: nothing to differentiate by: none of the 1 inputs"),
        ("mine.py:Square --input 3x4", "input: 3x4 is no shape; write the sizes with commas, 5,3, or =3x4 for a value"),
        ("mine.py:Square --input 3:flot", "input: 3:flot: there is no dtype flot; did you mean float? ("),
        ("mine.py:Square --input 3:float:2:1", "input: 3:float:2:1: LOW must be less than HIGH, got 2 and 1"),
        ("mine.py:Square --input 3:float:a", "input: 3:float:a: bounds are numbers, 3:float:LOW:HIGH"),
        ("mine.py:Square --input 3:int:1.5", "input: 3:int:1.5: integers lie between integers"),
        ("mine.py:Square --input 99999,99999", "input: 99999,99999 has 9,999,800,001 elements; 10,000,000"),
        ("mine.py:Square --ignore scal", "ignore: there is no code scal; did you mean scale? ("),
        ("mine.py:Square --seed -1", "seed takes 0 to "),
        ("mine.py:Square --jsn", "there is no option --jsn; did you mean --json?"),
        ("mine.py:Square --reference torch.sqare", "torch has no name sqare; did you mean square?"),
        ("syntax.py:x", "syntax.py, line 2: "),
        ("fails.py:x", "fails.py, line 3 raises on import: NameError: name 'tensor' is not defined"),
        ("indirect.py:x", "indirect.py, line 1 raises on import: NameError: name 'tensor' is not defined"),
        ("script.py:x", "script.py ends the program on import; put what is a script under if __name__"),
        ("made.py:f", "made.py, line 3 raises in manualgrad_inputs(): ValueError: no inputs"),
        ("none.py:f", "manualgrad_inputs() returns NoneType; expected the inputs, in a tuple"),
    ],
)
def test_mistakes(mine: Path, capsys: pytest.CaptureFixture[str], line: str, says: str) -> None:
    for name, text in {
        "notes.txt": "x = 1",
        "syntax.py": "x = 1\ny = = 2\n",
        "fails.py": "x = 1\n\ny = tensor(3)\n",
        "indirect.py": "import fails\nx = 1\n",
        "script.py": "import argparse\nx = 1\nargparse.ArgumentParser().parse_args(['--no'])\n",
        "made.py": "f = lambda x: x\ndef manualgrad_inputs():\n    raise ValueError('no inputs')\n",
        "none.py": "f = lambda x: x\ndef manualgrad_inputs():\n    pass\n",
    }.items():
        (mine / name).write_text(text, encoding="utf-8")
    assert cli.main(["check", *line.split()]) == 2
    shown = capsys.readouterr()
    assert shown.out == ""
    *_, message, hint = shown.err.splitlines()
    assert message.startswith("manualgrad check: ")
    assert says in message
    assert hint == "See manualgrad check --help"


def test_inputs_from_the_file(mine: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (mine / "with_inputs.py").write_text(
        "import torch\n\ndef f(x, n):\n    assert n == 3\n    return x**n\n\n"
        "def manualgrad_inputs():\n    return torch.rand(2, 2), 3\n",
        encoding="utf-8",
    )
    assert cli.main(["check", "with_inputs.py:f"]) == 0
    assert "inputs: --input 2,2:float32 --input =3, from manualgrad_inputs()" in capsys.readouterr().out


def test_a_file_of_a_package_imports_its_neighbours(mine: Path, capsys: pytest.CaptureFixture[str]) -> None:
    package = mine / "some" / "package_of_mine"
    package.mkdir(parents=True)
    (package / "__init__.py").write_text("", encoding="utf-8")
    (package / "helpers.py").write_text("two = 2.0\n", encoding="utf-8")
    (package / "inner.py").write_text("from .helpers import two\ntwice = lambda x: two * x\n", encoding="utf-8")
    path = list(sys.path)
    assert cli.main(["check", "some/package_of_mine/inner.py:twice"]) == 0
    assert sys.path == path
    assert "function: right" in capsys.readouterr().out


def test_a_file_may_be_called_as_a_library_is(mine: Path) -> None:
    (mine / "json.py").write_text("twice = lambda x: 2 * x\n", encoding="utf-8")
    assert cli.main(["check", "json.py:twice"]) == 0
    assert sys.modules["json"] is json


@pytest.mark.parametrize("text", ["5,3", "scalar", "2:float32", "5:int", "5:int:10", "5:int:-3:4", "4:float:0:1", "=x"])
def test_a_specification_is_written_as_it_was(text: str) -> None:
    assert parse(str(parse(text))) == parse(text)


def test_draws() -> None:
    generator = torch.Generator().manual_seed(0)
    whole = parse("200:int:-3:4").draw(generator)
    assert (whole.dtype, int(whole.min()), int(whole.max())) == (torch.int64, -3, 3)
    between = parse("200:float32:2:3").draw(generator)
    assert between.dtype == torch.float32
    assert 2 <= float(between.min()) < float(between.max()) <= 3
    assert parse("3:complex").draw(generator).dtype == torch.complex128
    assert parse("3:bool").draw(generator).dtype == torch.bool


@pytest.mark.parametrize(
    ("name", "found"),
    [
        ("mm", "5,3 3,4"),
        ("bmm", "2,5,3 2,3,4"),
        ("addmm", "5,4 5,3 3,4"),
        ("det", "4,4"),
        ("acosh", "5,3:float:1.1:3"),
        ("nn.functional.conv2d", "2,3,6,7 4,3,3,3"),
        ("nn.functional.embedding", "5,3:int 4,3"),
        ("nn.functional.mse_loss", "5,3 5,3"),
        ("nn.functional.nll_loss", "5,3 5:int"),
        ("nn.functional.binary_cross_entropy", "5,3:float:0.1:0.9 5,3:float:0.1:0.9"),
        ("nn.functional.scaled_dot_product_attention", "2,5,4 2,6,4 2,6,3"),
    ],
)
def test_inputs_that_torch_takes_are_found(name: str, found: str) -> None:
    fn = locate(f"torch.{name}").load()[0]
    assert " ".join(map(str, find(fn, seed=0))) == found


def test_on_a_terminal(mine: Path) -> None:
    """A table, and no progress for what takes less than two seconds."""
    code = "from manualgrad.cli import main; raise SystemExit(main(['check', 'mine.py:Halved']))"
    leader, follower = pty.openpty()
    done = subprocess.run([sys.executable, "-c", code], stdout=follower, stderr=subprocess.PIPE, check=False)
    shown = os.read(leader, 100_000).decode()
    assert done.returncode == 1
    assert "\x1b[1;31mwrong" in shown
    assert b"checking" not in done.stderr
