"""Contracts: what was promised, what was made, and the proof of it.

Recipes come in (`recipe`); a run is planned (`plan`), its shards are written (`shard`) under fixed
schemas (`schema`), committed in a ledger (`ledger`) and described (`provenance`). `run_directory`
says where everything stands, `records` and `trec` hold the field's own nouns and files, `errors`
the one error tree. This room imports nothing of ours; every other room may import it.
"""
