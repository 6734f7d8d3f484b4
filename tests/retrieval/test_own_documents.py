"""A query that is itself a document: found by id and text, and left out by every first stage."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from pathlib import Path

import pytest
from beir_files import as_json, write_lines

from rankgen.generator.jobs.retrieve.work import RetrieveFactory, RetrieveWork
from rankgen.manifests.records import Candidates, Document, Query
from rankgen.manifests.run.query_table import QueryTable
from rankgen.retrieval.collections.collection import Collection
from rankgen.retrieval.collections.open_collection import open_collection
from rankgen.retrieval.collections.own_documents import find_own_documents, without_own
from rankgen.retrieval.collections.same_text import is_query_itself
from rankgen.retrieval.retriever import prepare
from rankgen.retrieval.runs.fuse import _fused_beside
from rankgen.retrieval.settings import parse_retriever

QUERY = Query("1", "Why is the sea salty?")


@pytest.mark.parametrize(
    ("title", "text"),
    [
        ("", "Why is the sea salty?"),
        ("", "why is the  SEA salty"),
        ("Why is the sea salty?", "Rivers bring minerals to it, year after year."),
        ("Why is", "the sea salty?"),
        ("Oceans", "why is the sea salty"),
        # A longer and a shorter wording of the query, and one with another word.
        ("", "Why is the sea salty? Rivers bring minerals to it, year after year, and stay."),
        ("", "the sea salty"),
        ("", "why is the ocean salty"),
    ],
)
def test_the_query_itself(title: str, text: str) -> None:
    assert is_query_itself(QUERY, Document("1", title, text))


@pytest.mark.parametrize(
    ("query", "title", "text"),
    [
        (QUERY.text, "", "The sea is salty because rivers bring minerals."),
        (QUERY.text, "", ""),
        (QUERY.text, "", "?"),
        # Words that stand in any long text.
        ("salt", "", "A passage about the sea, in which salt is a word."),
        ("the sea", "", "A passage about the sea, in which salt is a word."),
        ("what is the", "", "the passage says what salt is"),
    ],
)
def test_another_text_of_the_same_id(query: str, title: str, text: str) -> None:
    assert not is_query_itself(Query("1", query), Document("1", title, text))


def test_characters_of_scripts_without_spaces_count_as_words() -> None:
    assert is_query_itself(Query("1", "海水为什么是咸的"), Document("1", "", "为什么海水是咸的?"))
    assert not is_query_itself(Query("1", "海水为什么是咸的"), Document("1", "", "面包怎么烤"))


@pytest.fixture
def collection(tmp_path: Path) -> Collection:
    """q1 and q2 are documents; a document is numbered like the query 3, and one named like q4."""
    corpus = {"d1": "salt", "q1": "one query", "d2": "sea", "q2": "Two queries.", "d3": "bread"}
    corpus |= {"3": "something about the moon", "q4": "something about the stars"}
    queries = {"q1": "one query", "q2": "two queries", "3": "bread", "q4": "salt"}
    for stem, texts in (("corpus", corpus), ("queries", queries)):
        rows = [as_json({"_id": key, "text": text}) for key, text in texts.items()]
        write_lines(tmp_path / "own" / f"{stem}.jsonl", rows)
    return open_collection(str(tmp_path / "own"))


def test_the_rules(collection: Collection) -> None:
    queries = QueryTable(collection.queries())
    found = find_own_documents("auto", collection, queries)
    # The query 3 shares a number with a document, which says nothing.
    assert found == ({"q1", "q2"}, {"q4"})
    # Also where the digest is known, and the documents are not read for it once more.
    assert find_own_documents("auto", collection, queries) == found
    assert find_own_documents("drop", collection, queries).left_out == {"q1", "q2", "3", "q4"}
    assert find_own_documents("keep", collection, queries) == (frozenset(), frozenset())


def test_a_list_without_it_is_as_deep_as_any() -> None:
    found = Candidates("q", ("a", "q", "b", "c"), (4.0, 3.0, 2.0, 1.0))
    assert without_own(found, 3) == Candidates("q", ("a", "b", "c"), (4.0, 2.0, 1.0))
    assert without_own(found, 2) == Candidates("q", ("a", "b"), (4.0, 2.0))


def filled(
    work: RetrieveWork, queries: list[Query]
) -> tuple[dict[str, list[str]], Mapping[str, int]]:
    shard = asyncio.run(work.fill(queries, Path("unused")))
    rows = shard.tables["candidates"].to_pylist()
    return {row["query_id"]: row["doc_ids"] for row in rows}, work.counts(shard.tables)


RUN = """\
q1 Q0 q1 1 9 t
q1 Q0 d1 2 8 t
q1 Q0 d2 3 7 t
q1 Q0 d3 4 6 t
q2 Q0 d1 1 9 t
q2 Q0 d2 2 8 t
q2 Q0 d3 3 7 t
q2 Q0 q2 4 6 t
3 Q0 3 1 9 t
3 Q0 d1 2 8 t
3 Q0 d2 3 7 t
"""


def test_a_recorded_run(collection: Collection, tmp_path: Path) -> None:
    run = write_lines(tmp_path / "some.trec", RUN.splitlines())
    queries = list(collection.queries())
    own = find_own_documents("auto", collection, QueryTable(queries)).left_out
    settings = parse_retriever(f"recorded:{run}", depth=2)
    kept = prepare(settings, collection, tmp_path).handle
    handle, _, _, losses = prepare(settings, collection, tmp_path, own=own)
    lists, counts = filled(RetrieveFactory(kept)(), queries[:3])
    assert lists == {"q1": ["q1", "d1"], "q2": ["d1", "d2"], "3": ["3", "d1"]}
    assert "own_documents_left_out" not in counts
    lists, counts = filled(RetrieveFactory(handle)(), queries[:3])
    assert lists == {"q1": ["d1", "d2"], "q2": ["d1", "d2"], "3": ["3", "d1"]}
    # Of q2 too, which would have stood below the depth.
    assert counts["own_documents_left_out"] == 2
    assert counts["lists_shorter_than_depth"] == 0
    assert losses is not None
    assert losses.short_lists == 0


def test_a_list_of_nothing_else_is_a_failed_query(collection: Collection, tmp_path: Path) -> None:
    run = write_lines(tmp_path / "some.trec", ["q1 Q0 q1 1 9 t"])
    settings = parse_retriever(f"recorded:{run}", depth=2)
    handle = prepare(settings, collection, tmp_path, own=frozenset({"q1"})).handle
    shard = asyncio.run(RetrieveFactory(handle)().fill([Query("q1", "")], Path("unused")))
    assert shard.failed == {"q1": "recorded found no candidates for it"}


def test_fused_runs() -> None:
    settings = parse_retriever("fuse:a,b", depth=2)
    one, other = ["q1", "d1", "d2", "d3"], ["d2", "q1", "d1"]
    alone = _fused_beside(None, [one[1:], ["d2", "d1"]], settings)
    doc_ids, scores = _fused_beside("q1", [one, other], settings)
    assert (doc_ids[1:], scores[1:]) == alone
    assert doc_ids[0] == "q1"
    assert _fused_beside("q9", [one, other], settings)[0] == ["q1", "d2"]


@pytest.mark.data
@pytest.mark.parametrize("name", ["cranfield", "vaswani", "scifact"])
def test_collections_that_number_queries_and_documents(test_data: Path, name: str) -> None:
    collection = open_collection(str(test_data / name))
    found = find_own_documents("auto", collection, QueryTable(collection.queries()))
    assert found.left_out == frozenset()
    assert found.others == frozenset()
