from __future__ import annotations

import json
import pickle
from pathlib import Path

import pytest

from rankgen.manifests.errors import UsageError
from rankgen.manifests.records import Candidates, Query
from rankgen.manifests.run.query_table import QueryTable
from rankgen.manifests.trec import read_qrels
from rankgen.retrieval.collections.collection import Collection
from rankgen.retrieval.collections.open_collection import open_collection
from rankgen.retrieval.first_stage import RetrieverHandle
from rankgen.retrieval.retriever import open_searcher, prepare
from rankgen.retrieval.runs.run_order import RunLosses
from rankgen.retrieval.settings import parse_retriever

RUN = """\
q1 Q0 a 1 3.5 x
q1 Q0 b 2 2.25 x
q2 Q0 c 1 0.1 x
q1 Q0 c 3 2.25 x
q1 Q0 b 4 1.0 x
q1 Q0 z 5 0.5 x
q9 Q0 a 1 1 x
"""


@pytest.fixture
def collection(tmp_path: Path) -> Collection:
    corpus, queries = tmp_path / "c.tsv", tmp_path / "q.tsv"
    corpus.write_text("".join(f"{doc_id}\ttext {doc_id}\n" for doc_id in "abcd"))
    queries.write_text("q1\tone\nq2\ttwo\nq3\tthree\n")
    return open_collection("", corpus=corpus, queries=queries)


@pytest.fixture
def run(tmp_path: Path) -> Path:
    path = tmp_path / "some.trec"
    path.write_text(RUN)
    return path


def searched(
    run: Path, collection: Collection, cache: Path, *queries: str, **settings: object
) -> tuple[list[Candidates], RunLosses]:
    retriever = parse_retriever(f"recorded:{run}", **settings)
    handle, _, _, losses = prepare(retriever, collection, cache)
    searcher = open_searcher(pickle.loads(pickle.dumps(handle)))
    assert losses is not None
    found = searcher.search([Query(query, "") for query in queries], handle.settings.depth)
    return found, losses


def test_score_order_is_trec_eval_s_and_rank_order_the_column_s(
    run: Path, collection: Collection, tmp_path: Path
) -> None:
    by_score, _ = searched(run, collection, tmp_path, "q2", "q1")
    assert by_score == [
        Candidates("q2", ("c",), (0.1,)),
        Candidates("q1", ("a", "c", "b", "z"), (3.5, 2.25, 2.25, 0.5)),
    ]
    by_rank, _ = searched(run, collection, tmp_path, "q1", order="rank")
    assert by_rank == [Candidates("q1", ("a", "b", "c", "z"), (3.5, 2.25, 2.25, 0.5))]


def test_every_loss_is_counted(run: Path, collection: Collection, tmp_path: Path) -> None:
    _, losses = searched(run, collection, tmp_path, "q1", depth=4)
    assert losses == RunLosses(
        queries=3,
        queries_without_lines=1,
        short_lists=1,
        duplicate_rows=1,
        tied_rows=2,
        queries_with_ties=1,
        tied_ranks=0,
        top10_differences=2,
        rows_without_document=1,
    )


def test_scores_are_compared_as_trec_eval_does_and_equal_ranks_are_counted(
    collection: Collection, tmp_path: Path
) -> None:
    run = tmp_path / "close.trec"
    # In 32 bits the first two scores are one.
    run.write_text(
        "q1 Q0 a 1 100.0000001 x\nq1 Q0 b 1 100 x\nq1 Q0 c 2 7 x\nq2 Q0 a 1 2 x\nq2 Q0 b 2 1 x\n"
    )
    by_score, losses = searched(run, collection, tmp_path, "q1", "q2")
    assert [found.doc_ids for found in by_score] == [("b", "a", "c"), ("a", "b")]
    assert (losses.tied_rows, losses.queries_with_ties, losses.tied_ranks) == (2, 1, 2)
    by_rank, _ = searched(run, collection, tmp_path, "q1", order="rank")
    assert by_rank[0].doc_ids == ("a", "b", "c")


def test_documents_without_text_are_kept_or_dropped(
    run: Path, collection: Collection, tmp_path: Path
) -> None:
    kept, _ = searched(run, collection, tmp_path, "q1", depth=4)
    assert kept[0].doc_ids == ("a", "c", "b", "z")
    dropped, losses = searched(run, collection, tmp_path, "q1", depth=4, missing="drop")
    assert dropped[0].doc_ids == ("a", "c", "b")
    assert losses.rows_without_document == 1


