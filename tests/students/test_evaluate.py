"""Evaluation: trec_eval's semantics, the JSON contract, and the files it leaves."""

from __future__ import annotations

import csv
import json
import math
import re
from collections.abc import Callable
from html.parser import HTMLParser
from pathlib import Path

import pytest
from read_page import blocks_of

from rankgen.manifests.errors import UsageError
from rankgen.students.evaluation.evaluate import evaluate
from rankgen.students.evaluation.settings import EvaluationSettings
from rankgen.students.evaluation.table import format_table
from rankgen.students.model.loading import load_backbone
from rankgen.students.reranking.reranker import StudentReranker
from rankgen.students.training.validation_sets import judged_validation

QUERIES = {"q1": "first", "q2": "second"}
DOCUMENTS = {"a": "one text", "b": "another text", "c": "a third text here"}


def settings_of(tmp_path: Path, **values: object) -> EvaluationSettings:
    return EvaluationSettings.model_validate({"out": tmp_path / "report", **values})


@pytest.fixture
def qrels(tmp_path: Path) -> Path:
    path = tmp_path / "qrels.trec"
    path.write_text("q1 0 a 1\nq1 0 b 0\nq2 0 c 2\n")
    return path


@pytest.fixture
def candidates(write_candidates: Callable[..., Path]) -> Path:
    lists = {"q1": [("b", 2.0), ("a", 1.0)], "q2": [("c", 3.0), ("a", 2.0), ("b", 1.0)]}
    return write_candidates("bm25", lists, QUERIES, DOCUMENTS)


def run_file(path: Path, lines: str) -> Path:
    path.write_text(lines)
    return path


def test_run_by_score_with_ties_by_document_descending(tmp_path: Path, qrels: Path) -> None:
    run = run_file(tmp_path / "tied.trec", "q1 Q0 a 1 5 t\nq1 Q0 b 2 5 t\nq2 Q0 c 9 1 t\n")
    evaluation = evaluate(settings_of(tmp_path, qrels=qrels, runs=[run]))
    (system,) = evaluation.systems
    assert (system.name, system.kind) == ("tied", "run")
    # b comes before a, whatever the rank column says.
    assert evaluation.per_query["tied"]["nDCG@10"] == pytest.approx((1 / math.log2(3), 1.0))


def test_missing_queries_count_zero_and_strangers_nothing(tmp_path: Path, qrels: Path) -> None:
    run = run_file(tmp_path / "part.trec", "q2 Q0 c 1 1 t\nq9 Q0 a 1 1 t\n")
    evaluation = evaluate(settings_of(tmp_path, qrels=qrels, runs=[run]))
    (system,) = evaluation.systems
    assert system.measures["nDCG@10"] == pytest.approx(0.5)
    assert system.missing_queries == 1
    assert evaluation.queries == 2


def test_judged_queries_without_a_list_are_said(tmp_path: Path, candidates: Path) -> None:
    qrels = tmp_path / "zeros.qrels"
    qrels.write_text("007 0 a 1\n08 0 a 1\nq1 0 a 1\nq2 0 c 1\n")
    run = run_file(tmp_path / "numbers.trec", "7 Q0 a 1 1 t\n8.0 Q0 a 1 1 t\nq1 Q0 a 1 1 t\n")
    settings = settings_of(tmp_path, qrels=qrels, candidates=candidates, runs=[run])
    evaluation = evaluate(settings)
    assert [s.measures["nDCG@10"] for s in evaluation.systems][1] == pytest.approx(0.25)
    assert evaluation.notices == (
        f"2 of 4 judged queries have no list in {candidates} (first: 007)",
        f"3 of 4 judged queries have no list in {run} (first: 007); 2 of these ids would match as "
        "numbers (007 is 7 there): did a spreadsheet rewrite them?",
    )
    shown = format_table(evaluation)
    assert all(f"note: {notice}\n" in shown for notice in evaluation.notices)
    assert "means over 4 queries, where a query without a list counts 0" in shown
    assert evaluation.as_json()["notices"] == list(evaluation.notices)
    page = (settings.out / "report.html").read_text(encoding="utf-8")
    assert "3 of 4 judged queries have no list" in page
    held = evaluate(settings_of(tmp_path, qrels=qrels, candidates=candidates, queries="candidates"))
    assert held.notices == ()


