"""Makes a student of rankings.

`train` prepares a training by its `settings` (`presets` name some), `loop` runs it, and `step`
takes one step, alone or in a `team`. `lists`, `evidence` and `batches` say what a step sees,
`optimizer` and `schedule` how it moves, `step_memory` and `chunked_backward` how it fits;
`validation`, `metrics_log` and `summary` say how it goes; `checkpoint`, `student_folder`,
`student_card` and `push` are what it leaves.
"""
