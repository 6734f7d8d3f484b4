"""Checkpoints as strangers publish them: other tokenizers, own code, odd settings."""

from __future__ import annotations

import builtins
import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import transformers
from public_rerankers import ROOM, SIZES, make, saved_tokenizer
from small_rerankers import save_causal
from test_public_rerankers import TEXTS, ours

from rankgen.manifests.errors import UsageError
from rankgen.manifests.models.loading_report import load_part
from rankgen.students.model.cross_encoder import CrossEncoder
from rankgen.students.model.families.reading import room_of
from rankgen.students.model.loading import load_backbone, load_cross_encoder
from rankgen.students.shipping.quality import made_up_pairs

CONFIG_CODE = """
from pathlib import Path
from transformers import PretrainedConfig
Path({ran!r}).write_text("ran")
class XConfig(PretrainedConfig):
    model_type = "x-reranker"
"""


def as_backbone(source: Path, **given: Any) -> CrossEncoder:
    lengths = {"query_tokens": 8, "passage_tokens": 16}
    return load_backbone(str(source), seed=1, **lengths, **{"dropout": None, **given})


def with_values(folder: Path, file: str = "config.json", **values: object) -> Path:
    held = json.loads((folder / file).read_text())
    (folder / file).write_text(json.dumps(held | values))
    return folder


def theirs(folder: Path, batch_size: int = 1) -> np.ndarray[Any, Any]:
    peers = pytest.importorskip("sentence_transformers")
    model = peers.CrossEncoder(str(folder), device="cpu", activation_fn=torch.nn.Identity())
    found = model.predict(TEXTS, batch_size=batch_size, show_progress_bar=False)
    return np.asarray(found)


@pytest.fixture
def classifier(minilm: str, tmp_path: Path) -> Path:
    return make("one logit", tmp_path / "model", minilm)


