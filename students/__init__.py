"""Trains cross-encoders on rankings and measures them as trec_eval does.

`losses` are pure functions of scores, ranks and a mask. `tokens`, `encode` and `scoring` turn pairs
of texts into scores, `packing` and `packed_forward` without any padding; `lists` and `batches` say
what a step sees, `step` takes it, alone or in a `team`; `train` and `training_run` are the loop,
`checkpoint` and `artefact` what it leaves on disk. `evaluate` scores runs, first stages, teachers
and students in one table, `significance` tests the differences, `table` and `report` show them. The
room reads run folders and never writes them.
"""
