"""Public forms of rankings: what other tools share as data sets, read and written.

There are five shapes (`shape`): a TREC run, rows of scored documents, rows that hold a list, rows
of positive and negative passages, and prompts with the order that answers them. A named form such
as `tevatron` is a preset of a shape; `registry` lists both. `source` finds the files of a folder,
an archive or a data set on the Hub, and `rows` reads them row by row; a shape makes a `SharedList`
of each query, or batches of scored rows; `accounting` counts what was lost on the way. `buckets`
and `gathering` group the rows by query on disk.
"""
