"""`rankgen label`: a teacher orders the candidates of a run.

`work` fills a shard; `rows` lays out its tables, `counts` adds them up, and `checks` tells whether
the windows lead to the rankings. `cost` is what it has cost, `estimate` is `label --dry-run`,
`held_versions` compares the versions that a run was begun with; `relabel` is `verify --relabel`,
and `audit` asks how far a teacher follows the order in which it is given the lists.
"""
