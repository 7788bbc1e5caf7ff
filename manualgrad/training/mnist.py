"""MNIST from a folder of the user's, in its own file format, idx; torchvision is not needed to read it.

    bytes 0, 1    0
    byte 2        the type of the elements; 8, unsigned bytes, is the only one here
    byte 3        n, the number of dimensions
    then          n lengths, 4 bytes each, the highest first; then the elements, the last dimension side by side

Source: LeCun, Cortes & Burges, The MNIST database of handwritten digits, "File formats".
"""

from __future__ import annotations

import gzip
import math
import struct
import zlib
from pathlib import Path

import numpy as np
from sklearn.model_selection import train_test_split

from manualgrad.training.data import Table
from manualgrad.training.files import DataError, DataMissing

FILES = ("train-images-idx3-ubyte", "train-labels-idx1-ubyte", "t10k-images-idx3-ubyte", "t10k-labels-idx1-ubyte")
CLASSES = 10


def read_idx(path: str | Path) -> np.ndarray:
    """The uint8 array in an idx file, gzipped or not.

    Raises DataError naming the file for one that is missing, truncated, too long, or not of this format.

    >>> import tempfile
    >>> with tempfile.NamedTemporaryFile() as file:
    ...     _ = file.write(bytes([0, 0, 8, 1, 0, 0, 0, 3, 7, 8, 9]))
    ...     file.flush()
    ...     read_idx(file.name)
    array([7, 8, 9], dtype=uint8)
    """
    try:
        content = Path(path).read_bytes()
        if content[:2] == b"\x1f\x8b":
            content = gzip.decompress(content)
    except (EOFError, gzip.BadGzipFile, zlib.error) as error:
        raise DataError(f"{path}: a damaged or truncated gzip file: {error}") from None
    except OSError as error:
        raise DataError(f"{path}: {error.strerror}") from None
    if len(content) < 4 or content[:3] != b"\0\0\x08":
        raise DataError(f"{path}: not an idx file of bytes: it starts with {content[:4].hex(' ') or 'nothing'}")
    start = 4 + 4 * content[3]
    if len(content) < start:
        raise DataError(f"{path}: truncated: it ends in its header")
    shape = struct.unpack(f">{content[3]}I", content[4:start])
    if len(content) - start != math.prod(shape):
        what = "truncated" if len(content) - start < math.prod(shape) else "too long"
        raise DataError(f"{path}: {what}: {len(content) - start:,} elements, its header says {math.prod(shape):,}")
    return np.frombuffer(content, np.uint8, offset=start).reshape(shape)


class Mnist(Table):
    """Handwritten digits of 28 x 28 pixels; classes 0 to 9; the test rows are those that MNIST has set aside.

    `folder` holds the four files of MNIST, or is what torchvision calls its root, with the files in `MNIST/raw`.
    The other arguments, and what there is after `setup`, are as in `Table`; `split` draws the validation rows.

    Raises DataMissing if the files are not there, and DataError for one that is not what its name says.
    """

    one_scale = True

    def __init__(
        self, folder: str | Path = "data", split: int = 0, validation: float = 0.15, batch_size: int = 32, seed: int = 0
    ) -> None:
        super().__init__(None, split, validation, batch_size, seed)
        self.folder = Path(folder)

    def _read_embedded(self) -> tuple[np.ndarray, np.ndarray]:
        train, test = (self._read_part(*names) for names in (FILES[:2], FILES[2:]))
        self.test_rows = len(test[1])
        self.columns = [f"pixel_{row}_{column}" for row in range(28) for column in range(28)]
        self.class_names = [str(k) for k in range(CLASSES)]
        x, y = (np.concatenate(parts) for parts in zip(train, test, strict=True))
        return x.reshape(-1, 784).astype(np.float32), y.astype(np.int64)

    def _read_part(self, images: str, labels: str) -> tuple[np.ndarray, np.ndarray]:
        x, y = (read_idx(self._find(name)) for name in (images, labels))
        if x.shape[1:] != (28, 28) or y.ndim != 1 or len(x) != len(y) or not len(y):
            raise DataError(
                f"{self.folder}: {images} has shape {x.shape}, {labels} {y.shape}; not (n, 28, 28) and (n,)"
            )
        if y.max() >= CLASSES:
            raise DataError(f"{self.folder}: {labels} holds the class {y.max()}, the highest of MNIST is 9")
        return x, y

    def _find(self, name: str) -> Path:
        for folder in (self.folder, self.folder / "raw", self.folder / "MNIST" / "raw"):
            for path in (folder / name, folder / f"{name}.gz"):
                if path.is_file():
                    return path
        raise DataMissing(
            f"{self.folder}: MNIST is not there ({name}, or {name}.gz); "
            f"torchvision.datasets.MNIST({str(self.folder)!r}, download=True) brings it, or --folder says where it is"
        )

    def _split(self, y: np.ndarray) -> dict[str, np.ndarray]:
        rest = np.arange(len(y) - self.test_rows)
        try:
            train, validation = train_test_split(
                rest, test_size=self.validation, stratify=y[rest], random_state=self.split
            )
        except ValueError as error:
            raise DataError(f"{self.folder}: {len(rest)} training rows cannot be split: {error}") from None
        return {"train": train, "validation": validation, "test": np.arange(len(rest), len(y))}
