"""Queries, documents and judgements from files, ir_datasets and the Hugging Face Hub.

`open_collection` opens the `collection` that a name refers to: a folder in BEIR's layout or with
JSONL, TSV or Parquet files (`tabular`, `rows`), an ir_datasets id (`irds`) or a data set on the Hub
(`hub`). `column_names` and `tsv_header` recognise columns, `judgements` reads qrels, `sampling`
draws queries, `own_documents` finds queries that are themselves documents, and `python_docs` writes
the collection of the quickstart.
"""
