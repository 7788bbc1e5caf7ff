"""MNIST in its own file format: read with torchvision or without it, damaged files named."""

from __future__ import annotations

import gzip
import json
import struct
from pathlib import Path

import numpy as np
import pytest
from sklearn.datasets import load_digits

from manualgrad.arguments import Mistake
from manualgrad.training import DataError, Mnist, command, read_idx
from manualgrad.training.recipe import recipes

IMAGES, LABELS = "train-images-idx3-ubyte", "train-labels-idx1-ubyte"


def idx(array: np.ndarray) -> bytes:
    """The array in MNIST's file format, written from its description."""
    return struct.pack(f">4B{array.ndim}I", 0, 0, 8, array.ndim, *array.shape) + array.astype(np.uint8).tobytes()


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A tiny MNIST where torchvision would put it: scikit-learn's digits, three times as large, in a frame of two."""
    digits = load_digits()
    images = np.pad(np.kron(digits.images * 15, np.ones((1, 3, 3))), ((0, 0), (2, 2), (2, 2)))
    raw = tmp_path / "mine" / "MNIST" / "raw"
    raw.mkdir(parents=True)
    for name, rows in (("train", slice(0, 300)), ("t10k", slice(300, 400))):
        (raw / f"{name}-images-idx3-ubyte").write_bytes(idx(images[rows]))
        (raw / f"{name}-labels-idx1-ubyte.gz").write_bytes(gzip.compress(idx(digits.target[rows])))
    return raw


def test_mnist_is_read_and_split(folder: Path) -> None:
    data = Mnist(folder.parent.parent)
    data.setup()
    assert {name: x.shape for name, (x, _) in data.parts.items()} == {
        "train": (255, 784),
        "validation": (45, 784),
        "test": (100, 784),
    }
    x, y = data.parts["test"]
    raw = read_idx(folder / "t10k-images-idx3-ubyte").reshape(100, 784)
    assert np.allclose(x.numpy() * data.scale + data.centre, raw, atol=1e-3)  # MNIST's own test rows, in its order
    assert np.array_equal(y.numpy(), read_idx(folder / "t10k-labels-idx1-ubyte.gz"))
    assert data.parts["train"][0].mean().abs() < 1e-4


def test_the_recipe_runs(folder: Path, tmp_path: Path) -> None:
    words = ["mnist", "--folder", str(folder), "--hidden", "16", "--data.batch_size", "16", "--trainer.max_epochs", "4"]
    assert command.main([*words, "--out", str(tmp_path / "run")]) == 0
    found = json.loads((tmp_path / "run" / "metrics.json").read_text())
    assert found["test_accuracy"] > 0.6  # of a tiny set of few epochs; guessing has .1
    assert (tmp_path / "run" / "confusion.png").exists()


@pytest.mark.parametrize(
    ("name", "content", "says"),
    [
        (IMAGES, b"", "not an idx file of bytes: it starts with nothing"),
        (IMAGES, b"<!DOCTYPE html>", "not an idx file of bytes: it starts with 3c 21 44 4f"),
        (IMAGES, idx(np.zeros((2, 28, 28)))[:9], "truncated: it ends in its header"),
        (IMAGES, idx(np.zeros((2, 28, 28)))[:-5], "truncated: 1,563 elements, its header says 1,568"),
        (IMAGES, idx(np.zeros((2, 28, 28))) + b"\0", "too long: 1,569 elements, its header says 1,568"),
        (IMAGES, gzip.compress(idx(np.zeros((2, 28, 28))), mtime=0)[:-9], "a damaged or truncated gzip file"),
        (IMAGES, idx(np.zeros((300, 8, 8))), r"has shape \(300, 8, 8\)"),
        (IMAGES, idx(np.zeros((299, 28, 28))), r"not \(n, 28, 28\) and \(n,\)"),
        (IMAGES, bytes([0, 0, 13, 1, 0, 0, 0, 0]), "not an idx file of bytes: it starts with 00 00 0d 01"),
        (LABELS, idx(np.full(300, 10)), "holds the class 10, the highest of MNIST is 9"),
        (LABELS, idx(np.arange(300) % 300 // 299), "300 training rows cannot be split"),
    ],
    ids=range(11),  # else the bytes themselves, gzip's time among them, name the test
)
def test_files_that_are_not_what_they_should_be(folder: Path, name: str, content: bytes, says: str) -> None:
    (folder / name).write_bytes(content)
    with pytest.raises(DataError, match=f"^{folder}.*{says}"):
        Mnist(folder).setup()


def test_without_mnist(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.chdir(tmp_path)
    says = "data: MNIST is not there (train-images-idx3-ubyte, or train-images-idx3-ubyte.gz); torchvision"
    with pytest.raises(Mistake) as error:
        command.main(["mnist"])
    assert str(error.value).startswith(says)
    assert not [path for path in tmp_path.rglob("*") if path.is_file()]
    monkeypatch.setattr(command, "recipes", lambda: {"mnist": recipes()["mnist"]})
    assert command.main(["--all", "--fast"]) == 0  # it is left out, and that is no failure
    assert f"s  left out: {says}" in capsys.readouterr().out
    (tmp_path / "my.csv").write_text("a,b\n1,2\n")
    with pytest.raises(Mistake, match="--folder"):
        command.main(["mnist", "--data.file", "my.csv"])
