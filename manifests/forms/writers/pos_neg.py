"""Writes a query with its positive and its negative passages a row: Tevatron, RLHN, BGE.

A run says an order, so the passages that count as positive are the top ones of each list.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping

import pyarrow as pa

from rankgen.manifests.forms.shared_list import SharedList
from rankgen.manifests.forms.writers.base import WriteOptions, Writer, scores_of, texts_of

POSITIVES = 1
_TAKES = frozenset({"positives", "negatives"})
_PASSAGES = pa.list_(
    pa.struct(
        [
            ("docid", pa.string()),
            ("title", pa.string()),
            ("text", pa.string()),
            ("score", pa.float32()),
        ]
    )
)
_UNSCORED = pa.list_(pa.struct([_PASSAGES.value_type.field(i) for i in range(3)]))
_TEXTS, _NUMBERS = pa.list_(pa.string()), pa.list_(pa.float32())


def _split(ranked: SharedList, options: WriteOptions, counts: Counter[str]) -> tuple[slice, slice]:
    """Returns the places of the positives and negatives; counts lists that lack one kind."""
    first = POSITIVES if options.positives is None else options.positives
    last = None if options.negatives is None else first + options.negatives
    # Trainers draw negatives from every list, and fail where there are none.
    counts["lists_without_positives"] += first == 0
    counts["lists_without_negatives"] += len(ranked.doc_ids) <= first
    return slice(0, first), slice(first, last)


def _tevatron(
    ranked: SharedList, options: WriteOptions, counts: Counter[str]
) -> Iterator[Mapping[str, object]]:
    query, _ = texts_of(ranked)
    documents = {document.doc_id: document for document in ranked.documents}
    passages: list[dict[str, object]] = []
    for place, doc_id in enumerate(ranked.doc_ids):
        _, title, text = documents[doc_id]
        passages.append({"docid": doc_id, "title": title, "text": text})
        if options.has_scores:
            passages[-1]["score"] = scores_of(ranked)[place]
    positives, negatives = _split(ranked, options, counts)
    yield {
        "query_id": ranked.query_id,
        "query": query,
        "positive_passages": passages[positives],
        "negative_passages": passages[negatives],
    }


def _tevatron_schema(options: WriteOptions) -> pa.Schema:
    passages = _PASSAGES if options.has_scores else _UNSCORED
    return pa.schema(
        [
            ("query_id", pa.string()),
            ("query", pa.string()),
            ("positive_passages", passages),
            ("negative_passages", passages),
        ]
    )


def _bge(
    ranked: SharedList, options: WriteOptions, counts: Counter[str]
) -> Iterator[Mapping[str, object]]:
    query, texts = texts_of(ranked)
    passages = [texts[doc_id] for doc_id in ranked.doc_ids]
    positives, negatives = _split(ranked, options, counts)
    row: dict[str, object] = {
        "query": query,
        "pos": passages[positives],
        "neg": passages[negatives],
    }
    if options.has_scores:
        scores = list(scores_of(ranked))
        row |= {"pos_scores": scores[positives], "neg_scores": scores[negatives]}
    yield row


def _bge_schema(options: WriteOptions) -> pa.Schema:
    fields = [("query", pa.string()), ("pos", _TEXTS), ("neg", _TEXTS)]
    scores = [("pos_scores", _NUMBERS), ("neg_scores", _NUMBERS)]
    return pa.schema(fields + scores if options.has_scores else fields)


TEVATRON = Writer(
    "Tevatron's rows: query_id, query, positive_passages, negative_passages",
    ("jsonl", "parquet", "json"),
    _tevatron_schema,
    _tevatron,
    texts="always",
    scores="optional",
    takes=_TAKES,
)
BGE = Writer(
    "FlagEmbedding's rows: query, pos, neg[, pos_scores, neg_scores]",
    ("jsonl", "parquet", "json"),
    _bge_schema,
    _bge,
    texts="always",
    scores="optional",
    takes=_TAKES,
)