def test_the_cut_comes_after_the_order_and_a_deeper_search_is_refused(
    run: Path, collection: Collection, tmp_path: Path
) -> None:
    cut, losses = searched(run, collection, tmp_path, "q1", depth=2)
    assert cut == [Candidates("q1", ("a", "c"), (3.5, 2.25))]
    assert losses.rows_without_document == 0
    handle = prepare(parse_retriever(f"recorded:{run}", depth=2), collection, tmp_path).handle
    with pytest.raises(UsageError, match="depth 3 exceeds the 2"):
        open_searcher(handle).search([Query("q1", "")], 3)


def test_a_query_without_lines_is_empty(run: Path, collection: Collection, tmp_path: Path) -> None:
    found, _ = searched(run, collection, tmp_path, "q3")
    assert found == [Candidates("q3", (), ())]


def test_the_queries_to_ask_are_those_that_have_lines(
    run: Path, collection: Collection, tmp_path: Path
) -> None:
    settings = parse_retriever(f"recorded:{run}")
    assert [q.text for q in prepare(settings, collection, tmp_path).queries] == ["one", "two"]
    held = QueryTable([Query("q2", "two")])
    assert prepare(settings, collection, tmp_path, held).queries is held


def test_a_run_for_other_queries_is_refused(
    run: Path, collection: Collection, tmp_path: Path
) -> None:
    with pytest.raises(UsageError, match="holds none of the 1 query"):
        prepare(
            parse_retriever(f"recorded:{run}"),
            collection,
            tmp_path,
            QueryTable([Query("unknown", "text")]),
        )


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("", "is empty"),
        ("q1 Q0 a 1 2.0 x\nq1 Q0 a\n", "line 2 has 3 columns, not six"),
        ("q1 Q0 a one 2.0 x\n", "line 1: rank 'one' or score '2.0' is not a number"),
        ("q1 Q0 a 1 nan x\n", "line 1: the score nan is not finite"),
    ],
)
def test_bad_runs_are_refused_by_line(
    collection: Collection, tmp_path: Path, content: str, message: str
) -> None:
    path = tmp_path / "bad.trec"
    path.write_text(content)
    with pytest.raises(UsageError, match=message):
        prepare(parse_retriever(f"recorded:{path}"), collection, tmp_path / "cache")
    assert not (tmp_path / "cache").exists()


def test_a_changed_run_is_read_anew(run: Path, collection: Collection, tmp_path: Path) -> None:
    first, _ = searched(run, collection, tmp_path, "q2")
    run.write_text(RUN.replace("q2 Q0 c", "q2 Q0 d"))
    second, _ = searched(run, collection, tmp_path, "q2")
    assert (first[0].doc_ids, second[0].doc_ids) == (("c",), ("d",))


def ndcg_at_10(qrels: Path, found: list[Candidates]) -> float:
    import ir_measures

    # Ranks as scores: the order itself is what is measured.
    run = {c.query_id: {d: float(-r) for r, d in enumerate(c.doc_ids)} for c in found}
    measure = ir_measures.parse_measure("nDCG@10")
    return round(float(ir_measures.calc_aggregate([measure], read_qrels(qrels), run)[measure]), 4)


@pytest.mark.data
@pytest.mark.parametrize(
    ("name", "order", "expected"),
    [
        ("first-stage.bm25", "score", 0.5058),
        ("first-stage.webis-pyterrier-bm25.top200", "score", 0.4795),
        ("first-stage.webis-colbertv2", "score", 0.7320),
        ("first-stage.webis-colbertv2", "rank", 0.7316),
    ],
)
def test_the_paper_s_first_stages_keep_their_figures(
    test_data: Path, tmp_path: Path, name: str, order: str, expected: float
) -> None:
    folder = test_data / "msmarco-dl19"
    collection = open_collection(str(folder))
    run = folder / "runs" / f"{name}.trec"
    queries = [query.query_id for query in collection.queries()]
    found, losses = searched(run, collection, tmp_path, *queries, depth=100, order=order)
    assert losses.queries == 43
    assert ndcg_at_10(folder / "qrels" / "full.trec", found) == expected


@pytest.mark.data
def test_losses_of_the_paper_s_colbert_run(test_data: Path, tmp_path: Path) -> None:
    folder = test_data / "msmarco-dl19"
    run = folder / "runs" / "first-stage.webis-colbertv2.trec"
    _, losses = searched(run, open_collection(str(folder)), tmp_path, depth=100)
    assert losses.duplicate_rows == losses.short_lists == losses.queries_without_lines == 0
    # Counted apart with sort and awk over the run and the corpus.
    assert losses.tied_rows == 1764
    assert losses.top10_differences == 16
    assert losses.rows_without_document == 501


def test_handles_are_plain_json(run: Path, collection: Collection, tmp_path: Path) -> None:
    handle = prepare(parse_retriever(f"recorded:{run}"), collection, tmp_path).handle
    text = handle.model_dump_json()
    assert RetrieverHandle.model_validate_json(text) == handle
    assert json.loads(text)["settings"]["name"] == "recorded"
