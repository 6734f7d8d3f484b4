"""Orders of passages that are drawn from ids alone: the same in every process and on every resume.

Passages are sorted by a digest of a salt and their ids, so no random state has to be kept.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from typing import Literal

InputOrder = Literal["retrieved", "reversed", "shuffled"]


def input_order(wanted: InputOrder, query_id: str, doc_ids: Sequence[str], seed: int) -> list[int]:
    """Returns the 0-based first-stage places in the order in which a strategy finds the list."""
    places = list(range(len(doc_ids)))
    if wanted == "retrieved":
        return places
    if wanted == "reversed":
        return places[::-1]
    return drawn_order(doc_ids, f"{seed} {query_id} input")


def shown_orders(doc_ids: Sequence[str], votes: int, salt: str) -> Iterator[list[int]]:
    """Yields `votes` orders of passages, as numbers from 0."""
    for vote in range(votes):
        yield drawn_order(doc_ids, f"{salt} {vote}")


def drawn_order(doc_ids: Sequence[str], salt: str) -> list[int]:
    """Returns numbers from 0 in the order of the digests of salt and id."""

    def digest(number: int) -> tuple[bytes, int]:
        return hashlib.sha256(f"{salt}\0{doc_ids[number]}".encode()).digest(), number

    return sorted(range(len(doc_ids)), key=digest)
