"""`rankgen report` of several evaluations: one table, tests anew, every query, every training."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from read_page import blocks_of
from two_evaluations import QUERIES, evaluated, two_evaluations
from typer.testing import CliRunner, Result

from rankgen.generator.cli import app
from rankgen.manifests.errors import UsageError
from rankgen.students.evaluation.joined import joined
from rankgen.students.pages.evaluated import read_evaluation


@pytest.fixture
def evaluations(tmp_path: Path) -> list[Path]:
    return two_evaluations(tmp_path)


def report(*words: object) -> Result:
    return CliRunner().invoke(app, ["report", *map(str, words)])


def test_joined_figures_are_those_of_one_evaluation(
    evaluations: list[Path], tmp_path: Path
) -> None:
    apart = joined({path.name: read_evaluation(path) for path in evaluations})
    names = ["base", "student", "student [evaluation1]"]
    assert [system.name for system in apart.systems] == names
    runs = [tmp_path / name for name in ("base.run", "seed0/student.run", "seed1/student.run")]
    whole = read_evaluation(evaluated(tmp_path / "judged.qrels", runs, tmp_path / "whole"))
    for one, other in zip(apart.systems, whole.systems, strict=True):
        assert (one.measures, one.intervals) == (other.measures, other.intervals)
    # Three tests of each measure, where each evaluation had one.
    assert [test.m for test in apart.tests] == [3] * 6
    for test, of_whole in zip(apart.tests, whole.tests, strict=True):
        unnamed = {"a": "", "b": ""}
        assert test.model_copy(update=unnamed) == of_whole.model_copy(update=unnamed)


def test_the_page_has_every_system_query_and_test(evaluations: list[Path], tmp_path: Path) -> None:
    done = report(*evaluations, "--out", tmp_path / "page")
    assert done.exit_code == 0, done.output
    assert done.stdout.startswith("8 queries")
    page = (tmp_path / "page" / "report.html").read_text()
    charts = blocks_of(page)["charts"]
    assert [one["name"] for one in charts["evaluated"]["systems"]] == [
        "base",
        "student",
        "student [evaluation1]",
    ]
    rows = re.findall(r'<tr id="q=(q\d)">', page)
    assert sorted(rows) == QUERIES
    # The query that the seeds order most differently comes first.
    assert rows[0] == "q0"
    table = page.split('id="tests"')[1].split("</table>")[0]
    assert table.count("against") == 6


def test_evaluations_that_do_not_compare_are_one_sentence(
    evaluations: list[Path], tmp_path: Path
) -> None:
    qrels = tmp_path / "other.qrels"
    qrels.write_text("".join(f"{query} 0 {query}-good 2\n" for query in QUERIES))
    base = tmp_path / "base.run"
    other = evaluated(qrels, [base], tmp_path / "other")
    done = report(evaluations[0], other, "--out", tmp_path / "page")
    assert done.exit_code == 2
    assert "other was measured by other judgements than evaluation0" in done.stderr
    done = report(evaluations[0], tmp_path / "seed0", "--out", tmp_path / "page")
    assert done.exit_code == 2
    assert "so that they have no page in common" in done.stderr
    done = report(evaluations[0], "--out", tmp_path / "page", "--qrels", qrels)
    assert done.exit_code == 2
    assert "belong to a page of runs" in done.stderr
    assert not (tmp_path / "page").exists()
    held = [read_evaluation(path) for path in evaluations]
    thinner = held[1].model_copy(update={"query_ids": held[1].query_ids[1:], "queries": 7})
    with pytest.raises(UsageError, match="b counts 7 queries and a 8"):
        joined({"a": held[0], "b": thinner})


def test_trainings_are_shown_where_students_are_named(
    evaluations: list[Path], tmp_path: Path
) -> None:
    student = tmp_path / "seed0-student"
    metrics = student / ".rankgen" / "metrics.jsonl"
    metrics.parent.mkdir(parents=True)
    metrics.write_text('{"step": 1, "loss": 0.7}\n{"step": 1, "validation nDCG@10": 0.25}\n')
    done = report(*evaluations, "--out", tmp_path / "page", "--student", student)
    assert done.exit_code == 0, done.output
    page = (tmp_path / "page" / "report.html").read_text()
    (shown,) = blocks_of(page)["charts"]["trainings"]
    assert shown["name"] == "seed0-student"
    assert shown["validation"] == [{"step": 1, "value": 0.25}]
    assert 'data-chart="training"' in page
