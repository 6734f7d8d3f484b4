"""Numbers with their nouns."""

from __future__ import annotations

import pytest

from rankgen.manifests.counted import counted


@pytest.mark.parametrize(
    ("number", "noun", "said"),
    [
        (1, "query", "1 query"),
        (0, "query", "0 queries"),
        (12_000, "failed call", "12,000 failed calls"),
        (2, "day", "2 days"),
        (2, "batch", "2 batches"),
        (2, "GPU", "2 GPUs"),
    ],
)
def test_a_number_has_its_noun(number: int, noun: str, said: str) -> None:
    assert counted(number, noun) == said
