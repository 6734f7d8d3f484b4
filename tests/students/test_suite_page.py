"""`rankgen report` of suites: every task, mean, test and notice, and how students were trained."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest
from read_page import blocks_of
from two_evaluations import QUERIES, two_evaluations, write_run
from typer.testing import CliRunner, Result

from rankgen.generator.cli import app
from rankgen.students.evaluation.evaluate import evaluate
from rankgen.students.evaluation.settings import EvaluationSettings
from rankgen.students.suites.combined import JUDGED, SUITE_RESULT, SuiteResult, combine

# Of the relevant document, without re-ranking and with.
PLACES = {"first": (5, 1), "second": (2, 3), "third": (1, 1)}


def report(*words: object) -> Result:
    return CliRunner().invoke(app, ["report", *map(str, words)])


@pytest.fixture
def suite(tmp_path: Path) -> tuple[Path, SuiteResult]:
    """Three tasks, of which a student betters one and worsens another, and one that failed."""
    qrels = tmp_path / "judged"
    qrels.write_text("".join(f"{query} 0 {query}-good 1\n" for query in QUERIES))
    found = {}
    for task, (before, after) in PLACES.items():
        base = write_run(tmp_path / "base.run", dict.fromkeys(QUERIES, before))
        best = write_run(tmp_path / "<student>.run", dict.fromkeys(QUERIES, after))
        out, measures = tmp_path / task, ("nDCG@10", "RR@10", JUDGED)
        found[task] = evaluate(
            EvaluationSettings(qrels=qrels, runs=(base, best), out=out, measures=measures)
        )
    result = combine("made-up", found, {"lost": "no <network>"}, compare_all=False, settings={})
    folder = tmp_path / "suite"
    folder.mkdir()
    (folder / SUITE_RESULT).write_text(json.dumps(result.model_dump(mode="json")))
    return folder, result


def cells(page: str, measure: str) -> dict[str, list[str]]:
    """Returns the cells of a measure's table by the head of their row, without marks."""
    table = page.split(f"<h3>{measure}</h3>")[1].split("</table>")[0]
    rows = re.findall(r"<tr><th scope=\"row\"[^>]*>(.*?)</th>(.*?)</tr>", table, re.DOTALL)
    return {
        head: [re.sub(r"<.*?>|\s", "", cell) for cell in re.findall(r"<td.*?</td>", row, re.DOTALL)]
        for head, row in rows
    }


def test_every_task_and_mean_of_a_suite_is_shown(
    suite: tuple[Path, SuiteResult], tmp_path: Path
) -> None:
    folder, result = suite
    done = report(folder, "--out", tmp_path / "page")
    assert done.exit_code == 0, done.output
    assert done.stdout.startswith("24 queries")
    page = (tmp_path / "page" / "report.html").read_text()
    for measure in ("nDCG@10", "RR@10"):
        shown = cells(page, measure)
        for task in PLACES:
            values = [f"{system.figures[measure][task]:.4f}" for system in result.systems]
            assert shown[task] == ["8", *values]
        assert shown["mean of the tasks"][1:] == [
            f"{system.means[measure]:.4f}" for system in result.systems
        ]
        (test,) = [test for test in result.tests if test.measure == measure]
        assert shown["difference"] == ["", "", f"{test.mean_difference:+.4f}"]
    mean = result.systems[1].means["nDCG@10"]
    assert f"&lt;student&gt; reaches {mean:.4f} nDCG@10 on 3 tasks" in page
    # The best of each task is bold, of the mean too.
    bold = re.findall(r"<strong>([\d.]+)</strong>", page.split("<h3>RR@10</h3>")[1])
    assert bold == ["1.0000", "0.5000", "1.0000", "1.0000", f"{7 / 9:.4f}"]
    assert "No figures for lost: no &lt;network&gt;." in page
    assert "Skip to the queries" not in page


def test_suites_stand_one_after_the_other_with_trainings(
    suite: tuple[Path, SuiteResult], tmp_path: Path
) -> None:
    folder, _ = suite
    other = tmp_path / "other"
    other.mkdir()
    (other / SUITE_RESULT).write_bytes((folder / SUITE_RESULT).read_bytes())
    metrics = tmp_path / "student" / ".rankgen" / "metrics.jsonl"
    metrics.parent.mkdir(parents=True)
    metrics.write_text('{"step": 1, "loss": 0.7}\n')
    done = report(folder, other, "--out", tmp_path / "page", "--student", tmp_path / "student")
    assert done.exit_code == 0, done.output
    page = (tmp_path / "page" / "report.html").read_text()
    assert page.count("<h3>nDCG@10</h3>") == 2
    assert [one["name"] for one in blocks_of(page)["charts"]["trainings"]] == ["student"]


def test_a_suite_has_no_page_with_anything_else(
    suite: tuple[Path, SuiteResult], tmp_path: Path
) -> None:
    folder, _ = suite
    (evaluation, _) = two_evaluations(tmp_path)
    mixed = report(folder, evaluation, "--out", tmp_path / "page")
    assert mixed.exit_code == 2
    assert f"{folder} is a suite and {evaluation} is not" in mixed.stderr
    (folder / SUITE_RESULT).write_text("{")
    damaged = report(folder, "--out", tmp_path / "page")
    assert damaged.exit_code == 5
    assert "cannot be read" in damaged.stderr
    assert not (tmp_path / "page").exists()
