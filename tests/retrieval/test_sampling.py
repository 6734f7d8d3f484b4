from __future__ import annotations

import hashlib
import random
from collections.abc import Sequence

import pytest

from rankgen.manifests.errors import UsageError
from rankgen.manifests.records import Query
from rankgen.manifests.run.query_table import QueryTable
from rankgen.retrieval.collections.sampling import sample_queries

QUERIES = [Query(str(number), f"query {number}") for number in range(200)]


def sample(n: int, seed: int, queries: Sequence[Query] = QUERIES) -> list[Query]:
    return list(sample_queries(QueryTable(queries), n, seed))


def test_the_sample_is_the_same_for_every_order_and_machine() -> None:
    shuffled = random.Random(3).sample(QUERIES, len(QUERIES))
    assert sample(5, 7) == sample(5, 7, shuffled)
    # Fixed by SHA-256 of "7:<id>", computed once with sha256sum.
    assert [query.query_id for query in sample(3, 7)] == ["161", "126", "77"]
    by_hash = sorted(QUERIES, key=lambda q: hashlib.sha256(f"7:{q.query_id}".encode()).digest())
    assert sample(200, 7) == by_hash


def test_seeds_differ_and_samples_nest() -> None:
    assert sample(20, 0) != sample(20, 1)
    assert sample(50, 1)[:20] == sample(20, 1)


@pytest.mark.parametrize(
    ("n", "message"), [(201, "is larger than the 200"), (0, "at least 1 query, not 0")]
)
def test_impossible_samples(n: int, message: str) -> None:
    with pytest.raises(UsageError, match=message):
        sample(n, 0)
