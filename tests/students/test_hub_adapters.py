"""Adapters by their id on the Hub, as a machine without a network finds them in its cache."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from offline_hub import fetch, without_network

from rankgen.manifests.errors import EnvironmentProblem, RankgenError, UsageError
from rankgen.manifests.long_documents.rule import ChunkRule
from rankgen.manifests.long_documents.settings import LongDocumentSettings
from rankgen.manifests.models.model_source import pinned_model
from rankgen.manifests.storage.digest import sha256_of_file, sha256_of_value
from rankgen.students.evaluation.evaluate import evaluate
from rankgen.students.evaluation.settings import EvaluationSettings
from rankgen.students.model.adapter_folder import CONFIG_FILE, WEIGHTS_FILE, read_adapter
from rankgen.students.model.adapters import Lora, merged, with_adapters
from rankgen.students.model.hardware import choose_hardware
from rankgen.students.model.loading import load_backbone, load_cross_encoder
from rankgen.students.model.scoring import score_pairs
from rankgen.students.reranking.student_identity import student_identity
from rankgen.students.reranking.student_rule import student_rule
from rankgen.students.shipping.settings import ShipSettings
from rankgen.students.shipping.ship import ship
from rankgen.students.training.adapter_record import save_adapter
from rankgen.students.training.settings import TrainSettings
from rankgen.students.training.training_facts import backbone_identity

BASE, ADAPTER = "a" * 40, "b" * 40
CUTS = {"query_tokens": 8, "passage_tokens": 16}
RULE = ChunkRule("max", 8, 2, 5)
Change = Callable[[Path], object]


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory, tiny_backbone: str) -> Path:
    """A student of some/base, whose adapter names it by its id and commit, and its cache."""
    root = tmp_path_factory.mktemp("made")
    with pytest.MonkeyPatch.context() as patched:
        without_network(patched, root / "hub")
        fetch(root / "hub", "some/base", BASE, Path(tiny_backbone))
        base = pinned_model("some/base")
        named = {"rankings": root, "out": root / "student", "backbone": base}
        settings = TrainSettings.model_validate(named | CUTS)
        bare = load_backbone(base, seed=1, dropout=None, **CUTS)
        encoder = with_adapters(replace(bare, long_documents=RULE), Lora(2, 4.0, 0.0), 1)
        for name, weight in encoder.model.named_parameters():
            if "lora_B" in name:
                weight.data.fill_(0.05)
        (root / "student").mkdir()
        save_adapter(encoder, settings, backbone_identity(base), root / "student" / "adapter")
        merged(encoder).save(root / "student")
    return root


@pytest.fixture
def cache(made: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A copy of the cache, to which a test adds some/adapter."""
    shutil.copytree(made / "hub", tmp_path / "hub", symlinks=True)
    without_network(monkeypatch, tmp_path / "hub")
    return tmp_path / "hub"


@pytest.fixture
def adapter(made: Path, cache: Path) -> str:
    fetch(cache, "some/adapter", ADAPTER, made / "student" / "adapter")
    return "some/adapter"


def score(student: str) -> float:
    encoder = load_cross_encoder(student)
    queries, texts = {"q": "which one is good"}, {"d": "good water of the iron river"}
    pairs = encoder.pairs(queries, texts, [("q", "d")])
    return float(score_pairs(encoder, pairs, choose_hardware("cpu", "fp32"))[0])


def test_it_scores_as_the_student_that_was_saved_merged(made: Path, adapter: str) -> None:
    own = score(str(made / "student"))
    assert score(adapter) == pytest.approx(own, abs=1e-6)
    assert score(f"{adapter}@{ADAPTER}") == score(f"{adapter}@main") == score(adapter)
    assert pinned_model(adapter) == f"{adapter}@{ADAPTER}"
    # It is what it computes, wherever it stands.
    assert student_identity(adapter) == student_identity(str(made / "student" / "adapter"))


def test_the_rule_for_long_documents_is_its_own(made: Path, adapter: str) -> None:
    for source in (f"{adapter}@{ADAPTER}", str(made / "student" / "adapter")):
        rule = student_rule(source, LongDocumentSettings())
        assert (rule.own, rule.used, rule.is_known) == (RULE, RULE, True)