def test_ties_and_ranks_that_contradict_scores_are_said(tmp_path: Path, qrels: Path) -> None:
    lines = "q1 Q0 a 1 7 t\nq1 Q0 b 2 7.0000000001 t\nq2 Q0 c 1 0.1 t\nq2 Q0 a 2 0.2 t\n"
    run = run_file(tmp_path / "odd.trec", lines + "q9 Q0 c 1 0.1 t\nq9 Q0 a 2 0.2 t\n")
    sound = run_file(tmp_path / "even.trec", "q1 Q0 a 0 9 t\nq1 Q0 b 0 8 t\nq2 Q0 c 5 1 t\n")
    assert evaluate(settings_of(tmp_path, qrels=qrels, runs=[run, sound])).notices == (
        f"{run}: the rank column disagrees with the scores in 2 of 2 judged lists; the scores "
        "decide, as in trec_eval",
        "odd: 2 tied scores in 1 query; the larger document id comes first, as in trec_eval",
    )


@pytest.mark.parametrize("scores", [(0.1, 0.2, 0.3), (0.0, 0.0, 0.0), (7.0, 7.0 - 1e-12, 6.0)])
def test_the_first_stage_is_measured_in_the_order_of_its_lists(
    tmp_path: Path, write_candidates: Callable[..., Path], scores: tuple[float, ...]
) -> None:
    pairs = list(zip("abc", scores, strict=True))
    candidates = write_candidates("distances", {"q1": pairs}, QUERIES, DOCUMENTS)
    (tmp_path / "qrels").write_text("q1 0 a 2\nq1 0 b 1\n")
    settings = settings_of(tmp_path, qrels=tmp_path / "qrels", candidates=candidates)
    (first,) = evaluate(settings).systems
    assert first.measures["nDCG@10"] == 1
    assert judged_validation(candidates, tmp_path / "qrels", None, None).first_stage == 1


def test_a_validation_says_what_it_leaves_out(tmp_path: Path, candidates: Path) -> None:
    (tmp_path / "qrels").write_text("q1 0 a 1\nq3 0 a 1\n")
    validation = judged_validation(candidates, tmp_path / "qrels", 1, None)
    (notice,) = validation.notices
    assert notice.startswith(f"1 of 2 judged queries has no list in {candidates} (first: q3); the")
    (tmp_path / "qrels").write_text("q1 0 a 1\n")
    assert judged_validation(candidates, tmp_path / "qrels", 1, None).notices == ()
    (tmp_path / "qrels").write_text("q3 0 a 1\n")
    with pytest.raises(UsageError) as error:
        judged_validation(candidates, tmp_path / "qrels", 1, None)
    assert "1 of 1 judged query has no list" in str(error.value.hint)


def test_equal_differences_earn_no_dagger_and_one_query_no_interval(tmp_path: Path) -> None:
    (tmp_path / "qrels").write_text("q1 0 a 1\nq2 0 a 1\n")
    right = run_file(tmp_path / "right.trec", "q1 Q0 a 1 2 t\nq2 Q0 a 1 2 t\n")
    wrong = run_file(tmp_path / "wrong.trec", "q1 Q0 b 1 2 t\nq2 Q0 b 1 2 t\n")
    settings = settings_of(tmp_path, qrels=tmp_path / "qrels", runs=[right, wrong])
    evaluation = evaluate(settings)
    assert (evaluation.tests[0].mean_difference, evaluation.tests[0].p_holm) == (-1, None)
    assert "0.0000†" not in format_table(evaluation)
    assert "not testable" in (settings.out / "report.html").read_text(encoding="utf-8")
    (tmp_path / "qrels").write_text("q1 0 a 1\n")
    single = evaluate(settings)
    assert single.systems[0].intervals == {"nDCG@10": None}
    assert "of one query, so that nothing is tested" in format_table(single)
    assert "†" not in format_table(single)
    page = (settings.out / "report.html").read_text(encoding="utf-8")
    assert "bootstrap intervals" not in page


def test_population_can_be_that_of_the_candidates(
    tmp_path: Path, candidates: Path, qrels: Path
) -> None:
    with qrels.open("a") as file:
        file.write("q3 0 a 1\n")
    all_judged = evaluate(settings_of(tmp_path, qrels=qrels, candidates=candidates))
    held = evaluate(settings_of(tmp_path, qrels=qrels, candidates=candidates, queries="candidates"))
    assert (all_judged.queries, held.queries) == (3, 2)
    assert held.systems[0].measures["nDCG@10"] == pytest.approx((1 + 1 / math.log2(3)) / 2)


