"""Public forms of rankings: what other tools share as data sets, read and written.

There are five shapes (`shape`): a TREC run, rows of scored documents, rows that hold a list, rows
of positive and negative passages, and prompts with the order that answers them. A named form such
as `tevatron` is a preset of a shape; `registry` lists both, and `detect` recognises the shape of a
source. `sources` finds the files and `files` reads them; a module of `shapes` makes a `SharedList`
of each query, or batches of scored rows, which `collected` puts on disk; `writers` are the way
back. `accounting` counts what was lost, and `fields`, `column_names`, `numbers` and `text_ids` know
what stands in a row.
"""
