"""The generator: turns queries into candidates and candidates into teacher rankings, on Ray.

`jobs` is the one shard-job engine; `retrieve` and `label` are the two jobs on it. For a label, one
of `strategies` (the order of windows) asks one of `teachers`; for an LLM that takes `prompts`, one
of `engines` and the parser in `permutation`. `cli` and `commands` are the `rankgen` command, the
only place that knows every room.
"""
