"""Contracts: what was promised, what was made, and the proof of it.

`run` holds what belongs to a run folder: its plan, its ledger of commits, its texts and its
manifest. `storage` writes and reads whole files, on a disk or in an object store. `recipes` reads
experiments as lists of commands; `models` identifies models and checks that they are complete. At
the top level, `schema` defines the columns of every table, `records` and `trec` hold the nouns and
file formats of the field, `errors` the error tree, `validation` turns wrong settings into one
sentence, `counted` writes numbers with their nouns, and `notices` and `progress` report what is
happening. This room imports no other room;
every other room may import it.
"""
