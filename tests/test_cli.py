"""The command line: what it prints, how fast it says no, and that no mistake ends in a traceback."""

from __future__ import annotations

import dataclasses
import functools
import io
import json
import re
import resource
import signal
import subprocess
import sys
import time
from dataclasses import dataclass, field
from importlib.metadata import entry_points
from pathlib import Path
from types import SimpleNamespace
from typing import Literal

import pytest
import torch
from jsonargparse.typing import OpenUnitInterval, PositiveInt
from rich.console import Console

from manualgrad import __version__, cli
from manualgrad.arguments import Mistake, Parser
from manualgrad.catalogue import BY_NAME, ROWS
from manualgrad.cli import demo
from manualgrad.proof import QUICK

# Runs the command line and fails if that imported torch.
WITHOUT_TORCH = """
import sys
from manualgrad.cli import main
try:
    status = main()
finally:
    assert "torch" not in sys.modules, "torch was imported"
sys.exit(status)
"""


def manualgrad(*words: str, code: str = "from manualgrad.cli import main; raise SystemExit(main())") -> list[str]:
    return [sys.executable, "-c", code, *words]


# ------------------------------------------------------------------------------------------------ help and mistakes


@pytest.mark.parametrize(
    ("line", "says"),
    [
        ("tran", "manualgrad: there is no command tran; did you mean train? ("),
        ("xyz", "manualgrad: there is no command xyz ("),
        ("--versoin", "manualgrad: there is no option --versoin; did you mean --version?"),
        ("list sigmiod", "manualgrad list: there is no formula sigmiod; did you mean sigmoid?"),
        ("list --jsn", "manualgrad list: there is no option --jsn; did you mean --json?"),
        ("list --js", "manualgrad list: there is no option --js; did you mean --json?"),
        ("list sigmoid tanh", "manualgrad list: too many arguments: tanh"),
        ("list --json --markdown", "manualgrad list: --json and --markdown exclude each other"),
        ("list sigmoid --markdown", "manualgrad list: --markdown shows the whole catalogue; it takes no NAME"),
        ("list sigmoid --coverage", "manualgrad list: --coverage shows all of torch.nn; it takes no NAME"),
        ("demo fast", "manualgrad demo: too many arguments: fast"),
        ("mutate nofile.py:X", "manualgrad mutate: there is no file nofile.py"),
        ("train dijits", "manualgrad train: there is no recipe dijits; did you mean digits?"),
        ("train digits --lr 1", "manualgrad train: there is no option --lr; did you mean --optimizer.lr?"),
        ("check mine.py:Square", "manualgrad check: there is no file mine.py"),
        (
            "check torch.nn.functional:liner",
            "manualgrad check: torch.nn.functional has no name liner; did you mean linea",
        ),
        ("check torch:sin --input 5x3", "manualgrad check: input: 5x3 is no shape; write the sizes with commas, "),
        ("bench --pair 5", "manualgrad bench: there is no option --pair; did you mean --pairs?"),
    ],
)
def test_a_mistake_is_answered_at_once_in_one_line(line: str, says: str) -> None:
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    done = subprocess.run(manualgrad(*line.split(), code=WITHOUT_TORCH), capture_output=True, text=True)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    assert done.returncode == 2
    assert done.stdout == ""
    message, hint = done.stderr.splitlines()
    assert message.startswith(says)
    assert re.fullmatch(r"See manualgrad( \w+)? --help", hint)
    assert after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime < 0.5, "seconds of processor time"


