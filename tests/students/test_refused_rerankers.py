"""A checkpoint that would score with chance, or without a text, is refused in one sentence."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from public_rerankers import ROLES, WITHOUT_DOCUMENT, lightning_ir, make
from safetensors.torch import load_file, save_file
from small_rerankers import save_causal

from rankgen.manifests.errors import UsageError
from rankgen.manifests.models.model_source import folder_digest
from rankgen.students.model.loading import load_backbone, load_cross_encoder

Change = Callable[[Path], object]


def without(name: str, file: str = "model.safetensors") -> Change:
    def change(folder: Path) -> None:
        held = load_file(folder / file)
        save_file({n: t for n, t in held.items() if name not in n}, folder / file, {"format": "pt"})

    return change


def unlinked(file: str) -> Change:
    return lambda folder: (folder / file).unlink()


def with_values(file: str, **values: object) -> Change:
    def change(folder: Path) -> None:
        held = json.loads((folder / file).read_text())
        (folder / file).write_text(json.dumps(held | values))

    return change


def with_template(template: str) -> Change:
    return lambda folder: (folder / "chat_template.jinja").write_text(template)


def without_answers(folder: Path) -> None:
    content = (folder / "tokenizer.json").read_text()
    (folder / "tokenizer.json").write_text(content.replace('"yes"', '"quetzal"'))


NAMES = {"0": "entailment", "1": "contradiction"}


@pytest.mark.parametrize(
    ("layout", "change", "problem"),
    [
        ("two logits", without("classifier"), r"lacks 2 of .*: classifier\.weight"),
        ("modules", without("layers.0.mlp"), r"lacks .*body\.layers\.0\.mlp"),
        ("modules", unlinked("4_Dense/model.safetensors"), r"module 4_Dense of .* there is no"),
        (
            "modules",
            without("bias", "4_Dense/model.safetensors"),
            r"module 4_Dense of .* cannot be loaded: .*linear\.bias is missing",
        ),
        ("modules", unlinked("2_Dense/config.json"), "lacks 2_Dense/config.json"),
        ("log score", without("lm_head"), r"lacks 1 of .* body\.lm_head"),
        (
            "two logits",
            with_values("config.json", id2label=NAMES),
            "two outputs, 'entailment' and 'contradiction', and which of them means relevant is",
        ),
        ("chat", with_template(WITHOUT_DOCUMENT), "is not shown the passage"),
        ("chat classifier", with_template(WITHOUT_DOCUMENT), "is not shown the passage"),
        ("log score", with_template("{{ messages[9].content }}"), "cannot be shown a query and"),
        ("chat", unlinked("chat_template.jinja"), "has no chat template for pairs"),
        ("chat", without_answers, "has no token 'yes', by which a causal model"),
        (
            "modules",
            with_values("1_Pooling/config.json", pooling_mode="attention"),
            "pooling of .* is not supported: attention",
        ),
        (
            "modules",
            with_values("2_Dense/config.json", activation_function="somewhere.Else"),
            "not one of PyTorch's: somewhere.Else",
        ),
        (
            "log score",
            with_values("1_LogitScore/config.json", true_token_id=None),
            "does not say which tokens are the answers",
        ),
    ],
)
def test_it_is_not_scored_with(
    layout: str, change: Change, problem: str, minilm: str, tmp_path: Path
) -> None:
    folder = make(layout, tmp_path / "model", minilm)
    change(folder)
    with pytest.raises(UsageError, match=problem) as refused:
        load_cross_encoder(str(folder))
    assert "\n" not in refused.value.message
    assert refused.value.hint


@pytest.mark.parametrize(
    ("change", "problem"),
    [
        (without("linear.weight"), r"lacks 1 of .* head\.0\.linear\.weight"),
        (without("layer.1.output.dense.bias"), r"lacks 1 of .*body\.encoder\.layer\.1\.output"),
        (with_values("config.json", model_type="set-encoder"), "'set-encoder', which does not"),
        (with_values("config.json", pooling_strategy="median"), "pooling of .*: median"),
        (with_values("config.json", backbone_model_type="t5"), "a body that is not supported: t5"),
    ],
)
def test_a_model_of_lightning_ir_is_not_scored_with(
    change: Change, problem: str, minilm: str, tmp_path: Path
) -> None:
    pytest.importorskip("lightning_ir")
    lightning_ir(tmp_path, minilm)
    load_cross_encoder(str(tmp_path))
    change(tmp_path)
    for load in (load_cross_encoder, as_backbone):
        with pytest.raises(UsageError, match=problem):
            load(str(tmp_path))


def as_backbone(source: str) -> object:
    return load_backbone(source, seed=1, query_tokens=8, passage_tokens=16, dropout=None)


def test_a_language_model_is_a_backbone_with_its_own_answers(minilm: str, tmp_path: Path) -> None:
    for kind in ("log score", "chat classifier", "qwen3-reranker"):
        folder = tmp_path / kind
        save_causal(folder, kind) if kind == "qwen3-reranker" else make(kind, folder, minilm)
        encoder = load_backbone(
            str(folder), seed=1, query_tokens=8, passage_tokens=16, dropout=None
        )
        assert encoder.has_trained_head
        assert encoder.cuts_whole
    with pytest.raises(UsageError, match=r"reads \d+ tokens, but a pair has up to \d+"):
        load_backbone(str(folder), seed=1, query_tokens=8, passage_tokens=9000, dropout=None)


def test_two_named_outputs_are_read_by_their_names(minilm: str, tmp_path: Path) -> None:
    folder = make("two logits", tmp_path / "model", minilm)
    assert load_cross_encoder(str(folder)).relevant == 1
    for names in ({"0": "relevant", "1": "not_relevant"}, {"0": "Yes", "1": "No"}):
        with_values("config.json", id2label=names)(folder)
        assert load_cross_encoder(str(folder)).relevant == 0


def test_a_head_for_something_else_is_replaced(minilm: str, tmp_path: Path) -> None:
    folder = make("two logits", tmp_path / "model", minilm)
    with_values("config.json", id2label=NAMES)(folder)
    encoder = load_backbone(str(folder), seed=1, query_tokens=8, passage_tokens=16, dropout=None)
    assert encoder.model.config.num_labels == 1
    assert not encoder.has_trained_head


def test_a_model_is_also_its_answers_and_its_template(minilm: str, tmp_path: Path) -> None:
    folder = make("log score", tmp_path / "model", minilm)
    digests = {folder_digest(folder)}
    with_values("1_LogitScore/config.json", true_token_id=7)(folder)
    digests.add(folder_digest(folder))
    with_template(ROLES + " ")(folder)
    digests.add(folder_digest(folder))
    assert len(digests) == 3
