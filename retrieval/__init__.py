"""Turns queries into candidates.

`collections` streams documents, queries and judgements from any source. `bm25`, `colbert` and
`runs` are the first stages: settings.py says how one is set, first_stage.py which functions each
has, and retriever.py chooses one by name, prepares it once and opens it in a worker. negatives.py
draws hard negatives, and cache.py keeps what is made once.
"""
