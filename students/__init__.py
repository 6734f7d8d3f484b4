"""Trains cross-encoders on rankings and measures them as trec_eval does.

`model` turns pairs of texts into scores; `losses` are pure functions of scores, ranks and a mask;
`training` makes a student from a teacher's rankings, `reranking` orders candidates with one,
`evaluation` scores runs, first stages, teachers and students in one table, on many collections by
`suites`, and `agreement` compares rankings with each other. `soup` averages students, `shipping`
makes one a folder for servers, `pages` shows runs and evaluations in a browser, and `paper` prints
the paper's figures beside yours. This room reads run folders and never writes to them.
"""
