"""`manualgrad train`: what it says to mistakes, at once and in one line, and what it leaves behind."""

from __future__ import annotations

import json
import re
import resource
import statistics
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from manualgrad.arguments import Mistake
from manualgrad.training.command import _elsewhere, main
from manualgrad.training.overview import overview
from manualgrad.training.recipe import recipes

SHORT = ("--trainer.max_epochs", "1", "--hidden", "4")

# Arguments after `manualgrad train`, and what is said to them. FILE.yaml holds what stands after the bar.
MISTAKES = [
    ("digts", "there is no recipe digts; did you mean digits? ("),
    ("DIGITS", "there is no recipe DIGITS; did you mean digits? ("),
    ("none.py", "there is no file none.py"),
    ("no_recipe.py", "no_recipe.py is no recipe: it has no Config"),
    ("--hidden 3", "the recipe comes first, then --hidden ("),
    ("digits more", "too many arguments: more"),
    ("digits --hiden 3", "there is no option --hiden; did you mean --hidden?"),
    ("digits --hid 3", "there is no option --hid; did you mean --hidden?"),
    ("digits --lr 3", "there is no option --lr; did you mean --optimizer.lr?"),
    ("digits --trainer.max_epoch 3", "there is no option --trainer.max_epoch; did you mean --trainer.max_epochs?"),
    ("digits --hidden", "hidden: expected one argument"),
    ("digits --hidden many", "hidden takes a positive int, got many"),
    ("digits --hidden 0", "hidden must be >0, got 0"),
    ("learning_rate --rates []", "rates needs at least one value, got []"),
    ("learning_rate --rates [1,-1]", "rates must be >0, got -1"),
    ("data_parallel --replicas 1", "replicas takes 2 or 3 or 4 or "),
    ("digits --seed -1", "seed must be >=0, got -1"),
    ("digits --engine hand", "engine takes autograd or tape or playback, got hand"),
    ("digits --optimizer.name adamw", "optimizer.name takes SGD or RMSprop or "),
    ("digits --optimizer.lr -1", "optimizer.lr must be >0, got -1"),
    ("digits --optimizer.lr nan", "optimizer.lr must be >0, got nan"),
    ("digits --optimizer.momentum 0.9", "optimizer.momentum: AdamW has none, only SGD and RMSprop have"),
    ("digits --optimizer 3", "optimizer takes settings, name: value, got 3"),
    ("digits --data.validation 1", "data.validation must be >0 and <1, got 1"),
    ("digits --data.file none.csv", "data.file: there is no file none.csv"),
    ("digits --trainer.weights none.ckpt", "trainer.weights: there is no file none.ckpt"),
    ("digits --trainer.logger tensorbord", "trainer.logger takes none or csv or tensorboard, got tensorbord; did you "),
    ("digits --gradient_flow 3", "there is no option --gradient_flow; did you mean --trainer.callbacks.gradient_flow?"),
    (
        "digits --trainer.callbacks.gradient_flw 3",
        "there is no option --trainer.callbacks.gradient_flw; did you ",
    ),
    ("digits --trainer.callbacks.gradient_flow 0", "trainer.callbacks.gradient_flow takes positive int or null, got 0"),
    ("digits --trainer.callbacks gradient_flow", "trainer.callbacks takes settings, name: value, got gradient_flow"),
    ("digits --splits 0", "splits must be >0, got 0"),
    ("own.py --fast", "--fast: own has no FAST"),
    ("wrong.py --fast", "--fast: FAST of wrong: No action for key"),
    ("--all --fst", "--all takes --fast and nothing else, got --fst"),
    ("digits --sweep optimizer.lrr=1,2", "there is no option --optimizer.lrr; did you mean --optimizer.lr?"),
    ("digits --sweep optimizer.lr=.1,-1", "optimizer.lr must be >0, got -1"),
    ("digits --sweep optimizer.lr", "--sweep takes KEY=A,B,..., got optimizer.lr"),
    ("digits --sweep hidden=2,,3", "--sweep takes KEY=A,B,..., got hidden=2,,3"),
    ("digits --sweep out=a,b", "--sweep: out is no setting of the recipe, or is swept twice"),
    ("digits --sweep hidden=2 --sweep hidden=3", "--sweep: hidden is no setting of the recipe, or is swept twice"),
    ("digits --sweep hidden=2 --splits 2", "--splits and --sweep go one at a time"),
    ("digits --resume none", "--resume: there is no folder none"),
    ("own.py --splits 2", "--splits: own.py has no data.split"),
    ("digits --config none.yaml", "config: File does not exist: "),
    ("digits --config=FILE.yaml | hiden: 3", "there is no setting hiden; did you mean hidden? (in FILE.yaml)"),
    ("digits --config FILE.yaml | {data: {splt: 3}}", "there is no setting data.splt; did you mean data.split? (in "),
    ("digits --config FILE.yaml | hidden: many", "hidden takes a positive int, got many (in FILE.yaml)"),
    ("digits --config FILE.yaml | data: 3", "data holds settings (data.file, data.split, "),
    ("digits --config FILE.yaml | [1, 2]", "FILE.yaml must hold settings"),
    ("digits --config FILE.yaml | hidden: [", "FILE.yaml is not YAML: "),
    ("digits --config FILE.yaml | \udcff\udcfe", "FILE.yaml is not YAML: it is not even text"),
    ("digits --out full", "the results cannot be kept: full holds files already; give another folder"),
    ("digits --out full/file", "the results cannot be kept: full/file: File exists"),
    ("digits --out full/file/run", "the results cannot be kept: full/file"),
    ("digits --out /dev/null/run", "the results cannot be kept: /dev/null"),
]

