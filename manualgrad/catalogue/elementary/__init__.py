"""Rows of the elementary operations: a file for each of `formulas/` that has several of them."""

from manualgrad.catalogue.elementary import (
    arithmetic,
    choice,
    elementwise,
    extremes,
    fourier,
    indexing,
    joining,
    matmul,
    matrices,
    ordering,
    pointwise,
    reductions,
    shape,
    special,
    statistics,
)
from manualgrad.catalogue.row import Row

ROWS: tuple[Row, ...] = (
    *arithmetic.ROWS,
    *pointwise.ROWS,
    *elementwise.ROWS,
    *matmul.ROWS,
    *matrices.ROWS,
    *reductions.ROWS,
    *extremes.ROWS,
    *choice.ROWS,
    *shape.ROWS,
    *indexing.ROWS,
    *joining.ROWS,
    *ordering.ROWS,
    *fourier.ROWS,
    *statistics.ROWS,
    *special.ROWS,
)
