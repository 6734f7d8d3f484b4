"""T5 and yes/no models as pointwise teachers: their scores, their run, and what they refuse."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path

import pytest
from made_up_candidates import write_run
from small_rerankers import CAUSAL_KINDS, QUERY, TEXTS, save_causal, save_t5

import rankgen
from rankgen.generator.teachers.base import Teacher
from rankgen.generator.teachers.registry import make_teacher
from rankgen.generator.teachers.settings import LabelSettings
from rankgen.manifests.errors import UsageError
from rankgen.manifests.models.families import family_of
from rankgen.manifests.models.pair_model import PairModel
from rankgen.manifests.records import Candidates, Document, Query
from rankgen.manifests.run.run_directory import RunDirectory
from rankgen.manifests.teacher_scores import FACT

pytest.importorskip("torch")
pytest.importorskip("transformers")


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a T5, and a causal model of each class."""
    root = tmp_path_factory.mktemp("rerankers")
    save_t5(root / "monot5")
    for kind in CAUSAL_KINDS:
        save_causal(root / kind, kind)
    return root


def teacher_of(model: Path, **settings: object) -> Teacher:
    values = {"teacher": "pointwise", "model": str(model), "context_size": 1500, **settings}
    return make_teacher(LabelSettings.model_validate(values))


def scores_of(teacher: Teacher) -> list[float]:
    passages = [Document(str(n), "", text) for n, text in enumerate(TEXTS)]
    result = asyncio.run(teacher.rank_window(Query("q", QUERY), passages))
    scores = result.scores
    assert scores is not None
    assert list(result.permutation) == sorted(range(len(TEXTS)), key=lambda i: (-scores[i], i))
    return list(scores)


@pytest.mark.parametrize("kind", ["monot5", *CAUSAL_KINDS])
def test_a_teacher_gives_the_models_scores(models: Path, kind: str) -> None:
    folder = str(models / kind)
    alone = PairModel(folder, family_of(folder), max_length=1500)
    expected = [alone.scores([alone.pairs.ids(QUERY, text)])[0] for text in TEXTS]
    assert scores_of(teacher_of(models / kind)) == pytest.approx(expected, abs=1e-5)


def test_another_prompt_or_instruction_is_another_teacher(models: Path) -> None:
    own = teacher_of(models / "qwen3-reranker").identity()
    asked = teacher_of(models / "qwen3-reranker", instruction="find gardens").identity()
    assert own["pair_prompt"] == asked["pair_prompt"] == "qwen3-reranker"
    assert own["pair_prompt_sha256"] != asked["pair_prompt_sha256"]
    assert asked["instruction"] == "find gardens"
    ranked = teacher_of(models / "monot5", pair_prompt="rankt5")
    assert ranked.identity()["pair_prompt"] == "rankt5"
    assert scores_of(ranked) != scores_of(teacher_of(models / "monot5"))


@pytest.mark.usefixtures("one_ray")
def test_a_run_keeps_its_scores_and_says_what_they_are(models: Path, tmp_path: Path) -> None:
    texts = {f"d{n}": text for n, text in enumerate(TEXTS)}
    found = [Candidates("q", tuple(texts), tuple(float(-n) for n in range(len(texts))))]
    write_run(RunDirectory(tmp_path / "candidates"), found, [Query("q", QUERY)], texts)
    told = {"teacher": "pointwise", "model": str(models / "monot5"), "context_size": 1500}
    run = rankgen.label(candidates=tmp_path / "candidates", out=tmp_path / "run", **told)
    rows = run.table().to_pylist()
    expected = dict(zip(texts, scores_of(teacher_of(models / "monot5")), strict=True))
    assert {row["doc_id"]: row["score"] for row in rows} == pytest.approx(expected, abs=1e-6)
    predicate = json.loads((tmp_path / "run" / "manifest.json").read_text())["predicate"]
    assert predicate[FACT] == {"unit": "log probability", "source": "pointwise monot5"}
    assert len(predicate["recipe"]["pair_prompt_sha256"]) == 64
    assert "instruction" not in predicate["recipe"]
    again = rankgen.label(candidates=tmp_path / "candidates", out=tmp_path / "run", **told)
    assert again.table().to_pylist() == rows
    with pytest.raises(UsageError, match="pair_prompt"):
        rankgen.label(
            candidates=tmp_path / "candidates",
            out=tmp_path / "run",
            **told | {"pair_prompt": "rankt5"},
        )


@pytest.mark.parametrize(
    ("settings", "problem", "hint"),
    [
        ({"engine": "openai"}, "asks no server", "--engine vllm"),
        ({"engine_args": {"max_num_seqs": 2}}, "belongs to vLLM", "--engine vllm"),
        ({"instruction": "x"}, "has no place for an instruction", "--instruction"),
        ({"pair_prompt": "duot5"}, "compares two passages", "--teacher pairwise"),
        ({"pair_prompt": "bge-reranker-gemma"}, "does not belong to", "--pair-prompt"),
        ({"engine": "vllm"}, "vLLM has no T5ForConditionalGeneration", "--engine"),
        ({"teacher": "minilm", "instruction": "x"}, "no use for", "--instruction"),
        ({"lora": "x"}, "no use for --lora", "--lora"),
    ],
)
def test_what_does_not_fit_is_refused(
    models: Path, settings: dict[str, object], problem: str, hint: str
) -> None:
    with pytest.raises(UsageError, match=problem) as refused:
        teacher_of(models / "monot5", **settings)
    assert hint in (refused.value.hint or "")


@pytest.mark.parametrize(
    ("architecture", "settings", "problem", "hint"),
    [
        ("BertForSequenceClassification", {"engine": "vllm"}, "vLLM is not asked", "--pair-prompt"),
        ("BertForSequenceClassification", {"instruction": "x"}, "no prompt with", "--instruction"),
        ("MonoElectraModel", {}, "of lightning-ir, which teachers do not load", "--student"),
        ("ViTForImageClassification", {}, "is not a re-ranker that rankgen knows", "cross-encoder"),
    ],
)
def test_other_classes_are_refused_before_their_weights_are_read(
    tmp_path: Path, architecture: str, settings: dict[str, object], problem: str, hint: str
) -> None:
    (tmp_path / "config.json").write_text(json.dumps({"architectures": [architecture]}))
    with pytest.raises(UsageError, match=problem) as refused:
        teacher_of(tmp_path, **settings)
    assert hint in (refused.value.hint or "")


def test_a_prompt_that_drops_the_passage_is_refused(
    models: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from dataclasses import replace

    from rankgen.manifests.models import families

    broken = replace(families.PAIR_PROMPTS["qwen3-reranker"], passage="{task}<Query>: {query}")
    monkeypatch.setitem(families.PAIR_PROMPTS, "qwen3-reranker", broken)
    with pytest.raises(UsageError, match="is not shown the passage"):
        teacher_of(models / "qwen3-reranker")
