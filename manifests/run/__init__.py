"""A run folder; `run_directory` knows where everything is in it.

A run is planned (`plan`), its shards are committed in a ledger (`ledger`, `commit_record`,
`unsettled`), and its results are described (`provenance`), counted (`status`) and checked
(`verify`). `recipe_lock` guards the output of a command that is not planned in shards. `texts`,
`query_table` and `candidate_lists` read queries, passages and candidates; queries stay on disk, so
that ten million take no more memory than a few. `known_first_stage` tells which lists are known to
have another order too. `driver_report` and `event_logs` say what drivers do, and `store_probe`
whether the folder can hold a ledger at all.
"""
