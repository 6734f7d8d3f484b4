"""A list of which the teacher's top alone is kept: the same top, fewer tokens, and honest rows."""

from __future__ import annotations

import asyncio
from functools import cache
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from made_up_model import MadeUpModel
from one_shard import QUERIES, OneShard

from rankgen.generator.answers.outcomes import TeacherFailure, WindowOutcome
from rankgen.generator.answers.query_outcomes import QueryRanking
from rankgen.generator.jobs.label.checks import validate_rankings
from rankgen.generator.jobs.label.estimate import estimate
from rankgen.generator.jobs.label.rows import ranking_table, window_table
from rankgen.generator.jobs.label.settings import LabelRunSettings
from rankgen.generator.jobs.subsample.projection import (
    projected_ranking,
    projected_windows,
    summed_calls,
)
from rankgen.generator.strategies.ranking import rank_query
from rankgen.generator.strategies.sliding import needed
from rankgen.generator.teachers import registry
from rankgen.generator.teachers.journal import WindowJournal
from rankgen.generator.teachers.journaled import JournaledTeacher
from rankgen.generator.teachers.listwise import ListwiseTeacher
from rankgen.generator.teachers.prompter import ListwisePrompter
from rankgen.generator.teachers.registry import make_prompter
from rankgen.generator.teachers.settings import LabelSettings
from rankgen.manifests.errors import IntegrityProblem, UsageError
from rankgen.manifests.records import Candidates, Document, Query
from rankgen.manifests.schema import TABLES
from rankgen.manifests.unranked import unranked_places
from rankgen.students.agreement.coverage import coverage_of
from rankgen.students.training.evidence import SEEN, UNSEEN, pair_levels, read_evidence, windows_in

MODEL = Path(__file__).parents[1] / "fixtures" / "tiny_ranker" / "model"
ZEPHYR: dict[str, Any] = {
    "teacher": "rankzephyr",
    "model": str(MODEL),
    "tokenizer": "rankzephyr",
    "dtype": "float32",
}
SERVED = {"base_url": "http://x:1", "dtype": None}
CHAT = ZEPHYR | {"teacher": "listwise", "tokenizer": str(MODEL)}


def settings(**more: object) -> LabelSettings:
    return LabelSettings.model_validate({**ZEPHYR, **more}).resolved()


def teacher(engine: MadeUpModel, **more: object) -> ListwiseTeacher:
    asked = settings(**more)
    return ListwiseTeacher(asked, prompter(asked.model_dump_json()), engine)


@cache
def prompter(asked: str) -> ListwisePrompter:
    return make_prompter(LabelSettings.model_validate_json(asked))


def ranked(
    engine: MadeUpModel, n: int, name: str = "q", window: int = 20, **more: object
) -> QueryRanking | TeacherFailure:
    passages = [Document(f"d{place}", "", f"text {place}") for place in range(n)]
    asked = settings(window=window, **more)
    ranking = rank_query(
        Query(name, f"about {name}"), passages, teacher(engine, **more), **asked.shape._asdict()
    )
    try:
        return asyncio.run(ranking)
    except TeacherFailure as failure:
        return failure


def rows_of(ranking: QueryRanking, n: int, keep_top: int | None) -> dict[str, pa.Table]:
    found = Candidates(ranking.query_id, tuple(f"d{i}" for i in range(n)), (0.0,) * n)
    rankings = ranking_table([(ranking, found)], keep_top)
    return {"rankings": rankings, "windows": window_table([ranking])}


@pytest.mark.parametrize(
    ("passages", "goes_on", "kept", "expected"),
    [(20, 10, -70, 10), (20, 10, 15, 15), (20, 0, 10, 10), (20, 0, 20, None), (20, 0, -5, 1)],
)
def test_a_window_needs_what_goes_on_and_what_is_kept(
    passages: int, goes_on: int, kept: int, expected: int | None
) -> None:
    assert needed(passages, goes_on, kept) == expected


