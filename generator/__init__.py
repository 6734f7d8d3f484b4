"""The generator: turns queries into candidates and candidates into teacher rankings, on Ray.

`jobs` is the one shard-job engine; `retrieve`, `label`, `negatives` and `rerank` are the jobs on
it. For a label, one of `strategies` (the order of windows) asks one of `teachers`; for an LLM that
takes `prompts`, one of `engines` and the parser in `permutation`. `team` starts the processes of a
shared training, `settled` has a worker say what "auto" means for a whole run, `doctor` looks at the
machine. `cli` and `commands` are the `rankgen` command, the only place that knows every
room.
"""