def test_a_model_s_own_code_does_not_run(
    classifier: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    ran = tmp_path / "ran"
    (classifier / "configuration_x.py").write_text(CONFIG_CODE.format(ran=str(ran)))
    code = {"AutoConfig": "configuration_x.XConfig"}
    with_values(classifier, auto_map=code, model_type="x-reranker")
    # transformers asks at the terminal; nobody is to be asked.
    monkeypatch.setattr(builtins, "input", lambda *_: "y")
    for load in (lambda: load_cross_encoder(str(classifier)), lambda: as_backbone(classifier)):
        with pytest.raises(UsageError, match=r"needs its own code \(auto_map in its files\)"):
            load()
    assert not ran.exists()
    # A class that transformers has under the same name, for other weights.
    with_values(
        classifier, model_type="electra", architectures=["ElectraForSequenceClassification"]
    )
    with pytest.raises(UsageError, match=r"lacks \d+ of \d+ weights") as refused:
        load_cross_encoder(str(classifier))
    assert "this one needs its own code" in (refused.value.hint or "")


def test_a_class_that_transformers_has_not_is_not_taken_for_one_that_it_has(
    classifier: Path,
) -> None:
    """Its weights fit, but it may attend to other tokens, or pool others."""
    with_values(classifier, architectures=["BertBothWaysForSequenceClassification"])
    for load in (lambda: load_cross_encoder(str(classifier)), lambda: as_backbone(classifier)):
        with pytest.raises(
            UsageError, match=r"a BertBothWays.*, a class that transformers does not"
        ):
            load()


def test_a_model_without_tokenizer_files_is_not_scored_with(classifier: Path) -> None:
    for path in classifier.glob("*token*"):
        path.unlink()
    for load in (
        lambda: load_cross_encoder(str(classifier)),
        lambda: as_backbone(classifier),
        lambda: load_part("AutoTokenizer", str(classifier)),
    ):
        with pytest.raises(UsageError, match="has no vocabulary"):
            load()


def test_a_tokenizer_of_another_model_is_refused(minilm: str, tmp_path: Path) -> None:
    def saved(name: str, **sizes: object) -> Path:
        config = transformers.BertConfig(
            **{**SIZES, "max_position_embeddings": ROOM, "num_labels": 1, **sizes}
        )
        folder = tmp_path / name
        of_class: Any = transformers.BertForSequenceClassification
        of_class(config).save_pretrained(folder)
        saved_tokenizer(folder, minilm)
        return folder

    smaller, typeless = saved("smaller", vocab_size=2000), saved("typeless", type_vocab_size=1)
    for load in (lambda source: load_cross_encoder(str(source)), as_backbone):
        with pytest.raises(UsageError, match="has 30,522 tokens, but its model knows 2,000"):
            load(smaller)
        with pytest.raises(UsageError, match="with token type 1, but its model knows 1 token type"):
            load(typeless)


def test_tokens_that_were_added_without_vectors_are_named(classifier: Path) -> None:
    tokenizer = transformers.AutoTokenizer.from_pretrained(classifier)
    tokenizer.add_tokens(["[URL]"])
    tokenizer.save_pretrained(classifier)
    encoder = load_cross_encoder(str(classifier))
    assert len(encoder.tokenise_queries({"q": "plants"})) == 1
    with pytest.raises(UsageError, match=r"a text holds .\[(URL|url)\]., a token that was added"):
        encoder.tokenise_passages({"d": "see [URL] for plants"})
    tokenizer.add_special_tokens({"pad_token": "[FILL]"})
    tokenizer.save_pretrained(classifier)
    for load in (lambda source: load_cross_encoder(str(source)), as_backbone):
        with pytest.raises(UsageError, match=r"adds '\[FILL\]' to pairs, but its model knows"):
            load(classifier)


def test_tokens_that_were_added_without_vectors_are_named_in_prompts(tmp_path: Path) -> None:
    folder = save_causal(tmp_path / "qwen3-reranker", "qwen3-reranker")
    tokenizer = transformers.AutoTokenizer.from_pretrained(folder)
    tokenizer.add_tokens(["[URL]"])
    tokenizer.save_pretrained(folder)
    pairs = load_cross_encoder(str(folder)).pair_source(
        {"q": "plants"}, {"plain": "plants", "odd": "see [URL] for plants"}
    )
    assert len(pairs([("q", "plain")])) == 1
    with pytest.raises(UsageError, match=r"a text holds '\[URL\]', a token that was added"):
        pairs([("q", "plain"), ("q", "odd")])
    # Then no pair at all can be scored.
    tokenizer.add_tokens(["<Document>"])
    tokenizer.save_pretrained(folder)
    with pytest.raises(UsageError, match=r"adds '<Document>' to pairs, but its model knows"):
        load_cross_encoder(str(folder))


def test_made_up_pairs_hold_no_token_without_a_vector(classifier: Path) -> None:
    tokenizer = transformers.AutoTokenizer.from_pretrained(classifier)
    tokenizer.add_tokens([f"[added {number}]" for number in range(3000)])
    tokenizer.save_pretrained(classifier)
    encoder = load_cross_encoder(str(classifier))
    highest = max(ids.max() for pair in made_up_pairs(encoder) for ids in pair)
    assert highest < encoder.model.config.vocab_size <= len(tokenizer) - 3000


def test_a_cut_that_leaves_no_text_is_refused(classifier: Path) -> None:
    with_values(classifier, "tokenizer_config.json", model_max_length=4)
    with pytest.raises(UsageError, match="cuts pairs after 4 tokens, of which 3 are special"):
        load_cross_encoder(str(classifier))
    with_values(classifier, "tokenizer_config.json", model_max_length="48")
    with pytest.raises(UsageError, match="cuts pairs after '48' tokens, which is not a number"):
        load_cross_encoder(str(classifier))
    with_values(classifier, "tokenizer_config.json", model_max_length=5)
    assert len(set(ours(load_cross_encoder(str(classifier))))) > 1


def test_texts_lose_their_beginnings_where_the_tokenizer_says_so(classifier: Path) -> None:
    right = ours(load_cross_encoder(str(classifier)))
    with_values(classifier, "tokenizer_config.json", truncation_side="left")
    left = ours(load_cross_encoder(str(classifier)))
    np.testing.assert_allclose(left, theirs(classifier), atol=1e-5)
    assert np.abs(left - right).max() > 0.03


@pytest.mark.parametrize(("of_query", "of_passage"), [(90, 70), (70, 90), (70, 70), (46, 90)])
def test_of_two_texts_beyond_the_cut_the_longer_one_keeps_a_token_more(
    classifier: Path, of_query: int, of_passage: int
) -> None:
    encoder = load_cross_encoder(str(classifier))
    texts = "plants " * of_query, "garden " * of_passage
    ((query, passage),) = encoder.pairs({"q": texts[0]}, {"d": texts[1]}, [("q", "d")])
    tokenizer = transformers.AutoTokenizer.from_pretrained(classifier)
    encoded = tokenizer(*texts, truncation=True, max_length=ROOM)
    owners = encoded.sequence_ids(0)
    assert (len(query), len(passage)) == (owners.count(0), owners.count(1))


def test_a_classifier_whose_config_knows_no_padding_scores_batches(
    minilm: str, tmp_path: Path
) -> None:
    torch.manual_seed(3)
    sizes = {**SIZES, "num_key_value_heads": 1, "head_dim": 16, "num_labels": 1}
    config = transformers.Qwen3Config(**sizes, max_position_embeddings=256)
    of_class: Any = transformers.Qwen3ForSequenceClassification
    of_class(config).save_pretrained(tmp_path)
    tokenizer = saved_tokenizer(tmp_path, minilm)
    tokenizer.model_input_names = ["input_ids", "attention_mask"]
    tokenizer.save_pretrained(tmp_path)
    with_values(tmp_path, pad_token_id=None)
    found = ours(load_cross_encoder(str(tmp_path)))
    assert found.std() > 0.03
    np.testing.assert_allclose(found, theirs(tmp_path), atol=1e-5)


@pytest.mark.parametrize(
    ("name", "padding", "room"),
    [
        *(("MPNet", 1, 48), ("XLMRobertaXL", 1, 48), ("Luke", 1, 48), ("IBert", 1, 48)),
        *(("Roberta", 0, 49), ("Bert", 0, 50)),
    ],
)
def test_positions_before_the_first_are_not_counted(name: str, padding: int, room: int) -> None:
    config = getattr(transformers, f"{name}Config")
    assert room_of(config(max_position_embeddings=50, pad_token_id=padding)) == room


def test_a_dropout_that_is_written_as_a_whole_number_is_set(
    classifier: Path, tmp_path: Path
) -> None:
    copy = shutil.copytree(classifier, tmp_path / "copy")
    with_values(copy, hidden_dropout_prob=0, attention_probs_dropout_prob=0)
    encoder = as_backbone(copy, dropout=0.2, attention_dropout=0.3)
    config: Any = encoder.model.config
    assert (config.hidden_dropout_prob, config.attention_probs_dropout_prob) == (0.2, 0.3)
