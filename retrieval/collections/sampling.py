"""Seeded samples of queries, the same on every machine and for every input order."""

from __future__ import annotations

import hashlib
import itertools
from collections.abc import Iterator
from functools import partial

from rankgen.manifests.counted import counted
from rankgen.manifests.errors import UsageError
from rankgen.manifests.records import Query
from rankgen.manifests.run.query_table import QueryTable


def sample_queries(queries: QueryTable, n: int, seed: int) -> Iterator[Query]:
    """Returns the `n` queries with the smallest hashes of seed and id, in the order of the hash.

    A sample is the beginning of every larger sample with the same seed, which is any integer.

    Raises:
        UsageError: `n` is below 1 or exceeds the number of queries.
    """
    if n < 1:
        raise UsageError(f"a sample needs at least 1 query, not {n}", "raise --sample")
    if n > len(queries):
        raise UsageError(
            f"a sample of {n} is larger than the {counted(len(queries), 'query')} of the "
            "collection",
            f"use at most --sample {len(queries)}",
        )
    return itertools.islice(QueryTable(queries, partial(seeded_hash, seed)).by_place(), n)


def seeded_hash(seed: int, identity: str) -> bytes:
    """Returns the SHA-256 of "seed:identity", a sort key that is the same everywhere."""
    return hashlib.sha256(f"{seed}:{identity}".encode()).digest()
