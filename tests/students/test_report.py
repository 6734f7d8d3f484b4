"""The page of runs holds every query, says what is missing, and has the commands' figures."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from html import escape
from pathlib import Path
from typing import Any

import pytest
from made_runs import write_candidates, write_labels
from read_page import blocks_of, facts_of, queries_of
from typer.testing import CliRunner

from rankgen.generator.cli import app
from rankgen.manifests.errors import IntegrityProblem, UsageError
from rankgen.manifests.run.run_directory import RunDirectory
from rankgen.students.pages.blocks import Blocks
from rankgen.students.pages.evaluated import read_evaluation
from rankgen.students.pages.page_file import PAGE
from rankgen.students.pages.settings import ReportSettings
from rankgen.students.pages.training import MOST_POINTS, recorded_training
from rankgen.students.pages.write import report
from rankgen.students.training.metrics_log import metrics_path

WriteRun = Callable[..., Path]


def written(out: Path, *runs: Path, **more: object) -> str:
    report(ReportSettings.model_validate({"runs": runs, "out": out, **more}))
    return (out / PAGE).read_text(encoding="utf-8")


def told(*words: str) -> dict[str, Any]:
    done = CliRunner().invoke(app, [*words, "--json"])
    assert done.exit_code == 0, done.output
    found: dict[str, Any] = json.loads(done.stdout)
    return found


def cells(page: str, section: str) -> list[list[str]]:
    """Returns the rows of the first table of a section, as texts."""
    body = page.split(f'id="{section}"')[1].split("<tbody>")[1].split("</tbody>")[0]
    rows = [re.findall(r"<t[hd][^>]*>(.*?)</t[hd]>", row, re.DOTALL) for row in body.split("</tr>")]
    return [[re.sub(r"<[^>]+>|\s+", " ", cell).strip() for cell in row] for row in rows if row]


@pytest.fixture(scope="module")
def labels(tmp_path_factory: pytest.TempPathFactory) -> RunDirectory:
    folder = tmp_path_factory.mktemp("runs")
    candidates = write_candidates(folder / "candidates", 12)
    return write_labels(folder / "labels", candidates, failed=["007"])


def test_the_page_holds_every_query_and_says_what_is_missing(
    labels: RunDirectory, tmp_path: Path
) -> None:
    page = written(tmp_path / "out", labels.root)
    blocks = blocks_of(page)
    found = queries_of(blocks)
    ranked = set(labels.read("rankings", ["query_id"])["query_id"].to_pylist())
    assert found.keys() == ranked | {"007"}
    assert found["x/y"]["text"] == "what is x/y?"
    rows = {row["id"]: row["runs"][0] for row in blocks["index"]}
    assert rows["007"]["status"] == "quarantined"
    assert rows["x/y"] | {"status": "", "calls": 0, "failed": 0, "repaired": 0} == {
        "status": "",
        "tau": -1.0,
        "rise": 3,
        "fall": 3,
        "calls": 0,
        "failed": 0,
        "repaired": 0,
    }
    assert "1 query of labels could not be labelled" in page
    # The recipe of the first stage, and how shards were made, without what only this machine knows.
    assert "first stage: collection" in page
    assert "device cpu" in page
    assert "10.0.0.7" not in page
    assert str(labels.root) not in page
    assert sorted(p.name for p in (tmp_path / "out").iterdir()) == [PAGE]


def test_figures_are_those_of_status_and_compare(labels: RunDirectory, tmp_path: Path) -> None:
    again = write_labels(
        tmp_path / "again", write_candidates(tmp_path / "c", 12), given=(4, 3, 2, 1)
    )
    page = written(tmp_path / "out", labels.root, again.root)
    compared = told("compare", str(labels.root), str(again.root))
    charts = blocks_of(page)["charts"]
    assert charts["agreement"] == compared["agreement"]
    status = told("status", str(labels.root))
    (first, _) = cells(page, "overview")
    run = compared["runs"][0]
    expected = [run["name"], "minilm", "label, finished", f"{status['published']} of 12"]
    expected += [str(run["degraded"]), str(len(status["quarantined"])), str(run["windows"])]
    assert first[:7] == expected
    assert first[8] == f"{run['prompt_tokens']:,}"
    (pairs, _) = cells(page, "coverage")
    assert pairs[1] == f"{run['coverage']['seen']:.1%}"
    assert pairs[2] == f"{run['coverage']['implied']:.1%}"
    calls = labels.read("windows").to_pylist()
    answers = cells(page, "outcomes")[0]
    clean = sum(call["outcome"] == "ok" for call in calls)
    assert answers[1:3] == [str(clean), str(sum(c["outcome"] == "repaired" for c in calls))]
    assert answers[4] == str(sum(call["permutation"] is None for call in calls))


def test_judgements_are_measured_as_by_evaluate(labels: RunDirectory, tmp_path: Path) -> None:
    candidates = labels.root.parent / "candidates"
    qrels = candidates / "qrels.tsv"
    page = written(tmp_path / "out", labels.root, qrels=qrels)
    words = ["--qrels", str(qrels), "--candidates", str(candidates), "--rankings", str(labels.root)]
    evaluation = told("evaluate", *words, "--out", str(tmp_path / "evaluation"))
    judged = blocks_of(page)["charts"]["runs"][0]["judged"]
    values = read_evaluation(tmp_path / "evaluation").per_query
    names = [system["name"] for system in evaluation["systems"]]
    ids = read_evaluation(tmp_path / "evaluation").query_ids
    ranked = set(labels.read("rankings", ["query_id"])["query_id"].to_pylist())
    places = [place for place, query_id in enumerate(ids) if query_id in ranked]
    assert judged["queries"] == len(places)
    for name, key in zip(names, ("first_stage", "teacher"), strict=True):
        own = [values[name]["nDCG@10"][place] for place in places]
        assert judged[key] == pytest.approx(sum(own) / len(own))
    # The relevant passage stood second and is third in a list that was turned round.
    gains = [row["runs"][0].get("gain") for row in blocks_of(page)["index"] if row["id"] in ids]
    assert judged["worse"] == sum(gain is not None and gain < 0 for gain in gains) > 0


def test_judged_queries_that_a_run_lacks_are_told(labels: RunDirectory, tmp_path: Path) -> None:
    qrels = tmp_path / "qrels"
    qrels.write_text("x/y 0 d 1\n07 0 d 1\nabsent 0 d 1\n")
    words = ["report", str(labels.root), "--qrels", str(qrels), "--out", str(tmp_path / "out")]
    sentence = (
        "2 of 3 judged queries have no list in labels (first: 07); 1 of these ids would match as "
        "numbers (07 is 007 there): did a spreadsheet rewrite them?"
    )
    assert told(*words)["notices"] == [sentence]
    assert f"note: {sentence}\n" in CliRunner().invoke(app, words).stdout
    assert escape(sentence) in (tmp_path / "out" / PAGE).read_text(encoding="utf-8")
    qrels.write_text("X/Y 0 d 1\n")
    with pytest.raises(UsageError, match=r"no query of labels is judged in .*qrels"):
        written(tmp_path / "other", labels.root, qrels=qrels)
    assert not (tmp_path / "other").exists()


def test_an_evaluation_and_a_training_are_shown_too(labels: RunDirectory, tmp_path: Path) -> None:
    candidates = labels.root.parent / "candidates"
    qrels, out = candidates / "qrels.tsv", tmp_path / "evaluation"
    words = ["--qrels", str(qrels), "--candidates", str(candidates), "--rankings", str(labels.root)]
    evaluation = told("evaluate", *words, "--out", str(out))
    metrics = metrics_path(tmp_path / "student")
    metrics.parent.mkdir(parents=True)
    lines = [{"step": step, "loss": 1 / step} for step in range(1, 2 * MOST_POINTS + 1)]
    metrics.write_text("".join(json.dumps(line) + "\n" for line in lines))
    with metrics.open("a") as file:
        file.write(json.dumps({"step": 2, "validation nDCG@10": 0.25}) + "\n")
    page = written(tmp_path / "out", labels.root, evaluation=out, students=[tmp_path / "student"])
    charts = blocks_of(page)["charts"]
    assert charts["evaluated"]["systems"] == evaluation["systems"]
    (training,) = charts["trainings"]
    assert training["validation"] == [{"step": 2, "value": 0.25}]
    assert training["loss"][0] == {"step": 2, "value": pytest.approx(0.75)}
    assert len(training["loss"]) == MOST_POINTS
    shown = [row[2][:6] for row in cells(page, "evaluation")]
    assert shown == [f"{s['measures']['nDCG@10']:.4f}" for s in evaluation["systems"]]
    own = (out / PAGE).read_text(encoding="utf-8")
    assert cells(own, "evaluation") == cells(page, "evaluation")
    views = queries_of(blocks_of(own))
    assert views.keys() == set(read_evaluation(out).query_ids)
    assert facts_of(own)["runs"] == ["teacher (minilm)"]
    first = views["7"]["runs"][0]
    assert (first["compared_with"], first["status"]) == ("first-stage (candidates)", "ranked")
    assert first["rises"] == [3, 1, -1, -3]
    assert views["7"]["documents"][first["before"][1]]["grade"] == 1


def test_large_data_lies_beside_the_page(
    labels: RunDirectory, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    embedded = blocks_of(written(tmp_path / "whole", labels.root))
    monkeypatch.setattr(
        "rankgen.students.pages.write.Blocks", lambda out: Blocks(out, most_embedded=100)
    )
    out = tmp_path / "out"
    page = written(out, labels.root)
    assert blocks_of(page, out) == embedded
    held = {path.name for path in (out / "report-data").iterdir()}
    assert held == {Path(name).name for name in facts_of(page)["beside"].values()}
    (out / "report-data" / "q0.0123456789ab.js").write_text("of an earlier page")
    assert written(out, labels.root) == page
    assert {path.name for path in (out / "report-data").iterdir()} == held


def test_blocks_are_all_in_the_page_or_all_beside_it(tmp_path: Path) -> None:
    blocks = Blocks(tmp_path, most_embedded=100)
    blocks.add("small", [1])
    assert (set(blocks.embedded), blocks.beside) == ({"small"}, {})
    blocks.add("large", "".join(map(chr, range(1000))))
    assert (blocks.embedded, set(blocks.beside)) == ({}, {"small", "large"})
    assert all((tmp_path / address).is_file() for address in blocks.beside.values())


def test_texts_cannot_become_markup(write_rankings: WriteRun, tmp_path: Path) -> None:
    evil = '</script><script>alert("1")</script><!-- & \x00 \u202e\U0001f600'
    texts = {evil: evil, "b": "x" * 100_000}
    root = write_rankings("<b>run", {evil: [evil, "b"]}, {evil: evil}, texts)
    page = written(tmp_path / "out", root)
    assert "alert(" not in page
    assert f'<h1 dir="auto">{escape("<b>run")}</h1>' in page
    # The page's own scripts only.
    assert page.count("<script") == page.count("</script>") == len(blocks_of(page)) + 2
    (view,) = queries_of(blocks_of(page)).values()
    assert (view["query_id"], view["text"]) == (evil, evil)
    assert [one["text"] for one in view["documents"]] == [evil, "x" * 100_000]


def test_what_a_run_lacks_is_said(write_rankings: WriteRun, tmp_path: Path) -> None:
    candidates = write_candidates(tmp_path / "candidates", 12)
    half = write_labels(tmp_path / "half", candidates, committed=1)
    page = written(tmp_path / "out", half.root)
    assert "half is not finished: " in page
    assert "(1 of 3 shards)" in page
    assert "the passages of half are those of its candidates, candidates" in page
    bare = write_rankings("bare", {"q": "ab"}, {"q": "q"}, {"a": "A", "b": "B"})
    for table in ("queries", "documents"):
        RunDirectory(bare).shard_path(table, 0, 1).unlink()
    page = written(tmp_path / "out", bare)
    assert "bare holds no passages: only their ids are shown" in page
    assert "bare does not say which windows led to its rankings" in page
    (view,) = queries_of(blocks_of(page)).values()
    assert (view["text"], view["documents"][0]["text"]) == (None, None)
    page = written(tmp_path / "both", half.root, bare)
    assert "half and bare rank no query with two passages in common" in page


def test_what_cannot_be_shown(tmp_path: Path, labels: RunDirectory) -> None:
    done = CliRunner().invoke(app, ["report", str(tmp_path), "--out", str(tmp_path / "out")])
    assert done.exit_code == 2
    assert "has no rankings" in done.output
    assert not (tmp_path / "out").exists()
    with pytest.raises(UsageError, match=r"holds no evaluation \(it has no evaluation.json\)"):
        read_evaluation(tmp_path)
    (tmp_path / "evaluation.json").write_text("{}")
    (tmp_path / "per_query.csv").write_text("query_id,measure\n")
    with pytest.raises(IntegrityProblem, match="cannot be read"):
        read_evaluation(tmp_path)
    with pytest.raises(UsageError, match="has no record of a training"):
        recorded_training(tmp_path)
    metrics_path(tmp_path).parent.mkdir()
    metrics_path(tmp_path).write_text('{"step": 1, "lo')
    with pytest.raises(UsageError, match="damaged or still being written"):
        recorded_training(tmp_path)
