"""How far rankings agree, and what they cost: `compare` is the whole comparison.

`measures` are pure functions on two orders; `coverage` says which pairs a run's windows showed its
teacher; `table` shows the result in a terminal.
"""
