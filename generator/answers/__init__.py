"""Reading a teacher's answers.

`answer_text` removes thoughts and formatting, `formats` lists the forms of rankings, `rewriting`
brings them into one, `permutation` reads the order of passages, and `outcomes` defines the results
of a call and of a query's chain of calls. `next_tokens` guesses how an answer goes on.
"""
