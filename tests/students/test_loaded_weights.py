"""No weight is drawn at random without a word: a checkpoint fits its config.json or is refused."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file
from transformers import (
    AutoConfig,
    AutoModel,
    AutoModelForMaskedLM,
    AutoModelForSequenceClassification,
    AutoTokenizer,
    BartConfig,
    BertConfig,
    RobertaConfig,
)

from rankgen.manifests import notices
from rankgen.manifests.errors import UsageError
from rankgen.manifests.models.loading_report import load_weights
from rankgen.students.model.cross_encoder import CrossEncoder
from rankgen.students.model.loading import load_backbone, load_cross_encoder

Tensors = dict[str, torch.Tensor]
SIZES = {"hidden_size": 32, "num_hidden_layers": 1, "num_attention_heads": 2}
SIZES |= {"intermediate_size": 64, "max_position_embeddings": 64, "vocab_size": 30522}


def backbone(source: Path) -> CrossEncoder:
    return load_backbone(str(source), seed=1, query_tokens=8, passage_tokens=16, dropout=None)


@pytest.fixture
def student(tiny_backbone: str, tmp_path: Path) -> Path:
    folder = tmp_path / "student"
    backbone(Path(tiny_backbone)).save(folder)
    return folder


def change(folder: Path, changed: Callable[[Tensors], Tensors]) -> Path:
    path = folder / "model.safetensors"
    save_file(changed(load_file(path)), path, metadata={"format": "pt"})
    return folder


def without(*parts: str) -> Callable[[Tensors], Tensors]:
    def changed(tensors: Tensors) -> Tensors:
        return {n: t for n, t in tensors.items() if not any(part in n for part in parts)}

    return changed


def renamed(tensors: Tensors) -> Tensors:
    return {f"encoder_of_others.{name}": tensor for name, tensor in tensors.items()}


def in_another_shape(name: str) -> Callable[[Tensors], Tensors]:
    def changed(tensors: Tensors) -> Tensors:
        return tensors | {name: torch.zeros(3, *tensors[name].shape[1:])}

    return changed


def test_a_student_without_its_head_is_not_scored_with(student: Path) -> None:
    change(student, without("classifier"))
    message = r"student .*student lacks 2 of 41 weights .*: classifier.weight, classifier.bias"
    with pytest.raises(UsageError, match=message):
        load_cross_encoder(str(student))


@pytest.mark.parametrize(
    ("changed", "lacking"),
    [
        (without("layer.1.output.dense.weight"), "lacks 1 of 41 .*layer.1.output.dense.weight"),
        (without("pooler.dense"), "lacks 2 of 41 .*pooler.dense"),
        (in_another_shape("classifier.weight"), "lacks 1 of 41 .*classifier.weight"),
        (in_another_shape("bert.embeddings.LayerNorm.bias"), "lacks 1 of 41 .*LayerNorm.bias"),
        (renamed, "lacks 41 of 41 .*, …"),
    ],
)
def test_a_student_that_lacks_any_weight_is_refused(
    student: Path, changed: Callable[[Tensors], Tensors], lacking: str
) -> None:
    with pytest.raises(UsageError, match=lacking):
        load_cross_encoder(str(change(student, changed)))


def test_layers_that_a_wrong_config_leaves_out_are_said(
    student: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    notices.warn.cache_clear()
    load_cross_encoder(str(student))
    assert "not read" not in capsys.readouterr().err
    config = json.loads((student / "config.json").read_text())
    (student / "config.json").write_text(json.dumps(config | {"num_hidden_layers": 1}))
    load_cross_encoder(str(student))
    (said,) = capsys.readouterr().err.splitlines()
    assert "holds 16 weights of layers that its config.json does not ask for" in said


@pytest.mark.parametrize(
    ("changed", "lacking"),
    [
        (renamed, "backbone .* lacks 37 of 37 weights .*model_type bert.*, …"),
        (without("layer.0.attention.self.key.weight"), "lacks 1 of 37 .*self.key.weight"),
        (in_another_shape("bert.embeddings.LayerNorm.bias"), "lacks 1 of 37 .*LayerNorm.bias"),
    ],
)
def test_a_backbone_without_its_body_is_not_trained(
    student: Path, changed: Callable[[Tensors], Tensors], lacking: str
) -> None:
    with pytest.raises(UsageError, match=lacking):
        backbone(change(student, changed))


@pytest.mark.parametrize(
    "changed",
    [without("classifier"), without("pooler", "classifier"), in_another_shape("classifier.weight")],
)
def test_only_the_head_may_be_fresh(student: Path, changed: Callable[[Tensors], Tensors]) -> None:
    kept = load_file(student / "model.safetensors")["bert.encoder.layer.0.output.dense.weight"]
    loaded = backbone(change(student, changed)).model.state_dict()
    assert torch.equal(loaded["bert.encoder.layer.0.output.dense.weight"], kept)


@pytest.mark.parametrize(
    ("auto_class", "config"),
    [
        (AutoModelForMaskedLM, BertConfig(**SIZES)),
        (AutoModelForMaskedLM, RobertaConfig(**SIZES, pad_token_id=0)),
        (AutoModel, RobertaConfig(**SIZES, pad_token_id=0)),
    ],
)
def test_pretrained_encoders_need_no_head_and_no_pooler(
    auto_class: type[AutoModel], config: BertConfig, minilm: str, tmp_path: Path
) -> None:
    auto_class.from_config(config).save_pretrained(tmp_path)
    AutoTokenizer.from_pretrained(minilm).save_pretrained(tmp_path)
    assert backbone(tmp_path).model.num_labels == 1


def test_tied_weights_are_not_missed(tmp_path: Path) -> None:
    config = BartConfig(
        vocab_size=60, d_model=16, encoder_layers=1, decoder_layers=1, num_labels=1,
        encoder_attention_heads=2, decoder_attention_heads=2, encoder_ffn_dim=16,
        decoder_ffn_dim=16,
    )  # fmt: skip
    AutoModelForSequenceClassification.from_config(config).save_pretrained(tmp_path)
    stored = load_file(tmp_path / "model.safetensors")
    assert "model.encoder.embed_tokens.weight" not in stored
    config = AutoConfig.from_pretrained(tmp_path)
    _, lacking = load_weights("AutoModelForSequenceClassification", str(tmp_path), config=config)
    assert not lacking


def cut_in_half(path: Path) -> None:
    os.truncate(path, path.stat().st_size // 2)


def pointer(path: Path) -> None:
    path.write_text("version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 1\n")


def pickled(path: Path) -> None:
    path.unlink()
    (path.parent / "pytorch_model.bin").write_bytes(b"abc")


def empty(path: Path) -> None:
    path.write_bytes(b"")


@pytest.mark.parametrize("damage", [cut_in_half, pointer, pickled, empty])
def test_damaged_weights_are_one_sentence(student: Path, damage: Callable[[Path], None]) -> None:
    damage(student / "model.safetensors")
    for load in (lambda: load_cross_encoder(str(student)), lambda: backbone(student)):
        with pytest.raises(UsageError, match=r"the model .*student cannot be loaded: .+") as caught:
            load()
        assert "\n" not in caught.value.message


def test_a_damaged_tokenizer_is_one_sentence(student: Path) -> None:
    (student / "tokenizer.json").write_text("{")
    with pytest.raises(UsageError, match="cannot be loaded"):
        load_cross_encoder(str(student))
