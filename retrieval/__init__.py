"""Turns queries into candidates.

`collections` streams documents, queries and judgements from wherever they are. A first stage is
described by `RetrieverSettings` (settings.py); `prepare` (retriever.py) does the work that is done
once and returns a picklable handle; `open_searcher` turns the handle into a `Searcher` inside a
worker process. `bm25`, `colbert` and `runs` are the first stages. negatives.py draws hard
negatives, cache.py keeps what is made once.
"""
