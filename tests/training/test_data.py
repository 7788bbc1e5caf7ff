"""Tables and batches: what is read, how it is split and scaled, and what is refused."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from sklearn.datasets import load_breast_cancer, load_diabetes, load_digits
from sklearn.model_selection import train_test_split

from manualgrad import training
from manualgrad.training.files import DataError, read_table
from manualgrad.training.loading import Batches
from tests.training.learners import ready

TABLES = [training.BreastCancer, training.Digits, training.Diabetes]
LOADERS = {"BreastCancer": load_breast_cancer, "Digits": load_digits, "Diabetes": load_diabetes}


def test_batches_cover_all_rows_in_an_order_of_seed_and_epoch() -> None:
    rows = torch.arange(23)

    def order(seed: int | None, epoch: int) -> list[int]:
        batches = Batches((rows, rows * 10), batch_size=5, seed=seed)
        batches.set_epoch(epoch)
        drawn = list(batches)
        assert [len(x) for x, _ in drawn] == [5, 5, 5, 5, 3]
        assert len(batches) == len(drawn)
        assert all(torch.equal(y, x * 10) for x, y in drawn)
        return torch.cat([x for x, _ in drawn]).tolist()

    assert order(None, 7) == rows.tolist()
    assert sorted(order(1, 0)) == rows.tolist()
    assert order(1, 0) == order(1, 0)
    assert len({tuple(order(seed, epoch)) for seed in range(3) for epoch in range(3)}) == 9


@pytest.mark.parametrize("kind", TABLES)
@pytest.mark.parametrize("split", [0, 3])
def test_the_parts_of_a_table(kind: type[training.Table], split: int) -> None:
    table = ready(kind(split=split, validation=0.15))
    x, y = LOADERS[kind.__name__](return_X_y=True)
    classes = y if table.kind == "classes" else None
    rest, test, rest_y, test_y = train_test_split(x, y, test_size=0.2, stratify=classes, random_state=split)
    stratify = rest_y if table.kind == "classes" else None
    train, validation = train_test_split(rest, test_size=0.15, stratify=stratify, random_state=split)
    axis = None if kind is training.Digits else 0
    centre, scale = train.mean(axis), train.std(axis)
    for name, rows in (("train", train), ("validation", validation), ("test", test)):
        inputs = table.parts[name][0]
        assert inputs.dtype == torch.float32
        np.testing.assert_allclose(inputs.numpy(), (rows - centre) / scale, rtol=1e-5, atol=1e-6)
    targets = table.parts["test"][1]
    assert targets.dtype == (torch.int64 if table.kind == "classes" else torch.float32)
    np.testing.assert_array_equal(targets.numpy(), test_y)
    assert len(table.columns) == x.shape[1]
    if table.kind == "classes":
        assert len(table.class_names) == y.max() + 1
        for _, part in table.parts.values():
            share = np.bincount(part.numpy(), minlength=len(table.class_names)) / len(part)
            np.testing.assert_allclose(share, np.bincount(y) / len(y), atol=0.015)


def test_a_constant_column_is_not_divided_by_zero(tmp_path: Path) -> None:
    lines = ["a,b,y", *(f"{k},5,{k % 2}" for k in range(40))]
    table = ready(training.Table(write(tmp_path, "\n".join(lines))))
    assert all(torch.isfinite(x).all() and not x[:, 1].any() for x, _ in table.parts.values())


def write(folder: Path, text: str | bytes) -> str:
    path = folder / "table.csv"
    path.write_bytes(text.encode() if isinstance(text, str) else text)
    return str(path)


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("a,b\n1,2\n3,nan\n", ": line 3, column b: nan is not a finite number"),
        ("a,b\n1,2\ninf,1\n", ": line 3, column a: inf is not a finite number"),
        ("a,b\n1,2\n\n3,\n", ": line 4, column b: no value"),
        ("a,b\n1,many\n", ": line 2, column b: 'many' is not a number"),
        ("a,b\n1,2\n1,2,3\n", ": line 3: 3 values, but the header names 2 columns"),
        ("a,b\n1\n", ": line 2: 1 values, but the header names 2 columns"),
        ("1,2\n3,4\n", ": line 1 must name the columns, it holds numbers"),
        ("a,b\n", ": there are no rows below the header"),
        ("", ": the header must name at least one input column and, last, the target"),
        ("a\n1\n", ": the header must name at least one input column and, last, the target"),
        (b"\xff\xfe\x00\x01", ": not a CSV file: "),
        ('a,b\n"1,2\n', ": not a CSV file: "),
    ],
)
def test_a_file_that_is_no_table(tmp_path: Path, text: str | bytes, says: str) -> None:
    path = write(tmp_path, text)
    with pytest.raises(DataError) as caught:
        read_table(path)
    assert str(caught.value).startswith(path + says)


def test_a_file_that_cannot_be_read(tmp_path: Path) -> None:
    for path, says in ((tmp_path / "none.csv", "No such file"), (tmp_path, "Is a directory")):
        with pytest.raises(DataError, match=says):
            read_table(path)


@pytest.mark.parametrize(
    ("targets", "says"),
    [
        ([1, 2], "column y must hold class numbers, all of 0, 1, ... .at least two.; it holds 1, 2"),
        ([0, 2], "it holds 0, 2"),
        ([0, 0.5], "it holds 0, 0.5"),
        ([0], "it holds 0"),
        (range(1, 12), "it holds 1, 2, 3, 4, 5, 6, 7, 8, ..."),
        ([0, 1, *[2] * 40], "cannot be split: The least populated class"),
    ],
)
def test_targets_that_are_no_classes(tmp_path: Path, targets: Any, says: str) -> None:
    targets = list(targets) * (2 if max(targets) < 2 and 0.5 not in targets else 1)
    path = write(tmp_path, "x,y\n" + "".join(f"{k},{t}\n" for k, t in enumerate(targets)))
    with pytest.raises(DataError, match=says):
        ready(training.Table(path))
    if "split" not in says:
        values = training.Table(write(tmp_path, "x,y\n" + "".join(f"{k},{t}\n" for k, t in enumerate([*targets] * 5))))
        values.kind = "values"
        assert ready(values).class_names == []


def test_a_table_without_a_file() -> None:
    with pytest.raises(DataError, match="Table has no embedded table: give it a file"):
        ready(training.Table())
