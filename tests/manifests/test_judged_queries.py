"""Judged queries that nothing holds are counted in one sentence."""

from __future__ import annotations

import pytest

from rankgen.manifests.judged_queries import judged_without


def test_nothing_is_said_when_all_are_held() -> None:
    assert judged_without(["a", "b"], ["b", "a", "c"], "x.run") is None
    assert judged_without([], [], "x.run") is None


def test_the_absent_are_counted_and_the_first_is_named() -> None:
    assert judged_without(["b", "a", "c"], ["b"], "x.run") == (
        "2 of 3 judged queries have no list in x.run (first: a)"
    )
    assert judged_without(["b", "a"], ["b"], "queries.jsonl", lack="no text") == (
        "1 of 2 judged queries has no text in queries.jsonl (first: a)"
    )


@pytest.mark.parametrize(
    ("judged", "held"),
    [
        ("007", "7"),
        ("7", "7.0"),
        ("1200000000", "1.2E+09"),
        ("1048585", "1,048,585"),
        ("012", "'12"),
        ("-3", "-3.0"),
    ],
)
def test_ids_that_a_spreadsheet_rewrote_are_recognised(judged: str, held: str) -> None:
    for one, other in ((judged, held), (held, judged)):
        sentence = judged_without(["q", one], ["q", other], "x.run")
        assert sentence is not None
        assert f"{one} is {other} there): did a spreadsheet rewrite them?" in sentence


def test_a_number_that_is_a_query_of_its_own_is_no_rewriting() -> None:
    sentence = judged_without(["1", "001"], ["1"], "x.run")
    assert sentence == "1 of 2 judged queries has no list in x.run (first: 001)"
    assert "spreadsheet" not in str(judged_without(["a1", "٣"], ["a01", "3"], "x.run"))
