"""vLLM in this process.

`engine` continues prompts, `logits` asks for those of two answers, and `final_output` has what both
share; `arguments`, `engine_args` and `dtype` say how vLLM is started, `start_output` and
`start_problem` why it did not start, and `gauges` what it does. vLLM itself loads `drafts`, which
guesses answers for it to check, `ranking_mask`, which keeps them to rankings, and on a CPU
`cpu_executor`, whose processes wait for each other as `waiting` says, check drafts as `draft_check`
does and take memory as `large_pages` says.
"""
