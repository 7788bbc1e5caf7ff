"""Rows of the elementary operations."""

from manualgrad.catalogue.row import Row

ROWS: tuple[Row, ...] = ()
