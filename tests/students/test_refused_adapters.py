"""Adapters are read wherever a student is, and what would score with chance is one sentence."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from safetensors.torch import load_file, save_file

from rankgen.manifests.errors import RankgenError, UsageError
from rankgen.students.model.adapter_folder import CONFIG_FILE, WEIGHTS_FILE
from rankgen.students.model.adapters import Lora, merged, with_adapters
from rankgen.students.model.loading import load_backbone, load_cross_encoder
from rankgen.students.reranking.reranker import StudentReranker
from rankgen.students.reranking.student_identity import student_identity
from rankgen.students.shipping.settings import ShipSettings
from rankgen.students.shipping.ship import ship
from rankgen.students.training.adapter_record import save_adapter
from rankgen.students.training.settings import TrainSettings
from rankgen.students.training.training_facts import backbone_identity

RECORD = "rankgen.json"


@pytest.fixture(scope="module")
def saved(tmp_path_factory: pytest.TempPathFactory, tiny_backbone: str) -> Path:
    """A folder with a base, and a student on it in adapter/ and merged."""
    root = tmp_path_factory.mktemp("saved")
    base = str(shutil.copytree(tiny_backbone, root / "base"))
    cuts = {"query_tokens": 8, "passage_tokens": 16}
    settings = TrainSettings(rankings=root, out=root / "student", backbone=base, **cuts)
    encoder = with_adapters(load_backbone(base, seed=1, dropout=None, **cuts), Lora(2, 4.0, 0.0), 1)
    (root / "student").mkdir()
    save_adapter(encoder, settings, backbone_identity(base), root / "student" / "adapter")
    merged(encoder).save(root / "student")
    return root


@pytest.fixture
def adapter(saved: Path, tmp_path: Path) -> Path:
    """A copy that a test may damage, which names its copied base."""
    folder = tmp_path / "student" / "adapter"
    shutil.copytree(saved / "base", tmp_path / "base")
    shutil.copytree(saved / "student" / "adapter", folder)
    with_values(CONFIG_FILE, base_model_name_or_path=str(tmp_path / "base"))(folder)
    return folder


def with_values(name: str, **values: object) -> Callable[[Path], object]:
    def change(folder: Path) -> None:
        held = json.loads((folder / name).read_text())
        (folder / name).write_text(json.dumps(held | values))

    return change


def without_record(folder: Path) -> None:
    (folder / RECORD).unlink()


def without_head(folder: Path) -> None:
    held = load_file(folder / WEIGHTS_FILE)
    kept = {name: weight for name, weight in held.items() if "lora_" in name}
    assert len(kept) < len(held)
    save_file(kept, folder / WEIGHTS_FILE, {"format": "pt"})


def without_head_anywhere(folder: Path) -> None:
    without_head(folder)
    with_values(CONFIG_FILE, modules_to_save=None, task_type=None)(folder)


def other_base(folder: Path) -> None:
    base = folder.parent.parent / "base"
    held = load_file(base / "model.safetensors")
    name = min(name for name in held if name.endswith("query.weight"))
    save_file({**held, name: held[name] + 1e-3}, base / "model.safetensors", {"format": "pt"})


def narrow_base(folder: Path) -> None:
    from transformers import AutoConfig, AutoModel

    base = folder.parent.parent / "base"
    config = AutoConfig.from_pretrained(base)
    config.hidden_size = 16
    AutoModel.from_config(config).save_pretrained(base)
    without_record(folder)


@pytest.mark.parametrize(
    ("change", "problem"),
    [
        (other_base, r"adapter .* was trained on another base than .*: on sha256:\w+, and this is"),
        (lambda folder: shutil.rmtree(folder.parent.parent / "base"), r"the base of .* is missing"),
        (narrow_base, r"does not fit .* weights differ, such as .*which is \(.*\) in the adapter"),
        (without_head, r"does not fit .*pooler.*, which is missing in the adapter"),
        (without_head_anywhere, r"neither the adapter .* has the weights of classifier"),
        (with_values(CONFIG_FILE, peft_type="IA3"), "is of the kind IA3, which is not read"),
        (with_values(CONFIG_FILE, base_model_name_or_path=None), "does not name its base"),
        (lambda folder: (folder / WEIGHTS_FILE).unlink(), r"has no adapter_model\.safetensors"),
        (lambda folder: (folder / WEIGHTS_FILE).write_bytes(b"x" * 99), "cannot be put into"),
        (lambda folder: (folder / CONFIG_FILE).write_text("{"), "adapter_config.json is damaged"),
    ],
)
def test_it_is_not_scored_with(
    change: Callable[[Path], object], problem: str, adapter: Path
) -> None:
    load_cross_encoder(str(adapter))
    change(adapter)
    with pytest.raises(RankgenError, match=problem) as refused:
        load_cross_encoder(str(adapter))
    assert "\n" not in refused.value.message
    assert refused.value.hint


def test_adapters_of_peft_alone_are_read_with_the_cuts_of_their_base(adapter: Path) -> None:
    without_record(adapter)
    encoder = load_cross_encoder(str(adapter))
    assert encoder.pair_tokens is not None
    assert encoder.has_trained_head


def test_they_are_a_student_with_an_identity(adapter: Path, saved: Path, tmp_path: Path) -> None:
    reranker = StudentReranker.load(str(adapter), "fp32", device="cpu")
    merged = StudentReranker.load(str(saved / "student"), "fp32", device="cpu")
    assert (reranker.encoder.query_tokens, reranker.encoder.passage_tokens) == (8, 16)
    assert reranker.parameters == merged.parameters
    # Where the folders stand does not matter, but their content does.
    own = student_identity(str(adapter))
    assert own == student_identity(str(saved / "student" / "adapter"))
    with_values(CONFIG_FILE, lora_alpha=5.0)(adapter)
    assert student_identity(str(adapter)) != own
    planned = ship(ShipSettings(student=str(adapter), out=tmp_path / "out", dry_run=True))
    assert planned.parameters == merged.parameters


def test_they_are_no_backbone(adapter: Path) -> None:
    with pytest.raises(UsageError, match="holds adapters, which are not trained further") as found:
        load_backbone(str(adapter), seed=1, query_tokens=8, passage_tokens=16, dropout=None)
    assert str(adapter.parent) in str(found.value.hint)


def test_what_gets_no_adapter_is_one_sentence(tiny_backbone: str) -> None:
    encoder = load_backbone(tiny_backbone, seed=1, query_tokens=8, passage_tokens=16, dropout=None)
    with pytest.raises(UsageError, match=r"none named 'q_proj' \(dense, key, query, value\)"):
        with_adapters(encoder, Lora(2, 4.0, 0.0, ("q_proj",)), 1)
