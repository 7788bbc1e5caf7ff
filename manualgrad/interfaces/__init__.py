"""Functions and modules of formulas of which torch has several, or which take their arguments in many forms.

They bring what a user of torch may write into the one form that the formula knows. A file bears the name of its
formula: `interfaces/conv.py` has `conv1d` and `Conv3d`, and `formulas/conv.py` the mathematics, for any number of
dimensions.
"""
