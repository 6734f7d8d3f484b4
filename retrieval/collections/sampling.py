"""A seeded sample of queries: the same on every machine and for every input order."""

from __future__ import annotations

import hashlib
import itertools
from collections.abc import Iterator
from functools import partial

from rankgen.manifests.errors import UsageError
from rankgen.manifests.records import Query
from rankgen.manifests.run.query_table import QueryTable


def sample_queries(queries: QueryTable, n: int, seed: int) -> Iterator[Query]:
    """Returns the `n` queries whose hash of seed and id is smallest, in the order of that hash.

    A sample of n is the beginning of every larger sample with the same seed.

    Args:
        queries: All queries.
        n: How many to take, at least 1.
        seed: Any whole number.

    Raises:
        UsageError: `n` is below 1 or exceeds the number of queries.
    """
    if n < 1:
        raise UsageError(f"a sample of {n} queries is empty", "ask for at least 1: --sample N")
    if n > len(queries):
        raise UsageError(
            f"a sample of {n} exceeds the {len(queries)} queries of the collection",
            f"ask for at most --sample {len(queries)}",
        )
    return itertools.islice(QueryTable(queries, partial(seeded_hash, seed)).by_place(), n)


def seeded_hash(seed: int, identity: str) -> bytes:
    """Returns SHA-256 of "seed:identity", a sort key that no machine or version changes."""
    return hashlib.sha256(f"{seed}:{identity}".encode()).digest()
