"""Our modules on more than one process: torch's DDP, FSDP2 and tensor parallelism give the gradients of one process."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from tests.distributed_worker import MODELS

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
