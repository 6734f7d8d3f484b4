"""Identity, completeness and speed of models.

`model_source` identifies a model by its content or commit, `loading_report` refuses one that lacks
weights, and `half_precision` measures which number formats are fast on this machine.
"""
