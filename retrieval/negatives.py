"""Hard negatives: passages that a first stage ranks high and that are not judged relevant."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from collections.abc import Set as AbstractSet

from rankgen.manifests.records import Document
from rankgen.retrieval.collections.same_text import text_keys
from rankgen.retrieval.collections.sampling import seeded_hash


def list_with_negatives(
    query_id: str,
    doc_ids: Sequence[str],
    positives: Sequence[str],
    *,
    depth: int,
    count: int,
    seed: int,
    left_out: AbstractSet[str] = frozenset(),
) -> list[str]:
    """Returns one relevant passage and then `count` passages of the first stage, in its order.

    The draw depends only on the query and the seed, on every machine.

    Args:
        query_id: The query.
        doc_ids: Its candidates, best first.
        positives: Its relevant passages, at least one; all are kept out of the negatives, and one
            is drawn to stand first.
        depth: Negatives are drawn from the top `depth` candidates.
        count: Number of negatives at most.
        seed: Random seed of both draws.
        left_out: Passages that must not be negatives, such as copies of relevant ones.

    Source: arXiv 2405.07920, section 3.1 (up to 99 of ColBERTv2's top 200; appendix C: 7).
    """

    def lot(doc_id: str) -> bytes:
        return seeded_hash(seed, f"{query_id} {doc_id}")

    relevant = set(positives)
    pool = [d for d in doc_ids[:depth] if d not in relevant and d not in left_out]
    chosen = set(sorted(pool, key=lot)[:count])
    return [min(relevant, key=lot), *(doc_id for doc_id in pool if doc_id in chosen)]


def positives_of(qrels: Mapping[str, Mapping[str, int]], grade: int) -> dict[str, tuple[str, ...]]:
    """Returns query id -> its passages of at least `grade`, sorted, leaving out empty ones."""
    found = {
        query_id: tuple(sorted(doc_id for doc_id, given in judged.items() if given >= grade))
        for query_id, judged in qrels.items()
    }
    return {query_id: doc_ids for query_id, doc_ids in found.items() if doc_ids}


def copies_of_positives(
    positives: Mapping[str, Sequence[str]],
    relevant: Iterable[Document],
    candidates: Iterable[Document],
) -> dict[str, frozenset[str]]:
    """Finds passages that have the text of a relevant passage under another id.

    Args:
        positives: Query id -> its relevant passages.
        relevant: These passages; each may come more than once.
        candidates: The passages that negatives may be drawn from.

    Returns:
        Query id -> the copies of its relevant passages, for queries that have some.
    """
    keys_of = {document.doc_id: text_keys(document) for document in relevant}
    holders: dict[bytes, set[str]] = {key: set() for keys in keys_of.values() for key in keys}
    for document in candidates:
        for key in text_keys(document):
            if key in holders:
                holders[key].add(document.doc_id)
    copies = {
        query_id: frozenset(
            copy
            for doc_id in doc_ids
            for key in keys_of.get(doc_id, ())
            for copy in holders[key]
            if copy not in doc_ids
        )
        for query_id, doc_ids in positives.items()
    }
    return {query_id: found for query_id, found in copies.items() if found}
