"""The functions and modules that torch has several of around one formula: one for each number of dimensions.

A file bears the name of the formula that it is about: the mathematics of `dimensions/conv.py`, which has `conv1d` and
`Conv3d`, is in `formulas/conv.py`, and knows any number of dimensions.
"""
