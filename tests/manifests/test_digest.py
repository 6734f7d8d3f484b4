"""Digests of columns: equal for equal values however they are chunked, different otherwise."""

from __future__ import annotations

import pyarrow as pa
from hypothesis import given
from hypothesis import strategies as st

from rankgen.manifests.storage.column_digest import sha256_of_columns

TEXTS = st.lists(st.text(max_size=5), max_size=6)


@given(TEXTS, st.integers(0, 6), st.integers(0, 3))
def test_chunks_and_offsets_do_not_matter(texts: list[str], cut: int, lead: int) -> None:
    whole = pa.chunked_array([pa.array(texts, pa.string())])
    parts = [pa.array(texts[:cut], pa.string()), pa.array(texts[cut:], pa.string())]
    sliced = pa.chunked_array([pa.array(["é"] * lead + texts, pa.string())[lead:]])
    assert sha256_of_columns(whole) == sha256_of_columns(pa.chunked_array(parts))
    assert sha256_of_columns(whole) == sha256_of_columns(sliced)


@given(TEXTS, TEXTS)
def test_other_values_have_another_digest(one: list[str], other: list[str]) -> None:
    digests = [
        sha256_of_columns(pa.chunked_array([pa.array(x, pa.string())])) for x in (one, other)
    ]
    assert (digests[0] == digests[1]) == (one == other)


def test_columns_cannot_pose_as_one_another() -> None:
    a, b, empty = (pa.chunked_array([pa.array(x, pa.string())]) for x in (["a"], ["b"], []))
    digests = {
        sha256_of_columns(*columns)
        for columns in ((), (a,), (a, b), (b, a), (empty, a), (a, empty), (empty,))
    }
    assert len(digests) == 7
