"""`rankgen mix`: several teachers' rankings in, one labelled set out.

`job` does it with `settings`, `overlap` finds what all runs rank, and `rows` makes the lists of it.
"""
