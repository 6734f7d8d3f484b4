"""The shard-job engine: fills the shards of a plan on Ray and commits them, whatever they hold.

`work` is the contract with what fills a shard, `worker` the Ray actor that runs it and writes the
attempt, `pool` supervises the actors, `job` drives plan -> pool -> commit -> finish. `retrieve` and
`label` are two jobs on this one engine.
"""
