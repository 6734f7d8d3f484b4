"""`tune`: `run` is the whole search, given its `settings`.

`space` says what may be drawn and draws it, `trials` holds the trainings and what became of each,
`forecast` tells what they would cost, `result` writes the table and the winner's recipe, and
`unfinished` says what became of a search with trials that have not ended.
"""
