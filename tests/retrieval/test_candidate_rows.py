from __future__ import annotations

from rankgen.manifests.records import Candidates
from rankgen.manifests.run.candidate_rows import candidate_table
from rankgen.manifests.schema import CANDIDATES
from rankgen.manifests.storage.digest import sha256_of_lines


def test_rows_are_sorted_and_carry_the_digest_of_their_order() -> None:
    table = candidate_table(
        [Candidates("q2", ("b", "a"), (2.0, 0.1)), Candidates("q10", ("a", "b"), (2.0, 0.1))]
    )
    assert table.schema.equals(CANDIDATES)
    assert table.to_pylist() == [
        {
            "query_id": "q10",
            "doc_ids": ["a", "b"],
            "retrieval_scores": [2.0, 0.1],
            "candidates_sha256": sha256_of_lines(["a", "b"]),
        },
        {
            "query_id": "q2",
            "doc_ids": ["b", "a"],
            "retrieval_scores": [2.0, 0.1],
            "candidates_sha256": sha256_of_lines(["b", "a"]),
        },
    ]


def test_no_candidates_make_an_empty_table() -> None:
    table = candidate_table([])
    assert table.num_rows == 0
    assert table.schema.equals(CANDIDATES)
