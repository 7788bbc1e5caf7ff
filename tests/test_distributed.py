"""Our modules on more than one process: torch's DDP, FSDP2 and tensor parallelism give the gradients of one process."""

from __future__ import annotations

import csv
import json
import os
import signal
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from manualgrad.cli import main
from manualgrad.training.checkpoints import read_checkpoint
from tests.distributed_worker import MODELS
from tests.surviving import outcome, with_a_recipe

CASES = [
    *(f"{strategy} {name}" for strategy in ("DDP", "FSDP2") for name in MODELS),
    "tensor parallel perceptron",
    "five steps of AdamW under DDP",
]


def free_port() -> int:
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return int(s.getsockname()[1])


@pytest.fixture(scope="module")
def differences(tmp_path_factory: pytest.TempPathFactory) -> dict[str, float]:
    """Of every case, by two processes with 7 and 6 of the 13 rows, started by torchrun; warnings are errors there."""
    found = tmp_path_factory.mktemp("distributed") / "found.json"
    worker = Path(__file__).with_name("distributed_worker.py")
    torchrun = ["-m", "torch.distributed.run", "--nproc_per_node=2", f"--master_port={free_port()}"]
    command = [sys.executable, *torchrun, str(worker), str(found)]
    root = worker.parents[1]
    environment = os.environ | {"PYTHONPATH": str(root), "OMP_NUM_THREADS": "1"}
    done = subprocess.run(command, env=environment, cwd=root, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr
    loaded: dict[str, float] = json.loads(found.read_text(encoding="utf-8"))
    return loaded


@pytest.mark.parametrize("case", CASES)
def test_two_processes_make_the_gradients_of_one(case: str, differences: dict[str, float]) -> None:
    assert differences[case] < 1e-6


def test_every_case_is_asked_for(differences: dict[str, float]) -> None:
    assert sorted(differences) == sorted(CASES)


# Started by Lightning itself, and by torchrun.
LAUNCHERS = {
    "lightning": ["-m", "manualgrad"],
    "torchrun": ["-m", "torch.distributed.run", "--nproc_per_node=2", "-m", "manualgrad"],
}


def metrics_of(folder: Path) -> list[dict[str, float]]:
    """Those of the epochs, and those of the test."""
    rows = csv.DictReader((folder / "metrics.csv").read_text(encoding="utf-8").splitlines())
    figures = [dict(row) for row in rows] + [json.loads((folder / "metrics.json").read_text(encoding="utf-8"))]
    return [{name: float(value) for name, value in row.items()} for row in figures]


@pytest.mark.parametrize("launcher", ["lightning", pytest.param("torchrun", marks=pytest.mark.slow)])
def test_a_run_of_two_processes_is_the_run_of_one(launcher: str, tmp_path: Path) -> None:
    """Losses, and metrics over the rows of both. Of the last batch, which has one row, the second process gets none."""
    train = ["train", "digits", "--trainer.max_epochs=2", "--data.batch_size=122", "--hidden=32"]
    assert main([*train, "--out", str(tmp_path / "one")]) == 0
    two = ["--trainer.devices=2", "--trainer.strategy=ddp", "--out", "two"]
    environment = os.environ | {"PYTHONPATH": str(Path(__file__).parents[1]), "OMP_NUM_THREADS": "1"}
    port = {"MASTER_PORT": str(free_port())}
    command = [sys.executable, *LAUNCHERS[launcher], *train, *two]
    done = subprocess.run(command, env=environment | port, cwd=tmp_path, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr
    assert done.stdout.count("epoch 2/2") == 1
    assert sorted(path.name for path in tmp_path.iterdir()) == ["one", "two"]
    one, both = metrics_of(tmp_path / "one"), metrics_of(tmp_path / "two")
    assert len(one) == len(both) == 3
    for a, b in zip(one, both, strict=True):
        assert a == pytest.approx(b, rel=1e-5)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("launcher", "rank", "number"),
    [
        ("lightning", 0, signal.SIGKILL),
        ("lightning", 0, signal.SIGTERM),
        ("lightning", 1, signal.SIGTERM),
        ("torchrun", 1, signal.SIGKILL),
    ],
)
def test_a_run_of_two_processes_goes_on_to_the_last_bit(
    launcher: str, rank: int, number: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With dropout, which differs between the two, and a schedule; ended within its second epoch of 8 steps."""
    with_a_recipe(tmp_path, monkeypatch)
    environment = os.environ | {"PYTHONPATH": str(Path(__file__).parents[1]), "OMP_NUM_THREADS": "1"}

    def train(*words: str, **more: str) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, *LAUNCHERS[launcher], "train", "own.py", *words]
        given = environment | more | {"MASTER_PORT": str(free_port())}
        return subprocess.run(command, env=given, capture_output=True, text=True, timeout=300)

    words = ("--trainer.devices=2", "--trainer.strategy=ddp", "--trainer.checkpoint_steps=3")
    whole = train(*words, "--out", "whole")
    assert whole.returncode == 0, whole.stderr
    ended = train(*words, "--out", "run", SIGNAL=f"{rank} 13 {number}")
    if number == signal.SIGTERM:  # whichever got it, both end after the same step
        assert ended.returncode == 143
        assert (
            ended.stderr
            == "manualgrad train own.py: ended by SIGTERM; go on with: manualgrad train own.py --resume run\n"
        )
    assert ended.returncode
    assert read_checkpoint(Path("run/checkpoints/last.ckpt"))["global_step"] == (13 if number == signal.SIGTERM else 12)
    resumed = train("--resume", "run")
    assert resumed.returncode == 0, resumed.stderr
    assert outcome(Path("run")) == outcome(Path("whole"))


@pytest.mark.slow
def test_lightning_shards_our_parameters(tmp_path: Path) -> None:
    """FSDP2 by Lightning's ModelParallelStrategy, two processes beside one."""
    found = []
    for processes in ("1", "2"):
        file = tmp_path / processes
        root = Path(__file__).parents[1]
        command = [sys.executable, str(root / "tests" / "sharded_worker.py"), processes, str(file)]
        environment = os.environ | {"PYTHONPATH": str(root), "OMP_NUM_THREADS": "1", "MASTER_PORT": str(free_port())}
        done = subprocess.run(command, env=environment, cwd=tmp_path, capture_output=True, text=True, timeout=300)
        assert done.returncode == 0, done.stderr
        found.append(json.loads(file.read_text(encoding="utf-8")))
    assert found[0] == pytest.approx(found[1], rel=1e-5)
    assert found[0]["val_accuracy"] > 0.2
