"""The places that data sets are published to, each whole or not at all as far as it can be.

`base` says what a place can do; `folder`, `store` and `hub` are the three, and `opening` picks one
by its name.
"""
