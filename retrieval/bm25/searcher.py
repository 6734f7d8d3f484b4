"""BM25 by Pyserini over a Lucene index."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from rankgen.manifests.errors import IntegrityProblem, reason_of
from rankgen.manifests.records import Candidates, Query
from rankgen.retrieval.bm25.java import import_pyserini

_MOST_WORDS = 1_000_000


class Bm25Searcher:
    """Searches with Pyserini's `LuceneSearcher` and keeps its order and scores.

    Args:
        index: The folder of a Lucene index made by Anserini.
        k1: Term frequency saturation, at least 0.
        b: Length normalisation, 0 to 1.
        threads: Number of search threads.
        rm3: Whether to expand queries with RM3, with Pyserini's defaults (10 terms, 10 documents).
        language: The language of the index, such as "en".

    Raises:
        EnvironmentProblem: Java or Pyserini is missing.
        IntegrityProblem: The folder is not a readable index.
    """

    def __init__(
        self,
        index: Path,
        k1: float,
        b: float,
        threads: int,
        rm3: bool = False,
        language: str = "en",
    ) -> None:
        import_pyserini()
        from jnius import JavaException, autoclass
        from pyserini.search.lucene import LuceneSearcher

        # Lucene refuses queries of more than 1,024 words; a passage used as a query may have more.
        autoclass("org.apache.lucene.search.IndexSearcher").setMaxClauseCount(_MOST_WORDS)

        try:
            self._searcher = LuceneSearcher(str(index))
        except JavaException as error:
            raise IntegrityProblem(
                f"the index {index} cannot be opened: {reason_of(error)}",
                f"remove it: rm -r {index.parent}",
            ) from None
        self._searcher.set_bm25(k1, b)
        if language != "en":
            self._searcher.set_language(language)
        if rm3:
            # The filter keeps only English terms.
            self._searcher.set_rm3(filter_terms=language == "en")
        self._threads = threads

    def search(self, queries: Sequence[Query], depth: int) -> list[Candidates]:
        """Returns the best `depth` documents of each query; see `Searcher.search`."""
        from jnius import JavaException

        try:
            hits = self._searcher.batch_search(
                [query.text for query in queries],
                [query.query_id for query in queries],
                k=depth,
                threads=self._threads,
            )
        except JavaException as error:
            # The lines after the first are Java's stack trace.
            raise RuntimeError(reason_of(error)) from error
        return [
            Candidates(
                query.query_id,
                tuple(hit.docid for hit in hits[query.query_id]),
                tuple(float(hit.score) for hit in hits[query.query_id]),
            )
            for query in queries
        ]
