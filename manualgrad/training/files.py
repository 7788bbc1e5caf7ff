"""Files: a table of numbers read with errors that say where in the file they are; any file written whole or not."""

from __future__ import annotations

import csv
import math
import os
from pathlib import Path


class DataError(ValueError):
    """A data set that cannot be trained on; says which file, line and column."""


class DataMissing(DataError):
    """Data that is the user's to bring, and that is not there; says how to come by it."""


PART = ".{}.part"  # the name of a file that is being written


def write_whole(path: Path, content: bytes) -> None:
    """Write the file: whatever happens, it holds all of `content` or what it held before.

    Raises OSError if it cannot be written, and leaves nothing else behind; only where the program is killed a file
    `PART` remains, which `remove_parts` takes away.
    """
    part = path.with_name(PART.format(path.name))
    try:
        with open(part, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())  # else the new name may reach the disk before the content
        os.replace(part, path)
    except OSError as error:
        raise OSError(error.errno, error.strerror, str(path)) from None  # writing does not tell the name
    finally:
        part.unlink(missing_ok=True)


def remove_parts(folder: Path) -> None:
    """Take away, from the folder and those in it, what `write_whole` left where it was killed."""
    for part in folder.rglob(PART.format("*")):
        part.unlink(missing_ok=True)


def read_table(path: str | Path) -> tuple[list[str], list[list[float]]]:
    """The column names and the rows of a CSV file of numbers whose first line is a header.

    Raises DataError naming the file, the line (the header is line 1) and the column of the first value that is not a
    finite number, of a row that is too long or too short, and for a file that is missing, empty or not text.

    >>> import tempfile
    >>> with tempfile.NamedTemporaryFile("w", suffix=".csv") as file:
    ...     _ = file.write("width,height\\n1,2\\n3,nan\\n")
    ...     file.flush()
    ...     try:
    ...         read_table(file.name)
    ...     except DataError as error:
    ...         print(str(error).removeprefix(file.name))
    : line 3, column height: nan is not a finite number
    """
    try:
        with open(path, newline="", encoding="utf-8-sig") as file:
            reader = csv.reader(file, strict=True)
            names = [name.strip() for name in next(reader, [])]
            rows = [_row(cells, names, f"{path}: line {reader.line_num}") for cells in reader if cells]
    except OSError as error:
        raise DataError(f"{path}: {error.strerror}") from None
    except (UnicodeDecodeError, csv.Error) as error:
        raise DataError(f"{path}: not a CSV file: {error}") from None
    if len(names) < 2:
        raise DataError(f"{path}: the header must name at least one input column and, last, the target")
    if any(_is_number(name) for name in names):
        raise DataError(f"{path}: line 1 must name the columns, it holds numbers")
    if not rows:
        raise DataError(f"{path}: there are no rows below the header")
    return names, rows


def _row(cells: list[str], names: list[str], where: str) -> list[float]:
    if len(cells) != len(names):
        raise DataError(f"{where}: {len(cells)} values, but the header names {len(names)} columns")
    return [_number(cell.strip(), f"{where}, column {name}") for cell, name in zip(cells, names, strict=True)]


def _number(cell: str, where: str) -> float:
    if not _is_number(cell):
        raise DataError(f"{where}: {repr(cell) + ' is not a number' if cell else 'no value'}")
    if not math.isfinite(number := float(cell)):
        raise DataError(f"{where}: {cell} is not a finite number")
    return number


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True
