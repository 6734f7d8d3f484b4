"""What a server's answers cost.

`prices` are the user's, `till` keeps the cost of all workers below a cap, and each worker pays out
of its `purse`.
"""
