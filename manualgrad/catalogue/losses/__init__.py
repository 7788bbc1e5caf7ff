"""Rows of the losses."""

from manualgrad.catalogue.losses import classification, distances, margins, regression, sequences
from manualgrad.catalogue.row import Row

ROWS: tuple[Row, ...] = (
    *regression.ROWS,
    *classification.ROWS,
    *margins.ROWS,
    *distances.ROWS,
    *sequences.ROWS,
)
