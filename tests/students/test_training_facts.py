"""A training is identified by its recipe and the content that it names, wherever that is."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from offline_hub import fetch, without_network
from safetensors.torch import load_file, save_file
from toy_training import Killed, settings_of

from rankgen.generator.api.train_in_team import train_in_team
from rankgen.manifests.errors import IntegrityProblem, UsageError
from rankgen.manifests.models.model_source import folder_digest
from rankgen.students.training import train
from rankgen.students.training.settings import TrainSettings
from rankgen.students.training.train import train_student
from rankgen.students.training.training_facts import training_facts, with_pinned_backbone

COMMIT, LATER = "a" * 40, "b" * 40


@pytest.fixture
def backbone(tiny_backbone: str, tmp_path: Path) -> Path:
    return shutil.copytree(tiny_backbone, tmp_path / "backbone")


@pytest.fixture
def killed(
    recipe: dict[str, object], backbone: Path, monkeypatch: pytest.MonkeyPatch
) -> TrainSettings:
    """Settings of a training that has a checkpoint and no student yet."""

    def dying(*_: object) -> None:
        raise Killed

    settings = settings_of(recipe, backbone=str(backbone), max_steps=1)
    with monkeypatch.context() as patch:
        patch.setattr(train, "publish_student", dying)
        with pytest.raises(Killed):
            train_student(settings)
    return settings


def retrain(folder: Path) -> None:
    path = folder / "model.safetensors"
    tensors = {name: tensor + 0.01 for name, tensor in load_file(path).items()}
    save_file(tensors, path, metadata={"format": "pt"})


def test_a_backbone_that_was_replaced_is_noticed(killed: TrainSettings, backbone: Path) -> None:
    retrain(backbone)
    with pytest.raises(UsageError, match=r"backbone: sha256:\w+… there, sha256:\w+… now"):
        train_student(killed)


def test_so_is_a_vocabulary(killed: TrainSettings, backbone: Path) -> None:
    with (backbone / "vocab.txt").open("a") as file:
        file.write("another\n")
    with pytest.raises(UsageError, match="backbone: sha256:"):
        train_student(killed)


def test_a_backbone_may_move_and_be_spelled_in_other_ways(
    killed: TrainSettings, backbone: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    backbone.rename(tmp_path / "moved")
    monkeypatch.chdir(tmp_path)
    summary = train_student(killed.model_copy(update={"backbone": "moved"}))
    assert not summary.was_finished
    absolute = killed.model_copy(update={"backbone": str(tmp_path / "moved")})
    assert train_student(absolute).was_finished
    assert train_in_team(absolute, 2, None).was_finished


def test_a_team_refuses_another_recipe_as_one_process_does(recipe: dict[str, object]) -> None:
    train_student(settings_of(recipe, max_steps=1))
    said = []
    other = settings_of(recipe, max_steps=1, seed=4)
    for run in (train_student, lambda settings: train_in_team(settings, 2, None)):
        with pytest.raises(UsageError, match="seed: 3 there, 4 now") as caught:
            run(other)
        said.append((caught.value.message, caught.value.hint))
    assert said[0] == said[1]


def test_a_training_of_an_earlier_version_goes_on(killed: TrainSettings, backbone: Path) -> None:
    path = killed.out / ".rankgen" / "recipe.json"
    facts = json.loads(path.read_text()) | {"backbone": os.path.relpath(backbone)}
    # A setting that it did not have yet.
    del facts["evidence_weights"]
    path.write_text(json.dumps(facts))
    assert train_student(killed).steps == 1


def test_that_of_another_backbone_is_refused(killed: TrainSettings) -> None:
    path = killed.out / ".rankgen" / "recipe.json"
    for word in ("minilm", "/gone/backbone"):
        path.write_text(json.dumps(json.loads(path.read_text()) | {"backbone": word}))
        with pytest.raises(UsageError, match=r"backbone: .* there, sha256:"):
            train_student(killed)


def test_a_validation_that_was_not_there_is_another_recipe(
    killed: TrainSettings, write_candidates: Callable[..., Path], tmp_path: Path
) -> None:
    lists = {"q00": [("d0-0", 2.0), ("d0-1", 1.0)]}
    texts = {"d0-0": "good", "d0-1": "bat"}
    run = write_candidates("validation", lists, {"q00": "which is good"}, texts)
    qrels = tmp_path / "qrels"
    qrels.write_text("q00 0 d0-0 1\n")
    changed = killed.model_copy(update={"validation": (run,), "validation_qrels": (qrels,)})
    with pytest.raises(UsageError, match="validation_qrels_sha256: nothing there"):
        train_student(changed)


def test_the_packaged_backbone_is_its_content(recipe: dict[str, object], minilm: str) -> None:
    by_name = training_facts(settings_of(recipe, backbone="minilm"))
    by_folder = training_facts(settings_of(recipe, backbone=minilm))
    assert by_name == by_folder
    assert by_name["backbone"] == f"sha256:{folder_digest(Path(minilm))}"


def test_a_training_goes_on_with_the_commit_it_began_with(
    recipe: dict[str, object], backbone: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    cache = tmp_path / "hub"
    without_network(monkeypatch, cache)
    fetch(cache, "some/encoder", COMMIT, backbone)
    settings = settings_of(recipe, backbone="some/encoder", max_steps=1)
    train_student(settings)
    record = json.loads((settings.out / "rankgen.json").read_text())
    assert record["facts"]["backbone"] == f"some/encoder@{COMMIT}"
    fetch(cache, "some/encoder", LATER, backbone)
    assert train_student(settings).was_finished
    elsewhere = settings.model_copy(update={"out": tmp_path / "other"})
    assert with_pinned_backbone(elsewhere).backbone == f"some/encoder@{LATER}"


def test_nothing_published_says_where_things_lie(killed: TrainSettings, backbone: Path) -> None:
    train_student(killed)
    record = json.loads((killed.out / "rankgen.json").read_text())
    assert record["settings"]["backbone"] == "backbone"
    assert record["settings"]["rankings"] == "rankings"
    assert record["facts"]["backbone"] == f"sha256:{folder_digest(backbone)}"
    texts = [*killed.out.rglob("*.json"), killed.out / "README.md"]
    assert len(texts) > 4
    for path in texts:
        assert str(backbone.parent) not in path.read_text(encoding="utf-8"), path


@pytest.mark.parametrize("content", [b"", b"abc", b"PK\x03\x04"])
def test_a_damaged_checkpoint_is_one_sentence(killed: TrainSettings, content: bytes) -> None:
    (killed.out / ".rankgen" / "checkpoint.pt").write_bytes(content)
    with pytest.raises(IntegrityProblem, match=r"checkpoint.pt cannot be read: ."):
        train_student(killed)
