"""The paper's figures beside one's own.

`reproduce` prints them, `tables` has the paper's, `tirex` and `means` average over collections as
the paper does.
"""
