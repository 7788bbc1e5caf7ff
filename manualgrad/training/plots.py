"""The pictures of a run, each returned as the bytes of a PNG file. No window and no display is needed."""

from __future__ import annotations

import io
from collections.abc import Sequence
from typing import Any

import numpy as np
from matplotlib.figure import Figure

BLUE, ORANGE, GREY = "#1f6feb", "#e36209", "#8b949e"


def losses(rows: Sequence[dict[str, Any]], best: int) -> bytes:
    """Training and validation loss by epoch, from the rows of `metrics.csv`; the best epoch is marked."""
    figure, axes = _axes("epoch", "loss")
    epochs = [row["epoch"] for row in rows]
    axes.plot(epochs, [row["train_loss"] for row in rows], color=BLUE, label="training")
    axes.plot(epochs, [row["val_loss"] for row in rows], color=ORANGE, label="validation")
    axes.axvline(best, color=GREY, linestyle=":", label=f"best: epoch {best}")
    axes.set_yscale("log")
    axes.legend(frameon=False)
    return png(figure)


def confusion(predicted: np.ndarray, targets: np.ndarray, names: Sequence[str]) -> bytes:
    """How many test rows of each class (down) were given to each class (across)."""
    count = np.zeros((len(names), len(names)), dtype=int)
    np.add.at(count, (targets, predicted), 1)
    figure, axes = _axes("predicted class", "true class", size=max(4.0, 0.55 * len(names) + 1.5))
    share = count / np.maximum(count.sum(axis=1, keepdims=True), 1)
    axes.imshow(share, cmap="Blues", vmin=0, vmax=1)
    for (row, column), n in np.ndenumerate(count):
        if n:
            colour = "white" if share[row, column] > 0.5 else "black"
            axes.text(column, row, str(n), ha="center", va="center", color=colour)
    axes.set_xticks(range(len(names)), names)
    axes.set_yticks(range(len(names)), names)
    axes.set_title(f"{np.trace(count)} of {count.sum()} test rows right")
    return png(figure)


def residuals(predicted: np.ndarray, targets: np.ndarray) -> bytes:
    """Predicted against true values of the test rows; on the line, prediction and truth agree."""
    figure, axes = _axes("true value", "predicted value")
    ends = [min(targets.min(), predicted.min()), max(targets.max(), predicted.max())]
    axes.plot(ends, ends, color=GREY, linestyle=":")
    axes.scatter(targets, predicted, s=12, color=BLUE)
    axes.set_title(f"mean absolute error {np.abs(predicted - targets).mean():.3g}")
    return png(figure)


def twins(ours: Sequence[float], theirs: Sequence[float], difference: Sequence[float]) -> bytes:
    """The loss of two runs by step, one drawn over the other, and the largest difference between their parameters."""
    figure = Figure(figsize=(9.0, 3.8), layout="constrained")
    left, right = figure.subplots(1, 2)
    left.plot(range(1, len(theirs) + 1), theirs, color=GREY, linewidth=4, label="torch.nn")
    left.plot(range(1, len(ours) + 1), ours, color=BLUE, linewidth=1, label="manualgrad")
    left.set(xlabel="step", ylabel="training loss", yscale="log")
    left.legend(frameon=False)
    right.plot(range(1, len(difference) + 1), difference, color=ORANGE)
    right.set(xlabel="step", ylabel="largest difference between parameters")
    if any(difference):
        right.set_yscale("log")
    for axes in (left, right):
        axes.spines[["top", "right"]].set_visible(False)
    return png(figure)


def _axes(x: str, y: str, size: float = 4.5) -> tuple[Figure, Any]:
    figure = Figure(figsize=(size, 0.85 * size), layout="constrained")
    axes = figure.add_subplot()
    axes.set_xlabel(x)
    axes.set_ylabel(y)
    axes.spines[["top", "right"]].set_visible(False)
    return figure, axes


def png(figure: Figure) -> bytes:
    """The figure as the bytes of a PNG file, the same bytes for the same figure."""
    file = io.BytesIO()
    figure.savefig(file, format="png", dpi=150, metadata={"Software": None})
    return file.getvalue()
