"""What torch has once for each number of dimensions: the functions and modules of formulas that know any number.

A file bears the name of the formula that it is about: the mathematics of `dimensions/conv.py`, which has `conv1d` and
`Conv3d`, is in `formulas/conv.py`.
"""
