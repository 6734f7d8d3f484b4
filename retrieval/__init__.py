"""The room `rankgen.retrieval`: turns queries into candidates.

A `Collection` (collection.py) streams documents and queries from a BEIR folder, from JSONL, TSV or
Parquet files (tabular.py), from ir_datasets (irds.py), the Hugging Face Hub (hub.py) or an existing
index (index_documents.py); `open_collection` finds which. A `Retriever` is described by
`RetrieverSettings`; `prepare` does the work that is done once (a Lucene index by Anserini, a PLAID
index by colbert-ai, or the lists of a recorded run or of fused runs) and returns a picklable
handle; `open_searcher` turns the handle into a `Searcher` inside a worker process. negatives.py
draws hard negatives. `candidate_table` makes the Arrow rows that a shard publishes. python_docs.py
writes the collection of the quickstart.
"""
