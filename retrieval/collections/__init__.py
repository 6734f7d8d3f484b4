"""Queries, documents and judgements, from wherever they are.

`open_collection` finds which of these a name means: a folder in BEIR's layout or of JSONL, TSV and
Parquet files (`collection`, `tabular`, `rows`), ir_datasets (`irds`), the Hugging Face Hub (`hub`).
`column_names` and `tsv_header` know how columns are called, `judgements` reads qrels, `sampling`
draws queries, `own_documents` finds queries that are documents themselves, `python_docs` writes the
collection of the quickstart.
"""
