"""ColBERT search beside colbert-ai's own loop: same index, same process, interleaved.

    RANKGEN_TEST_DATA=… python benchmarks/colbert_search.py [ROUNDS]

All of SciFact's passages and its test queries, the top 100, with a small untrained checkpoint
(speed does not depend on its weights). The index is built once and stays in the cache.
"""

from __future__ import annotations

import os
import statistics
import sys
import time
from pathlib import Path

import torch

from rankgen.manifests.records import Candidates
from rankgen.retrieval.cache import cache_root
from rankgen.retrieval.colbert.compat import import_colbert
from rankgen.retrieval.collections.open_collection import open_collection
from rankgen.retrieval.retriever import open_searcher, prepare
from rankgen.retrieval.settings import parse_retriever

sys.path.insert(0, str(Path(__file__).parents[1] / "tests" / "retrieval"))
from results_file import write_results
from small_colbert import write_small_colbert

THREADS = os.cpu_count() or 1
DEPTH = 100


def main() -> None:
    """Measures, compares what was found, prints and writes the result."""
    rounds = int(sys.argv[1]) if len(sys.argv) > 1 else 5
    data = Path(os.environ["RANKGEN_TEST_DATA"]) / "scifact"
    checkpoint = cache_root() / "benchmark-colbert"
    if not checkpoint.exists():
        write_small_colbert(checkpoint)
    collection = open_collection(str(data), split="test")
    queries = list(collection.queries())
    began = time.perf_counter()
    settings = parse_retriever("colbert", checkpoint=str(checkpoint), threads=THREADS)
    handle = prepare(settings, collection).handle
    prepared_seconds = time.perf_counter() - began
    ours = open_searcher(handle)
    import_colbert()
    from colbert import Searcher
    from colbert.data import Queries

    theirs = Searcher("plaid", index_root=str(handle.index), collection=["none"], verbose=0)
    asked = Queries(data={number: query.text for number, query in enumerate(queries)})
    doc_ids = [document.doc_id for document in collection.documents()]
    times: dict[str, list[float]] = {"rankgen": [], "colbert-ai search_all": []}
    differ = 0
    for _ in range(rounds):
        began = time.perf_counter()
        found = ours.search(queries, DEPTH)
        times["rankgen"].append(time.perf_counter() - began)
        began = time.perf_counter()
        lists = theirs.search_all(asked, k=DEPTH).todict()
        times["colbert-ai search_all"].append(time.perf_counter() - began)
        differ += sum(not _is_same(one, lists[n], doc_ids) for n, one in enumerate(found))
    medians = {name: statistics.median(values) for name, values in times.items()}
    result = {
        "what": "ColBERT top 100 of SciFact's test queries over a PLAID index, in one process",
        "queries": len(queries),
        "passages": len(doc_ids),
        "threads": THREADS,
        "rounds": rounds,
        "index_seconds_where_not_in_the_cache": round(prepared_seconds, 1),
        "lists_that_differ": differ,
        "seconds": {name: [round(v, 2) for v in values] for name, values in times.items()},
        "queries_per_second": {n: round(len(queries) / value, 1) for n, value in medians.items()},
        "ratio_colbert_ai_over_rankgen": round(
            medians["colbert-ai search_all"] / medians["rankgen"], 3
        ),
        "gpu": torch.cuda.is_available(),
    }
    print(write_results("colbert_search", result))


def _is_same(one: Candidates, hits: list[tuple[int, int, float]], doc_ids: list[str]) -> bool:
    same = one.doc_ids == tuple(doc_ids[passage] for passage, _, _ in hits)
    scores = [score for _, _, score in hits]
    return same and all(abs(a - b) <= 1e-4 for a, b in zip(one.scores, scores, strict=True))


if __name__ == "__main__":
    main()
