"""Imported runs: every sample, resumed, verified, with the texts of a collection, and refused."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
import pytest
from beir_files import beir_folder
from hub_data_set import COMMIT, NAME, hub_data_set
from hypothesis import given
from hypothesis import settings as of_hypothesis
from hypothesis import strategies as st
from typer.testing import CliRunner

from rankgen.generator.cli import app
from rankgen.generator.jobs.imports.job import ImportSummary, import_rankings
from rankgen.generator.jobs.imports.rows import ranking_rows, validate_imported
from rankgen.generator.jobs.imports.settings import ImportSettings
from rankgen.manifests.errors import IntegrityProblem, UsageError
from rankgen.manifests.forms.collected.found_lists import FOUND
from rankgen.manifests.run.ledger import Ledger
from rankgen.manifests.run.provenance import read_predicate
from rankgen.manifests.run.run_directory import RunDirectory
from rankgen.manifests.run.verify import verify_run

Row = dict[str, object]


class Killed(BaseException):
    """Replaces kill -9: no code between the shards catches it."""


def written(path: Path, rows: list[Row]) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    return path


def imported(out: Path, source: Path, form: str = "auto", **more: object) -> ImportSummary:
    values = {"form": form, "source": str(source), "out": out, **more}
    return import_rankings(ImportSettings.model_validate(values))


def rows_of(out: Path, table: str = "rankings") -> list[Row]:
    rows: list[Row] = RunDirectory(out).read(table).to_pylist()
    return sorted(rows, key=lambda row: str(row.get("query_id", row.get("doc_id"))))


def is_clean(out: Path) -> bool:
    found = verify_run(RunDirectory(out), validate_imported)
    assert found.problems == ()
    return found.is_finished


# Sample -> form, counts, losses, unit of the scores, whether there are texts.
SAMPLES: dict[str, tuple[str, dict[str, int], dict[str, int], str | None, bool]] = {
    "rank-distillm-rankzephyr.sample100q.run": (
        "rank-distillm-2024",
        {"queries": 100, "documents": 10_000, "queries_degraded": 0},
        {"rows": 10_000},
        "run score",
        False,
    ),
    "fullrank-gpt4o-bm25-top100-sliding9.1000q.jsonl": (
        "fullrank",
        {"queries": 1_000, "documents": 100_000, "queries_degraded": 0},
        {"rows": 1_000},
        None,
        False,
    ),
    "tevatron-pointwise.20q.jsonl": (
        "tevatron",
        {"queries": 20, "documents": 623, "queries_degraded": 0},
        {"rows": 20, "tied_rows": 606, "short_lists": 17, "scores_from_sides": 623},
        "label",
        True,
    ),
    "rank_llm-listwise-chat.100.jsonl": (
        "rank-llm-training",
        {"queries": 100, "documents": 1_297, "queries_degraded": 0},
        {"rows": 100, "short_lists": 77, "doc_ids_from_texts": 1_297},
        None,
        True,
    ),
}


@pytest.mark.parametrize("sample", SAMPLES)
def test_every_sample_is_imported_with_its_counts(
    test_data: Path, tmp_path: Path, sample: str
) -> None:
    form, counts, losses, unit, has_texts = SAMPLES[sample]
    out = tmp_path / "run"
    command = ["import", form, str(test_data / "teacher-samples" / sample), "--out", str(out)]
    done = CliRunner().invoke(app, [*command, "--json"])
    assert done.exit_code == 0, done.stderr
    told = json.loads(done.stdout)
    assert {name: told[name] for name in counts} == counts
    assert {name: count for name, count in told["losses"].items() if count} == losses
    assert told["scores"] == (unit and {"unit": unit, "source": sample})
    assert told["texts"] is has_texts
    assert all(RunDirectory(out).has_table(t) is has_texts for t in ("queries", "documents"))
    verified = CliRunner().invoke(app, ["verify", str(out), "--full"])
    assert verified.exit_code == 0, verified.stdout
    status = CliRunner().invoke(app, ["status", str(out), "--json"])
    assert json.loads(status.stdout)["finished"] is True
    predicate = read_predicate(RunDirectory(out))
    assert predicate is not None
    assert predicate["losses"] == told["losses"]
    assert predicate.get("teacher_scores") == told["scores"]
    assert predicate["source"] == sample


def test_a_run_keeps_the_order_the_scores_and_the_first_stage(tmp_path: Path) -> None:
    lists: list[Row] = [
        {"qid": "b", "initial_list": ["x", "y", "z"], "final_list": ["z", "x", "y"]},
        {"qid": "a", "initial_list": None, "final_list": ["2", "1"]},
    ]
    imported(tmp_path / "orders", written(tmp_path / "lists.jsonl", lists))
    one, other = rows_of(tmp_path / "orders")
    assert (one["doc_ids"], one["retrieval_positions"]) == (["2", "1"], [1, 2])
    assert (other["doc_ids"], other["retrieval_positions"]) == (["z", "x", "y"], [3, 1, 2])
    assert (one["teacher_scores"], one["windows"]) == (None, 0)
    predicate = read_predicate(RunDirectory(tmp_path / "orders"))
    assert predicate is not None
    assert predicate["first_stage"] == "known of some"
    assert not RunDirectory(tmp_path / "orders").has_table("queries")
    assert is_clean(tmp_path / "orders")
    scored: list[Row] = [
        {"qid": "a", "docno": str(n), "score": n / 2, "rank": 9 - n} for n in (1, 3, 2)
    ]
    path = written(tmp_path / "rows.jsonl", scored)
    done = imported(tmp_path / "scores", path, score_unit="cosine", depth=2)
    assert done.scores is not None
    assert done.scores.unit == "cosine"
    (row,) = rows_of(tmp_path / "scores")
    assert (row["doc_ids"], row["teacher_scores"]) == (["3", "2"], [1.5, 1.0])
    assert (done.losses.dropped_rows, done.losses.short_lists) == (1, 0)
    imported(tmp_path / "ranks", path, order="rank")
    assert rows_of(tmp_path / "ranks")[0]["doc_ids"] == ["3", "2", "1"]
    with pytest.raises(UsageError, match="no column of ranks"):
        imported(
            tmp_path / "none", written(path, [{"qid": 1, "docno": 1, "score": 1}]), order="rank"
        )


def test_an_incomplete_answer_makes_a_degraded_list(tmp_path: Path) -> None:
    passages = [{"docid": d, "text": f"text {d}"} for d in "abc"]
    rows: list[Row] = [{"query": q, "retrieved_passages": passages} for q in ("one", "two")]
    written(tmp_path / "set" / "rows.jsonl", rows)
    (tmp_path / "set" / "answers.json").write_text('["[2] > [1] > [3]", "[3] > [1]"]')
    done = imported(tmp_path / "run", tmp_path / "set", "rankgpt")
    assert (done.counts["queries_complete"], done.counts["queries_degraded"]) == (1, 1)
    assert done.losses.unranked_passages == 1
    orders = {row["status"]: row["doc_ids"] for row in rows_of(tmp_path / "run")}
    assert orders == {"complete": ["b", "a", "c"], "degraded": ["c", "a", "b"]}
    with pytest.raises(UsageError, match="hold whole lists"):
        imported(tmp_path / "other", tmp_path / "set", order="rank")


def many(path: Path, queries: int) -> Path:
    draw = np.random.default_rng(3)
    names = [f"q{number:03d}" for number in range(queries)]
    query = draw.permutation(np.repeat(names, 5))
    documents = [f"d{number}" for number in range(len(query))]
    table = pa.table({"qid": query, "docno": documents, "score": draw.normal(size=len(query))})
    pq.write_table(table, path)
    return path


def public_files(out: Path) -> dict[str, bytes]:
    paths = (path for path in out.rglob("*.parquet") if ".rankgen" not in path.parts)
    return {str(path.relative_to(out)): path.read_bytes() for path in paths}


def test_a_killed_import_is_repeated_to_the_same_bytes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = many(tmp_path / "rows.parquet", 60)
    imported(tmp_path / "whole", path, shards=4)
    commit, left = Ledger.commit, [2]

    def dies(*args: Any) -> bool:
        left[0] -= 1
        if left[0] < 0:
            raise Killed
        return commit(*args)

    with monkeypatch.context() as patch:
        patch.setattr(Ledger, "commit", dies)
        with pytest.raises(Killed):
            imported(tmp_path / "killed", path, shards=4)
    assert len(public_files(tmp_path / "killed")) == 2
    done = imported(tmp_path / "killed", path, shards=4)
    assert (done.resumed_shards, done.shards, done.queries) == (2, 4, 60)
    assert public_files(tmp_path / "killed") == public_files(tmp_path / "whole")
    assert imported(tmp_path / "killed", path, shards=4).resumed_shards == 4
    assert is_clean(tmp_path / "killed")


def test_another_source_or_another_folder_is_refused(tmp_path: Path) -> None:
    path = many(tmp_path / "rows.parquet", 6)
    imported(tmp_path / "run", path)
    with pytest.raises(UsageError, match="another recipe: depth null -> 3"):
        imported(tmp_path / "run", path, depth=3)
    rows = pq.read_table(path)
    pq.write_table(rows.set_column(2, "score", pc.negate(rows["score"])), path)
    with pytest.raises(UsageError, match="another recipe: source_sha256"):
        imported(tmp_path / "run", path)
    written(tmp_path / "full" / "mine.jsonl", [])
    with pytest.raises(UsageError, match="is not a run of rankgen"):
        imported(tmp_path / "full", path)


def test_a_collection_gives_the_texts(tmp_path: Path) -> None:
    collection = str(beir_folder(tmp_path / "beir"))
    rows: list[Row] = [
        {"qid": "q1", "doc_ids": ["d1", "d9", "d2"], "scores": [3, 2, 1]},
        {"qid": "q2", "doc_ids": ["d8"], "scores": [1]},
        {"qid": "q7", "doc_ids": ["d1"], "scores": [1]},
    ]
    path = written(tmp_path / "lists.jsonl", rows)
    with pytest.raises(UsageError, match=r"2 documents of .* have no text in .*first: d8") as told:
        imported(tmp_path / "run", path, collection=collection)
    assert told.value.hint is not None
    assert "--missing drop" in told.value.hint
    done = imported(tmp_path / "run", path, collection=collection, missing="drop")
    assert done.has_texts
    assert (done.losses.missing_texts, done.losses.dropped_rows) == (3, 3)
    (row,) = rows_of(tmp_path / "run")
    assert (row["doc_ids"], row["teacher_scores"]) == (["d1", "d2"], [3.0, 1.0])
    assert [r["doc_id"] for r in rows_of(tmp_path / "run", "documents")] == ["d1", "d2"]
    assert rows_of(tmp_path / "run", "queries") == [{"query_id": "q1", "text": "what is it"}]
    assert is_clean(tmp_path / "run")
    with pytest.raises(UsageError, match=r"no query of .* is left with a document"):
        imported(
            tmp_path / "none",
            written(path, [{"qid": "q1", "doc_ids": ["d9"]}]),
            collection=collection,
            missing="drop",
        )


def test_a_form_that_leaves_some_texts_out_is_told_apart(tmp_path: Path) -> None:
    candidates = [
        {"docid": "a", "score": 3, "doc": {"text": "text a"}},
        {"docid": "b", "score": 2},
        {"docid": "c", "score": 1, "doc": {"text": "text c"}},
    ]
    rows: list[Row] = [
        {"query": {"qid": "1", "text": "what"}, "candidates": candidates},
        {"query": {"qid": "2"}, "candidates": candidates},
    ]
    path = written(tmp_path / "a.jsonl", rows)
    with pytest.raises(UsageError, match=r"1 document of .* has no text in .*first: b"):
        imported(tmp_path / "run", path)
    done = imported(tmp_path / "run", path, missing="drop")
    assert (done.losses.missing_texts, done.losses.dropped_rows) == (2, 4)
    (row,) = rows_of(tmp_path / "run")
    assert (row["query_id"], row["doc_ids"]) == ("1", ["a", "c"])
    assert row["teacher_scores"] == [3.0, 1.0]


def test_texts_beside_the_rankings_are_taken(tmp_path: Path) -> None:
    written(tmp_path / "set/scores/a.jsonl", [{"query_id": 1, "document_ids": [5], "scores": [2]}])
    written(tmp_path / "set/queries/a.jsonl", [{"query_id": 1, "query": "what"}])
    documents: list[Row] = [{"document_id": n, "document": f"t{n}"} for n in (4, 5)]
    written(tmp_path / "set/documents/a.jsonl", documents)
    assert imported(tmp_path / "run", tmp_path / "set", "lightonai").has_texts
    assert rows_of(tmp_path / "run", "documents") == [{"doc_id": "5", "title": "", "text": "t5"}]


def test_another_folder_of_a_source_is_another_recipe(tmp_path: Path) -> None:
    for config in ("one", "two"):
        written(tmp_path / f"set/{config}/a.jsonl", [{"qid": 1, "doc_ids": [config]}])
    imported(tmp_path / "run", tmp_path / "set", config="one")
    with pytest.raises(UsageError, match="another recipe: config one -> two"):
        imported(tmp_path / "run", tmp_path / "set", config="two")
    # The name of a form alone changes nothing.
    assert imported(tmp_path / "run", tmp_path / "set", "fullrank", config="one").form == "fullrank"


def test_columns_may_have_names_of_their_own(tmp_path: Path) -> None:
    rows: list[Row] = [{"topic": "1", "item": d, "points": n} for n, d in enumerate("ab")]
    names = ["query_id=topic", "doc_id=item", "score=points"]
    path = written(tmp_path / "a.jsonl", rows)
    imported(tmp_path / "rows", path, columns=names)
    assert rows_of(tmp_path / "rows")[0]["doc_ids"] == ["b", "a"]
    tsv = tmp_path / "a.tsv"
    tsv.write_text("item\tpoints\ttopic\na\t1\t7\n")
    imported(tmp_path / "lines", tsv, "rank-distillm", columns=names)
    assert rows_of(tmp_path / "lines")[0]["query_id"] == "7"
    lists: list[Row] = [{"topic": "1", "items": ["x", "y"]}]
    named = ["query_id=topic", "doc_ids=items"]
    imported(tmp_path / "lists", written(tmp_path / "b.jsonl", lists), columns=named)
    assert rows_of(tmp_path / "lists")[0]["doc_ids"] == ["x", "y"]
    with pytest.raises(UsageError, match="needs ROLE=NAME, not 'points'"):
        imported(tmp_path / "other", path, columns=["points"])
    with pytest.raises(UsageError, match="no column can hold a 'scor'") as refused:
        imported(tmp_path / "other", path, columns=["scor=points"])
    assert refused.value.hint == "did you mean 'score' or 'scores'?"
    with pytest.raises(
        UsageError, match="and not point, which --columns score=point names"
    ) as absent:
        imported(tmp_path / "other", path, "scored-rows", columns=["score=point"])
    assert absent.value.hint == "did you mean 'points'?"
    with pytest.raises(UsageError, match="says twice which column is the score: points and item"):
        imported(tmp_path / "other", path, columns=["score=points", "score=item"])


def test_two_texts_of_one_id_are_counted(tmp_path: Path) -> None:
    def row(query: str, text: str) -> Row:
        candidates = [{"docid": "d", "doc": {"text": text}}]
        return {"query": {"qid": query, "text": query}, "candidates": candidates}

    path = written(tmp_path / "a.jsonl", [row("1", "b"), row("2", "a"), row("3", "a")])
    assert imported(tmp_path / "run", path).losses.other_texts == 1
    assert rows_of(tmp_path / "run", "documents") == [{"doc_id": "d", "title": "", "text": "a"}]


@pytest.mark.parametrize(
    ("name", "content", "form", "fault"),
    [
        ("a.jsonl", '{"qid": 1, "docno": 1, "score": NaN}', "auto", "line 1: the score nan"),
        ("a.jsonl", "", "auto", "is empty"),
        ("a.jsonl", "{", "auto", "line 1 is not JSON"),
        ("a.jsonl", '{"qid": 1, "docid": 1}', "scored-rows", "not those of the form"),
        ("a.run", "q Q0 d 1 inf t", "trec-run", "line 1: the score inf is not finite"),
        ("a.jsonl", '{"qid": 1, "doc_ids": [1, 1]}', "auto", "lists document 1 twice"),
        ("a.parquet", "PAR1", "auto", "cannot be read as Parquet"),
        ("a.jsonl", '{"qid": 1, "doc_ids": []}', "auto", "holds no ranking"),
        ("a.jsonl", '{"a": 1}', "fulrank", "there is no form 'fulrank'"),
    ],
)
def test_bad_input_is_one_sentence(
    tmp_path: Path, name: str, content: str, form: str, fault: str
) -> None:
    (tmp_path / name).write_text(content)
    command = ["import", form, str(tmp_path / name), "--out", str(tmp_path / "run")]
    done = CliRunner().invoke(app, command)
    assert done.exit_code == 2
    assert fault in done.stderr
    assert "Traceback" not in done.stderr
    assert not (tmp_path / "run").exists()


def test_repeated_rows_are_dropped_and_counted_or_refused(tmp_path: Path) -> None:
    rows: list[Row] = [{"qid": "1", "docno": "a", "score": score} for score in (1, 2)]
    path = written(tmp_path / "a.jsonl", rows)
    assert imported(tmp_path / "run", path).losses.duplicate_rows == 1
    assert rows_of(tmp_path / "run")[0]["teacher_scores"] == [2.0]
    with pytest.raises(UsageError, match="query 1 lists document a twice"):
        imported(tmp_path / "other", path, duplicates="refuse")


def test_a_run_can_be_imported_into_a_store(s3_bucket: str, tmp_path: Path) -> None:
    path = many(tmp_path / "rows.parquet", 6)
    out = f"{s3_bucket}/imported"
    values = {"form": "auto", "source": str(path), "out": out, "shards": 2}
    assert import_rankings(ImportSettings.model_validate(values)).queries == 6
    found = verify_run(RunDirectory(out), validate_imported)
    assert (found.problems, found.is_finished, found.queries) == ((), True, 6)


def test_a_data_set_on_the_hub_is_imported_at_its_commit(tmp_path: Path) -> None:
    files = {
        "scores/nq.jsonl": '{"query_id": 1, "document_ids": [5], "scores": [2.5]}\n',
        "queries/nq.jsonl": '{"query_id": 1, "query": "what"}\n',
        "documents/nq.jsonl": '{"document_id": 5, "document": "five"}\n',
    }
    with hub_data_set(files, tmp_path / "cache"):
        command = ["import", "lightonai", f"hf:{NAME}:scores:nq", "--out", str(tmp_path / "run")]
        done = CliRunner().invoke(app, [*command, "--json"])
    assert done.exit_code == 0, done.stderr
    told = json.loads(done.stdout)
    assert told["texts"] is True
    assert told["scores"] == {"unit": "logit", "source": f"hf:{NAME}@{COMMIT}"}
    assert is_clean(tmp_path / "run")


def test_a_collection_takes_the_place_of_texts_beside_the_rankings(tmp_path: Path) -> None:
    files = {
        "scores/nq.jsonl": '{"query_id": "q1", "document_ids": ["d1"]}\n',
        "queries/nq.jsonl": '{"query_id": "q1", "query": "other"}\n',
        "documents/nq.jsonl": '{"document_id": "d1", "document": "other"}\n',
    }
    collection = str(beir_folder(tmp_path / "beir"))
    with hub_data_set(files, tmp_path / "cache") as hub:
        values = {"form": "lists", "source": f"hf:{NAME}:scores", "collection": collection}
        settings = ImportSettings.model_validate({**values, "out": str(tmp_path / "run")})
        assert import_rankings(settings).losses.other_texts == 0
        assert not any("queries" in path or "documents" in path for path in hub.asked)
    for name, text in files.items():
        (tmp_path / "set" / name).parent.mkdir(parents=True)
        (tmp_path / "set" / name).write_text(text)
    done = imported(tmp_path / "local", tmp_path / "set", collection=collection)
    assert done.losses.other_texts == 0
    for out in ("run", "local"):
        assert rows_of(tmp_path / out, "queries") == [{"query_id": "q1", "text": "what is it"}]


def test_texts_of_what_was_left_out_are_not_published(tmp_path: Path) -> None:
    rows: list[Row] = [{"query": "q", "document": d, "label": n} for n, d in enumerate("abc")]
    path = written(tmp_path / "pairs.jsonl", rows)
    imported(tmp_path / "run", path, "ettin", depth=2)
    assert {row["text"] for row in rows_of(tmp_path / "run", "documents")} == {"b", "c"}
    lists: list[Row] = [
        {"query": {"qid": "1", "text": "q"}, "candidates": [{"docid": d, "doc": d}]} for d in "ab"
    ]
    imported(tmp_path / "other", written(tmp_path / "a.jsonl", lists), duplicates="drop")
    assert [row["doc_id"] for row in rows_of(tmp_path / "other", "documents")] == ["a"]


def lists_of(*lists: tuple[str, list[str], list[float] | None, list[str] | None]) -> pa.Table:
    rows = [dict(zip(FOUND.names, (*listed, None, True), strict=True)) for listed in sorted(lists)]
    return pa.Table.from_pylist(rows, schema=FOUND)


def changed(rankings: pa.Table, name: str, change: Callable[[list[Row]], None]) -> pa.Table:
    column = rankings[name].to_pylist()
    change(column)
    place = rankings.schema.names.index(name)
    return rankings.set_column(place, name, pa.array(column, rankings.schema.field(name).type))


FAULTS: dict[str, tuple[str, Callable[[list], None], str]] = {  # type: ignore[type-arg]  # any
    "other query": ("query_id", lambda c: c.__setitem__(0, "x"), "the planned queries"),
    "repeated": ("doc_ids", lambda c: c[0].__setitem__(0, c[0][1]), "holds a document twice"),
    "other document": ("doc_ids", lambda c: c[1].__setitem__(0, "new"), "query b is not a perm"),
    "swapped": ("doc_ids", lambda c: c[1].reverse(), "query b is not a permutation"),
    "gap": ("retrieval_positions", lambda c: c[0].__setitem__(0, 9), "query a is not a perm"),
    "gap below": ("retrieval_positions", lambda c: c[0].__setitem__(1, 9), "query a is not a perm"),
    "short": ("retrieval_positions", lambda c: c[0].pop(), "another number of positions"),
    "few scores": ("teacher_scores", lambda c: c[0].pop(), "query a has another number of scores"),
    "no number": (
        "teacher_scores",
        lambda c: c[0].__setitem__(1, float("nan")),
        "query a has a score that is not a number",
    ),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_every_changed_row_is_found(fault: str) -> None:
    lists = lists_of(("a", ["x", "y"], [2.0, 1.0], None), ("b", ["y", "z"], None, ["z", "y"]))
    rankings = ranking_rows(lists)
    validate_imported({"rankings": rankings}, ["a", "b"], {})
    name, change, told = FAULTS[fault]
    with pytest.raises(IntegrityProblem, match=told):
        validate_imported({"rankings": changed(rankings, name, change)}, ["a", "b"], {})


IDS = st.text(st.characters(exclude_categories=("Cs",)), min_size=1, max_size=5)


@given(st.dictionaries(IDS, st.lists(IDS, min_size=1, unique=True), min_size=1), st.randoms())
def test_rows_of_any_ids_pass_their_own_check(lists: dict[str, list[str]], draw: object) -> None:
    found = []
    for query_id, doc_ids in lists.items():
        stage = list(doc_ids)
        draw.shuffle(stage)  # type: ignore[attr-defined]  # hypothesis' random
        found.append((query_id, doc_ids, [float(n) for n in range(len(doc_ids))], stage))
    rankings = ranking_rows(lists_of(*found))
    validate_imported({"rankings": rankings}, list(lists), {})
    for row, (_, doc_ids, _, stage) in zip(rankings.to_pylist(), sorted(found), strict=True):
        assert [stage[place - 1] for place in row["retrieval_positions"]] == doc_ids


TEXTS = st.text(st.characters(exclude_categories=("Cs",)), max_size=5)
# Texts cannot be looked up by an id with a NUL byte, which is refused.
NAMES = IDS.filter(lambda name: "\0" not in name)
SCORED = st.dictionaries(NAMES, st.floats(-9, 9, width=32), min_size=1, max_size=4)


@of_hypothesis(max_examples=12)
@given(st.dictionaries(NAMES, st.tuples(TEXTS, SCORED), min_size=1, max_size=6), st.booleans())
def test_any_lists_become_a_run_of_the_same_lists(
    lists: dict[str, tuple[str, dict[str, float]]], with_texts: bool
) -> None:
    rows: list[Row] = []
    for query_id, (text, scored) in lists.items():
        held = [
            {"docid": d, "score": s} | ({"doc": {"title": d, "text": d * 2}} if with_texts else {})
            for d, s in scored.items()
        ]
        query = {"qid": query_id} | ({"text": f"q{text}"} if with_texts else {})
        rows.append({"query": query, "candidates": held})
    with TemporaryDirectory() as folder:
        out = Path(folder) / "run"
        imported(out, written(Path(folder) / "a.jsonl", rows), shards=min(2, len(rows)))
        found = {row["query_id"]: row for row in rows_of(out)}
        assert {q: row["doc_ids"] for q, row in found.items()} == {
            q: list(scored) for q, (_, scored) in lists.items()
        }
        assert {q: row["teacher_scores"] for q, row in found.items()} == {
            q: list(scored.values()) for q, (_, scored) in lists.items()
        }
        if with_texts:
            texts = {row["query_id"]: row["text"] for row in rows_of(out, "queries")}
            assert texts == {q: f"q{text}" for q, (text, _) in lists.items()}
            documents = {row["doc_id"]: row for row in rows_of(out, "documents")}
            assert documents.keys() == {d for _, scored in lists.values() for d in scored}
            assert all(row["text"] == str(d) * 2 for d, row in documents.items())
        assert is_clean(out)
