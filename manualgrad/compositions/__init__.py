"""Functions of torch that are several formulas in a row: recurrent stacks, multi-head attention."""
