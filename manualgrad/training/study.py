"""What a study leaves: one table and one picture. A study compares: it trains several networks, or none."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

import numpy as np
from matplotlib import rc_context
from matplotlib.figure import Figure

from manualgrad.training.plots import png
from manualgrad.training.run import Run

# Okabe and Ito's colours, which stay apart for colour-blind readers, less their yellow, which is pale on white.
BLUE, ORANGE, GREEN, PURPLE, SKY, RED, BLACK = COLOURS = (
    "#0072B2",
    "#E69F00",
    "#009E73",
    "#CC79A7",
    "#56B4E9",
    "#D55E00",
    "#000000",
)


def table(run: Run, rows: Sequence[Mapping[str, Any]]) -> None:
    """Print rows that have the same columns, aligned, and leave them in the run's folder as `table.txt`.

    Floats are shown with four significant digits, text as it is.

    >>> import tempfile, pathlib
    >>> with tempfile.TemporaryDirectory() as parent, Run("study", pathlib.Path(parent, "run")) as run:
    ...     table(run, [{"way": "by hand", "error": 0.123456}, {"way": "torch", "error": 12345678.0}])
    way          error
    by hand     0.1235
    torch    1.235e+07
    """
    cells = [list(rows[0]), *([_cell(value) for value in row.values()] for row in rows)]
    widths = [max(map(len, column)) for column in zip(*cells, strict=True)]
    justify = [str.ljust if isinstance(value, str) else str.rjust for value in rows[0].values()]
    lines = ["  ".join(j(c, w) for j, c, w in zip(justify, row, widths, strict=True)) for row in cells]
    text = "\n".join(line.rstrip() for line in lines)
    print(text, flush=True)
    run.write("table.txt", text + "\n")


def _cell(value: Any) -> str:
    return f"{value:.4g}" if isinstance(value, float) else str(value)


@contextmanager
def picture(
    run: Run, title: str, rows: int = 1, columns: int = 1, size: tuple[float, float] = (4.6, 3.9), **shared: Any
) -> Iterator[np.ndarray]:
    """A grid of axes to draw in, (columns,) or (rows, columns); at the end it becomes the run's `NAME.png`.

    `size` is that of one of the axes, in inches; `shared` are `sharex` and `sharey` of `Figure.subplots`.

    >>> import tempfile, pathlib
    >>> with tempfile.TemporaryDirectory() as parent, Run("study", pathlib.Path(parent, "run")) as run:
    ...     with picture(run, "A line", columns=2) as (left, right):
    ...         _ = left.plot([1, 2], [3, 4])
    ...     [path.name for path in run.folder.iterdir()]
    ['study.png']
    """
    with rc_context(
        {"axes.prop_cycle": f"cycler('color', {list(COLOURS)})", "font.size": 9.5, "legend.frameon": False}
    ):
        figure = Figure(figsize=(columns * size[0], rows * size[1] + 0.4), layout="constrained")
        axes = figure.subplots(rows, columns, squeeze=False, **shared)
        for each in axes.flat:
            each.spines[["top", "right"]].set_visible(False)
            each.grid(color="0.92")
            each.set_axisbelow(True)
        figure.suptitle(title, fontsize=12, fontweight="bold")
        yield axes[0] if rows == 1 else axes
        run.write(f"{run.name}.png", png(figure))
