"""THE table: every formula once, with its torch twin and the inputs to try it on.

The tests, the benchmark, `manualgrad list`, `manualgrad demo` and the table in the README are read off `ROWS`.
Adding a formula = one file in `formulas/` + one row in the file of its family here + its line on the two shelves.
"""

from manualgrad.catalogue import (
    activations,
    attention,
    convolution,
    dropout,
    elementary,
    embedding,
    images,
    layers,
    losses,
    normalisation,
    pooling,
    recurrent,
    surrogates,
)
from manualgrad.catalogue.row import Draw as Draw
from manualgrad.catalogue.row import Drop as Drop
from manualgrad.catalogue.row import Row as Row
from manualgrad.catalogue.row import Sample as Sample

FAMILIES: dict[str, tuple[Row, ...]] = {
    "activations": activations.ROWS,
    "surrogates": surrogates.ROWS,
    "normalisation": normalisation.ROWS,
    "layers": layers.ROWS,
    "convolution": convolution.ROWS,
    "recurrent": recurrent.ROWS,
    "attention": attention.ROWS,
    "dropout": dropout.ROWS,
    "pooling": pooling.ROWS,
    "embedding": embedding.ROWS,
    "images": images.ROWS,
    "losses": losses.ROWS,
    "elementary": elementary.ROWS,
}

ROWS: tuple[Row, ...] = tuple(row for family in FAMILIES.values() for row in family)

BY_NAME: dict[str, Row] = {row.name: row for row in ROWS}
