"""Writes pairs and triples of texts with a label, for losses that see one pair at a time."""

from __future__ import annotations

import math
import random
from collections import Counter
from collections.abc import Iterator, Mapping

import pyarrow as pa

from rankgen.manifests.forms.shared_list import SharedList
from rankgen.manifests.forms.sources.base import Kind
from rankgen.manifests.forms.writers.base import WriteOptions, Writer, scores_of, texts_of

TRIPLES_PER_QUERY = 10
_ANY: tuple[Kind, ...] = ("parquet", "jsonl", "json")


def _pairs_named(query_name: str, passage_name: str, about: str) -> Writer:
    def rows(
        ranked: SharedList, options: WriteOptions, counts: Counter[str]
    ) -> Iterator[Mapping[str, object]]:
        del counts
        query, texts = texts_of(ranked)
        scores, places = scores_of(ranked), range(len(ranked.doc_ids))
        most = len(places) if options.per_query is None else options.per_query
        for place in sorted(_draws(ranked, options).sample(places, min(most, len(places)))):
            text = texts[ranked.doc_ids[place]]
            yield {query_name: query, passage_name: text, "label": scores[place]}

    schema = pa.schema(
        [(query_name, pa.string()), (passage_name, pa.string()), ("label", pa.float32())]
    )
    takes = frozenset({"per_query", "seed"})
    return Writer(about, _ANY, lambda _: schema, rows, texts="always", takes=takes)


def _triples(
    ranked: SharedList, options: WriteOptions, counts: Counter[str]
) -> Iterator[Mapping[str, object]]:
    """Yields different pairs of passages, drawn uniformly; the one ranked higher is the positive.

    A pair of equal scores, or one whose scores contradict the order, teaches no margin and is left
    out.
    """
    query, texts = texts_of(ranked)
    scores, count = scores_of(ranked), math.comb(len(ranked.doc_ids), 2)
    most = TRIPLES_PER_QUERY if options.per_query is None else options.per_query
    for number in sorted(_draws(ranked, options).sample(range(count), min(most, count))):
        high, low = _pair(number)
        margin = scores[high] - scores[low]
        if margin <= 0:
            counts["pairs_without_margin"] += 1
            continue
        yield {
            "query": query,
            "positive": texts[ranked.doc_ids[high]],
            "negative": texts[ranked.doc_ids[low]],
            "label": margin,
        }


def _pair(number: int) -> tuple[int, int]:
    """Returns the pair of places (high < low) of a number: (0, 1), (0, 2), (1, 2), (0, 3), ..."""
    low = (1 + math.isqrt(1 + 8 * number)) // 2
    return number - low * (low - 1) // 2, low


def _draws(ranked: SharedList, options: WriteOptions) -> random.Random:
    return random.Random(f"{options.seed} {ranked.query_id}")


PAIRS = _pairs_named("query", "passage", "for MSELoss: query, passage, label (the score)")
ETTIN = _pairs_named("query", "document", "Ettin's pairs: query, document, label (the score)")
TRIPLES = Writer(
    "for MarginMSELoss: query, positive, negative, label (the difference of their scores)",
    _ANY,
    lambda _: pa.schema(
        [
            ("query", pa.string()),
            ("positive", pa.string()),
            ("negative", pa.string()),
            ("label", pa.float32()),
        ]
    ),
    _triples,
    texts="always",
    takes=frozenset({"per_query", "seed"}),
)
