"""What a model is and whether all of it is there.

`model_source` names it by its content or commit, `loading_report` refuses one that lacks weights,
`half_precision` measures which number format is fast on this machine.
"""