def test_teacher_is_scored_by_its_order(
    tmp_path: Path, candidates: Path, qrels: Path, write_rankings: Callable[..., Path]
) -> None:
    orders = {"q1": ["a", "b"], "q2": ["a", "b", "c"]}
    rankings = write_rankings("rankings", orders, QUERIES, DOCUMENTS)
    evaluation = evaluate(
        settings_of(tmp_path, qrels=qrels, candidates=candidates, rankings=[rankings])
    )
    assert [(s.name, s.kind) for s in evaluation.systems] == [
        ("first-stage (bm25)", "first-stage"),
        ("teacher (rankings)", "teacher"),
    ]
    values = evaluation.per_query["teacher (rankings)"]["nDCG@10"]
    assert values == pytest.approx((1.0, 1 / math.log2(4)))


def test_names_come_from_the_plans(
    tmp_path: Path, candidates: Path, qrels: Path, write_rankings: Callable[..., Path]
) -> None:
    rankings = write_rankings("rankings", {"q1": ["a", "b"]}, QUERIES, DOCUMENTS)
    for folder, recipe in (
        (candidates, {"retriever.name": "recorded"}),
        (rankings, {"teacher": "rankzephyr"}),
    ):
        (folder / ".rankgen").mkdir()
        (folder / ".rankgen" / "plan.json").write_text(json.dumps({"recipe": recipe}))
    evaluation = evaluate(
        settings_of(tmp_path, qrels=qrels, candidates=candidates, rankings=[rankings])
    )
    names = [system.name for system in evaluation.systems]
    assert names == ["first-stage (recorded)", "teacher (rankzephyr)"]


@pytest.fixture
def student(tiny_backbone: str, tmp_path: Path) -> Path:
    encoder = load_backbone(tiny_backbone, seed=2, query_tokens=16, passage_tokens=32, dropout=None)
    folder = tmp_path / "my-student"
    encoder.save(folder)
    return folder


