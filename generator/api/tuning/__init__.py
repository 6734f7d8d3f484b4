"""`tune`: `run` is the whole search, given its `settings`.

`space` says what may be drawn and draws it, `trials` holds the trainings and what became of each,
`forecast` tells what they would cost, and `result` writes the table and the winner's recipe.
"""
