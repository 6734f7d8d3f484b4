"""The generator: turns queries into candidates and candidates into teacher rankings, on Ray.

`cli` and `commands` are the `rankgen` command, the only place that knows every room. `jobs` says
what a retrieve, label, negatives or rerank run does with a shard; `shards` is the one engine that
fills shards on Ray and commits them. For a label, one of `strategies` (the order of windows) asks
one of `teachers`; for an LLM that takes `prompts`, one of `engines` and the reader of its
`answers`. `doctor` looks at the machine.
"""
