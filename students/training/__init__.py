"""Trains a student on rankings.

`train` prepares a training from its `settings` (`presets` are published ones), `loop` runs it, and
`step` takes one step, alone or in a `team`. `lists`, `evidence` and `batches` decide what a step
sees, `optimizer` and `schedule` how it moves, `step_memory` and `chunked_backward` how it fits into
memory, and `memory_forecast` what it will hold, which `step_bytes` counts; `validation`,
`metrics_log` and `summary` report on it; `checkpoint` keeps its `trained_weights`;
`student_folder`, `student_card`, `adapter_record` and `push` store the result.
"""
