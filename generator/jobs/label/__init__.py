"""`rankgen label`: a teacher orders the candidates of a run.

`cost` is what it has cost, `estimate` is `label --dry-run`, `held_versions` compares the versions
that a run was begun with; `relabel` is `verify --relabel`, and `audit` asks how far a teacher
follows the order in which it is given the lists.
"""
