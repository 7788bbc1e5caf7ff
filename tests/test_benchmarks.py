"""The benchmark's arithmetic, with a clock of our own: no test depends on how fast the machine is."""

import json
import subprocess
import sys
import time
from pathlib import Path

import pytest
import torch

from manualgrad.arguments import Mistake
from manualgrad.benchmarks import cases, pairs, steps
from manualgrad.benchmarks.command import main


class Clock:
    """A process whose time passes only when work says so."""

    def __init__(self) -> None:
        self.now = 0.0

    def work(self, seconds: float) -> None:
        self.now += seconds


def test_ratio_of_known_work(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = Clock()
    monkeypatch.setattr(time, "process_time", lambda: clock.now)
    ratio = pairs.paired(lambda: clock.work(3e-5), lambda: clock.work(2e-5))
    assert ratio.median == pytest.approx(1.5)
    assert ratio.low == pytest.approx(ratio.high)
    assert ratio.torch_microseconds == pytest.approx(20.0)


def test_a_machine_that_slows_down_does_not_change_the_ratio(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = Clock()
    monkeypatch.setattr(time, "process_time", lambda: clock.now)
    ratio = pairs.paired(lambda: clock.work(2e-5 * (1 + clock.now)), lambda: clock.work(1e-5 * (1 + clock.now)))
    assert ratio.median == pytest.approx(2.0, rel=0.02)


@pytest.mark.parametrize("case", [*cases.CASES, *cases.row_cases(compiled=False)], ids=lambda c: c.name)
def test_both_sides_of_a_case_do_the_same_work(case: cases.Case) -> None:
    for work in case.build("cpu"):
        work()


@pytest.mark.parametrize("played", [False, True])
def test_the_training_steps_compared_are_the_same_training(played: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    models = []
    original = cases._mlp

    def remember(package: type) -> torch.nn.Sequential:
        models.append(original(package))
        return models[-1]

    monkeypatch.setattr(cases, "_mlp", remember)
    ours, theirs = cases._training_step(played)("cpu")
    for _ in range(3):
        ours()
        theirs()
    for p, q in zip(models[0].parameters(), models[1].parameters(), strict=True):
        torch.testing.assert_close(p, q, rtol=1e-5, atol=1e-6)


@pytest.mark.filterwarnings("ignore:.*LeafSpec:FutureWarning")  # between Lightning 2.6 and torch 2.13
def test_training_steps_take_some_time_in_every_way(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(steps, "EPOCHS", 3)
    found = steps.training_steps(rounds=1)
    assert set(found) == {f"{way}, {engine}" for way in ("fit", "loop") for engine in steps.LIMITS} | {
        "Lightning",
        "empty",
    }
    assert all(microseconds > 0 for microseconds in found.values())


WIDE = """
import re, sys, time
from pathlib import Path
import torch
from manualgrad.benchmarks.cases import wide_vocabulary

def mebibytes(field):
    return int(re.search(field + r":\\s+(\\d+) kB", Path("/proc/self/status").read_text()).group(1)) / 1024

torch.set_num_threads(1)
work = wide_vocabulary(8192, "cpu")[sys.argv[1] == "theirs"]
Path("/proc/self/clear_refs").write_text("5")  # the peak so far is forgotten
before = mebibytes("VmRSS")
work()
peak = mebibytes("VmHWM") - before
start = time.process_time()
work()
print(peak, time.process_time() - start)
"""


@pytest.mark.slow
def test_a_wide_vocabulary_takes_little_memory_and_less_time() -> None:
    """The figures of 8192 samples of 512 inputs and 32000 classes: a twentieth of torch's memory, 0.8 of its time."""

    def measured(whose: str) -> tuple[float, ...]:
        command = [sys.executable, "-c", WIDE, whose]
        return tuple(map(float, subprocess.run(command, check=True, capture_output=True).stdout.split()))

    for _ in range(2):
        (our_peak, our_time), (their_peak, their_time) = measured("ours"), measured("theirs")
        print(f"{our_peak:.0f} MiB beside {their_peak:.0f} MiB, {our_time:.2f} s beside {their_time:.2f} s")
        assert our_peak <= their_peak / 20
        assert our_time <= 0.8 * their_time


def test_results_are_written(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    threads = torch.get_num_threads()
    try:
        assert main(["linear 1x4", "--pairs", "3", "--json", str(tmp_path / "bench.json")]) == 0
    finally:
        torch.set_num_threads(threads)
    record = json.loads((tmp_path / "bench.json").read_text())
    assert set(record["cases"]) == {"linear 1x4"}
    assert record["cases"]["linear 1x4"]["median"] > 0
    assert "linear 1x4" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("argv", "message"),
    [
        (["liner 1x4"], r"there is no case liner 1x4; did you mean linear 1x4\?"),
        (["--device", "cdua"], r"device takes cpu or cuda, got cdua; did you mean cuda\?"),
        (["--pairs", "1"], "pairs takes 3 or more, got 1"),
        (["--compiled"], "--compiled goes with --rows"),
        (["--json", "no/such/folder/x.json"], "there is no folder .*no/such/folder"),
    ],
)
def test_mistakes(argv: list[str], message: str) -> None:
    with pytest.raises(Mistake, match=message):
        main(argv)
