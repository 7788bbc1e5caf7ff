"""Checkpoints: weights come back, and what is damaged, foreign or malicious is refused in a sentence."""

from __future__ import annotations

import os
import pickle
from pathlib import Path
from typing import Any

import pytest
import torch

from manualgrad import nn, training
from manualgrad.training.checkpoints import read_checkpoint
from tests.training.learners import network


@pytest.fixture
def checkpoint(tmp_path: Path) -> Path:
    path = tmp_path / "good.ckpt"
    torch.save({"state_dict": network(4, 2).state_dict()}, path)
    return path


def test_weights_come_back(checkpoint: Path) -> None:
    fresh = nn.Sequential(nn.Linear(4, 8), nn.ReLU(), nn.Linear(8, 2))
    training.load_weights(fresh, checkpoint)
    for name, value in network(4, 2).state_dict().items():
        assert torch.equal(fresh.state_dict()[name], value)


def test_a_truncated_checkpoint(checkpoint: Path) -> None:
    whole = checkpoint.read_bytes()
    for length in {*range(0, len(whole) - 1, 97), 1, 2, 3, len(whole) - 1}:
        checkpoint.write_bytes(whole[:length])
        with pytest.raises(training.CheckpointError) as caught:
            read_checkpoint(checkpoint)
        assert str(caught.value).startswith(f"{checkpoint}: not ")
        assert "\n" not in str(caught.value)


class Malicious:
    def __reduce__(self) -> Any:
        return os.mkdir, ("was-run",)


def test_a_malicious_checkpoint_is_not_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    torch.save({"state_dict": Malicious()}, "zip.ckpt")
    Path("pickle.ckpt").write_bytes(pickle.dumps({"state_dict": Malicious()}))
    for name in ("zip.ckpt", "pickle.ckpt"):
        with pytest.raises(training.CheckpointError, match="nothing in it was run"):
            read_checkpoint(name)
    assert not Path("was-run").exists()


def test_a_foreign_checkpoint(tmp_path: Path, checkpoint: Path) -> None:
    own = network(4, 2)
    before = {name: value.clone() for name, value in own.state_dict().items()}
    path = tmp_path / "other.ckpt"

    def refused(content: Any, says: str) -> None:
        torch.save(content, path)
        with pytest.raises(training.CheckpointError, match=says):
            training.load_weights(own, path)

    refused([1, 2], "holds no state_dict")
    refused({"weights": {}}, "holds no state_dict")
    refused({"state_dict": network(4, 2, nn.Linear(2, 2)).state_dict()}, "another network; this network has no 3.bias")
    refused({"state_dict": nn.Linear(4, 8).state_dict()}, "another network; the checkpoint has no 0.bias")
    refused({"state_dict": network(5, 2).state_dict()}, r"another network; 0.weight is \(8, 5\), here \(8, 4\)")
    refused({"state_dict": {**own.state_dict(), "0.bias": 3}}, r"another network; 0.bias is int, here \(8,\)")
    assert all(torch.equal(own.state_dict()[name], value) for name, value in before.items())
    with pytest.raises(training.CheckpointError, match="there is no such checkpoint"):
        read_checkpoint(tmp_path / "none.ckpt")
    with pytest.raises(training.CheckpointError, match="a folder, not a checkpoint"):
        read_checkpoint(tmp_path)
    path.write_text("some text")
    with pytest.raises(training.CheckpointError, match="it is truncated, damaged or something else"):
        read_checkpoint(path)
