"""A seeded sample of queries: the same on every machine and for every input order."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable

from rankgen.manifests.errors import UsageError
from rankgen.manifests.records import Query


def sample_queries(queries: Iterable[Query], n: int, seed: int) -> list[Query]:
    """Returns the `n` queries whose hash of seed and id is smallest, sorted by that hash.

    A sample of n is the beginning of every larger sample with the same seed.

    Args:
        queries: Queries with distinct ids, in any order.
        n: How many to take, at least 1.
        seed: Any whole number.

    Raises:
        UsageError: `n` is below 1 or exceeds the number of queries.
    """
    ordered = sorted(queries, key=lambda query: seeded_hash(seed, query.query_id))
    if n < 1:
        raise UsageError(f"a sample of {n} queries is empty", "ask for at least 1: --sample N")
    if n > len(ordered):
        raise UsageError(
            f"a sample of {n} exceeds the {len(ordered)} queries of the collection",
            f"ask for at most --sample {len(ordered)}",
        )
    return ordered[:n]


def seeded_hash(seed: int, identity: str) -> bytes:
    """Returns SHA-256 of "seed:identity", a sort key that no machine or version changes."""
    return hashlib.sha256(f"{seed}:{identity}".encode()).digest()