# Reads arguments and answers, a line of JSON each, and fails if that imported anything slow.
WITHOUT_TORCH = """
import contextlib, io, json, sys
from manualgrad.cli import main
for line in sys.stdin:
    said = io.StringIO()
    with contextlib.redirect_stderr(said):
        status = main(["train", *json.loads(line)])
    print(json.dumps([status, said.getvalue()]))
slow = {"torch", "lightning", "sklearn", "numpy", "matplotlib"} & set(sys.modules)
assert not slow, slow
"""


def seconds(*command: str) -> tuple[float, subprocess.CompletedProcess[str]]:
    """The processor time of a command, and what came of it."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    done = subprocess.run(command, capture_output=True, text=True, timeout=60)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime, done


def test_mistakes_are_answered_in_one_line_without_torch(tmp_path: Path) -> None:
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "file").write_text("a result")
    (tmp_path / "no_recipe.py").write_text("def run(): ...")
    (tmp_path / "own.py").write_text(
        "from dataclasses import dataclass\n@dataclass\nclass Config:\n    size: int = 3\ndef run(): ...\n"
    )
    (tmp_path / "wrong.py").write_text((tmp_path / "own.py").read_text() + "FAST = {'sise': 3}\n")
    lines = []
    for number, (given, _) in enumerate(MISTAKES):
        words, _, content = given.partition(" | ")
        (tmp_path / f"{number}.yaml").write_text(content, errors="surrogateescape")
        lines.append(json.dumps(words.replace("FILE", str(number)).split()))
    before = {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()}
    done = subprocess.run(
        [sys.executable, "-c", WITHOUT_TORCH],
        input="\n".join(lines),
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert done.returncode == 0, done.stderr
    answers = [json.loads(line) for line in done.stdout.splitlines()]
    for number, ((given, says), (status, said)) in enumerate(zip(MISTAKES, answers, strict=True)):
        first, *rest = said.splitlines()
        assert first.startswith(f"manualgrad train: {says}".replace("FILE", str(number))), given
        assert rest == ["See manualgrad train --help"], given
        assert status == 2, given
    after = {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file() and path.suffix != ".pyc"}
    assert before == after  # no run folder, and nothing overwritten


@pytest.mark.parametrize("words", [["digits", "--hiden", "3"], ["digits", "--help"], ["digits", "--print_config"], []])
def test_the_answer_comes_at_once(words: list[str]) -> None:
    code = "from manualgrad.cli import main; raise SystemExit(main())"
    taken, done = seconds(sys.executable, "-c", code, "train", *words)
    assert done.returncode == (2 if "--hiden" in words else 0)
    assert taken < 0.5


@pytest.mark.parametrize("out", [["--out", "run"], ["--out=run"], []])
def test_a_process_that_is_not_the_first_leaves_its_results_elsewhere(out: list[str]) -> None:
    assert _elsewhere(["digits", *out, "--seed", "3"], Path("there")) == ["digits", "--seed", "3", "--out", "there"]


@pytest.mark.parametrize("resume", [["--resume", "run"], ["--resume=run"]])
def test_a_process_that_is_not_the_first_goes_on_from_a_copy(resume: list[str], tmp_path: Path) -> None:
    words = [word.replace("run", str(tmp_path / "run")) for word in ["digits", *resume]]
    there = tmp_path / "there"
    assert _elsewhere(words, there) == ["digits", "--resume", str(tmp_path / "run")]  # which will be told: it is not
    (tmp_path / "run" / "checkpoints").mkdir(parents=True)
    (tmp_path / "run" / "checkpoints" / "last.ckpt").write_text("state")
    assert _elsewhere(words, there) == ["digits", "--resume", str(there)]
    assert (there / "checkpoints" / "last.ckpt").read_text() == "state"


def test_the_list_of_recipes(capsys: pytest.CaptureFixture[str]) -> None:
    assert main([]) == main(["--help"]) == 0
    said = capsys.readouterr().out
    assert said == f"{overview()}\n" * 2
    for name in recipes():
        assert f"\n  {name} " in said


OWN = """
from dataclasses import dataclass

