"""The jobs, a room each, under the same names in every room.

`job` plans and runs the job, `settings` are what it can be told, `work` is what a worker does with
one shard, `rows` makes and checks rows, `source` opens what it reads and `texts` publishes texts.
`kinds` lists the jobs, and `settings` here are what all of them can be told.
"""
