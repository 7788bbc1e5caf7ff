"""How numbers and names are written, in the text, on the page and in the figure alike."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Sequence

from manualgrad.explaining.trace import Operation, Quantity


def number(value: float, digits: int = 4) -> str:
    """`value` as a book prints it: `digits` decimals without trailing zeros, or as many significant ones if it is
    small.

    >>> number(0.05), number(0.7413650696), number(0.08216704), number(0.00043856773), number(-1e-9), number(163395.0)
    ('0.05', '0.7414', '0.0822', '0.0004386', '-1e-09', '163395')
    """
    value = float(value)
    if value == 0:
        return "0"  # and never -0
    if value != value or value in (float("inf"), float("-inf")):
        return str(value)
    if abs(value) >= 1e7 or abs(value) < 0.01:
        return f"{value:.{digits}g}"
    text = f"{value:.{digits}f}".rstrip("0").rstrip(".")
    return "0" if text == "-0" else text


def count(number: int, what: str) -> str:
    """`1 path`, `2 paths`.

    >>> count(1, "path"), count(2, "path")
    ('1 path', '2 paths')
    """
    return f"{number} {what}" if number == 1 else f"{number} {what}s"


def size(shape: Sequence[int]) -> str:
    """`3 x 4` for a shape; `a number` for the empty one.

    >>> size((3, 4)), size(())
    ('3 x 4', 'a number')
    """
    return " x ".join(map(str, shape)) or "a number"


def table(header: Sequence[str], rows: Iterable[Sequence[str]], indent: int = 0) -> list[str]:
    """Lines of a table: columns of numbers are aligned at the decimal point, all others to the left.

    >>> print(*table(["w", "value"], [["w1", "0.15"], ["w2", "-12"]]), sep="\\n")
    w   value
    w1    0.15
    w2  -12
    """
    rows = [list(row) for row in rows]
    columns = []
    for title, *cells in zip(header, *rows, strict=True):
        if cells and all(_is_number(c) for c in cells):
            left = max(len(c.partition(".")[0]) for c in cells)
            cells = [" " * (left - len(c.partition(".")[0])) + c for c in cells]
        width = max(len(title), *(len(c) for c in cells)) if cells else len(title)
        columns.append([f"{c:<{width}}" for c in (title, *cells)])
    return [(" " * indent + "  ".join(line)).rstrip() for line in zip(*columns, strict=True)]


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True


def nearest(word: str, words: Iterable[str]) -> str:
    """`"; did you mean X?"`, or nothing if none of `words` is like `word`."""
    close = difflib.get_close_matches(word, list(words), n=1, cutoff=0.4)
    return f"; did you mean {close[0]}?" if close else ""


def summary(quantity: Quantity, gradient: bool = False, digits: int = 4) -> str:
    """A number, the few numbers of a short vector, or for anything larger its shape and its largest element."""
    tensor = quantity.gradient if gradient else quantity.value
    if tensor is None:
        return "none"
    if tensor.numel() == 1:
        return number(tensor.item(), digits)
    if tensor.numel() <= 4 and sum(d > 1 for d in tensor.shape) <= 1:
        return "[" + ", ".join(number(v, digits) for v in tensor.flatten().tolist()) + "]"
    if not tensor.numel():
        return f"{size(tensor.shape)} (empty)"
    return f"{size(tensor.shape)}, at most {number(tensor.double().abs().max().item(), digits)}"


def where(operation: Operation) -> str:
    return operation.layer or operation.title
