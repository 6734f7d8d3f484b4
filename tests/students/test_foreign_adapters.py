"""Adapters that peft or sentence-transformers trained: what they save beside LoRA's matrices."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from peft import LoraConfig, PeftModel, get_peft_model
from public_rerankers import ROOM, SIZES, make, saved_tokenizer
from test_foreign_checkpoints import theirs
from test_public_rerankers import TEXTS, ours
from transformers import AutoModelForSequenceClassification, AutoTokenizer, BertConfig, BertModel

from rankgen.manifests.errors import UsageError
from rankgen.students.model.loading import load_cross_encoder
from rankgen.students.reranking.student_identity import student_identity


def lora(**options: Any) -> LoraConfig:
    given = {"r": 4, "lora_alpha": 8, "target_modules": ["query", "value"], "task_type": "SEQ_CLS"}
    return LoraConfig(**(given | options))


def loaded(base: Path, outputs: int) -> Any:
    return AutoModelForSequenceClassification.from_pretrained(
        base, num_labels=outputs, ignore_mismatched_sizes=True
    )


def fill(model: torch.nn.Module) -> None:
    torch.manual_seed(6)
    for weight in model.parameters():
        if weight.requires_grad:
            weight.data += 0.1 * torch.randn(weight.shape)


@pytest.fixture(scope="module")
def bases(tmp_path_factory: pytest.TempPathFactory, minilm: str) -> Mapping[str, Path]:
    """A classifier with one output, one with two, and a body without a head."""
    root = tmp_path_factory.mktemp("bases")
    torch.manual_seed(5)
    bare: Any = BertModel
    bare(BertConfig(**SIZES, max_position_embeddings=ROOM)).save_pretrained(root / "bare")
    saved_tokenizer(root / "bare", minilm)
    kinds = {"one": "one logit", "two": "two logits"}
    made = {name: make(layout, root / name, minilm) for name, layout in kinds.items()}
    return {**made, "bare": root / "bare"}


def adapter(base: Path, folder: Path, config: LoraConfig, outputs: int = 1) -> Path:
    model = get_peft_model(loaded(base, outputs), config)
    fill(model)
    model.save_pretrained(folder)
    return folder


def by_peft(base: Path, folder: Path, outputs: int) -> NDArray[np.float32]:
    model = PeftModel.from_pretrained(loaded(base, outputs), folder).eval()
    tokenizer = AutoTokenizer.from_pretrained(base)
    found = []
    with torch.inference_mode():
        for query, passage in TEXTS:
            inputs = tokenizer([query], [passage], truncation=True, return_tensors="pt")
            found.append(model(**inputs).logits[0].numpy())
    logits = np.stack(found)
    return logits[:, 0] if outputs == 1 else logits[:, 1] - logits[:, 0]


@pytest.mark.parametrize(
    ("base", "outputs", "options"),
    [
        ("bare", 1, {}),
        ("bare", 2, {}),
        ("two", 1, {}),
        ("two", 2, {"use_rslora": True}),
        ("one", 1, {"use_dora": True, "bias": "lora_only"}),
        ("one", 1, {"task_type": None, "target_modules": ["query", "word_embeddings"]}),
        ("one", 1, {"modules_to_save": ["classifier", "word_embeddings"]}),
    ],
)
def test_scores_are_those_of_peft(
    base: str, outputs: int, options: dict[str, Any], bases: Mapping[str, Path], tmp_path: Path
) -> None:
    folder = adapter(bases[base], tmp_path / "adapter", lora(**options), outputs)
    found = ours(load_cross_encoder(str(folder)))
    assert found.std() > 0.03
    np.testing.assert_allclose(found, by_peft(bases[base], folder, outputs), atol=1e-5)


def test_weights_in_the_file_of_older_versions_are_read(
    bases: Mapping[str, Path], tmp_path: Path
) -> None:
    from safetensors.torch import load_file

    folder = adapter(bases["bare"], tmp_path / "adapter", lora())
    before, known = ours(load_cross_encoder(str(folder))), student_identity(str(folder))
    new = folder / "adapter_model.safetensors"
    torch.save(load_file(new), folder / "adapter_model.bin")
    new.unlink()
    np.testing.assert_array_equal(ours(load_cross_encoder(str(folder))), before)
    assert student_identity(str(folder)) != known
    (folder / "adapter_model.bin").write_bytes(b"abc")
    with pytest.raises(UsageError, match="cannot be put into"):
        load_cross_encoder(str(folder))


def test_a_head_for_something_else_is_named(bases: Mapping[str, Path], tmp_path: Path) -> None:
    folder = adapter(bases["bare"], tmp_path / "adapter", lora(), 3)
    with pytest.raises(UsageError, match="not a cross-encoder's: its head has 3 outputs"):
        load_cross_encoder(str(folder))


@pytest.mark.parametrize("layout", ["one logit", "log score", "no head"])
def test_one_of_sentence_transformers_reads_pairs_by_its_own_files(
    layout: str, bases: Mapping[str, Path], minilm: str, tmp_path: Path
) -> None:
    peers = pytest.importorskip("sentence_transformers")
    base = bases["bare"]
    if layout != "no head":
        base = make(layout, tmp_path / "base", minilm)
    prompt = {"prompts": {"web": "about it: "}, "default_prompt_name": "web"}
    model = peers.CrossEncoder(str(base), device="cpu", max_length=30, **prompt)
    targets = ["q_proj", "v_proj"] if layout == "log score" else ["query", "value"]
    options = {"modules_to_save": ["classifier"]} if layout == "no head" else {}
    model[0].model.add_adapter(lora(task_type=None, target_modules=targets, **options))
    fill(model)
    model.save_pretrained(str(tmp_path / "adapter"))
    encoder = load_cross_encoder(str(tmp_path / "adapter"))
    found = ours(encoder)
    assert encoder.longest_pair == 30
    np.testing.assert_allclose(found, theirs(tmp_path / "adapter"), atol=1e-5)
    assert found.std() > 0.03
    known = student_identity(str(tmp_path / "adapter"))
    path = tmp_path / "adapter" / "config_sentence_transformers.json"
    path.write_text(path.read_text().replace("about it", "about them"))
    assert student_identity(str(tmp_path / "adapter")) != known
