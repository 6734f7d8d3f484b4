"""Validation on several sets at once, and on a teacher's rankings in place of judgements."""

from __future__ import annotations

import json
import math
from collections.abc import Callable
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from toy_training import lines, settings_of, toy_lists
from typer.testing import CliRunner

from rankgen.generator.cli import app
from rankgen.manifests.errors import UsageError
from rankgen.students.model.hardware import choose_hardware
from rankgen.students.model.loading import load_cross_encoder
from rankgen.students.training.public_settings import public_settings
from rankgen.students.training.train import train_student
from rankgen.students.training.training_facts import training_facts
from rankgen.students.training.validation import Validations, mean_of
from rankgen.students.training.validation_sets import judged_validation, taught_validation

WriteRun = Callable[..., Path]


@pytest.fixture
def taught(write_rankings: WriteRun) -> Path:
    """A teacher's rankings of queries that are not learned."""
    orders, _, documents = toy_lists(queries=3, passages=6)
    return write_rankings(
        "held-out",
        {f"v{query}": order for query, order in orders.items()},
        {f"v{query}": "which is good" for query in orders},
        documents,
    )


def judged_sets(write_candidates: WriteRun, tmp_path: Path) -> tuple[list[Path], list[Path]]:
    """Two sets that share a query id: its passages are judged otherwise."""
    texts = {"a": "good good", "b": "bat", "c": "fen"}
    lists = ({"q1": "abc"}, {"q1": "cba", "q2": "acb"})
    runs = [
        write_candidates(
            f"set{number}",
            {q: [(d, float(-n)) for n, d in enumerate(order)] for q, order in of_set.items()},
            dict.fromkeys(of_set, "which is good"),
            texts,
        )
        for number, of_set in enumerate(lists)
    ]
    qrels = [tmp_path / "one.qrels", tmp_path / "two.qrels"]
    qrels[0].write_text("q1 0 a 1\n")
    qrels[1].write_text("q1 0 a 1\nq2 0 b 1\n")
    return runs, qrels


def test_every_query_of_every_set_counts_alike(write_candidates: WriteRun, tmp_path: Path) -> None:
    runs, qrels = judged_sets(write_candidates, tmp_path)
    sets = [judged_validation(*both, None, None) for both in zip(runs, qrels, strict=True)]
    at_three = 1 / math.log2(4)
    assert [one.first_stage for one in sets] == pytest.approx([1, at_three])
    assert Validations(sets).first_stage == pytest.approx((1 + 2 * at_three) / 3)
    assert Validations(sets[:1]).first_stage == sets[0].first_stage


def test_a_teacher_s_order_is_the_goal(taught: Path) -> None:
    validation = taught_validation(taught, {}, None, None)
    orders, _, _ = toy_lists(queries=3, passages=6)

    def reached(scores: Callable[[int], float]) -> tuple[float, float | None]:
        measured = validation.measured(
            {f"v{q}": {d: scores(n) for n, d in enumerate(order)} for q, order in orders.items()}
        )
        return measured.mean, measured.tau

    assert reached(lambda place: -place) == (1, pytest.approx(1))
    worst, tau = reached(lambda place: place)
    gains = [10, 9, 8, 7, 6, 5]
    dcg = [sum(g / math.log2(n + 2) for n, g in enumerate(g)) for g in (gains[::-1], gains)]
    assert (worst, tau) == (pytest.approx(dcg[0] / dcg[1]), pytest.approx(-1))
    # The toy teacher's lists stand in first-stage order.
    assert validation.first_stage == 1
    assert (
        len(
            taught_validation(taught, {}, 2, 3)
            .measured({f"v{q}": dict.fromkeys(order, 0.0) for q, order in orders.items()})
            .values
        )
        == 2
    )


