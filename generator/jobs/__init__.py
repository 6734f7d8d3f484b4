"""The jobs that fill shards, each under the same names.

`label` plans and runs a label job, `label_work` is what a worker does with one shard of it, and so
for `retrieve`, `negatives` and `rerank`. `label_rows` makes the rows of a label, `retrieve_texts`
publishes texts and judgements, `estimate` is `label --dry-run`, `relabel` is `verify --relabel`,
`held_versions` compares the versions that a run was begun with.
"""
