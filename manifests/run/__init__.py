"""A run folder: `run_directory` says where everything stands in it.

A run is planned (`plan`), its shards are committed in a ledger (`ledger`, `commit_record`,
`unsettled`), and what it made is described (`provenance`), counted (`status`) and proven
(`verify`). `texts`, `query_table` and `candidate_lists` read its queries, passages and candidates;
queries stay on the disk, so that ten million take no more memory than a few. `driver_report` and
`event_logs` tell what drivers do, `store_probe` whether the folder can hold a ledger at all.
"""
