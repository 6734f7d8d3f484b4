"""The shard engine: fills the shards of a plan on Ray and commits them, whatever they hold.

`work` is the contract with what fills a shard, `worker` the Ray actor that runs it and writes the
attempt, `pool` supervises the actors, `sharing` says which of them may have the next task,
`commits` commits what they make, `job` drives plan -> pool -> commit -> finish. `cluster` opens the
Ray session (`ray_start` here, `cluster_token` elsewhere), `starts` brings workers up on `nodes`
that can hold them, `streak` tells one fault of all from many of one, `second_try` asks again at the
end, `claims` and `drivers` say who works on what, `events`, `watch`, `vitals` and `metrics` what
happens. `settled` has a worker say what "auto" means for a whole run, `team` starts the processes
of a shared training.
"""
