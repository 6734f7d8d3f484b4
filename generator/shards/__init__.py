"""The shard engine: fills the shards of a plan on Ray and commits them, whatever they contain.

`work` defines the interface of what fills a shard. `worker` is the Ray actor that runs it and
writes the attempt. `pool` supervises the actors, `task_queue` holds the waiting tasks, and
`sharing` decides which worker may have the next one. `commits` commits attempts, which a job checks
with the help of `attempt_checks`, and `job` runs plan -> pool -> commit -> finish. `cluster` opens
the Ray session (`ray_start` on this machine, `cluster_token` for a cluster), and `starts` starts
workers on `nodes` with room for them. `streak` detects a failure that all tasks share, and
`second_try` repeats failed queries at the end. `claims` and `drivers` coordinate several drivers;
`events`, `watch`, `vitals` and `metrics` report what happens. `settled` asks a worker which value
"auto" resolves to, for a whole run. `team` starts the processes of a distributed training, and
`halving` runs trials and stops the worse ones early, by Ray Tune, which `ray_tune` keeps silent.
"""
