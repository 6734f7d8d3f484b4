"""vLLM in this process.

`engine` continues prompts; `arguments`, `engine_args` and `dtype` say how it is started,
`start_output` and `start_problem` why it did not start, and `gauges` what it does.
"""
