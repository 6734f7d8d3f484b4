"""The paper's figures beside yours.

`reproduce` measures your runs and prints both, `tables` holds the paper's figures, `tirex` its
tasks, and `means` averages over them as the paper does.
"""
