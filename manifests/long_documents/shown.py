"""The chunk of a long document that a teacher is shown.

The rule "first" shows the first chunk. The rules "max" and "mean" show the chunk that BM25 scores
highest for the query among the chunks of that document, the earliest of equals. Nothing but the
query and the document decides, so that every list, machine and repetition shows the same chunk.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence

from rankgen.manifests.long_documents.rule import ChunkRule
from rankgen.manifests.long_documents.words import terms
from rankgen.manifests.records import Document

# The parameters of BM25 that Anserini and Pyserini use by default.
K1, B = 0.9, 0.4


def shown_chunk(rule: ChunkRule, query: str, document: Document) -> tuple[int, Document]:
    """Returns the chunk that a teacher is shown, and its number, from 0."""
    chunks = rule.read_of(document).chunks
    number = best_chunk(query, [chunk.text for chunk in chunks]) if len(chunks) > 1 else 0
    return number, chunks[number]


def best_chunk(query: str, chunks: Sequence[str]) -> int:
    """Returns the number of the chunk that BM25 scores highest; the first one of equals.

    Frequencies in documents are those among the chunks, so that a word which all of them have says
    little.
    """
    counts = [Counter(terms(chunk)) for chunk in chunks]
    lengths = [max(1, count.total()) for count in counts]
    usual = sum(lengths) / len(lengths)
    scores = [0.0] * len(chunks)
    # In an order of their own: sums of the same numbers in another order may differ.
    for term in sorted(set(terms(query))):
        holding = sum(term in count for count in counts)
        weight = math.log(1 + (len(chunks) - holding + 0.5) / (holding + 0.5))
        for number, count in enumerate(counts):
            norm = K1 * (1 - B + B * lengths[number] / usual)
            scores[number] += weight * count[term] * (K1 + 1) / (count[term] + norm)
    # What differs in the last bits alone is equal.
    rounded = [round(score, 9) for score in scores]
    return rounded.index(max(rounded))
