"""Tables as Lightning data modules: scikit-learn's embedded data sets, or a CSV file in their place.

test         a fifth of the rows, drawn by random_state = split, in proportion to the classes
validation   a share of the rest, drawn in the same way
training     what remains; the scaling of the inputs is fitted on it alone
"""

from __future__ import annotations

from typing import Any, ClassVar, Literal

import numpy as np
import torch
from lightning.pytorch import LightningDataModule
from sklearn import datasets
from sklearn.model_selection import train_test_split
from torch import Tensor

from manualgrad.training.files import DataError, read_table
from manualgrad.training.loading import Batches

TEST_SHARE = 0.2
EVALUATED_AT_ONCE = 1024  # rows per batch where nothing is trained


class Table(LightningDataModule):
    """A table of numbers whose last column is the target, split, scaled and served in batches.

    `kind` says what the target is: "classes", numbered from 0, "values", or "rows", of as many numbers as the input.
    `file` is a CSV file as `read_table` takes it; subclasses have an embedded table where none is given. The other
    arguments are those of `config.Data`, and the `seed` of the order of the training rows.

    After `setup`: `parts` maps "train", "validation" and "test" to their tensors x (rows, columns), float32, and
    y (rows,), int64 or float32; `columns` and `class_names` name the inputs and the classes; `centre` and `scale` are
    what was taken off the inputs and what they were then divided by, `target_centre` and `target_scale` the mean and
    the standard deviation of the training targets, which are left as they are.

    Raises DataError for a file that is not such a table, or with too few rows or classes to split.
    """

    kind: Literal["classes", "values", "rows"] = "classes"
    two_classes: ClassVar[bool] = False  # what is done with the table takes no more
    one_scale: ClassVar[bool] = False  # one mean and deviation for all columns: they share a unit, as pixels do

    def __init__(
        self,
        file: str | None = None,
        split: int = 0,
        validation: float = 0.15,
        batch_size: int = 32,
        seed: int = 0,
        kind: Literal["classes", "values", "rows"] | None = None,
    ) -> None:
        super().__init__()
        self.file = file
        self.split = split
        self.validation = validation
        self.batch_size = batch_size
        self.seed = seed
        self.kind = kind or type(self).kind
        self.parts: dict[str, tuple[Tensor, Tensor]] = {}

    def embedded(self) -> Any:
        """The table of a subclass, as scikit-learn's `Bunch`."""
        raise DataError(f"{type(self).__name__} has no embedded table: give it a file")

    def setup(self, stage: str | None = None) -> None:
        """Read, split and scale; once, whatever the stage."""
        if self.parts:
            return
        x, y = self._read_file() if self.file is not None else self._read_embedded()
        rows = self._split(y)
        fitted = x[rows["train"]]
        axis = None if self.one_scale else 0
        self.centre, deviation = fitted.mean(axis), fitted.std(axis)
        self.scale = np.where(deviation == 0, 1.0, deviation)
        self.target_centre, self.target_scale = float(y[rows["train"]].mean()), float(y[rows["train"]].std())
        x = (x - self.centre) / self.scale
        dtype = torch.int64 if self.kind == "classes" else torch.float32
        self.parts = {
            name: (torch.from_numpy(x[chosen]).float(), torch.from_numpy(y[chosen]).to(dtype))
            for name, chosen in rows.items()
        }

    def _read_embedded(self) -> tuple[np.ndarray, np.ndarray]:
        bunch = self.embedded()
        self.columns = [str(name) for name in bunch.feature_names]
        self.class_names = [str(name) for name in bunch.target_names] if self.kind == "classes" else []
        return bunch.data.astype(np.float64), bunch.target

    def _read_file(self) -> tuple[np.ndarray, np.ndarray]:
        names, rows = read_table(str(self.file))
        table = np.array(rows)
        x, y = table[:, :-1], table[:, -1]
        self.columns = names[:-1]
        if self.kind == "values":
            self.class_names = []
            return x, y
        classes = np.unique(y)
        if not np.array_equal(classes, np.arange(len(classes))) or len(classes) < 2:
            raise DataError(
                f"{self.file}: column {names[-1]} must hold class numbers, all of 0, 1, ... (at least two); "
                f"it holds {', '.join(f'{c:g}' for c in classes[:8])}{', ...' if len(classes) > 8 else ''}"
            )
        if self.two_classes and len(classes) > 2:
            raise DataError(f"{self.file}: column {names[-1]} must hold two classes, 0 and 1; it holds {len(classes)}")
        self.class_names = [f"{c:g}" for c in classes]
        return x, y.astype(np.int64)

    def _split(self, y: np.ndarray) -> dict[str, np.ndarray]:
        """The row numbers of each part."""

        def in_two(rows: np.ndarray, share: float) -> list[np.ndarray]:
            classes = y[rows] if self.kind == "classes" else None
            return train_test_split(rows, test_size=share, stratify=classes, random_state=self.split)

        try:
            rest, test = in_two(np.arange(len(y)), TEST_SHARE)
            train, validation = in_two(rest, self.validation)
        except ValueError as error:
            raise DataError(f"{self.file or type(self).__name__}: {len(y)} rows cannot be split: {error}") from None
        return {"train": train, "validation": validation, "test": test}

    def _batches(self, part: str, batch_size: int, seed: int | None = None) -> Batches:
        return Batches(self.parts[part], batch_size, seed)

    def train_dataloader(self) -> Batches:
        return self._batches("train", self.batch_size, self.seed)

    def val_dataloader(self) -> Batches:
        return self._batches("validation", EVALUATED_AT_ONCE)

    def test_dataloader(self) -> Batches:
        return self._batches("test", EVALUATED_AT_ONCE)


class BreastCancer(Table):
    """569 tumours, 30 measurements of cell nuclei each; malignant (0) or benign (1)."""

    two_classes = True

    def embedded(self) -> Any:
        return datasets.load_breast_cancer()


class Digits(Table):
    """1797 handwritten digits of 8 x 8 pixels; classes 0 to 9."""

    one_scale = True

    def embedded(self) -> Any:
        return datasets.load_digits()


class Diabetes(Table):
    """442 patients, 10 measurements each; the target is how far the disease has progressed a year later."""

    kind = "values"

    def embedded(self) -> Any:
        return datasets.load_diabetes()
