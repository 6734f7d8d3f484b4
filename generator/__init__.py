"""The generator: turns queries into candidates and candidates into teacher rankings, on Ray.

`jobs` is the one shard-job engine; `retrieve` and `label` are the two jobs on it. A label is made by
a `strategies` (the order of windows) that asks one of `teachers`, which for an LLM means `prompts`,
one of `engines` and the parser in `permutation`. `cli` and `commands` are the `rankgen` command, the
only place that knows every room.
"""
