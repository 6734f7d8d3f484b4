"""Teachers: anything that orders a window of passages for a query, from an LLM to a run file.

`presets` names them, `registry` opens them, and `base` is what each has to have. What users can say
of one is in `teacher_options`; `settings` completes, checks and fingerprints it.
"""
