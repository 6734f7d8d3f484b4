"""Makes a finished run a data set for others: few large Parquet files, a card, checksums.

`publish` is the whole of it, and `settings` what it can be told. `source` opens the run and refuses
one that is not whole, `origin` finds what it was made from, `layout` says which files there will
be, `compact` writes them and `scores` makes the rows of one of them. `card`, `card_tables`,
`snippets` and `licence` write README.md, `statement` manifest.json and SHA256SUMS, `croissant` the
metadata that data search engines read. `targets` are the places: a folder, S3, the Hugging Face
Hub. `check` compares a published folder with its checksums.
"""
