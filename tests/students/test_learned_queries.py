"""Queries that a student learned from are noticed by themselves, wherever they are used again."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from toy_training import settings_of, toy_lists
from typer.testing import CliRunner, Result
from written_runs import written_rankings

from rankgen.generator.cli import app
from rankgen.manifests import notices
from rankgen.students.evaluation.evaluate import evaluate
from rankgen.students.evaluation.settings import EvaluationSettings
from rankgen.students.reranking.student_identity import student_identity
from rankgen.students.shipping.settings import ShipSettings
from rankgen.students.shipping.shipped_folder import CARD
from rankgen.students.training.learned_queries import (
    LEARNED_FILE,
    learned_among,
    learned_by,
    query_digest,
)
from rankgen.students.training.train import train_student

TEXT = "which is good"


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory, tiny_backbone: str) -> dict[str, Path]:
    """Two seeds of a student that learned q00 to q05, one by adapters, and its rankings."""
    root = tmp_path_factory.mktemp("learned")
    orders, _, documents = toy_lists(queries=6, passages=4)
    rankings = written_rankings(root / "rankings", orders, dict.fromkeys(orders, TEXT), documents)
    recipe: dict[str, object] = {
        "rankings": rankings,
        "backbone": tiny_backbone,
        "queries_per_step": 2,
        "query_tokens": 8,
        "passage_tokens": 16,
        "max_steps": 1,
        "device": "cpu",
        "precision": "fp32",
    }
    for seed in (1, 2):
        train_student(settings_of(recipe, out=root / f"seed{seed}", seed=seed))
    train_student(settings_of(recipe, out=root / "adapted", lora_rank=2))
    return {"rankings": rankings, **{name: root / name for name in ("seed1", "seed2", "adapted")}}


def run(*words: object) -> Result:
    notices.warn.cache_clear()
    return CliRunner().invoke(app, list(map(str, words)))


def _others(root: Path, *, texts: str = TEXT) -> Path:
    """Rankings of q05, which the students learned, and of q06 and q07."""
    orders, _, documents = toy_lists(queries=8, passages=4)
    held = {query: orders[query] for query in ("q05", "q06", "q07")}
    return written_rankings(root, held, dict.fromkeys(held, texts), documents)


def _silent(student: Path, root: Path) -> Path:
    """A student as earlier versions wrote it."""
    shutil.copytree(student, root, ignore=shutil.ignore_patterns(".rankgen", LEARNED_FILE))
    return Path(root)


def test_a_student_keeps_what_it_learned_from(made: dict[str, Path], tmp_path: Path) -> None:
    expected = frozenset(query_digest(f"q0{number}", TEXT) for number in range(6))
    for student in (made["seed1"], made["adapted"], made["adapted"] / "adapter"):
        learned = learned_by(str(student))
        assert learned == expected
        assert learned_among(learned, {"q05": "Which  is GOOD", "q06": TEXT}) == ["q05"]
        # Another collection's query of the same id.
        assert learned_among(learned, {"q05": "which is bad"}) == []
    silent = _silent(made["seed1"], tmp_path / "silent")
    assert learned_by(str(silent)) is None
    # Nothing that it computes depends on it.
    assert student_identity(str(silent)) == student_identity(str(made["seed1"]))


def test_a_soup_is_not_chosen_on_queries_that_were_learned(
    made: dict[str, Path], tmp_path: Path
) -> None:
    seeds = [made["seed1"], made["seed2"]]
    out = tmp_path / "soup"
    held = _others(tmp_path / "held")
    refused = run("soup", *seeds, "--out", out, "--validation-rankings", held)
    assert refused.exit_code == 2
    assert (
        f"{seeds[0]} learned from 1 of the 3 queries of held, such as q05, so that they cannot "
        "choose the soup"
    ) in refused.stderr
    assert not out.exists()
    other = _others(tmp_path / "other", texts="which is bad")
    done = run("soup", *seeds, "--out", out, "--validation-rankings", other)
    assert done.exit_code == 0, done.output
    assert "learned from" not in done.stderr
    assert learned_by(str(out)) == learned_by(str(seeds[0]))
    silent = [_silent(seed, tmp_path / seed.name) for seed in seeds]
    done = run("soup", *silent, "--out", tmp_path / "new", "--validation-rankings", held)
    assert done.exit_code == 0, done.output
    assert f"{silent[0]} keeps no {LEARNED_FILE}" in done.stderr
    assert learned_by(str(tmp_path / "new")) is None


@pytest.fixture
def judged(write_candidates: Callable[..., Path], tmp_path: Path) -> dict[str, Path]:
    """Candidates of q05 to q07; q08 and q09 are judged too."""
    orders, _, documents = toy_lists(queries=10, passages=4)
    lists = {
        query: [(doc_id, float(-place)) for place, doc_id in enumerate(reversed(orders[query]))]
        for query in ("q05", "q06", "q07")
    }
    qrels = tmp_path / "qrels.txt"
    judged = [f"{query} 0 {orders[query][0]} 1\n" for query in list(orders)[5:]]
    qrels.write_text("".join(judged))
    queries = dict.fromkeys(lists, TEXT)
    return {"candidates": write_candidates("run", lists, queries, documents), "qrels": qrels}


def test_ship_tells_of_queries_that_were_learned_or_have_no_list(
    made: dict[str, Path], judged: dict[str, Path], tmp_path: Path
) -> None:
    words = [word for name, path in judged.items() for word in (f"--{name}", path)]
    asked = ["ship", made["seed1"], "--out", tmp_path / "shipped", *words, "--dry-run"]
    planned = run(*asked)
    assert planned.exit_code == 0, planned.output
    where = judged["candidates"]
    lost = f"2 of 5 judged queries have no list in {where} (first: q08); the comparison leaves them"
    assert f"note: {lost} out" in planned.stdout
    shared = f"{made['seed1']} learned from 1 of the 3 queries of {where}, such as q05, so that"
    assert f"note: {shared} the comparison says little of other queries" in planned.stdout
    held = json.loads(run(*asked, "--json").stdout)["notices"]
    assert [notice.split(" ")[0] for notice in held] == ["2", str(made["seed1"])]
    silent = _silent(made["seed1"], tmp_path / "silent")
    told = run("ship", silent, "--out", tmp_path / "shipped", *words, "--dry-run").stdout
    assert f"note: {silent} keeps no {LEARNED_FILE}" in told
    others = _others(tmp_path / "held")
    asked = ["ship", made["seed1"], "--out", tmp_path / "x", "--rankings", others, "--dry-run"]
    assert f"learned from 1 of the 3 queries of {others}, such as q05" in run(*asked).stdout


def test_a_shipped_student_and_its_notices_stay(
    made: dict[str, Path], judged: dict[str, Path], tmp_path: Path
) -> None:
    from rankgen.students.shipping.ship import ship

    values = {"student": str(made["seed1"]), "out": tmp_path / "shipped", **judged}
    asked = ShipSettings.model_validate(values)
    first = ship(asked)
    assert (asked.out / CARD).is_file()
    assert learned_by(str(asked.out)) == learned_by(str(made["seed1"]))
    again = ship(asked)
    assert (again.was_finished, again.notices) == (True, first.notices)
    assert len(first.notices) == 2


def test_an_evaluation_tells_of_students_that_learned_its_queries(
    made: dict[str, Path], judged: dict[str, Path], tmp_path: Path
) -> None:
    silent = _silent(made["seed2"], tmp_path / "silent")
    values = {
        "students": (str(made["seed1"]), str(silent)),
        "out": tmp_path / "evaluation",
        "device": "cpu",
        "precision": "fp32",
        **judged,
    }
    found = evaluate(EvaluationSettings.model_validate(values))
    told = [notice for notice in found.notices if "learned from" in notice]
    (notice,) = told
    assert notice.startswith("seed1 learned from 1 of these queries, such as q05: its figures")
