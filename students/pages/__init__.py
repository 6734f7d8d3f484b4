"""The page of a run: what the teacher did, and what the student learned.

`query_view` is all there is to see of one query, `steps` the calls that led to its order; both read
an `opened_run` by way of `run_rows` and `passages`. `evaluation_page` is that of one evaluation,
`students_page` that of several side by side, and `suite_page` that of many collections.
"""