@dataclass
class Config:
    size: int = 100

FAST = {"size": 2}

def run(config, run):
    if config.size == 3:
        raise ZeroDivisionError("three")
    return {"other": 0.0, "test_loss": 1.0, "test_size": config.size}
"""


def test_fast_takes_the_place_of_the_defaults_only(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("own.py").write_text(OWN)
    Path("own.yaml").write_text("size: 7")
    for words, size in (
        ("", 100),
        ("--fast", 2),
        ("--fast --size 5", 5),
        ("--size 5 --fast", 5),
        ("--fast --config own.yaml", 7),
    ):
        assert main(["own.py", *words.split()]) == 0
        number = max(int(folder.name) for folder in Path("runs/own").iterdir())
        assert json.loads(Path(f"runs/own/{number}/metrics.json").read_text())["test_size"] == size
        assert Path(f"runs/own/{number}/config.yaml").read_text() == f"size: {size}\n"  # it runs again without --fast


def test_all_recipes_run_and_are_listed_with_what_came_of_them(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    known = {}
    for name, fast in (("first", "2"), ("second", "3"), ("third", "3, 'sise': 4"), ("fourth", "4")):
        known[name] = tmp_path / f"{name}.py"
        known[name].write_text(f'"""The {name} lesson."""' + OWN.replace('"size": 2', f'"size": {fast}'))
    monkeypatch.setattr("manualgrad.training.recipe.recipes", lambda: known)
    monkeypatch.setattr("manualgrad.training.command.recipes", lambda: known)
    monkeypatch.setattr("manualgrad.training.overview.recipes", lambda: known)
    assert main(["--all", "--fast"]) == 1
    rows = [" ".join(line.split()) for line in capsys.readouterr().out.splitlines()[-4:]]
    assert [re.sub(r" \d+\.\d s ", " ", row) for row in rows] == [
        "first test_size 2 (runs/first/1)",
        "second failed: ZeroDivisionError: three",
        'third failed: --fast: FAST of third: No action for key "sise" to set its default.',
        "fourth test_size 4 (runs/fourth/1)",
    ]
    assert sorted(path.name for path in Path("runs").iterdir() if any(path.iterdir())) == ["first", "fourth"]
    shown = overview()
    assert "  first   The first lesson.\n            last run 20" in shown
    assert ": test_size 2 (runs/first/1, --fast)\n  second  The second lesson.\n  third" in shown
    known = {name: known[name] for name in ("first", "fourth")}
    assert main(["--all"]) == 0
    assert ": test_size 100 (runs/first/2)\n" in overview()


def test_the_configuration_can_be_shown_and_given_back(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        main(["digits", "--hidden", "77", "--print_config"])
    assert not ended.value.code
    shown = capsys.readouterr().out
    assert "hidden: 77" in shown
    assert "out" not in shown.split()
    path = tmp_path / "shown.yaml"
    path.write_text(shown)
    with pytest.raises(SystemExit):
        main(["digits", "--config", str(path), "--print_config"])
    assert capsys.readouterr().out == shown


# ---------------------------------------------------------------------------------- mistakes that training has to find


def table(folder: Path, *rows: str) -> str:
    path = folder / "mine.csv"
    path.write_text("a,b,y\n" + "\n".join(rows))
    return str(path)


def test_a_file_of_ones_own(tmp_path: Path) -> None:
    path = table(tmp_path, *(f"{k % 7},{-k},{k % 3}" for k in range(60)))
    assert main(["digits", *SHORT, "--data.file", path, "--out", str(tmp_path / "run")]) == 0
    assert (tmp_path / "run" / "confusion.png").exists()


@pytest.mark.parametrize("name", ["breast_cancer", "overfitting"])
def test_a_file_with_a_class_too_many(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    path = table(tmp_path, *(f"{k},{-k},{k % 3}" for k in range(60)))
    with pytest.raises(Mistake, match=r"mine.csv: column y must hold two classes, 0 and 1; it holds 3"):
        main([name, "--data.file", path])


def test_a_data_file_with_nan(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    path = table(tmp_path, "1,2,0", "3,nan,1")
    with pytest.raises(Mistake, match=r"mine.csv: line 3, column b: nan is not a finite number"):
        main(["diabetes", *SHORT, "--data.file", path])
    assert [p.name for p in tmp_path.iterdir()] == ["mine.csv"]


def test_weights_that_are_not_this_networks(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert main(["diabetes", *SHORT, "--out", "first"]) == 0
    weights = Path("first/checkpoints/best.ckpt")
    assert main(["diabetes", *SHORT, "--trainer.weights", str(weights), "--out", "second"]) == 0
    with pytest.raises(Mistake, match=r"best.ckpt: a checkpoint of another network; network.0.weight is \(4, 10"):
        main(["diabetes", *SHORT, "--hidden", "5", "--trainer.weights", str(weights)])
    weights.write_bytes(weights.read_bytes()[:1000])
    with pytest.raises(Mistake, match=r"best.ckpt: not readable as a checkpoint; it is truncated, damaged or"):
        main(["diabetes", *SHORT, "--trainer.weights", str(weights)])
    assert sorted(p.name for p in tmp_path.iterdir()) == ["first", "second"]


@pytest.mark.skipif(torch.cuda.is_available(), reason="the accelerator is there")
def test_an_accelerator_that_is_not_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(Mistake, match="CUDA"):
        main(["diabetes", *SHORT, "--trainer.accelerator", "cuda"])
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("engine", ["autograd", "tape"])
def test_a_run_that_diverges_fails(
    engine: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    words = ["--optimizer.name", "SGD", "--optimizer.lr", "1e12", "--engine", engine]
    assert main(["diabetes", *words]) == 1
    said = capsys.readouterr().err
    assert said.startswith("manualgrad train diabetes: the training loss is ")
    assert " steps (epoch " in said
    assert said.count("\n") == 1
    assert not list(tmp_path.iterdir())


def test_the_mean_over_splits(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = tmp_path / "run"
    assert main(["breast_cancer", *SHORT, "--splits", "3", "--out", str(out)]) == 0
    said = capsys.readouterr().out.splitlines()
    assert sorted(p.name for p in out.iterdir()) == [
        "config.yaml",
        "metrics.json",
        "run.json",
        "split-0",
        "split-1",
        "split-2",
    ]
    each = [json.loads((out / f"split-{k}" / "metrics.json").read_text())["test_loss"] for k in range(3)]
    assert len(set(each)) > 1
    found = json.loads((out / "metrics.json").read_text())["test_loss"]
    assert found == {"mean": statistics.fmean(each), "sd": statistics.stdev(each), "splits": each}
    assert said[-3] == f"test_loss: mean {found['mean']:.4f}, sd {found['sd']:.4f} over 3 splits"
    alone = tmp_path / "alone"
    assert main(["breast_cancer", *SHORT, "--data.split", "2", "--out", str(alone)]) == 0
    assert (alone / "metrics.json").read_bytes() == (out / "split-2" / "metrics.json").read_bytes()


def test_a_sweep_is_a_folder_for_each_value_a_table_and_a_picture(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    sweeps = ("--sweep", "optimizer.lr=.01,1e12", "--sweep", "hidden=2,3")
    assert main(["diabetes", "--fast", "--optimizer.name", "SGD", *sweeps]) == 0
    folder = Path("runs/diabetes/1")
    points = [f"optimizer.lr={lr},hidden={width}" for lr in (".01", "1e12") for width in (2, 3)]
    kept = ("config.yaml", "diabetes.png", "metrics.json", "run.json", "table.txt")
    assert sorted(path.name for path in folder.iterdir()) == sorted([*points, *kept])
    assert (folder / "table.txt").read_text() in capsys.readouterr().out
    table = [line.split() for line in (folder / "table.txt").read_text().splitlines()]
    assert table[0] == ["optimizer.lr", "hidden", "test_loss", "test_r2", "test_mae"]
    assert [row[:2] for row in table[1:]] == [[lr, w] for lr in (".01", "1e12") for w in ("2", "3")]
    alone = Path("alone")
    assert (
        main(
            [
                "diabetes",
                "--fast",
                "--optimizer.name",
                "SGD",
                "--optimizer.lr",
                ".01",
                "--hidden",
                "3",
                "--out",
                "alone",
            ]
        )
        == 0
    )
    found = json.loads((folder / points[1] / "metrics.json").read_text())
    assert found == json.loads((alone / "metrics.json").read_text())
    assert table[2][3] == f"{found['test_r2']:.4g}"
    assert [row[2:] for row in table[3:]] == [["diverged"] * 3] * 2
    assert "test_r2 of 4 settings (runs/diabetes/1, --fast)" in overview()