def test_student_reranks_once_and_is_remembered(
    tmp_path: Path,
    candidates: Path,
    qrels: Path,
    student: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    settings = settings_of(
        tmp_path, qrels=qrels, candidates=candidates, students=[str(student)], device="cpu"
    )
    first = evaluate(settings)
    assert (first.systems[1].name, first.systems[1].kind) == ("my-student", "student")

    def never(*_: object, **__: object) -> None:
        raise AssertionError("scored again")

    monkeypatch.setattr(StudentReranker, "load", never)
    assert evaluate(settings) == first
    with pytest.raises(AssertionError, match="scored again"):
        evaluate(settings.model_copy(update={"depth": 1}))


def test_candidates_below_the_depth_keep_their_order(
    tmp_path: Path, candidates: Path, qrels: Path, student: Path
) -> None:
    at_one = settings_of(
        tmp_path,
        qrels=qrels,
        candidates=candidates,
        students=[str(student)],
        depth=1,
        device="cpu",
    )
    evaluation = evaluate(at_one)
    first_stage, reranked = evaluation.systems
    assert reranked.measures == first_stage.measures


def test_judged_at_k_is_a_measure(tmp_path: Path, qrels: Path) -> None:
    run = run_file(tmp_path / "some.trec", "q1 Q0 a 1 3 t\nq1 Q0 z 2 2 t\nq2 Q0 c 1 1 t\n")
    evaluation = evaluate(settings_of(tmp_path, qrels=qrels, runs=[run], measures=["Judged@2"]))
    # q1 has one judged of two; of the single passage of q2 all are judged.
    assert evaluation.per_query["some"]["Judged@2"] == pytest.approx((0.5, 1.0))


def test_json_contract_and_files(tmp_path: Path, qrels: Path) -> None:
    first = run_file(tmp_path / "one.trec", "q1 Q0 a 1 5 t\nq2 Q0 c 1 5 t\n")
    second = run_file(tmp_path / "two.trec", "q1 Q0 b 1 5 t\nq2 Q0 a 1 5 t\nq2 Q0 c 2 4 t\n")
    settings = settings_of(
        tmp_path, qrels=qrels, runs=[first, second], measures=["nDCG@10", "RR@10", "MRR@10"]
    )
    evaluation = evaluate(settings)
    written = json.loads((settings.out / "evaluation.json").read_text(encoding="utf-8"))
    assert written == evaluation.as_json()
    assert [(s["name"], s["kind"]) for s in written["systems"]] == [("one", "run"), ("two", "run")]
    assert written["systems"][0]["measures"] == {"nDCG@10": 1.0, "RR@10": 1.0, "MRR@10": 1.0}
    assert {test["measure"] for test in written["tests"]} == {"nDCG@10", "RR@10", "MRR@10"}
    assert all(test["m"] == 1 for test in written["tests"])
    rows = list(csv.DictReader((settings.out / "per_query.csv").open(encoding="utf-8")))
    assert len(rows) == 2 * 3
    assert rows[0] == {"query_id": "q1", "measure": "nDCG@10", "one": "1.0", "two": "0.0"}


def test_systems_of_one_name_are_told_apart(tmp_path: Path, qrels: Path) -> None:
    runs = []
    for folder in ("x", "y"):
        (tmp_path / folder).mkdir()
        runs.append(run_file(tmp_path / folder / "run.trec", "q1 Q0 a 1 5 t\n"))
    evaluation = evaluate(settings_of(tmp_path, qrels=qrels, runs=[*runs, runs[0]]))
    assert [system.name for system in evaluation.systems] == ["run [x]", "run [y]", "run [x] #2"]


def test_table_shows_four_decimals_and_the_number_of_tests(tmp_path: Path, qrels: Path) -> None:
    first = run_file(tmp_path / "one.trec", "q1 Q0 a 1 5 t\nq2 Q0 c 1 5 t\n")
    second = run_file(tmp_path / "[two].trec", "q1 Q0 b 1 5 t\n")
    text = format_table(evaluate(settings_of(tmp_path, qrels=qrels, runs=[first, second])))
    assert re.search(r"one\s+run\s+1\.0000", text)
    assert re.search(r"\[two\]\s+run\s+0\.0000", text)
    assert "m = 1 test" in text
    assert "2 queries" in text


class Tags(HTMLParser):
    """Collects tags and attributes, and sees that they nest."""

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.seen: list[str] = []
        self.links: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.seen.append(tag)
        self.links += [value or "" for name, value in attrs if name in ("src", "href")]
        if tag not in ("meta", "link", "input"):
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag


def test_report_is_one_whole_page_without_network(tmp_path: Path, qrels: Path) -> None:
    first = run_file(tmp_path / "one.trec", "q1 Q0 a 1 5 t\nq2 Q0 c 1 5 t\n")
    second = run_file(tmp_path / "a<b>&c.trec", "q1 Q0 b 1 5 t\n")
    settings = settings_of(tmp_path, qrels=qrels, runs=[first, second])
    evaluate(settings)
    page = (settings.out / "report.html").read_text(encoding="utf-8")
    tags = Tags()
    tags.feed(page.replace("<!doctype html>", ""))
    assert tags.open == []
    # Links lead into the page itself.
    assert {link[:1] for link in tags.links if link != "data:,"} == {"#"}
    assert "a&lt;b&gt;&amp;c" in page
    assert "1.0000" in page
    assert blocks_of(page)["charts"]["evaluated"]["per_query"]["a<b>&c"] == {"nDCG@10": [0, 0]}


@pytest.mark.parametrize(
    ("measure", "hint"),
    [("nDGC@10", "'nDCG'"), ("nDCG@ten", "'nDCG'"), ("", "known"), ("nDCG@10.5", "'nDCG'")],
)
def test_unknown_measure_is_one_sentence(
    tmp_path: Path, qrels: Path, measure: str, hint: str
) -> None:
    run = run_file(tmp_path / "one.trec", "q1 Q0 a 1 5 t\n")
    settings = settings_of(tmp_path, qrels=qrels, runs=[run], measures=[measure])
    with pytest.raises(UsageError, match="is not a measure") as error:
        evaluate(settings)
    assert error.value.hint is not None
    assert hint in error.value.hint
    assert not settings.out.exists()


def test_nothing_judged_is_an_error(tmp_path: Path, qrels: Path) -> None:
    run = run_file(tmp_path / "other.trec", "x1 Q0 a 1 5 t\n")
    with pytest.raises(UsageError, match=r"no query of .*other.trec is judged"):
        evaluate(settings_of(tmp_path, qrels=qrels, runs=[run]))


@pytest.mark.parametrize("values", [{}, {"students": ["x"]}, {"queries": "candidates"}])
def test_impossible_settings(tmp_path: Path, qrels: Path, values: dict[str, object]) -> None:
    with pytest.raises(ValueError, match="add --"):
        settings_of(tmp_path, qrels=qrels, **values)
