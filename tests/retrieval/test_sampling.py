from __future__ import annotations

import random

import pytest

from rankgen.manifests.errors import UsageError
from rankgen.manifests.records import Query
from rankgen.retrieval.sampling import sample_queries

QUERIES = [Query(str(number), f"query {number}") for number in range(200)]


def test_the_sample_is_the_same_for_every_order_and_machine() -> None:
    shuffled = random.Random(3).sample(QUERIES, len(QUERIES))
    assert sample_queries(QUERIES, 5, 7) == sample_queries(shuffled, 5, 7)
    # Fixed by SHA-256 of "7:<id>", computed once with sha256sum.
    assert [query.query_id for query in sample_queries(QUERIES, 3, 7)] == ["161", "126", "77"]


def test_seeds_differ_and_samples_nest() -> None:
    assert sample_queries(QUERIES, 20, 0) != sample_queries(QUERIES, 20, 1)
    assert sample_queries(QUERIES, 50, 1)[:20] == sample_queries(QUERIES, 20, 1)


@pytest.mark.parametrize(("n", "message"), [(201, "exceeds the 200"), (0, "is empty")])
def test_impossible_samples(n: int, message: str) -> None:
    with pytest.raises(UsageError, match=message):
        sample_queries(QUERIES, n, 0)