def test_ten_passages_have_grades(write_rankings: WriteRun) -> None:
    order = [f"d{n:02d}" for n in range(12)]
    run = write_rankings("long", {"v": order}, {"v": "which"}, dict.fromkeys(order, "text"))
    # The teacher's eleventh takes the place of the tenth, whose grade is 1; it gains nothing.
    swapped = [*order[:9], order[10], order[9], order[11]]
    scores = {"v": {doc_id: float(-n) for n, doc_id in enumerate(swapped)}}
    measured = taught_validation(run, {}, None, None).measured(scores)
    ideal = sum((10 - place) / math.log2(place + 2) for place in range(10))
    assert measured.mean == pytest.approx(1 - 1 / math.log2(11) / ideal)
    assert measured.tau == pytest.approx(1 - 2 / 66)


def test_training_is_stopped_and_logged_by_a_teacher_s_order(
    recipe: dict[str, object], taught: Path, write_candidates: WriteRun, tmp_path: Path
) -> None:
    runs, qrels = judged_sets(write_candidates, tmp_path)
    settings = settings_of(
        recipe,
        validation=runs,
        validation_qrels=qrels,
        validation_rankings=[taught],
        max_steps=40,
        validate_every=5,
        patience_steps=10,
    )
    summary = train_student(settings)
    validated = [line for line in lines(settings) if "validation nDCG@10" in line]
    best = max(line["validation nDCG@10"] for line in validated)
    assert summary.validation == best
    assert set(validated[0]) == {
        "step",
        "validation nDCG@10",
        "validation nDCG@10 of set0",
        "validation nDCG@10 of set1",
        "validation nDCG@10 of held-out",
        "validation tau of held-out",
    }
    # What is left is the student of the best step, by the mean over all six queries.
    student = load_cross_encoder(str(settings.out))
    sets = [judged_validation(*both, None, None) for both in zip(runs, qrels, strict=True)]
    sets.append(taught_validation(taught, {}, None, None))
    measured = [one(student, choose_hardware("cpu", "fp32")) for one in sets]
    assert mean_of(measured) == pytest.approx(best, abs=1e-6)
    total = sum(sum(one.values.values()) for one in measured)
    assert total / 6 == pytest.approx(best, abs=1e-6)


def test_the_facts_of_one_set_are_those_of_earlier_versions(
    recipe: dict[str, object], taught: Path, write_candidates: WriteRun, tmp_path: Path
) -> None:
    runs, qrels = judged_sets(write_candidates, tmp_path)
    none = training_facts(settings_of(recipe))
    one = training_facts(settings_of(recipe, validation=runs[0], validation_qrels=qrels[0]))
    assert none == {name: value for name, value in one.items() if "validation_" not in name} | {
        name: none[name] for name in ("validation_queries", "validation_depth")
    }
    assert isinstance(one["validation_sha256"], str)
    assert "validation_rankings_sha256" not in one
    both = training_facts(settings_of(recipe, validation=runs, validation_qrels=qrels))
    assert both["validation_sha256"][0] == one["validation_sha256"]
    assert len(both["validation_qrels_sha256"]) == 2
    by_teacher = training_facts(settings_of(recipe, validation_rankings=taught))
    assert len(by_teacher["validation_rankings_sha256"]) == 1
    settings = settings_of(recipe, validation=runs, validation_qrels=qrels)
    shown = public_settings(settings.model_dump(mode="json"))
    assert shown["validation"] == ["set0", "set1"]


def test_what_is_learned_does_not_validate(
    recipe: dict[str, object], rankings: Path, taught: Path
) -> None:
    with pytest.raises(UsageError, match=r"learns from 12 of the 12 queries of .*, such as q00"):
        train_student(settings_of(recipe, validation_rankings=rankings))
    with pytest.raises(UsageError, match="no ranking of two passages"):
        # A depth of one leaves nothing to order.
        taught_validation(taught, {}, None, 1)


