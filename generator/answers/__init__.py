"""Reading a teacher's answers.

`answer_text` removes thoughts and formatting, `formats` lists the forms of rankings, `rewriting`
brings them into one, `permutation` reads the order of passages. `outcomes` defines the results of a
window's calls, and `query_outcomes` those of a query's chain of windows. `next_tokens` guesses how
an answer goes on.
"""
