"""Contracts: what was promised, what was made, and the proof of it.

Recipes come in (`recipe`); a run is planned (`plan`), its shards are written (`shard`) under fixed
schemas (`schema`), committed in a ledger (`ledger`) and described (`provenance`). Queries are kept
on the disk (`query_table`), so that ten million take no more memory than a few. `run_directory`
says where everything stands, `event_logs` reads what drivers wrote of their work, `records` and
`trec` hold the field's own nouns and files, `errors` the one error tree, `notices` what is said on
the way. `model_source` names a model by its content or commit, `loading_report` refuses one whose
weights are not all there, `half_precision` measures which number format is fast, `judged_queries`
words which judged queries have no list. This room imports nothing of ours; every other room may
import it.
"""
