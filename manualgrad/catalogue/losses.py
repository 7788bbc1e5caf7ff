"""Rows of the losses."""

from manualgrad.catalogue.row import Row

ROWS: tuple[Row, ...] = ()
