"""The formulas, one file each. `manualgrad.functional` and `manualgrad.nn` are the shelves they are taken from."""
