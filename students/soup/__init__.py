"""Averages the weights of students that differ in seed or settings: a model soup.

`ingredients` opens students and refuses those that do not belong together, `learned` refuses
validations of queries that they learned from, `average` sums weights, and `soup` chooses what is
kept: all, or what betters the validation. `soup_folder` stores the mean with its record, `card`
describes it, and `summary` is what is told of it.
"""