def test_an_id_of_another_collection_is_another_query(
    taught: Path, write_candidates: WriteRun, tmp_path: Path
) -> None:
    other = {"vq00": "who wrote this", "q1": "who wrote this"}
    taught_validation(taught, other, None, None)
    with pytest.raises(UsageError, match=r"learns from 1 of the 3 queries .*, such as vq00"):
        taught_validation(taught, other | {"vq00": "Which  is good"}, None, None)
    (run, _), (qrels, _) = judged_sets(write_candidates, tmp_path)
    assert judged_validation(run, qrels, None, None, other).notices == ()
    (notice,) = judged_validation(run, qrels, None, None, {"q1": "which is good"}).notices
    assert "learns from 1 of the 1 queries" in notice
    assert "optimistic" in notice


def test_judgements_are_given_once_for_each_set(
    recipe: dict[str, object], write_candidates: WriteRun, tmp_path: Path
) -> None:
    runs, qrels = judged_sets(write_candidates, tmp_path)
    command = ["train-student", "--rankings", str(recipe["rankings"]), "--out", str(tmp_path / "o")]
    command += ["--validation", str(runs[0]), "--validation", str(runs[1])]
    refused = CliRunner().invoke(app, [*command, "--validation-qrels", str(qrels[0])])
    assert refused.exit_code == 2
    assert "once for each" in " ".join(refused.output.split())


def test_judgements_that_tell_no_order_from_another_do_not_validate(
    write_candidates: WriteRun, tmp_path: Path
) -> None:
    """Each student would reach the same, and the first one would be kept."""
    (run, _), (qrels, _) = judged_sets(write_candidates, tmp_path)
    qrels.write_text("q1 0 msmarco_a 1\nq1 0 b 0\n")
    with pytest.raises(
        UsageError, match=r"no candidate of .*set0 is judged relevant in .*one\.qrels"
    ):
        judged_validation(run, qrels, None, None)
    qrels.write_text("q1 0 a 1\n")
    with pytest.raises(UsageError, match=r"the candidates of each query .* all judged alike"):
        judged_validation(run, qrels, None, 1)
    assert judged_validation(run, qrels, None, 2).first_stage == 1


def test_an_import_without_a_first_stage_has_none_to_beat(tmp_path: Path) -> None:
    orders, queries, documents = toy_lists(queries=3, passages=6)
    # Of which the larger id is the worse passage.
    rows = [
        {
            "query": {"qid": query_id, "text": queries[query_id]},
            "candidates": [
                {"docid": doc_id, "score": float(-place), "doc": {"text": documents[doc_id]}}
                for place, doc_id in enumerate(order)
            ],
        }
        for query_id, order in orders.items()
    ]
    source, out = tmp_path / "requests.jsonl", tmp_path / "imported"
    source.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    done = CliRunner().invoke(app, ["import", "rank-llm", str(source), "--out", str(out)])
    assert done.exit_code == 0, done.stderr
    validation = taught_validation(out, {}, None, None)
    assert validation.first_stage is None
    assert Validations([validation]).first_stage is None
    # A student that tells nothing apart gets no order from the list that it is shown.
    tied = validation.measured({q: dict.fromkeys(order, 0.0) for q, order in orders.items()})
    assert tied.tau == pytest.approx(-1)
    assert tied.mean < 1


def test_passages_that_were_added_are_last_in_the_first_stage(write_rankings: WriteRun) -> None:
    run = write_rankings("mined", {"v": ["a", "b", "c"]}, {"v": "which"}, dict.fromkeys("abc", "t"))
    (path,) = (run / "rankings").glob("*.parquet")
    table = pq.read_table(path)
    place = table.schema.get_field_index("retrieval_positions")
    field = table.schema.field(place)
    pq.write_table(table.set_column(place, field, pa.array([[0, 1, 2]], field.type)), path)
    gains = {"a": 10, "b": 9, "c": 8}
    dcg = [
        sum(gains[doc_id] / math.log2(n + 2) for n, doc_id in enumerate(order))
        for order in ("bca", "abc")
    ]
    found = taught_validation(run, {}, None, None).first_stage
    assert found == pytest.approx(dcg[0] / dcg[1])
