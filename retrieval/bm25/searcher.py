"""BM25 by Pyserini over a Lucene index."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from rankgen.manifests.errors import IntegrityProblem, reason_of
from rankgen.manifests.records import Candidates, Query
from rankgen.retrieval.bm25.java import import_pyserini
from rankgen.retrieval.settings import RetrieverSettings

_MOST_WORDS = 1_000_000


class Bm25Searcher:
    """Searches Anserini's index with Pyserini's `LuceneSearcher`; keeps its order and scores.

    Raises:
        EnvironmentProblem: Java or Pyserini is missing.
        IntegrityProblem: The folder is not a readable index.
    """

    def __init__(self, index: Path, settings: RetrieverSettings) -> None:
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
        self._searcher.set_bm25(settings.k1, settings.b)
        if settings.language != "en":
            self._searcher.set_language(settings.language)
        if settings.rm3:
            # The filter keeps only English terms.
            self._searcher.set_rm3(
                fb_docs=settings.rm3_documents, filter_terms=settings.language == "en"
            )
        self._threads = settings.threads

    def search(self, queries: Sequence[Query], depth: int) -> list[Candidates]:
        """Returns the best `depth` documents of each query; see `Searcher.search`."""
        from jnius import JavaException

        try:
            ids, texts = [q.query_id for q in queries], [q.text for q in queries]
            hits = self._searcher.batch_search(texts, ids, k=depth, threads=self._threads)
        except JavaException as error:
            # The lines after the first are Java's stack trace.
            raise RuntimeError(reason_of(error)) from error
        return [
            Candidates(
                query_id,
                tuple(hit.docid for hit in hits[query_id]),
                tuple(float(hit.score) for hit in hits[query_id]),
            )
            for query_id in ids
        ]
