"""Hard negatives: passages that a first stage ranks high and nobody judged relevant."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from rankgen.retrieval.sampling import seeded_hash


def list_with_negatives(
    query_id: str,
    doc_ids: Sequence[str],
    positives: Sequence[str],
    *,
    depth: int,
    count: int,
    seed: int,
) -> list[str]:
    """Returns one relevant passage and then `count` passages of the first stage, in its order.

    What is drawn depends on the query and the seed alone, on every machine.

    Args:
        query_id: The query.
        doc_ids: Its candidates, best first.
        positives: Its relevant passages, at least one; all are kept out of the negatives, and one
            is drawn to stand first.
        depth: Negatives come from the best so many candidates.
        count: How many are drawn at most.
        seed: Of both draws.

    Source: arXiv 2405.07920, section 3.1 (up to 99 of ColBERTv2's top 200; appendix C: 7).
    """

    def lot(doc_id: str) -> bytes:
        return seeded_hash(seed, f"{query_id} {doc_id}")

    relevant = set(positives)
    pool = [doc_id for doc_id in doc_ids[:depth] if doc_id not in relevant]
    chosen = set(sorted(pool, key=lot)[:count])
    return [min(relevant, key=lot), *(doc_id for doc_id in pool if doc_id in chosen)]


def positives_of(qrels: Mapping[str, Mapping[str, int]], grade: int) -> dict[str, tuple[str, ...]]:
    """Returns query id -> its passages of at least `grade`, sorted; queries without any are out."""
    found = {
        query_id: tuple(sorted(doc_id for doc_id, given in judged.items() if given >= grade))
        for query_id, judged in qrels.items()
    }
    return {query_id: doc_ids for query_id, doc_ids in found.items() if doc_ids}
