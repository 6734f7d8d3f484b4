"""`rankgen subsample`: a labelled set in, a part of it out.

`source` is the run that is cut, and `source_rows` reads its lists and windows by query;
`projection` cuts a list along with its windows, `rows` fills and checks the shards.
"""
