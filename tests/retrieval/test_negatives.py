"""Hard negatives: what is drawn, and the same on every machine."""

from __future__ import annotations

from rankgen.retrieval.negatives import list_with_negatives, positives_of

CANDIDATES = [f"d{n}" for n in range(300)]


def drawn(query_id: str = "q", seed: int = 0, depth: int = 200, count: int = 7) -> list[str]:
    return list_with_negatives(
        query_id, CANDIDATES, ["d3", "elsewhere"], depth=depth, count=count, seed=seed
    )


def test_one_relevant_passage_stands_first_and_no_other_is_a_negative() -> None:
    firsts = set()
    for seed in range(60):
        first, *rest = drawn(seed=seed, count=150)
        firsts.add(first)
        assert not {"d3", "elsewhere"} & set(rest)
        assert len(set(rest)) == 150
        places = [CANDIDATES.index(doc_id) for doc_id in rest]
        assert places == sorted(places)
        assert max(places) < 200
    assert firsts == {"d3", "elsewhere"}


def test_a_short_pool_is_taken_whole() -> None:
    assert drawn(depth=5, count=99)[1:] == ["d0", "d1", "d2", "d4"]
    assert len(list_with_negatives("q", ["a"], ["a"], depth=9, count=9, seed=0)) == 1


def test_draws_depend_on_query_and_seed_alone() -> None:
    assert drawn() == drawn()
    assert drawn(seed=1) != drawn()
    assert drawn("other") != drawn()
    # The same on every machine and for ever.
    assert drawn("1048585", 42) == [
        "elsewhere",
        "d89",
        "d93",
        "d95",
        "d113",
        "d129",
        "d164",
        "d191",
    ]


def test_deep_negatives_are_drawn_evenly() -> None:
    counts = dict.fromkeys(CANDIDATES[:20], 0)
    for number in range(2000):
        for doc_id in drawn(f"q{number}", depth=20, count=5)[1:]:
            counts[doc_id] += 1
    assert counts.pop("d3") == 0
    # 2000 * 5 / 19 = 526, with a standard deviation of 20.
    assert all(430 < count < 620 for count in counts.values()), counts


def test_positives_have_the_grade() -> None:
    qrels = {"q1": {"b": 2, "a": 1, "c": 0}, "q2": {"d": 1}, "q3": {"e": 0}}
    assert positives_of(qrels, 1) == {"q1": ("a", "b"), "q2": ("d",)}
    assert positives_of(qrels, 2) == {"q1": ("b",)}
