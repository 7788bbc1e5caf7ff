"""`manualgrad explain`."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from manualgrad.cli import main
from manualgrad.explaining.examples import load


def run(*arguments: str, capsys: pytest.CaptureFixture[str]) -> tuple[int, str, str]:
    status = main(["explain", *arguments])
    captured = capsys.readouterr()
    return status, captured.out, captured.err


def test_list(capsys: pytest.CaptureFixture[str]) -> None:
    status, out, _ = run("--list", capsys=capsys)
    assert status == 0
    assert [line.split()[0] for line in out.splitlines()] == list(load())
    assert "f = (x + y) z: 7 figures (the document is wrong in 1)" in out
    assert "How many iterations an epoch has: 1 figure\n" in out


@pytest.mark.parametrize("name", [n for n in load() if not n.startswith("2-2-2")])
def test_every_example(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    status, out, err = run(name, capsys=capsys)
    assert (status, err) == (0, "")
    example = load()[name]
    assert out.startswith(example.title)
    for check in example.checks:
        assert check.name in out
    for wrong in example.wrong:
        assert "WRONG" in out
        assert wrong.why.split()[-1] in out
    assert "nan" not in out.split("REMARKS")[0].replace("manual", "")


def test_the_page(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    page = tmp_path / "page.html"
    status, out, _ = run("xyz", "--html", str(page), capsys=capsys)
    assert status == 0
    assert page.read_text(encoding="utf-8").startswith("<!doctype html>")
    assert str(page) in out


def test_steps(capsys: pytest.CaptureFixture[str]) -> None:
    _, out, _ = run("3-4-1", "--steps", "25", capsys=capsys)
    training = out.split("TRAINING")[1].split("FIGURES")[0]
    steps = [line.split()[0] for line in training.splitlines() if line.split()[:1] and line.split()[0].isdigit()]
    assert steps == [*map(str, range(1, 11)), "20", "25"]
    assert " 7    0.925053" in training
    _, out, _ = run("learning-rate-1.0", "--steps", "1000", capsys=capsys)
    assert "The loss overflows at step 129: it diverges." in out


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ([], "name an example"),
        (["2-2-3"], "there is no example 2-2-3; did you mean 2-2-2?"),
        (["xyz", "--html"], "expected one argument"),
        (["xyz", "--htlm", "x.html"], "there is no option --htlm; did you mean --html?"),
        (["xyz", "--html", "/nowhere/at/all/x.html"], "there is no folder /nowhere/at/all"),
        (["xyz", "--html", "/"], "is a folder; name a file"),
        (["epoch", "--html", "x.html"], "epoch is arithmetic; there is no network to draw"),
        (["epoch", "--steps", "2"], "epoch trains no network; it takes no steps"),
        (["3-4-1", "--steps", "0"], "steps takes 1 to 1000000, got 0"),
        (["3-4-1", "--steps", "many"], "steps takes int"),
        (["--list", "xyz"], "--list goes alone"),
    ],
)
def test_mistakes(arguments: list[str], said: str, capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    before = set(Path.cwd().iterdir())
    status, out, err = run(*arguments, capsys=capsys)
    assert (status, out) == (2, "")
    assert said in err
    assert len(err.splitlines()) == 2  # the mistake, and where to read more
    assert set(Path.cwd().iterdir()) == before


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write anywhere")
def test_a_file_without_permission(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    page = tmp_path / "page.html"
    page.touch(0o400)
    status, _, err = run("xyz", "--html", str(page), capsys=capsys)
    assert status == 2
    assert "cannot be written: Permission denied" in err


def test_mistakes_are_told_without_torch() -> None:
    code = (
        "import sys; from manualgrad.cli import main\n"
        "assert main(['explain', '2-2-3']) == 2\n"
        "assert main(['explain', '--list']) == 0\n"
        "assert 'torch' not in sys.modules, 'torch was imported'"
    )
    subprocess.run([sys.executable, "-c", code], check=True, capture_output=True)
