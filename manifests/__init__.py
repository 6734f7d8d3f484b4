"""Contracts: what was promised, what was made, and the proof of it.

`run` is a run folder: its plan, its ledger of commits, its texts and its manifest. `storage` writes
and reads whole files, on a disk or in a store. `recipes` reads experiments as lists of commands,
`models` says what a model is and whether all of it is there. At the top: `schema` has the columns
of every table, `records` and `trec` hold the field's own nouns and files, `errors` the one error
tree, `validation` turns wrong settings into one sentence, `notices` and `progress` say what goes
on. This room imports nothing of ours; every other room may import it.
"""