# Answer tokens of a list of 100, window 20, stride 10: 90 a window without any of it.
@pytest.mark.parametrize(
    ("keep_top", "tokens"),
    [(None, 9 * 86), (100, 9 * 86), (50, 5 * 49 + 4 * 86), (20, 8 * 49 + 86), (10, 9 * 49)],
)
def test_clean_answers_cost_what_they_need(keep_top: int | None, tokens: int) -> None:
    model = MadeUpModel()
    ranking = ranked(model, 100, keep_top=keep_top)
    whole = ranked(MadeUpModel(), 100, whole_answers=True)
    assert isinstance(ranking, QueryRanking)
    assert isinstance(whole, QueryRanking)
    assert ranking.order[:keep_top] == whole.order[:keep_top]
    assert (ranking.usage.output, whole.usage.output) == (tokens, 9 * 90)
    assert ranking.status == "complete"


@pytest.mark.parametrize(
    ("teacher_name", "keep_top"),
    [("rankzephyr", None), ("rankzephyr", 3), ("rankzephyr", 30), ("listwise", 12)],
)
def test_the_top_is_the_same_with_and_without(teacher_name: str, keep_top: int | None) -> None:
    """Over some 150 windows, one answer in four with a fault anywhere."""
    own = ZEPHYR if teacher_name == "rankzephyr" else CHAT
    differing = list[int]()
    for number in range(25):
        models = [MadeUpModel(0.25, ends=teacher_name == "listwise") for _ in range(2)]
        name, n, window = f"q{number}", 20 + number, 10 if number % 2 else 20
        more = {**own, "stride": window // 2 - number % 3}
        early = ranked(models[0], n, name, window, **more, keep_top=keep_top)
        whole = ranked(models[1], n, name, window, **more, whole_answers=True)
        if isinstance(whole, TeacherFailure):
            # A fault behind the ids that matter is not written.
            differing.append(number)
            continue
        assert isinstance(early, QueryRanking)
        assert early.order[:keep_top] == whole.order[:keep_top]
        assert early.usage.output <= whole.usage.output
        for one, other in zip(early.windows, whole.windows, strict=True):
            mine, theirs = one.result, other.result
            if mine.outcome is not WindowOutcome.OK:
                assert (mine.outcome, mine.missing) == (theirs.outcome, theirs.missing)
                assert (mine.output_text or "").split() == (theirs.output_text or "").split()
        if keep_top is not None:
            validate_rankings(rows_of(early, n, keep_top), [name], {})
    assert len(differing) < 20


def test_the_engine_goes_on_where_an_answer_is_not_clean() -> None:
    model = MadeUpModel(1.0)
    found = [ranked(model, 20, f"q{number}", keep_top=5) for number in range(40)]
    # Five ids of two digits, and what is left of ninety tokens.
    starts = [request for request in model.requests if request[1] == 24]
    continued = [request for request in model.requests if request[1] == 90 - 24]
    assert len(starts) == 40
    assert 0 < len(continued) == len(model.requests) - 40 < 40
    assert {length for length, *_ in continued} <= {length + 24 for length, *_ in starts}
    usable = [one for one in found if isinstance(one, QueryRanking)]
    outcomes = {window.result.outcome for ranking in usable for window in ranking.windows}
    assert {WindowOutcome.OK, WindowOutcome.REPAIRED} <= outcomes


def test_a_row_holds_the_top_and_names_the_rest() -> None:
    ranking = ranked(MadeUpModel(), 45, keep_top=8)
    assert isinstance(ranking, QueryRanking)
    tables = rows_of(ranking, 45, 8)
    validate_rankings(tables, ["q"], {})
    row = tables["rankings"].to_pylist()[0]
    assert len(row["doc_ids"]) == 8
    rest = sorted(set(range(45)) - {p - 1 for p in row["retrieval_positions"]})
    assert row["unranked"] == [f"d{place}" for place in rest]
    for changes in (
        {"unranked": row["unranked"][:-1]},
        {"unranked": row["unranked"][::-1]},
        {"unranked": None},
        {"doc_ids": row["doc_ids"][::-1]},
        {"retrieval_positions": [row["retrieval_positions"][0]] * 8},
        {
            name: row[name][:2][::-1] + row[name][2:]
            for name in ("doc_ids", "retrieval_positions", "retrieval_scores")
        },
    ):
        wrong = pa.Table.from_pylist([row | changes], schema=TABLES["rankings"])
        with pytest.raises(IntegrityProblem):
            validate_rankings({**tables, "rankings": wrong}, ["q"], {})
    whole = rows_of(ranking, 45, None)["rankings"].to_pylist()[0]
    assert whole["unranked"] is None


def test_windows_claim_no_pair_that_was_not_asked_for() -> None:
    ranking = ranked(MadeUpModel(), 45, keep_top=8)
    assert isinstance(ranking, QueryRanking)
    tables = rows_of(ranking, 45, 8)
    calls = tables["windows"].to_pylist()
    assert [call["asked"] for call in calls] == [10, 10, 10, 8]
    levels = pair_levels(45, windows_in([tables["windows"]])["q"])
    assert (levels[:8, :8][~(levels[:8, :8] == SEEN)] == UNSEEN).sum() == 8
    # Each of the others was below the top of some window, and is not ordered within its own tail.
    last = calls[-1]["permutation"]
    tail = [place + calls[-1]["start"] for place in range(8, len(last))]
    assert (levels[8 : 8 + len(tail), 8 : 8 + len(tail)] != SEEN).any()
    claimed = pair_levels(
        45,
        windows_in(
            [
                tables["windows"]
                .drop_columns("asked")
                .append_column("asked", pa.nulls(len(calls), pa.int16()))
            ]
        )["q"],
    )
    assert (claimed == SEEN).sum() > (levels == SEEN).sum()


def test_a_subsample_keeps_what_is_known() -> None:
    ranking = ranked(MadeUpModel(), 45, keep_top=8)
    assert isinstance(ranking, QueryRanking)
    tables = rows_of(ranking, 45, 8)
    row, calls = tables["rankings"].to_pylist()[0], tables["windows"].to_pylist()
    places = [place for place, position in enumerate(row["retrieval_positions"]) if position <= 20]
    below = {at: doc_id for at, doc_id in unranked_places(row).items() if at <= 20}
    assert 0 < len(places) < 8
    assert len(places) + len(below) == 20
    cut = projected_ranking(row, places, below)
    own = projected_windows(calls, 45, range(20))
    rankings = pa.Table.from_pylist([cut | summed_calls(own)], schema=TABLES["rankings"])
    windows = pa.Table.from_pylist(own, schema=TABLES["windows"])
    validate_rankings({"rankings": rankings, "windows": windows}, ["q"], {})
    whole = pair_levels(45, windows_in([tables["windows"]])["q"])[:8, :8]
    left = pair_levels(20, windows_in([windows])["q"])[: len(places), : len(places)]
    assert ((left == SEEN) == (whole[places][:, places] == SEEN)).all()


@pytest.fixture
def without_vllm(monkeypatch: pytest.MonkeyPatch) -> MadeUpModel:
    model = MadeUpModel()
    monkeypatch.setattr(registry, "_vllm", lambda settings, texts: model)
    return model


def test_a_run_keeps_the_top_of_each_list(tmp_path: Path, without_vllm: MadeUpModel) -> None:
    shape = {"window": 4, "stride": 2}
    runs = {
        keep: OneShard(tmp_path / str(keep), settings(**shape, keep_top=keep)) for keep in (None, 2)
    }
    for run in runs.values():
        run.filled(0, *QUERIES)
        run.commit()
        assert run.is_clean()
    whole, top = (run.run.read("rankings").to_pylist() for run in runs.values())
    assert [row["doc_ids"][:2] for row in whole] == [row["doc_ids"] for row in top]
    assert [len(row["unranked"]) for row in top] == [4, 4]
    assert runs[2].plan.recipe["keep_top"] == 2
    assert "keep_top" not in runs[None].plan.recipe
    assert runs[None].plan.fingerprint != runs[2].plan.fingerprint
    assert read_evidence(runs[2].run, (1.0, 1.0, 0.0)) is not None
    coverage = [coverage_of(run.run) for run in runs.values()]
    assert coverage[0] is not None
    assert coverage[1] is not None
    assert coverage[0].seen > coverage[1].seen > 0


def test_a_window_that_comes_back_is_not_asked_again(tmp_path: Path) -> None:
    model, found = MadeUpModel(), list[QueryRanking]()
    passages = [Document(f"d{place}", "", f"text {place}") for place in range(3)]
    # Windows of the whole list: its few orders come back within some passes.
    for _ in range(2):
        told: list[bool] = []
        asked = JournaledTeacher(teacher(model, window=3), WindowJournal(tmp_path), told.append)
        query = Query("q", "what")
        found.append(asyncio.run(rank_query(query, passages, asked, window=None, passes=12)))
        asyncio.run(asked.close())
        assert asked.repeated == 12 - len(model.requests)
    assert 1 <= len(model.requests) <= 6
    assert found[0] == found[1]
    # What was asked once is paid once.
    spent = sum(written for *_, written in model.requests)
    assert found[0].usage.output == spent


def test_the_journal_tells_a_part_from_the_whole(tmp_path: Path) -> None:
    model = MadeUpModel()
    passages = [Document(f"d{place}", "", f"text {place}") for place in range(9)]
    for first in (4, 6, None, 4, None):
        asked = JournaledTeacher(teacher(model), WindowJournal(tmp_path), lambda is_new: None)
        result = asyncio.run(asked.rank_top(Query("q", "what"), passages, first))
        asyncio.run(asked.close())
        assert result.asked == first
    assert len(model.requests) == 3


@pytest.mark.parametrize(
    ("asked", "reason"),
    [
        ({"keep_top": 5, "passes": 2}, "--keep-top is exact for one pass of a sliding window"),
        ({"keep_top": 5, "shuffle": 3}, "not with --shuffle"),
        ({"keep_top": 5, "strategy": "tdpart"}, "'tdpart' has no use for --keep-top"),
        ({"keep_top": 5, **SERVED}, "--keep-top needs vLLM in the workers"),
        ({"constrained": True, **SERVED}, "--constrained needs vLLM in the"),
        ({"keep_top": 5, "teacher": "minilm"}, "the teacher 'minilm' has no use for --keep-top"),
        ({"constrained": True, "teacher": "minilm"}, "has no use for --constrained"),
        ({"whole_answers": True, "teacher": "minilm"}, "has no use for --whole-answers"),
        ({"constrained": True, "drafts": "on"}, "cannot do in drafts"),
        ({"constrained": True, "whole_answers": True}, "ends an answer where a single passage"),
        ({**CHAT, "keep_top": 5, "thinking_tokens": 9}, "needs answers that are rankings alone"),
        ({**CHAT, "constrained": True, "prompt": "ties.yaml"}, "'ties.yaml' allows ties"),
    ],
)
def test_what_cannot_be_exact_is_refused(
    asked: dict[str, object], reason: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("ties.yaml").write_text(TIES)
    given = {"teacher": "rankzephyr"} | asked
    if given["teacher"] != "minilm":
        given = ZEPHYR | given
    with pytest.raises(UsageError) as caught:
        LabelSettings.model_validate(given).resolved()
    assert reason in caught.value.message
    assert caught.value.hint


TIES = """
method: singleturn_listwise
prefix: "{query}\n"
body: "[{rank}] {candidate}\n"
answer: ties
"""


def test_only_what_changes_results_is_in_the_identity() -> None:
    plain = settings().identity()
    assert not {"keep_top", "constrained", "whole_answers"} & plain.keys()
    assert settings(whole_answers=True).identity() == plain
    assert settings(keep_top=7).identity() == plain | {"keep_top": 7}
    assert settings(constrained=True).identity() == plain | {"constrained": True}
    own = [teacher(MadeUpModel(), **more).identity() for more in ({}, {"constrained": True})]
    assert own[1] == {**own[0], "constrained": True}


def test_a_dry_run_counts_what_is_asked_for(tmp_path: Path) -> None:
    from one_shard import write_candidates

    from rankgen.manifests.run.run_directory import RunDirectory

    write_candidates(RunDirectory(tmp_path))
    told = [
        estimate(
            LabelRunSettings(
                candidates=tmp_path,
                teacher=settings(window=4, stride=2, **more),
                out=tmp_path / "out",
            ),
            1.0,
        ).output_tokens
        for more in ({"whole_answers": True}, {}, {"keep_top": 2})
    ]
    # Two windows of four passages for each of two queries; an id is 3 tokens and a sign is one.
    assert told == [4 * 15, 4 * 11, 4 * 7]