def test_commands_take_it_for_a_student(
    made: Path, adapter: str, tmp_path: Path, write_candidates: Callable[..., Path]
) -> None:
    documents = {name: f"{name} good " * n for n, name in enumerate(("one", "two", "six"), 4)}
    found = {"q1": [("one", 3.0), ("two", 2.0), ("six", 1.0)]}
    candidates = write_candidates("bm25", found, {"q1": "which one is good"}, documents)
    (tmp_path / "qrels.trec").write_text("q1 0 two 1\n")
    kept = []
    for name, student in (("hub", adapter), ("merged", str(made / "student"))):
        settings = {"qrels": tmp_path / "qrels.trec", "candidates": candidates, "device": "cpu"}
        out = tmp_path / name
        evaluate(EvaluationSettings.model_validate(settings | {"students": (student,), "out": out}))
        (path,) = (out / ".rankgen" / "scores").iterdir()
        kept.append(json.loads(path.read_text())["q1"])
    assert kept[0] == pytest.approx(kept[1], abs=1e-5)
    planned = ship(ShipSettings(student=adapter, out=tmp_path / "shipped", dry_run=True))
    assert planned.parameters == sum(
        p.numel() for p in load_cross_encoder(adapter).model.parameters()
    )


def with_config(**values: object) -> Change:
    def change(folder: Path) -> None:
        held = json.loads((folder / CONFIG_FILE).read_text())
        (folder / CONFIG_FILE).write_text(json.dumps(held | values))

    return change


def as_by_peft_alone(folder: Path) -> None:
    (folder / "rankgen.json").unlink()
    with_config(revision=None)(folder)


def test_adapters_of_peft_alone_find_their_base_by_its_id(
    made: Path, cache: Path, tmp_path: Path
) -> None:
    folder = Path(shutil.copytree(made / "student" / "adapter", tmp_path / "adapter"))
    as_by_peft_alone(folder)
    fetch(cache, "some/adapter", ADAPTER, folder)
    cut_whole = load_cross_encoder("some/adapter")
    assert cut_whole.pair_tokens is not None
    # Nothing of the pair is cut by either rule.
    assert score("some/adapter") == pytest.approx(score(str(made / "student")), abs=1e-6)


@pytest.mark.parametrize(
    ("change", "problem"),
    [
        (
            with_config(base_model_name_or_path="some/other", revision=None),
            r"the base of .* is missing: the model",
        ),
        (
            with_config(base_model_name_or_path="/home/x/base", revision=None),
            r"is missing: .*no such folder",
        ),
        (with_config(revision="c" * 40), r"was trained on another base than some/base@c{40}"),
        (with_config(r=4), r"does not fit some/base@a{40}: \d+ weights differ"),
        (with_config(peft_type="IA3"), "is of the kind IA3, which is not read"),
        (lambda folder: (folder / CONFIG_FILE).write_text("{"), "adapter_config.json is damaged"),
        (lambda folder: (folder / WEIGHTS_FILE).unlink(), r"has no adapter_model\.safetensors"),
    ],
)
def test_what_is_wrong_is_one_sentence(
    change: Change, problem: str, made: Path, cache: Path, tmp_path: Path
) -> None:
    folder = Path(shutil.copytree(made / "student" / "adapter", tmp_path / "adapter"))
    change(folder)
    fetch(cache, "some/adapter", ADAPTER, folder)
    with pytest.raises(RankgenError, match=problem) as refused:
        load_cross_encoder("some/adapter")
    assert "\n" not in refused.value.message
    assert refused.value.hint
    # Nothing above the cache's folder is a student.
    assert "the folder above" not in str(refused.value.hint)


def test_an_id_that_was_never_downloaded_is_one_sentence(cache: Path) -> None:
    with pytest.raises(EnvironmentProblem, match="some/absent is not a folder and cannot be down"):
        load_cross_encoder("some/absent")


def test_it_is_no_backbone(adapter: str) -> None:
    with pytest.raises(UsageError, match="holds adapters, which are not trained further"):
        load_backbone(adapter, seed=1, dropout=None, **CUTS)


def test_scores_from_when_its_rule_was_ignored_are_not_taken(made: Path, cache: Path) -> None:
    folder = made / "student" / "adapter"
    adapter = read_adapter(str(folder))
    assert adapter.long_documents == RULE
    config = json.loads((folder / CONFIG_FILE).read_text())
    own = {k: v for k, v in config.items() if k not in ("base_model_name_or_path", "revision")}
    parts = [[sha256_of_file(folder / WEIGHTS_FILE)], own, adapter.base, *CUTS.values()]
    # Without a rule it is what it was; earlier versions kept scores of cut documents by the other.
    bare = replace(adapter, long_documents=None)
    assert bare.identity == f"sha256:{sha256_of_value(parts)}"
    assert adapter.identity != f"sha256:{sha256_of_value([*parts, RULE.as_values()])}"
