"""A name is resolved once: a folder called like it, such as the run's own, changes nothing."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from made_up_candidates import write_one

from rankgen.generator.jobs.label.job import plan_labels
from rankgen.generator.jobs.label.settings import LabelRunSettings
from rankgen.generator.teachers.registry import make_teacher
from rankgen.generator.teachers.revision import with_pinned_revision
from rankgen.generator.teachers.settings import LabelSettings
from rankgen.generator.teachers.sources import anchored, model_source, tokenizer_source
from rankgen.generator.teachers.teacher_recipe import refuse_another_teacher, teacher_recipe
from rankgen.manifests.errors import EnvironmentProblem, UsageError
from rankgen.manifests.models.model_source import pinned_model
from rankgen.manifests.run.plan import open_plan
from rankgen.manifests.run.run_directory import RunDirectory

MODEL = Path(__file__).parents[1] / "fixtures" / "tiny_ranker" / "model"
COMMIT = "a" * 40
SERVED = {"teacher": "listwise", "model": "tiny", "base_url": "http://localhost:1/v1"}


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder where the user stands, with some/model in the Hub's cache at COMMIT."""
    from huggingface_hub import constants

    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path / "hub"))
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    cached = tmp_path / "hub" / "models--some--model"
    shutil.copytree(MODEL, cached / "snapshots" / COMMIT)
    (cached / "refs").mkdir()
    (cached / "refs" / "main").write_text(COMMIT)
    stand = tmp_path / "here"
    stand.mkdir()
    monkeypatch.chdir(stand)
    return stand


@pytest.fixture
def candidates(tmp_path: Path) -> Path:
    return write_one(tmp_path / "candidates")


def begun(candidates: Path, teacher: dict[str, str], out: str) -> tuple[str, LabelSettings]:
    """Plans, as a driver does, and returns the plan's fingerprint and what its workers are told."""
    run = RunDirectory(Path(out))
    pinned = with_pinned_revision(LabelSettings.model_validate(teacher).resolved(), run)
    settings = LabelRunSettings(candidates=candidates, teacher=pinned, out=run.root)
    plan, queries = plan_labels(settings)
    open_plan(run, plan, queries)
    run.journal_of(0).mkdir(parents=True, exist_ok=True)
    (run.journal_of(0) / "w.jsonl").write_text("")
    return plan.fingerprint, anchored(pinned)


@pytest.mark.parametrize(
    ("teacher", "out"),
    [
        (SERVED | {"teacher": "rankzephyr"}, "rankzephyr"),
        (SERVED, "tiny"),
        (SERVED, "rankzephyr"),
        ({"teacher": "rankzephyr", "model": "some/model", "tokenizer": "rankzephyr"}, "rankzephyr"),
        ({"teacher": "minilm"}, "all-MiniLM-L6-v2"),
        ({"teacher": "scripted:hash"}, "hash"),
    ],
)
def test_a_run_resumes_in_a_folder_called_like_what_it_uses(
    candidates: Path, teacher: dict[str, str], out: str
) -> None:
    first = begun(candidates, teacher, out)
    assert Path(out).is_dir()
    assert begun(candidates, teacher, out) == first
    resolved = LabelSettings.model_validate(teacher).resolved()
    assert (first[1].teacher, first[1].model) == (resolved.teacher, resolved.model)
    assert first[1].tokenizer == resolved.tokenizer


def test_the_server_is_asked_for_the_name_and_not_for_a_folder(here: Path) -> None:
    pytest.importorskip("openai")
    from faulty_server import answer, serving

    (here / "tiny").mkdir()
    with serving(lambda request, seen: answer("[1]")) as server:
        teacher = LabelSettings.model_validate(SERVED | {"base_url": server.url}).resolved()
        made = make_teacher(anchored(teacher))
        assert {request["model"] for _, request in server.requests} == {"tiny"}
    assert made.identity()["model"] == "tiny"


def test_a_hub_id_stays_one_when_a_folder_of_its_name_appears(candidates: Path, here: Path) -> None:
    teacher = {"teacher": "rankzephyr", "model": "some/model"}
    first, told = begun(candidates, teacher, "run")
    assert (told.model, told.revision) == ("some/model", COMMIT)
    shutil.copytree(MODEL, here / "some" / "model")
    # vLLM would take the folder, so nothing is loaded under the wrong name.
    with pytest.raises(UsageError, match="some/model is also the name of a folder"):
        begun(candidates, teacher, "run")
    shutil.rmtree(here / "some")
    assert begun(candidates, teacher, "run")[0] == first
    with pytest.raises(UsageError, match="also the name of a folder") as caught:
        begun(candidates, teacher, "some/model")
    assert caught.value.hint == "choose another --out"


def test_a_tokenizer_of_the_hub_keeps_its_commit(here: Path) -> None:
    (here / "some" / "model").mkdir(parents=True)
    held = f"some/model@{COMMIT}"
    assert pinned_model("some/model", held=held) == held
    assert pinned_model("some/model") == "some/model"


def test_every_name_has_a_kind(here: Path) -> None:
    folder = str(MODEL)
    for values, model, tokenizer in (
        ({"teacher": "rankzephyr", "model": folder}, "folder", "folder"),
        ({"teacher": "rankzephyr", "model": "some/model"}, "hub", "hub"),
        (SERVED, "served", "packaged"),
        (SERVED | {"tokenizer": folder}, "served", "folder"),
        (SERVED | {"api": "completions", "model": "some/model"}, "served", "hub"),
    ):
        teacher = LabelSettings.model_validate(values).resolved()
        sources = model_source(teacher), tokenizer_source(teacher)
        assert [source.kind for source in sources if source] == [model, tokenizer]
    teacher = LabelSettings(teacher="rankzephyr", model=folder, revision="main").resolved()
    with pytest.raises(UsageError, match="is a folder, so --revision main does not apply"):
        with_pinned_revision(teacher, RunDirectory(here / "run"))


def test_a_worker_with_other_weights_does_not_start(here: Path) -> None:
    shutil.copytree(MODEL, here / "model")
    teacher = anchored(LabelSettings(teacher="rankzephyr", model="model", dtype="float32"))
    wanted = teacher_recipe(teacher.resolved())
    refuse_another_teacher(teacher.resolved(), wanted)
    with (here / "model" / "model.safetensors").open("r+b") as file:
        file.seek(-1, 2)
        file.write(b"\x01")
    with pytest.raises(EnvironmentProblem, match=r"model sha256:.* instead of sha256:"):
        refuse_another_teacher(teacher.resolved(), wanted)
    shutil.rmtree(here / "model")
    with pytest.raises(EnvironmentProblem, match="there is no model folder"):
        refuse_another_teacher(teacher, wanted)