@pytest.mark.parametrize("command", [[], *([name] for name in cli.COMMANDS)], ids=" ".join)
def test_help_comes_without_torch(command: list[str]) -> None:
    done = subprocess.run(manualgrad(*command, "--help", code=WITHOUT_TORCH), capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.startswith(f"usage: {' '.join(['manualgrad', *command])}")


def test_no_command_is_a_mistake_that_shows_the_help(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main([]) == 2
    out, err = capsys.readouterr()
    assert out == ""
    for name, command in cli.COMMANDS.items():
        assert re.search(rf"^  {name} +{re.escape(command.help)}$", err, re.MULTILINE)


def test_version(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["--version"]) == 0
    assert capsys.readouterr().out.startswith(f"manualgrad {__version__} (torch {torch.__version__}")


def test_the_script_and_the_module_are_the_same_command() -> None:
    (script,) = (e for e in entry_points(group="console_scripts") if e.name == "manualgrad")
    assert script.load() is cli.main
    done = subprocess.run([sys.executable, "-m", "manualgrad", "--version"], capture_output=True, text=True)
    assert done.stdout.startswith(f"manualgrad {__version__}")


# --------------------------------------------------------------------------------------------------- being stopped


def command_that(monkeypatch: pytest.MonkeyPatch, error: BaseException, cause: BaseException | None = None) -> None:
    """Make `manualgrad stop` end with `error`, raised while `cause` was handled."""

    def main(argv: list[str]) -> None:
        if cause is None:
            raise error
        try:
            raise cause
        except BaseException:
            raise error  # noqa: B904

    monkeypatch.setitem(sys.modules, "stop", SimpleNamespace(main=main))
    monkeypatch.setitem(cli.COMMANDS, "stop", cli.Command("", "stop"))


@pytest.mark.parametrize(
    ("error", "cause"), [(KeyboardInterrupt(), None), (SystemExit(1), KeyboardInterrupt())], ids=["python", "lightning"]
)
def test_an_interrupted_command_says_so_in_one_line(
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    error: BaseException,
    cause: BaseException | None,
) -> None:
    command_that(monkeypatch, error, cause)
    assert cli.main(["stop"]) == 130
    assert capsys.readouterr() == ("", "manualgrad: interrupted\n")


def test_other_ends_are_left_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    command_that(monkeypatch, SystemExit(3))
    with pytest.raises(SystemExit, match=r"^3$"):
        cli.main(["stop"])
    command_that(monkeypatch, ZeroDivisionError("a mistake of ours"))
    with pytest.raises(ZeroDivisionError):
        cli.main(["stop"])


def test_control_c_during_the_demo() -> None:
    with subprocess.Popen(manualgrad("demo"), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as demo:
        assert demo.stdout is not None
        demo.stdout.readline()
        time.sleep(0.3)
        demo.send_signal(signal.SIGINT)
        _, err = demo.communicate(timeout=60)
    assert (demo.returncode, err) == (130, "manualgrad: interrupted\n")


def test_a_reader_that_has_seen_enough() -> None:
    with subprocess.Popen(manualgrad("list"), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as listing:
        assert listing.stdout is not None
        assert listing.stderr is not None
        listing.stdout.close()
        assert listing.stderr.read() == ""
    assert listing.returncode == 141


@pytest.mark.parametrize(
    ("line", "closed", "status"),
    [
        ("--help", ">&-", 0),
        ("train", ">&- 2>&- <&-", 0),
        ("trian", ">&-", 2),
        ("trian", "2>&-", 2),
    ],
)
def test_closed_streams_end_in_nothing(line: str, closed: str, status: int) -> None:
    code = """
import os, sys
from manualgrad.cli import main
status = main()
assert os.open(os.devnull, os.O_RDONLY) > 2, "a file has the number of a stream"
sys.exit(status)
"""
    command = ["sh", "-c", f'"$0" "$@" {closed}', *manualgrad(*line.split(), code=code)]
    done = subprocess.run(command, capture_output=True, text=True)
    assert (done.returncode, done.stdout) == (status, "")
    assert "Traceback" not in done.stderr


# ------------------------------------------------------------------------------------------------------ the parser


@dataclass
class Data:
    """Data.

    Args:
        size: How many.
    """

    size: PositiveInt = 32
    share: OpenUnitInterval = 0.5


@dataclass
class Settings:
    """Settings.

    Args:
        kind: Which.
    """

    kind: Literal["plain", "fancy"] = "plain"
    rate: float | None = None
    data: Data = field(default_factory=Data)


def parser() -> Parser:
    made = Parser("try", "Try it.")
    made.add_argument("name", nargs="?", choices=["digits", "diabetes"])
    made.add_argument("--config", action="config")
    made.add_class_arguments(Settings)
    return made


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (["--kind", "fency"], "kind takes plain or fancy, got fency; did you mean fancy?"),
        (["--kind=xyz"], "kind takes plain or fancy, got xyz"),
        (["--kind"], "kind: expected one argument"),
        (["--kid", "fancy"], "there is no option --kid; did you mean --kind?"),
        (["--size", "3"], "there is no option --size; did you mean --data.size?"),
        (["--rate", "fast"], "rate takes float or null, got fast"),
        (["--data.size", "-3"], "data.size must be >0, got -3"),
        (["--data.size", "many"], "data.size takes a positive int, got many"),
        (["--data.size", "2.5"], "data.size takes a positive int, got 2.5"),
        (["--data.share", "1"], "data.share must be >0 and <1, got 1"),
        (["--data", "{"], "data takes settings, name: value, got {"),
        (["digit"], "there is no name digit; did you mean digits? (digits, diabetes)"),
        (["digits", "diabetes"], "too many arguments: diabetes"),
        (["--config", "no.yaml"], re.compile("config: File does not exist: .*no.yaml'")),
    ],
)
def test_the_parser_says_what_is_wrong(words: list[str], says: str | re.Pattern[str]) -> None:
    with pytest.raises(Mistake) as mistake:
        parser().parse_args(words)
    assert re.fullmatch(says if isinstance(says, re.Pattern) else re.escape(says), str(mistake.value))


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("kid: fancy", "there is no setting kid; did you mean kind? (in FILE)"),
        ("data: {siz: 3}", "there is no setting data.siz; did you mean data.size? (in FILE)"),
        ("size: 3", "there is no setting size; did you mean data.size? (in FILE)"),
        ("kind: fency", "kind takes plain or fancy, got fency; did you mean fancy? (in FILE)"),
        ("data:\n  size: 0", "data.size must be >0, got 0 (in FILE)"),
        ("[", re.compile("FILE is not YAML: while parsing a flow node .* in line .*")),
        ("- 3", "FILE must hold settings, one `name: value` a line"),
    ],
)
@pytest.mark.parametrize("form", ["--config {}", "--config={}"])
def test_a_mistake_in_a_file_names_the_file(tmp_path: Path, form: str, text: str, says: str | re.Pattern[str]) -> None:
    file = tmp_path / "settings.yaml"
    file.write_text(text)
    with pytest.raises(Mistake) as mistake:
        parser().parse_args(form.format(file).split())
    shown = str(mistake.value).replace(str(file), "FILE")
    assert re.fullmatch(says if isinstance(says, re.Pattern) else re.escape(says), shown)


