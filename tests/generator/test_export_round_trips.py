"""What was exported is imported again: the same lists, ids, orders, scores and texts."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path

import pytest
from export_runs import ORDERS, SCORES, exported, write_rankings
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from typer.testing import CliRunner

from rankgen.generator.cli import app
from rankgen.generator.jobs.imports.job import ImportSummary, import_rankings
from rankgen.generator.jobs.imports.settings import ImportSettings
from rankgen.manifests.errors import UsageError
from rankgen.manifests.forms.text_ids import id_of_text
from rankgen.manifests.run.run_directory import RunDirectory

# Form -> the suffixes of its files; their ids come back as they were.
WITH_IDS = {
    "scored-rows": ".parquet",
    "rank-distillm": ".jsonl",
    "bert-ensemble-mse": ".jsonl.zst",
    "lists": ".jsonl.gz",
    "sentence-transformers": ".parquet",
    "lightonai": ".parquet",
    "fullrank": ".json",
    "rank-llm": ".jsonl",
    "tevatron": ".parquet",
    "rlhn": ".jsonl",
    "rank-llm-training": ".json",
}
ORDER_ALONE = {"sentence-transformers", "fullrank", "rank-llm-training"}
# Spaces, slashes, quotes, leading zeros, other scripts, and what only looks like a number.
IDS = st.one_of(
    st.sampled_from(
        ["007", "0", "1e3", "a b", "a/b", 'a"b', "a'b", "é", "漢字", "2020-01-01", "None"]
    ),
    st.text(
        st.characters(exclude_categories=["Cs"], exclude_characters="\0"), min_size=1, max_size=8
    ),
)
FLOATS = st.floats(-1024, 1024, width=16)


@st.composite
def runs(draw: st.DrawFn) -> tuple[dict[str, list[str]], dict[str, list[float]]]:
    """Orders of one to six queries, with scores that descend strictly."""
    query_ids = draw(st.lists(IDS, min_size=1, max_size=6, unique=True))
    orders = {q: draw(st.lists(IDS, min_size=2, max_size=8, unique=True)) for q in query_ids}
    scores = {
        q: sorted(
            draw(st.lists(FLOATS, min_size=len(o), max_size=len(o), unique=True)), reverse=True
        )
        for q, o in orders.items()
    }
    return orders, scores


def imported(form: str, source: Path, out: Path, **more: object) -> ImportSummary:
    values = {"form": form, "source": str(source), "out": out, **more}
    return import_rankings(ImportSettings.model_validate(values))


def lists_of(run: Path) -> tuple[dict[str, list[str]], dict[str, list[float]]]:
    rows = RunDirectory(run).read("rankings").to_pylist()
    orders = {row["query_id"]: row["doc_ids"] for row in rows}
    return orders, {row["query_id"]: row["teacher_scores"] for row in rows}


def texts_of(run: Path) -> dict[str, str]:
    held = RunDirectory(run)
    return held.texts("documents") | held.texts("queries")


@settings(max_examples=4, suppress_health_check=[HealthCheck.too_slow])
@given(runs())
def test_every_form_with_ids(made: tuple[dict[str, list[str]], dict[str, list[float]]]) -> None:
    orders, scores = made
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        run = write_rankings(root / "run", orders, scores)
        for form, suffix in WITH_IDS.items():
            more = {"prompts": "list"} if form == "rank-llm-training" else {}
            exported(form, run, root / f"{form}{suffix}", **more)
            imported(form, root / f"{form}{suffix}", root / form)
            again, scores_again = lists_of(root / form)
            assert again == orders, form
            wanted = dict.fromkeys(orders) if form in ORDER_ALONE else scores
            assert scores_again == wanted, form


@settings(max_examples=6, suppress_health_check=[HealthCheck.too_slow])
@given(runs())
def test_trec_runs_with_what_they_can_express(
    made: tuple[dict[str, list[str]], dict[str, list[float]]],
) -> None:
    orders, scores = made
    names = {name for q, order in orders.items() for name in (q, *order)}
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        run = write_rankings(root / "run", orders, scores)
        if any(name.split() != [name] or name.startswith("\ufeff") for name in names):
            with pytest.raises(UsageError, match="which a TREC run cannot express"):
                exported("trec-run", run, root / "x.run")
            return
        exported("trec-run", run, root / "x.run.gz")
        imported("trec-run", root / "x.run.gz", root / "again")
        assert lists_of(root / "again") == (orders, scores)


@pytest.mark.parametrize(
    ("form", "name"),
    [
        ("ettin", "x.parquet"),
        ("pairs", "x.jsonl"),
        ("labeled-list", "x.parquet"),
        ("labeled-list", "x.jsonl"),
        ("bge", "x.jsonl"),
        ("bge", "x.parquet"),
        ("twolar", "x.parquet"),
    ],
)
def test_forms_of_texts_keep_the_texts(tmp_path: Path, form: str, name: str) -> None:
    run = write_rankings(tmp_path / "run", ORDERS, SCORES)
    exported(form, run, tmp_path / name)
    imported(form, tmp_path / name, tmp_path / "again")
    texts, again = texts_of(run), texts_of(tmp_path / "again")
    orders, scores = lists_of(tmp_path / "again")

    def told(order: Mapping[str, Sequence[str]], held: Mapping[str, str]) -> dict[str, list[str]]:
        return {held[q]: [held[doc_id] for doc_id in ids] for q, ids in order.items()}

    assert told(orders, again) == told(ORDERS, texts)
    if form != "twolar":
        assert scores == {id_of_text(texts[q]): SCORES[q] for q in ORDERS}


def test_sides_are_labels_and_scores_are_what_the_form_says(tmp_path: Path) -> None:
    for name, scores, unit in (("a", None, "label"), ("b", SCORES, "logit")):
        exported("bge", write_rankings(tmp_path / name, ORDERS, scores), tmp_path / f"{name}.jsonl")
        done = imported("bge", tmp_path / f"{name}.jsonl", tmp_path / f"{name}-again")
        assert done.scores is not None
        assert done.scores.unit == unit


def test_labels_of_another_number_of_texts(tmp_path: Path) -> None:
    row = {"query": "q", "docs": ["a", "b"], "labels": [1]}
    (tmp_path / "x.jsonl").write_text(json.dumps(row))
    with pytest.raises(UsageError, match=r"x.jsonl line 1: the columns docs and labels hold list"):
        imported("labeled-list", tmp_path / "x.jsonl", tmp_path / "run")


def test_texts_and_titles_come_back(tmp_path: Path) -> None:
    run = write_rankings(tmp_path / "run", ORDERS, SCORES)
    for form in ("tevatron", "rank-llm"):
        exported(form, run, tmp_path / f"{form}.jsonl")
        imported(form, tmp_path / f"{form}.jsonl", tmp_path / form)
        for table in ("queries", "documents"):
            before, after = (RunDirectory(r).read(table) for r in (run, tmp_path / form))
            assert before.to_pylist() == after.to_pylist()


def test_lightning_ir_with_and_without_texts(tmp_path: Path) -> None:
    run = write_rankings(tmp_path / "run", ORDERS, SCORES, titles=False)
    for number, with_text in enumerate((False, True)):
        out = tmp_path / f"x{number}__rankings.parquet"
        exported("lightning-ir", run, out, with_text=with_text)
        done = imported("lightning-ir", out, tmp_path / f"again{number}")
        assert lists_of(tmp_path / f"again{number}") == (ORDERS, SCORES)
        assert done.has_texts == with_text
    assert texts_of(tmp_path / "again1") == texts_of(run)


def test_a_first_stage_comes_back(tmp_path: Path) -> None:
    run = write_rankings(tmp_path / "run", ORDERS)
    exported("fullrank", run, tmp_path / "x.jsonl")
    imported("fullrank", tmp_path / "x.jsonl", tmp_path / "again")
    exported("fullrank", tmp_path / "again", tmp_path / "y.jsonl")
    first, second = ((tmp_path / name).read_text().splitlines() for name in ("x.jsonl", "y.jsonl"))
    assert sorted(first) == sorted(second)


def test_a_shuffle_stands_in_for_a_first_stage_when_asked(tmp_path: Path) -> None:
    run = write_rankings(tmp_path / "run", ORDERS, SCORES)
    exported("tevatron", run, tmp_path / "x.jsonl")
    imported("tevatron", tmp_path / "x.jsonl", tmp_path / "again")
    with pytest.raises(UsageError, match="the first stage gave the list of query") as raised:
        exported("rank-llm-training", tmp_path / "again", tmp_path / "y.json")
    assert "--prompts shuffled" in str(raised.value.hint)
    exported("rank-llm-training", tmp_path / "again", tmp_path / "y.json", prompts="shuffled")
    imported("auto", tmp_path / "y.json", tmp_path / "shuffled")
    assert lists_of(tmp_path / "shuffled")[0] == ORDERS


def test_an_import_without_a_first_stage_does_not_make_one_up(tmp_path: Path) -> None:
    run = write_rankings(tmp_path / "run", ORDERS, SCORES)
    exported("lists", run, tmp_path / "x.jsonl")
    imported("lists", tmp_path / "x.jsonl", tmp_path / "again")
    for form, more, problem in (
        ("fullrank", {}, "the first stage gave the list of query"),
        ("lists", {"order": "first-stage"}, "no scores of a first stage are known"),
        ("lists", {"order": "first-stage", "scores": "order"}, "the first stage's order of query"),
        ("lists", {"scores": "first-stage"}, "no scores of a first stage are known"),
        ("labeled-list", {}, "has no texts of its queries and documents"),
    ):
        with pytest.raises(UsageError, match=problem):
            exported(form, tmp_path / "again", tmp_path / "y.jsonl", **more)


@pytest.mark.parametrize(
    ("form", "name", "queries", "documents"),
    [
        ("rank-llm-training", "rank_llm-listwise-chat.100.jsonl", 100, 1297),
        ("tevatron", "tevatron-pointwise.20q.jsonl", 20, 623),
    ],
)
def test_samples_import_and_leave_again(
    test_data: Path, tmp_path: Path, form: str, name: str, queries: int, documents: int
) -> None:
    sample = test_data / "teacher-samples" / name
    done = imported("auto", sample, tmp_path / "run")
    assert (done.queries, done.counts["documents"]) == (queries, documents)
    assert done.has_texts
    result = CliRunner().invoke(app, ["verify", str(tmp_path / "run"), "--full", "--json"])
    assert result.exit_code == 0, result.output
    assert json.loads(result.stdout)["finished"]
    exported(form, tmp_path / "run", tmp_path / "x.jsonl")
    imported(form, tmp_path / "x.jsonl", tmp_path / "again")
    assert lists_of(tmp_path / "again") == lists_of(tmp_path / "run")


def test_rankgpt_is_a_folder_of_two_files(tmp_path: Path) -> None:
    source = tmp_path / "downloaded"
    source.mkdir()
    passages = [{"docid": str(n), "text": f"text {n}"} for n in range(3)]
    rows = [{"query": q, "positive_passages": [], "retrieved_passages": passages} for q in "ab"]
    (source / "marco-train-2.jsonl").write_text("\n".join(map(json.dumps, rows)))
    (source / "marco-train-2-gpt3.5.json").write_text('["[3] > [1] > [2]", "[2] > [1]"]')
    for form in ("rankgpt", "auto"):
        done = imported(form, source, tmp_path / form)
        assert done.losses.unranked_passages == 1
        orders, _ = lists_of(tmp_path / form)
        assert orders == {id_of_text("a"): ["2", "0", "1"], id_of_text("b"): ["1", "0", "2"]}
