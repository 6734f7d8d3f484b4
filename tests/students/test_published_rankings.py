"""Students train and are evaluated on published data sets, in a folder and on the Hub."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from hub_stand_in import Repository, StandIn, hub_stand_in, taken_for_the_hub
from made_runs import write_candidates, write_labels
from toy_training import toy_lists

from rankgen.manifests.errors import UsageError
from rankgen.manifests.publishing.publish import Publication
from rankgen.manifests.publishing.settings import PublishSettings
from rankgen.students.evaluation.evaluate import evaluate
from rankgen.students.evaluation.settings import EvaluationSettings
from rankgen.students.training.settings import TrainSettings
from rankgen.students.training.train import train_student

NAME, TO = "somebody/rankings", "hf:somebody/rankings"


@pytest.fixture
def hub(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[StandIn]:
    with hub_stand_in() as served:
        taken_for_the_hub(served, monkeypatch, tmp_path / "hub-cache")
        yield served


def put(hub: StandIn, folder: Path) -> str:
    """Puts a folder's files on the Hub as a new commit, which it returns."""
    repository = hub.repositories.setdefault(NAME, Repository(is_private=False))
    paths = (path for path in folder.rglob("*") if path.is_file())
    tree = {path.relative_to(folder).as_posix(): path.read_bytes() for path in paths}
    return repository.commit("main", tree)


def test_a_student_of_the_hub_is_that_of_the_folder_and_names_the_commit(
    hub: StandIn, recipe: dict[str, object], tmp_path: Path
) -> None:
    commit = put(hub, Path(str(recipe["rankings"])))
    steps = {"max_steps": 2}
    local = train_student(TrainSettings.model_validate({**recipe, **steps}))
    out = tmp_path / "from-hub"
    asked = {**recipe, **steps, "rankings": TO, "out": out}
    summary = train_student(TrainSettings.model_validate(asked))
    assert summary.loss == local.loss
    weights = [folder / "model.safetensors" for folder in (out, Path(str(recipe["out"])))]
    assert weights[0].read_bytes() == weights[1].read_bytes()
    record = json.loads((out / "rankgen.json").read_text())
    assert record["facts"]["rankings_source"] == f"{TO}@{commit}"
    assert record["settings"]["rankings"] == f"{TO}@{commit}"
    assert f"{TO}@{commit}" in (out / "README.md").read_text()
    assert (
        "rankings_source"
        not in json.loads((Path(str(recipe["out"])) / "rankgen.json").read_text())["facts"]
    )


def test_a_training_goes_on_with_the_commit_that_it_began_with(
    hub: StandIn,
    recipe: dict[str, object],
    write_rankings: Callable[..., Path],
    tmp_path: Path,
) -> None:
    commit = put(hub, Path(str(recipe["rankings"])))
    asked = TrainSettings.model_validate({**recipe, "rankings": TO, "max_steps": 2})
    train_student(asked)
    other = put(hub, write_rankings("other", *toy_lists(queries=8, passages=5)))
    again = train_student(asked)
    assert again.was_finished
    assert again.lists == 12
    # Whoever asks for the new commit hears that the student is of the old one.
    newer = asked.model_copy(update={"rankings": Path(f"{TO}@{other}")})
    with pytest.raises(UsageError, match="rankings_sha256") as error:
        train_student(newer)
    assert f"{TO}@{commit}" in error.value.message


def test_every_process_of_a_team_reads_the_same_commit(
    hub: StandIn, recipe: dict[str, object]
) -> None:
    from rankgen.generator.api.train_in_team import anchored

    commit = put(hub, Path(str(recipe["rankings"])))
    settings = anchored(TrainSettings.model_validate({**recipe, "rankings": TO}))
    assert settings.rankings == Path(f"{TO}@{commit}")
    assert settings.out.is_absolute()


def test_published_texts_are_trained_on_and_lacking_ones_named(
    tiny_backbone: str, tmp_path: Path
) -> None:
    run = write_labels(tmp_path / "run", write_candidates(tmp_path / "candidates", 12))
    for to, more in (("whole", {"with_text": True, "licence": "MIT"}), ("bare", {})):
        settings = PublishSettings.model_validate({"to": str(tmp_path / to), **more})
        Publication(run, settings).publish()
    given = {
        "backbone": tiny_backbone,
        "max_steps": 1,
        "device": "cpu",
        "precision": "fp32",
        "out": tmp_path / "student",
    }
    train = {**given, "rankings": tmp_path / "whole"}
    assert train_student(TrainSettings.model_validate(train)).lists == 12
    bare = TrainSettings.model_validate({**given, "rankings": tmp_path / "bare"})
    with pytest.raises(UsageError, match="bare has no texts: it was published without") as error:
        train_student(bare)
    assert "rankgen import" in (error.value.hint or "")


def test_a_published_teacher_is_evaluated_under_its_own_name(hub: StandIn, tmp_path: Path) -> None:
    candidates = write_candidates(tmp_path / "candidates", 12)
    run = write_labels(tmp_path / "run", candidates)
    Publication(run, PublishSettings(to=str(tmp_path / "published"))).publish()
    commit = put(hub, tmp_path / "published")
    qrels = candidates.root / "qrels.tsv"
    systems = {}
    for name in (str(run.root), str(tmp_path / "published"), TO):
        settings = EvaluationSettings.model_validate(
            {"qrels": qrels, "rankings": (name,), "out": tmp_path / "report", "measures": ("RR",)}
        )
        (system,) = evaluate(settings).systems
        systems[system.source] = (system.name, system.measures)
    assert list(systems)[-1] == f"{TO}@{commit}"
    assert len({str(found) for found in systems.values()}) == 1
    assert system.name == "teacher (minilm)"
    assert json.loads((tmp_path / "report" / "evaluation.json").read_text())["settings"][
        "rankings"
    ] == [f"{TO}@{commit}"]


def test_a_student_is_not_trained_into_the_hub() -> None:
    from rankgen.generator.jobs.label.settings import LabelOptions

    with pytest.raises(ValueError, match="made in a folder and then published"):
        LabelOptions.model_validate({"candidates": "c", "teacher": "minilm", "out": "hf:a/b"})
