"""What a run lacks for a training or a shipping is told with what to type."""

from __future__ import annotations

import json
import math
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from toy_training import settings_of, toy_lists

from rankgen.manifests.errors import IntegrityProblem, UsageError
from rankgen.manifests.run.run_directory import RunDirectory
from rankgen.students.shipping.settings import QualitySettings
from rankgen.students.shipping.validation_set import validation_set, was_learned
from rankgen.students.training.train import train_student
from rankgen.students.training.training_facts import training_facts

WriteRun = Callable[..., Path]


def test_a_training_says_that_its_rankings_are_candidates_or_not_there(
    recipe: dict[str, object], write_candidates: WriteRun, tmp_path: Path
) -> None:
    candidates = write_candidates("found", {"q": [("d", 1.0)]}, {"q": "which"}, {"d": "text"})
    with pytest.raises(UsageError, match="found has no rankings") as unlabelled:
        train_student(settings_of(recipe, rankings=candidates))
    assert f"rankgen label --candidates {candidates} --out RUN" in (unlabelled.value.hint or "")
    with pytest.raises(UsageError, match="nowhere has no rankings: there is no such folder"):
        train_student(settings_of(recipe, rankings=tmp_path / "nowhere"))
    (tmp_path / "empty").mkdir()
    assert RunDirectory(tmp_path / "empty").lacks("rankings").message.endswith("has no rankings")


def test_a_shipped_student_is_not_compared_on_nothing(rankings: Path) -> None:
    held = validation_set(QualitySettings(rankings=rankings))
    assert held is not None
    assert held.pairs == 12 * 6
    with pytest.raises(UsageError, match="has no ranking of two passages or more"):
        validation_set(QualitySettings(rankings=rankings, depth=1))


def test_rankings_that_a_student_learned_are_known(
    recipe: dict[str, object], rankings: Path, write_rankings: WriteRun, tmp_path: Path
) -> None:
    facts = training_facts(settings_of(recipe))
    (tmp_path / "rankgen.json").write_text(json.dumps({"facts": facts}))
    assert was_learned(str(tmp_path), rankings)
    assert not was_learned(str(tmp_path), write_rankings("others", *toy_lists(3, 4)))
    assert not was_learned(str(tmp_path / "none"), rankings)


@pytest.mark.parametrize("score", [math.nan, math.inf, 1e39])
def test_a_score_that_is_no_number_is_not_learned(
    recipe: dict[str, object], write_rankings: WriteRun, score: float
) -> None:
    orders, queries, documents = toy_lists(2, 3)
    scores = {query_id: [3.0, score, 1.0] for query_id in orders}
    run = write_rankings("scored", orders, queries, documents, scores)
    with pytest.raises(IntegrityProblem, match="score of query q00 that is not a finite number"):
        train_student(settings_of(recipe, rankings=run, loss="mse"))


def test_a_training_writes_over_nothing_else(
    recipe: dict[str, object], rankings: Path, tiny_backbone: str, tmp_path: Path
) -> None:
    own = shutil.copytree(tiny_backbone, tmp_path / "own")
    before = (own / "model.safetensors").read_bytes()
    (rankings / ".rankgen").mkdir()
    (rankings / ".rankgen" / "plan.json").write_text("{}")
    for out, found in ((own, "config.json"), (rankings, r"\.rankgen/plan\.json")):
        with pytest.raises(UsageError, match=f"holds something else .*: {found}") as refused:
            train_student(settings_of(recipe, backbone=str(own), out=out))
        assert "--out FOLDER" in (refused.value.hint or "")
    assert (own / "model.safetensors").read_bytes() == before
    assert not (own / ".rankgen").exists()


@pytest.mark.parametrize("content", ["{", "[]", '{"kind": "student"}'])
def test_a_damaged_record_is_one_sentence(
    recipe: dict[str, object], tmp_path: Path, content: str
) -> None:
    out = tmp_path / "student"
    out.mkdir()
    (out / "config.json").write_text("{}")
    (out / "rankgen.json").write_text(content)
    with pytest.raises(UsageError, match=r"rankgen\.json is damaged"):
        train_student(settings_of(recipe))
