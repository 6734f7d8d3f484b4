"""Measures systems as trec_eval does: `evaluate` is the whole evaluation, given its `settings`.

`systems` opens runs, first stages and teachers, `student_scores` re-ranks with students;
`measures`, `significance`, `equivalence` and `cost` compute the figures, `result` holds them;
`columns` and `table` show them in a terminal; `notices`, `selection` and `foreign_lists` add what a
reader must know; `joined` puts evaluations side by side.
"""