def test_options_win_over_the_file(tmp_path: Path) -> None:
    file = tmp_path / "settings.yaml"
    file.write_text("kind: fancy\ndata: {size: 3}")
    found = parser().parse_args(["digits", "--config", str(file), "--data.size", "4"])
    assert (found.name, found.kind, found.data.size, found.data.share) == ("digits", "fancy", 4, 0.5)


# ------------------------------------------------------------------------------------------------------------ list


def test_list_on_a_pipe_is_a_line_for_each_formula(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["list"]) == 0
    lines = [line.split("\t") for line in capsys.readouterr().out.splitlines()]
    assert [name for _, name, _, _ in lines] == [row.name for row in ROWS]
    assert ["activations", "sigmoid", "y = 1 / (1 + e^-x)", "dx = dy . y (1 - y)"] in lines


def test_list_on_a_terminal_is_a_table(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr(sys.stdout, "isatty", lambda: True)
    monkeypatch.setenv("COLUMNS", "120")
    assert cli.main(["list"]) == 0
    out = capsys.readouterr().out
    for row in ROWS:
        assert row.name in out
    assert f"{len(ROWS)} formulas" in out


def test_list_of_one_formula_is_all_that_is_said_about_it(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["list", "linear"]) == 0
    assert capsys.readouterr().out == f"linear(input, weight, bias=None)\n\n{BY_NAME['linear'].text}\n"
    assert cli.main(["list", "exp"]) == 0  # shares a file, whose docstring is shown too
    out = capsys.readouterr().out
    assert "Exponential." in out
    assert "Exponentials and logarithms, applied" in out


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs a device that is always full, as Linux has")
def test_a_full_disk_is_one_line() -> None:
    with Path("/dev/full").open("w") as full:
        done = subprocess.run(manualgrad("explain", "--list"), stdout=full, stderr=subprocess.PIPE, text=True)
    assert (done.returncode, done.stderr) == (1, "manualgrad explain: no space left on the device\n")


def test_list_of_a_function_that_is_several_formulas(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["list", "multi_head_attention_forward"]) == 0
    first, _, text = capsys.readouterr().out.partition("\n\n")
    assert first.startswith("multi_head_attention_forward(query, key, value, ")
    assert len(text) > 100
    assert cli.main(["list", "einsum"]) == 0  # not the page of the matrix product, which it makes use of
    out = capsys.readouterr().out
    assert "y  = sum of x w ... over the letters" in out
    assert "Matrix product." not in out
    assert cli.main(["list", "gru_cell"]) == 0  # its own words first, then the formula that it is a step of
    first, *parts = capsys.readouterr().out.split("\n\n")
    assert parts[0].startswith("One step of `gru`")
    assert any("n = tanh(u_n + r v_n)" in part for part in parts[1:])


def test_list_as_json(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["list", "--json"]) == 0
    entries = json.loads(capsys.readouterr().out)
    assert [entry["name"] for entry in entries] == [row.name for row in ROWS]
    for entry in entries:
        assert entry["forward"]
        assert entry["backward"]
        assert entry["tangent"]
    assert cli.main(["list", "sigmoid", "--json"]) == 0
    (sigmoid,) = json.loads(capsys.readouterr().out)
    assert sigmoid["family"] == "activations"
    assert sigmoid["signature"] == "sigmoid(input)"
    assert sigmoid["modules"] == ["manualgrad.nn.Sigmoid"]
    assert sigmoid["tangent"] == ["y' = x' . y (1 - y)"]


def test_list_as_markdown(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["list", "--markdown"]) == 0
    rows = [line for line in capsys.readouterr().out.splitlines() if line.startswith("| `")]
    assert len(rows) == len(ROWS)
    for row in rows:
        assert len(re.findall(r"(?<!\\)\|", row)) == 4, f"a bar inside a cell is written \\|: {row}"


# ------------------------------------------------------------------------------------------------------------ demo


ROW = BY_NAME["linear"]
WRONG_ROW = dataclasses.replace(BY_NAME["sigmoid"], twin=torch.tanh)


@pytest.mark.parametrize("terminal", [True, False])
def test_a_claim_that_does_not_hold_is_shown(monkeypatch: pytest.MonkeyPatch, terminal: bool) -> None:
    monkeypatch.setattr("manualgrad.catalogue.FAMILIES", {"few": (ROW,), "wrong": (WRONG_ROW,)})
    monkeypatch.setattr(demo, "verdicts", functools.partial(demo.verdicts, processes=1))
    shown = io.StringIO()
    console = Console(file=shown, force_terminal=terminal, width=100, highlight=False, soft_wrap=True)
    assert not demo.prove(console)
    assert "sigmoid, equal_to_torch: " in shown.getvalue()
    assert "linear, " not in shown.getvalue()
    assert re.search(rf"2 formulas, {2 * len(QUICK)} claims: \d do not hold", shown.getvalue())


def test_what_is_wrong_with_a_row_is_said_in_a_line_each() -> None:
    assert demo.broken_claims(ROW) == []
    broken = demo.broken_claims(WRONG_ROW)
    assert broken
    for line in broken:
        assert re.fullmatch(r"sigmoid, \w+: [^\n]+", line)


def test_helpers_prove_their_share_of_the_rows() -> None:
    rows = [BY_NAME[name] for name in ("sigmoid", "linear", "exp", "tanh", "add")]
    assert list(demo.verdicts(rows, processes=2)) == [(row.name, []) for row in rows]
    assert [name for name, _ in demo.verdicts(rows[:1], processes=4)] == ["sigmoid"]


def test_the_demo_from_end_to_end(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    monkeypatch.setattr("manualgrad.catalogue.FAMILIES", {"few": (ROW,)})  # tests/test_catalogue.py proves them all
    assert cli.main(["demo", "--out", str(tmp_path / "here")]) == 0
    out, err = capsys.readouterr()
    assert err == ""
    assert f"1 formulas, {len(QUICK)} claims: all hold." in out
    assert re.search(r"after 100 steps: \d\.\de-0[6789]$", out, re.MULTILINE)
    first, second = re.findall(r"600 steps; on the test split: (.*)$", out, re.MULTILINE)
    assert first == second
    assert "The two runs agree." in out
    for path in re.findall(rf"{tmp_path}/[\w/.]+", out):
        assert Path(path).exists()
    assert {p.name for p in (tmp_path / "here").iterdir()} == {"ours", "torch", "twins.png"}
    assert cli.main(["demo", "--out", str(tmp_path / "here")]) == 2  # nothing is overwritten
    assert "holds files already" in capsys.readouterr().err


def test_claims_are_sentences() -> None:
    for check in QUICK:
        assert re.fullmatch(r"\w.{20,}[^.]", demo.claim(check)), check.__name__
