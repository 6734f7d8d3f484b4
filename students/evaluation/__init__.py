"""Scores systems as trec_eval does: `evaluate` does it all, by its `settings`.

`systems` opens runs, first stages and teachers, `student_scores` students; `measures`,
`significance` and `cost` are the figures, `result` holds them, `table`, `report`, `report_plot` and
`report_style` show them, `notices` says what a reader has to know beside them.
"""
