"""Trains cross-encoders on rankings and measures them as trec_eval does.

`model` turns pairs of texts into scores; `losses` are pure functions of scores, ranks and a mask;
`training` makes a student of a teacher's rankings, `reranking` orders candidates by one,
`evaluation` scores runs, first stages, teachers and students in one table, `paper` prints the
paper's figures beside one's own. The room reads run folders and never writes them.
"""
