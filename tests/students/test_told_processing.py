"""What sentence-transformers saves of a pair's tokens is done, kept in students, or refused."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from public_rerankers import ROOM, make
from test_foreign_checkpoints import as_backbone, theirs, with_values
from test_public_rerankers import ours

from rankgen.manifests.errors import UsageError
from rankgen.students.model.hardware import choose_hardware
from rankgen.students.model.loading import load_cross_encoder
from rankgen.students.model.scoring import score_pairs
from rankgen.students.reranking.student_identity import student_identity

SETTINGS, WHOLE = "sentence_bert_config.json", "config_sentence_transformers.json"
POOLING = "1_Pooling/config.json"
PROMPT = {"prompts": {"web": "about it: "}, "default_prompt_name": "web"}
PARTS = "{% for m in messages %}{{ m.role }}: {{ m.content[0].text }} {% endfor %}yes or no?"
QUERIES = {"q": "how do plants"}
PASSAGES = {"d0": "light becomes sugar", "d1": "rome", "d2": ""}
NAMED = [("q", doc_id) for doc_id in PASSAGES]
TEXTS = [(QUERIES["q"], text) for text in PASSAGES.values()]
Change = Callable[[Path], object]
Saved = Callable[[str, Path], Path]


@pytest.fixture(scope="module")
def saved(minilm: str, tmp_path_factory: pytest.TempPathFactory) -> Saved:
    """Copies a model of a layout, classifiers as sentence-transformers saves them since 5.4."""
    peers = pytest.importorskip("sentence_transformers")
    made: dict[str, Path] = {}

    def copied(layout: str, folder: Path) -> Path:
        if layout not in made:
            root = tmp_path_factory.mktemp("made")
            made[layout] = make(layout, root / "plain", minilm)
            if "logit" in layout:
                model = peers.CrossEncoder(str(root / "plain"), device="cpu")
                made[layout] = root / "saved"
                model.save_pretrained(str(made[layout]))
        return Path(shutil.copytree(made[layout], folder))

    return copied


def told(file: str, **values: object) -> Change:
    return lambda folder: with_values(folder, file, **values)


def written(file: str, content: object) -> Change:
    return lambda folder: (folder / file).write_text(json.dumps(content))


def calls(part: str, **values: object) -> Change:
    return told(SETTINGS, processing_kwargs={part: values})


def in_parts(folder: Path) -> None:
    held = json.loads((folder / SETTINGS).read_text())
    held["modality_config"]["message"]["format"] = "structured"
    with_values(folder, SETTINGS, **held)
    (folder / "chat_template.jinja").write_text(PARTS)


def without_prompt(folder: Path) -> None:
    told(POOLING, include_prompt=False)(folder)
    told(WHOLE, **PROMPT)(folder)


@pytest.mark.parametrize(
    ("layout", "change"),
    [
        ("one logit", told(WHOLE, **PROMPT)),
        ("one logit", calls("text", max_length=20, padding_side="left")),
        ("one logit", calls("common", max_length=20)),
        ("one logit", told(SETTINGS, tokenizer_args={"model_max_length": 20})),
        ("one logit", told(SETTINGS, processor_kwargs={"truncation_side": "left"})),
        ("log score", calls("chat_template", max_length=30)),
        ("log score", calls("text", max_length=30)),
        ("log score", told("tokenizer_config.json", truncation_side="left")),
        ("log score", in_parts),
        ("modules", without_prompt),
        ("modules with a mean", without_prompt),
        ("modules with a mean", told(POOLING, pooling_mode="mean_sqrt_len_tokens")),
        ("modules with a mean", told(POOLING, pooling_mode="weightedmean")),
        ("modules with a mean", told(POOLING, pooling_mode="lasttoken")),
    ],
)
def test_scores_are_those_of_sentence_transformers(
    layout: str, change: Change, saved: Saved, tmp_path: Path
) -> None:
    folder = saved(layout, tmp_path / "model")
    before = ours(load_cross_encoder(str(folder)))
    change(folder)
    found = ours(load_cross_encoder(str(folder)))
    np.testing.assert_allclose(found, theirs(folder), atol=1e-5)
    assert np.abs(found - before).max() > 0.01


@pytest.mark.parametrize(
    ("layout", "change", "problem"),
    [
        ("one logit", calls("text", add_special_tokens=False), "its tokenizer for add_special_tok"),
        ("one logit", calls("text", truncation="only_first"), "for truncation=only_first"),
        ("log score", calls("chat_template", restore_suffix=False), "not shown what follows a lo"),
        ("one logit", told(WHOLE, default_prompt_name="news"), "names the prompt 'news', which is"),
        ("one logit", told(SETTINGS, tokenizer_args=True), "its JSON files are damaged"),
        ("one logit", told(SETTINGS, processing_kwargs=7), "its JSON files are damaged"),
        ("modules", told("2_Dense/config.json", out_features=-1), "its JSON files are damaged"),
        ("modules", written(POOLING, [1]), "its JSON files are damaged"),
        ("modules", written("config.json", 7), r"its config\.json is damaged"),
        ("log score", told("1_LogitScore/config.json", true_token_id=True), "which tokens are the"),
        (
            "log score",
            told("1_LogitScore/config.json", true_token_id=99999),
            "which tokens are the",
        ),
    ],
)
def test_tokens_that_are_made_otherwise_are_refused(
    layout: str, change: Change, problem: str, saved: Saved, tmp_path: Path
) -> None:
    folder = saved(layout, tmp_path / "model")
    change(folder)
    with pytest.raises(UsageError, match=problem) as refused:
        load_cross_encoder(str(folder))
    assert "\n" not in refused.value.message
    assert refused.value.hint


@pytest.mark.parametrize(
    ("layout", "change"),
    [
        ("one logit", told(WHOLE, **PROMPT)),
        ("two logits", told(WHOLE, **PROMPT)),
        ("one logit", calls("text", max_length=5)),
        ("one logit", told("tokenizer_config.json", padding_side="left", truncation_side="left")),
        ("modules with a mean", without_prompt),
        ("log score", calls("text", max_length=44)),
    ],
)
def test_a_student_of_it_reads_pairs_as_in_its_training(
    layout: str, change: Change, saved: Saved, tmp_path: Path
) -> None:
    peers = pytest.importorskip("sentence_transformers")
    folder = saved(layout, tmp_path / "model")
    change(folder)
    trained = as_backbone(folder)
    trained.model.train(False)
    (tmp_path / "student").mkdir()
    trained.save(tmp_path / "student")
    student = load_cross_encoder(str(tmp_path / "student"))
    assert student.prompt == trained.prompt
    hardware = choose_hardware("cpu", "fp32", chunk_tokens=2400)
    found = score_pairs(student, student.pairs(QUERIES, PASSAGES, NAMED), hardware)
    same = score_pairs(trained, trained.pairs(QUERIES, PASSAGES, NAMED), hardware)
    np.testing.assert_array_equal(found, same)
    # Whatever its activation was, the score that is loaded again is the logit.
    again: Any = peers.CrossEncoder(str(tmp_path / "student"), device="cpu").predict(TEXTS)
    if again.ndim == 2:
        again = again[:, 1] - again[:, 0]
    assert found.std() > 0.005
    np.testing.assert_allclose(again, found, atol=1e-5)


def test_scores_that_an_earlier_version_kept_are_computed_anew(
    saved: Saved, tmp_path: Path
) -> None:
    folder = saved("modules with a mean", tmp_path / "model")
    assert student_identity(str(folder)).endswith(" (pairs cut as one)")
    for change in (without_prompt, calls("text", max_length=20)):
        change(folder)
        assert student_identity(str(folder)).endswith(", made as its library makes them)")
        told(POOLING, include_prompt=True)(folder)


def test_padding_does_not_reach_a_pooling(saved: Saved, tmp_path: Path) -> None:
    folder = saved("modules with a mean", tmp_path / "model")
    for mode in ("mean", "mean_sqrt_len_tokens", "weightedmean", "lasttoken", "max"):
        told(POOLING, pooling_mode=mode, include_prompt=False)(folder)
        model = load_cross_encoder(str(folder)).model
        ids = torch.randint(1000, 2000, (1, ROOM - 8))
        alone = model(input_ids=ids, attention_mask=torch.ones_like(ids)).logits
        padded = torch.nn.functional.pad(ids, (0, 8))
        batch = model(input_ids=padded, attention_mask=(padded > 0).long()).logits
        torch.testing.assert_close(alone, batch, atol=1e-5, rtol=0)
